//! The command that asks a question again.

use super::{CheckResult, Report};
use crate::clean;

/// The command that asks for a result again, for a POSIX shell.
#[must_use]
pub fn repeat_command(report: &Report, result: &CheckResult) -> String {
    let mut words = vec!["winconform".to_owned(), "run".to_owned()];
    let mut option = |name: &str, value: &str| {
        words.push(name.to_owned());
        words.push(quoted(&clean::one_line(value)));
    };
    match (&report.run.testbed, &report.cluster) {
        (Some(testbed), _) => {
            option("--testbed --shape", &testbed.shape);
            if testbed.latency != "fast" {
                option("--latency", &testbed.latency);
            }
            testbed.faults.iter().for_each(|fault| option("--fault", fault));
        }
        (None, Some(cluster)) if cluster.context != "in-cluster" => option("--context", &cluster.context),
        (None, _) => {}
    }
    option("--check", &result.check.to_string());
    if let Some(target) = &result.target {
        option("--target", target);
    }
    option("--keep", "failed");
    words.join(" ")
}

/// A word that a shell takes literally.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_run_is_quoted() {
        assert_eq!(quoted("10.0.20348.5499"), "10.0.20348.5499");
        assert_eq!(quoted("$(reboot) it's"), "'$(reboot) it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
