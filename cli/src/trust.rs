//! `winconform trust`: proof that the checks can fail, and say why.
//!
//! Each fault is put into a testbed, all checks are asked, and what they say is
//! held against what the fault's file says an operator would want to be told.
//! Faults share control planes: between two of them the testbed is made what it
//! was, and where it is not, it is started anew. Whatever comes to something else
//! than expected is judged once more, alone on a fresh testbed; a difference is a
//! leak, and told. Healthy clusters are looked at in between.

mod bench;
mod choice;
mod html;
mod report;
mod text;
mod verdict;

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;
use winconform_harness::run::new_run_id;
use winconform_testbed::{clock::Latency, fault::Fault, serve::ServeOptions, shape::Shape};

use self::bench::{Bench, Workshop};
pub use self::{
    choice::TrustError,
    report::{Cause, Expected, FaultRow, HealthyRow, RowVerdict, TRUST_SCHEMA, Totals, TrustReport, trust_schema},
};
use crate::{
    error::CliError,
    progress::{Detail, Display},
    projection::{self, Projection, check_all},
    session::{all_runs, listen_for_signals, own_executable},
    terminal::Terminal,
};

/// The shape that is too large to be looked at in between.
const TOO_LARGE: [&str; 1] = ["large"];

/// Prove that the checks can fail, and name the right cause.
///
/// Puts defects into testbeds, one at a time, asks all checks, and holds what they
/// say against what each defect's file expects. Without names it judges every
/// defect that ships with winconform.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes:
  0  every defect was caught with the right cause, and nothing else was red
  1  a defect was missed, had the wrong cause, or something was red without cause
  2  a defect changed nothing, or could not be judged

Examples:
  winconform trust
  winconform trust svc-09 net-05 ./my-incident.yaml
  winconform trust ./incidents/ --report json=trust.json --report html=trust.html
  winconform trust --sample 10 --seed 7 --changed-since origin/main")]
pub struct TrustArguments {
    /// Which defects: by name or id, a YAML file, or a folder of them [default: all that ship].
    #[arg(value_name = "FAULT|FILE|FOLDER")]
    faults: Vec<String>,
    /// Judge only so many of them, chosen by the seed.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// What the order, and a sample, follow from [default: the time].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Judge those that a change since this git revision can concern (with --sample: these too).
    #[arg(long, value_name = "REVISION")]
    changed_since: Option<String>,
    /// How many testbeds work at once [default: one more than processors].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Do not look at healthy clusters in between.
    #[arg(long)]
    faults_only: bool,
    /// Which nodes the testbeds have: a shape by name, or a YAML file.
    #[arg(long, value_name = "NAME|FILE", default_value = winconform_testbed::shape::DEFAULT_SHAPE)]
    shape: String,
    /// How slow their nodes are: `fast`, `real`, or a factor.
    #[arg(long, value_name = "PROFILE", default_value_t)]
    latency: Latency,
    /// A directory with the control plane's programs [default: found, downloaded or built].
    #[arg(long, value_name = "DIR")]
    control_plane_dir: Option<PathBuf>,
    /// Write a report: `json=FILE` or `html=FILE` (repeatable).
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<Projection<Format>>,
    /// The folder for the logs of all runs [default: where runs are kept].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the matrix is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Html,
}

impl projection::Format for Format {
    const OF: &'static str = "this report";
    const EXAMPLE: &'static str = "json=trust.json";
    const ALL: &'static [(&'static str, Self)] = &[("json", Self::Json), ("html", Self::Html)];
}

