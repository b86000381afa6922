//! What reaches the terminal: results on standard output, everything else on standard error.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anstyle::{AnsiColor, Effects};
use clap::ValueEnum;
use winconform_reports::text::Style;

use crate::error::CliError;

/// When words are painted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two streams, and how they are written to.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    quiet: bool,
}

impl Terminal {
    /// Decides about colours for the whole process.
    #[must_use]
    pub fn new(color: Color, quiet: bool) -> Self {
        match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self { quiet }
    }

    /// The same terminal for somebody who shows nothing in passing.
    #[must_use]
    pub fn hushed(self) -> Self {
        Self { quiet: true }
    }

    /// Whether only results and errors are wanted.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether standard error is a terminal that can be drawn on.
    #[must_use]
    pub fn can_draw(self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        io::stderr().is_terminal() && !dumb
    }

    /// Whether results are painted.
    #[must_use]
    pub fn style(self) -> Style {
        match anstream::AutoStream::choice(&io::stdout()) {
            anstream::ColorChoice::Never => Style::Plain,
            _ => Style::Colour,
        }
    }

    /// The columns of standard output; 100 where it has none.
    #[must_use]
    pub fn width(self) -> usize {
        terminal_size::terminal_size_of(io::stdout()).map_or(100, |(width, _)| width.0.into())
    }

    /// Writes a result to standard output, as it is.
    ///
    /// Whoever stopped reading (`| head`) has seen enough.
    pub fn out(self, text: &str) {
        let mut stream = anstream::stdout();
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// Says something in passing, on standard error.
    pub fn say(self, text: impl Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Says something that must be seen, on standard error.
    pub fn warn(self, text: impl Display) {
        let _ = writeln!(anstream::stderr(), "{text}");
    }

    /// Says why the command failed, with all causes and what to do, and gives its exit code.
    #[must_use]
    pub fn fail(self, error: &CliError) -> ExitCode {
        let red = AnsiColor::Red.on_default() | Effects::BOLD;
        self.warn(format_args!("{red}error:{red:#} {}", winconform_reports::Chain(error)));
        for line in error.log_tail() {
            self.warn(format_args!("  | {line}"));
        }
        if let Some(advice) = error.advice() {
            self.warn(format_args!("  {advice}"));
        }
        ExitCode::from(error.exit_code())
    }
}
