//! The trust report as one page that needs nothing else.

use std::fmt::Write as _;

use super::{
    report::{FaultRow, RowVerdict, TrustReport},
    text::{Cell, suites},
};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#d0d7de,#3d444d);--dim:light-dark(#59636e,#9198a1);\
--good:light-dark(#1a7f37,#3fb950);--bad:light-dark(#cf222e,#f85149);--odd:light-dark(#9a6700,#d29922)}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:96rem;padding:0 1rem}\
h1{font-size:1.5rem}table{border-collapse:collapse}th,td{border:1px solid var(--line);padding:.2rem .4rem;text-align:left;vertical-align:top}\
.wide{overflow-x:auto}.matrix td{text-align:center;min-width:1.1rem;font-family:ui-monospace,monospace}\
.matrix th.fault{text-align:left;font-weight:normal;white-space:nowrap}.matrix th.check{writing-mode:vertical-rl;font-weight:normal}\
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}.odd{color:var(--odd)}.dim{color:var(--dim)}";

/// The page.
pub(super) fn page(report: &TrustReport) -> String {
    let totals = &report.totals;
    let mut body = String::new();
    let _ = write!(
        body,
        "<h1>Can the checks be trusted?</h1><p>{} of {} planted faults caught, {:.0} % of findings right, {} with false \
         alarms, {} invalid, {} leaked; {} healthy clusters with {} red results. winconform {}, {}, {:.0} s, seed {}.</p>",
        totals.caught,
        totals.faults,
        totals.findings_right * 100.0,
        totals.false_alarm,
        totals.invalid,
        totals.leaked,
        report.healthy.len(),
        totals.red_when_healthy,
        escape(&report.version),
        report.started,
        report.wall_s,
        report.seed,
    );
    matrix(&mut body, report);
    details(&mut body, report);
    healthy(&mut body, report);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>winconform trust</title><style>{STYLE}</style><body>{body}</body></html>\n"
    )
}

fn matrix(body: &mut String, report: &TrustReport) {
    body.push_str("<h2>Faults and checks</h2><div class=wide><table class=matrix><thead><tr><th>Fault</th>");
    for (suite, count) in suites(&report.checks) {
        let _ = write!(body, "<th colspan={count}>{}</th>", escape(suite));
    }
    body.push_str("</tr><tr><th></th>");
    for check in &report.checks {
        let name = check.split_once('/').map_or(check.as_str(), |(_, name)| name);
        let _ = write!(body, "<th class=check scope=col>{}</th>", escape(name));
    }
    body.push_str("</tr></thead><tbody>");
    for row in &report.faults {
        let _ = write!(
            body,
            "<tr><th class=fault scope=row><a href=\"#{id}\">{id}</a> <span class={}>{}</span></th>",
            class(row),
            row.verdict.as_words(),
            id = escape(&row.id),
        );
        for check in &report.checks {
            let cell = Cell::of(row, check);
            let colour = match cell {
                Cell::Must | Cell::Told => "good",
                Cell::Missed | Cell::FalseAlarm => "bad",
                Cell::Unknown => "odd",
                Cell::May | Cell::Quiet => "dim",
            };
            let _ = write!(
                body,
                "<td class={colour} title=\"{}: {}\">{}</td>",
                escape(check),
                cell.words(),
                if cell == Cell::Quiet { ' ' } else { cell.mark() }
            );
        }
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div><p class=dim>");
    let marks = [Cell::Must, Cell::May, Cell::Told, Cell::Unknown, Cell::Missed, Cell::FalseAlarm];
    let legend: Vec<String> = marks.iter().map(|cell| format!("{} {}", cell.mark(), cell.words())).collect();
    let _ = write!(body, "{}</p>", legend.join(", "));
    if !report.unproven.is_empty() {
        let _ = write!(body, "<p>No fault reached: {}</p>", escape(&report.unproven.join(", ")));
    }
}

fn details(body: &mut String, report: &TrustReport) {
    body.push_str(
        "<h2>What each fault came to</h2><div class=wide><table><thead><tr><th>Fault<th>Came to<th>Findings<th>Effects \
         (considered, applied)<th>Seconds</tr></thead><tbody>",
    );
    for row in &report.faults {
        let causes: Vec<String> = (row.findings.iter())
            .map(|cause| {
                let colour = if cause.right { "good" } else { "dim" };
                let name = format!("{} {}", cause.layer, cause.subject);
                format!("<span class={colour}>{}</span> ({})", escape(&name), escape(&cause.confidence))
            })
            .collect();
        let effects: Vec<String> = (row.effects.iter())
            .map(|counter| format!("{} {}, {}", escape(&counter.kind), counter.considered, counter.applied))
            .collect();
        let _ = write!(
            body,
            "<tr id=\"{id}\"><td><b>{id}</b><br>{}<td><span class={}>{}{}</span><br>{}<td>{}<td>{}<td>{:.1}</tr>",
            escape(&row.summary),
            class(row),
            row.verdict.as_words(),
            if row.leaked { ", leaked" } else { "" },
            escape(&row.reason),
            causes.join("<br>"),
            effects.join("<br>"),
            row.seconds,
            id = escape(&row.id),
        );
    }
    body.push_str("</tbody></table></div>");
}

fn healthy(body: &mut String, report: &TrustReport) {
    if report.healthy.is_empty() {
        return;
    }
    body.push_str("<h2>Healthy clusters</h2><table><thead><tr><th>Shape<th>Came to<th>Seconds</tr></thead><tbody>");
    for row in &report.healthy {
        let lines: Vec<String> =
            row.red.iter().chain(&row.unknown).chain(&row.error).map(|line| escape(line)).collect();
        let words = if row.is_well() { "<span class=good>nothing red</span>".to_owned() } else { lines.join("<br>") };
        let _ = write!(body, "<tr><td>{}<td>{words}<td>{:.1}</tr>", escape(&row.shape), row.seconds);
    }
    body.push_str("</tbody></table>");
}

fn class(row: &FaultRow) -> &'static str {
    match row.verdict {
        RowVerdict::Caught if !row.leaked => "good",
        RowVerdict::Invalid | RowVerdict::Unusable => "odd",
        _ => "bad",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
