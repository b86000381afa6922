//! One line for a shell, and knowing whether all that it printed came back.
//!
//! The exec's own status does not say: output can be cut on the way while the status
//! says success (kubernetes/kubernetes#60140). So a last word of ours follows the
//! line, and an answer without it is none.

use std::time::Duration;

use super::{
    exec::{ExecError, Output, PodRef},
    script::Shell,
};

/// A line to be run in a pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The pod.
    pub(crate) pod: &'a PodRef,
    /// What its shell is told.
    pub(crate) text: &'a str,
    /// The longest it may take, in the cluster's time.
    pub(crate) longest: Duration,
}

impl Line<'_> {
    pub(crate) fn command(&self, nonce: &str) -> Vec<String> {
        let shell = Shell::of(self.pod.os);
        shell.command(&format!("{}{}", self.text, shell.end_with_code(nonce)))
    }

    /// What the line itself printed and ended with; nothing where it did not come back whole.
    pub(crate) fn read(&self, output: &Output, nonce: &str) -> Option<Output> {
        let (said, rest) = output.stdout.rsplit_once(&format!("wc-end:{nonce}:"))?;
        // Without the end of its line, a code may have lost digits.
        let (code, _) = rest.split_once('\n')?;
        let code: i64 = code.trim().parse().ok()?;
        // cmd shows codes with a sign, an exec's status without.
        let exit_code = if code < 0 { code + (1 << 32) } else { code };
        Some(Output { stdout: said.to_owned(), exit_code, ..output.clone() })
    }

    /// A shell that knows no such program is a missing program, as for a command without a shell.
    pub(crate) fn ran(&self, output: Output) -> Result<Output, ExecError> {
        if output.exit_code != Shell::of(self.pod.os).no_such_program() {
            return Ok(output);
        }
        Err(ExecError::Runtime {
            node: self.pod.node.clone(),
            pod: format!("{}/{}", self.pod.namespace, self.pod.name),
            message: output.stderr.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::Os;

    fn pod(os: Os) -> PodRef {
        let text = || "x".to_owned();
        PodRef { namespace: text(), name: text(), container: text(), node: text(), os, ip: text() }
    }

    fn read(stdout: &str) -> Option<Output> {
        let line = Line { pod: &pod(Os::Windows), text: "whoami", longest: Duration::from_secs(1) };
        let output = Output { stdout: stdout.into(), stderr: String::new(), exit_code: 0, took: Duration::ZERO };
        line.read(&output, "n1")
    }

    #[test]
    fn the_lines_own_code_is_read_and_has_thirty_two_bits() {
        let output = read("user manager\\containeruser\r\nwc-end:n1:-1073741510\r\n").unwrap();
        assert_eq!((output.stdout.trim(), output.exit_code), ("user manager\\containeruser", 3_221_225_786));
    }

    #[test]
    fn output_without_an_end_of_line_is_kept_apart_from_ours() {
        assert_eq!(read("no end of linewc-end:n1:0\n").unwrap().stdout, "no end of line");
    }

    #[test]
    fn a_program_that_is_missing_is_the_transports_trouble_and_no_answer() {
        for (os, code) in [(Os::Windows, 9009), (Os::Linux, 127)] {
            let pod = pod(os);
            let line = Line { pod: &pod, text: "nosuch", longest: Duration::from_secs(1) };
            let output =
                Output { stdout: String::new(), stderr: "no such".into(), exit_code: code, took: Duration::ZERO };
            assert!(matches!(line.ran(output), Err(ExecError::Runtime { message, .. }) if message == "no such"));
        }
    }

    proptest! {
        #[test]
        fn what_was_cut_anywhere_is_no_answer(at in 0_usize..40) {
            let whole = "containeradministrator\r\nwc-end:n1:12\r\n";
            prop_assume!(at < whole.len());
            prop_assert_eq!(read(&whole[..at]), None);
        }
    }
}
