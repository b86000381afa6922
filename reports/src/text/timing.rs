//! Where the time went.

use super::layout::Page;
use crate::{report::Report, words::seconds};

/// Links of the critical path that are shown.
const LINKS: usize = 4;

pub(super) fn write(page: &mut Page, report: &Report) {
    let run = &report.run;
    let mut parts = Vec::new();
    parts.extend(run.boot_s.map(|boot| format!("boot {}", seconds(boot))));
    let rounds = if run.rounds > 1 { format!(" in {} rounds", run.rounds) } else { String::new() };
    parts.push(format!("run {}{rounds}", seconds(run.wall_s)));
    parts.extend(run.critical_path_s.map(|path| format!("critical path {}", seconds(path))));
    parts.extend(run.overhead.map(|overhead| format!("overhead {:.0} %", overhead * 100.0)));
    page.blank();
    page.item("", "time", &parts.join(", "));
    let mut links: Vec<String> = run.critical_path.iter().take(LINKS).cloned().collect();
    if run.critical_path.len() > LINKS {
        links.push(format!("and {} more", run.critical_path.len() - LINKS));
    }
    if !links.is_empty() {
        page.item("", "", &format!("longest: {}", links.join(" · ")));
    }
    slowest_starts(page, report);
    if let Some(requests) = run.api_requests {
        page.item("", "requests", &format!("{requests} to the API server{}", per_answer(requests, run.counts.total)));
    }
}

/// With one decimal, in whole numbers so that it reads the same everywhere.
fn per_answer(requests: u64, answers: usize) -> String {
    let tenths = u64::try_from(answers).ok().and_then(|answers| requests.saturating_mul(10).checked_div(answers));
    tenths.map(|tenths| format!(", {}.{} per answer", tenths / 10, tenths % 10)).unwrap_or_default()
}

/// How long pods took to start on each target: what a new build changes first.
fn slowest_starts(page: &mut Page, report: &Report) {
    let mut starts = Vec::new();
    for target in &report.targets {
        let slowest = report
            .pods
            .iter()
            .filter(|pod| pod.target.as_ref() == Some(&target.name))
            .map(|pod| pod.phases.iter().map(|phase| phase.ms).sum::<u64>())
            .max();
        if let Some(ms) = slowest {
            starts.push(format!("{} on {}", seconds(std::time::Duration::from_millis(ms).as_secs_f64()), target.name));
        }
    }
    if !starts.is_empty() {
        page.item("", "pod start", &format!("{} (slowest of each target)", starts.join(", ")));
    }
}
