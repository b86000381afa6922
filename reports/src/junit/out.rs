//! Puts cases into XML, one after the other: a file of many is never held in memory.

use std::{io, time::Duration};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::{
    Dialect, Scope,
    case::{Case, Kind, Said},
    kind,
};
use crate::report::CheckResult;

/// How many cases there are, which a suite says before any of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    tests: usize,
    skipped: usize,
    errors: usize,
    failures: usize,
}

impl Totals {
    pub(super) fn of(results: &[&CheckResult], scope: Scope) -> Self {
        results.iter().fold(Self::default(), |totals, result| totals.with(kind(result, scope)))
    }

    pub(super) fn of_cases(cases: &[Case]) -> Self {
        cases.iter().fold(Self::default(), |totals, case| totals.with(case.kind))
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            skipped: self.skipped + other.skipped,
            errors: self.errors + other.errors,
            failures: self.failures + other.failures,
        }
    }

    fn with(self, kind: Kind) -> Self {
        Self {
            tests: self.tests + 1,
            skipped: self.skipped + usize::from(kind == Kind::Skipped),
            errors: self.errors + usize::from(kind == Kind::Error),
            failures: self.failures + usize::from(kind == Kind::Failure),
        }
    }
}

/// A file on its way.
pub(super) struct Out<W: io::Write> {
    xml: Writer<W>,
    dialect: Dialect,
}

impl<W: io::Write> Out<W> {
    /// Opens the file. The strictest schema knows no `skipped` on the root.
    pub(super) fn begin(out: W, dialect: Dialect, totals: Totals, took: Duration) -> io::Result<Self> {
        let mut out = Self { xml: Writer::new_with_indent(out, b' ', 4), dialect };
        out.xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("testsuites");
        root.push_attribute(("name", "winconform"));
        count(&mut root, "tests", totals.tests);
        if dialect == Dialect::Standard {
            count(&mut root, "skipped", totals.skipped);
        }
        count(&mut root, "failures", totals.failures);
        count(&mut root, "errors", totals.errors);
        root.push_attribute(("time", time(took).as_str()));
        out.xml.write_event(Event::Start(root))?;
        Ok(out)
    }

    pub(super) fn open_suite(
        &mut self,
        class: &str,
        totals: Totals,
        took: Duration,
        timestamp: Option<String>,
        facts: &[(String, String)],
    ) -> io::Result<()> {
        let mut suite = BytesStart::new("testsuite");
        suite.push_attribute(("name", class));
        count(&mut suite, "tests", totals.tests);
        count(&mut suite, "skipped", totals.skipped);
        count(&mut suite, "errors", totals.errors);
        count(&mut suite, "failures", totals.failures);
        suite.push_attribute(("time", time(took).as_str()));
        if let Some(timestamp) = &timestamp {
            suite.push_attribute(("timestamp", timestamp.as_str()));
        }
        self.xml.write_event(Event::Start(suite))?;
        self.properties(facts)
    }

    pub(super) fn close_suite(&mut self) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }

    pub(super) fn case(&mut self, case: &Case) -> io::Result<()> {
        let standard = self.dialect == Dialect::Standard;
        let mut start = BytesStart::new("testcase");
        start.push_attribute(("name", case.name.as_str()));
        start.push_attribute(("classname", case.class.as_str()));
        start.push_attribute(("time", time(case.took).as_str()));
        if let Some(timestamp) = case.timestamp.as_deref().filter(|_| standard) {
            start.push_attribute(("timestamp", timestamp));
        }
        let properties = if standard { case.properties.as_slice() } else { &[] };
        if properties.is_empty() && case.kind == Kind::Passed && case.out.is_none() {
            return self.xml.write_event(Event::Empty(start));
        }
        self.xml.write_event(Event::Start(start))?;
        self.properties(properties)?;
        self.outcome(case)?;
        self.reruns(case)?;
        if let Some(text) = &case.out {
            self.text(BytesStart::new("system-out"), text)?;
        }
        self.xml.write_event(Event::End(BytesEnd::new("testcase")))
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        let mut out = self.xml.into_inner();
        out.write_all(b"\n")?;
        out.flush()
    }

    fn outcome(&mut self, case: &Case) -> io::Result<()> {
        let name = match case.kind {
            Kind::Passed | Kind::Flaky => return Ok(()),
            Kind::Failure => "failure",
            Kind::Error => "error",
            Kind::Skipped => "skipped",
        };
        self.text(said(name, &case.said), &case.said.text)
    }

    /// Both the attribute and the stack trace are set: Jenkins reads one, others the
    /// other, the schemas want both.
    fn reruns(&mut self, case: &Case) -> io::Result<()> {
        let name = match case.kind {
            Kind::Failure | Kind::Error if case.said.ty != "flaky" => "rerunFailure",
            _ => "flakyFailure",
        };
        for rerun in &case.reruns {
            self.xml.write_event(Event::Start(said(name, rerun)))?;
            self.text(BytesStart::new("stackTrace"), &rerun.text)?;
            self.xml.write_event(Event::End(BytesEnd::new(name)))?;
        }
        Ok(())
    }

    fn properties(&mut self, properties: &[(String, String)]) -> io::Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        self.xml.write_event(Event::Start(BytesStart::new("properties")))?;
        for (name, value) in properties {
            let mut property = BytesStart::new("property");
            property.push_attribute(("name", name.as_str()));
            property.push_attribute(("value", value.as_str()));
            self.xml.write_event(Event::Empty(property))?;
        }
        self.xml.write_event(Event::End(BytesEnd::new("properties")))
    }

    fn text(&mut self, start: BytesStart<'_>, text: &str) -> io::Result<()> {
        let end = start.to_end().into_owned();
        self.xml.write_event(Event::Start(start.borrow()))?;
        self.xml.write_event(Event::Text(BytesText::new(text)))?;
        self.xml.write_event(Event::End(end))
    }
}

fn said(name: &'static str, said: &Said) -> BytesStart<'static> {
    let mut start = BytesStart::new(name);
    start.push_attribute(("message", said.message.as_str()));
    if !said.ty.is_empty() {
        start.push_attribute(("type", said.ty));
    }
    start
}

fn count(element: &mut BytesStart<'_>, name: &str, count: usize) {
    element.push_attribute((name, count.to_string().as_str()));
}

/// Three decimals, and no separators: one consumer takes anything else for a damaged file.
fn time(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}
