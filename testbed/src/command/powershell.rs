//! Windows PowerShell 5.1, as far as people use it in containers.
//!
//! An interpreter for the language's core, with the cmdlets that checks, probes
//! and collectors call. What it does not know is refused in PowerShell's words, so
//! that nothing seems to have worked that did not. The web servers of the
//! documentation are recognised by what they do, since no interpreter here could
//! open an `HttpListener`.
//!
//! Computing costs processor time ([`super::effort`]), and memory that is taken is
//! counted ([`super::meter`]): `while ($true) { }` runs at the container's limit, and
//! `[byte[]]::new(900MB)` fails where there is not so much, as on Windows with an
//! `OutOfMemoryException` and nothing else.

mod cmdlets;
mod error;
mod format;
mod interpreter;
mod operators;
mod parser;
mod syntax;
#[cfg(test)]
mod tests;
mod types;
mod value;

use std::time::Duration;

use self::{error::PsError, interpreter::Interpreter};
use super::{Exit, Io, Session};
use crate::image;

/// How long PowerShell itself takes to start.
const STARTING: Duration = Duration::from_millis(1200);
/// What a process of it takes.
const PROCESS_MEMORY: u64 = 58 << 20;

/// Runs PowerShell.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let script = script_of(session, arguments, io).await;
    if let Some(script) = image::Script::recognise(&script) {
        let _memory = session.meter.take(PROCESS_MEMORY);
        return image::listen_and_count(session, script, io).await;
    }
    let Ok(_memory) = session.meter.take(PROCESS_MEMORY) else {
        io.stderr.text("Windows PowerShell terminated with the following error:\r\nInsufficient memory to continue the execution of the program.\r\n");
        return 0xFFFF_0000;
    };
    session.clock.pass(STARTING).await;
    let mut shell = Interpreter::new(session, &script, io);
    match parser::parse(&script) {
        Ok(block) => shell.run(&block).await,
        Err(error) => {
            let error = PsError {
                span: Some((0, script.chars().count())),
                ..PsError::new(error.0, "ParserError: (:) [], ParentContainsErrorRecordException", "UnexpectedToken")
            };
            error.report(&script, io);
            1
        }
    }
}

/// What is to be run: everything behind the switches, or what a file or standard input holds.
async fn script_of(session: &Session, arguments: &[String], io: &Io) -> String {
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-') || word.starts_with('/')) {
        match word.trim_start_matches(['-', '/']).to_ascii_lowercase().as_str() {
            "command" | "c" => break,
            "file" | "f" => {
                let Some(path) = words.next() else { break };
                let bytes = session.files.read(path).await.unwrap_or_default();
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            "encodedcommand" | "enc" | "e" | "ec" => return words.next().map(|text| decode(text)).unwrap_or_default(),
            "executionpolicy" | "ep" | "ex" | "outputformat" | "inputformat" | "version" | "windowstyle" | "w" => {
                words.next();
            }
            _ => {}
        }
    }
    let script = words.map(String::as_str).collect::<Vec<_>>().join(" ");
    match script.as_str() {
        "" | "-" => String::from_utf8_lossy(&io.stdin.rest().await).into_owned(),
        _ => script,
    }
}

/// `-EncodedCommand`: UTF-16 in base 64.
fn decode(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}
