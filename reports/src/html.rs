//! One HTML file that a person reads: for a browser, a phone, a screen reader, an archive.
//!
//! It loads nothing (a content security policy forbids it), can be read without
//! scripts, and leaves out rather than grows: what does not fit is counted and
//! named, and the JSON report has all of it. Every text that came from a cluster is
//! made harmless first and escaped by the templates.
//!
//! The [`page`] module is the house style: whoever makes another page (a
//! comparison, a history) fills a [`page::Page`] with sections of its own, and finds
//! marks, pills and bounded texts in [`parts`].

mod checks;
mod environment;
mod findings;
mod overview;
pub mod page;
pub mod parts;
mod reach;
mod starts;
mod table;
mod timeline;
mod verify;

use self::page::{Page, Section};
pub use self::verify::{HtmlFlaw, verify};
use crate::report::{Report, grid::Grid};

/// The most bytes of a page: what a phone loads and scrolls without trouble.
pub const LIMIT: usize = 5_000_000;

/// Writes a report as one HTML file.
#[must_use]
pub fn to_html(report: &Report) -> String {
    let grid = Grid::of(report);
    let page = Page {
        title: format!("{}: winconform {}", report.run.result.as_words(), parts::line(&report.run.id)),
        tone: overview::tone_of(report.run.result),
        eyebrow: overview::eyebrow(report),
        lead: overview::lead(report),
        sections: [
            overview::section(report, &grid),
            findings::section(report),
            overview::changes(report),
            reach::section(report),
            table::section(&grid),
            timeline::section(report, &grid),
            starts::section(report),
            checks::section(report, &grid),
            environment::section(report),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<Section>>(),
        foot: format!("winconform {}", parts::line(&report.run.version)),
    };
    page.render()
}