/// Judges the faults, prints and writes the matrix, and gives the exit code.
///
/// # Errors
///
/// When the faults cannot be had, or a report cannot be written.
pub async fn trust(arguments: TrustArguments, terminal: Terminal) -> Result<u8, CliError> {
    let began = Instant::now();
    let started = Timestamp::now();
    let seed = arguments.seed.unwrap_or_else(|| started.as_second().unsigned_abs());
    let faults = choose(&arguments, seed).await?;
    Shape::find(&arguments.shape)?;
    check_all(&arguments.report)?;
    let display = Display::new(terminal, Detail::Waits);
    let checks = winconform_suites::all();
    let shop = Workshop {
        executable: own_executable()?,
        options: ServeOptions {
            shape: arguments.shape.clone(),
            latency: arguments.latency,
            control_plane_dir: arguments.control_plane_dir.clone(),
            ..ServeOptions::default()
        },
        folder: arguments.out.clone().unwrap_or_else(|| all_runs().join(format!("trust-{}", new_run_id()))),
        terminal,
        stop: listen_for_signals(&display)?,
        healthy: BTreeMap::new(),
        known: checks.iter().map(|check| check.id.to_owned()).collect(),
    };
    let jobs = arguments.jobs.map_or_else(usual_jobs, NonZeroUsize::get);
    terminal.say(format_args!(
        "winconform {}: {} faults, seed {seed}, {jobs} testbeds at once; logs in {}",
        env!("CARGO_PKG_VERSION"),
        faults.len(),
        shop.folder.display()
    ));
    let (faults, healthy, reboots) = work(shop, faults, jobs, !arguments.faults_only).await?;
    let mut report = TrustReport {
        schema: TRUST_SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started,
        wall_s: began.elapsed().as_secs_f64(),
        seed,
        shape: arguments.shape,
        totals: Totals::default(),
        faults,
        healthy,
        checks: checks.iter().map(|check| check.id.to_owned()).collect(),
        unproven: Vec::new(),
        reboots,
    };
    report.sum_up();
    terminal.out(&text::matrix(&report, terminal.style()));
    for file in &arguments.report {
        file.write(|format| match format {
            Format::Html => Ok(html::page(&report)),
            Format::Json => report.to_json().map_err(CliError::Json),
        })?;
        terminal.say(format_args!("written: {}", file.path.display()));
    }
    Ok(report.exit_code())
}

/// One more than processors: much of a run is waiting.
fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get) + 1
}

/// The faults to judge, in the seed's order.
async fn choose(arguments: &TrustArguments, seed: u64) -> Result<Vec<Fault>, CliError> {
    let mut faults = choice::named(&arguments.faults)?;
    choice::shuffle(&mut faults, seed);
    let Some(revision) = arguments.changed_since.clone() else {
        faults.truncate(arguments.sample.unwrap_or(usize::MAX));
        return Ok(faults);
    };
    // git is waited for where waiting holds nobody up.
    let asked = tokio::task::spawn_blocking(move || choice::changed_since(&revision)).await;
    let changed = asked.map_err(|error| CliError::Runtime(error.into()))??;
    let sample = arguments.sample.unwrap_or(0);
    let kept = faults.into_iter().enumerate().filter(|(at, fault)| *at < sample || choice::is_touched(fault, &changed));
    Ok(kept.map(|(_, fault)| fault).collect())
}

/// Something to do on a bench.
enum Job {
    Fault(Box<Fault>),
    /// A healthy cluster of another shape.
    Shape(String),
    /// The shared testbed itself, between two faults.
    Between,
}

/// What was done so far.
struct Results {
    rows: Vec<FaultRow>,
    healthy: Vec<HealthyRow>,
    done: usize,
    total: usize,
    error: Option<CliError>,
}

/// Judges everything, on `jobs` testbeds at once.
async fn work(
    mut shop: Workshop,
    faults: Vec<Fault>,
    jobs: usize,
    with_healthy: bool,
) -> Result<(Vec<FaultRow>, Vec<HealthyRow>, usize), CliError> {
    let queue = plan(faults, with_healthy, &shop.options.shape);
    let total = queue.len() + 1;
    // The first run is of a healthy cluster: what only reports is held against it.
    let first = Instant::now();
    let mut bench = Bench::new(&shop);
    let report = bench.healthy("healthy-first").await;
    bench.end().await;
    let report = report?;
    shop.learn(&report);
    let row = bench::row(&shop.options.shape, Ok(report), first);
    say_healthy(&shop, 1, total, &row);
    let queue = Mutex::new(queue);
    let results = Mutex::new(Results { rows: Vec::new(), healthy: vec![row], done: 1, total, error: None });
    let shop = &shop;
    let workers = (0..jobs).map(|number| worker(shop, &queue, &results, number));
    let reboots = join_all(workers).await.into_iter().sum();
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    match results.error {
        Some(error) => Err(error),
        None if shop.stop.is_cancelled() => Err(CliError::Stopped),
        None => Ok((results.rows, results.healthy, reboots)),
    }
}

