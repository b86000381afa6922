//! Names with wildcards, as selectors use them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that may hold `*` (any characters) and `?` (one character); a leading `!` turns it round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_prefix('!') {
            Some(unwanted) => !fits(unwanted.as_bytes(), text.as_bytes()),
            None => fits(self.0.as_bytes(), text.as_bytes()),
        }
    }

    fn is_negative(&self) -> bool {
        self.0.starts_with('!')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Greedy matching that returns to the last `*` on a mismatch: linear in practice, never exponential.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// One pattern or a list of them: a text fits when it fits one of the positive ones (if any) and every negative one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Patterns {
    /// One pattern.
    One(Pattern),
    /// Several patterns.
    Many(Vec<Pattern>),
}

impl Patterns {
    /// Whether `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let all = match self {
            Self::One(pattern) => std::slice::from_ref(pattern),
            Self::Many(patterns) => patterns,
        };
        let (negative, positive): (Vec<_>, Vec<_>) = all.iter().partition(|pattern| pattern.is_negative());
        negative.iter().all(|pattern| pattern.matches(text))
            && (positive.is_empty() || positive.iter().any(|pattern| pattern.matches(text)))
    }
}

impl Patterns {
    /// Whether one of them is the empty text, which stands for having nothing.
    pub(super) fn mean_none(&self) -> bool {
        match self {
            Self::One(pattern) => pattern.0.is_empty(),
            Self::Many(patterns) => patterns.iter().any(|pattern| pattern.0.is_empty()),
        }
    }
}

impl From<&str> for Patterns {
    fn from(text: &str) -> Self {
        Self::One(Pattern::new(text))
    }
}

/// Whether an optional constraint holds for `text`; no constraint always holds.
pub(super) fn allows(patterns: Option<&Patterns>, text: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        let fits = [("*", ""), ("win-*", "win-2022-0"), ("*servercore*", "mcr/servercore:ltsc"), ("a?c", "abc")];
        for (pattern, text) in fits {
            assert!(Pattern::new(pattern).matches(text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("win-*", "linux-0"), ("a?c", "ac"), ("*a*b", "aXbX")] {
            assert!(!Pattern::new(pattern).matches(text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_list_wants_one_positive_pattern_and_every_negative_one() {
        let patterns = Patterns::Many(vec![Pattern::new("win-*"), Pattern::new("!*-1")]);
        assert!(patterns.matches("win-2022-0"));
        assert!(!patterns.matches("win-2022-1"));
        assert!(!patterns.matches("linux-0"));
        assert!(Patterns::from("!linux-*").matches("win-0"));
    }
}
