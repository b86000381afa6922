use super::*;
use crate::log::parse_log;

fn report(log: &str) -> Report {
    Report::from_records(&parse_log(log.as_bytes()).unwrap().records)
}

const HEALTHY: &str = include_str!("../../tests/streams/healthy.ndjson");
const MIXED: &str = include_str!("../../tests/streams/mixed.ndjson");

#[test]
fn a_healthy_cluster_fits_a_screen() {
    let text = summary(&report(HEALTHY), &SummaryOptions::default());
    assert!(text.lines().count() <= 45, "{} lines\n{text}", text.lines().count());
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn colours_change_no_word() {
    for log in [HEALTHY, MIXED] {
        let painted = summary(&report(log), &SummaryOptions { style: Style::Colour, ..SummaryOptions::default() });
        let plain = summary(&report(log), &SummaryOptions::default());
        assert!(painted.contains('\u{1b}'));
        assert!(!plain.contains('\u{1b}'));
        let spaceless = |text: &str| crate::clean::plain(text).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(spaceless(&painted), spaceless(&plain));
    }
}

#[test]
fn an_empty_log_still_says_what_happened() {
    let text = summary(&report(""), &SummaryOptions::default());
    assert!(text.contains("nothing was asked") && text.contains("exit code 2"), "{text}");
}

#[test]
fn what_containers_say_cannot_reach_the_terminal() {
    let hostile = MIXED.replace("as promised", "\\u001b]0;owned\\u0007\\u001b[2J\\u0000");
    let hostile = hostile.replace("connection timed out", "\\u001b[31mtimed\\r\\nout\\u202e");
    let text = summary(&report(&hostile), &SummaryOptions::default());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}
