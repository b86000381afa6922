//! `cargo test` against a cluster: one test for each check and place.
//!
//! Without configuration the cluster is the embedded testbed; with
//! `WINCONFORM_CONTEXT` (and `KUBECONFIG`) it is yours. The tests are the plan of
//! one run, the same that `winconform run` makes: they all start at once and each
//! waits for its own verdict. Listing starts nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;
use winconform::{
    CliError,
    judging::JudgingArguments,
    plan::of_shape,
    progress::{Detail, Display},
    session::{Outcome, OwnTestbed, RunFolder, Session, Source, all_runs, listen_for_signals},
    terminal::{Color, Terminal},
};
use winconform_harness::{
    Facts, Settings,
    cluster::{Cluster, ConnectOptions},
    journal::Sink,
    probe::Proxy,
    run::{Keep, Plan, PlanOptions, PlannedCheck, Selection},
};
use winconform_reports::{
    Chain, Disposition, Event, Policy, Record, ResultId, Verdict,
    disposition::{Answer, Profile},
    junit::Dialect,
    write::{ReportFile, ReportFormat},
};
use winconform_testbed::{client::Executable, serve::ServeOptions, shape::DEFAULT_SHAPE};

/// How long a testbed that several test processes share stays unused.
const IDLE: Duration = Duration::from_secs(30);

/// How many checks ask at once, unless `--test-threads` says otherwise.
const JOBS: usize = 16;

