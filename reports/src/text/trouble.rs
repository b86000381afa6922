//! What is not as it should be, cause first.

use super::layout::Page;
use crate::{
    disposition::Disposition,
    explain::{Confidence, Finding},
    known_failures::{EntryState, KnownFailureUse},
    report::{CheckResult, Report},
    verdict::{Level, VerdictKind},
};

/// More than this nobody reads on a terminal; the reports have all.
const SHOWN: usize = 20;
/// Answers under one cause; they say much the same.
const ALIKE: usize = 6;

/// The causes, each with the answers it accounts for.
pub(super) fn findings(page: &mut Page, report: &Report) {
    for (place, finding) in report.findings.iter().enumerate().take(SHOWN) {
        let sure = match finding.confidence {
            Confidence::Certain => String::new(),
            other => format!(" ({})", other.as_str()),
        };
        let subject = crate::clean::one_line(&finding.subject);
        let what = if report.is_only_noted(finding) { "worth knowing" } else { "cause" };
        page.title(&format!("{what} {}: {}, {subject}{sure}", place + 1, finding.layer));
        page.item("", "", &finding.summary);
        for other in &finding.alternatives {
            page.item("", "or", &format!("{}, {}: {}", other.layer, other.subject, other.summary));
        }
        let proof = finding.proof.iter().filter(|proof| **proof != finding.summary);
        for (place, proof) in proof.enumerate().take(4) {
            page.item("", first(place, "seen"), proof);
        }
        for (place, advice) in finding.advice.iter().enumerate() {
            page.item("", first(place, "look at"), advice);
        }
        accounted_for(page, report, finding);
    }
    if report.findings.len() > SHOWN {
        page.title(&format!("and {} more causes, all in the reports", report.findings.len() - SHOWN));
    }
}

/// The answers a finding is the first to account for; the undetermined ones, which
/// all say the same, by their names only.
fn accounted_for(page: &mut Page, report: &Report, finding: &Finding) {
    let mine = |disposition: Disposition| {
        let first_to_account = |result: &&CheckResult| result.findings.first() == Some(&finding.id);
        report.results.iter().filter(first_to_account).filter(move |result| result.disposition == disposition)
    };
    let red: Vec<&CheckResult> = mine(Disposition::Red).collect();
    let mark = page.style().bad("FAILED");
    for result in red.iter().take(ALIKE) {
        answer(page, result, &mark);
    }
    more(page, red.len(), ALIKE);
    if report.is_only_noted(finding) {
        for result in mine(Disposition::Green).take(ALIKE) {
            page.item("", "noted by", &result.id);
        }
    }
    let mut unknown: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for result in mine(Disposition::Unknown) {
        let place = result.node.as_deref().or(result.target.as_deref());
        match unknown.iter_mut().find(|(known, _)| *known == place) {
            Some((_, checks)) => checks.push(result.check.name()),
            None => unknown.push((place, vec![result.check.name()])),
        }
    }
    let mark = page.style().odd("unknown");
    for (place, checks) in unknown.iter().take(ALIKE) {
        let of = place.map(|place| format!(" of {place}")).unwrap_or_default();
        let answers = if checks.len() == 1 { "answer" } else { "answers" };
        page.item("", &mark, &format!("{} {answers}{of}: {}", checks.len(), checks.join(", ")));
    }
    more(page, unknown.len(), ALIKE);
}

/// What the cluster does not keep, and no finding accounts for.
pub(super) fn failures(page: &mut Page, report: &Report) {
    let red: Vec<&CheckResult> = unexplained(report, Disposition::Red).collect();
    if red.is_empty() {
        return;
    }
    page.title(if report.findings.is_empty() { "failed" } else { "failed, cause unknown" });
    let mark = page.style().bad("FAILED");
    for result in red.iter().take(SHOWN) {
        answer(page, result, &mark);
        ask_again(page, result);
    }
    more(page, red.len(), SHOWN);
}

/// What could not be told, and what to do about it.
pub(super) fn undetermined(page: &mut Page, report: &Report) {
    let (aborted, asked): (Vec<&CheckResult>, Vec<&CheckResult>) =
        unexplained(report, Disposition::Unknown).partition(|result| result.is_aborted());
    if asked.is_empty() && aborted.is_empty() {
        return;
    }
    page.title("undetermined: says nothing about the cluster yet");
    let mark = page.style().odd("unknown");
    for result in asked.iter().take(SHOWN) {
        answer(page, result, &mark);
        ask_again(page, result);
    }
    more(page, asked.len(), SHOWN);
    if let Some(first) = aborted.first() {
        let questions = if aborted.len() == 1 { "question was" } else { "questions were" };
        page.item("", &mark, &format!("{} {questions} not asked: {}", aborted.len(), first.reason));
        page.item("", "look at", "run again to ask them; `winconform cleanup` removes what a killed run left");
    }
}

fn unexplained(report: &Report, disposition: Disposition) -> impl Iterator<Item = &CheckResult> {
    report.results.iter().filter(move |result| result.disposition == disposition && result.findings.is_empty())
}

