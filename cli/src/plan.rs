//! `winconform plan`: what a run would ask and create.

use std::fmt::Write;

use clap::Args;
use winconform_harness::{
    Facts,
    cluster::Cluster,
    run::{Plan, PlanOptions},
};
use winconform_testbed::{node, shape::Shape};

use crate::{
    arguments::{ClusterArguments, OnTestbed, SelectionArguments},
    error::CliError,
    session::{introduction, what_is_created, without_windows_nodes},
    terminal::Terminal,
};

/// Say what a run would ask and create; changes nothing.
///
/// On a cluster this reads the nodes and the version. With --testbed nothing is
/// started: the nodes come from the shape.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform plan --testbed
  winconform plan --context prod --target 10.0.20348")]
pub struct PlanArguments {
    #[command(flatten)]
    testbed: OnTestbed,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    selection: SelectionArguments,
}

/// Prints the plan. The exit code is 3 when it would verify nothing.
///
/// # Errors
///
/// When the cluster cannot be looked at, or a filter is none.
pub async fn plan(arguments: PlanArguments, terminal: Terminal) -> Result<u8, CliError> {
    let PlanArguments { testbed, cluster, selection } = arguments;
    let checks = winconform_suites::all();
    let options = selection.plan_options(&checks)?;
    let (facts, options) = match testbed.testbed {
        Some(_) => (of_shape(&testbed.serve_options().shape)?, on_testbed(options)),
        None => {
            let cluster = Cluster::connect(&cluster.options()).await?;
            (Facts::observe(&cluster).await?, options)
        }
    };
    let facts = options.selection.narrow(facts);
    let plan = Plan::new(&checks, &facts, &options);
    terminal.out(&in_words(&facts, &plan));
    Ok(if plan.asks_nothing() { 3 } else { 0 })
}

/// A testbed brings its own way from outside.
fn on_testbed(mut options: PlanOptions) -> PlanOptions {
    options.settings.outside_proxy = true;
    options
}

/// The facts of the cluster that a testbed of this shape would be.
///
/// # Errors
///
/// When there is no such shape, or it is no good one.
pub fn of_shape(shape: &str) -> Result<Facts, CliError> {
    Ok(Facts::from_nodes(&node::objects(&Shape::find(shape)?)))
}

fn in_words(facts: &Facts, plan: &Plan) -> String {
    let mut text = introduction(facts);
    if facts.targets.is_empty() {
        let _ = write!(text, "\n{}", without_windows_nodes(facts));
    }
    let asked = plan.checks.iter().filter(|planned| planned.not_applicable.is_none()).count();
    let _ = write!(text, "\n\nwill ask for {asked} answers");
    let mut before = None;
    for planned in &plan.checks {
        let check = planned.check;
        if before != Some(check.id) {
            let _ = write!(text, "\n  {:<46} {:<3} {}", check.id, check.statement, check.title);
            before = Some(check.id);
        }
        let place = planned.id.place.node().or_else(|| planned.id.place.target());
        match (&planned.not_applicable, place) {
            (None, Some(place)) => drop(write!(text, "\n    @{place}")),
            (None, None) => {}
            (Some(why), Some(place)) => drop(write!(text, "\n    @{place}: not applicable: {why}")),
            (Some(why), None) => drop(write!(text, "\n    not applicable: {why}")),
        }
    }
    if !plan.fixtures.is_empty() {
        text.push_str("\n\nwill start");
        for (key, planned) in &plan.fixtures {
            let nodes: Vec<&str> = planned.nodes.iter().map(|node| node.name.as_str()).collect();
            let _ = write!(text, "\n  {:<46} {} ({})", key.to_string(), planned.fixture.summary, nodes.join(", "));
        }
    }
    for left_out in &plan.left_out {
        let _ = write!(text, "\nleft out: {} ({})", left_out.check, left_out.reason);
    }
    let _ = write!(text, "\n\n{}\n", what_is_created(plan, None));
    text
}
