//! Testbeds that outlive the one who started them: by name, or shared by many processes.

use std::{fs::File, process::Stdio, time::Duration};

use futures::TryFutureExt as _;
use tokio::{task::JoinHandle, time::timeout};

use super::{Executable, StartError, Started, drain};
use crate::{
    control,
    progress::{Info, Progress},
    registry::Registry,
    serve::ServeOptions,
};

/// How long a testbed that was told to stop may take.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked meanwhile. There is no event to wait for across processes.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Starts a testbed that stays until [`down`], and returns when it is ready.
///
/// # Errors
///
/// When one of that name is up, or when it does not get ready.
pub async fn up(
    executable: &Executable,
    options: &ServeOptions,
    name: &str,
    on_progress: impl FnMut(Progress),
) -> Result<Info, StartError> {
    let _lock = lock(name).await?;
    match Registry::of_user().find(name).await? {
        Some(info) => Err(StartError::AlreadyUp { name: name.to_owned(), info: Box::new(info) }),
        None => start(executable, options, name, on_progress).await,
    }
}

/// Ends the standing testbed `name`; says whether there was one.
///
/// # Errors
///
/// When it does not stop.
pub async fn down(name: &str) -> Result<bool, StartError> {
    let registry = Registry::of_user();
    let Some(info) = registry.find(name).await? else { return Ok(false) };
    control::Client::connect(&info.control_socket).await?.stop().await?;
    let gone = async {
        let mut ask = tokio::time::interval(ASK_EVERY);
        while tokio::fs::try_exists(&info.state_dir).await.unwrap_or(false) {
            ask.tick().await;
        }
    };
    match timeout(LAST_PATIENCE, gone).await {
        Ok(()) => Ok(true),
        Err(_elapsed) => Err(StartError::DoesNotStop { name: name.to_owned(), pid: info.pid }),
    }
}

/// The standing testbeds that live, by name.
///
/// # Errors
///
/// When the list cannot be read.
pub async fn list() -> Result<Vec<(String, Info)>, StartError> {
    Ok(Registry::of_user().all().await?)
}

/// The standing testbed `name`, if it lives.
///
/// # Errors
///
/// When the name cannot be one, or the list cannot be read.
pub async fn status(name: &str) -> Result<Option<Info>, StartError> {
    Ok(Registry::of_user().find(name).await?)
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

/// The shared testbed `name`: the one that lives, or a new one that ends once it was idle for `idle`.
///
/// Of several processes that ask at once, the first starts it and the others wait.
///
/// # Errors
///
/// When it does not get ready.
pub async fn shared(
    executable: &Executable,
    options: &ServeOptions,
    name: &str,
    idle: Duration,
    on_progress: impl FnMut(Progress),
) -> Result<Shared, StartError> {
    let _lock = lock(name).await?;
    let info = match Registry::of_user().find(name).await? {
        Some(info) if touch(&info).await => info,
        _ => {
            let options = ServeOptions { exit_when_idle: Some(idle), ..options.clone() };
            start(executable, &options, name, on_progress).await?
        }
    };
    let keeper = tokio::spawn(keep(info.clone(), idle / 3));
    Ok(Shared { info, keeper })
}

async fn start(
    executable: &Executable,
    options: &ServeOptions,
    name: &str,
    on_progress: impl FnMut(Progress),
) -> Result<Info, StartError> {
    let options = ServeOptions { name: Some(name.to_owned()), detached: true, ..options.clone() };
    let mut started = Started::spawn(executable, &options, Stdio::null())?;
    let info = started.ready(on_progress).await?;
    drain(started.out); // for as long as we are here; later it writes nothing
    Ok(info)
}

/// Holds the lock of starting `name`, after whoever else holds it.
async fn lock(name: &str) -> Result<File, StartError> {
    let path = Registry::of_user().lock_file(name).await?;
    let failed = |source| StartError::Lock { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let locking = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locking.map_err(std::io::Error::other).await.and_then(|locked| locked).map_err(failed)
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