fn answer(page: &mut Page, result: &CheckResult, mark: &str) {
    let statement = if result.statement.is_empty() { String::new() } else { format!("{}, ", result.statement) };
    page.item("", mark, &format!("{} ({statement}{})", result.id, result.level));
    page.item("", "", &result.reason);
    for (place, evidence) in result.evidence.iter().enumerate().take(3) {
        let text = match (&evidence.path, &evidence.excerpt) {
            (Some(path), _) => path.clone(),
            (None, Some(excerpt)) => format!("{}: {excerpt}", evidence.title),
            (None, None) => evidence.title.clone(),
        };
        page.item("", first(place, "evidence"), &text);
    }
}

/// The command that asks one question again and keeps its objects to look at.
fn ask_again(page: &mut Page, result: &CheckResult) {
    let target = result.target.as_ref().map(|target| format!(" --target {target}")).unwrap_or_default();
    page.item("", "look at", &format!("winconform run --check {}{target} --keep failed", result.check));
}

/// What is broken and excused, and which excuses need a look.
pub(super) fn excused(page: &mut Page, report: &Report) {
    let excused: Vec<&CheckResult> =
        report.results.iter().filter(|result| result.disposition == Disposition::Excused).collect();
    let stale: Vec<&KnownFailureUse> =
        report.known_failures.iter().filter(|entry| entry.state != EntryState::Excuses).collect();
    if excused.is_empty() && stale.is_empty() {
        return;
    }
    page.title("known failures");
    let mark = page.style().odd("excused");
    for result in excused.iter().take(SHOWN) {
        let excuse = result.excuse.as_ref();
        let why = excuse.map(|excuse| excuse.why.clone()).unwrap_or_default();
        let issue =
            excuse.and_then(|excuse| excuse.issue.as_ref()).map(|issue| format!(", {issue}")).unwrap_or_default();
        page.item("", &mark, &format!("{}: {why}{issue}", result.id));
        page.item("", "", &result.reason);
    }
    more(page, excused.len(), SHOWN);
    for entry in stale.iter().take(SHOWN) {
        let builds = entry.builds.as_ref().map(|builds| format!(" on {builds}")).unwrap_or_default();
        let words =
            format!("{}{builds} {} ({}, until {})", entry.check, entry.state.as_words(), entry.issue, entry.expires);
        page.item("", "entry", &words);
    }
    more(page, stale.len(), SHOWN);
}

/// What is worth knowing and needs no action.
pub(super) fn asides(page: &mut Page, report: &Report) {
    let notes = |result: &&CheckResult| {
        result.disposition == Disposition::Green
            && (matches!(result.verdict, VerdictKind::LimitationPresent | VerdictKind::LimitationLifted)
                || (result.level == Level::Info && result.verdict == VerdictKind::Failed)
                || result.flaky)
    };
    let skipped = |result: &&CheckResult| result.disposition == Disposition::Skipped;
    let limited = together(report, report.results.iter().filter(notes));
    let skipped = together(report, report.results.iter().filter(skipped));
    if limited.is_empty() && skipped.is_empty() && report.left_out.is_empty() {
        return;
    }
    page.blank();
    for (check, places, reason) in limited {
        page.item("", "noted", &format!("{check}{places}: {reason}"));
    }
    for (check, places, reason) in skipped {
        page.item("", "n/a", &format!("{check}{places}: {reason}"));
    }
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for left_out in &report.left_out {
        match reasons.iter_mut().find(|(reason, _)| *reason == left_out.reason) {
            Some((_, checks)) => checks.push(left_out.check.to_string()),
            None => reasons.push((&left_out.reason, vec![left_out.check.to_string()])),
        }
    }
    for (reason, checks) in reasons {
        let names = match checks.len() {
            0..=4 => checks.join(", "),
            count => format!("{count} checks"),
        };
        page.item("", "left out", &format!("{names}: {reason}"));
    }
}

/// The same check with the same reason at several places is said once.
fn together<'a>(report: &Report, results: impl Iterator<Item = &'a CheckResult>) -> Vec<(String, String, &'a str)> {
    let mut groups: Vec<(String, Vec<&str>, &str)> = Vec::new();
    for result in results {
        let check = result.check.to_string();
        let place = result.node.as_deref().or(result.target.as_deref());
        match groups.iter_mut().find(|(known, _, reason)| *known == check && *reason == result.reason) {
            Some((_, places, _)) => places.extend(place),
            None => groups.push((check, place.into_iter().collect(), &result.reason)),
        }
    }
    let everywhere = |places: &[&str]| report.targets.iter().all(|target| places.contains(&target.name.as_str()));
    let said = |places: Vec<&str>| match places.len() {
        _ if everywhere(&places) => String::new(),
        0 => String::new(),
        1..=3 => format!(" @ {}", places.join(", ")),
        count => format!(" @ {count} places"),
    };
    groups.into_iter().map(|(check, places, reason)| (check, said(places), reason)).collect()
}

fn more(page: &mut Page, count: usize, shown: usize) {
    if count > shown {
        page.item("", "", &format!("and {} more, all in the reports", count - shown));
    }
}

/// A label for the first line of several.
fn first(place: usize, label: &str) -> &str {
    if place == 0 { label } else { "" }
}