fn main() -> ExitCode {
    // First of all: a help text or a usage error must not cost anything.
    let arguments = Arguments::from_args();
    let terminal = Terminal::new(Color::Auto, false);
    winconform::prepare(false);
    let done = Runtime::new().map_err(CliError::Runtime).and_then(|runtime| {
        let done = conformance(&arguments, &runtime, terminal);
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| terminal.fail(&error))
}

fn conformance(arguments: &Arguments, runtime: &Runtime, terminal: Terminal) -> Result<ExitCode, CliError> {
    let place = Place::of_environment();
    let checks = winconform_suites::all();
    let on_testbed = matches!(place, Place::Testbed { .. });
    let settings = Settings { outside_proxy: on_testbed, ..Settings::default() };
    let told = Told::of_environment()?;
    let settings = Settings { outside_proxy: on_testbed || told.outside_proxy.is_some(), ..settings };
    let selection = Selection::default().of_profile(told.profile);
    let everything = PlanOptions { allow_disruptive: true, settings, selection };
    let plan = Plan::new(&checks, &runtime.block_on(place.facts())?, &everything);
    let judging = JudgingArguments::of_environment();
    let (policy, baseline) = (judging.policy(&checks, told.profile)?, judging.baseline()?);
    let outcomes = Arc::new(Outcomes::default());
    let skips_pass = matches!(place, Place::Testbed { nextest: Some(_) });
    let trials: Vec<(ResultId, Trial)> = plan
        .checks
        .iter()
        .map(|planned| (planned.id.clone(), trial(planned, &outcomes, &policy, skips_pass)))
        .collect();

    let runs = |trial: &Trial| !arguments.is_filtered_out(trial) && !arguments.is_ignored(trial);
    let selected: BTreeSet<ResultId> =
        trials.iter().filter(|(_, trial)| runs(trial)).map(|(id, _)| id.clone()).collect();
    let trials: Vec<Trial> = trials.into_iter().map(|(_, trial)| trial).collect();
    if arguments.list || selected.is_empty() {
        return Ok(libtest_mimic::run(arguments, trials).exit_code());
    }

    let _inside = runtime.enter();
    let display = Display::new(terminal, Detail::Waits);
    let folder = place.folder(&selected)?;
    let junit = ReportFile { format: ReportFormat::Junit(Dialect::Standard), path: folder.path().join("junit.xml") };
    let session = Session {
        source: place.source(),
        checks,
        plan: PlanOptions {
            allow_disruptive: arguments.ignored || arguments.include_ignored,
            selection: everything.selection.clone().only(selected.clone()),
            ..everything
        },
        timeout_scale: told.timeout_scale,
        wait_for: None,
        prepull: false,
        keep: Keep::Never,
        jobs: arguments.test_threads.unwrap_or(JOBS),
        outside_proxy: told.outside_proxy,
        policy,
        baseline,
        rounds: 1,
        retries: 0,
        folder: folder.clone(),
        reports: vec![junit],
        sinks: vec![outcomes.clone()],
        stop: listen_for_signals(&display)?,
        display,
    };
    let running = runtime.spawn(session.run());
    let (told, path) = (outcomes.clone(), folder.path().to_owned());
    runtime.spawn(async move { told.end(running.await.ok(), path) });

    // A thread for each, since most of them only wait; a single one would run them one after the other.
    let all_at_once = Arguments { test_threads: Some(selected.len().max(2)), ..arguments.clone() };
    let conclusion = libtest_mimic::run(&all_at_once, trials);
    Ok(conclude(&conclusion, &outcomes.wait_for_end(), terminal, skips_pass))
}

/// The exit code of libtest, unless something went wrong that no test could show.
fn conclude(conclusion: &libtest_mimic::Conclusion, end: &End, terminal: Terminal, skips_pass: bool) -> ExitCode {
    let Some(outcome) = &end.outcome else {
        terminal.warn("the run ended in a panic; this is a defect of winconform");
        return ExitCode::from(2);
    };
    for path in &outcome.written {
        terminal.warn(format_args!("report: {}", path.display()));
    }
    for left in &outcome.report.leftovers {
        terminal.warn(format_args!("not cleaned up: {left}"));
    }
    if conclusion.has_failed() {
        return conclusion.exit_code();
    }
    match (&outcome.error, outcome.exit_code()) {
        (Some(error), _) => terminal.fail(error),
        (None, 3) if skips_pass => ExitCode::SUCCESS,
        (None, 0) => ExitCode::SUCCESS,
        (None, code) => {
            terminal.warn("nothing was verified: none of the selected checks concerns this cluster");
            ExitCode::from(code)
        }
    }
}

/// What the environment says besides: the command's options of the same names.
struct Told {
    profile: Profile,
    timeout_scale: Option<f64>,
    outside_proxy: Option<Proxy>,
}

impl Told {
    fn of_environment() -> Result<Self, CliError> {
        let set = |name: &'static str| env::var(name).ok().filter(|value| !value.is_empty());
        let bad = |name: &'static str, value: String| CliError::Environment { name, value };
        let profile = match set("WINCONFORM_PROFILE").as_deref() {
            None | Some("extended") => Profile::Extended,
            Some("core") => Profile::Core,
            Some(other) => return Err(bad("WINCONFORM_PROFILE", other.to_owned())),
        };
        let timeout_scale = set("WINCONFORM_TIMEOUT_SCALE")
            .map(|value| value.parse().map_err(|_no_number| bad("WINCONFORM_TIMEOUT_SCALE", value)))
            .transpose()?;
        let outside_proxy = set("WINCONFORM_OUTSIDE_PROXY")
            .map(|value| value.parse().map_err(|_no_proxy| bad("WINCONFORM_OUTSIDE_PROXY", value)))
            .transpose()?;
        Ok(Self { profile, timeout_scale, outside_proxy })
    }
}

/// Where the cluster is.
enum Place {
    /// The context of this name.
    Context(String),
    /// The embedded testbed; under nextest, which starts a process for each test, one that they share.
    Testbed { nextest: Option<String> },
}

impl Place {
    fn of_environment() -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        match set("WINCONFORM_CONTEXT") {
            Some(context) => Self::Context(context),
            None => Self::Testbed {
                nextest: set("NEXTEST").map(|_| set("NEXTEST_RUN_ID").unwrap_or_default().chars().take(13).collect()),
            },
        }
    }

    fn options(context: &str) -> ConnectOptions {
        ConnectOptions { kubeconfig: None, context: Some(context.to_owned()) }
    }

    /// What the tests are derived from.
    async fn facts(&self) -> Result<Facts, CliError> {
        match self {
            Self::Context(context) => Ok(Facts::observe(&Cluster::connect(&Self::options(context)).await?).await?),
            Self::Testbed { .. } => of_shape(DEFAULT_SHAPE),
        }
    }

    fn source(&self) -> Source {
        let testbed = OwnTestbed {
            executable: Executable::new(env!("CARGO_BIN_EXE_winconform"), ["testbed"]),
            options: ServeOptions::default(),
            faults: Vec::new(),
        };
        match self {
            Self::Context(context) => Source::Kubeconfig(Self::options(context)),
            Self::Testbed { nextest: None } => Source::Own(testbed),
            Self::Testbed { nextest: Some(run) } => {
                Source::Shared { testbed, name: format!("nextest-{run}"), idle: IDLE }
            }
        }
    }

    /// The run's folder; the processes of one nextest run have theirs side by side.
    fn folder(&self, selected: &BTreeSet<ResultId>) -> Result<RunFolder, CliError> {
        let (Self::Testbed { nextest: Some(run) }, Some(first)) = (self, selected.first()) else {
            return RunFolder::create(None, None);
        };
        let name = first.trial_name().replace("::", "-");
        RunFolder::create(Some(&all_runs().join(format!("nextest-{run}")).join(name)), None)
    }
}

