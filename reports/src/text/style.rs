//! Colours, or none.

use anstyle::{AnsiColor, Effects};

/// Whether words are painted. The words alone say everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// No escape sequence at all.
    #[default]
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    fn paint(self, style: anstyle::Style, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("{style}{text}{style:#}"),
        }
    }

    /// As it should be.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// Must be looked at.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default() | Effects::BOLD, text)
    }

    /// Could not be told.
    pub(crate) fn odd(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    /// A title.
    pub(crate) fn title(self, text: &str) -> String {
        self.paint(Effects::BOLD.into(), text)
    }

    /// What may be passed over.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(Effects::DIMMED.into(), text)
    }
}
