//! What the user says of which verdicts are red.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use winconform_harness::{Check, run::known_ids};
use winconform_reports::{
    Policy,
    compare::{Snapshot, read_run},
    disposition::{FlakyRule, Profile, is_called},
    known_failures::read_known_failures,
};

use crate::error::CliError;

/// Which verdicts are red. None of these changes a verdict.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is red")]
pub struct JudgingArguments {
    /// A documented limitation that is not there is red.
    #[arg(long)]
    pub expect_limitation: bool,
    /// What must apply to this cluster: suites or checks, joined by commas (`gmsa,load-balancer`).
    #[arg(long, value_name = "LIST", value_delimiter = ',', env = "WINCONFORM_REQUIRE", hide_env_values = true)]
    pub require: Vec<String>,
    /// Whether an answer that failed at one time and passed at another is red.
    #[arg(long, value_enum, value_name = "RULE", default_value_t)]
    pub flaky: FlakyChoice,
    /// Failures that are known: a YAML file (docs/comparing.md).
    #[arg(long, value_name = "FILE", env = "WINCONFORM_KNOWN_FAILURES", hide_env_values = true)]
    pub known_failures: Option<PathBuf>,
    /// Judge against this run (its folder, log or JSON report): what failed there for the same reason is excused.
    #[arg(long, value_name = "REPORT", env = "WINCONFORM_BASELINE", hide_env_values = true)]
    pub baseline: Option<PathBuf>,
}

/// What becomes of an answer that was not the same each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FlakyChoice {
    /// It is red.
    #[default]
    Fail,
    /// It is green, and said to be flaky.
    Pass,
}

impl JudgingArguments {
    /// What the environment says, for `cargo test`.
    #[must_use]
    pub fn of_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            require: set("WINCONFORM_REQUIRE").iter().flat_map(|list| list.split(',')).map(str::to_owned).collect(),
            known_failures: set("WINCONFORM_KNOWN_FAILURES").map(PathBuf::from),
            baseline: set("WINCONFORM_BASELINE").map(PathBuf::from),
            ..Self::default()
        }
    }

    /// The policy; files are read now, so that a bad one costs no run.
    ///
    /// # Errors
    ///
    /// When a requirement names nothing, or the known failures are none.
    pub fn policy(&self, checks: &[&'static Check], profile: Profile) -> Result<Policy, CliError> {
        let known = known_ids(checks);
        if let Some(word) = self.require.iter().find(|word| !known.iter().any(|check| is_called(check, word))) {
            return Err(CliError::Requirement { word: word.clone() });
        }
        let read = |path: &PathBuf| read_known_failures(path, &known);
        Ok(Policy {
            expect_limitation: self.expect_limitation,
            profile,
            require: self.require.clone(),
            flaky: match self.flaky {
                FlakyChoice::Fail => FlakyRule::Fail,
                FlakyChoice::Pass => FlakyRule::Pass,
            },
            known_failures: self.known_failures.as_ref().map(read).transpose()?.unwrap_or_default(),
        })
    }

    /// The run to judge against.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn baseline(&self) -> Result<Option<Box<Snapshot>>, CliError> {
        let Some(path) = &self.baseline else { return Ok(None) };
        Ok(Some(Box::new(read_run(path)?.snapshot)))
    }
}
