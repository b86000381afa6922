//! PowerShell, for the few command lines that people run in containers.
//!
//! It is no interpreter: the web servers of the documentation are recognised by
//! what they do, a handful of cmdlets by name, and everything else is refused in
//! PowerShell's words, so that nothing seems to have worked that did not.

use std::time::Duration;

use super::{Exit, Io, Session};
use crate::{
    image,
    network::{DnsError, Resolved},
};

/// How long PowerShell itself takes to start.
const STARTING: Duration = Duration::from_millis(1200);

/// Runs PowerShell.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let script = script_of(arguments);
    if let Some(script) = image::Script::recognise(&script) {
        return image::listen_and_count(session, script, io).await;
    }
    session.clock.pass(STARTING).await;
    let mut code = 0;
    for statement in script.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        code = statement_in(session, statement, io).await;
    }
    code
}

/// What is to be run: everything behind the switches.
fn script_of(arguments: &[String]) -> String {
    let mut words = arguments.iter().peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-') || word.starts_with('/')) {
        match word.trim_start_matches(['-', '/']).to_ascii_lowercase().as_str() {
            "command" | "c" => break,
            "executionpolicy" | "ep" | "outputformat" | "inputformat" | "version" => {
                words.next();
            }
            _ => {}
        }
    }
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

async fn statement_in(session: &Session, statement: &str, io: &Io) -> Exit {
    // `| Out-String -Width N` only keeps lines from being broken, which none is here.
    if let Some((before, after)) = statement.rsplit_once('|')
        && after.trim_start().to_ascii_lowercase().starts_with("out-string")
    {
        return Box::pin(statement_in(session, before.trim_end(), io)).await;
    }
    if let Some(before) = statement.strip_suffix("2>&1") {
        let merged = Io { stderr: io.stdout.clone(), ..io.clone() };
        return Box::pin(statement_in(session, before.trim_end(), &merged)).await;
    }
    let line = |text: &str| {
        io.stdout.text(format!("{text}\r\n"));
        0
    };
    let words: Vec<&str> = statement.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let Some((command, arguments)) = words.split_first() else { return 0 };
    if let Some(name) = command.to_ascii_lowercase().strip_prefix("$env:") {
        return line(session.env.get(name).unwrap_or_default());
    }
    match command.to_ascii_lowercase().as_str() {
        "write-host" | "write-output" | "echo" => {
            let text = statement.split_once(char::is_whitespace).map_or("", |(_, text)| text.trim());
            let text = text.trim_matches(['(', ')']).trim_matches(['"', '\'']);
            line(text)
        }
        "get-date" => line(&jiff::Timestamp::now().strftime("%A, %B %-d, %Y %-I:%M:%S %p").to_string()),
        "hostname" | "hostname.exe" => line(&session.host_name),
        "whoami" | "whoami.exe" => line(&session.user.to_ascii_lowercase()),
        "start-sleep" | "sleep" => {
            let seconds = arguments.iter().find_map(|word| word.parse::<f64>().ok()).unwrap_or(0.0);
            let unit =
                if arguments.iter().any(|word| word.to_ascii_lowercase().starts_with("-m")) { 0.001 } else { 1.0 };
            session.clock.pass(Duration::try_from_secs_f64(seconds * unit).unwrap_or_default()).await;
            0
        }
        "exit" => arguments
            .first()
            .and_then(|code| code.parse::<i64>().ok())
            .map_or(0, |code| u32::try_from(code.rem_euclid(1 << 32)).unwrap_or(1)),
        "resolve-dnsname" => resolve(session, arguments, io).await,
        _ => {
            let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            match super::run_from_shell(session, &argv, io).await {
                Some(code) => code,
                None => {
                    io.stderr.text(format!(
                        "{command} : The term '{command}' is not recognized as the name of a cmdlet, function, script file, or operable \r\n\
                         program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again.\r\n\
                         + CategoryInfo          : ObjectNotFound: ({command}:String) [], CommandNotFoundException\r\n\
                         + FullyQualifiedErrorId : CommandNotFoundException\r\n"
                    ));
                    1
                }
            }
        }
    }
}

