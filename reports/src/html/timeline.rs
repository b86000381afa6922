//! What happened when: fixtures, their pods and the checks on one axis.

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{check_anchor, line, mark_class, scrolling, share},
};
use crate::{
    event::Phase,
    report::{
        Report,
        grid::{Grid, Row},
    },
    words::{counted, milliseconds, seconds},
};

/// Rows of the picture; the longest are shown.
const ROWS: usize = 120;

/// Bars of a row that run at one time stand below each other, this many deep.
const DEEP: usize = 6;

/// A row of the picture.
struct Lane {
    name: String,
    link: Option<String>,
    kind: &'static str,
    critical: bool,
    bars: Vec<Bar>,
}

/// A stretch of a row, in seconds since the run started.
struct Bar {
    from: f64,
    to: f64,
    class: String,
    words: String,
}

impl Lane {
    fn begin(&self) -> f64 {
        self.bars.iter().map(|bar| bar.from).fold(f64::INFINITY, f64::min)
    }

    fn end(&self) -> f64 {
        self.bars.iter().map(|bar| bar.to).fold(0.0, f64::max)
    }
}

pub(super) fn section(report: &Report, grid: &Grid<'_>) -> Option<Section> {
    let mut lanes = fixtures(report);
    lanes.extend(pods(report));
    lanes.extend(grid.checks().filter_map(|row| check(report, row)));
    lanes.retain(|lane| !lane.bars.is_empty());
    if lanes.is_empty() {
        return None;
    }
    let all = lanes.len();
    // The critical path first, then what took longest: the rest decides nothing.
    lanes.sort_by(|a, b| {
        let length = |lane: &Lane| lane.end() - lane.begin();
        b.critical.cmp(&a.critical).then(length(b).total_cmp(&length(a)))
    });
    lanes.truncate(ROWS);
    // A fixture, then its pods, which start with it.
    lanes.sort_by(|a, b| a.begin().total_cmp(&b.begin()).then(a.kind.cmp(b.kind)).then(a.end().total_cmp(&b.end())));
    let whole = lanes.iter().map(Lane::end).fold(report.run.wall_s, f64::max).max(0.001);
    let picture = html! {
        div.timeline {
            div.axis aria-hidden="true" {
                @for tick in ticks(whole) { span style={ "left:" (share(tick, whole)) } { (tick_words(tick)) } }
            }
            ol { @for lane in &lanes { (row(lane, whole)) } }
        }
    };
    let body = html! {
        (summary(report))
        ul.legend {
            li { span class="swatch t-fixture" aria-hidden="true" {} "fixture starting" }
            li { span class="swatch t-use" aria-hidden="true" {} "fixture in use" }
            li { span class="swatch t-pod" aria-hidden="true" {} "pod starting, by phase" }
            li { span class="swatch m-ok" aria-hidden="true" {} "check asking" }
            li { span.critical { "◆" } " on the critical path" }
        }
        (scrolling("Timeline of the run", &picture))
        @if all > ROWS { p.quiet { (counted(all - ROWS, "shorter row")) " left out." } }
    };
    Some(Section { id: "timeline", title: "Where the time went", body })
}

fn summary(report: &Report) -> Markup {
    let run = &report.run;
    html! {
        dl.facts {
            @if let Some(boot) = run.boot_s { div { dt { "Testbed’s boot" } dd { (seconds(boot)) } } }
            div { dt { "Run" } dd { (seconds(run.wall_s)) } }
            @if let Some(path) = run.critical_path_s { div { dt { "Critical path" } dd { (seconds(path)) } } }
            @if let Some(overhead) = run.overhead { div { dt { "Overhead" } dd { (format!("{:.0} %", overhead * 100.0)) } } }
            @if let Some(requests) = run.api_requests { div { dt { "API requests" } dd { (requests) } } }
        }
        @if !run.critical_path.is_empty() {
            p { "The critical path, the longest chain of what the cluster took:" }
            ol.chain { @for link in run.critical_path.iter().take(20) { li { (line(link)) } } }
        }
    }
}

/// Whether something is a link of the critical path, which are `NAME 5.1 s`.
fn is_critical(report: &Report, name: &str) -> bool {
    report.run.critical_path.iter().any(|link| link.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))
}

fn fixtures(report: &Report) -> Vec<Lane> {
    let lane = |fixture: &crate::report::Fixture| {
        let start = fixture.started_s?;
        let end = fixture.removed_s.unwrap_or(report.run.wall_s).max(start);
        let mut bars = Vec::new();
        match (fixture.ready_s, &fixture.failed) {
            (Some(ready), _) => {
                bars.push(bar(start, ready, "t-fixture", format!("ready after {}", seconds(ready - start))));
                bars.push(bar(ready, end, "t-use", "in use".to_owned()));
            }
            (None, Some(why)) => bars.push(bar(start, end, "m-failed", format!("failed: {}", line(why)))),
            (None, None) => bars.push(bar(start, end, "m-unknown", "never ready".to_owned())),
        }
        let critical = is_critical(report, &fixture.name);
        Some(Lane { name: line(&fixture.name), link: None, kind: "fixture", critical, bars })
    };
    report.fixtures.iter().filter_map(lane).collect()
}

