//! `winconform run`: ask the cluster, judge it, write reports, clean up.

use std::path::PathBuf;

use clap::Args;
use winconform_harness::run::WantedNodes;
use winconform_reports::{
    text::{SummaryOptions, summary},
    write::check_writable,
};
use winconform_testbed::{fault::Fault, serve::ServeOptions, shape::Shape};

use crate::{
    arguments::{
        ClusterArguments, ImageArguments, KeepWhen, OnTestbed, OutputArguments, SelectionArguments, TestbedKind,
    },
    error::CliError,
    judging::JudgingArguments,
    progress::{Detail, Display},
    session::{Outcome, OwnTestbed, RunFolder, Session, Source, listen_for_signals, own_executable},
    terminal::Terminal,
};

/// Ask the cluster, judge it, write reports, clean up.
///
/// Without --testbed this judges the cluster of the current kubeconfig context.
/// It first prints which cluster that is and what it will create there; it
/// changes nothing outside its own namespaces, and removes those at the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform run --testbed
  winconform run --context prod --report junit=report.xml --report json=report.json
  winconform run --suite reachability --target 10.0.20348 --keep failed
  winconform run --testbed --shape one-build --latency real")]
pub struct RunArguments {
    #[command(flatten)]
    testbed: OnTestbed,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    images: ImageArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    judging: JudgingArguments,
    #[command(flatten)]
    conduct: Conduct,
}

/// How the run is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "The run")]
struct Conduct {
    /// The folder for the log and the evidence [default: target/winconform/RUN in a checkout, else the user's state directory].
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    out: Option<PathBuf>,
    /// Wait this many times as long before giving up [default: 1; on a testbed, what suits its latency].
    #[arg(long, value_name = "FACTOR", env = "WINCONFORM_TIMEOUT_SCALE", hide_env_values = true, value_parser = positive)]
    timeout_scale: Option<f64>,
    /// Whether to leave the run's objects in the cluster, to look at.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    keep: KeepWhen,
    /// Ask everything so many times, each time from the beginning: for qualifying a new build.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=999))]
    repeat: u32,
    /// Ask a check that did not pass again, up to so many times; one that passes only then is flaky.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20))]
    retries: u32,
    /// How many checks ask at once.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Wait for Windows nodes first: so many, or one whose version begins so. Pods that want them are created meanwhile, for an autoscaler to see.
    #[arg(long, value_name = "N|TARGET")]
    wait_for_nodes: Option<WantedNodes>,
    /// Pull all images on all nodes before anything is asked, under a budget of its own.
    #[arg(long, help_heading = "Images")]
    prepull: bool,
    /// Apply the guide's manifests exactly as printed, of Kubernetes 1.18 and of today, and show what
    /// this cluster makes of each step; asks nothing else.
    #[arg(long, conflicts_with_all = ["suite", "check", "skip"], help_heading = "What is asked")]
    literal: bool,
    /// The run's id.
    #[arg(long, hide = true, value_name = "ID", value_parser = run_id)]
    run_id: Option<String>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("a factor above 0, for example 1.5".to_owned()),
    }
}

/// A run's id is part of namespaces' names.
fn run_id(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends_well = !text.starts_with('-') && !text.ends_with('-');
    if (1..=40).contains(&text.len()) && text.bytes().all(plain) && ends_well {
        return Ok(text.to_owned());
    }
    Err("lower-case letters, digits and hyphens, at most 40".to_owned())
}

/// Runs, prints the summary, and gives the exit code.
///
/// # Errors
///
/// When the run cannot even begin: what it needs is looked at first.
pub async fn run(arguments: RunArguments, terminal: Terminal) -> Result<u8, CliError> {
    let (session, folder) = prepare(arguments, terminal)?;
    let outcome = session.run().await;
    terminal.out(&summary(
        &outcome.report,
        &SummaryOptions {
            style: terminal.style(),
            width: terminal.width(),
            folder: Some(folder.path().to_owned()),
            reports: outcome.written.clone(),
            notes: outcome.notes.clone(),
        },
    ));
    Ok(conclude(outcome, terminal))
}

/// Prints what went wrong besides verdicts.
fn conclude(outcome: Outcome, terminal: Terminal) -> u8 {
    let code = outcome.exit_code();
    if let Some(error) = &outcome.error {
        let _ = terminal.fail(error);
    }
    code
}

/// Everything that can be found wrong before anything is started.
fn prepare(arguments: RunArguments, terminal: Terminal) -> Result<(Session, RunFolder), CliError> {
    let RunArguments { testbed, cluster, mut selection, images, output, judging, conduct } = arguments;
    let mut checks = winconform_suites::all();
    if conduct.literal {
        // All others are left out by name, so that nobody takes the result for conformance.
        checks.extend(winconform_suites::literal());
        selection.suite = vec!["literal".to_owned()];
    }
    let mut plan = selection.plan_options(&checks)?;
    plan.settings.images = images.source()?;
    let policy = judging.policy(&checks, selection.profile.into())?;
    let baseline = judging.baseline()?;
    let source = source(&testbed, &cluster)?;
    let reports = output.files();
    for file in &reports {
        check_writable(&file.path)?;
    }
    let folder = RunFolder::create(conduct.out.as_deref(), conduct.run_id)?;
    let display = Display::new(terminal, Detail::Everything);
    display.say(format_args!("winconform {}, run {}", env!("CARGO_PKG_VERSION"), folder.run()));
    let stop = listen_for_signals(&display)?;
    let session = Session {
        source,
        checks,
        plan,
        timeout_scale: conduct.timeout_scale,
        wait_for: conduct.wait_for_nodes,
        prepull: conduct.prepull,
        keep: conduct.keep.into(),
        jobs: conduct.jobs.into(),
        outside_proxy: selection.outside_proxy,
        policy,
        baseline,
        rounds: conduct.repeat,
        retries: conduct.retries,
        folder: folder.clone(),
        reports,
        sinks: Vec::new(),
        display,
        stop,
    };
    Ok((session, folder))
}

/// The cluster that the arguments name; shapes and faults are read now, so that a bad one costs no boot.
fn source(testbed: &OnTestbed, cluster: &ClusterArguments) -> Result<Source, CliError> {
    if testbed.testbed.is_none() {
        return Ok(Source::Kubeconfig(cluster.options()));
    }
    let faults: Vec<Fault> = testbed.fault.iter().map(|text| Fault::find(text)).collect::<Result<_, _>>()?;
    let api_front = faults.iter().any(Fault::needs_api_front);
    let options = ServeOptions { api_front, ..testbed.serve_options() };
    Shape::find(&options.shape)?;
    Ok(Source::Own(OwnTestbed { executable: own_executable()?, options, faults }))
}

impl OnTestbed {
    /// As the testbed takes them.
    #[must_use]
    pub fn serve_options(&self) -> ServeOptions {
        let usual = ServeOptions::default();
        ServeOptions {
            shape: self.shape.clone().unwrap_or_else(|| usual.shape.clone()),
            latency: self.latency.unwrap_or(usual.latency),
            control_plane_dir: self.control_plane_dir.clone(),
            containers: (self.testbed == Some(TestbedKind::Container)).then(|| self.containers.options()),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_fits_into_the_names_made_of_it() {
        assert!(run_id("20261123-0915-k3f9").is_ok());
        for bad in ["", "A", "-a", "a-", "a_b", &"x".repeat(41)] {
            assert!(run_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_factor_that_is_no_factor_is_refused() {
        assert_eq!(positive("0.3"), Ok(0.3));
        for bad in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
