//! The end of a log, for messages.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// How much of a log's end is looked at, in bytes.
const WINDOW: u64 = 16 * 1024;

/// How long a line may be in a message, in characters.
const WIDTH: usize = 400;

/// The last `lines` lines of a log; empty when there is none.
///
/// Empty lines are left out, and so are the frames of a Go stack trace: they
/// would push the reason out of view.
pub(crate) fn tail(log: &Path, lines: usize) -> Vec<String> {
    let text = last_bytes(log).unwrap_or_default();
    let mut kept: Vec<String> = String::from_utf8_lossy(&text)
        .lines()
        .filter(|line| !line.trim().is_empty() && !is_stack_frame(line))
        .map(shortened)
        .collect();
    kept.split_off(kept.len().saturating_sub(lines))
}

fn last_bytes(log: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut text = Vec::new();
    file.take(WINDOW).read_to_end(&mut text)?;
    if length > WINDOW {
        // The first line is cut.
        let end = text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.drain(..end);
    }
    Ok(text)
}

fn is_stack_frame(line: &str) -> bool {
    line.starts_with('\t') || line.starts_with("goroutine ") || line.starts_with("created by ")
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, lines: usize) -> Vec<String> {
        let log = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(log.path(), text).unwrap();
        tail(log.path(), lines)
    }

    #[test]
    fn the_tail_is_the_last_lines_that_say_something() {
        assert_eq!(of("one\ntwo\n\nthree\n\n", 2), ["two", "three"]);
    }

    #[test]
    fn stack_frames_do_not_hide_the_reason() {
        let log = "panic: no port\n\ngoroutine 1 [running]:\nmain.main()\n\t/main.go:12 +0x1d\n";
        assert_eq!(of(log, 5), ["panic: no port", "main.main()"]);
    }

    #[test]
    fn a_long_log_is_read_only_at_its_end() {
        let log = format!("{}\nlast\n", "x".repeat(100_000));
        assert_eq!(of(&log, 5), ["last"]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let lines = of(&"é".repeat(1000), 1);
        assert_eq!(lines[0].chars().count(), WIDTH + 1);
    }

    #[test]
    fn a_log_that_is_not_there_has_no_lines() {
        assert!(tail(Path::new("/nowhere/etcd.log"), 3).is_empty());
    }
}