/// Faults in their order, healthy clusters between them.
fn plan(faults: Vec<Fault>, with_healthy: bool, own: &str) -> VecDeque<Job> {
    let mut queue: VecDeque<Job> = faults.into_iter().map(|fault| Job::Fault(Box::new(fault))).collect();
    if !with_healthy {
        return queue;
    }
    let shapes = Shape::shipped().filter(|name| *name != own && !TOO_LARGE.contains(name));
    let others: Vec<Job> = shapes.map(|name| Job::Shape(name.to_owned())).chain([Job::Between]).collect();
    let every = queue.len() / (others.len() + 1) + 1;
    for (number, job) in others.into_iter().enumerate() {
        let at = ((number + 1) * (every + 1)).min(queue.len());
        queue.insert(at, job);
    }
    queue
}

async fn worker(shop: &Workshop, queue: &Mutex<VecDeque<Job>>, results: &Mutex<Results>, number: usize) -> usize {
    let mut bench = Bench::new(shop);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(job) = job.filter(|_| !shop.stop.is_cancelled()) else { break };
        let done = match job {
            Job::Fault(fault) => judge(shop, &mut bench, &fault, results).await,
            Job::Shape(name) => {
                healthy(shop, results, bench::shape(shop, &name).await);
                Ok(())
            }
            Job::Between => {
                let began = Instant::now();
                let ran = bench.healthy(&format!("healthy-between-{number}")).await;
                healthy(shop, results, bench::row(&format!("{} (between faults)", shop.options.shape), ran, began));
                Ok(())
            }
        };
        if let Err(error) = done {
            results.lock().unwrap_or_else(PoisonError::into_inner).error.get_or_insert(error);
            break;
        }
    }
    let reboots = bench.reboots;
    bench.end().await;
    reboots
}

/// Judges a fault; what is not as expected once more, alone.
async fn judge(
    shop: &Workshop,
    bench: &mut Bench<'_>,
    fault: &Fault,
    results: &Mutex<Results>,
) -> Result<(), CliError> {
    let began = Instant::now();
    // A run that cannot be made is told of its own fault, and keeps nobody from judging the others.
    let one = |judged: Result<FaultRow, CliError>| match judged {
        Err(error) if !matches!(error, CliError::Stopped) => {
            let reason = format!("there was no run: {}", winconform_reports::Chain(&error));
            Ok(verdict::unusable(fault, reason, began.elapsed().as_secs_f64()))
        }
        judged => judged,
    };
    let mut row = one(bench.judge(fault).await)?;
    let hopeless = row.verdict == RowVerdict::Missed && row.reason.starts_with("there is no check");
    if row.verdict != RowVerdict::Caught && !hopeless {
        let alone = one(bench.judge_alone(fault, "alone").await)?;
        let leaked = alone.verdict != row.verdict;
        let reason =
            if leaked { format!("alone {}: {}", alone.verdict.as_words(), alone.reason) } else { alone.reason };
        let first = row.verdict.as_words();
        let reason = if leaked { format!("{first} among others ({}); {reason}", row.reason) } else { reason };
        row = FaultRow { leaked, attempts: 2, reason, seconds: row.seconds + alone.seconds, ..alone };
    }
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    results.done += 1;
    let leak = if row.leaked { ", leaked" } else { "" };
    shop.terminal.say(format_args!(
        "[{:>3}/{}] {:<44} {}{leak} {:.1} s{}",
        results.done,
        results.total,
        row.id,
        row.verdict.as_words(),
        row.seconds,
        if row.reason.is_empty() { String::new() } else { format!("\n          {}", row.reason) },
    ));
    results.rows.push(row);
    Ok(())
}

fn healthy(shop: &Workshop, results: &Mutex<Results>, row: HealthyRow) {
    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
    results.done += 1;
    say_healthy(shop, results.done, results.total, &row);
    results.healthy.push(row);
}

fn say_healthy(shop: &Workshop, done: usize, total: usize, row: &HealthyRow) {
    let words = match (&row.error, row.is_well()) {
        (Some(error), _) => format!("no run: {error}"),
        (None, true) => "healthy".to_owned(),
        (None, false) => {
            format!("not healthy: {}", row.red.iter().chain(&row.unknown).cloned().collect::<Vec<_>>().join("; "))
        }
    };
    shop.terminal.say(format_args!("[{done:>3}/{total}] shape {:<38} {words} {:.1} s", row.shape, row.seconds));
}
