//! What a comparison needs of a run, and what a run keeps of its baseline.
//!
//! A report of 5,000 nodes and 60 checks holds 300,000 answers, most of which say the
//! same; here each is a few numbers, and words are kept only where something is wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    disposition::RunResult,
    event::{Cluster, Node, PodImage, Target, TestbedFacts},
    explain::Layer,
    id::{CheckId, Place, ResultId},
    report::{CheckResult, Rate, Report},
    verdict::{Level, VerdictKind},
};

/// What a comparison needs of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The run's id.
    pub run: String,
    /// When it started.
    pub started: Option<Timestamp>,
    /// The version of winconform that made it.
    pub version: String,
    /// What it said of the cluster.
    pub result: RunResult,
    /// Why it ended before all was asked, where it did.
    pub aborted: Option<String>,
    /// How often everything was asked.
    pub rounds: u32,
    /// The testbed, where it was the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testbed: Option<TestbedFacts>,
    /// The cluster; none where the run ended before it was looked at.
    pub cluster: Option<Cluster>,
    /// Every node.
    pub nodes: Vec<Node>,
    /// Windows nodes that are alike.
    pub targets: Vec<Target>,
    /// The checks that were asked, in report order.
    pub checks: Vec<AskedCheck>,
    /// Every answer, in report order.
    pub answers: Vec<Answered>,
    /// Causes.
    pub findings: Vec<Cause>,
    /// How long pods took to start.
    pub starts: Vec<PodStart>,
    /// The images that pods ran on each target.
    pub images: Vec<TargetImage>,
}

/// A check that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCheck {
    /// Its id.
    pub check: CheckId,
    /// The check in a sentence.
    pub title: String,
    /// How much hangs on it.
    pub level: Level,
}

/// One answer. Names are places in the snapshot's lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The check.
    pub check: u32,
    /// The target; none for a check of the whole cluster, or of a Linux node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// The node, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// What it came to.
    pub verdict: VerdictKind,
    /// It failed at one time and passed at another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
    /// How many rounds passed, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How long each asking took that gave a verdict, in milliseconds, one for each round.
    pub ms: Box<[u32]>,
    /// What is known of it where it is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Box<Trouble>>,
}

/// What is known of an answer that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What broke, or why it could not be asked.
    pub reason: String,
    /// What two failures for the same reason share: layers of findings, kinds of facts.
    pub signature: BTreeSet<String>,
}

/// A cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// Where it lies.
    pub layer: Layer,
    /// What it lies in.
    pub subject: String,
    /// The nodes it lies in or shows on.
    pub nodes: Vec<String>,
    /// In a sentence.
    pub summary: String,
    /// How many answers it accounts for.
    pub answers: usize,
}

/// How long a pod took to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodStart {
    /// The node.
    pub node: String,
    /// The target.
    pub target: Option<String>,
    /// The round.
    pub round: u32,
    /// The phases in order, in milliseconds.
    pub phases: Vec<(String, u32)>,
}

/// An image that pods ran on a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetImage {
    /// The target; none on Linux.
    pub target: Option<String>,
    /// The image.
    #[serde(flatten)]
    pub image: PodImage,
}