/// The test for one planned answer.
fn trial(planned: &PlannedCheck, outcomes: &Arc<Outcomes>, policy: &Policy, skips_pass: bool) -> Trial {
    let (id, level, outcomes, policy) = (planned.id.clone(), planned.check.level, outcomes.clone(), policy.clone());
    let not_applicable = planned.not_applicable.clone();
    let skipped = move |reason: String| match skips_pass {
        true => Completion::Completed,
        false => Completion::ignored_with(reason),
    };
    let run = move || {
        if let Some(reason) = not_applicable {
            return match policy.requires(&id.check) {
                true => Err(format!("required, and not applicable: {reason}").into()),
                false => Ok(skipped(reason)),
            };
        }
        let verdict = outcomes.verdict_of(&id);
        match verdict.as_ref().map(|verdict| {
            // One attempt, so nothing is flaky.
            let answer = Answer { check: &id.check, level, verdict: verdict.kind(), flaky: false };
            policy.disposition(&answer)
        }) {
            Some(Disposition::Green) => Ok(Completion::Completed),
            Some(Disposition::Skipped) => Ok(skipped(verdict.map(|v| v.reason().to_owned()).unwrap_or_default())),
            // The cause is known once the whole pattern is.
            Some(Disposition::Red | Disposition::Unknown | Disposition::Excused) | None => {
                let end = outcomes.wait_for_end();
                match excuse(&id, &end) {
                    Some(why) => Ok(skipped(why)),
                    None => Err(failure(&id, &end)),
                }
            }
        }
    };
    Trial::ignorable_test(planned.id.trial_name(), run).with_ignored_flag(planned.check.disruptive)
}

/// Why a failure is excused: a known one, or one that the baseline has too.
fn excuse(id: &ResultId, end: &End) -> Option<String> {
    let report = &end.outcome.as_ref()?.report;
    let result = report.results.iter().find(|result| result.result_id() == *id)?;
    let excuse = result.excuse.as_ref().filter(|_| result.disposition == Disposition::Excused)?;
    Some(format!("{}: {}", excuse.why, result.reason))
}

/// What a failed test says: the verdict, the cause, the evidence, and where to look.
fn failure(id: &ResultId, end: &End) -> Failed {
    let mut text = String::new();
    let report = end.outcome.as_ref().map(|outcome| &outcome.report);
    let result = report.and_then(|report| report.results.iter().find(|result| result.result_id() == *id));
    match result {
        Some(result) => {
            let _ = writeln!(text, "{}: {}", result.verdict, result.reason);
            for finding in report.into_iter().flat_map(|report| report.findings_of(result)) {
                let _ = writeln!(text, "cause: {}", finding.summary);
            }
            for evidence in &result.evidence {
                match (&evidence.path, &evidence.excerpt) {
                    (Some(path), _) => drop(writeln!(text, "{}: {path}", evidence.title)),
                    (None, Some(excerpt)) => drop(writeln!(text, "{}: {excerpt}", evidence.title)),
                    (None, None) => {}
                }
            }
        }
        None => text.push_str("undetermined: it was not asked\n"),
    }
    if let Some(error) = end.outcome.as_ref().and_then(|outcome| outcome.error.as_ref()) {
        let _ = writeln!(text, "the run: {}", Chain(error));
        for line in error.log_tail() {
            let _ = writeln!(text, "  | {line}");
        }
    }
    let _ = write!(text, "folder: {}", end.folder.display());
    text.into()
}

/// The verdicts as they come, for tests that wait for them.
#[derive(Default)]
struct Outcomes {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    verdicts: BTreeMap<ResultId, Verdict>,
    end: Option<Arc<End>>,
}

/// How the run ended.
struct End {
    /// None when it panicked.
    outcome: Option<Outcome>,
    folder: PathBuf,
}

impl Outcomes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Option<Outcome>, folder: PathBuf) {
        self.seen().end = Some(Arc::new(End { outcome, folder }));
        self.changed.notify_all();
    }

    /// Waits for a verdict; none when the run ended without it.
    fn verdict_of(&self, id: &ResultId) -> Option<Verdict> {
        self.wait(|seen| match (seen.verdicts.get(id), &seen.end) {
            (Some(verdict), _) => Some(Some(verdict.clone())),
            (None, Some(_)) => Some(None),
            (None, None) => None,
        })
    }

    fn wait_for_end(&self) -> Arc<End> {
        self.wait(|seen| seen.end.clone())
    }

    fn wait<T>(&self, look: impl Fn(&Seen) -> Option<T>) -> T {
        let mut seen = self.seen();
        loop {
            if let Some(found) = look(&seen) {
                return found;
            }
            seen = self.changed.wait(seen).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Sink for Outcomes {
    fn take(&self, record: &Record) {
        if let Event::CheckFinished(finished) = &record.event {
            self.seen().verdicts.insert(finished.id.clone(), finished.verdict.clone());
            self.changed.notify_all();
        }
    }
}
