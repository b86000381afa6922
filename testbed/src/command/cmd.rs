//! `cmd.exe`, as far as people use it over `kubectl exec`.

mod builtin;
mod parser;
mod run;

use self::{parser::parse, run::Shell};
use super::{Exit, Io, Session};

/// Runs `cmd` with the rest of its command line, as Windows hands it over.
pub(super) async fn main(session: &Session, line: &str, io: &Io) -> Exit {
    let mut shell = Shell::new(session.clone());
    match Invocation::read(line) {
        Invocation::Once(command) => shell.line(&command, io).await,
        Invocation::Interactive => interactive(&mut shell, io).await,
    }
}

/// What the switches ask for.
#[derive(Debug, PartialEq, Eq)]
enum Invocation {
    /// `/c`: one line.
    Once(String),
    /// Lines from standard input.
    Interactive,
}

impl Invocation {
    fn read(line: &str) -> Self {
        let mut rest = line.trim_start();
        let mut strip = false;
        while let Some(switch) = rest.strip_prefix('/') {
            let Some(letter) = switch.chars().next() else { break };
            let after = switch.get(letter.len_utf8()..).unwrap_or_default();
            match letter.to_ascii_lowercase() {
                'c' | 'r' | 'k' => return Self::Once(unquote(after.trim_start(), strip)),
                's' => strip = true,
                _ => {}
            }
            // `/v:on` and the like end at a blank; `/s/c` does not need one.
            let next = after.find([' ', '/']).unwrap_or(after.len());
            rest = after.get(next..).unwrap_or_default().trim_start();
        }
        Self::Interactive
    }
}

/// The quotes that `cmd` takes away (`cmd /?`): with `/s` the first and the last,
/// without it too, unless there are exactly two around something without special characters.
fn unquote(command: &str, strip: bool) -> String {
    let Some(inner) = command.strip_prefix('"') else { return command.to_owned() };
    let plain = command.matches('"').count() == 2 && !command.contains(['&', '<', '>', '(', ')', '@', '^', '|']);
    if plain && !strip {
        // Kept only for the name of a program with a blank in it, which nothing here has.
        let name = inner.split('"').next().unwrap_or_default();
        if name.to_ascii_lowercase().ends_with(".exe") && name.contains(' ') {
            return command.to_owned();
        }
    }
    match inner.rfind('"') {
        Some(last) => format!("{}{}", inner.get(..last).unwrap_or_default(), inner.get(last + 1..).unwrap_or_default()),
        None => inner.to_owned(),
    }
}

async fn interactive(shell: &mut Shell, io: &Io) -> Exit {
    shell.banner(io);
    let input = io.stdin.rest().await;
    let mut code = 0;
    for line in String::from_utf8_lossy(&input).lines() {
        code = shell.line(line, io).await;
        if shell.left() {
            return code;
        }
        shell.prompt(io);
    }
    code
}

#[cfg(test)]
mod tests;
