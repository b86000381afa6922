//! The log of one run of a container.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::command::{Chunk, Stream};

/// How much of a log is kept; the oldest lines go first, as with the kubelet's rotation.
const KEPT_BYTES: usize = 1 << 20;

/// A line, with its end where the program wrote one.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// When its last piece was written.
    pub(crate) at: Timestamp,
    /// Where it was written to.
    pub(crate) stream: Stream,
    /// The bytes, `\n` included.
    pub(crate) bytes: Bytes,
}

/// What a container wrote, as lines.
#[derive(Debug)]
pub(crate) struct Log {
    kept: Mutex<Kept>,
    /// How many lines were ever written, and whether more can come.
    progress: watch::Sender<Progress>,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The number of lines written since the start.
    pub(crate) lines: u64,
    /// Whether the container has ended.
    pub(crate) closed: bool,
}

#[derive(Debug, Default)]
struct Kept {
    lines: std::collections::VecDeque<Line>,
    bytes: usize,
    /// How many lines were dropped at the front.
    dropped: u64,
    /// An unfinished line for each stream.
    partial: [Vec<u8>; 2],
}

impl Default for Log {
    fn default() -> Self {
        Self { kept: Mutex::default(), progress: watch::Sender::new(Progress { lines: 0, closed: false }) }
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what a program wrote.
    pub(crate) fn append(&self, chunk: &Chunk) {
        let lines = {
            let mut kept = self.lock();
            for piece in chunk.bytes.split_inclusive(|&byte| byte == b'\n') {
                let [out, err] = &mut kept.partial;
                let partial = if chunk.stream == Stream::Out { out } else { err };
                partial.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    let bytes = std::mem::take(partial);
                    kept.push(chunk.stream, bytes);
                }
            }
            kept.dropped + kept.lines.len() as u64
        };
        self.progress.send_modify(|progress| progress.lines = lines);
    }

    /// Notes that nothing more will come.
    pub(crate) fn close(&self) {
        let lines = {
            let mut kept = self.lock();
            let [out, err] = std::mem::take(&mut kept.partial);
            for (stream, rest) in [(Stream::Out, out), (Stream::Err, err)] {
                if !rest.is_empty() {
                    kept.push(stream, rest);
                }
            }
            kept.dropped + kept.lines.len() as u64
        };
        self.progress.send_replace(Progress { lines, closed: true });
    }

    /// The lines from number `from` on, and the number after the last of them.
    pub(crate) fn since(&self, from: u64) -> (Vec<Line>, u64) {
        let kept = self.lock();
        let skip = usize::try_from(from.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        (kept.lines.iter().skip(skip).cloned().collect(), kept.dropped + kept.lines.len() as u64)
    }

    /// Tells when there is more.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The last lines, up to the 80 lines or 2048 bytes that a terminated state may carry as its message.
    pub(crate) fn tail(&self) -> String {
        let kept = self.lock();
        let mut bytes = 0;
        let mut tail: Vec<_> = kept
            .lines
            .iter()
            .rev()
            .take(80)
            .take_while(|line| {
                bytes += line.bytes.len();
                bytes <= 2048
            })
            .map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
            .collect();
        tail.reverse();
        tail.concat()
    }
}

impl Kept {
    fn push(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.lines.push_back(Line { at: Timestamp::now(), stream, bytes: bytes.into() });
        while self.bytes > KEPT_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: Stream, text: &str) -> Chunk {
        Chunk { stream, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn texts(log: &Log, from: u64) -> Vec<String> {
        log.since(from).0.iter().map(|line| String::from_utf8_lossy(&line.bytes).into_owned()).collect()
    }

    #[test]
    fn pieces_become_lines_and_the_streams_do_not_mix() {
        let log = Log::default();
        log.append(&chunk(Stream::Out, "a"));
        log.append(&chunk(Stream::Err, "x\ny"));
        log.append(&chunk(Stream::Out, "b\r\nc"));
        assert_eq!(texts(&log, 0), ["x\n", "ab\r\n"]);
        log.close();
        assert_eq!(texts(&log, 2), ["c", "y"]);
        assert_eq!(*log.progress().borrow(), Progress { lines: 4, closed: true });
    }

    #[test]
    fn a_log_that_grows_without_end_forgets_its_oldest_lines() {
        let log = Log::default();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..2048 {
            log.append(&chunk(Stream::Out, &line));
        }
        let (lines, next) = log.since(0);
        assert_eq!((lines.len(), next), (1024, 2048));
        assert_eq!(log.since(2047).0.len(), 1, "numbers stay those of the whole log");
    }
}
