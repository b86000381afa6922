//! CTRF, the common test report format: JSON that dashboards and actions take.
//!
//! Its five statuses are mapped so that blame stays where it is: what we could not
//! tell is `other`, never `failed`; the verdict itself stands in `rawStatus`.

mod verify;

use std::io;

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::{Value, json};

pub use self::verify::{CtrfFlaw, verify};
use crate::{
    clean,
    disposition::Disposition,
    junit::message,
    report::{CheckResult, Report, Try, repeat_command},
    verdict::{Level, VerdictKind},
};

/// The version of the format.
const SPEC: &str = "1.0.0";
/// Bytes of a trace, and of what a check printed.
const TEXT: usize = 32_000;
/// Attempts of a test.
const TRIES: usize = 200;

/// Writes a report as CTRF.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_ctrf(report: &Report, out: impl io::Write) -> Result<(), serde_json::Error> {
    serde_json::to_writer_pretty(out, &Document { report })
}

struct Document<'a> {
    report: &'a Report,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Outer<'a> {
            report_format: &'static str,
            spec_version: &'static str,
            #[serde(skip_serializing_if = "str::is_empty")]
            run_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<String>,
            generated_by: &'static str,
            results: Results<'a>,
        }
        #[derive(Serialize)]
        struct Results<'a> {
            tool: Value,
            summary: Value,
            tests: Tests<'a>,
            environment: Value,
            extra: Value,
        }
        let report = self.report;
        Outer {
            report_format: "CTRF",
            spec_version: SPEC,
            run_id: &report.run.id,
            timestamp: report.run.started.map(|started| format!("{started:.3}")),
            generated_by: "winconform",
            results: Results {
                tool: json!({ "name": "winconform", "version": report.run.version }),
                summary: summary(report),
                tests: Tests { report },
                environment: environment(report),
                extra: json!({ "findings": report.findings, "leftOut": report.left_out }),
            },
        }
        .serialize(serializer)
    }
}

/// The results one by one: as values all of them would fill the memory.
struct Tests<'a> {
    report: &'a Report,
}

impl Serialize for Tests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tests = serializer.serialize_seq(Some(self.report.results.len()))?;
        for result in &self.report.results {
            tests.serialize_element(&test(self.report, result))?;
        }
        tests.end()
    }
}

fn status(result: &CheckResult) -> &'static str {
    match result.disposition {
        Disposition::Green => "passed",
        Disposition::Red => "failed",
        Disposition::Skipped => "skipped",
        Disposition::Unknown | Disposition::Excused => "other",
    }
}

fn raw_status(result: &CheckResult) -> &'static str {
    match result.disposition {
        Disposition::Excused => "xfail",
        _ if result.is_aborted() => "aborted",
        _ => result.verdict.as_str(),
    }
}

fn summary(report: &Report) -> Value {
    let counts = report.run.counts;
    let suites: std::collections::HashSet<&str> = report.results.iter().map(|result| result.suite.as_str()).collect();
    let start = report.run.started.map_or(0, |started| started.as_millisecond().max(0));
    json!({
        "tests": counts.total,
        "passed": counts.green,
        "failed": counts.red,
        "skipped": counts.skipped,
        "pending": 0,
        "other": counts.unknown + counts.excused,
        "flaky": counts.flaky,
        "suites": suites.len(),
        "start": start,
        "stop": start.saturating_add(milliseconds(report.run.wall_s)),
        "duration": milliseconds(report.run.wall_s),
        "extra": {
            "result": report.run.result,
            "exitCode": report.run.exit_code,
            "aborted": report.run.aborted,
            "criticalPathSeconds": report.run.critical_path_s,
            "apiRequests": report.run.api_requests,
        },
    })
}

