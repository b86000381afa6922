//! Where a run keeps its log and its evidence.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use etcetera::BaseStrategy;
use winconform_harness::run::new_run_id;
use winconform_reports::{LogWriter, log::LogError};

use crate::error::CliError;

/// A run's own folder, with its log open.
#[derive(Debug, Clone)]
pub struct RunFolder {
    run: String,
    path: PathBuf,
    log: Arc<LogWriter>,
}

impl RunFolder {
    /// Makes the folder of a new run and opens its log: `out`, or a folder named
    /// like the run where all runs are.
    ///
    /// # Errors
    ///
    /// When it cannot be written to, or already holds a log.
    pub fn create(out: Option<&Path>, run: Option<String>) -> Result<Self, CliError> {
        let run = run.unwrap_or_else(new_run_id);
        let path = match out {
            Some(out) => out.to_owned(),
            None => all_runs().join(&run),
        };
        let log = LogWriter::create(&path).map_err(|error| match error {
            LogError::Create { error, .. } if error.kind() == io::ErrorKind::AlreadyExists => {
                CliError::FolderTaken { path: path.clone() }
            }
            error => CliError::Log(error),
        })?;
        if out.is_none() {
            point_latest_at(&path);
        }
        Ok(Self { run, path, log: Arc::new(log) })
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's log.
    #[must_use]
    pub fn log(&self) -> Arc<LogWriter> {
        self.log.clone()
    }
}

/// The folder of all runs: in the build directory inside a checkout of ours, otherwise in the user's state directory.
#[must_use]
pub fn all_runs() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(root) = here.ancestors().find(|folder| is_our_checkout(folder)) {
        let target = std::env::var_os("CARGO_TARGET_DIR").filter(|target| !target.is_empty());
        return target.map_or_else(|| root.join("target"), |target| here.join(target)).join("winconform");
    }
    let state = etcetera::choose_base_strategy()
        .map(|directories| directories.state_dir().unwrap_or_else(|| directories.data_dir()));
    state.unwrap_or_else(|_homeless| std::env::temp_dir()).join("winconform").join("runs")
}

fn is_our_checkout(folder: &Path) -> bool {
    let manifest = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_default();
    manifest("Cargo.toml").contains("[workspace]") && manifest("cli/Cargo.toml").contains("name = \"winconform\"")
}

/// Keeps `latest` pointing at the newest run. A convenience: where links cannot be made there is none.
#[cfg(unix)]
fn point_latest_at(folder: &Path) {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return };
    // Beside it and renamed, so that two runs at once never find it missing.
    let new = parent.join(format!(".latest-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    if std::os::unix::fs::symlink(name, &new).is_ok() && fs::rename(&new, parent.join("latest")).is_err() {
        let _ = fs::remove_file(&new);
    }
}

#[cfg(not(unix))]
fn point_latest_at(_folder: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_log_is_never_shared() {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::create(Some(folder.path()), Some("a".into())).unwrap();
        let second = RunFolder::create(Some(folder.path()), Some("b".into()));
        assert!(matches!(second, Err(CliError::FolderTaken { .. })));
    }

    #[test]
    fn a_folder_under_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = RunFolder::create(Some(&file.path().join("run")), None);
        assert!(matches!(refused, Err(CliError::Log(LogError::Folder { .. }))));
    }

    #[test]
    fn inside_a_checkout_runs_are_in_the_build_directory() {
        // The tests' own directory is in the checkout.
        assert!(all_runs().ends_with("winconform"), "{}", all_runs().display());
        assert!(!is_our_checkout(Path::new("/")));
    }

    #[cfg(unix)]
    #[test]
    fn latest_points_at_the_newest_run() {
        let runs = tempfile::tempdir().unwrap();
        for run in ["first", "second"] {
            fs::create_dir(runs.path().join(run)).unwrap();
            point_latest_at(&runs.path().join(run));
        }
        assert_eq!(fs::read_link(runs.path().join("latest")).unwrap(), Path::new("second"));
        assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 3);
    }
}
