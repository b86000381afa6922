//! Commands in a running container, and what faults make of them.

use thiserror::Error;

use super::{cell::Cell, state::Slot};
use crate::{
    command::{self, Exit, Io, Sequence, Session, Sink, Stdin},
    fault::{CommandEffect, FaultBoard, Mark},
    image,
};

/// A command could not be run in a container, in the words of the kubelet and containerd.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ExecError {
    /// The container does not run.
    #[error("container not found (\"{container}\")")]
    NotRunning {
        /// Its name.
        container: String,
    },
    /// Windows found no such program.
    #[error(
        "error executing command in container: failed to exec in container: failed to start exec \"{id}\": \
         hcs::System::CreateProcess {container}: The system cannot find the file specified.: unknown"
    )]
    NoWindowsProgram {
        /// The exec's id.
        id: String,
        /// The container's id.
        container: String,
    },
    /// Linux found no such program.
    #[error(
        "error executing command in container: failed to exec in container: failed to start exec \"{id}\": OCI runtime exec \
         failed: exec failed: unable to start container process: exec: \"{program}\": executable file not found in $PATH: unknown"
    )]
    NoLinuxProgram {
        /// The exec's id.
        id: String,
        /// The program.
        program: String,
    },
}

/// A command that is about to run.
pub(crate) struct Exec {
    session: Session,
    argv: Vec<String>,
    effect: Option<(CommandEffect, Mark)>,
    faults: FaultBoard,
}

impl Exec {
    /// Looks up the container and the faults.
    ///
    /// # Errors
    ///
    /// When the container does not run or has no such program.
    pub(crate) fn prepare(cell: &Cell, slot: Slot, argv: Vec<String>) -> Result<Self, ExecError> {
        let container = cell.container(slot).map(|container| container.name).unwrap_or_default();
        let running = cell.read(|state| {
            let record = state.record(slot)?;
            Some((record.session.clone()?, record.id.clone().unwrap_or_default()))
        });
        let Some((session, run)) = running else { return Err(ExecError::NotRunning { container }) };
        let faults = cell.host.world.faults.clone();
        let effect = faults.command(&cell.facts(), &argv);
        if effect.is_none() && command::can_start(&session, &argv).is_err() {
            let id = image::digest(&[&run, &argv.join(" ")]);
            return Err(if session.system.is_windows() {
                let container = run.split_once("://").map_or(run.as_str(), |(_runtime, id)| id).to_owned();
                ExecError::NoWindowsProgram { id, container }
            } else {
                ExecError::NoLinuxProgram { id, program: argv.first().cloned().unwrap_or_default() }
            });
        }
        Ok(Self { session, argv, effect, faults })
    }

    /// What a fault does to it.
    pub(crate) fn effect(&self) -> Option<&CommandEffect> {
        self.effect.as_ref().map(|(effect, _)| effect)
    }

    /// Notes that a fault lost some of what it said, or how it ended.
    pub(crate) fn was_lost(&self) {
        if let Some((_, mark)) = &self.effect {
            self.faults.applied(*mark);
        }
    }

    /// Runs it, as far as a fault lets it.
    ///
    /// A fault tells what the command that it selects says. In a line for a shell, what
    /// comes last still runs after that, unless it is selected itself.
    pub(crate) async fn run(&self, io: &Io) -> Exit {
        let Some((effect, mark)) = &self.effect else { return self.really(&self.argv, io).await };
        let told = effect.stdout.is_some() || effect.stderr.is_some();
        if told || effect.hang || effect.delay.is_some() {
            self.faults.applied(*mark);
        }
        if let Some(delay) = effect.delay {
            self.session.clock.pass(delay.0).await;
        }
        if effect.hang {
            std::future::pending::<()>().await;
        }
        if !told && effect.exit_code.is_none() {
            return self.really(&self.argv, io).await;
        }
        let sequence = Sequence::of(&self.argv).filter(|sequence| !effect.selects(sequence.last));
        let code = if told {
            let line_end = self.session.system.line_end();
            let lines = |text: &str| text.replace("\r\n", "\n").replace('\n', line_end);
            io.stdout.text(lines(effect.stdout.as_deref().unwrap_or_default()));
            io.stderr.text(lines(effect.stderr.as_deref().unwrap_or_default()));
            effect.exit_code.unwrap_or(0)
        } else {
            let muted = Io { stdin: io.stdin.clone(), stdout: Sink::Null, stderr: Sink::Null };
            let argv = sequence.map_or_else(|| self.argv.clone(), |sequence| sequence.first_alone());
            let real = self.really(&argv, &muted).await;
            let code = effect.exit_code.unwrap_or(real);
            // An exit code may be the true one.
            if code != real {
                self.faults.applied(*mark);
            }
            code
        };
        match sequence {
            Some(sequence) => self.really(&sequence.last_after(code), io).await,
            None => code,
        }
    }

    async fn really(&self, argv: &[String], io: &Io) -> Exit {
        command::run(&self.session, argv, io).await.unwrap_or(127)
    }
}

/// Runs a command whose output nobody reads; what it ends with, or why it did not run.
pub(super) async fn quietly(cell: &Cell, slot: Slot, argv: &[String]) -> Option<Exit> {
    let exec = Exec::prepare(cell, slot, argv.to_vec()).ok()?;
    Some(exec.run(&Io { stdin: Stdin::Empty, stdout: Sink::Null, stderr: Sink::Null }).await)
}

/// Runs a command for its exit code and its output, both streams together.
pub(super) async fn captured(cell: &Cell, slot: Slot, argv: &[String]) -> Result<(Exit, String), ExecError> {
    let exec = Exec::prepare(cell, slot, argv.to_vec())?;
    let output = Sink::keeping();
    let code = exec.run(&Io { stdin: Stdin::Empty, stdout: output.clone(), stderr: output.clone() }).await;
    Ok((code, String::from_utf8_lossy(&output.take()).into_owned()))
}
