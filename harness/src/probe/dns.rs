//! Asking for names, by the pod's own resolver or by a server of our choice.
//!
//! Applications are asked by curl ([`super::Expect::Resolved`]), which looks names up
//! as they do. These questions tell why a name is not found: which server says what.

use std::{net::IpAddr, time::Duration};

use super::{
    exec::PodRef,
    linux,
    script::Shell,
    transfer::is_whole,
    windows::{self, resolve_dns_name},
};
use crate::cluster::Os;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// These addresses.
    Found(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// The server could not say.
    ServerFailed,
    /// Nobody answered.
    TimedOut,
    /// Output that says none of these.
    Unclear(String),
}

impl Lookup {
    /// Output that says nothing we know: its first line with words.
    pub(super) fn unclear(output: &str) -> Self {
        let line = output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it printed nothing");
        Self::Unclear(line.chars().take(120).collect())
    }
}

/// What a pod's resolver was told: whom to ask, and which suffixes to try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolver {
    /// The servers, in order.
    pub servers: Vec<IpAddr>,
    /// The suffixes, in order.
    pub suffixes: Vec<String>,
}

impl Resolver {
    /// The cluster's domain, as the suffix of a pod's own namespace shows it.
    #[must_use]
    pub fn domain_of(&self, namespace: &str) -> Option<String> {
        let prefix = format!("{namespace}.svc.");
        let domain = self.suffixes.iter().find_map(|suffix| suffix.strip_prefix(&prefix))?;
        is_name(domain).then(|| domain.trim_end_matches('.').to_owned())
    }

    /// The command that shows it.
    pub(crate) fn command(os: Os, nonce: &str) -> Vec<String> {
        let shell = Shell::of(os);
        let show = match os {
            Os::Windows => windows::ipconfig::COMMAND,
            Os::Linux => linux::resolv_conf::COMMAND,
        };
        shell.command(&(show.to_owned() + &shell.end(nonce)))
    }

    /// Reads the command's output; nothing where it did not come back whole.
    pub(crate) fn read(os: Os, output: &str, nonce: &str) -> Option<Option<Self>> {
        is_whole(output, nonce).then(|| match os {
            Os::Windows => windows::ipconfig::read(output),
            Os::Linux => linux::resolv_conf::read(output),
        })
    }
}

/// Whether a text is a DNS name, and so safe in a command line.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !text.is_empty() && text.len() < 254 && !text.starts_with(['-', '.']) && text.chars().all(fits)
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: String,
    /// The server; none for the pod's own resolver.
    pub server: Option<IpAddr>,
}

/// The program that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// PowerShell's `Resolve-DnsName`, as Windows' own resolver.
    ResolveDnsName,
    /// `nslookup`, where there is no PowerShell. It has a resolver of its own.
    Nslookup,
}

/// Questions to be asked in one pod, all in one exec.
#[derive(Debug, Clone)]
pub struct NameProbe {
    /// The pod.
    pub from: PodRef,
    /// The questions, in order.
    pub questions: Vec<Question>,
}

