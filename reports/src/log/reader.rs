//! Reads a log back, whole or cut.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use serde_json::Value;

use super::LogError;
use crate::{
    event::{Event, Record, SCHEMA},
    secrets::{may_hold_secrets, record_without_secrets},
};

/// A log as it was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    /// What happened, in order.
    pub records: Vec<Record>,
    /// What the reader had to pass over, in words for the user.
    pub notes: Vec<String>,
}

/// Reads a log.
///
/// A last line that was cut is passed over and noted, so are the NUL bytes that a crash
/// or a full disk leaves at the end of a file, and an event that only a newer winconform
/// knows. Bytes that are no UTF-8 are replaced. Secrets are hidden, should the log have any.
///
/// # Errors
///
/// When the file cannot be read, is no run log, has a newer schema, or has a line
/// in its middle that is no event.
pub fn read_log(path: &Path) -> Result<Log, LogError> {
    let unreadable = |error| LogError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(unreadable)?;
    parse(BufReader::with_capacity(1 << 16, file), unreadable)
}

/// Reads a log from memory; see [`read_log`].
///
/// # Errors
///
/// As [`read_log`], but for reading the file.
pub fn parse_log(bytes: &[u8]) -> Result<Log, LogError> {
    parse(bytes, |error| LogError::Read { path: "memory".into(), error })
}

/// A line at a time: a log may be larger than what is made of it.
fn parse(mut file: impl BufRead, unreadable: impl Fn(io::Error) -> LogError) -> Result<Log, LogError> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line).map_err(&unreadable)? > 0 {
        reading.take(&line)?;
        line.clear();
    }
    if reading.lines == 0 {
        reading.log.notes.push("the log is empty: the run ended before it began".to_owned());
    }
    Ok(reading.log)
}

#[derive(Default)]
struct Reading {
    log: Log,
    /// Lines so far.
    lines: usize,
    /// A line that a crash left in pieces; nothing may follow it.
    torn: Option<(usize, serde_json::Error)>,
}

impl Reading {
    fn take(&mut self, line: &[u8]) -> Result<(), LogError> {
        self.lines += 1;
        let (number, whole) = (self.lines, line.ends_with(b"\n"));
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if self.log.records.is_empty() {
            refuse_other_schemas(line, whole)?;
        }
        match serde_json::from_slice(line) {
            Ok(record) => self.keep(record, line),
            // In a file system's journal, or in a block that never reached the disk.
            Err(error) if line.contains(&0) => {
                if self.torn.is_none() {
                    self.note(number, "is torn, as a crash or a full disk leaves it: the log is cut there");
                    self.torn = Some((number, error));
                }
                Ok(())
            }
            Err(_) if !whole => {
                self.note(number, "was cut and is passed over");
                Ok(())
            }
            Err(error) => match (newer_event(line), repaired(line)) {
                (Some(name), _) => {
                    let notes = &mut self.log.notes;
                    notes.push(format!(
                        "line {number}: an event that only a newer winconform knows is passed over: {name}"
                    ));
                    Ok(())
                }
                (None, Some((record, line))) => {
                    self.note(number, "has bytes that are no UTF-8; they are replaced");
                    self.keep(record, line.as_bytes())
                }
                (None, None) => Err(LogError::Garbage { line: number, error }),
            },
        }
    }

    fn keep(&mut self, record: Record, line: &[u8]) -> Result<(), LogError> {
        if let Some((line, error)) = self.torn.take() {
            return Err(LogError::Garbage { line, error });
        }
        self.log.records.push(if may_hold_secrets(line) { record_without_secrets(record) } else { record });
        Ok(())
    }

    fn note(&mut self, line: usize, what: &str) {
        self.log.notes.push(format!("line {line} {what}"));
    }
}

/// The record of a line that is sound but for bytes that are no UTF-8.
fn repaired(line: &[u8]) -> Option<(Record, String)> {
    str::from_utf8(line).err()?;
    let line = String::from_utf8_lossy(line).into_owned();
    serde_json::from_str(&line).ok().map(|record| (record, line))
}

/// Looks at the first line before anything is made of it: a log of another schema
/// must be refused by name, not by whatever field happens to differ.
fn refuse_other_schemas(line: &[u8], whole: bool) -> Result<(), LogError> {
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        // All that a killed run wrote may be the beginning of its first line.
        const BEGINNING: &[u8] = br#"{"ms":"#;
        let torn = line.iter().position(|byte| *byte == 0);
        let begun = line.get(..torn.unwrap_or(line.len())).unwrap_or_default();
        let cut = (!whole || torn.is_some()) && (begun.starts_with(BEGINNING) || BEGINNING.starts_with(begun));
        return if cut { Ok(()) } else { Err(LogError::NotALog) };
    };
    let schema = value.pointer("/event/run_started/schema").and_then(Value::as_str).ok_or(LogError::NotALog)?;
    match (version(schema), version(SCHEMA)) {
        (Some(found), Some(ours)) if found <= ours => Ok(()),
        (Some(_), _) => Err(LogError::Newer { found: schema.to_owned() }),
        (None, _) => Err(LogError::NotALog),
    }
}

/// The number of `winconform.events/1`.
fn version(schema: &str) -> Option<u32> {
    schema.strip_prefix("winconform.events/")?.parse().ok()
}

