//! The guide as printed, step by step (`--literal`).

use super::layout::Page;
use crate::{event::Observation, report::Report};

/// What became of each step of each edition; nothing in other runs.
pub(super) fn steps(page: &mut Page, report: &Report) {
    for result in &report.results {
        let mut steps = result.observations.iter().filter_map(|observation| match observation {
            Observation::Step { step, worked, outcome, why } => Some((step, *worked, outcome, why)),
            _ => None,
        });
        let Some(first) = steps.next() else { continue };
        page.title(&format!("{}: {}", result.title, result.reason));
        for (step, worked, outcome, why) in std::iter::once(first).chain(steps) {
            let mark = if worked { page.style().good("works") } else { page.style().odd("differs") };
            page.item("", &mark, step);
            page.item("", "", outcome);
            if let Some(why) = why {
                page.item("", "why", why);
            }
        }
    }
}
