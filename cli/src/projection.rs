//! `--report FORMAT=PATH` of the commands whose result is no report of a run.

use std::{path::PathBuf, str::FromStr};

use winconform_reports::write::{check_writable, write_whole};

use crate::error::CliError;

/// The formats that a command's result can be written in.
pub trait Format: Copy + 'static {
    /// Whose formats they are, for a sentence.
    const OF: &'static str;
    /// A value that can be given.
    const EXAMPLE: &'static str;
    /// All of them by their names, in the order of the help text.
    const ALL: &'static [(&'static str, Self)];
}

/// A file to write, as `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection<F> {
    format: F,
    /// Where it goes.
    pub path: PathBuf,
}

impl<F: Format> FromStr for Projection<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or_else(|| format!("`{text}` is not of the form FORMAT=PATH, for example `{}`", F::EXAMPLE))?;
        match F::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(Self { format: *format, path: PathBuf::from(path) }),
            None => {
                let names: Vec<&str> = F::ALL.iter().map(|(name, _)| *name).collect();
                Err(format!("`{name}` is no format of {} (one of {})", F::OF, names.join(", ")))
            }
        }
    }
}

impl<F: Format> Projection<F> {
    /// Writes the file.
    ///
    /// # Errors
    ///
    /// When its text cannot be made, or nothing can be written there.
    pub fn write(&self, render: impl FnOnce(F) -> Result<String, CliError>) -> Result<(), CliError> {
        Ok(write_whole(&self.path, &render(self.format)?)?)
    }
}

/// Looks whether all files can be written, before there is anything to write.
///
/// # Errors
///
/// When one cannot.
pub fn check_all<F>(files: &[Projection<F>]) -> Result<(), CliError> {
    files.iter().try_for_each(|file| Ok(check_writable(&file.path)?))
}
