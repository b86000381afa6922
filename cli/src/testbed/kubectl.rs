//! kubectl against a testbed.

use winconform_testbed::client;

use super::standing;
use crate::error::CliError;

/// Runs kubectl with this terminal, and gives its exit code.
pub(super) async fn kubectl(name: &str, arguments: &[String]) -> Result<u8, CliError> {
    let info = standing::find(name).await?;
    let mut command = client::kubectl(&info);
    command.args(arguments);
    let program = info.kubectl.first().cloned().unwrap_or_else(|| "kubectl".to_owned());
    // Ctrl-C is for kubectl (`logs -f`): it has the same terminal, ends, and so do we.
    let mut interrupt =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(CliError::Signals)?;
    let not_started = |error| CliError::Program { program: program.clone(), error };
    let mut child = command.spawn().map_err(not_started)?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(not_started)?,
            _ = interrupt.recv() => {}
        }
    };
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(130))
}
