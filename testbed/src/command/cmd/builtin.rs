//! The commands inside `cmd`.

use super::run::Shell;
use crate::{
    command::{Exit, Io},
    directory::Unc,
};

/// Runs `text` if it is a command of the shell itself.
pub(super) async fn run(shell: &mut Shell, text: &str, io: &Io) -> Option<Exit> {
    let text = text.trim_start_matches([' ', '\t', ',', ';', '=']);
    let end = text.find([' ', '\t', ',', ';', '=', '.', ':', '/', '+', '\\', '[', ']', '"']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let name = name.to_ascii_lowercase();
    // A dot begins an extension (`echo.exe`) everywhere but in `echo.` itself.
    if rest.starts_with('.') && name != "echo" {
        return None;
    }
    Some(match name.as_str() {
        "echo" => echo(rest, io),
        "set" => set(shell, rest, io),
        "type" => kind(shell, rest, io).await,
        "ver" => {
            io.stdout.text(format!("\r\nMicrosoft Windows [Version {}]\r\n", shell.version()));
            0
        }
        "exit" => {
            let argument = rest.trim().trim_start_matches("/b").trim_start_matches("/B").trim();
            shell.leave(number(argument))
        }
        "cd" | "chdir" => {
            if rest.trim().is_empty() {
                io.stdout.text("C:\\\r\n");
            }
            0
        }
        "rem" | "title" | "cls" | "color" | "setlocal" | "endlocal" | "chcp" | "pushd" | "popd" => 0,
        "call" => {
            let line = rest.trim().to_owned();
            return Some(Box::pin(shell.line(&line, io)).await);
        }
        "date" | "time" => clock(&name, rest, io),
        "del" | "erase" => delete(shell, rest, io).await,
        "mkdir" | "md" => 0,
        _ => return None,
    })
}

/// A number as `exit` reads it: decimal, and as wide as it may be on Windows.
fn number(text: &str) -> Option<Exit> {
    let number: i64 = text.split_whitespace().next()?.parse().ok()?;
    u32::try_from(number.rem_euclid(1 << 32)).ok()
}

fn echo(rest: &str, io: &Io) -> Exit {
    let mut characters = rest.chars();
    let separator = characters.next();
    let text = characters.as_str();
    let plain = matches!(separator, None | Some(' ' | '\t' | ',' | ';' | '='));
    let output = match text.trim().to_ascii_lowercase().as_str() {
        "" if plain => "ECHO is on.".to_owned(),
        "on" | "off" if plain => return 0,
        "/?" if plain => "Displays messages, or turns command-echoing on or off.".to_owned(),
        _ => text.to_owned(),
    };
    io.stdout.text(format!("{output}\r\n"));
    0
}

fn set(shell: &mut Shell, rest: &str, io: &Io) -> Exit {
    let argument = rest.trim_start();
    let argument = match argument.strip_prefix('"') {
        Some(quoted) => quoted.rsplit_once('"').map_or(quoted, |(inside, _)| inside),
        None => argument,
    };
    if let Some((name, value)) = argument.split_once('=') {
        if value.is_empty() {
            shell.session.env.remove(name);
        } else {
            shell.session.env.set(name, value);
        }
        return 0;
    }
    let prefix = argument.trim().to_ascii_lowercase();
    let matching: String = shell
        .session
        .env
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with(&prefix))
        .map(|(name, value)| format!("{name}={value}\r\n"))
        .collect();
    if matching.is_empty() {
        io.stderr.text(format!("Environment variable {} not defined\r\n", argument.trim()));
        return shell.level(1);
    }
    io.stdout.text(matching);
    0
}

async fn kind(shell: &mut Shell, rest: &str, io: &Io) -> Exit {
    let path = rest.trim();
    if path.is_empty() {
        io.stderr.text("The syntax of the command is incorrect.\r\n");
        return shell.level(1);
    }
    match shell.session.read(path.trim_matches('"')).await {
        Ok(bytes) => {
            io.stdout.write(&bytes);
            0
        }
        Err(error) => {
            io.stderr.text(format!("{error}\r\n"));
            shell.level(1)
        }
    }
}

/// Only remote files go: what a container wrote itself goes with it.
async fn delete(shell: &Shell, rest: &str, io: &Io) -> Exit {
    for path in crate::command::line::split(rest).iter().filter(|word| !word.starts_with("/")) {
        let Some(unc) = Unc::parse(path) else { continue };
        if let Err(error) = shell.session.member.remove_remote(&unc).await {
            // Windows says so, and calls it a success all the same.
            io.stderr.text(format!("{error}\r\n"));
        }
    }
    0
}

fn clock(name: &str, rest: &str, io: &Io) -> Exit {
    if !rest.trim().eq_ignore_ascii_case("/t") {
        return 0; // without /t it asks for a new value; there is nobody to answer
    }
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let text =
        if name == "date" { now.strftime("%a %m/%d/%Y ").to_string() } else { now.strftime("%I:%M %p").to_string() };
    io.stdout.text(format!("{text}\r\n"));
    0
}
