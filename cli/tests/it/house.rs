//! The house's own rules, held against what cargo says of it.

use std::{collections::BTreeSet, fs};

use cargo_metadata::{MetadataCommand, Package};

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

fn packages() -> Vec<Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .unwrap();
    metadata.packages
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

#[test]
fn there_is_one_tls_provider() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"ring\""));
    assert!(!lock.contains("name = \"aws-lc-rs\""), "with two providers rustls panics at its first client");
}