impl Snapshot {
    /// Keeps what a comparison needs.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let nodes: HashMap<&str, u32> = places(report.nodes.iter().map(|node| node.name.as_str()));
        let targets: HashMap<&str, u32> = places(report.targets.iter().map(|target| target.name.as_str()));
        let layers: HashMap<&str, Layer> =
            report.findings.iter().map(|finding| (finding.id.as_str(), finding.layer)).collect();
        let mut checks: Vec<AskedCheck> = Vec::new();
        let mut known: HashMap<&CheckId, u32> = HashMap::new();
        let answers = report
            .results
            .iter()
            .map(|result| {
                let check = *known.entry(&result.check).or_insert_with(|| {
                    checks.push(AskedCheck {
                        check: result.check.clone(),
                        title: result.title.clone(),
                        level: result.level,
                    });
                    index(checks.len() - 1)
                });
                Answered {
                    check,
                    target: result.target.as_deref().and_then(|name| targets.get(name).copied()),
                    node: result.node.as_deref().and_then(|name| nodes.get(name).copied()),
                    verdict: result.verdict,
                    flaky: result.flaky,
                    rate: result.rate,
                    ms: times(result),
                    trouble: trouble(result, &layers).map(Box::new),
                }
            })
            .collect();
        Self {
            run: report.run.id.clone(),
            started: report.run.started,
            version: report.run.version.clone(),
            result: report.run.result,
            aborted: report.run.aborted.clone(),
            rounds: report.run.rounds,
            testbed: report.run.testbed.clone(),
            cluster: report.cluster.clone(),
            nodes: report.nodes.clone(),
            targets: report.targets.clone(),
            checks,
            answers,
            findings: causes(report),
            starts: starts(report),
            images: images(report),
        }
    }

    /// The check of an answer.
    #[must_use]
    pub fn check_of(&self, answer: &Answered) -> Option<&AskedCheck> {
        self.checks.get(answer.check as usize)
    }

    /// The name of an answer's node.
    #[must_use]
    pub fn node_of(&self, answer: &Answered) -> Option<&str> {
        Some(self.nodes.get(answer.node? as usize)?.name.as_str())
    }

    /// The name of an answer's target.
    #[must_use]
    pub fn target_of(&self, answer: &Answered) -> Option<&str> {
        Some(self.targets.get(answer.target? as usize)?.name.as_str())
    }

    /// An answer's id, for example `reachability/service-name@10.0.20348.5499`.
    #[must_use]
    pub fn id_of(&self, answer: &Answered) -> String {
        let Some(asked) = self.check_of(answer) else { return String::new() };
        let target = self.target_of(answer).map(str::to_owned);
        let place = match (self.node_of(answer), target) {
            (Some(node), target) => Place::Node { node: node.to_owned(), target },
            (None, Some(target)) => Place::Target(target),
            (None, None) => Place::Cluster,
        };
        ResultId::new(asked.check.clone(), place).to_string()
    }

    /// The kernel version of a target's nodes.
    #[must_use]
    pub fn kernel_of(&self, target: &str) -> Option<&str> {
        let node = self.nodes.iter().find(|node| node.target.as_deref() == Some(target))?;
        Some(node.kernel_version.as_str())
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn places<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<&'a str, u32> {
    names.enumerate().map(|(place, name)| (name, index(place))).collect()
}

/// One time for each round; where attempts were made again, the last one's.
fn times(result: &CheckResult) -> Box<[u32]> {
    let told = |verdict: VerdictKind| !matches!(verdict, VerdictKind::Undetermined | VerdictKind::NotApplicable);
    if result.tries.is_empty() {
        let asked = result.attempts > 0 && told(result.verdict);
        return asked.then(|| millis(result.seconds)).into_iter().collect();
    }
    let of_rounds: BTreeMap<u32, u32> =
        result.tries.iter().filter(|one| told(one.verdict)).map(|one| (one.round, millis(one.seconds))).collect();
    of_rounds.into_values().collect()
}

fn millis(seconds: f64) -> u32 {
    let millis = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis();
    u32::try_from(millis).unwrap_or(u32::MAX)
}

fn trouble(result: &CheckResult, layers: &HashMap<&str, Layer>) -> Option<Trouble> {
    if result.verdict == VerdictKind::Passed && !result.flaky {
        return None;
    }
    let layers = result.findings.iter().filter_map(|id| layers.get(id.as_str()));
    let mut signature: BTreeSet<String> = layers.map(|layer| format!("finding {layer}")).collect();
    // A finding says what several facts come to; without one the facts speak for themselves.
    if signature.is_empty() {
        signature.extend(result.observations.iter().map(crate::event::Observation::signature));
    }
    Some(Trouble { reason: result.reason.clone(), signature })
}

fn causes(report: &Report) -> Vec<Cause> {
    let cause = |finding: &crate::explain::Finding| Cause {
        layer: finding.layer,
        subject: finding.subject.clone(),
        nodes: finding.nodes.clone(),
        summary: finding.summary.clone(),
        answers: finding.checks.len(),
    };
    report.findings.iter().map(cause).collect()
}

fn starts(report: &Report) -> Vec<PodStart> {
    let start = |pod: &crate::event::PodTimeline| PodStart {
        node: pod.node.clone(),
        target: pod.target.clone(),
        round: pod.round,
        phases: pod
            .phases
            .iter()
            .map(|phase| (phase.name.clone(), u32::try_from(phase.ms).unwrap_or(u32::MAX)))
            .collect(),
    };
    report.pods.iter().map(start).collect()
}

fn images(report: &Report) -> Vec<TargetImage> {
    let images: BTreeSet<TargetImage> = report
        .pods
        .iter()
        .flat_map(|pod| pod.images.iter().map(|image| TargetImage { target: pod.target.clone(), image: image.clone() }))
        .collect();
    images.into_iter().collect()
}
