//! Where the time went.

use super::layout::{Page, seconds};
use crate::report::Report;

/// Links of the critical path that are shown.
const LINKS: usize = 4;

pub(super) fn write(page: &mut Page, report: &Report) {
    let run = &report.run;
    let mut parts = Vec::new();
    parts.extend(run.boot_s.map(|boot| format!("boot {}", seconds(boot))));
    parts.push(format!("run {}", seconds(run.wall_s)));
    parts.extend(run.critical_path_s.map(|path| format!("critical path {}", seconds(path))));
    parts.extend(run.overhead.map(|overhead| format!("overhead {:.0} %", overhead * 100.0)));
    parts.extend(run.api_requests.map(|requests| match u64::try_from(run.counts.total) {
        Ok(total) if total > 0 => {
            // One decimal, in whole numbers so that it reads the same everywhere.
            let tenths = requests.saturating_mul(10) / total;
            format!("{requests} API requests ({}.{} per answer)", tenths / 10, tenths % 10)
        }
        _ => format!("{requests} API requests"),
    }));
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
