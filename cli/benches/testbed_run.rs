//! What a run costs: `cargo bench --bench testbed_run`, or `… -- 20` for twenty runs.
//!
//! Runs `winconform run --testbed` again and again, as users do, and prints the
//! medians of what its reports and the system say. docs/benchmark.md says how to
//! read them.

#![expect(clippy::print_stdout, reason = "printing is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has nothing to go on with")]

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use winconform_reports::Report;

/// How often the memory of a run is looked at. The system keeps its peak, so only the last look may be late.
const LOOK: Duration = Duration::from_millis(20);

/// One run, in seconds and mebibytes.
struct Measured {
    report: Report,
    elapsed: f64,
    peak: f64,
}

fn main() {
    let runs = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    println!("{runs} runs of `winconform run --testbed` (after one that fills the cache)");
    measure();
    let measured: Vec<Measured> = (0..runs).map(|_| measure()).collect();
    let show = |name: &str, unit: &str, of: &dyn Fn(&Measured) -> f64| {
        let mut values: Vec<f64> = measured.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let (least, median, most) = (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)));
        println!("  {name:<34} {median:>8.2} {unit:<8} ({least:.2} to {most:.2})");
    };
    show("from start to exit", "s", &|run| run.elapsed);
    show("boot, to schedulable nodes", "s", &|run| run.report.run.boot_s.unwrap_or_default());
    show("run, from first request to clean", "s", &|run| run.report.run.wall_s);
    show("critical path", "s", &|run| run.report.run.critical_path_s.unwrap_or_default());
    show("overhead over the critical path", "%", &|run| run.report.run.overhead.unwrap_or_default() * 100.0);
    show("requests per answer", "", &requests_per_answer);
    show("peak memory of winconform itself", "MiB", &|run| run.peak);
    let red = measured.iter().filter(|run| run.report.run.exit_code != 0).count();
    println!("  runs that were not conformant      {red:>5}");
    assert_eq!(red, 0, "a benchmark of runs that fail measures nothing");
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn requests_per_answer(run: &Measured) -> f64 {
    run.report.run.api_requests.unwrap_or_default() as f64 / run.report.run.counts.total.max(1) as f64
}

fn measure() -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_winconform"))
        .args(["run", "--testbed", "--quiet", "--out", "run", "--report", "json=report.json"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let peak = peak_until_its_end(child);
    let elapsed = started.elapsed().as_secs_f64();
    let report = fs::read_to_string(folder.path().join("report.json")).unwrap();
    Measured { report: serde_json::from_str(&report).unwrap(), elapsed, peak }
}

/// The most memory it ever held, in MiB; the testbed is another process and not counted. 0 where there is no `/proc`.
fn peak_until_its_end(mut child: Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let (tell, ended) = channel();
    let waiting = thread::spawn(move || tell.send(child.wait().unwrap()));
    let mut peak = 0.0;
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        peak = kib.map_or(peak, |kib| kib / 1024.0);
    }
    waiting.join().unwrap().unwrap();
    peak
}
