//! What a line for a shell is made of: commands, and one that follows whatever became of them.

/// A line for a shell in two: `first & last` for cmd, `first; last` for sh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence<'a> {
    shell: &'a [String],
    between: &'static str,
    /// All but the last.
    pub(crate) first: &'a str,
    /// What runs last, whatever became of the rest.
    pub(crate) last: &'a str,
}

impl<'a> Sequence<'a> {
    /// Takes the words of a command apart, where they are a shell and one line for it.
    pub(crate) fn of(argv: &'a [String]) -> Option<Self> {
        let (line, shell) = argv.split_last()?;
        let name = shell.first()?.to_ascii_lowercase();
        let is_line = |switch: &str| shell.last().is_some_and(|last| last.eq_ignore_ascii_case(switch));
        let between = match name.rsplit(['/', '\\']).next()? {
            "cmd" | "cmd.exe" if is_line("/c") => " & ",
            "sh" | "bash" if is_line("-c") => "; ",
            _ => return None,
        };
        let (first, last) = line.rsplit_once(between)?;
        // Within quotes or brackets it is no end of a command.
        let open = last.contains(['"', '\'', '(', ')']);
        (!open).then_some(Self { shell, between, first: first.trim(), last })
    }

    /// The words of a command that runs all but the last.
    pub(crate) fn first_alone(&self) -> Vec<String> {
        self.shell.iter().cloned().chain([self.first.to_owned()]).collect()
    }

    /// The words of a command that runs only the last, as after a command that ended with `code`.
    pub(crate) fn last_after(&self, code: u32) -> Vec<String> {
        let before = match self.between {
            " & " => format!("cmd /c exit {code}"),
            _ => format!("(exit {})", code & 0xff),
        };
        self.shell.iter().cloned().chain([format!("{before}{}{}", self.between, self.last)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn only_a_line_for_a_shell_has_a_last_command() {
        let line = argv(&["cmd", "/s", "/c", "nltest /x & call echo end"]);
        let sequence = Sequence::of(&line).unwrap();
        assert_eq!((sequence.first, sequence.last), ("nltest /x", "call echo end"));
        assert_eq!(sequence.last_after(5)[3], "cmd /c exit 5 & call echo end");
        let line = argv(&["/bin/sh", "-c", "ping x; echo $?"]);
        assert_eq!(Sequence::of(&line).unwrap().last_after(300)[2], "(exit 44); echo $?");
        for other in
            [&["nltest", "a & b"][..], &["cmd", "/c", "nltest"], &["cmd", "/c", "echo \"a & b\""], &["sh"], &[]]
        {
            assert_eq!(Sequence::of(&argv(other)), None, "{other:?}");
        }
    }
}
