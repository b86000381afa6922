//! What broke and why.

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{check_anchor, line, pill},
};
use crate::{
    explain::Finding,
    report::{CheckResult, Report, grid::Mark},
    words::counted,
};

/// Findings that are shown whole; a cluster with more has one trouble that no rule knows.
const SHOWN: usize = 40;
/// Results without a finding that are shown.
const UNEXPLAINED: usize = 40;

/// Results that are wrong, and no finding accounts for them.
pub(super) fn unexplained(report: &Report) -> impl Iterator<Item = &CheckResult> {
    report.results.iter().filter(|result| {
        let mark = Mark::of(result);
        (mark.is_red() || mark == Mark::Unknown) && result.findings.is_empty() && !result.is_aborted()
    })
}

pub(super) fn section(report: &Report) -> Option<Section> {
    let unexplained: Vec<&CheckResult> = unexplained(report).collect();
    if report.findings.is_empty() && unexplained.is_empty() {
        return None;
    }
    let body = html! {
        ol.findings {
            @for (place, finding) in report.findings.iter().take(SHOWN).enumerate() {
                (card(report, finding, place))
            }
        }
        @if report.findings.len() > SHOWN {
            p.quiet { "and " (counted(report.findings.len() - SHOWN, "more cause")) ", all in the JSON report" }
        }
        @if !unexplained.is_empty() {
            h3 { "Without a known cause" }
            ul.plain {
                @for result in unexplained.iter().take(UNEXPLAINED) {
                    li {
                        (pill(Mark::of(result))) " "
                        a href={ "#" (check_anchor(&result.check)) } { (line(&result.id)) }
                        ": " (line(&result.reason))
                    }
                }
                @if unexplained.len() > UNEXPLAINED {
                    li.quiet { "and " (unexplained.len() - UNEXPLAINED) " more, each under its check" }
                }
            }
        }
    };
    Some(Section { id: "causes", title: "What broke, and why", body })
}

fn card(report: &Report, finding: &Finding, place: usize) -> Markup {
    let accounts = counted(finding.checks.len(), "answer");
    html! {
        li.finding id={ "cause-" (place) } {
            p.tags {
                span.layer { (finding.layer) }
                span.subject { (line(&finding.subject)) }
                span.sure { (if report.is_only_noted(finding) { "worth knowing" } else { finding.confidence.as_str() }) }
            }
            h3 { (line(&finding.summary)) }
            @if !finding.advice.is_empty() {
                p.label { "Look at" }
                ul { @for advice in &finding.advice { li { (line(advice)) } } }
            }
            @if !finding.alternatives.is_empty() {
                p.label { "Or it is" }
                ul {
                    @for other in &finding.alternatives {
                        li { (line(&other.summary)) " " span.quiet { "(" (other.layer) ", " (line(&other.subject)) ")" } }
                    }
                }
            }
            details {
                summary { "Proof, and the " (accounts) " it accounts for" }
                @if !finding.proof.is_empty() {
                    ul.proof { @for proof in finding.proof.iter().take(20) { li { (line(proof)) } } }
                }
                (accounted(report, finding))
            }
        }
    }
}

/// The results a finding accounts for, by check.
fn accounted(report: &Report, finding: &Finding) -> Markup {
    const PLACES: usize = 60;
    let known: std::collections::HashSet<&str> = finding.checks.iter().map(String::as_str).collect();
    let results: Vec<&CheckResult> =
        report.results.iter().filter(|result| known.contains(result.id.as_str())).take(PLACES).collect();
    html! {
        ul.plain.dense {
            @for result in &results {
                li { (pill(Mark::of(result))) " " a href={ "#" (check_anchor(&result.check)) } { (line(&result.id)) } }
            }
            @if finding.checks.len() > results.len() {
                li.quiet { "and " (finding.checks.len() - results.len()) " more" }
            }
        }
    }
}
