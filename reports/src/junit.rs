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
mod root;
mod verify;
mod xml;

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use quick_junit::TestSuite;
use thiserror::Error;

pub use self::verify::{JunitCounts, JunitFlaw, verify};
use crate::{
    clean,
    report::{CheckResult, Report},
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

/// The JUnit file could not be made, or was not what it should be when read back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JunitError {
    /// The XML could not be written.
    #[error("failed to write JUnit XML")]
    Serialize(#[source] quick_junit::SerializeError),
    /// The XML could not be narrowed to the strict dialect.
    #[error("failed to narrow JUnit XML to the strict dialect")]
    Narrow(#[source] root::NarrowError),
}

/// Writes a report as JUnit XML.
///
/// # Errors
///
/// When the XML cannot be written, which is a defect of ours whatever the report.
pub fn to_junit(report: &Report, dialect: Dialect) -> Result<String, JunitError> {
    let mut junit = quick_junit::Report::new("winconform");
    junit.set_time(duration(report.run.wall_s));
    for suite in suites(report, dialect) {
        junit.add_test_suite(suite);
    }
    let xml = junit.to_string().map_err(JunitError::Serialize)?;
    match dialect {
        Dialect::Standard => Ok(xml),
        Dialect::Strict => root::narrow(&xml).map_err(JunitError::Narrow),
    }
}

/// One suite for each suite of checks, in report order, and one for the run itself
/// where there is something to say of it.
fn suites(report: &Report, dialect: Dialect) -> Vec<TestSuite> {
    let mut suites: Vec<(&str, Vec<&CheckResult>)> = Vec::new();
    for result in &report.results {
        match suites.iter_mut().find(|(name, _)| *name == result.suite) {
            Some((_, results)) => results.push(result),
            None => suites.push((&result.suite, vec![result])),
        }
    }
    let of_checks = suites.into_iter().map(|(_, results)| suite(report, &results, dialect));
    of_checks.chain(run_suite(report)).collect()
}

fn suite(report: &Report, results: &[&CheckResult], dialect: Dialect) -> TestSuite {
    let class = results.first().map(|result| result.result_id().junit_class()).unwrap_or_default();
    let mut suite = TestSuite::new(class);
    suite.set_time(duration(results.iter().map(|result| result.seconds).sum()));
    let began = results.iter().filter_map(|result| case::started(report, result)).min();
    add_run(&mut suite, report, began);
    for result in results {
        suite.add_test_case(case::of_result(report, result, dialect));
    }
    suite
}

/// What happened to the run as a whole: a file without any case reads as success
/// in some consumers, and objects that stayed behind concern no check.
fn run_suite(report: &Report) -> Option<TestSuite> {
    let mut cases = Vec::new();
    if report.results.is_empty() {
        cases.push(case::nothing_asked(report));
    }
    if !report.leftovers.is_empty() {
        cases.push(case::leftovers(report));
    }
    if cases.is_empty() {
        return None;
    }
    let mut suite = TestSuite::new(case::RUN_CLASS);
    suite.set_time(Duration::ZERO);
    add_run(&mut suite, report, None);
    suite.add_test_cases(cases);
    Some(suite)
}

/// What a suite says of its run. Both schemas allow properties of suites.
fn add_run(suite: &mut TestSuite, report: &Report, began: Option<Timestamp>) {
    let run = &report.run;
    if let Some(began) = began.or(run.started) {
        suite.extra.insert("timestamp".into(), format!("{began:.3}").into());
    }
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            suite.add_property((name, clean::one_line(value).as_str()));
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
        add(&format!("target.{}", target.name), &format!("{product}: {}", target.nodes.join(", ")));
    }
}

/// Seconds as a duration; what is no duration (a damaged log) counts as none.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests;
