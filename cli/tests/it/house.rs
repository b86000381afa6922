//! The house's own rules, held against what cargo says of it.

use std::{collections::BTreeSet, fs};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::command::root;

/// Which of our crates each crate may know. ARCHITECTURE.md says why.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("winconform-manifests", &[]),
    ("winconform-reports", &[]),
    ("winconform-harness", &["winconform-manifests", "winconform-reports"]),
    ("winconform-suites", &["winconform-harness", "winconform-manifests", "winconform-reports"]),
    ("winconform-testbed", &[]),
    (
        "winconform",
        &[
            "winconform-harness",
            "winconform-manifests",
            "winconform-reports",
            "winconform-suites",
            "winconform-testbed",
        ],
    ),
];

fn metadata(options: &[&str]) -> Metadata {
    let options: Vec<String> = options.iter().chain(&["--locked"]).map(|&option| option.to_owned()).collect();
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).other_options(options).exec().unwrap()
}

/// Our own.
fn packages() -> Vec<Package> {
    metadata(&["--no-deps", "--offline"]).packages
}

/// README says `cargo run`, and more than one of our crates has a program.
#[test]
fn cargo_run_means_the_command() {
    let meant: Vec<String> = packages().into_iter().filter_map(|package| package.default_run).collect();
    assert_eq!(meant, ["winconform"]);
}

#[test]
fn a_crate_knows_only_what_it_may() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, MAY_KNOW.iter().map(|(name, _)| *name).collect());
    for package in &packages {
        let (_, may_know) = MAY_KNOW.iter().find(|(name, _)| *name == package.name.as_str()).unwrap();
        // Of every kind: a dev-dependency is an edge like any other.
        let known = package.dependencies.iter().map(|dependency| dependency.name.as_str());
        for known in known.filter(|name| ours.contains(name)) {
            assert!(may_know.contains(&known), "{} must not know {known}", package.name);
        }
    }
}

#[test]
fn reports_and_manifests_speak_to_no_cluster() {
    for package in packages() {
        let clusterless = ["winconform-reports", "winconform-manifests"].contains(&package.name.as_str());
        for dependency in package.dependencies.iter().filter(|_| clusterless) {
            assert!(!["kube", "tokio", "reqwest"].contains(&dependency.name.as_str()), "{}", package.name);
        }
        let has_types = package.dependencies.iter().any(|dependency| dependency.name == "k8s-openapi");
        assert!(package.name.as_str() != "winconform-reports" || !has_types, "reports know no type of Kubernetes");
    }
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    for package in packages() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.manifest_path);
        let versions = manifest.lines().filter(|line| line.contains("version = \""));
        assert_eq!(versions.count(), 0, "{}: versions stand in the workspace", package.manifest_path);
    }
}

/// The quoted words of deny.toml between two of its words.
fn denied_or_allowed(from: &str, to: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once(from).unwrap();
    let (list, _) = rest.split_once(to).unwrap();
    let without_comments = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    without_comments.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether a licence expression can be satisfied: of each part one alternative.
fn is_allowed(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let flat = licence.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" AND ").all(|part| part.split(" OR ").any(|alternative| allowed.contains(alternative.trim())))
}

#[test]
fn what_comes_into_the_tree_is_allowed_to() {
    let (licences, banned) = (denied_or_allowed("allow = [", "\n]"), denied_or_allowed("deny = [", "\n]"));
    assert!(licences.contains("MIT") && banned.contains("aws-lc-rs"));
    assert!(is_allowed("(MIT OR GPL-3.0) AND Unicode-3.0", &licences));
    assert!(!is_allowed("MIT AND GPL-3.0", &licences));
    // Of this platform only: cargo fetches nothing for the others.
    let host = std::process::Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    for package in metadata(&["--offline", "--filter-platform", host.trim()]).packages {
        let licence = package.license.clone().unwrap_or_default();
        assert!(is_allowed(&licence, &licences), "{} has the licence `{licence}`", package.name);
        assert!(!banned.contains(package.name.as_str()), "{} is banned in deny.toml", package.name);
        let known = package.source.as_ref().is_none_or(cargo_metadata::Source::is_crates_io);
        assert!(known, "{} comes from {:?}", package.name, package.source);
    }
}
