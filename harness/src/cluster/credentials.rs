//! Credentials that a program or a file gives, and what is wrong when they do not.
//!
//! kube runs exec plugins (kubelogin, `aws eks get-token`, gke-gcloud-auth-plugin) as
//! kubectl does. What it leaves to us: whether the plugin may ask the user anything,
//! and errors that say what to do and never what the plugin printed, which may be a token.

use std::{
    error::Error as StdError,
    io::{ErrorKind, IsTerminal},
};

use kube::{
    client::AuthError,
    config::{AuthInfo, ExecConfig, ExecInteractiveMode},
};
use thiserror::Error;
use winconform_reports::{Chain, secrets::without_secrets};

/// Of what a plugin says when it fails, so many characters are passed on.
const SAID_LIMIT: usize = 600;

/// The kubeconfig's credentials could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The plugin's program is not there.
    #[error("the credential plugin `{command}` is not installed{}", hint(install_hint.as_deref()))]
    PluginMissing {
        /// The program.
        command: String,
        /// What the kubeconfig says about getting it.
        install_hint: Option<String>,
    },
    /// The plugin's program could not be started.
    #[error("the credential plugin `{command}` could not be started: {reason}")]
    PluginStart {
        /// The program.
        command: String,
        /// Why not.
        reason: String,
    },
    /// The plugin wants to ask the user, and there is no terminal.
    #[error("the credential plugin `{command}` asks the user for something, and there is no terminal here")]
    PluginInteractive {
        /// The program.
        command: String,
    },
    /// The plugin ended with an error.
    #[error("the credential plugin `{command}` failed ({status}){}", said(said_text))]
    PluginFailed {
        /// The program.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to its standard error, without what might be a secret.
        said_text: String,
    },
    /// The plugin's answer, or another kind of credentials, is not what it should be.
    #[error("{0}")]
    Other(String),
}

impl CredentialError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::PluginMissing { .. } | Self::PluginStart { .. } => {
                "install it, or use credentials that need no plugin; `kubectl get nodes` must work first"
            }
            Self::PluginInteractive { .. } => {
                "log in first where there is a terminal, or use a way without one (for AKS: `kubelogin \
                 convert-kubeconfig -l azurecli` or `-l workloadidentity`)"
            }
            Self::PluginFailed { .. } => {
                "log in again as the plugin asks (`az login`, `aws sso login`, `gcloud auth login`, …), then try \
                 `kubectl get nodes`"
            }
            Self::Other(_) => "`kubectl get nodes` with the same context shows whether it is the kubeconfig",
        }
    }
}

fn hint(hint: Option<&str>) -> String {
    hint.map(str::trim)
        .filter(|hint| !hint.is_empty())
        .map(|hint| format!("; the kubeconfig says: {hint}"))
        .unwrap_or_default()
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Makes a user's plugin behave as kubectl makes it: it asks only where somebody can answer.
///
/// # Errors
///
/// When the plugin must ask and nobody can answer.
pub(super) fn prepare(user: &mut AuthInfo) -> Result<(), CredentialError> {
    let somebody = std::io::stdin().is_terminal();
    match &mut user.exec {
        Some(exec) if !somebody && exec.interactive_mode == Some(ExecInteractiveMode::Always) => {
            Err(CredentialError::PluginInteractive { command: command_of(exec) })
        }
        Some(exec) if !somebody => {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn command_of(exec: &ExecConfig) -> String {
    exec.command.clone().unwrap_or_default()
}

/// What is wrong, in our words.
pub(super) fn explain(error: &AuthError, exec: Option<&ExecConfig>) -> CredentialError {
    let command = exec.map(command_of).unwrap_or_else(|| "of the kubeconfig".to_owned());
    match error {
        AuthError::AuthExecStart(error) if error.kind() == ErrorKind::NotFound => {
            CredentialError::PluginMissing { command, install_hint: exec.and_then(|exec| exec.install_hint.clone()) }
        }
        AuthError::AuthExecStart(error) => CredentialError::PluginStart { command, reason: error.to_string() },
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let text = without_secrets(&said);
            let text: String = text.trim().chars().take(SAID_LIMIT).collect();
            CredentialError::PluginFailed { command, status: out.status.to_string(), said_text: text }
        }
        // What cannot be read is not printed: it may hold a token.
        AuthError::AuthExecParse(_) => {
            CredentialError::Other(format!("the credential plugin `{command}` answered with no ExecCredential"))
        }
        other => CredentialError::Other(Chain(other).to_string()),
    }
}

/// The trouble with credentials that is at the bottom of an error, where there is one.
///
/// Tokens are renewed while a run is under way, so that any request may meet it.
pub(super) fn at_the_bottom_of(error: &(dyn StdError + 'static)) -> Option<CredentialError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(auth) = error.downcast_ref::<AuthError>() {
            return Some(explain(auth, None));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::ExitStatusExt,
        process::{ExitStatus, Output},
    };

    use super::*;

    fn exec(hint: Option<&str>) -> ExecConfig {
        serde_json::from_value(serde_json::json!({ "command": "kubelogin", "installHint": hint })).unwrap()
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named_with_the_kubeconfigs_own_hint() {
        let error = AuthError::AuthExecStart(ErrorKind::NotFound.into());
        let told = explain(&error, Some(&exec(Some("brew install kubelogin\n"))));
        assert_eq!(
            told.to_string(),
            "the credential plugin `kubelogin` is not installed; the kubeconfig says: brew install kubelogin"
        );
        assert!(explain(&error, Some(&exec(None))).to_string().ends_with("is not installed"));
    }

    #[test]
    fn what_a_failing_plugin_prints_to_its_output_is_never_shown() {
        let out = Output {
            status: ExitStatus::from_raw(256),
            stdout: b"{\"token\": \"secret-token\"}".to_vec(),
            stderr: b"AADSTS700082: expired; Authorization: Bearer abc\n".to_vec(),
        };
        let error = AuthError::AuthExecRun { cmd: "kubelogin get-token".to_owned(), out: Box::new(out) };
        let wrapped = kube::Error::Auth(error);
        let told = at_the_bottom_of(&wrapped).unwrap().to_string();
        assert!(told.contains("AADSTS700082") && told.contains("exit status: 1"), "{told}");
        assert!(!told.contains("secret-token") && !told.contains("abc"), "{told}");
    }
}
