//! `winconform testbed`: a testbed that stays, and the processes that every testbed is made of.

mod faults;
mod join;
mod kubectl;
mod standing;

use clap::{Args, Subcommand};
use winconform_testbed::serve::ServeOptions;

use self::join::JoinArguments;
use crate::{
    arguments::{ClusterArguments, ContainerArguments, ShapeArguments},
    error::CliError,
    terminal::Terminal,
};

/// The words after `winconform testbed` with which a testbed starts its own processes.
const ROLES: [&str; 3] = ["serve", "supervise", "acquire"];

/// A testbed that stays: start, use, break, heal and stop it.
///
/// A testbed is a real control plane with virtual Windows and Linux nodes, on
/// this machine and without root. It stays until it is stopped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform testbed up
  winconform testbed kubectl get nodes
  eval \"$(winconform testbed env)\"       then kubectl and `winconform run` use it
  winconform testbed inject my-fault.yaml
  winconform testbed down
  winconform testbed join --context kind-x   virtual Windows nodes in a cluster of yours")]
pub struct TestbedArguments {
    /// What to do with it.
    #[command(subcommand)]
    command: TestbedCommand,
}

#[derive(Debug, Subcommand)]
enum TestbedCommand {
    /// Start a testbed that stays.
    Up {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        shape: ShapeArguments,
        /// Run the control plane in containers.
        #[arg(long)]
        containers: bool,
        #[command(flatten)]
        engine: ContainerArguments,
        /// End it when nobody has used it for so many seconds.
        #[arg(long, value_name = "SECONDS")]
        exit_when_idle: Option<u64>,
        /// Start a control plane without nodes, for others to join.
        #[arg(long, conflicts_with_all = ["shape", "containers"])]
        control_plane_only: bool,
    },
    /// Let virtual Windows nodes join a cluster of yours, for example kind; they stay until they leave.
    Join(JoinArguments),
    /// Take the nodes that joined a cluster out of it again, with every trace.
    Leave {
        #[command(flatten)]
        cluster: ClusterArguments,
    },
    /// Stop it, and remove everything of it.
    Down {
        #[command(flatten)]
        name: Name,
        /// Stop all that stand.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Say which testbeds stand, their nodes, and the faults in force.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run kubectl, of the testbed's own release, against it.
    Kubectl {
        #[command(flatten)]
        name: Name,
        /// What kubectl is to do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Print the environment that points kubectl and winconform at it.
    Env {
        #[command(flatten)]
        name: Name,
    },
    /// Put a defect into it: by name, or a YAML file.
    Inject {
        #[command(flatten)]
        name: Name,
        /// The defect.
        #[arg(value_name = "NAME|FILE")]
        fault: String,
    },
    /// Take a defect out again, or all of them, and say how often each changed something.
    Heal {
        #[command(flatten)]
        name: Name,
        /// The defect's name [default: all].
        fault: Option<String>,
    },
    /// List the defects that ship with winconform, or print one as YAML.
    Faults {
        /// Print this one.
        fault: Option<String>,
    },
    /// List the shapes that ship with winconform.
    Shapes,
}

/// Which testbed.
#[derive(Debug, Args)]
struct Name {
    /// Which testbed, where several stand.
    #[arg(long, value_name = "NAME", default_value = "default")]
    name: String,
}

/// The arguments from the role on, where this process is to be a part of a testbed.
#[must_use]
pub fn role_of_this_process(arguments: &[String]) -> Option<Vec<String>> {
    match arguments {
        [_, testbed, role, ..] if testbed == "testbed" && ROLES.contains(&role.as_str()) => {
            arguments.get(2..).map(<[String]>::to_vec)
        }
        _ => None,
    }
}

/// Does it.
///
/// # Errors
///
/// When the testbed does not start, stand, answer or stop.
pub async fn testbed(arguments: TestbedArguments, terminal: Terminal) -> Result<u8, CliError> {
    match arguments.command {
        TestbedCommand::Up { name, shape, containers, engine, exit_when_idle, control_plane_only } => {
            let containers = containers.then(|| engine.options());
            let options = ServeOptions {
                containers,
                control_plane_only,
                exit_when_idle: exit_when_idle.map(std::time::Duration::from_secs),
                ..standing::options(&shape)?
            };
            standing::up(&name.name, &options, terminal).await
        }
        TestbedCommand::Join(arguments) => join::join(&arguments, terminal).await,
        TestbedCommand::Leave { cluster } => join::leave(&cluster, terminal).await,
        TestbedCommand::Down { all: true, .. } => standing::down_all(terminal).await,
        TestbedCommand::Down { name, all: false } => standing::down(&name.name, terminal).await,
        TestbedCommand::Status { json } => standing::status(json, terminal).await,
        TestbedCommand::Env { name } => standing::env(&name.name, terminal).await,
        TestbedCommand::Kubectl { name, arguments } => kubectl::kubectl(&name.name, &arguments).await,
        TestbedCommand::Inject { name, fault } => faults::inject(&name.name, &fault, terminal).await,
        TestbedCommand::Heal { name, fault } => faults::heal(&name.name, fault.as_deref(), terminal).await,
        TestbedCommand::Faults { fault } => faults::list(fault.as_deref(), terminal),
        TestbedCommand::Shapes => standing::shapes(terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_testbeds_own_processes_are_told_from_the_users_commands() {
        let role = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            role_of_this_process(&words).map(|role| role.join(" "))
        };
        assert_eq!(role("winconform testbed serve --shape=x").as_deref(), Some("serve --shape=x"));
        assert_eq!(role("winconform testbed supervise").as_deref(), Some("supervise"));
        assert_eq!(role("winconform testbed up"), None);
        assert_eq!(role("winconform run --testbed"), None);
        assert_eq!(role("winconform"), None);
    }
}
