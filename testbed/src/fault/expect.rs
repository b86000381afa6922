//! What an operator would want to be told of a fault, and how to ask so that it shows.
//!
//! The testbed keeps both and reads neither.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::pattern::Patterns;

/// Options of a run, called as on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunOptions {
    /// The taint that Windows nodes must carry (`--expect-taint`), like `os=windows:NoSchedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_taint: Option<String>,
    /// Also asks the checks that disturb the cluster (`--allow-disruptive`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_disruptive: bool,
}

/// What an operator would want to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// What a run should come to.
    pub verdict: ExpectedVerdict,
    /// The checks that must say so, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must: Vec<String>,
    /// The checks that may say so too, by id or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<String>,
    /// The cause to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<ExpectedFinding>,
}

/// What a run should come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExpectedVerdict {
    /// The `must` checks fail.
    Red,
    /// An info or limitation result names the subject.
    Reported,
    /// Nobody can say.
    Undetermined,
    /// Nothing turns red: this is documented behaviour.
    Quiet,
}

/// The cause to name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedFinding {
    /// The layer of the system in which it lies.
    pub layer: Layer,
    /// The node, build, image, Service, …: a pattern, or several of which any will do.
    pub subject: Patterns,
}

/// A layer of the system; the letters count, not case, spaces, `-` or `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layer(&'static str);

/// A word that names no layer.
#[derive(Debug, Error)]
#[error("unknown layer `{0}`, expected one of {list}", list = LAYERS.map(|layer| format!("`{layer}`")).join(", "))]
pub struct LayerError(String);

/// The layers that a cause can lie in, the deepest first.
const LAYERS: [&str; 15] = [
    "environment",
    "control plane",
    "node",
    "scheduling",
    "admission",
    "image",
    "runtime",
    "user",
    "pod network",
    "service IP",
    "DNS",
    "node port",
    "load balancer",
    "outbound",
    "identity",
];

impl Layer {
    /// All of them, the deepest first.
    pub fn all() -> impl Iterator<Item = Self> {
        LAYERS.into_iter().map(Self)
    }

    /// Its name, as sentences have it: `pod network`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Layer {
    type Err = LayerError;

    fn from_str(text: &str) -> Result<Self, LayerError> {
        let known = Self::all().find(|layer| letters(layer.0).eq(letters(text)));
        known.ok_or_else(|| LayerError(text.to_owned()))
    }
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase)
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Layer {
    fn schema_name() -> Cow<'static, str> {
        "Layer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let camel = |layer: &str| {
            let mut words = layer.split(' ').map(str::to_owned);
            let first = words.next().unwrap_or_default().to_lowercase();
            words.fold(first, |all, word| format!("{all}{}{}", word[..1].to_uppercase(), &word[1..]))
        };
        let mut spellings: Vec<String> = LAYERS.map(str::to_owned).into();
        for layer in LAYERS {
            for other in [camel(layer), layer.replace(' ', "_").to_lowercase(), layer.to_lowercase()] {
                if !spellings.contains(&other) {
                    spellings.push(other);
                }
            }
        }
        json_schema!({
            "description": "The layer of the system in which a cause lies.",
            "type": "string",
            "enum": spellings
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_known_by_its_letters_however_they_are_joined() {
        for text in ["service IP", "serviceIP", "service_ip", "Service-Ip", "serviceIp"] {
            assert_eq!(text.parse::<Layer>().unwrap().as_words(), "service IP", "{text}");
        }
        assert_eq!("dns".parse::<Layer>().unwrap().as_words(), "DNS");
    }

    #[test]
    fn a_word_that_is_no_layer_is_refused_with_those_there_are() {
        let said = "network".parse::<Layer>().unwrap_err().to_string();
        assert!(said.starts_with("unknown layer `network`, expected one of `environment`, `control plane`"), "{said}");
        assert!(Layer::all().all(|layer| said.contains(layer.as_words())), "{said}");
    }
}
