//! What containers say and disks lose, in every format: nothing breaks, nothing leaks.

use std::fs;

use proptest::prelude::*;
use winconform_reports::{
    Report, ReportFile, ReportFormat,
    junit::Dialect,
    log::{Log, LogError, parse_log},
    text::{SummaryOptions, summary},
    write::write_report,
};

use crate::stream;

/// What a container could print to be believed, as it stands in a JSON string.
const HOSTILE: &str = concat!(
    "\\u001b[31m\\u001b]0;owned\\u0007\\u0000\\u0001\\ufffe\\uffff\\u202e",
    "</failure>]]>--><script>alert(1)</script><img src=x onerror=alert(1)> &amp; \\\"'",
    " | a `b` <!-- ``` [x](javascript:alert(1)) <!--",
    "\\n::error::owned\\r::stop-commands::x\\n%0A::add-mask::y\\n# heading\\n",
);

const SECRETS: [&str; 4] = [
    "hunter2hunter2",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "AKIAIOSFODNN7EXAMPLE",
];

fn formats() -> impl Iterator<Item = ReportFormat> {
    ReportFormat::ALL
        .into_iter()
        .chain([ReportFormat::Junit(Dialect::Strict), ReportFormat::JunitInforming(Dialect::Strict)])
}

/// The mixed run in which every text that others wrote is a hostile one, and one of them very long.
fn hostile(long: usize) -> Log {
    let [password, jwt, token, key] = SECRETS;
    let secrets = format!("DB_PASSWORD={password} Authorization: Bearer {jwt} GITHUB_TOKEN={token} {key} ");
    let mixed = fs::read_to_string(stream("mixed.ndjson")).unwrap();
    let mut bytes = mixed
        .replace("connection timed out", &format!("{secrets}{HOSTILE}"))
        .replace("as promised", HOSTILE)
        .replace("\"title\":\"", &format!("\"title\":\"{HOSTILE}"))
        .replace("\"excerpt\":\"", &format!("\"excerpt\":\"{secrets}{HOSTILE}"))
        .replacen("reset by the API server", &format!("{}{HOSTILE}", "0123456789abcde\\n".repeat(long / 16)), 1)
        .into_bytes();
    // Bytes that are no UTF-8, within a text.
    let place = bytes.windows(9).position(|text| text == b"</script>").unwrap();
    bytes.splice(place..place, *b"\xff\xfe\xc3");
    parse_log(&bytes).unwrap()
}

fn written(report: &Report, format: ReportFormat) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    // Reads it back as its consumers will.
    write_report(&ReportFile { format, path: path.clone() }, report)
        .unwrap_or_else(|error| panic!("{format}: {error:?}"));
    fs::read_to_string(path).unwrap()
}

#[test]
fn hostile_text_neither_breaks_nor_leaks_in_any_format() {
    let log = hostile(2 << 20);
    assert!(log.notes.iter().any(|note| note.contains("no UTF-8")), "{:?}", log.notes);
    let report = Report::from_records(&log.records);
    let texts = formats().map(|format| (format.name(), written(&report, format)));
    for (format, text) in texts.chain([("text", summary(&report, &SummaryOptions::default()))]) {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} leaks as {format}");
        }
        let control = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c));
        assert_eq!(control, None, "{format}");
        if !["json", "ctrf", "text"].contains(&format) {
            assert!(!text.contains("<script>alert"), "{format}");
            assert!(!text.contains("<img src"), "{format}");
        }
        let limit = if format == "json" { 64 << 20 } else { 5 << 20 };
        assert!(text.len() < limit, "{format} has {} bytes", text.len());
    }
}

#[test]
fn hostile_text_makes_no_workflow_command_and_no_comment_in_pages_for_people() {
    let report = Report::from_records(&hostile(0).records);
    for line in written(&report, ReportFormat::GithubAnnotations).lines() {
        let command = ["::error title=", "::warning title=", "::notice title="];
        assert!(command.iter().any(|command| line.starts_with(command)), "{line:.200}");
    }
    for format in [ReportFormat::Markdown, ReportFormat::GithubSummary] {
        let text = outside_of_fences(&written(&report, format));
        let escaped = text.lines().find(|line| line.trim_start().starts_with("::") || *line == "# heading");
        assert_eq!(escaped, None, "{format}");
        let comment = text.lines().find(|line| line.contains("<!--"));
        assert_eq!(comment, None, "{format}: a comment hides the rest");
        assert!(!text.replace("\\]", "").contains("](javascript:"), "{format}");
        // Every row of a table has as many cells as its head.
        let mut columns = None;
        for line in text.lines() {
            let cells = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
            assert!(columns.is_none() || cells.is_none() || columns == cells, "{format}: {line:.300}");
            columns = cells;
        }
    }
}

/// A page without its blocks of code, in which nothing has a meaning.
fn outside_of_fences(page: &str) -> String {
    let fence = |line: &str| line.trim_start().chars().take_while(|c| *c == '`').count();
    let (mut outside, mut open) = (String::new(), None);
    for line in page.lines() {
        match (open, fence(line)) {
            (None, 3..) => open = Some(fence(line)),
            (None, _) => outside.extend([&without_spans(line), "\n"]),
            (Some(ticks), found) if found >= ticks && line.trim().len() == found => open = None,
            (Some(_), _) => {}
        }
    }
    assert_eq!(open, None, "a block of code never ends");
    outside
}

/// A line without its spans of code; one ends with as many ticks as it began with.
fn without_spans(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let (before, code) = rest.split_at(at);
        let ticks = code.len() - code.trim_start_matches('`').len();
        out.push_str(before);
        let (fence, inner) = code.split_at(ticks);
        let runs = inner.match_indices(fence).map(|(end, _)| end);
        let is_whole = |end: &usize| !inner[..*end].ends_with('`') && !inner[end + ticks..].starts_with('`');
        match runs.filter(|_| !before.ends_with('\\')).find(is_whole) {
            Some(end) => rest = &inner[end + ticks..],
            None => {
                out.push_str(fence);
                rest = inner;
            }
        }
    }
    out + rest
}

/// A log that was cut, and what a crash or a full disk left behind it.
fn cut() -> impl Strategy<Value = Vec<u8>> {
    let tails: [&[u8]; 6] = [b"", b"\0\0\0", b"\0\0\0\n", b"\0\n\0\n", b"\xff\xfe", b"\x1b[31m\0"];
    let names = ["healthy.ndjson", "mixed.ndjson"].map(stream);
    (proptest::sample::select(names.to_vec()), 0.0..1.0_f64, proptest::sample::select(tails.to_vec())).prop_map(
        |(path, part, tail)| {
            let mut log = fs::read(path).unwrap();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a file"
            )]
            log.truncate((log.len() as f64 * part) as usize);
            log.extend(tail);
            log
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_log_cut_at_any_byte_gives_every_format_and_what_did_not_run_is_aborted(bytes in cut()) {
        let log = match parse_log(&bytes) {
            Ok(log) => log,
            // Nothing was written yet, and then came something else.
            Err(LogError::NotALog) => return Ok(()),
            Err(error) => panic!("{error:?}"),
        };
        let report = Report::from_records(&log.records);
        let answered = log.records.iter().filter(|record| matches!(record.event, winconform_reports::Event::CheckFinished(_))).count();
        let aborted = report.results.iter().filter(|result| result.is_aborted()).count();
        prop_assert!(aborted + answered >= report.results.len());
        prop_assert!(report.results.iter().filter(|result| result.is_aborted()).all(|result| result.reason.starts_with("aborted: ")));
        for format in formats() {
            written(&report, format);
        }
    }
}
