//! curl's command line.

use std::time::Duration;

use super::transfer::Transfer;

/// What a command line asks for.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Options {
    pub(super) urls: Vec<String>,
    /// `-o`, in the order of the URLs they belong to.
    pub(super) outputs: Vec<String>,
    pub(super) silent: bool,
    pub(super) show_error: bool,
    pub(super) fail: bool,
    pub(super) insecure: bool,
    pub(super) include: bool,
    pub(super) head: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) method: Option<String>,
    pub(super) data: Option<String>,
    pub(super) write_out: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) max_time: Option<Duration>,
    pub(super) retries: u32,
    pub(super) retry_delay: Option<Duration>,
    /// Seconds after which nothing is tried again.
    pub(super) retry_max_time: Option<f64>,
    pub(super) retry_refused: bool,
    pub(super) retry_all: bool,
}

/// A command line that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UsageError {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// Something is wrong with it; exit code 2.
    Wrong(String),
}

impl Options {
    /// Reads a command line.
    pub(super) fn read(arguments: &[String]) -> Result<Self, UsageError> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = |inline: Option<&str>, name: &str| match inline {
                Some(inline) => Ok(inline.to_owned()),
                None => {
                    words.next().cloned().ok_or_else(|| UsageError::Wrong(format!("option {name}: requires parameter")))
                }
            };
            if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
                options.long(name, |name| value(None, name))?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                let mut rest = letters;
                while let Some(letter) = rest.chars().next() {
                    rest = rest.get(letter.len_utf8()..).unwrap_or_default();
                    let name = format!("-{letter}");
                    match long_name(letter) {
                        Some((long, false)) => options.long(long, |_| Ok(String::new()))?,
                        Some((long, true)) => {
                            let inline = (!rest.is_empty()).then_some(rest);
                            options.long(long, |_| value(inline, &name))?;
                            break;
                        }
                        None => return Err(UsageError::Wrong(format!("option {name}: is unknown"))),
                    }
                }
            } else {
                options.urls.push(word.clone());
            }
        }
        if options.urls.is_empty() {
            return Err(UsageError::Wrong("(2) no URL specified".to_owned()));
        }
        Ok(options)
    }

    fn long(&mut self, name: &str, value: impl FnOnce(&str) -> Result<String, UsageError>) -> Result<(), UsageError> {
        let shown = format!("--{name}");
        match name {
            "silent" => self.silent = true,
            "show-error" => self.show_error = true,
            "fail" => self.fail = true,
            "insecure" => self.insecure = true,
            "include" => self.include = true,
            "head" => self.head = true,
            "retry-connrefused" => self.retry_refused = true,
            "retry-all-errors" => self.retry_all = true,
            "ipv4" | "location" | "verbose" | "http1.1" | "no-keepalive" | "globoff" | "no-progress-meter" => {}
            "output" => self.outputs.push(value(&shown)?),
            "write-out" => self.write_out = Some(value(&shown)?),
            "request" => self.method = Some(value(&shown)?),
            "data" => self.data = Some(value(&shown)?),
            "header" => {
                let header = value(&shown)?;
                if let Some((name, value)) = header.split_once(':') {
                    self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "connect-timeout" => self.connect_timeout = Some(seconds(&value(&shown)?, &shown)?),
            "max-time" => self.max_time = Some(seconds(&value(&shown)?, &shown)?),
            "retry-delay" => self.retry_delay = Some(seconds(&value(&shown)?, &shown)?),
            "retry-max-time" => self.retry_max_time = Some(seconds(&value(&shown)?, &shown)?.as_secs_f64()),
            "retry" => {
                self.retries = value(&shown)?.parse().ok().ok_or_else(|| expected_number(&shown))?;
            }
            "user-agent" | "noproxy" | "user" | "interface" | "resolve" | "cacert" | "proxy" => {
                value(&shown)?;
            }
            "help" => return Err(UsageError::Help),
            "version" => return Err(UsageError::Version),
            _ => return Err(UsageError::Wrong(format!("option {shown}: is unknown"))),
        }
        Ok(())
    }

    /// Whether `--retry` covers how a transfer ended.
    pub(super) fn is_transient(&self, transfer: &Transfer) -> bool {
        match &transfer.failure {
            Some(failure) => match failure.code {
                6 | 28 => true,
                7 => self.retry_refused || self.retry_all,
                _ => self.retry_all,
            },
            None => matches!(transfer.status, 408 | 429 | 500 | 502 | 503 | 504),
        }
    }
}

/// The long name of a letter, and whether it takes a value.
fn long_name(letter: char) -> Option<(&'static str, bool)> {
    Some(match letter {
        's' => ("silent", false),
        'S' => ("show-error", false),
        'f' => ("fail", false),
        'k' => ("insecure", false),
        'i' => ("include", false),
        'I' => ("head", false),
        '4' => ("ipv4", false),
        'L' => ("location", false),
        'v' => ("verbose", false),
        'g' => ("globoff", false),
        'h' => ("help", false),
        'V' => ("version", false),
        'o' => ("output", true),
        'w' => ("write-out", true),
        'X' => ("request", true),
        'd' => ("data", true),
        'H' => ("header", true),
        'm' => ("max-time", true),
        'A' => ("user-agent", true),
        'u' => ("user", true),
        'x' => ("proxy", true),
        _ => return None,
    })
}

fn seconds(text: &str, name: &str) -> Result<Duration, UsageError> {
    let number: f64 = text.parse().ok().ok_or_else(|| expected_number(name))?;
    Duration::try_from_secs_f64(number).ok().ok_or_else(|| expected_number(name))
}

fn expected_number(name: &str) -> UsageError {
    UsageError::Wrong(format!("option {name}: expected a proper numerical parameter"))
}
