//! Testbeds that outlive the one who started them: by name, or shared by many processes.

use std::{fs::File, path::Path, process::Stdio, time::Duration};

use futures::TryFutureExt as _;
use tokio::{task::JoinHandle, time::timeout};

use super::{Executable, StartError, Started};
use crate::{
    control,
    process::is_alive,
    progress::{Info, Progress},
    registry::Registry,
    serve::ServeOptions,
};

/// How long a testbed that was told to stop may take.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked meanwhile. There is no event to wait for across processes.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The testbeds of a user that outlive the one who started them.
#[derive(Debug, Clone)]
pub struct Standing {
    registry: Registry,
}

impl Standing {
    /// Those of the user who runs this program.
    #[must_use]
    pub fn of_user() -> Self {
        Self { registry: Registry::of_user() }
    }

    /// Those that are listed in `directory`.
    #[must_use]
    pub fn listed_in(directory: &Path) -> Self {
        Self { registry: Registry::at(directory) }
    }

    /// Starts a testbed that stays until [`Standing::down`], and returns when it is ready.
    ///
    /// # Errors
    ///
    /// When one of that name is up, or when it does not get ready.
    pub async fn up(
        &self,
        executable: &Executable,
        options: &ServeOptions,
        name: &str,
        on_progress: impl FnMut(Progress),
    ) -> Result<Info, StartError> {
        let _lock = self.lock(name).await?;
        match self.find(name).await? {
            Some(info) => Err(StartError::AlreadyUp { name: name.to_owned(), info: Box::new(info) }),
            None => self.start(executable, options, name, on_progress).await,
        }
    }

    /// Ends the testbed `name`; says whether there was one.
    ///
    /// # Errors
    ///
    /// When it does not stop.
    pub async fn down(&self, name: &str) -> Result<bool, StartError> {
        let Some(info) = self.find(name).await? else { return Ok(false) };
        control::Client::connect(&info.control_socket).await?.stop().await?;
        let gone = async {
            let mut ask = tokio::time::interval(ASK_EVERY);
            while is_alive(info.pid) {
                ask.tick().await;
            }
        };
        match timeout(LAST_PATIENCE, gone).await {
            Ok(()) => Ok(true),
            Err(_elapsed) => Err(StartError::DoesNotStop { name: name.to_owned(), pid: info.pid }),
        }
    }

    /// Those that live, by name.
    ///
    /// # Errors
    ///
    /// When the list cannot be read.
    pub async fn list(&self) -> Result<Vec<(String, Info)>, StartError> {
        Ok(self.registry.all().await?)
    }

    /// The testbed `name`, if it lives.
    ///
    /// # Errors
    ///
    /// When the name cannot be one, or the list cannot be read.
    pub async fn find(&self, name: &str) -> Result<Option<Info>, StartError> {
        Ok(self.registry.find(name).await?)
    }

    /// The testbed `name` that many processes share: the one that lives, or a new one that ends once it was idle for
    /// `idle`.
    ///
    /// Of several processes that ask at once, the first starts it and the others wait.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn shared(
        &self,
        executable: &Executable,
        options: &ServeOptions,
        name: &str,
        idle: Duration,
        on_progress: impl FnMut(Progress),
    ) -> Result<Shared, StartError> {
        let _lock = self.lock(name).await?;
        let info = match self.find(name).await? {
            Some(info) if touch(&info).await => info,
            _ => {
                let options = ServeOptions { exit_when_idle: Some(idle), ..options.clone() };
                self.start(executable, &options, name, on_progress).await?
            }
        };
        let keeper = tokio::spawn(keep(info.clone(), idle / 3));
        Ok(Shared { info, keeper })
    }

    async fn start(
        &self,
        executable: &Executable,
        options: &ServeOptions,
        name: &str,
        on_progress: impl FnMut(Progress),
    ) -> Result<Info, StartError> {
        let options = ServeOptions {
            name: Some(name.to_owned()),
            registry: Some(self.registry.directory().to_owned()),
            detached: true,
            ..options.clone()
        };
        let mut started = Started::spawn(executable, &options, Stdio::null())?;
        let info = started.ready(on_progress).await?;
        tokio::spawn(started.hear_out()); // for as long as we are here; later it says nothing
        Ok(info)
    }

    /// Holds the lock of starting `name`, after whoever else holds it.
    async fn lock(&self, name: &str) -> Result<File, StartError> {
        let path = self.registry.lock_file(name).await?;
        let failed = |source| StartError::Lock { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let locking = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
        locking.map_err(std::io::Error::other).await.and_then(|locked| locked).map_err(failed)
    }
}

/// A testbed that many processes use, one after the other or at once. While this lives, it does not count as idle.
#[derive(Debug)]
pub struct Shared {
    info: Info,
    keeper: JoinHandle<()>,
}

impl Shared {
    /// Everything there is to know to use it.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Tells a testbed that it is used; says whether it heard.
async fn touch(info: &Info) -> bool {
    let told = async { control::Client::connect(&info.control_socket).await?.touch().await };
    matches!(timeout(LAST_PATIENCE, told).await, Ok(Ok(())))
}

async fn keep(info: Info, every: Duration) {
    let mut tick = tokio::time::interval(every.max(Duration::from_millis(100)));
    loop {
        tick.tick().await;
        if !touch(&info).await {
            tracing::warn!("the shared testbed does not answer");
        }
    }
}
