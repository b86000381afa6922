//! A range of Windows builds.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A range of Windows builds, both ends in it: `10.0.26100`, `10.0.20348..10.0.26100.4000`, `..10.0.20348`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct BuildRange {
    text: String,
    /// At least this.
    from: Vec<u32>,
    /// At most this; a version with fewer numbers takes in all that begin with it.
    to: Option<Vec<u32>>,
}

/// The text is no range of builds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no range of builds: write `10.0.26100`, `10.0.26100.1..10.0.26100.4000`, or leave an end open")]
pub struct BuildRangeError {
    text: String,
}

impl BuildRange {
    /// Whether a kernel version such as `10.0.26100.4061` is in it; what is no version is in none.
    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        let Some(version) = numbers(version) else { return false };
        let within = |end: &Vec<u32>| version.iter().take(end.len()).copied().le(end.iter().copied());
        version >= self.from && self.to.as_ref().is_none_or(within)
    }
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() <= 4)
}

impl FromStr for BuildRange {
    type Err = BuildRangeError;

    fn from_str(text: &str) -> Result<Self, BuildRangeError> {
        let refused = || BuildRangeError { text: text.to_owned() };
        let end = |part: &str| match part.trim() {
            "" => Ok(None),
            part => numbers(part).map(Some).ok_or_else(refused),
        };
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (end(from)?, end(to)?),
            None => (end(text)?, end(text)?),
        };
        if from.is_none() && to.is_none() {
            return Err(refused());
        }
        let from = from.unwrap_or_default();
        if to.as_ref().is_some_and(|to| from.iter().take(to.len()).gt(to.iter())) {
            return Err(refused());
        }
        Ok(Self { text: text.trim().to_owned(), from, to })
    }
}

impl fmt::Display for BuildRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for BuildRange {
    type Error = BuildRangeError;

    fn try_from(text: String) -> Result<Self, BuildRangeError> {
        text.parse()
    }
}

impl From<BuildRange> for String {
    fn from(range: BuildRange) -> Self {
        range.text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_ends_are_in_a_range_and_a_short_version_takes_in_its_patch_levels() {
        let is_in = |range: &str, version: &str| range.parse::<BuildRange>().unwrap().contains(version);
        assert!(is_in("10.0.26100", "10.0.26100.4061"));
        assert!(!is_in("10.0.26100", "10.0.26101.1"));
        assert!(is_in("10.0.26100.1..10.0.26100.4000", "10.0.26100.4000"));
        assert!(!is_in("10.0.26100.1..10.0.26100.4000", "10.0.26100.4001"));
        assert!(is_in("10.0.20348..10.0.26100", "10.0.26100.9999"));
        assert!(is_in("..10.0.20348", "10.0.17763.1") && !is_in("..10.0.20348", "10.0.25398.1"));
        assert!(is_in("10.0.26100..", "10.0.30000.1") && !is_in("10.0.26100..", "10.0.20348.1"));
        assert!(!is_in("10.0.26100..", "unknown-build"));
    }

    #[test]
    fn what_is_no_range_is_refused_with_examples() {
        for text in ["", "..", "2025", "10.0.x", "10.0.26100..10.0.20348", "1.2.3.4.5", "-1"] {
            let refused = text.parse::<BuildRange>();
            let plain = text == "2025"; // one number is a version, if an odd one
            assert_eq!(refused.is_ok(), plain, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(range in any::<String>(), version in any::<String>()) {
            if let Ok(range) = range.parse::<BuildRange>() {
                let _ = range.contains(&version);
            }
        }
    }
}
