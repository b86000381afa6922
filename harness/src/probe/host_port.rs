//! `HOST:PORT`, as users type it.

use std::{fmt, net::IpAddr, str::FromStr};

use thiserror::Error;

use super::dns::is_name;

/// A host and a port. The host is an address or a name, and safe in a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// An address or a name, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A text is no `HOST:PORT`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no HOST:PORT, such as `www.example.com:443`, `203.0.113.7:443` or `[2001:db8::7]:443`")]
pub struct HostPortError(String);

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || HostPortError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let fits = match bracketed {
            Some(inner) => matches!(inner.parse(), Ok(IpAddr::V6(_))),
            None => is_name(host),
        };
        let port: u16 = port.parse().map_err(|_no_number| bad())?;
        if !fits || port == 0 {
            return Err(bad());
        }
        Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port() {
        for good in ["www.example.com:443", "203.0.113.7:80", "[2001:db8::7]:443"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "example.com",
            "example.com:",
            "example.com:0",
            "example.com:70000",
            ":443",
            "2001:db8::7:443",
            "a b:1",
            "a&b:1",
            "[x]:1",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_safe_in_a_shell(text in "(?s).{0,60}") {
            if let Ok(read) = text.parse::<HostPort>() {
                prop_assert!(read.host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c)));
            }
        }
    }
}
