//! The checks, one file each, and the fixtures they share.
//!
//! A check is a value: its id, what passing means, what it needs and uses, and
//! how it asks. It touches nothing but its `Context`, and does not depend on the
//! order in which checks are asked. [`all`] is the whole registry, in report order.
//!
//! To add a check, see CONTRIBUTING.md: a file here, a line in its suite's
//! `CHECKS`, and a planned defect that turns it red.

pub mod fixture;
pub mod gmsa;
pub mod guide;
pub mod iis;
pub mod lifecycle;
pub mod literal;
pub mod nodes;
pub mod placement;
pub mod reachability;
pub mod run_as_user;
pub mod runtime_class;
mod trial;
pub mod win_webserver;

use winconform_harness::Check;

/// Every check, in the order in which reports list them.
#[must_use]
pub fn all() -> Vec<&'static Check> {
    [
        nodes::CHECKS,
        win_webserver::CHECKS,
        reachability::CHECKS,
        placement::CHECKS,
        runtime_class::CHECKS,
        iis::CHECKS,
        run_as_user::CHECKS,
        gmsa::CHECKS,
        lifecycle::CHECKS,
    ]
    .concat()
}

/// The guide's manifests as printed, which only `--literal` asks about.
#[must_use]
pub fn literal() -> Vec<&'static Check> {
    literal::CHECKS.to_vec()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// Files of a suite's folder that hold no check.
    const HELPERS: &[&str] = &[
        "gmsa/ground",
        "gmsa/member",
        "literal/steps",
        "literal/unfit",
        "reachability/cluster_services",
        "reachability/limitation",
        "reachability/names",
        "reachability/paths",
        "reachability/ping",
        "reachability/service",
        "run_as_user/user",
        "runtime_class/class",
        "win_webserver/own_page",
        "win_webserver/traffic",
    ];

    #[test]
    fn every_check_file_is_registered_and_every_check_has_its_file() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut on_disk = BTreeSet::new();
        for entry in fs::read_dir(&source).unwrap() {
            let folder = entry.unwrap();
            if !folder.file_type().unwrap().is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue; // snapshots of tests
                }
                let stem = path.strip_prefix(&source).unwrap().with_extension("");
                on_disk.insert(stem.to_str().unwrap().to_owned());
            }
        }
        on_disk.retain(|stem| !HELPERS.contains(&stem.as_str()));
        let registered: BTreeSet<String> = [all(), literal()]
            .concat()
            .iter()
            .map(|check| check.parsed_id().unwrap())
            .map(|id| format!("{}/{}", id.folder(), id.file_stem()))
            .collect();
        assert_eq!(on_disk, registered, "left: files on disk; right: `CHECKS`");
    }

    #[test]
    fn every_manifest_is_used_and_a_checks_own_is_called_as_it_is() {
        let mut used = BTreeSet::new();
        for check in [all(), literal()].concat() {
            used.extend(check.uses.iter().map(|needed| needed.fixture.manifest.path));
            let own = format!("checks/{}.yaml", check.id);
            for manifest in check.creates {
                assert_eq!(manifest.path, own, "{} creates what is called after another check", check.id);
                used.insert(manifest.path);
            }
        }
        let there: BTreeSet<&str> = winconform_manifests::ALL.iter().map(|manifest| manifest.path).collect();
        assert_eq!(used, there, "left: manifests that a check names; right: `manifests::ALL`");
    }

    #[test]
    fn every_check_says_what_it_asks_in_sentences_of_its_own() {
        let mut titles = BTreeSet::new();
        for check in [all(), literal()].concat() {
            assert!(titles.insert(check.title), "{}: another check has this title", check.id);
            for sentence in [check.passing, check.silent_on] {
                assert!(sentence.ends_with('.'), "{}: `{sentence}` is no sentence", check.id);
            }
            assert!(!check.title.ends_with('.') && check.title.len() < 90, "{}: {}", check.id, check.title);
            let explain = &check.explain;
            assert!(
                explain.sources.iter().all(|url| url.starts_with("https://")),
                "{}: {:?}",
                check.id,
                explain.sources
            );
            assert!(!explain.sources.is_empty(), "{} does not say where its promise is written down", check.id);
            assert!(!explain.failures.is_empty(), "{} does not say how it fails", check.id);
            assert!(!explain.by_hand.is_empty(), "{} does not say how a person asks the same", check.id);
        }
    }
}
