//! Windows command lines: one string, which each program takes apart again.
//!
//! containerd's shim joins a container's argument vector by the rules of Go's
//! `windows.EscapeArg`, and programs split it by those of the C runtime, so the
//! two round-trip, except through `cmd`, which has rules of its own ([`super::cmd`]).

/// Joins arguments as the shim does.
pub(crate) fn escape_all<S: AsRef<str>>(arguments: &[S]) -> String {
    arguments.iter().map(|argument| escape(argument.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Quotes one argument when it holds blanks, and escapes its quotes.
fn escape(argument: &str) -> String {
    if argument.is_empty() {
        return "\"\"".to_owned();
    }
    let quoted = argument.contains([' ', '\t']);
    if !quoted && !argument.contains(['"', '\\']) {
        return argument.to_owned();
    }
    let mut line = String::with_capacity(argument.len() + 2);
    if quoted {
        line.push('"');
    }
    let mut backslashes = 0;
    for character in argument.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                line.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(character);
    }
    if quoted {
        line.extend(std::iter::repeat_n('\\', backslashes));
        line.push('"');
    }
    line
}

/// Splits a command line as the C runtime does for `main`.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).is_some() {}
        if characters.peek().is_none() {
            return arguments;
        }
        let mut argument = String::new();
        let mut quoted = false;
        let mut backslashes = 0;
        while let Some(&character) = characters.peek() {
            match character {
                '\\' => backslashes += 1,
                '"' => {
                    argument.extend(std::iter::repeat_n('\\', backslashes / 2));
                    if backslashes % 2 == 1 {
                        argument.push('"');
                    } else {
                        quoted = !quoted;
                    }
                    backslashes = 0;
                }
                ' ' | '\t' | '\r' | '\n' if !quoted => break,
                other => {
                    argument.extend(std::iter::repeat_n('\\', backslashes));
                    backslashes = 0;
                    argument.push(other);
                }
            }
            characters.next();
        }
        argument.extend(std::iter::repeat_n('\\', backslashes));
        arguments.push(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_script_with_blanks_becomes_one_quoted_argument() {
        assert_eq!(escape_all(&["/s", "/c", "echo a & echo b"]), r#"/s /c "echo a & echo b""#);
        assert_eq!(escape_all(&["/c", r#"echo "a""#]), r#"/c "echo \"a\"""#);
    }

    #[test]
    fn backslashes_before_a_quote_are_halved_and_others_kept() {
        assert_eq!(split(r#"type C:\a\b "C:\with blank\\" \"x\""#), ["type", r"C:\a\b", r"C:\with blank\", "\"x\""]);
    }

    proptest! {
        #[test]
        fn what_is_escaped_splits_into_the_same_arguments(arguments in prop::collection::vec("[ -~]{0,12}", 0..6)) {
            prop_assert_eq!(split(&escape_all(&arguments)), arguments);
        }
    }
}