impl NameProbe {
    /// The tools to try, best first.
    pub(crate) fn tools(&self) -> &'static [Tool] {
        match self.from.os {
            Os::Windows => &[Tool::ResolveDnsName, Tool::Nslookup],
            Os::Linux => &[Tool::Nslookup],
        }
    }

    pub(crate) fn command(&self, tool: Tool, nonce: &str) -> Vec<String> {
        let asked = self.questions.iter().filter(|question| is_name(&question.name)).enumerate();
        if tool == Tool::ResolveDnsName {
            let statements = asked.map(|(index, question)| {
                let ask = resolve_dns_name::statement(&question.name, question.server);
                format!("Write-Output wc-ask:{nonce}:{index}; {ask}; ")
            });
            let script = statements.collect::<String>() + &format!("Write-Output wc-end:{nonce}");
            let words = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", &script];
            return words.map(str::to_owned).to_vec();
        }
        let shell = Shell::of(self.from.os);
        let script = asked.map(|(index, question)| {
            let ask = match self.from.os {
                Os::Windows => windows::nslookup::command(&question.name, question.server),
                Os::Linux => linux::nslookup::command(&question.name, question.server),
            };
            match shell {
                Shell::Cmd => format!("echo wc-ask:{nonce}:{index}& {ask} & "),
                Shell::Sh => format!("echo wc-ask:{nonce}:{index}; {ask}; "),
            }
        });
        shell.command(&(script.collect::<String>() + &format!("echo wc-end:{nonce}")))
    }

    /// The longest it can take, in the cluster's time: a resolver asks for 10 to 15 s before it gives up.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(10 + 20 * u64::try_from(self.questions.len()).unwrap_or(20))
    }

    /// Reads the output; nothing where it did not come back whole.
    pub(crate) fn read(&self, tool: Tool, output: &str, nonce: &str) -> Option<Vec<Lookup>> {
        if !is_whole(output, nonce) {
            return None;
        }
        let mark = format!("wc-ask:{nonce}:");
        let mut sections: Vec<String> = Vec::new();
        for line in output.lines() {
            if line.starts_with(&mark) {
                sections.push(String::new());
            } else if let Some(section) = sections.last_mut()
                && !line.starts_with("wc-end:")
            {
                section.push_str(line);
                section.push('\n');
            }
        }
        if sections.len() != self.questions.iter().filter(|question| is_name(&question.name)).count() {
            return None;
        }
        let mut read = sections.iter().map(|section| match (tool, self.from.os) {
            (Tool::ResolveDnsName, _) => resolve_dns_name::read(section),
            (Tool::Nslookup, Os::Windows) => windows::nslookup::read(section),
            (Tool::Nslookup, Os::Linux) => linux::nslookup::read(section),
        });
        let all = self.questions.iter().map(|question| match is_name(&question.name) {
            true => read.next().unwrap_or_else(|| Lookup::unclear("")),
            false => Lookup::Unclear(format!("{:?} is no name", question.name)),
        });
        Some(all.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn probe(os: Os) -> NameProbe {
        let from = PodRef {
            namespace: "ns".into(),
            name: "client".into(),
            container: "client".into(),
            node: "win-0".into(),
            os,
            ip: "10.244.1.4".into(),
        };
        let ask = |name: &str, server: Option<&str>| Question {
            name: name.into(),
            server: server.map(|server| server.parse().unwrap()),
        };
        NameProbe { from, questions: vec![ask("web", None), ask("web.ns.svc.example.org", Some("10.96.0.10"))] }
    }

    #[test]
    fn every_tool_asks_all_in_one_command() {
        let mut lines = Vec::new();
        for (os, tool) in
            [(Os::Windows, Tool::ResolveDnsName), (Os::Windows, Tool::Nslookup), (Os::Linux, Tool::Nslookup)]
        {
            lines.push(probe(os).command(tool, "n1").join(" "));
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn answers_belong_to_their_questions() {
        let output = "wc-ask:n1:0\r\n*** x can't find web: Non-existent domain\r\nwc-ask:n1:1\r\n\
            Server:  x\r\nAddress:  10.96.0.10\r\n\r\nName:    web.ns.svc.example.org\r\nAddress:  10.96.7.8\r\nwc-end:n1\r\n";
        let read = probe(Os::Windows).read(Tool::Nslookup, output, "n1").unwrap();
        assert_eq!(read, [Lookup::NoSuchName, Lookup::Found(vec!["10.96.7.8".parse().unwrap()])]);
    }

    #[test]
    fn output_that_was_cut_or_lacks_a_question_is_no_answer() {
        let one = "wc-ask:n1:0\n** server can't find web: NXDOMAIN\n";
        assert_eq!(probe(Os::Linux).read(Tool::Nslookup, one, "n1"), None);
        assert_eq!(probe(Os::Linux).read(Tool::Nslookup, &format!("{one}wc-end:n1\n"), "n1"), None);
    }

    #[test]
    fn what_is_no_name_reaches_no_command_line() {
        let mut bad = probe(Os::Linux);
        bad.questions[0].name = "web; rm -rf /".into();
        assert!(!bad.command(Tool::Nslookup, "n1")[2].contains("rm -rf"));
        let output = "wc-ask:n1:0\nName:\tweb\nAddress: 10.96.7.8\nwc-end:n1\n";
        let read = bad.read(Tool::Nslookup, output, "n1").unwrap();
        assert!(matches!(read[..], [Lookup::Unclear(_), Lookup::Found(_)]), "{read:?}");
        for bad in ["", "-x", "a b", "a&b", "a\"b", "%PATH%", "$(x)", ".a"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(output in "(?s).{0,200}", sections in 0..4_usize) {
            let text: String = (0..sections).map(|index| format!("wc-ask:n1:{index}\n{output}\n")).collect();
            for tool in [Tool::ResolveDnsName, Tool::Nslookup] {
                let _ = probe(Os::Windows).read(tool, &format!("{text}wc-end:n1\n"), "n1");
            }
        }
    }
}