/// Whole milliseconds; what is no duration (a damaged log) counts as none.
fn milliseconds(seconds: f64) -> i64 {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn environment(report: &Report) -> Value {
    let mut environment = json!({
        "appName": "Kubernetes",
        "testEnvironment": report.run.testbed.as_ref().map_or("cluster", |_| "testbed"),
        "healthy": report.run.aborted.is_none(),
        "extra": { "nodes": report.nodes, "targets": report.targets, "testbed": report.run.testbed },
    });
    if let (Some(cluster), Some(fields)) = (&report.cluster, environment.as_object_mut()) {
        fields.insert("appVersion".to_owned(), cluster.version.clone().into());
        fields.insert("reportName".to_owned(), clean::one_line(&cluster.context).into());
    }
    environment
}

fn test(report: &Report, result: &CheckResult) -> Value {
    let id = result.result_id();
    let mut test = json!({
        "testId": id.to_string(),
        "name": id.local_name(),
        "suite": [format!("winconform.{}", result.suite)],
        "status": status(result),
        "rawStatus": raw_status(result),
        "duration": milliseconds(result.seconds),
        "flaky": result.flaky,
        "retries": result.attempts.saturating_sub(1),
        "tags": tags(result),
        "labels": labels(result),
        "type": "conformance",
    });
    let Some(fields) = test.as_object_mut() else { return test };
    let mut set = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    if let (Some(started), Some(after)) = (report.run.started, result.started_s) {
        let start = started.as_millisecond().max(0).saturating_add(milliseconds(after));
        set("start", start.into());
        set("stop", start.saturating_add(milliseconds(result.seconds)).into());
    }
    if !result.reason.is_empty() {
        let reason = clean::excerpt(&result.reason, TEXT);
        set("message", message(&clean::one_line(&reason)).into());
        if matches!(result.disposition, Disposition::Red | Disposition::Unknown) {
            set("trace", clean::plain(&reason).into());
            set("extra", json!({ "repeat": repeat_command(report, result), "observations": result.observations }));
        }
    }
    let attachments: Vec<Value> = result
        .evidence
        .iter()
        .filter_map(|evidence| {
            let path = clean::one_line(evidence.path.as_deref()?);
            let kind = if path.ends_with(".json") { "application/json" } else { "text/plain" };
            Some(json!({ "name": clean::one_line(&evidence.title), "contentType": kind, "path": path }))
        })
        .collect();
    if !attachments.is_empty() {
        set("attachments", attachments.into());
    }
    let printed: Vec<String> = result
        .evidence
        .iter()
        .filter_map(|evidence| evidence.excerpt.as_deref())
        .map(|text| clean::plain(&clean::excerpt(text, TEXT)).into_owned())
        .collect();
    if !printed.is_empty() {
        set("stdout", printed.into());
    }
    if !result.phases.is_empty() {
        let status = status(result);
        let step = |phase: &crate::event::Phase| json!({ "name": clean::one_line(&phase.name), "status": status, "extra": { "duration": phase.ms } });
        set("steps", result.phases.iter().map(step).collect::<Vec<_>>().into());
    }
    if result.tries.len() > 1 {
        let retry = |(place, attempt): (usize, &Try)| {
            let status = match attempt.verdict {
                VerdictKind::Failed => "failed",
                VerdictKind::Undetermined => "other",
                VerdictKind::NotApplicable => "skipped",
                VerdictKind::Passed | VerdictKind::LimitationPresent | VerdictKind::LimitationLifted => "passed",
            };
            let message = message(&clean::one_line(&clean::excerpt(&attempt.reason, TEXT)));
            let duration = milliseconds(attempt.seconds);
            let extra = json!({ "round": attempt.round, "attempt": attempt.attempt });
            json!({ "attempt": place + 1, "status": status, "duration": duration, "message": message, "extra": extra })
        };
        set("retryAttempts", result.tries.iter().take(TRIES).enumerate().map(retry).collect::<Vec<_>>().into());
    }
    test
}

fn tags(result: &CheckResult) -> Vec<String> {
    let mut tags = vec![result.level.to_string(), clean::one_line(&result.statement)];
    if result.level == Level::Info {
        tags.push("informing".to_owned());
    }
    tags.retain(|tag| !tag.is_empty());
    tags
}

fn labels(result: &CheckResult) -> Value {
    let mut labels = serde_json::Map::new();
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            labels.insert(key.to_owned(), clean::one_line(value).into());
        }
    };
    set("target", result.target.as_deref());
    set("node", result.node.as_deref());
    set("finding", result.findings.first().map(String::as_str));
    set("excuse", result.excuse.as_ref().map(|excuse| excuse.why.as_str()));
    set("skipReason", (result.verdict == VerdictKind::NotApplicable).then_some(result.reason.as_str()));
    labels.into()
}
