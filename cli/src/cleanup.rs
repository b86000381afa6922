//! `winconform cleanup`: what dead runs left.

use clap::Args;
use winconform_harness::{
    Budgets,
    cluster::Cluster,
    run::{DeadRun, find_runs},
};

use crate::{arguments::ClusterArguments, error::CliError, terminal::Terminal};

/// Remove what dead runs left in a cluster; never a living run's.
///
/// A run renews a Lease while it lives. Whether one does is watched for as long
/// as its Lease lasts (30 s), since the clocks of clusters and laptops differ.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform cleanup --dry-run
  winconform cleanup --context prod")]
pub struct CleanupArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Removes leftovers and says so.
///
/// # Errors
///
/// When the cluster cannot be reached, namespaces cannot be listed, or something stays.
pub async fn cleanup(arguments: CleanupArguments, terminal: Terminal) -> Result<u8, CliError> {
    let cluster = Cluster::connect(&arguments.cluster.options()).await?;
    terminal.say(format_args!("looking for dead runs in context `{}` at {}", cluster.context(), cluster.server()));
    if arguments.dry_run {
        let runs = find_runs(&cluster.client()).await?;
        terminal.out(&dry(&runs));
        return Ok(0);
    }
    let done = winconform_harness::run::cleanup(&cluster.client(), Budgets::scaled(1.0)).await?;
    let lines = (done.removed.iter().map(|name| format!("removed namespace {name}\n")))
        .chain(done.alive.iter().map(|run| format!("left alone: run {run} is alive\n")));
    let text: String = lines.collect();
    terminal.out(if text.is_empty() && done.left.is_empty() { "nothing to clean up\n" } else { &text });
    match done.left.is_empty() {
        true => Ok(0),
        false => Err(CliError::Left { left: done.left }),
    }
}

fn dry(runs: &[DeadRun]) -> String {
    if runs.is_empty() {
        return "nothing to clean up\n".to_owned();
    }
    let line = |run: &DeadRun| match run.alive {
        true => format!("would leave alone: run {} is alive\n", run.run),
        false => run.namespaces.iter().map(|name| format!("would remove namespace {name}\n")).collect(),
    };
    runs.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_tells_the_living_from_the_dead() {
        let run =
            |name: &str, alive| DeadRun { run: name.into(), namespaces: vec![format!("winconform-{name}")], alive };
        assert_eq!(
            dry(&[run("a", false), run("b", true)]),
            "would remove namespace winconform-a\nwould leave alone: run b is alive\n"
        );
        assert_eq!(dry(&[]), "nothing to clean up\n");
    }
}
