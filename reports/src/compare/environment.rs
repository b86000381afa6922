//! What differs in the environment of two runs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Snapshot, model::Difference, pairing::Pairing};
use crate::event::{Node, SystemRole, SystemWorkload};

pub(super) fn compare(base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) -> Vec<Difference> {
    let mut differences = Differences::default();
    cluster(&mut differences, base, candidate);
    nodes(&mut differences, base, candidate, pairing);
    images(&mut differences, base, candidate, pairing);
    differences.0
}

/// Differences, equal ones on several nodes told once.
#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn note(&mut self, what: &str, base: Option<&str>, candidate: Option<&str>, on: Option<&str>) {
        let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let (base, candidate) = (some(base), some(candidate));
        if base == candidate {
            return;
        }
        let alike = |known: &&mut Difference| known.what == what && known.base == base && known.candidate == candidate;
        match self.0.iter_mut().find(alike) {
            Some(known) => known.on.extend(on.map(str::to_owned)),
            None => {
                let on = on.map(str::to_owned).into_iter().collect();
                self.0.push(Difference { what: what.to_owned(), base, candidate, on });
            }
        }
    }
}

fn cluster(differences: &mut Differences, base: &Snapshot, candidate: &Snapshot) {
    let mut note = |what: &str, one: Option<&str>, other: Option<&str>| differences.note(what, one, other, None);
    note("winconform", Some(&base.version), Some(&candidate.version));
    if let (Some(one), Some(other)) = (&base.testbed, &candidate.testbed) {
        note("testbed shape", Some(&one.shape), Some(&other.shape));
        note("testbed latency", Some(&one.latency), Some(&other.latency));
        note("testbed faults", Some(&one.faults.join(", ")), Some(&other.faults.join(", ")));
    }
    let (Some(one), Some(other)) = (&base.cluster, &candidate.cluster) else { return };
    note("Kubernetes", Some(&one.version), Some(&other.version));
    note("provider", one.provider.as_deref(), other.provider.as_deref());
    // What one side could not list says nothing of what runs there.
    if one.system.is_empty() || other.system.is_empty() {
        return;
    }
    let ours: BTreeMap<&str, &SystemWorkload> = one.system.iter().map(|it| (it.name.as_str(), it)).collect();
    let theirs: BTreeMap<&str, &SystemWorkload> = other.system.iter().map(|it| (it.name.as_str(), it)).collect();
    let names: BTreeSet<&str> = ours.keys().chain(theirs.keys()).copied().collect();
    for name in names {
        let (one, other) = (ours.get(name), theirs.get(name));
        let role = one.or(other).and_then(|workload| workload.role);
        let what = match role {
            Some(SystemRole::Cni) => format!("CNI {name}"),
            Some(SystemRole::KubeProxy) => format!("kube-proxy {name}"),
            None => format!("system pods {name}"),
        };
        let words = |workload: Option<&&SystemWorkload>| {
            workload.map(|workload| {
                let mode = workload.mode.as_ref().map(|mode| format!(", mode {mode}")).unwrap_or_default();
                format!("{}{mode}", workload.images.join(", "))
            })
        };
        note(&what, words(one).as_deref(), words(other).as_deref());
    }
}

/// Node by node, in the candidate's names.
fn nodes(differences: &mut Differences, base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) {
    type Field = (&'static str, fn(&Node) -> String);
    const FIELDS: &[Field] = &[
        ("kernel", |node| node.kernel_version.clone()),
        ("os image", |node| node.os_image.clone()),
        ("runtime", |node| node.container_runtime.clone()),
        ("kubelet", |node| node.kubelet.clone()),
        ("arch", |node| node.arch.clone()),
        ("taints", |node| node.taints.join(", ")),
        ("ready", |node| if node.ready { "yes" } else { "no" }.to_owned()),
        ("cordoned", |node| if node.unschedulable { "yes" } else { "no" }.to_owned()),
    ];
    let pairs = || {
        base.nodes.iter().zip(&pairing.nodes).filter_map(|(node, pair)| {
            let other = candidate.nodes.get((*pair)?.0 as usize)?;
            Some((node, other))
        })
    };
    for (what, field) in FIELDS {
        for (node, other) in pairs() {
            let what = if *what == "kernel" && node.os == "windows" { "Windows build" } else { what };
            differences.note(what, Some(&field(node)), Some(&field(other)), Some(&other.name));
        }
    }
    for (node, other) in pairs() {
        let (Some(ours), Some(theirs)) = (&node.updates, &other.updates) else { continue };
        let only = |some: &[String], others: &[String]| {
            some.iter().filter(|update| !others.contains(update)).cloned().collect::<Vec<_>>().join(", ")
        };
        let (gone, new) = (only(ours, theirs), only(theirs, ours));
        differences.note("updates", Some(&gone), Some(&new), Some(&other.name));
    }
}

/// By target and repository: a tag may differ since it names the build.
fn images(differences: &mut Differences, base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) {
    let of = |snapshot: &Snapshot, target: Option<&str>| -> BTreeMap<String, BTreeSet<String>> {
        let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for seen in snapshot.images.iter().filter(|seen| seen.target.as_deref() == target) {
            let (repository, tag) = split(&seen.image.image);
            let digest: String = seen.image.digest.chars().take("sha256:".len() + 12).collect();
            images.entry(repository.to_owned()).or_default().insert(format!("{tag} {digest}").trim().to_owned());
        }
        images
    };
    let targets = base.targets.iter().zip(&pairing.targets).filter_map(|(target, pair)| {
        let other = candidate.targets.get((*pair)?.0 as usize)?;
        Some((Some(target.name.as_str()), Some(other.name.as_str())))
    });
    for (target, other) in targets.chain([(None, None)]) {
        let (ours, theirs) = (of(base, target), of(candidate, other));
        for (repository, digests) in &ours {
            // An image that only one side ran belongs to a check that only one side asked.
            let Some(others) = theirs.get(repository) else { continue };
            let words = |digests: &BTreeSet<String>| digests.iter().cloned().collect::<Vec<_>>().join(", ");
            let on = other.unwrap_or("linux");
            differences.note(&format!("image {repository}"), Some(&words(digests)), Some(&words(others)), Some(on));
        }
    }
}

/// The repository of an image, and its tag or digest.
fn split(image: &str) -> (&str, &str) {
    if let Some((repository, _)) = image.split_once('@') {
        return (repository, "");
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}
