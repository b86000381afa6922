//! Errors as Windows PowerShell 5.1 prints them.
//!
//! Without a console it wraps at 79 columns: sentences at blanks, the lines with
//! the category and the id in the middle of words (kubernetes/kubernetes 78565 and
//! logs of `Invoke-WebRequest` in IIS containers).

use crate::command::{Exit, Io};

/// The width that PowerShell takes a missing console to have.
pub(super) const WIDTH: usize = 79;

/// An error record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PsError {
    /// What people read.
    pub(super) message: String,
    /// What programs read: `CategoryInfo`.
    pub(super) category: String,
    /// What programs read: `FullyQualifiedErrorId`.
    pub(super) id: String,
    /// The command that failed; none where it is an expression.
    pub(super) command: Option<String>,
    /// Where in the script that is.
    pub(super) span: Option<(usize, usize)>,
    /// Whether it ends its statement, and can be caught; the others are only told.
    pub(super) terminates: bool,
}

/// What ends more than one statement.
#[derive(Debug)]
pub(super) enum Stop {
    Break,
    Continue,
    Return,
    Exit(Exit),
    Error(Box<PsError>),
}

impl From<PsError> for Stop {
    fn from(error: PsError) -> Self {
        Self::Error(Box::new(error))
    }
}

impl From<Box<PsError>> for Stop {
    fn from(error: Box<PsError>) -> Self {
        Self::Error(error)
    }
}

impl PsError {
    /// What an expression fails with.
    pub(super) fn new(message: impl Into<String>, category: &str, id: &str) -> Self {
        Self {
            message: message.into(),
            category: category.to_owned(),
            id: id.to_owned(),
            command: None,
            span: None,
            terminates: true,
        }
    }

    /// What an exception of .NET becomes.
    pub(super) fn exception(kind: &str, message: &str) -> Self {
        Self::new(message, &format!("OperationStopped: (:) [], {kind}"), &format!("System.{kind}"))
    }

    /// What a cmdlet fails with.
    pub(super) fn of_command(command: &str, message: impl Into<String>, category: &str, id: &str) -> Self {
        Self { command: Some(command.to_owned()), terminates: false, ..Self::new(message, category, id) }
    }

    /// A name that nothing has.
    pub(super) fn no_command(name: &str) -> Self {
        let error = Self::of_command(
            name,
            format!(
                "The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the \
                 spelling of the name, or if a path was included, verify that the path is correct and try again."
            ),
            &format!("ObjectNotFound: ({name}:String) [], CommandNotFoundException"),
            "CommandNotFoundException",
        );
        Self { terminates: true, ..error }
    }

    /// Writes it to standard error.
    pub(super) fn report(&self, script: &str, io: &Io) {
        io.stderr.text(self.text(script, WIDTH));
    }

    /// It as lines of this width at most.
    pub(super) fn text(&self, script: &str, width: usize) -> String {
        let head = match &self.command {
            Some(command) => format!("{command} : {}", self.message),
            None => self.message.clone(),
        };
        let mut lines = wrap_words(&head, width);
        lines.extend(self.position(script));
        lines.extend(wrap_anywhere(&format!("    + CategoryInfo          : {}", self.category), width));
        lines.extend(wrap_anywhere(&format!("    + FullyQualifiedErrorId : {}", self.id), width));
        lines.push(" ".to_owned());
        lines.iter().map(|line| format!("{line}\r\n")).collect()
    }

    /// The script's line with the culprit underlined.
    fn position(&self, script: &str) -> Vec<String> {
        const AROUND: usize = 66;
        let Some((start, end)) = self.span else { return Vec::new() };
        let all: Vec<char> = script.chars().collect();
        let line_start = all.iter().take(start).rposition(|c| *c == '\n').map_or(0, |at| at + 1);
        let number = all.iter().take(start).filter(|c| **c == '\n').count() + 1;
        let line: Vec<char> = all.iter().skip(line_start).take_while(|c| **c != '\n').copied().collect();
        let (from, to) = (start - line_start, (end - line_start).min(line.len()));
        let skipped = if to > AROUND { from.min(to - AROUND.min(to)) } else { 0 };
        let (before, shift) = if skipped > 0 { ("... ", 4) } else { ("", 0) };
        let shown: String = line.iter().skip(skipped).take(AROUND).collect();
        let after = if line.len() > skipped + AROUND { " ..." } else { "" };
        let marks = (to.saturating_sub(from)).min(AROUND + skipped - from.min(AROUND + skipped)).max(1);
        let indent = from.saturating_sub(skipped) + shift;
        vec![
            format!("At line:{number} char:{}", from + 1),
            format!("+ {before}{}{after}", shown.trim_end()),
            format!("+ {}{}", " ".repeat(indent), "~".repeat(marks)),
        ]
    }
}

fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

fn wrap_anywhere(text: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (first, rest) = characters.split_at(characters.len().min(width));
    let mut lines = vec![first.iter().collect::<String>()];
    lines.extend(
        rest.chunks(width.saturating_sub(3).max(1)).map(|piece| format!("   {}", piece.iter().collect::<String>())),
    );
    lines
}
