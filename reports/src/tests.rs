//! What the unit tests of several modules are made of.

use crate::{
    disposition::Policy,
    event::{Cell, Destination, Event, Finished, PlannedResult, Record, RunStarted, SCHEMA, Vantage},
    id::{Place, ResultId},
    verdict::{Level, Verdict},
};

/// The first record of a log.
pub(crate) fn started() -> Record {
    Record {
        ms: 0,
        event: Event::RunStarted(RunStarted {
            schema: SCHEMA.into(),
            run: "20261123-0915-k3f9".into(),
            started: "2026-11-23T09:15:00Z".parse().unwrap(),
            version: "0.1.0".into(),
            policy: Policy::default(),
            timeout_scale: 1.0,
            testbed: None,
            rounds: 1,
            retries: 0,
        }),
    }
}

/// `suite/check`, `suite/check@10.…` (a target) or `suite/check@node/10.…`.
pub(crate) fn id(text: &str) -> ResultId {
    let (check, place) = match text.split_once('@') {
        None => (text, Place::Cluster),
        Some((check, place)) => match place.split_once('/') {
            None => (check, Place::Target(place.into())),
            Some((node, target)) => (check, Place::Node { node: node.into(), target: Some(target.into()) }),
        },
    };
    ResultId::new(check.parse().unwrap(), place)
}

/// A core check in a plan.
pub(crate) fn planned(text: &str) -> PlannedResult {
    PlannedResult { id: id(text), title: format!("title of {text}"), statement: "R1".into(), level: Level::Core }
}

/// A verdict that rests on nothing.
pub(crate) fn finished(text: &str, verdict: Verdict) -> Event {
    Event::CheckFinished(Box::new(Finished {
        id: id(text),
        verdict,
        attempts: 1,
        flaky: false,
        earlier: Vec::new(),
        round: 1,
        ms: 120,
        phases: Vec::new(),
        observations: Vec::new(),
        evidence: Vec::new(),
    }))
}

/// Connections of which those not answered timed out.
pub(crate) fn cell(
    source: Vantage,
    source_node: &str,
    destination: Destination,
    destination_node: Option<&str>,
    tried: u32,
    answered: u32,
) -> Cell {
    Cell {
        source,
        source_node: Some(source_node.into()),
        destination,
        address: destination_node.map_or("10.96.0.9:80".into(), |node| format!("{node}:80")),
        destination_node: destination_node.map(str::to_owned),
        tried,
        answered,
        connected_only: 0,
        slow: 0,
        refused: 0,
        timed_out: tried - answered,
        otherwise: 0,
        lost: 0,
        example: None,
    }
}
