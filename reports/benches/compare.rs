//! What a comparison of two large runs costs: `cargo bench -p winconform-reports --bench compare`.
//!
//! 5,000 nodes and 60 checks on each side, 300,000 answers, one in a hundred of them
//! broken on the candidate. docs/benchmark.md says what is aimed at.

#![expect(clippy::print_stdout, reason = "printing is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has nothing to go on with")]

use std::{collections::BTreeSet, fs, time::Instant};

use winconform_reports::{
    Level, RunResult, VerdictKind,
    compare::{Answered, AskedCheck, Snapshot, Trouble, compare, markdown::markdown, page::to_html, text},
    event::{Node, Target},
};

const NODES: u32 = 5000;
const CHECKS: u32 = 60;

fn main() {
    let started = Instant::now();
    let (base, candidate) = (snapshot("10.0.20348.1", 0), snapshot("10.0.20348.2", 1));
    println!("made two runs of {NODES} nodes and {CHECKS} checks in {:.2} s", started.elapsed().as_secs_f64());
    let comparison = timed("compare", || compare(&base, &candidate, &[]).unwrap());
    timed("text", || text::text(&comparison, &text::Options::default()));
    timed("Markdown", || markdown(&comparison));
    timed("HTML", || to_html(&comparison));
    timed("JSON", || comparison.to_json().unwrap());
    let peak = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("  peak memory, both runs in it      {}", peak.trim_start_matches("VmHWM:").trim());
    println!("  {} changes among {} answers", comparison.changes.len(), comparison.compared);
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    println!("  {what:<33} {:.2} s", started.elapsed().as_secs_f64());
    done
}

fn snapshot(build: &str, broken: u32) -> Snapshot {
    let name = |node: u32| format!("win-{node:04}");
    let nodes = (0..NODES).map(|node| Node {
        name: name(node),
        os: "windows".into(),
        kernel_version: build.into(),
        container_runtime: "containerd://1.7.29".into(),
        kubelet: "v1.37.2".into(),
        target: Some(build.into()),
        ready: true,
        ..Node::default()
    });
    let checks = (0..CHECKS).map(|check| AskedCheck {
        check: format!("nodes/check-{check}").parse().unwrap(),
        title: format!("Check {check}"),
        level: Level::Core,
    });
    let answers = (0..CHECKS).flat_map(|check| {
        (0..NODES).map(move |node| {
            let failed = broken > 0 && (check * 31 + node) % 100 == 0;
            let reason = format!("no answer from 10.244.{}.7:80 on any of 16 connections", node % 256);
            Answered {
                check,
                target: Some(0),
                node: Some(node),
                verdict: if failed { VerdictKind::Failed } else { VerdictKind::Passed },
                flaky: false,
                rate: None,
                ms: Box::new([400 + node % 90]),
                trouble: failed.then(|| Box::new(Trouble { reason, signature: BTreeSet::new() })),
            }
        })
    });
    Snapshot {
        run: build.into(),
        started: None,
        version: "0.1.0".into(),
        result: RunResult::Conformant,
        aborted: None,
        rounds: 1,
        testbed: None,
        cluster: None,
        nodes: nodes.collect(),
        targets: vec![Target { name: build.into(), product: None, nodes: (0..NODES).map(name).collect() }],
        checks: checks.collect(),
        answers: answers.collect(),
        findings: Vec::new(),
        starts: Vec::new(),
        images: Vec::new(),
    }
}
