//! `winconform list`: the checks, without a cluster.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use winconform_harness::{
    Check, Need, Scope,
    run::{Selection, known_ids},
};

use winconform_suites::guide::GUIDE;

use crate::{error::CliError, terminal::Terminal};

/// List the checks: what they ask, of what, and what they need; needs no cluster.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform list
  winconform list --suite reachability --long
  winconform list --guide
  winconform list --json")]
pub struct ListArguments {
    /// Only this suite (repeatable).
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Only this check, or those that a pattern matches (repeatable).
    #[arg(long, value_name = "ID|GLOB")]
    check: Vec<String>,
    /// Also say what passing means, what it does not say, and what is started for it.
    #[arg(long, short, conflicts_with = "json")]
    long: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print the guide, statement by statement, each with its checks.
    #[arg(long, conflicts_with_all = ["suite", "check", "long", "json"])]
    guide: bool,
}

/// What there is to say about a check.
#[derive(Debug, Serialize)]
struct Listed {
    id: &'static str,
    title: &'static str,
    statement: &'static str,
    level: &'static str,
    asked: &'static str,
    needs: Vec<&'static str>,
    fixtures: Vec<&'static str>,
    passing: &'static str,
    silent_on: &'static str,
    disruptive: bool,
}

impl Listed {
    fn of(check: &'static Check) -> Self {
        Self {
            id: check.id,
            title: check.title,
            statement: check.statement,
            level: check.level.as_str(),
            asked: match check.scope {
                Scope::Cluster => "once",
                Scope::Target => "per target",
                Scope::WindowsNode => "per Windows node",
                Scope::EveryNode => "per node",
            },
            needs: check.needs.iter().copied().map(Need::as_str).collect(),
            fixtures: check.uses.iter().map(|needed| needed.fixture.name).collect(),
            passing: check.passing,
            silent_on: check.silent_on,
            disruptive: check.disruptive,
        }
    }
}

/// Prints the checks.
///
/// # Errors
///
/// When a suite or check is none.
pub fn list(arguments: &ListArguments, terminal: Terminal) -> Result<u8, CliError> {
    if arguments.guide {
        terminal.out(&the_guide());
        return Ok(0);
    }
    let checks = winconform_suites::all();
    let selection = Selection::new(&arguments.suite, &arguments.check, &[], None, None, &known_ids(&checks))?;
    let listed: Vec<Listed> = checks
        .into_iter()
        .filter(|check| check.parsed_id().is_ok_and(|id| selection.excludes(&id, false).is_none()))
        .map(Listed::of)
        .collect();
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&listed).map_err(CliError::Json)? + "\n",
        false => in_words(&listed, arguments.long),
    };
    terminal.out(&text);
    Ok(0)
}

/// The guide, part by part.
fn the_guide() -> String {
    let mut text = String::new();
    let mut part = "";
    for statement in GUIDE {
        if statement.part != part {
            let gap = if part.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", statement.part);
            part = statement.part;
        }
        let _ = writeln!(text, "  {:<3}  {}", statement.id, statement.says);
        for check in statement.checks() {
            let _ = writeln!(text, "       {:<46} {}", check.id, check.level);
        }
    }
    text
}

fn in_words(listed: &[Listed], long: bool) -> String {
    let mut text = String::new();
    for check in listed {
        let needs = match check.needs.is_empty() {
            true => String::new(),
            false => format!(", needs {}", check.needs.join(" and ")),
        };
        let disruptive = if check.disruptive { ", disruptive" } else { "" };
        let _ = writeln!(text, "{:<46} {:<3} {}", check.id, check.statement, check.title);
        let _ = writeln!(text, "{:<50} {}, {}{needs}{disruptive}", "", check.level, check.asked);
        if long {
            let _ = writeln!(text, "    passing: {}", check.passing);
            let _ = writeln!(text, "    it does not say: {}", check.silent_on);
            if !check.fixtures.is_empty() {
                let _ = writeln!(text, "    starts: {}", check.fixtures.join(", "));
            }
        }
    }
    text
}
