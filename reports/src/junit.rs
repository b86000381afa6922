//! JUnit XML, as Jenkins, GitLab, GitHub actions, TestGrid and others read it.
//!
//! What they have in common, and what is therefore kept in both dialects: suites
//! are flat; a suite is named like the class of its cases; a class and name occur
//! once; times have three decimals; a case has at most one of `failure` (the
//! cluster breaks a promise), `error` (we could not tell) and `skipped` (does not
//! concern this cluster); what is said stands in the `message` *and* in the text,
//! since some consumers show only one of them; evidence is named in `system-out`
//! as `[[ATTACHMENT|path]]`.

mod case;
mod out;
mod verify;
mod xml;

use std::{fmt, io, str::FromStr, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

pub(crate) use self::case::message;
use self::{
    case::{Case, Kind},
    out::{Out, Totals},
};
pub use self::{
    verify::{JunitCounts, JunitFlaw, verify, verify_read},
    xml::XmlError,
};
use crate::{
    clean,
    report::{CheckResult, Report},
    verdict::Level,
};

/// Which consumers a JUnit file is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// What everybody reads, with extras that somebody shows and nobody stumbles
    /// over: properties and time stamps of cases.
    #[default]
    Standard,
    /// Valid against the schema of Jenkins' xUnit plugin (`junit-10.xsd`), and each
    /// suite alone against Surefire's.
    Strict,
}

/// The text names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no JUnit dialect (`standard` or `strict`)")]
pub struct DialectError(String);

impl FromStr for Dialect {
    type Err = DialectError;

    fn from_str(text: &str) -> Result<Self, DialectError> {
        match text {
            "standard" => Ok(Self::Standard),
            "strict" => Ok(Self::Strict),
            _ => Err(DialectError(text.to_owned())),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
        })
    }
}

/// Which results a JUnit file is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them; an informing one passes, with its note.
    #[default]
    Verdicts,
    /// The informing ones alone, and one that did not hold fails. A file of its own,
    /// since most consumers would fail a job over it.
    Informing,
}

/// A report as JUnit XML.
///
/// # Errors
///
/// When the XML cannot be written, which for memory is a defect of ours.
pub fn to_junit(report: &Report, dialect: Dialect) -> io::Result<String> {
    let mut xml = Vec::new();
    write_junit(report, dialect, Scope::Verdicts, &mut xml)?;
    String::from_utf8(xml).map_err(io::Error::other)
}

/// Writes a report as JUnit XML, case by case.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_junit(report: &Report, dialect: Dialect, scope: Scope, out: impl io::Write) -> io::Result<()> {
    let suites = suites(report, scope);
    let about_the_run = match scope {
        Scope::Verdicts => about_the_run(report),
        Scope::Informing => Vec::new(),
    };
    let totals: Vec<Totals> = suites.iter().map(|(_, results)| Totals::of(results, scope)).collect();
    let run_totals = Totals::of_cases(&about_the_run);
    let sum = totals.iter().chain([&run_totals]).fold(Totals::default(), |sum, suite| sum.plus(suite));
    let mut out = Out::begin(out, dialect, sum, duration(report.run.wall_s))?;
    for ((_, results), totals) in suites.iter().zip(totals) {
        let class = results.first().map(|result| result.result_id().junit_class()).unwrap_or_default();
        let seconds = duration(results.iter().map(|result| result.seconds).sum());
        let began = results.iter().filter_map(|result| case::started(report, result)).min();
        out.open_suite(&class, totals, seconds, timestamp(report, began), &facts(report, &class))?;
        for result in results {
            out.case(&Case::of_result(report, result, scope))?;
        }
        out.close_suite()?;
    }
    if !about_the_run.is_empty() {
        let class = case::RUN_CLASS;
        out.open_suite(class, run_totals, Duration::ZERO, timestamp(report, None), &facts(report, class))?;
        about_the_run.iter().try_for_each(|case| out.case(case))?;
        out.close_suite()?;
    }
    out.end()
}

