//! The small programs of a Windows image.

use std::time::Duration;

use super::{Exit, Io, Session};

/// Runs one of them.
pub(super) async fn main(session: &Session, name: &str, arguments: &[String], io: &Io) -> Exit {
    match name {
        "hostname" => line(io, &session.host_name),
        "whoami" => line(io, &session.user.to_ascii_lowercase()),
        "timeout" => timeout(session, arguments, io).await,
        "where" => find_program(session, arguments, io),
        "findstr" => findstr(session, arguments, io).await,
        "more" => {
            io.stdout.write(&io.stdin.rest().await);
            0
        }
        _ => 1,
    }
}

fn line(io: &Io, text: &str) -> Exit {
    io.stdout.text(format!("{text}\r\n"));
    0
}

/// `timeout /t N` wants a console and says so without one, as every script finds out once.
async fn timeout(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let no_break = arguments.iter().any(|argument| argument.eq_ignore_ascii_case("/nobreak"));
    let seconds = arguments.iter().find_map(|argument| argument.parse::<u64>().ok());
    match seconds {
        Some(seconds) if no_break => {
            session.clock.pass(Duration::from_secs(seconds)).await;
            0
        }
        Some(_) => {
            io.stderr.text("ERROR: Input redirection is not supported, exiting the process immediately.\r\n");
            1
        }
        None => {
            io.stderr.text("ERROR: Invalid syntax.\r\nType \"TIMEOUT /?\" for usage.\r\n");
            1
        }
    }
}

fn find_program(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(wanted) = arguments.first() else {
        io.stderr.text("ERROR: The syntax of the command is incorrect.\r\n");
        return 2;
    };
    let name = super::program_name(wanted);
    if session.has(&name) {
        return line(io, &format!("C:\\Windows\\System32\\{name}.exe"));
    }
    io.stderr.text("INFO: Could not find files for the given pattern(s).\r\n");
    1
}

async fn findstr(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let (switches, operands): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|word| word.starts_with('/'));
    let has = |letter: char| switches.iter().any(|switch| switch.to_ascii_lowercase().contains(letter));
    let literal = switches.iter().find_map(|switch| switch.strip_prefix("/c:").or_else(|| switch.strip_prefix("/C:")));
    let patterns: Vec<String> = match literal {
        Some(literal) => vec![literal.to_owned()],
        None => operands.first().map(|words| words.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
    };
    if patterns.is_empty() {
        io.stderr.text("FINDSTR: Bad command line\r\n");
        return 2;
    }
    let input = match operands.get(usize::from(literal.is_none())) {
        Some(path) => match session.read(path).await {
            Ok(bytes) => bytes,
            Err(_cannot) => {
                io.stderr.text(format!("FINDSTR: Cannot open {path}\r\n"));
                return 1;
            }
        },
        None => io.stdin.rest().await,
    };
    let fold = |text: &str| if has('i') { text.to_lowercase() } else { text.to_owned() };
    let text = String::from_utf8_lossy(&input).into_owned();
    let found: Vec<&str> = (text.lines())
        .filter(|line| patterns.iter().any(|pattern| fold(line).contains(&fold(pattern))) != has('v'))
        .collect();
    io.stdout.text(found.iter().map(|line| format!("{line}\r\n")).collect::<String>());
    Exit::from(found.is_empty())
}
