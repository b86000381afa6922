//! The pages in a real browser: what a person sees, hears and types.
//!
//! Where there is no Chromium the tests say so and are skipped; `.ci/run pages` gets
//! one. `WINCONFORM_PICTURES=FOLDER` keeps pictures of every page on every screen,
//! for people to look at.

#![expect(clippy::unwrap_used, reason = "a panic fails the test; the lint exempts tests, not what they share")]
#![cfg(unix)]

mod accessible;
mod browser;
mod readable;
mod usable;

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use winconform_reports::{
    Event, Record, Report,
    compare::{Snapshot, compare, page},
    history::{self, History, history},
    html::to_html,
    read_log,
};

use crate::browser::Browser;

/// Every kind of page there is, as files.
struct Pages {
    _folder: TempDir,
    all: Vec<(&'static str, PathBuf)>,
}

impl Pages {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (records("healthy.ndjson"), records("mixed.ndjson"));
        let (base, candidate) = (Report::from_records(&good), Report::from_records(&bad));
        let snapshots = [Snapshot::of(&base), Snapshot::of(&candidate)];
        let [before, after] = &snapshots;
        let comparison = compare(before, after, &[]).unwrap();
        let pages = [
            ("healthy", to_html(&base)),
            ("broken", to_html(&candidate)),
            ("judged", to_html(&Report::from_records(&judged(bad, before.clone())))),
            ("compare", page::to_html(&comparison)),
            ("same", page::to_html(&compare(before, before, &[]).unwrap())),
            ("history", history::page::to_html(&nights(&base, &candidate))),
        ];
        let all = pages.map(|(name, text)| {
            let path = folder.path().join(format!("{name}.html"));
            fs::write(&path, text).unwrap();
            (name, path)
        });
        Self { _folder: folder, all: all.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.all.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }
}

/// A browser and the pages, where there is a browser.
fn opened() -> Option<(Browser, Pages)> {
    Some((Browser::start(&browser::found()?), Pages::new()))
}

fn records(stream: &str) -> Vec<Record> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    read_log(&folder.join(stream)).unwrap().records
}

/// The same run, judged against a baseline.
fn judged(mut records: Vec<Record>, baseline: Snapshot) -> Vec<Record> {
    records.insert(1, Record { ms: 1, event: Event::BaselineGiven(Box::new(baseline)) });
    records
}

/// Twelve nights, the last two of them bad.
fn nights(good: &Report, bad: &Report) -> History {
    let night = |night: i64| {
        let mut report = if night < 10 { good.clone() } else { bad.clone() };
        report.run.id = format!("night-{night:02}");
        report.run.started = report.run.started.map(|at| at + jiff::SignedDuration::from_hours(24 * night));
        Snapshot::of(&report)
    };
    history((0..12).map(night).collect(), Vec::new())
}
