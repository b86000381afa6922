//! The trust report: how many defects are caught, with which cause, at what price.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use winconform_testbed::fault::{Counter, Expect, ExpectedVerdict, Patterns};

/// The version of the report, in its first field.
pub const TRUST_SCHEMA: &str = "winconform.trust/1";

/// How far the checks can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrustReport {
    /// Always `winconform.trust/1`.
    pub schema: String,
    /// The version of winconform.
    pub version: String,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// How long it took, in seconds.
    pub wall_s: f64,
    /// What the order and the sample follow from.
    pub seed: u64,
    /// The shape of the testbeds that faults were put into.
    pub shape: String,
    /// How many faults came to what.
    pub totals: Totals,
    /// Every fault that was judged, in the order of their ids.
    pub faults: Vec<FaultRow>,
    /// Healthy clusters, none of which may give a red result.
    pub healthy: Vec<HealthyRow>,
    /// The checks, in report order: the columns of the matrix.
    pub checks: Vec<String>,
    /// Those of them that no fault turned red, or had report something.
    pub unproven: Vec<String>,
    /// How often a testbed had to be started anew because it was not what it was.
    pub reboots: usize,
}

/// How many faults came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// All of them.
    pub faults: usize,
    /// Everything as expected.
    pub caught: usize,
    /// A check that must say so did not.
    pub missed: usize,
    /// Caught, with another cause than the right one.
    pub wrong_finding: usize,
    /// Caught with the right cause, and something red that has nothing to do with it.
    pub false_alarm: usize,
    /// The fault changed nothing, so it proved nothing.
    pub invalid: usize,
    /// The run could not be made.
    pub unusable: usize,
    /// Came to something else alone than among others.
    pub leaked: usize,
    /// Of the faults that were caught and expect a finding, the part with the right one.
    pub findings_right: f64,
    /// Red results of healthy clusters.
    pub red_when_healthy: usize,
}

/// What one fault came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRow {
    /// The fault's name.
    pub id: String,
    /// What an operator sees.
    pub summary: String,
    /// What it came to.
    pub verdict: RowVerdict,
    /// Why, where it is not `caught`.
    pub reason: String,
    /// Whether every check that must say so did.
    pub caught: bool,
    /// Whether the expected cause was named; true where none is expected.
    pub finding_right: bool,
    /// Red results that nothing explains.
    pub false_alarms: Vec<String>,
    /// The checks that should have said so and did not.
    pub missed: Vec<String>,
    /// All red results.
    pub red: Vec<String>,
    /// Results that could not be told.
    pub unknown: Vec<String>,
    /// What an operator would want to be told.
    pub expected: Expected,
    /// The causes that were named.
    pub findings: Vec<Cause>,
    /// How often each effect was considered, and how often it changed an outcome.
    pub effects: Vec<Counter>,
    /// How long the run took.
    pub seconds: f64,
    /// Whether it came to something else alone than among others.
    pub leaked: bool,
    /// How often it was run: twice where the first time was not as expected.
    pub attempts: u32,
}

/// What a fault came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowVerdict {
    /// Everything as expected.
    Caught,
    /// A check that must say so did not.
    Missed,
    /// Caught, with another cause than the right one.
    WrongFinding,
    /// Caught with the right cause, and something red that has nothing to do with it.
    FalseAlarm,
    /// The fault changed nothing, so it proved nothing.
    Invalid,
    /// The run could not be made.
    Unusable,
}

impl RowVerdict {
    /// The words people read.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::WrongFinding => "wrong finding",
            Self::FalseAlarm => "false alarm",
            Self::Invalid => "invalid",
            Self::Unusable => "unusable",
        }
    }
}

/// What an operator would want to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// `red`, `reported`, `undetermined` or `quiet`.
    pub verdict: String,
    /// The checks that must say so.
    pub must: Vec<String>,
    /// The checks that may say so too.
    pub may: Vec<String>,
    /// The layer of the cause.
    pub layer: Option<String>,
    /// The subject of the cause; any of these.
    pub subject: Vec<String>,
}

impl From<Expect> for Expected {
    fn from(expect: Expect) -> Self {
        let verdict = match expect.verdict {
            ExpectedVerdict::Red => "red",
            ExpectedVerdict::Reported => "reported",
            ExpectedVerdict::Undetermined => "undetermined",
            ExpectedVerdict::Quiet => "quiet",
        };
        let subject = match expect.finding.as_ref().map(|finding| &finding.subject) {
            None => Vec::new(),
            Some(Patterns::One(pattern)) => vec![pattern.to_string()],
            Some(Patterns::Many(patterns)) => patterns.iter().map(ToString::to_string).collect(),
        };
        Self {
            verdict: verdict.to_owned(),
            must: expect.must,
            may: expect.may,
            layer: expect.finding.map(|finding| finding.layer.to_string()),
            subject,
        }
    }
}

