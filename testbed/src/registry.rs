//! The standing testbeds of this user.
//!
//! A file for each in the user's state directory, written by the testbed itself
//! when it is ready and removed when it ends. One that was killed leaves its
//! file, so whoever reads one asks the testbed whether it lives.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::BaseStrategy as _;
use thiserror::Error;

use crate::{control, progress::Info};

/// How long a testbed may take to answer that it lives.
const ANSWER: Duration = Duration::from_secs(3);

/// The list of standing testbeds could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The name cannot be a file's name.
    #[error("`{0}` is not a name for a testbed: letters, digits and hyphens, at most 40")]
    Name(String),
    /// A file could not be read or written.
    #[error("the list of testbeds in {path} could not be used", path = .path.display())]
    Files {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The list of standing testbeds.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    directory: PathBuf,
}

impl Registry {
    /// The list of the user who runs this program.
    #[must_use]
    pub(crate) fn of_user() -> Self {
        let state = etcetera::choose_base_strategy().ok().and_then(|directories| directories.state_dir());
        Self::at(&state.unwrap_or_else(std::env::temp_dir).join("winconform").join("testbeds"))
    }

    /// The list in `directory`.
    #[must_use]
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where the list is.
    #[must_use]
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is known of the testbed `name`, if it lives.
    ///
    /// # Errors
    ///
    /// When the name cannot be one, or the list cannot be read.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Info>, RegistryError> {
        let file = self.file(name, "json")?;
        let text = match tokio::fs::read(&file).await {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RegistryError::Files { path: file, source }),
        };
        let info = serde_json::from_slice::<Info>(&text).ok(); // one of another release of ours may not read
        match info {
            Some(info) if lives(&info).await => Ok(Some(info)),
            stale => {
                tracing::debug!(name, known = stale.is_some(), "forgetting a testbed that does not answer");
                let _ = tokio::fs::remove_file(&file).await;
                Ok(None)
            }
        }
    }

    /// All testbeds that live, by name.
    ///
    /// # Errors
    ///
    /// When the list cannot be read.
    pub(crate) async fn all(&self) -> Result<Vec<(String, Info)>, RegistryError> {
        let failed = |source| RegistryError::Files { path: self.directory.clone(), source };
        let mut entries = match tokio::fs::read_dir(&self.directory).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut all = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().and_then(|file| file.strip_suffix(".json")) else { continue };
            if let Ok(Some(info)) = self.find(name).await {
                all.push((name.to_owned(), info));
            }
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }

    /// Enters a testbed that is ready.
    pub(crate) async fn enter(&self, name: &str, info: &Info) -> Result<(), RegistryError> {
        let file = self.file(name, "json")?;
        let write = async {
            tokio::fs::create_dir_all(&self.directory).await?;
            let new = file.with_extension("new");
            tokio::fs::write(&new, serde_json::to_vec_pretty(info)?).await?;
            tokio::fs::rename(&new, &file).await
        };
        write.await.map_err(|source| RegistryError::Files { path: file.clone(), source })
    }

    /// Removes the entry of the testbed `name`, if it is the one of the process `pid`.
    pub(crate) async fn forget(&self, name: &str, pid: u32) {
        let Ok(file) = self.file(name, "json") else { return };
        let Ok(text) = tokio::fs::read(&file).await else { return };
        if serde_json::from_slice::<Info>(&text).is_ok_and(|info| info.pid == pid) {
            let _ = tokio::fs::remove_file(&file).await;
        }
    }

    /// The lock to hold while starting the testbed `name`.
    pub(crate) async fn lock_file(&self, name: &str) -> Result<PathBuf, RegistryError> {
        let file = self.file(name, "lock")?;
        tokio::fs::create_dir_all(&self.directory)
            .await
            .map_err(|source| RegistryError::Files { path: self.directory.clone(), source })?;
        Ok(file)
    }

    fn file(&self, name: &str, extension: &str) -> Result<PathBuf, RegistryError> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !plain || !(1..=40).contains(&name.len()) || name.starts_with('-') {
            return Err(RegistryError::Name(name.to_owned()));
        }
        Ok(self.directory.join(format!("{name}.{extension}")))
    }
}

/// Whether the testbed answers, and is the one it says.
async fn lives(info: &Info) -> bool {
    let asked = async { control::Client::connect(&info.control_socket).await?.status().await };
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(status)) if status.pid == info.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Latency;

    fn info(pid: u32, directory: &Path) -> Info {
        Info {
            kubeconfig: directory.join("admin.kubeconfig"),
            context: "c".into(),
            outside_proxy: "http://127.0.0.1:1".into(),
            control_socket: directory.join("control.sock"),
            state_dir: directory.to_owned(),
            version: "v1.37.2".into(),
            boot_ms: 1,
            shape: "default".into(),
            latency: Latency::FAST,
            kubectl: vec!["kubectl".into()],
            pid,
        }
    }

    #[tokio::test]
    async fn a_testbed_that_does_not_answer_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::at(&directory.path().join("list"));
        registry.enter("mine", &info(1, directory.path())).await.unwrap();
        assert_eq!(registry.find("mine").await.unwrap(), None);
        assert!(!directory.path().join("list/mine.json").exists());
    }

    #[tokio::test]
    async fn an_ending_testbed_does_not_forget_its_successor() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::at(directory.path());
        registry.enter("mine", &info(2, directory.path())).await.unwrap();
        registry.forget("mine", 1).await;
        assert!(directory.path().join("mine.json").exists());
        registry.forget("mine", 2).await;
        assert!(!directory.path().join("mine.json").exists());
    }

    #[tokio::test]
    async fn a_name_that_would_leave_the_directory_is_refused() {
        for name in ["../x", "", "a b", "-a", &"x".repeat(41)] {
            let refused = Registry::at(Path::new("/nowhere")).find(name).await;
            assert!(matches!(refused, Err(RegistryError::Name(_))), "{name}");
        }
    }

    #[tokio::test]
    async fn where_no_testbed_ever_stood_the_list_is_empty() {
        assert!(Registry::at(Path::new("/nowhere/list")).all().await.unwrap().is_empty());
    }
}
