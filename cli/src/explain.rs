//! `winconform explain`: everything there is to say about a check.

use std::fmt::Write;

use clap::Args;
use winconform_harness::{
    Budget, Check, Need, Scope,
    blame::seconds,
    run::{Selection, known_ids},
};
use winconform_suites::guide::statement;
use winconform_testbed::fault::catalogue;

use crate::{error::CliError, terminal::Terminal};

/// Say of a check what it asks and why, what it creates, how long it may take, how it fails and
/// what to do then, and how a person asks the same; needs no cluster.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform explain reachability/windows-pod-to-own-service-ip
  winconform explain 'nodes/*'")]
pub struct ExplainArguments {
    /// The check, or a pattern.
    #[arg(required = true, value_name = "ID|GLOB")]
    check: Vec<String>,
}

/// Prints the explanation of each check.
///
/// # Errors
///
/// When there is no such check.
pub fn explain(arguments: &ExplainArguments, terminal: Terminal) -> Result<u8, CliError> {
    let checks = [winconform_suites::all(), winconform_suites::literal()].concat();
    let selection = Selection::new(&[], &arguments.check, &[], None, None, &known_ids(&checks))?;
    let chosen =
        checks.into_iter().filter(|check| check.parsed_id().is_ok_and(|id| selection.excludes(&id, false).is_none()));
    let texts: Vec<String> = chosen.map(in_words).collect();
    terminal.out(&texts.join("\n"));
    Ok(0)
}

fn in_words(check: &'static Check) -> String {
    let mut text = format!("{}\n\n  {}\n", check.id, check.title);
    let mut part = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n  {title}");
            for line in lines {
                let _ = writeln!(text, "    {line}");
            }
        }
    };
    let says = statement(check.statement).map_or("", |statement| statement.says);
    part("the guide", vec![format!("{} {says}", check.statement)]);
    part("passing means", vec![check.passing.to_owned()]);
    part("it does not say", vec![check.silent_on.to_owned()]);
    part("asked", asked(check));
    part("why", check.explain.sources.iter().map(|url| (*url).to_owned()).collect());
    part("creates", creates(check));
    part("may take", vec![budget(check)]);
    let mut failures = Vec::new();
    for failure in check.explain.failures {
        failures.push(failure.seen.to_owned());
        failures.push(format!("  {}", failure.advice));
    }
    part("how it fails, and what to do", failures);
    part("asked by hand", check.explain.by_hand.iter().map(|line| (*line).to_owned()).collect());
    let alone = match check.id.starts_with("literal/") {
        true => "winconform run --literal".to_owned(),
        false => format!("winconform run --check {}{}", check.id, switches(check)),
    };
    part("asked alone", vec![alone]);
    part("seen failing", planted(check));
    text
}

fn switches(check: &Check) -> String {
    let mut switches = String::new();
    if check.disruptive {
        switches.push_str(" --allow-disruptive");
    }
    if check.needs.contains(&Need::LoadBalancerAllowed) {
        switches.push_str(" --allow-load-balancer");
    }
    switches
}

fn asked(check: &Check) -> Vec<String> {
    let often = match check.scope {
        Scope::Cluster => "once",
        Scope::Target => "once for each target (Windows nodes of one build, patch level, runtime and kubelet)",
        Scope::WindowsNode => "once for each Windows node",
        Scope::EveryNode => "once for each node",
    };
    let mut lines = vec![format!("{}, {often}", check.level)];
    if !check.needs.is_empty() {
        let needs: Vec<&str> = check.needs.iter().copied().map(Need::as_str).collect();
        lines.push(format!("needs {}; without it the check is not applicable", needs.join(" and ")));
    }
    if check.disruptive {
        lines.push("disturbs the cluster: only with --allow-disruptive".to_owned());
    }
    lines
}

fn creates(check: &Check) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for needed in check.uses {
        lines.push(format!("{}, shared with other checks: {}", needed.fixture.name, needed.fixture.summary));
    }
    for object in check.creates.iter().filter_map(|manifest| manifest.objects().ok()).flatten() {
        lines.push(format!("{} {}, of its own", object.kind_name(), object.name()));
    }
    if lines.is_empty() {
        lines.push("nothing: it only looks".to_owned());
    }
    lines.dedup();
    lines
}

fn budget(check: &Check) -> String {
    let own = format!("its own asking at most {}", seconds(check.budget));
    match check.uses.is_empty() && check.creates.is_empty() {
        true => own,
        false => format!(
            "{own}; before that its pods may take {} to pull and {} to start (times --timeout-scale)",
            seconds(Budget::Pull.unscaled()),
            seconds(Budget::Start.unscaled())
        ),
    }
}

/// The shipped faults that must turn it red.
fn planted(check: &Check) -> Vec<String> {
    catalogue::names()
        .filter_map(|name| catalogue::get(name).ok())
        .filter(|fault| fault.expect.as_ref().is_some_and(|expect| expect.must.iter().any(|id| id == check.id)))
        .map(|fault| {
            format!("winconform run --testbed --fault {} --check {}   # {}", fault.name, check.id, fault.summary)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_reads_as_a_page() {
        let check = winconform_suites::all().into_iter().find(|check| check.id == "nodes/windows-build-label");
        insta::assert_snapshot!(in_words(check.unwrap()));
    }
}