/// A cause that was named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Its layer.
    pub layer: String,
    /// Its subject.
    pub subject: String,
    /// The cause in a sentence.
    pub summary: String,
    /// How sure it is.
    pub confidence: String,
    /// Whether it is the expected one.
    pub right: bool,
}

/// What a healthy cluster came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthyRow {
    /// Its shape.
    pub shape: String,
    /// Red results; there must be none.
    pub red: Vec<String>,
    /// Results that could not be told; there must be none either.
    pub unknown: Vec<String>,
    /// Why there is no such result, where the run could not be made.
    pub error: Option<String>,
    /// How long the run took.
    pub seconds: f64,
}

impl HealthyRow {
    /// Whether nothing was wrong where nothing is.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.red.is_empty() && self.unknown.is_empty() && self.error.is_none()
    }
}

impl TrustReport {
    /// Counts, and names the checks that no fault reached.
    pub(super) fn sum_up(&mut self) {
        self.faults.sort_by(|a, b| a.id.cmp(&b.id));
        self.healthy.sort_by(|a, b| a.shape.cmp(&b.shape));
        let count = |verdict| self.faults.iter().filter(|row| row.verdict == verdict).count();
        let with_finding: Vec<&FaultRow> =
            self.faults.iter().filter(|row| row.caught && row.expected.layer.is_some()).collect();
        let right = with_finding.iter().filter(|row| row.finding_right).count();
        #[expect(clippy::cast_precision_loss, reason = "a share of a few hundred")]
        let share = if with_finding.is_empty() { 1.0 } else { right as f64 / with_finding.len() as f64 };
        self.totals = Totals {
            faults: self.faults.len(),
            caught: count(RowVerdict::Caught),
            missed: count(RowVerdict::Missed),
            wrong_finding: count(RowVerdict::WrongFinding),
            false_alarm: count(RowVerdict::FalseAlarm),
            invalid: count(RowVerdict::Invalid),
            unusable: count(RowVerdict::Unusable),
            leaked: self.faults.iter().filter(|row| row.leaked).count(),
            findings_right: share,
            red_when_healthy: self.healthy.iter().map(|row| row.red.len()).sum(),
        };
        let reached: BTreeSet<&str> = (self.faults.iter())
            .filter(|row| row.verdict != RowVerdict::Invalid)
            .flat_map(|row| row.red.iter().map(|id| id.split('@').next().unwrap_or(id)).chain(reported(row)))
            .collect();
        self.unproven = self.checks.iter().filter(|check| !reached.contains(check.as_str())).cloned().collect();
    }

    /// 1 when a fault was not caught as it should be, else 2 when something proved nothing, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let wrong = |row: &FaultRow| {
            row.leaked || matches!(row.verdict, RowVerdict::Missed | RowVerdict::WrongFinding | RowVerdict::FalseAlarm)
        };
        let sick = |row: &HealthyRow| row.error.is_none() && !row.is_well();
        if self.faults.iter().any(wrong) || self.healthy.iter().any(sick) {
            return 1;
        }
        let void = |row: &FaultRow| matches!(row.verdict, RowVerdict::Invalid | RowVerdict::Unusable);
        if self.faults.is_empty() || self.faults.iter().any(void) || self.healthy.iter().any(|row| row.error.is_some())
        {
            return 2;
        }
        0
    }

    /// The report as JSON, as published in `docs/trust.schema.json`.
    ///
    /// # Errors
    ///
    /// When a number is not finite, which none is.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

/// The checks that reported what they must.
fn reported(row: &FaultRow) -> impl Iterator<Item = &str> {
    let told = row.expected.verdict == "reported" || row.expected.verdict == "undetermined";
    row.expected.must.iter().filter(move |check| told && !row.missed.contains(check)).map(String::as_str)
}

/// The JSON Schema of the report, published as `docs/trust.schema.json`.
#[must_use]
pub fn trust_schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<TrustReport>();
    schema.insert("title".to_owned(), format!("What `winconform trust` found ({TRUST_SCHEMA})").into());
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `INSTA_UPDATE=always` to write the schema anew.
    #[test]
    fn the_published_schema_is_the_one_that_the_types_give() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/trust.schema.json");
        let ours = serde_json::to_string_pretty(&trust_schema()).unwrap() + "\n";
        if std::env::var_os("INSTA_UPDATE").is_some_and(|mode| mode == "always") {
            std::fs::write(path, &ours).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == ours, "docs/trust.schema.json is out of date; INSTA_UPDATE=always cargo test writes it");
    }
}
