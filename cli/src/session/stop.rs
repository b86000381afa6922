//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second leaves at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{error::CliError, progress::Display};

/// A token that the first signal cancels. The second one ends the process, with
/// 128 and the signal's number, as shells do.
///
/// # Errors
///
/// When the system does not let us listen.
pub fn listen_for_signals(display: &Display) -> Result<CancellationToken, CliError> {
    let listen = |kind| signal(kind).map_err(CliError::Signals);
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let token = CancellationToken::new();
    let (stop, display) = (token.clone(), display.clone());
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        stop.cancel();
        display
            .warn("stopping: cleaning up (press Ctrl-C again to leave at once; `winconform cleanup` removes the rest)");
        let code = next(&mut interrupt, &mut terminate).await;
        display.finish();
        display.warn("left at once: `winconform cleanup` removes what this run created, once its Lease is stale");
        std::process::exit(code);
    });
    Ok(token)
}

/// Waits for a signal and gives the exit code that belongs to it.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
