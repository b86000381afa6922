//! What was judged: the nodes, one by one with their answers, and what was left out.

use std::collections::HashMap;

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{cell, line, scrolling, tally_states},
};
use crate::{
    event::Node,
    report::{
        Report,
        grid::{Mark, Tally},
    },
    words::{counted, first_few},
};

/// Nodes that have a row.
const NODES: usize = 2000;
/// Checks left out, and objects left behind, that are listed.
const LISTED: usize = 100;

pub(super) fn section(report: &Report) -> Option<Section> {
    let body = html! {
        @if !report.nodes.is_empty() { (nodes(report)) }
        @if !report.left_out.is_empty() {
            h3 { "Not asked" }
            ul {
                @for left_out in report.left_out.iter().take(LISTED) {
                    li { code { (left_out.check) } " (" (left_out.level) "): " (line(&left_out.reason)) }
                }
                @if report.left_out.len() > LISTED { li.quiet { "and " (report.left_out.len() - LISTED) " more" } }
            }
        }
        @if !report.leftovers.is_empty() {
            h3 { "Left in the cluster" }
            ul {
                @for left in report.leftovers.iter().take(LISTED) { li { (line(left)) } }
                @if report.leftovers.len() > LISTED { li.quiet { "and " (report.leftovers.len() - LISTED) " more" } }
            }
        }
        h3 { "The run" }
        (facts(report))
    };
    Some(Section { id: "environment", title: "What was judged", body })
}

/// A node's answers by suite: only those asked of the node itself.
fn by_suite(report: &Report) -> (Vec<&str>, HashMap<&str, Vec<Tally>>) {
    let mut suites: Vec<&str> = Vec::new();
    let mut nodes: HashMap<&str, Vec<Tally>> = HashMap::new();
    for result in &report.results {
        let Some(node) = result.node.as_deref() else { continue };
        let place = suites.iter().position(|suite| *suite == result.suite).unwrap_or_else(|| {
            suites.push(&result.suite);
            suites.len() - 1
        });
        let tallies = nodes.entry(node).or_default();
        if tallies.len() <= place {
            tallies.resize(place + 1, Tally::default());
        }
        if let Some(tally) = tallies.get_mut(place) {
            tally.add(Mark::of(result));
        }
    }
    (suites, nodes)
}

fn nodes(report: &Report) -> Markup {
    let (suites, answers) = by_suite(report);
    let worst = |node: &Node| {
        let tallies = answers.get(node.name.as_str()).into_iter().flatten();
        tallies.map(|tally| tally.worst()).filter(|mark| *mark > Mark::Passed).max().unwrap_or(Mark::Passed)
    };
    let mut nodes: Vec<&Node> = report.nodes.iter().collect();
    // Windows first, those in trouble before the others; otherwise in the order of their names.
    nodes.sort_by_key(|node| (node.os != "windows", std::cmp::Reverse(worst(node))));
    let table = html! {
        table.grid.nodes {
            caption.sr { "Nodes, and their answers by suite" }
            thead {
                tr {
                    th scope="col" { "Node" }
                    @for suite in &suites { th scope="col" { (suite) } }
                    th scope="col" { "System" }
                    th scope="col" { "Runtime" }
                    th scope="col" { "Kubelet" }
                    th scope="col" { "State" }
                }
            }
            tbody {
                @for node in nodes.iter().take(NODES) {
                    (row(node, answers.get(node.name.as_str()).map(Vec::as_slice).unwrap_or_default(), suites.len()))
                }
            }
        }
    };
    html! {
        (scrolling("Nodes", &table))
        @if nodes.len() > NODES { p.quiet { "and " (counted(nodes.len() - NODES, "more node")) ", all in the JSON report" } }
    }
}

fn row(node: &Node, tallies: &[Tally], suites: usize) -> Markup {
    let mut all = Tally::default();
    for tally in tallies {
        tally.marks().for_each(|(mark, count)| (0..count).for_each(|_| all.add(mark)));
    }
    html! {
        tr data-states=(tally_states(all)) data-find=(line(&format!("{} {}", node.name, node.kernel_version)).to_lowercase()) {
            th scope="row" { (line(&node.name)) }
            @for place in 0..suites { (cell(tallies.get(place).copied().unwrap_or_default())) }
            td { (line(&node.os_image)) span.quiet { " " (line(&node.kernel_version)) } }
            td { (line(&node.container_runtime)) }
            td { (line(&node.kubelet)) }
            td { (state(node)) }
        }
    }
}

fn state(node: &Node) -> String {
    let mut state = vec![if node.ready { "ready" } else { "not ready" }.to_owned()];
    if node.unschedulable {
        state.push("cordoned".to_owned());
    }
    if !node.taints.is_empty() {
        state.push(line(&first_few(node.taints.iter().map(String::as_str), 4)));
    }
    state.join(", ")
}

fn facts(report: &Report) -> Markup {
    let run = &report.run;
    html! {
        dl.facts {
            div { dt { "Run" } dd { (line(&run.id)) } }
            @if let Some(started) = run.started { div { dt { "Started" } dd { (format!("{started:.0}")) } } }
            @if let Some(cluster) = &report.cluster {
                div { dt { "Context" } dd { (line(&cluster.context)) } }
                div { dt { "API server" } dd { (line(&cluster.server)) } }
                div { dt { "Kubernetes" } dd { (line(&cluster.version)) } }
            }
            div { dt { "Exit code" } dd { (run.exit_code) } }
            div { dt { "Budgets" } dd { "× " (run.timeout_scale) } }
            @if run.policy.expect_limitation { div { dt { "Policy" } dd { "documented limitations are expected" } } }
            @if let Some(testbed) = &run.testbed {
                div { dt { "Testbed" } dd { (line(&testbed.shape)) ", " (line(&testbed.latency)) } }
            }
        }
    }
}
