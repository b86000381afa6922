//! Checks × targets, with a filter above it.

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{cell, check_anchor, line, scrolling, tally_states},
};
use crate::report::grid::{Grid, Mark, Row, Suite, Tally};

pub(super) fn section(grid: &Grid<'_>) -> Option<Section> {
    if grid.suites.is_empty() {
        return None;
    }
    let table = html! {
        table.grid {
            caption.sr { "Checks by target" }
            thead {
                tr {
                    th scope="col" { "Check" }
                    @for column in &grid.columns { th scope="col" { (line(column.unwrap_or("cluster"))) } }
                }
            }
            @for suite in &grid.suites { (rows(suite, grid.columns.len())) }
        }
    };
    let body = html! { (filter(grid)) (scrolling("Checks by target", &table)) };
    Some(Section { id: "table", title: "Checks by target", body })
}

fn rows(suite: &Suite<'_>, columns: usize) -> Markup {
    html! {
        tbody {
            tr.suite { th scope="rowgroup" colspan=(columns + 1) { (suite.name) } }
            @for row in &suite.checks { (check(row)) }
        }
    }
}

fn check(row: &Row<'_>) -> Markup {
    let Some(first) = row.results.first() else { return html! {} };
    html! {
        tr data-states=(tally_states(row.tally())) data-find=(find(row)) {
            th scope="row" {
                a href={ "#" (check_anchor(&first.check)) } { (first.check.name()) }
                span.quiet { " " (line(&first.statement)) }
            }
            @for tally in &row.cells { (cell(*tally)) }
        }
    }
}

/// What a search finds a check by.
pub(super) fn find(row: &Row<'_>) -> String {
    let Some(first) = row.results.first() else { return String::new() };
    let odd = row.results.iter().filter(|result| Mark::of(result) != Mark::Passed);
    let places = odd.filter_map(|result| result.node.as_deref()).take(50).collect::<Vec<_>>().join(" ");
    line(&format!("{} {} {} {places}", first.check, first.title, first.statement)).to_lowercase()
}

/// Needs the script, and is shown by it.
fn filter(grid: &Grid<'_>) -> Markup {
    let mut tally = Tally::default();
    grid.checks().flat_map(|row| &row.results).for_each(|result| tally.add(Mark::of(result)));
    html! {
        form.filter hidden role="search" aria-label="Filter the checks" {
            label for="search" { "Search" }
            input type="search" id="search" placeholder="check, statement or node" autocomplete="off";
            div.states role="group" aria-label="Show" {
                button type="button" data-state="" aria-pressed="true" { "all" }
                @for (mark, _) in tally.marks() {
                    button type="button" data-state=(mark.as_word()) aria-pressed="false" { (mark.as_word()) }
                }
            }
            output for="search" {}
        }
    }
}