async fn resolve(session: &Session, arguments: &[&str], io: &Io) -> Exit {
    let Question { name, server } = Question::read(arguments);
    let answer = match server.map(str::parse).transpose() {
        Ok(server) => session.link.lookup(server, name).await,
        Err(_) => Err(DnsError::NoSuchName),
    };
    match answer {
        Ok(Resolved { name: full, addresses }) if !addresses.is_empty() => {
            let mut text = String::from(
                "\r\nName                                           Type   TTL   Section    IPAddress\r\n",
            );
            text += "----                                           ----   ---   -------    ---------\r\n";
            let rows = addresses.iter().map(|address| format!("{full:<46} A      5     Answer     {address}\r\n"));
            io.stdout.text(format!("{text}{}\r\n\r\n", rows.collect::<String>()));
            0
        }
        outcome => {
            let (words, id) = match outcome {
                Err(DnsError::TimedOut) => {
                    ("This operation returned because the timeout period expired", "ERROR_TIMEOUT")
                }
                Err(DnsError::ServerFailure) => ("DNS server failure", "DNS_ERROR_RCODE_SERVER_FAILURE"),
                _ => ("DNS name does not exist", "DNS_ERROR_RCODE_NAME_ERROR"),
            };
            io.stderr.text(format!(
                "Resolve-DnsName : {name} : {words}\r\n\
                 + CategoryInfo          : ResourceUnavailable: ({name}:String) [Resolve-DnsName], Win32Exception\r\n\
                 + FullyQualifiedErrorId : {id},Microsoft.DnsClient.Commands.ResolveDnsName\r\n"
            ));
            1
        }
    }
}

/// What `Resolve-DnsName` is asked.
struct Question<'a> {
    name: &'a str,
    server: Option<&'a str>,
}

impl<'a> Question<'a> {
    fn read(arguments: &[&'a str]) -> Self {
        let (mut name, mut server) = ("", None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_str() {
                "-name" => name = words.next().copied().unwrap_or_default(),
                "-server" => server = words.next().copied(),
                "-type" => {
                    words.next();
                }
                switch if switch.starts_with('-') => {}
                _ => name = word,
            }
        }
        Self { name, server }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{FakeLink, execute, windows};

    #[tokio::test]
    async fn environment_output_and_exit_codes_are_powershells() {
        let session = windows(FakeLink::default());
        let run =
            async |script: &str| execute(&session, &["powershell.exe", "-NoProfile", "-Command", script], "").await;
        assert_eq!(run("$env:USERNAME").await.stdout, "ContainerAdministrator\r\n");
        assert_eq!(run("Write-Host 'a b'; exit 5").await.code, 5);
        let unknown = execute(&session, &["powershell", "-c", "Frob-Nicate"], "").await;
        assert!(unknown.stderr.contains("CommandNotFoundException") && unknown.code == 1);
    }

    #[tokio::test]
    async fn errors_follow_a_redirection_and_a_server_can_be_named() {
        let mut link = FakeLink::default();
        link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
        link.dns_errors.insert("broken".into(), DnsError::ServerFailure);
        let session = windows(link);
        let run = async |script: &str| execute(&session, &["powershell", "-Command", script], "").await;
        let found =
            run("Resolve-DnsName -Name web -Type A -DnsOnly -Server 10.96.0.10 2>&1 | Out-String -Width 4096").await;
        assert!(found.stdout.contains("A      5     Answer     10.96.0.9"), "{}", found.stdout);
        let broken = run("Write-Output mark; Resolve-DnsName -Name broken -Type A 2>&1 | Out-String -Width 4096").await;
        assert!(broken.stdout.starts_with("mark\r\n") && broken.stdout.contains("DNS_ERROR_RCODE_SERVER_FAILURE"));
        assert!(broken.stderr.is_empty());
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_known_by_its_error_id() {
        let done = execute(&windows(FakeLink::default()), &["powershell", "Resolve-DnsName", "nope"], "").await;
        assert!(done.stderr.contains("FullyQualifiedErrorId : DNS_ERROR_RCODE_NAME_ERROR"));
    }
}