/// The results by suite, in report order.
fn suites(report: &Report, scope: Scope) -> Vec<(&str, Vec<&CheckResult>)> {
    let mut suites: Vec<(&str, Vec<&CheckResult>)> = Vec::new();
    for result in report.results.iter().filter(|result| scope == Scope::Verdicts || result.level == Level::Info) {
        match suites.iter_mut().find(|(name, _)| *name == result.suite) {
            Some((_, results)) => results.push(result),
            None => suites.push((&result.suite, vec![result])),
        }
    }
    suites
}

/// What happened to the run as a whole: a file without any case reads as success
/// in some consumers, and objects that stayed behind concern no check.
fn about_the_run(report: &Report) -> Vec<Case> {
    let mut cases = Vec::new();
    if report.results.is_empty() {
        cases.push(case::nothing_asked(report));
    }
    if !report.leftovers.is_empty() {
        cases.push(case::leftovers(report));
    }
    cases
}

/// How many cases a file has that are about the run and not a result.
pub(crate) fn cases_about_the_run(report: &Report) -> usize {
    about_the_run(report).len()
}

fn timestamp(report: &Report, began: Option<Timestamp>) -> Option<String> {
    began.or(report.run.started).map(|at| format!("{at:.3}"))
}

/// The environment and the measurements of a run, as properties of a suite: both
/// schemas allow them there. The measurements stand once, where the run began.
fn facts(report: &Report, class: &str) -> Vec<(String, String)> {
    let run = &report.run;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.push((clean::one_line(name), clean::one_line(value)));
        }
    };
    add("winconform.run", &run.id);
    add("winconform.version", &run.version);
    add("winconform.result", run.result.as_words());
    if let Some(cluster) = &report.cluster {
        add("kubernetes.context", &cluster.context);
        add("kubernetes.version", &cluster.version);
    }
    if let Some(testbed) = &run.testbed {
        add("testbed.shape", &testbed.shape);
        add("testbed.faults", &testbed.faults.join(", "));
    }
    for target in &report.targets {
        let product = target.product.as_deref().unwrap_or("unknown product");
        let nodes = crate::words::first_few(target.nodes.iter().map(String::as_str), 50);
        add(&format!("target.{}", target.name), &format!("{product}: {nodes}"));
        if let Some(node) = report.nodes.iter().find(|node| node.target.as_ref() == Some(&target.name)) {
            add(&format!("target.{}.runtime", target.name), &node.container_runtime);
            add(&format!("target.{}.kubelet", target.name), &node.kubelet);
        }
    }
    let first = report.results.first().map(|result| result.result_id().junit_class());
    if first.as_deref() != Some(class) {
        return facts;
    }
    let mut measure = |name: &str, value: Option<f64>| {
        facts.extend(value.map(|value| (name.to_owned(), format!("{value:.3}"))));
    };
    measure("seconds.run", Some(run.wall_s));
    measure("seconds.boot", run.boot_s);
    measure("seconds.critical_path", run.critical_path_s);
    for target in &report.targets {
        let slowest = report
            .pods
            .iter()
            .filter(|pod| pod.target.as_ref() == Some(&target.name))
            .map(|pod| pod.phases.iter().map(|phase| phase.ms).sum::<u64>())
            .max()
            .map(|ms| Duration::from_millis(ms).as_secs_f64());
        measure(&format!("seconds.slowest_pod_start.{}", clean::one_line(&target.name)), slowest);
    }
    facts
}

/// What a result is in a file: `failure` blames the cluster, `error` says that we could not tell.
fn kind(result: &CheckResult, scope: Scope) -> Kind {
    use crate::{disposition::Disposition, verdict::VerdictKind};
    match result.disposition {
        Disposition::Green if scope == Scope::Informing && result.verdict == VerdictKind::Failed => Kind::Failure,
        Disposition::Green if result.flaky => Kind::Flaky,
        Disposition::Green => Kind::Passed,
        Disposition::Red => Kind::Failure,
        Disposition::Unknown => Kind::Error,
        // As xfail is everywhere: red would stop whom the user let pass.
        Disposition::Skipped | Disposition::Excused => Kind::Skipped,
    }
}

/// Seconds as a duration; what is no duration (a damaged log) counts as none.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