/// Pods start with what owns them in their round; each phase is a bar. Of a check only the first start is known.
fn pods(report: &Report) -> Vec<Lane> {
    let starts: std::collections::HashMap<(&str, u32), f64> = report
        .fixtures
        .iter()
        .filter_map(|fixture| Some(((fixture.name.as_str(), fixture.round), fixture.started_s?)))
        .chain(report.results.iter().filter_map(|result| Some(((result.id.as_str(), 1), result.started_s?))))
        .collect();
    let lane = |pod: &crate::event::PodTimeline| {
        let mut at = *starts.get(&(pod.owner.as_str(), pod.round))?;
        let bars = pod.phases.iter().enumerate().map(|(place, Phase { name, ms })| {
            let from = at;
            at += std::time::Duration::from_millis(*ms).as_secs_f64();
            let shade = if place % 2 == 0 { "t-pod" } else { "t-pod odd" };
            bar(from, at, shade, format!("{} {}", line(name), milliseconds(*ms)))
        });
        let bars = bars.collect();
        Some(Lane { name: line(&pod.pod), link: None, kind: "pod", critical: false, bars })
    };
    report.pods.iter().filter_map(lane).collect()
}

/// A check's places by target, each from its first question to its last answer.
fn check(report: &Report, row: &Row<'_>) -> Option<Lane> {
    let first = row.results.first()?;
    let mut bars: Vec<(Option<&str>, Bar)> = Vec::new();
    let mut critical = false;
    for result in &row.results {
        let Some(from) = result.started_s else { continue };
        let to = from + result.seconds;
        critical |= is_critical(report, &result.id);
        let class = mark_class(crate::report::grid::Mark::of(result));
        match bars.iter_mut().find(|(target, bar)| *target == result.target.as_deref() && bar.class == class) {
            Some((_, bar)) => (bar.from, bar.to) = (bar.from.min(from), bar.to.max(to)),
            None => {
                let place = result.target.as_deref().unwrap_or("cluster");
                bars.push((result.target.as_deref(), bar(from, to, class, line(place))));
            }
        }
    }
    let bars = bars.into_iter().map(|(_, mut bar)| {
        bar.words = format!("{} {}", bar.words, seconds(bar.to - bar.from));
        bar
    });
    Some(Lane {
        name: first.check.to_string(),
        link: Some(check_anchor(&first.check)),
        kind: "check",
        critical,
        bars: bars.collect(),
    })
}

fn bar(from: f64, to: f64, class: &str, words: String) -> Bar {
    Bar { from, to, class: class.to_owned(), words }
}

fn row(lane: &Lane, whole: f64) -> Markup {
    let words: Vec<String> = lane.bars.iter().take(12).map(|bar| bar.words.clone()).collect();
    let levels = levels(&lane.bars);
    let deep = levels.iter().max().map_or(1, |deepest| deepest + 1);
    html! {
        li class={ "lane " (lane.kind) } {
            span.name {
                @if lane.critical { span.critical title="on the critical path" { "◆" } span.sr { "on the critical path: " } }
                @match &lane.link {
                    Some(link) => a href={ "#" (link) } { (lane.name) },
                    None => (lane.name),
                }
            }
            span.track aria-hidden="true" style=[(deep > 1).then(|| format!("--deep:{deep}"))] {
                @for (bar, level) in lane.bars.iter().zip(&levels) {
                    i class=(bar.class) title=(bar.words)
                        style={
                            "left:" (share(bar.from, whole)) ";width:" (share(bar.to - bar.from, whole))
                            @if *level > 0 { ";--level:" (level) }
                        } {}
                }
            }
            span.sr {
                "from " (seconds(lane.begin())) " to " (seconds(lane.end())) ": " (words.join(", "))
            }
        }
    }
}

/// How far below the first each bar stands, so that none covers another.
fn levels(bars: &[Bar]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bars.len()).collect();
    order.sort_by(|one, other| bars[*one].from.total_cmp(&bars[*other].from));
    let mut ends: Vec<f64> = Vec::new();
    let mut levels = vec![0; bars.len()];
    for place in order {
        let bar = &bars[place];
        let level = ends.iter().position(|end| *end <= bar.from).unwrap_or(ends.len()).min(DEEP - 1);
        match ends.get_mut(level) {
            Some(end) => *end = end.max(bar.to),
            None => ends.push(bar.to),
        }
        levels[place] = level;
    }
    levels
}

/// At most six round numbers along the axis.
fn ticks(whole: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf((whole / 6.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| whole / step <= 6.0);
    let Some(step) = step.filter(|step| *step > 0.0) else { return Vec::new() };
    (0_u8..7).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= whole * 0.97).collect()
}

fn tick_words(tick: f64) -> String {
    if tick >= 120.0 { format!("{:.0} min", tick / 60.0) } else { format!("{} s", (tick * 100.0).round() / 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_that_run_at_one_time_stand_below_each_other() {
        let bars =
            |ends: &[(f64, f64)]| ends.iter().map(|(from, to)| bar(*from, *to, "", String::new())).collect::<Vec<_>>();
        assert_eq!(levels(&bars(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)])), [0, 0, 0]);
        assert_eq!(levels(&bars(&[(1.0, 4.0), (0.0, 2.0), (2.0, 3.0)])), [1, 0, 0]);
        assert_eq!(levels(&bars(&[(0.0, 1.0); 9])), [0, 1, 2, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn an_axis_has_a_few_round_numbers() {
        assert_eq!(ticks(3.1), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(1500.0), [0.0, 500.0, 1000.0]);
        assert_eq!(ticks(0.0), [] as [f64; 0]);
        assert!(ticks(f64::NAN).is_empty());
    }
}
