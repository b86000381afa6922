//! Which checks, at which places: the user's filters.

use std::collections::{BTreeMap, BTreeSet};

use globset::{Glob, GlobMatcher};
use thiserror::Error;
use winconform_reports::{CheckId, Level, ResultId, disposition::Profile};

use crate::cluster::Facts;

/// The user's filters; the default selects everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    suites: Vec<String>,
    checks: Vec<Pattern>,
    skips: Vec<Pattern>,
    only: Option<BTreeSet<ResultId>>,
    target: Option<String>,
    nodes: Vec<LabelTerm>,
    profile: Profile,
    shard: Option<Shard>,
    /// All checks there are, in their order, which shards count by.
    known: Vec<CheckId>,
}

/// One of several processes that share the checks among them: `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    index: usize,
    /// Of how many.
    of: usize,
}

/// The text is no shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no shard: write which one, from 1, and of how many, for example 2/3")]
pub struct ShardError(String);

impl std::str::FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let bad = || ShardError(text.to_owned());
        let (index, of) = text.split_once('/').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_not_a_number| bad());
        // Indexed Jobs count from 0, and their manifests cannot add otherwise: `0+1/2`.
        let sum = |text: &str| text.split('+').map(number).try_fold(0_usize, |sum, part| Ok(sum.saturating_add(part?)));
        let (index, of) = (sum(index)?, number(of)?);
        if (1..=of).contains(&index) { Ok(Self { index, of }) } else { Err(bad()) }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    glob: GlobMatcher,
}

/// One term of a `--nodes` selector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LabelTerm {
    key: String,
    /// `None` asks for the key alone.
    value: Option<String>,
    /// `!=` and `!key`.
    negated: bool,
}

