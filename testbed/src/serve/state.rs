//! The directory of a running testbed: private, locked while it lives, removed when it ends.

use std::{
    fs::{File, Permissions, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Mutex,
};

use tracing_subscriber::{EnvFilter, fmt};

use super::ServeError;
use crate::control_plane::Layout;

/// How the names of these directories begin.
const PREFIX: &str = "winconform-testbed-";

/// The file in it that is locked while the testbed lives.
const LOCK: &str = "lock";

/// The variable that says what goes into the testbed's log.
const LOG_VARIABLE: &str = "WINCONFORM_LOG";

/// What goes into it otherwise. The client's own word on a failed request says nothing that its error does not.
const LOG_DEFAULT: &str = "info,kube_client::client::builder=off";

/// The directory of one running testbed.
#[derive(Debug)]
pub(super) struct StateDir {
    layout: Layout,
    _lock: File,
}

impl StateDir {
    /// Makes the directory where the system keeps temporary files.
    pub(super) async fn create() -> Result<Self, ServeError> {
        let parent = std::env::temp_dir();
        let failed = |source: io::Error| ServeError::State {
            reason: format!("{} cannot be written to (TMPDIR names another place)", parent.display()),
            source,
        };
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(failed)?;
        let layout = Layout::new(directory.path()).map_err(|socket| ServeError::State {
            reason: format!("{} is too long for a socket (TMPDIR names a shorter place)", socket.display()),
            source: io::ErrorKind::InvalidFilename.into(),
        })?;
        let lock = locked(directory.path()).map_err(failed)?;
        layout.create().await.map_err(failed)?;
        let _kept = directory.keep();
        Ok(Self { layout, _lock: lock })
    }

    /// The places in it.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Sends this process's log to a file in the directory, if it goes nowhere yet.
    pub(super) fn log_to_file(&self) {
        let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_unset| EnvFilter::new(LOG_DEFAULT));
        if let Ok(file) = File::create(self.layout.log("testbed")) {
            let _ = fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).try_init();
        }
    }

    /// Removes it; the supervisor may have done so already.
    pub(super) async fn remove(self) {
        let _ = tokio::fs::remove_dir_all(self.layout.root()).await;
    }
}

/// The directory's lock. It gets its name only once it is held, so that nobody finds it free.
fn locked(directory: &Path) -> io::Result<File> {
    let new = directory.join("lock.new");
    let lock = File::create(&new)?;
    lock.lock()?;
    std::fs::rename(new, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes what testbeds left that had no chance to: after a power cut, say.
pub(super) async fn sweep() {
    let swept = tokio::task::spawn_blocking(|| sweep_in(&std::env::temp_dir())).await;
    if let Ok(Err(error)) = swept {
        tracing::debug!(%error, "old testbeds' directories were not looked for");
    }
}

fn sweep_in(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_dead(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path()); // another user's stays
        }
    }
    Ok(())
}

/// A directory with a lock that nobody holds.
fn is_dead(directory: &Path) -> bool {
    let Ok(lock) = File::options().read(true).write(true).open(directory.join(LOCK)) else { return false };
    !matches!(lock.try_lock(), Err(TryLockError::WouldBlock | TryLockError::Error(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(parent: &Path, name: &str) -> std::path::PathBuf {
        let directory = parent.join(format!("{PREFIX}{name}"));
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    #[test]
    fn sweeping_removes_the_directories_of_dead_testbeds_only() {
        let parent = tempfile::tempdir().unwrap();
        let (alive, dead, starting) = (state(parent.path(), "a"), state(parent.path(), "b"), state(parent.path(), "c"));
        let _held = locked(&alive).unwrap();
        drop(locked(&dead).unwrap());
        let stranger = parent.path().join("someone-elses");
        std::fs::create_dir(&stranger).unwrap();

        sweep_in(parent.path()).unwrap();

        assert!(alive.exists() && starting.exists() && stranger.exists());
        assert!(!dead.exists());
    }
}
