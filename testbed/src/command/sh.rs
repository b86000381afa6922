//! `sh`, as far as probes and probes' authors use it.

mod parser;
mod run;

use self::run::Shell;
use super::{Exit, Io, Session};

/// Runs `sh -c script`, or the script on standard input.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let mut words = arguments.iter();
    let mut script = None;
    while let Some(word) = words.next() {
        match word.as_str() {
            "-c" | "-ec" | "-lc" => {
                let Some(text) = words.next() else {
                    io.stderr.text("sh: -c requires an argument\n");
                    return 2;
                };
                script = Some(text.clone());
                break;
            }
            option if option.starts_with('-') => {}
            file => match session.files.read(file).await {
                Some(bytes) => {
                    script = Some(String::from_utf8_lossy(&bytes).into_owned());
                    break;
                }
                None => {
                    io.stderr.text(format!("sh: can't open '{file}': No such file or directory\n"));
                    return 2;
                }
            },
        }
    }
    let script = match script {
        Some(script) => script,
        None => String::from_utf8_lossy(&io.stdin.rest().await).into_owned(),
    };
    Shell::new(session.clone()).script(&script, io).await
}

#[cfg(test)]
mod tests;