/// The name of an event that this version does not know, where the line is otherwise sound.
fn newer_event(line: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(line).ok()?;
    value.get("ms")?.as_u64()?;
    let event = value.get("event")?.as_object()?;
    let name = event.keys().next().filter(|_| event.len() == 1)?;
    (!KNOWN.contains(&name.as_str())).then(|| crate::clean::one_line(name))
}

/// The names of all events; the match below makes the compiler ask for new ones.
const KNOWN: &[&str] = &[
    "run_started",
    "cluster_observed",
    "planned",
    "fixture_changed",
    "pod_progress",
    "pod_timeline",
    "check_started",
    "probed",
    "check_finished",
    "cleaned_up",
    "run_finished",
    "service_made",
    "baseline_given",
    "round_started",
    "node_told",
];

const _: fn(&Event) = |event| match event {
    // Whoever adds a variant here adds its name to `KNOWN`.
    Event::RunStarted(_)
    | Event::ClusterObserved(_)
    | Event::Planned(_)
    | Event::FixtureChanged { .. }
    | Event::PodProgress(_)
    | Event::PodTimeline(_)
    | Event::CheckStarted { .. }
    | Event::Probed { .. }
    | Event::CheckFinished(_)
    | Event::CleanedUp { .. }
    | Event::ServiceMade(_)
    | Event::RunFinished(_)
    | Event::BaselineGiven(_)
    | Event::RoundStarted { .. }
    | Event::NodeTold(_) => {}
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Chain;

    fn text(records: &[Record]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    fn two_lines() -> String {
        text(&[crate::tests::started(), Record { ms: 9, event: Event::CleanedUp { left: vec!["ü".into()] } }])
    }

    #[test]
    fn a_log_cut_at_any_byte_is_read_with_a_note() {
        let whole = two_lines();
        for cut in 0..whole.len() {
            let log = parse_log(&whole.as_bytes()[..cut]).unwrap();
            assert!(log.records.len() < 2 || cut == whole.len() - 1, "{cut}");
            assert!(
                log.records.len() == 2
                    || !log.notes.is_empty()
                    || whole.as_bytes()[cut - 1] == b'\n'
                    || whole.as_bytes()[cut] == b'\n',
                "{cut}"
            );
        }
        assert_eq!(parse_log(whole.as_bytes()).unwrap().notes, Vec::<String>::new());
    }

    #[test]
    fn a_newer_log_is_refused_in_a_sentence() {
        let newer = two_lines().replace("winconform.events/1", "winconform.events/2");
        let error = parse_log(newer.as_bytes()).unwrap_err();
        insta::assert_snapshot!(Chain(&error), @"the log has the schema `winconform.events/2`, this winconform reads `winconform.events/1`; use the version that wrote it, or a newer one");
    }

    #[test]
    fn garbage_in_the_middle_is_named_by_its_line() {
        let garbled = text(&[crate::tests::started()]) + "\u{1b}[31m nonsense\n" + &two_lines();
        assert!(matches!(parse_log(garbled.as_bytes()), Err(LogError::Garbage { line: 2, .. })));
    }

    #[test]
    fn an_event_of_the_future_is_passed_over_and_named() {
        let log =
            parse_log((two_lines() + "{\"ms\":10,\"event\":{\"rebooted\":{\"node\":\"a\"}}}\n").as_bytes()).unwrap();
        assert_eq!(log.records.len(), 2);
        assert!(log.notes[0].contains("rebooted"), "{:?}", log.notes);
    }

    #[test]
    fn a_known_event_with_a_wrong_field_is_garbage() {
        let log = two_lines() + "{\"ms\":10,\"event\":{\"cleaned_up\":{\"left\":7}}}\n";
        assert!(matches!(parse_log(log.as_bytes()), Err(LogError::Garbage { line: 3, .. })));
    }

    #[test]
    fn other_files_are_no_logs() {
        for other in ["hello", "hello\n", "{}\n", "[1]\n", "<xml/>\n", "{\"ms\":0}\n"] {
            assert!(matches!(parse_log(other.as_bytes()), Err(LogError::NotALog)), "{other:?}");
        }
    }

    #[test]
    fn zeros_at_the_end_are_a_cut_and_in_the_middle_are_a_loss() {
        let log = two_lines();
        for tail in ["\0\0\0", "\0\0\0\n", "\0\n\0\0\n", "{\"ms\":9,\"ev\0\0\n", "\0\0\"left\":[]}}}\n", "\0{\"ms\":9"]
        {
            let read = parse_log((log.clone() + tail).as_bytes()).unwrap();
            assert_eq!((read.records.len(), read.notes.len()), (2, 1), "{tail:?}: {:?}", read.notes);
            assert!(read.notes[0].starts_with("line 3 "), "{:?}", read.notes);
        }
        let hole = log.clone() + "\0\0\0\n" + &log;
        assert!(matches!(parse_log(hole.as_bytes()), Err(LogError::Garbage { line: 3, .. })));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_and_said() {
        let (before, after) = two_lines().split_once('ü').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let log = parse_log(&[before.as_bytes(), b"\xff\xc3", after.as_bytes()].concat()).unwrap();
        assert_eq!(log.records[1].event, Event::CleanedUp { left: vec!["\u{fffd}\u{fffd}".into()] });
        assert_eq!(log.notes, ["line 2 has bytes that are no UTF-8; they are replaced"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), cut in 0_usize..400) {
            let _ = parse_log(&bytes);
            let mut log = two_lines().into_bytes();
            log.truncate(cut);
            log.extend(bytes);
            let _ = parse_log(&log);
        }
    }
}
