//! Reads a JUnit file back, as its consumers will, and checks what they rely on.

use std::collections::HashSet;

use thiserror::Error;

use super::xml::{Element, XmlError, parse};

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
    Xml(#[source] XmlError),
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
    let root = parse(xml).map_err(JunitFlaw::Xml)?;
    if root.name != "testsuites" {
        return Err(JunitFlaw::Unexpected(root.name));
    }
    let mut total = JunitCounts::default();
    let mut names = HashSet::new();
    for suite in &root.children {
        if suite.name != "testsuite" {
            return Err(JunitFlaw::Unexpected(suite.name.clone()));
        }
        let counts = verify_suite(suite, &mut names)?;
        total.tests += counts.tests;
        total.failures += counts.failures;
        total.errors += counts.errors;
        total.skipped += counts.skipped;
    }
    agree(&root, total)?;
    Ok(total)
}

fn verify_suite(suite: &Element, names: &mut HashSet<String>) -> Result<JunitCounts, JunitFlaw> {
    let class = required(suite, "name")?;
    let mut counts = JunitCounts::default();
    for case in suite.named("testcase") {
        let name = format!("{}::{}", required(case, "classname")?, required(case, "name")?);
        if case.attribute("classname") != Some(class) {
            return Err(JunitFlaw::Class(name));
        }
        time(case)?;
        let has = |outcome| case.named(outcome).count();
        let (failures, errors, skipped) = (has("failure"), has("error"), has("skipped"));
        if failures + errors + skipped > 1 {
            return Err(JunitFlaw::Outcomes(name));
        }
        counts.tests += 1;
        counts.failures += failures;
        counts.errors += errors;
        counts.skipped += skipped;
        if !names.insert(name.clone()) {
            return Err(JunitFlaw::Twice(name));
        }
    }
    time(suite)?;
    agree(suite, counts)?;
    required(suite, "skipped")?;
    Ok(counts)
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