/// A filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// No suite has that name.
    #[error("there is no suite `{name}`{}; the suites are {known}", did_you_mean(suggestion.as_deref()))]
    UnknownSuite {
        /// The name given.
        name: String,
        /// The nearest there is.
        suggestion: Option<String>,
        /// All there are.
        known: String,
    },
    /// No check has that id, or none matches the pattern.
    #[error("no check is called `{name}`{}; `winconform list` shows them all", did_you_mean(suggestion.as_deref()))]
    UnknownCheck {
        /// The id or pattern given.
        name: String,
        /// The nearest there is.
        suggestion: Option<String>,
    },
    /// The pattern is no glob.
    #[error("`{pattern}` is no pattern: `*` and `?` stand for any characters, for example `reachability/*`")]
    BadPattern {
        /// The pattern given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        error: globset::Error,
    },
    /// The text is no label selector.
    #[error("`{0}` is no node selector: write `key=value`, `key!=value`, `key` or `!key`, joined by commas")]
    BadSelector(String),
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Selection {
    /// Selects by the command line's filters.
    ///
    /// # Errors
    ///
    /// When a name or pattern matches no check there is, or a selector cannot be read.
    pub fn new(
        suites: &[String],
        checks: &[String],
        skips: &[String],
        target: Option<String>,
        nodes: Option<&str>,
        known: &[CheckId],
    ) -> Result<Self, SelectionError> {
        let known_suites: BTreeSet<&str> = known.iter().map(CheckId::suite).collect();
        for name in suites {
            if !known_suites.contains(name.as_str()) {
                return Err(SelectionError::UnknownSuite {
                    name: name.clone(),
                    suggestion: nearest(name, known_suites.iter().copied()),
                    known: known_suites.iter().copied().collect::<Vec<_>>().join(", "),
                });
            }
        }
        Ok(Self {
            suites: suites.to_vec(),
            checks: patterns(checks, known)?,
            skips: patterns(skips, known)?,
            only: None,
            target,
            nodes: nodes.map(label_terms).transpose()?.unwrap_or_default(),
            profile: Profile::default(),
            shard: None,
            known: known.to_vec(),
        })
    }

    /// Selects of these only what belongs to a profile.
    #[must_use]
    pub fn of_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Selects of these only every so many-th check, so that several processes ask all of them once.
    #[must_use]
    pub fn of_shard(mut self, shard: Option<Shard>) -> Self {
        self.shard = shard;
        self
    }

    /// Why a check is kept out for its level or by the shard, where it is.
    #[must_use]
    pub fn leaves_to_others(&self, id: &CheckId, level: Level) -> Option<String> {
        if !self.profile.includes(level) {
            return Some("--profile core".to_owned());
        }
        let shard = self.shard?;
        let position = self.known.iter().position(|known| known == id)?;
        (position % shard.of != shard.index - 1).then(|| format!("--shard {shard}"))
    }

    /// Selects exactly these results, as `cargo test` does after its own filters.
    #[must_use]
    pub fn only(mut self, results: BTreeSet<ResultId>) -> Self {
        self.only = Some(results);
        self
    }

    /// Why a check is kept out entirely, where it is.
    #[must_use]
    pub fn excludes(&self, id: &CheckId, disruptive: bool) -> Option<String> {
        let full = id.to_string();
        if let Some(skip) = self.skips.iter().find(|pattern| pattern.glob.is_match(&full)) {
            return Some(format!("--skip {}", skip.text));
        }
        if !self.suites.is_empty() && !self.suites.iter().any(|suite| suite == id.suite()) {
            return Some(format!("--suite {}", self.suites.join(" --suite ")));
        }
        if !self.checks.is_empty() && !self.checks.iter().any(|pattern| pattern.glob.is_match(&full)) {
            let texts: Vec<&str> = self.checks.iter().map(|pattern| pattern.text.as_str()).collect();
            return Some(format!("--check {}", texts.join(" --check ")));
        }
        if self.only.as_ref().is_some_and(|only| !only.iter().any(|result| result.check == *id)) {
            return Some("not among the selected tests".to_owned());
        }
        disruptive.then(|| "it disturbs the cluster: --allow-disruptive was not given".to_owned())
    }

    /// Whether an answer is wanted at its place.
    #[must_use]
    pub fn includes(&self, id: &ResultId, facts: &Facts) -> bool {
        if self.only.as_ref().is_some_and(|only| !only.contains(id)) {
            return false;
        }
        if let Some(prefix) = &self.target
            && !id.place.target().is_some_and(|target| target.starts_with(prefix.as_str()))
        {
            return false;
        }
        self.nodes.is_empty() || facts.nodes_of(&id.place).any(|node| self.takes(&node.labels))
    }

    /// Whether a node's labels match `--nodes`.
    #[must_use]
    pub fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        self.nodes.iter().all(|term| {
            let matches = match &term.value {
                Some(value) => labels.get(&term.key) == Some(value),
                None => labels.contains_key(&term.key),
            };
            matches != term.negated
        })
    }

    /// Keeps only the nodes that `--nodes` names, and what follows from them.
    #[must_use]
    pub fn narrow(&self, mut facts: Facts) -> Facts {
        if self.nodes.is_empty() {
            return facts;
        }
        // Linux nodes stay: they are where Windows nodes are asked from.
        facts.nodes.retain(|node| node.target.is_none() || self.takes(&node.labels));
        let kept: BTreeSet<String> = facts.nodes.iter().map(|node| node.name.clone()).collect();
        for target in &mut facts.targets {
            target.nodes.retain(|node| kept.contains(node));
        }
        facts.targets.retain(|target| !target.nodes.is_empty());
        facts
    }
}

fn patterns(texts: &[String], known: &[CheckId]) -> Result<Vec<Pattern>, SelectionError> {
    let pattern = |text: &String| {
        let glob = Glob::new(text)
            .map_err(|error| SelectionError::BadPattern { pattern: text.clone(), error })?
            .compile_matcher();
        if known.iter().any(|id| glob.is_match(id.to_string())) {
            return Ok(Pattern { text: text.clone(), glob });
        }
        let names: Vec<String> = known.iter().map(ToString::to_string).collect();
        let suggestion = nearest(text, names.iter().map(String::as_str));
        Err(SelectionError::UnknownCheck { name: text.clone(), suggestion })
    };
    texts.iter().map(pattern).collect()
}

