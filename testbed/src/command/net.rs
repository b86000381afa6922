//! `net.exe`, as far as it is about shares.

use super::{Exit, Io, Session};
use crate::directory::Unc;

/// Runs it.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [command, rest @ ..] if command.eq_ignore_ascii_case("use") => connect(session, rest, io).await,
        _ => {
            io.stderr
                .text("The service name is invalid.\r\n\r\nMore help is available by typing NET HELPMSG 2185.\r\n\r\n");
            2
        }
    }
}

async fn connect(session: &Session, words: &[&str], io: &Io) -> Exit {
    let done = "The command completed successfully.\r\n\r\n";
    let deletes = words.iter().any(|word| word.eq_ignore_ascii_case("/delete") || word.eq_ignore_ascii_case("/d"));
    match words.iter().find_map(|word| Unc::parse(word)) {
        Some(unc) if !deletes => match session.member.mount(&unc).await {
            Ok(()) => {
                io.stdout.text(done);
                0
            }
            Err(error) => {
                io.stderr.text(format!("System error {} has occurred.\r\n\r\n{error}\r\n\r\n", error.code()));
                2
            }
        },
        None if words.is_empty() => {
            io.stdout.text("New connections will be remembered.\r\n\r\nThere are no entries in the list.\r\n\r\n");
            0
        }
        _ if deletes => {
            io.stdout.text(done);
            0
        }
        _ => {
            io.stderr.text("The syntax of this command is:\r\n\r\nNET USE\r\n[devicename | *] [\\\\computername\\sharename[\\volume] [password | *]]\r\n");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{FakeLink, domain, execute, member, windows};

    const SHARE: &str = r"\\files.corp.example\conformance";

    #[tokio::test]
    async fn a_share_is_written_and_read_by_its_path() {
        let session = member(domain());
        let run = async |line: &str| execute(&session, &["cmd", "/s", "/c", line], "").await;
        let path = format!(r"{SHARE}\t\hello.txt");
        assert_eq!(run(&format!("echo hello> {path} && type {path}")).await.stdout, "hello \r\n");
        let gone = run(&format!("del {path} && type {path}")).await;
        assert_eq!((gone.code, gone.stderr.as_str()), (1, "The system cannot find the file specified.\r\n"));
        let used = execute(&session, &["net", "use", SHARE], "").await;
        assert_eq!(used.stdout, "The command completed successfully.\r\n\r\n");
        let other = run(r"type \\files.corp.example\other\x").await;
        assert_eq!(other.stderr, "The network name cannot be found.\r\n");
    }

    #[tokio::test]
    async fn who_has_no_account_is_refused_and_the_command_does_not_run() {
        let session = windows(domain());
        let done = execute(&session, &["cmd", "/c", &format!(r"echo x> {SHARE}\x.txt || echo no")], "").await;
        assert_eq!(
            (done.stderr.as_str(), done.stdout.as_str()),
            ("The user name or password is incorrect.\r\n", "no\r\n")
        );
        let used = execute(&session, &["net", "use", SHARE], "").await;
        assert_eq!(
            used.stderr,
            "System error 1326 has occurred.\r\n\r\nThe user name or password is incorrect.\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_no_network_path() {
        let session = windows(FakeLink::default());
        let done = execute(&session, &["cmd", "/c", &format!(r"type {SHARE}\x.txt")], "").await;
        assert_eq!(done.stderr, "The network path was not found.\r\n");
    }
}
