//! In what logs must agree to be parts of one whole.

use serde_json::Value;

use super::Piece;
use crate::{
    clean,
    event::{Event, Node, Observed, Record, TestbedFacts},
};

/// What differs: its name, and what it is on each side.
type Difference = (String, String, String);

/// Characters that a side of a difference may take in a sentence.
const SIDE: usize = 80;

/// The first thing in which two logs do not agree.
pub(super) fn difference(one: &Piece, other: &Piece) -> Option<Difference> {
    let (a, b) = (&one.started, &other.started);
    differ("the version of winconform", &a.version, &b.version)
        .or_else(|| fields("the policy's", &json(&a.policy), &json(&b.policy)))
        .or_else(|| differ("the factor on timeouts", &a.timeout_scale.to_string(), &b.timeout_scale.to_string()))
        .or_else(|| differ("the number of retries", &a.retries.to_string(), &b.retries.to_string()))
        .or_else(|| differ("the testbed", &testbed(a.testbed.as_ref()), &testbed(b.testbed.as_ref())))
        .or_else(|| differ("the baseline", &baseline(one), &baseline(other)))
        .or_else(|| environment(one.observed()?, other.observed()?, a.testbed.is_some()))
}

fn differ(what: &str, one: &str, other: &str) -> Option<Difference> {
    let side = |text: &str| match clean::one_line(text) {
        nothing if nothing.is_empty() => "unknown".to_owned(),
        text => format!("`{}`", clean::shortened(&text, SIDE)),
    };
    (one != other).then(|| (what.to_owned(), side(one), side(other)))
}

/// The first field that differs between two objects.
fn fields(whose: &str, one: &Value, other: &Value) -> Option<Difference> {
    let (one, other) = (one.as_object()?, other.as_object()?);
    let names = one.keys().chain(other.keys());
    let field = |fields: &serde_json::Map<String, Value>, name: &str| match fields.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".to_owned(),
    };
    names
        .into_iter()
        .find_map(|name| differ(&format!("{whose} {}", name.replace('_', " ")), &field(one, name), &field(other, name)))
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A testbed by what it pretends to be; how long it took to boot is another matter.
fn testbed(facts: Option<&TestbedFacts>) -> String {
    match facts {
        None => "none".to_owned(),
        Some(TestbedFacts { shape, latency, faults, boot_ms: _ }) => {
            format!("{shape}, latency {latency}, faults [{}]", faults.join(", "))
        }
    }
}

fn baseline(piece: &Piece) -> String {
    let given = piece.records.iter().find_map(|Record { event, .. }| match event {
        Event::BaselineGiven(baseline) => Some(baseline.run.clone()),
        _ => None,
    });
    given.unwrap_or_else(|| "none".to_owned())
}

/// The cluster and its nodes. A context's name is the user's own, and each testbed has an address of its own;
/// whether a node is ready, cordoned or tainted may change while a run is under way.
fn environment(one: &Observed, other: &Observed, testbed: bool) -> Option<Difference> {
    let server = || if testbed { None } else { differ("the cluster", &one.cluster.server, &other.cluster.server) };
    let lasting = |cluster: &crate::event::Cluster| {
        let mut value = json(cluster);
        value.as_object_mut().map(|fields| (fields.remove("context"), fields.remove("server")));
        value
    };
    server()
        .or_else(|| fields("the cluster's", &lasting(&one.cluster), &lasting(&other.cluster)))
        .or_else(|| differ("the list of nodes", &names(one), &names(other)))
        .or_else(|| one.nodes.iter().zip(&other.nodes).find_map(|(one, other)| node(one, other)))
        .or_else(|| differ("the list of targets", &targets(one), &targets(other)))
}

fn names(observed: &Observed) -> String {
    observed.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn targets(observed: &Observed) -> String {
    observed.targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn node(one: &Node, other: &Node) -> Option<Difference> {
    let lasting = |node: &Node| json(&Node { ready: true, unschedulable: false, taints: Vec::new(), ..node.clone() });
    fields(&format!("{}'s", one.name), &lasting(one), &lasting(other))
}
