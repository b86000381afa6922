//! Reads a report back, as its consumers will.

use std::{
    collections::HashSet,
    fmt,
    io::{self, BufRead},
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use thiserror::Error;

use super::ReportFormat;
use crate::{
    ctrf::{self, CtrfFlaw},
    github::are_annotations,
    html::{self, HtmlFlaw},
    junit::{self, JunitFlaw},
    markdown::Limit,
    report::{REPORT_SCHEMA, Report, grid::Grid},
    verdict::Level,
};

/// What a consumer would stumble over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// It cannot be read.
    #[error("failed to read it")]
    Read(#[source] io::Error),
    /// In a JUnit file.
    #[error("as JUnit")]
    Junit(#[source] JunitFlaw),
    /// In a JSON file.
    #[error("as a JSON report")]
    Json(#[source] serde_json::Error),
    /// A JSON report has another schema.
    #[error("it has the schema `{0}`")]
    Schema(String),
    /// Two results have the same id.
    #[error("two results are called `{0}`")]
    Twice(String),
    /// In a CTRF file.
    #[error("as CTRF")]
    Ctrf(#[source] CtrfFlaw),
    /// In a page.
    #[error("as HTML")]
    Html(#[source] HtmlFlaw),
    /// A page is longer than what it is for takes.
    #[error("it has {bytes} bytes, {limit} are read")]
    Long {
        /// Its bytes.
        bytes: usize,
        /// The most.
        limit: usize,
    },
    /// A page has no headline.
    #[error("it does not begin with the result")]
    Headless,
    /// A line is no workflow command.
    #[error("a line is no workflow command")]
    NoCommand,
    /// It has another number of results than the report.
    #[error("it holds {found} results, the report has {expected}")]
    Results {
        /// Those in the file.
        found: usize,
        /// Those of the report.
        expected: usize,
    },
}

/// Checks what was written; only pages, which are short, are held in memory.
pub(super) fn check(format: ReportFormat, report: &Report, mut file: impl BufRead) -> Result<(), Flaw> {
    let mut text = || {
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(Flaw::Read).map(|_| text)
    };
    let (found, expected) = match format {
        ReportFormat::Junit(_) => {
            let counts = junit::verify_read(file).map_err(Flaw::Junit)?;
            (counts.tests, report.results.len() + junit::cases_about_the_run(report))
        }
        ReportFormat::JunitInforming(_) => {
            let counts = junit::verify_read(file).map_err(Flaw::Junit)?;
            (counts.tests, report.results.iter().filter(|result| result.level == Level::Info).count())
        }
        ReportFormat::Json => (json(file)?, report.results.len()),
        ReportFormat::Ctrf => (ctrf::verify(file).map_err(Flaw::Ctrf)?, report.results.len()),
        ReportFormat::Html => (html::verify(&text()?).map_err(Flaw::Html)?, Grid::of(report).checks().count()),
        ReportFormat::Markdown => return page(&text()?, Limit::Issue),
        ReportFormat::GithubSummary => return page(&text()?, Limit::StepSummary),
        ReportFormat::GithubAnnotations => return are_annotations(&text()?).then_some(()).ok_or(Flaw::NoCommand),
    };
    if found == expected { Ok(()) } else { Err(Flaw::Results { found, expected }) }
}

fn page(text: &str, limit: Limit) -> Result<(), Flaw> {
    if text.len() > limit.bytes() {
        return Err(Flaw::Long { bytes: text.len(), limit: limit.bytes() });
    }
    if text.starts_with("# winconform: ") { Ok(()) } else { Err(Flaw::Headless) }
}

fn json(file: impl io::Read) -> Result<usize, Flaw> {
    let file: Json = serde_json::from_reader(file).map_err(Flaw::Json)?;
    if file.schema != REPORT_SCHEMA {
        return Err(Flaw::Schema(file.schema));
    }
    match file.results.twice {
        Some(id) => Err(Flaw::Twice(id)),
        None => Ok(file.results.ids.len()),
    }
}

/// What a program that reads a JSON report relies on first.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields only have to be there")]
struct Json {
    schema: String,
    run: IgnoredAny,
    results: Ids,
    findings: Vec<IgnoredAny>,
    matrix: Vec<IgnoredAny>,
}

#[derive(Default)]
struct Ids {
    ids: HashSet<String>,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Collecting)
    }
}

struct Collecting;

impl<'de> Visitor<'de> for Collecting {
    type Value = Ids;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut results: A) -> Result<Ids, A::Error> {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "the fields only have to be there")]
        struct Entry {
            id: String,
            verdict: IgnoredAny,
            disposition: IgnoredAny,
        }
        let mut ids = Ids::default();
        while let Some(Entry { id, .. }) = results.next_element()? {
            if ids.ids.contains(&id) {
                ids.twice.get_or_insert(id);
            } else {
                ids.ids.insert(id);
            }
        }
        Ok(ids)
    }
}
