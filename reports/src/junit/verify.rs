//! Reads a JUnit file back, as its consumers will, and checks what they rely on.

use std::{collections::HashSet, io::BufRead};

use thiserror::Error;

use super::xml::{Element, Visit, XmlError, walk};

/// How many cases a file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JunitCounts {
    /// All of them.
    pub tests: usize,
    /// With a `failure`.
    pub failures: usize,
    /// With an `error`.
    pub errors: usize,
    /// With a `skipped`.
    pub skipped: usize,
}

/// What a consumer would stumble over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JunitFlaw {
    /// It is not XML.
    #[error("it is not well-formed XML")]
    Xml(#[from] XmlError),
    /// The root is not `testsuites`, or an element stands where it must not.
    #[error("unexpected element `{0}`")]
    Unexpected(String),
    /// A required attribute is missing.
    #[error("`{element}` has no `{attribute}`")]
    Missing {
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// A count differs from what is there.
    #[error("`{element}` says {attribute}=\"{says}\", there are {are}")]
    Count {
        /// The element and its name.
        element: String,
        /// Which count.
        attribute: &'static str,
        /// What the file says.
        says: String,
        /// What is there.
        are: usize,
    },
    /// Two cases have the same class and name; GitLab would keep only the first.
    #[error("two cases are called `{0}`")]
    Twice(String),
    /// A case has more than one of failure, error and skipped.
    #[error("case `{0}` has more than one outcome")]
    Outcomes(String),
    /// A case's class is not its suite's name.
    #[error("case `{0}` has another class than its suite")]
    Class(String),
    /// A time is not a number with three decimals.
    #[error("`{0}` is not a time with three decimals")]
    Time(String),
}

/// Checks a JUnit file and counts its cases.
///
/// # Errors
///
/// With the first thing that some consumer would stumble over.
pub fn verify(xml: &str) -> Result<JunitCounts, JunitFlaw> {
    verify_read(xml.as_bytes())
}

/// Checks a JUnit file while it is read; see [`verify`].
///
/// # Errors
///
/// As [`verify`].
pub fn verify_read(xml: impl BufRead) -> Result<JunitCounts, JunitFlaw> {
    let mut cases = Cases::default();
    walk(xml, &mut cases)?;
    Ok(cases.total)
}

/// The cases as they pass by; none is kept.
#[derive(Default)]
struct Cases {
    names: HashSet<String>,
    class: String,
    suite: JunitCounts,
    total: JunitCounts,
}

impl Visit for Cases {
    type Flaw = JunitFlaw;

    fn open(&mut self, depth: usize, element: &Element) -> Result<(), JunitFlaw> {
        match (depth, element.name.as_str()) {
            (0, "testsuites") => Ok(()),
            (1, "testsuite") => {
                required(element, "name")?.clone_into(&mut self.class);
                self.suite = JunitCounts::default();
                Ok(())
            }
            (0 | 1, _) => Err(JunitFlaw::Unexpected(element.name.clone())),
            _ => Ok(()),
        }
    }

    fn close(&mut self, depth: usize, element: &Element) -> Result<bool, JunitFlaw> {
        match depth {
            0 => agree(element, self.total)?,
            1 => {
                time(element)?;
                agree(element, self.suite)?;
                required(element, "skipped")?;
                self.total = self.total.plus(self.suite);
            }
            2 if element.name == "testcase" => self.case(element)?,
            _ => {}
        }
        // What is in a case is kept until the case has been looked at.
        Ok(depth > 2)
    }
}

impl Cases {
    fn case(&mut self, case: &Element) -> Result<(), JunitFlaw> {
        let name = format!("{}::{}", required(case, "classname")?, required(case, "name")?);
        if case.attribute("classname") != Some(self.class.as_str()) {
            return Err(JunitFlaw::Class(name));
        }
        time(case)?;
        let has = |outcome| case.named(outcome).count();
        let (failures, errors, skipped) = (has("failure"), has("error"), has("skipped"));
        if failures + errors + skipped > 1 {
            return Err(JunitFlaw::Outcomes(name));
        }
        self.suite = self.suite.plus(JunitCounts { tests: 1, failures, errors, skipped });
        if self.names.contains(&name) {
            return Err(JunitFlaw::Twice(name));
        }
        self.names.insert(name);
        Ok(())
    }
}

impl JunitCounts {
    fn plus(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// The counts an element says are those of what is in it.
fn agree(element: &Element, counts: JunitCounts) -> Result<(), JunitFlaw> {
    let JunitCounts { tests, failures, errors, skipped } = counts;
    let required = [("tests", tests), ("failures", failures), ("errors", errors)];
    let optional = element.attribute("skipped").map(|_| ("skipped", skipped));
    for (attribute, are) in required.into_iter().chain(optional) {
        let says = self::required(element, attribute)?;
        if says != are.to_string() {
            let name = element.attribute("name").unwrap_or_default();
            return Err(JunitFlaw::Count {
                element: format!("{} {name}", element.name),
                attribute,
                says: says.to_owned(),
                are,
            });
        }
    }
    Ok(())
}

fn required<'a>(element: &'a Element, attribute: &'static str) -> Result<&'a str, JunitFlaw> {
    element
        .attribute(attribute)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| JunitFlaw::Missing { element: element.name.clone(), attribute })
}

/// One consumer reads a time with thousands separators as a damaged file, another
/// allows three decimals at most.
fn time(element: &Element) -> Result<(), JunitFlaw> {
    let text = required(element, "time")?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, decimals)) if digits(whole) && digits(decimals) && decimals.len() == 3 => Ok(()),
        _ => Err(JunitFlaw::Time(text.to_owned())),
    }
}
