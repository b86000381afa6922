//! Every shape of cluster that the testbed has: healthy, so nothing is red and nothing unknown.
//!
//! What is not applicable is asserted by name and reason, so that a check which
//! quietly stops being asked is seen.

use std::{collections::BTreeMap, fmt::Write};

use winconform_reports::{Disposition, Report, VerdictKind, read_log};
use winconform_testbed::shape::Shape;

use crate::command::Home;

/// What the answers of a shape are, beyond those that passed.
fn asked(shape: &str) -> String {
    let home = Home::new();
    let done = home.run(&format!("run --testbed --shape {shape} --out run"));
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    for result in &report.results {
        let wrong = matches!(result.verdict, VerdictKind::Failed | VerdictKind::Undetermined)
            || matches!(result.disposition, Disposition::Red | Disposition::Unknown);
        assert!(!wrong, "shape {shape}: {} is {}: {}\n{}", result.id, result.verdict, result.reason, done.err);
    }
    let nothing_to_ask = report.targets.is_empty();
    assert_eq!(done.code, Some(if nothing_to_ask { 3 } else { 0 }), "shape {shape}: {done:#?}");
    assert_eq!(report.leftovers, Vec::<String>::new(), "shape {shape}");

    let mut kinds: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for result in report.results.iter().filter(|result| result.verdict != VerdictKind::Passed) {
        let why = if result.verdict == VerdictKind::NotApplicable { result.reason.as_str() } else { "" };
        let place = result.node.as_deref().or(result.target.as_deref()).unwrap_or("cluster").to_owned();
        kinds.entry((result.check.to_string(), format!("{}: {why}", result.verdict))).or_default().push(place);
    }
    let mut text = String::new();
    for ((check, why), places) in kinds {
        let _ = writeln!(text, "{check} @ {}\n    {}", places.join(", "), why.trim_end_matches([':', ' ']));
    }
    text
}

macro_rules! shapes {
    ($($test:ident: $shape:literal,)*) => {
        $(#[test]
        fn $test() {
            insta::with_settings!({ filters => vec![(r"winconform-\d{8}-\d{6}-[0-9a-f]{4}", "winconform-RUN")] }, {
                insta::assert_snapshot!(stringify!($test), asked($shape));
            });
        })*

        #[test]
        fn every_shipped_shape_is_asked() {
            let asked = [$($shape),*].map(|shape| shape.split([':', ' ']).next().unwrap_or_default());
            for shape in Shape::shipped() {
                assert!(asked.contains(&shape), "no test asks the shape `{shape}`");
            }
        }
    };
}

shapes! {
    default: "default",
    large: "large:30",
    limitation_lifted: "limitation-lifted",
    no_active_directory: "no-active-directory",
    no_host_process: "no-host-process",
    no_load_balancer: "no-load-balancer --allow-load-balancer",
    no_windows: "no-windows",
    old_kubelet: "old-kubelet",
    one_build: "one-build",
    one_windows_node: "one-windows-node",
    other_taint: "other-taint",
    preview_build: "preview-build",
    preview_build_old_containerd: "preview-build-old-containerd",
    three_builds: "three-builds",
    two_patch_levels: "two-patch-levels",
    untainted: "untainted",
}