/// The name most like `text`, if any is like it at all.
fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let likeness = |name: &str| {
        let tail = name.split_once('/').map_or(name, |(_, tail)| tail);
        strsim::jaro_winkler(text, name).max(strsim::jaro_winkler(text, tail))
    };
    names
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

fn label_terms(text: &str) -> Result<Vec<LabelTerm>, SelectionError> {
    let bad = || SelectionError::BadSelector(text.to_owned());
    let term = |part: &str| {
        let part = part.trim();
        let (key, value, negated) = if let Some((key, value)) = part.split_once("!=") {
            (key, Some(value), true)
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, Some(value), false)
        } else if let Some(key) = part.strip_prefix('!') {
            (key, None, true)
        } else {
            (part, None, false)
        };
        let (key, value) = (key.trim(), value.map(str::trim));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if key.is_empty() || !key.chars().all(plain) || !value.unwrap_or_default().chars().all(plain) {
            return Err(bad());
        }
        Ok(LabelTerm { key: key.to_owned(), value: value.map(str::to_owned), negated })
    };
    text.split(',').map(term).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<CheckId> {
        ["nodes/ready", "nodes/answers", "reachability/node-port-outside"].map(|id| id.parse().unwrap()).to_vec()
    }

    fn select(checks: &[&str], skips: &[&str]) -> Result<Selection, SelectionError> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection::new(&[], &own(checks), &own(skips), None, None, &known())
    }

    #[test]
    fn a_misspelt_check_is_refused_with_the_nearest_name() {
        let error = select(&["nodes/redy"], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no check is called `nodes/redy`; did you mean `nodes/ready`?; `winconform list` shows them all"
        );
        assert!(select(&["answers"], &[]).unwrap_err().to_string().contains("nodes/answers"));
    }

    #[test]
    fn a_skip_outranks_a_check_and_says_so() {
        let selection = select(&["nodes/*"], &["*/answers"]).unwrap();
        assert_eq!(selection.excludes(&"nodes/ready".parse().unwrap(), false), None);
        assert_eq!(selection.excludes(&"nodes/answers".parse().unwrap(), false), Some("--skip */answers".to_owned()));
        assert!(selection.excludes(&"reachability/node-port-outside".parse().unwrap(), false).is_some());
    }

    #[test]
    fn shards_share_the_checks_and_each_is_in_one() {
        for of in 1..=4 {
            let mut asked = Vec::new();
            for index in 1..=of {
                let shard = format!("{index}/{of}").parse().unwrap();
                let selection = select(&[], &[]).unwrap().of_shard(Some(shard));
                asked.extend(known().into_iter().filter(|id| selection.leaves_to_others(id, Level::Core).is_none()));
            }
            asked.sort();
            let mut all = known();
            all.sort();
            assert_eq!(asked, all, "{of} shards");
        }
        assert_eq!("0+1/2".parse::<Shard>(), "1/2".parse());
        for bad in ["0/2", "3/2", "1+/2", "1", "a/b", "1/0", ""] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_core_profile_keeps_to_core_checks_and_says_so() {
        let core = select(&[], &[]).unwrap().of_profile(Profile::Core);
        let id = "nodes/ready".parse().unwrap();
        assert_eq!(core.leaves_to_others(&id, Level::Core), None);
        assert_eq!(core.leaves_to_others(&id, Level::Extended), Some("--profile core".to_owned()));
    }

    #[test]
    fn node_selectors_are_read_as_kubectl_writes_them() {
        let labels = BTreeMap::from([("pool".to_owned(), "win".to_owned())]);
        let takes = |text: &str| {
            Selection::new(&[], &[], &[], None, Some(text), &known()).map(|selection| selection.takes(&labels))
        };
        assert_eq!(takes("pool=win"), Ok(true));
        assert_eq!(takes("pool==win,!gpu"), Ok(true));
        assert_eq!(takes("pool!=win"), Ok(false));
        assert_eq!(takes("gpu"), Ok(false));
        assert!(takes("pool in (a,b)").is_err());
        assert!(takes("").is_err());
    }
}
