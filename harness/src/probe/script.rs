//! The command lines of probes, for cmd on Windows and sh on Linux.
//!
//! They stand in one place because real shells, real curls of many versions and the
//! testbed's interpreter must all understand them. No argument holds a quote or a
//! blank, so that nothing on the way to a Windows process needs escaping.

use crate::cluster::Os;

/// The shell of an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// `cmd /s /c`.
    Cmd,
    /// `sh -c`.
    Sh,
}

/// The most that cmd takes in one line is 8191 characters.
pub(super) const LINE_LIMIT: usize = 7_500;

impl Shell {
    /// The shell of an operating system.
    #[must_use]
    pub fn of(os: Os) -> Self {
        match os {
            Os::Windows => Self::Cmd,
            Os::Linux => Self::Sh,
        }
    }

    /// The whole command that runs `script`.
    #[must_use]
    pub fn command(self, script: &str) -> Vec<String> {
        let shell: &[&str] = match self {
            Self::Cmd => &["cmd", "/s", "/c"],
            Self::Sh => &["sh", "-c"],
        };
        shell.iter().map(|part| (*part).to_owned()).chain([script.to_owned()]).collect()
    }

    fn curl(self) -> &'static str {
        match self {
            Self::Cmd => "curl.exe",
            Self::Sh => "curl",
        }
    }

    fn nowhere(self) -> &'static str {
        match self {
            Self::Cmd => "NUL",
            Self::Sh => "/dev/null",
        }
    }

    /// What curl is told to print after each transfer. In a shell `%{` needs no
    /// escape on a command line (cmd keeps undefined variables as written); `\n`
    /// is curl's own, and sh must not eat its backslash.
    fn trailer(self, mark: &str) -> String {
        // The address comes last: an IPv6 one has colons of its own.
        let fields = "%{http_code}:%{time_connect}:%{time_total}:%{remote_ip}";
        match self {
            Self::Cmd => format!(r"\n{mark}:{fields}\n"),
            Self::Sh => format!(r"'\n{mark}:{fields}\n'"),
        }
    }

    /// The last command: shows that everything before it came back.
    #[must_use]
    pub fn end(self, nonce: &str) -> String {
        match self {
            Self::Cmd => format!(" & echo wc-end:{nonce}"),
            Self::Sh => format!("; echo wc-end:{nonce}"),
        }
    }

    /// The same for a line whose exit code counts. The shell has read the whole line before it
    /// runs any of it, so in cmd `call` must look the code up again.
    #[must_use]
    pub(super) fn end_with_code(self, nonce: &str) -> String {
        match self {
            Self::Cmd => format!(" & call echo wc-end:{nonce}:%^ERRORLEVEL%"),
            Self::Sh => format!("; echo wc-end:{nonce}:$?"),
        }
    }

    /// The code of a shell that found no such program.
    pub(super) fn no_such_program(self) -> i64 {
        match self {
            Self::Cmd => 9009,
            Self::Sh => 127,
        }
    }

    /// One curl that tries a URL until it answers, at most `seconds` long.
    ///
    /// The retrying happens where the network is, so waiting for a new pod's
    /// network costs one exec however long it takes.
    #[must_use]
    pub fn settle(self, nonce: &str, url: &str, seconds: u64) -> String {
        format!(
            "{} -sS -o {} --connect-timeout 3 -m 10 --retry 1000 --retry-delay 1 --retry-max-time {seconds} \
             --retry-connrefused -H Connection:close -w {} {url} 2>&1",
            self.curl(),
            self.nowhere(),
            self.trailer(&format!("wc-settle:{nonce}")),
        )
    }

    /// One curl that fetches each URL over a connection of its own, each at most `seconds` long.
    #[must_use]
    pub fn fetch(self, nonce: &str, urls: &[String], seconds: u64) -> String {
        format!(
            "{} -sS -k --connect-timeout 5 -m {seconds} -H Connection:close -w {} {} 2>&1",
            self.curl(),
            self.trailer(&format!("wc-try:{nonce}")),
            urls.join(" "),
        )
    }

    /// Runs the second whatever became of the first.
    #[must_use]
    pub fn after(self, first: &str, second: &str) -> String {
        match self {
            Self::Cmd => format!("{first} & {second}"),
            Self::Sh => format!("{first}; {second}"),
        }
    }

    /// Runs the second only if the first succeeded.
    #[must_use]
    pub fn and_then(self, first: &str, second: &str) -> String {
        format!("{first} && {second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_windows_line_needs_no_quotes() {
        let shell = Shell::Cmd;
        let line = shell.and_then(
            &shell.settle("n1", "http://10.96.0.9:80/wc-n1-s", 60),
            &shell.fetch("n1", &["http://10.96.0.9:80/wc-n1-0".into()], 10),
        ) + &shell.end("n1");
        assert!(!line.contains('"') && !line.contains('\''), "{line}");
        insta::assert_snapshot!(line);
    }

    #[test]
    fn a_linux_line_keeps_the_backslashes_for_curl() {
        insta::assert_snapshot!(Shell::Sh.fetch("n1", &["http://10.244.0.9:80/".into()], 10));
    }
}
