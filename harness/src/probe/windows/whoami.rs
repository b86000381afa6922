//! `whoami` and `%USERNAME%`: whom a process runs as.

use std::fmt;

/// A Windows account, as `whoami` (lower case, with a domain) or `%USERNAME%` (without) names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The domain before the backslash; not every image prints one.
    pub domain: Option<String>,
    /// The name.
    pub name: String,
}

impl Account {
    /// Reads the last line that is not empty: a console repeats the command before it.
    #[must_use]
    pub fn read(output: &str) -> Option<Self> {
        let line = output.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        let (domain, name) = match line.rsplit_once('\\') {
            Some((domain, name)) => (Some(domain.to_owned()), name),
            None => (None, line),
        };
        Some(Self { domain, name: name.to_owned() })
    }

    /// Whether it is the user of that name, as `runAsUserName` gives it: in any case, with or without a domain.
    #[must_use]
    pub fn is(&self, user: &str) -> bool {
        let name = user.rsplit('\\').next().unwrap_or(user);
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, r"{domain}\{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it was seen, what was printed, its domain, and whom it means.
    const SEEN: &[(&str, &str, Option<&str>, &str)] = &[
        (
            "a runbook for winc on BOSH",
            "user manager\\containeradministrator\n",
            Some("user manager"),
            "ContainerAdministrator",
        ),
        ("a blog on remoting into containers", "user manager\\containeruser\n", Some("user manager"), "ContainerUser"),
        ("a write-up on service contexts", "nt authority\\system\n", Some("nt authority"), r"NT AUTHORITY\SYSTEM"),
        ("moby, TestRunCleanupCmdOnEntrypoint", "ContainerAdministrator\n", None, "ContainerAdministrator"),
        (
            "a runbook for winc on BOSH, with a console",
            "PS C:\\> whoami\nwhoami\nuser manager\\containeradministrator\n",
            Some("user manager"),
            "ContainerAdministrator",
        ),
    ];

    #[test]
    fn every_output_that_was_seen_names_its_user() {
        for (source, output, domain, user) in SEEN {
            let read = Account::read(output).unwrap();
            assert_eq!(read.domain.as_deref(), *domain, "{source}");
            assert!(read.is(user), "{source}: {read}");
        }
        assert_eq!(Account::read("\r\n"), None);
        assert!(!Account::read("user manager\\containeruser\r\n").unwrap().is("ContainerAdministrator"));
    }
}
