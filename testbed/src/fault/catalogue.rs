//! The faults that ship with the crate: incidents that operators of Windows nodes reported.

use super::{Fault, FaultError, load::nearest};

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../faults/", $name, ".yaml"))),)*]
    };
}

/// Name and YAML of each, in the order of their names.
const SHIPPED: &[(&str, &str)] = shipped![
    "api-01-api-server-busy",
    "api-02-watches-end",
    "api-03-scheduler-does-nothing",
    "api-04-controllers-do-not-follow",
    "gmsa-01-webhook-down",
    "gmsa-02-webhook-without-a-valid-certificate",
    "gmsa-03-service-account-may-not-use-spec",
    "gmsa-04-credential-spec-missing",
    "gmsa-05-contents-not-those-of-the-spec",
    "gmsa-07-every-second-pod-loses-trust",
    "gmsa-08-no-logon-servers",
    "gmsa-09-share-by-name-denied",
    "gmsa-10-host-may-not-read-the-password",
    "gmsa-11-credential-spec-ignored",
    "gmsa-12-share-denied",
    "gmsa-13-webhook-lets-all-through",
    "image-01-no-match-for-platform",
    "image-02-image-of-another-release",
    "image-03-old-containerd-wants-os-version",
    "image-04-preview-build-refuses-older-images",
    "image-06-mismatch-at-create",
    "image-07-pause-image-lacks-variant",
    "image-08-sandbox-name-reserved",
    "image-10-directory-name-is-invalid",
    "image-11-slow-unpack",
    "image-12-linux-images-on-windows",
    "image-14-projected-volume-cannot-be-mounted",
    "image-15-service-monitor-gives-up",
    "image-16-server-does-not-listen",
    "limit-01-hosts-reach-services",
    "limit-02-partial-names-found",
    "limit-03-any-image-runs",
    "net-01-host-network-service-lost",
    "net-02-pods-older-than-their-network",
    "net-04-no-network-at-first",
    "net-05-patch-breaks-pod-network",
    "net-06-outbound-rules-missing-in-some-pods",
    "net-07-source-ports-exhausted",
    "net-09-no-ping-beyond-the-cluster",
    "net-11-no-pod-network-on-node",
    "net-13-address-annotation-missing",
    "net-14-pod-addresses-used-up",
    "net-15-pings-dropped-between-pods",
    "net-16-pods-of-one-node-apart",
    "net-17-host-cut-off-from-its-pods",
    "net-18-no-pod-network-after-a-reboot",
    "node-01-frozen",
    "node-02-ready-but-answers-nothing",
    "node-03-creates-and-ends-no-pods",
    "node-04-kube-proxy-dead",
    "node-05-disk-full-without-pressure",
    "node-06-disk-pressure",
    "node-09-memory-leak-takes-node-down",
    "node-10-stale-build-label",
    "node-11-mixed-patch-levels",
    "node-13-node-statistics-missing",
    "node-14-network-agent-restarts",
    "node-15-pods-never-end",
    "node-16-architecture-label-lost",
    "node-17-old-product-name",
    "node-18-log-of-a-container-empty",
    "node-19-logs-fall-silent",
    "node-20-runtime-forgets-containers",
    "node-21-cpu-limits-dropped",
    "node-22-memory-request-taken-for-limit",
    "sched-01-no-runtime-for-handler",
    "sched-02-runtime-class-missing",
    "sched-03-build-label-missing",
    "sched-04-taint-in-another-spelling",
    "sched-05-windows-nodes-untainted",
    "sched-06-pods-refused-for-their-system",
    "sched-07-linux-fields-in-windows-pods",
    "sched-08-user-unknown-to-the-sandbox",
    "sched-10-container-user-cannot-log-on",
    "sched-11-user-ignored",
    "sched-12-host-process-pods-forbidden",
    "sched-13-container-user-cannot-listen",
    "sched-14-policy-pins-pods",
    "sched-15-policy-drops-a-field",
    "sched-16-class-selects-nothing",
    "sched-17-any-handler-runs",
    "sched-18-administrator-ignored",
    "sched-19-policy-sets-the-user",
    "sched-20-agents-land-on-windows",
    "sched-21-class-plug-in-off",
    "svc-01-cluster-dns-address-dead",
    "svc-03-load-balancer-not-programmed",
    "svc-04-services-stop-following",
    "svc-06-stale-backends-after-deletion",
    "svc-07-some-pods-lose-services-after-churn",
    "svc-09-no-hairpin",
    "svc-12-api-server-service-unreachable",
    "svc-14-connections-reset-in-a-rollout",
    "svc-17-no-node-port-without-local-backend",
    "svc-19-load-balancer-lost-when-made-again",
    "svc-21-no-names-on-windows",
    "svc-22-too-many-services",
    "svc-23-partial-names-fail-slowly",
    "svc-24-host-process-pod-behind-service",
    "svc-25-cluster-dns-down",
    "svc-26-mapped-port-dead",
    "svc-27-services-dead-on-linux-nodes",
    "svc-28-node-ports-behind-a-firewall",
    "svc-29-no-node-port-from-windows-pods",
];

/// The names of all faults of the catalogue, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The fault of that name, or with that id (`svc-01` for `svc-01-cluster-dns-address-dead`).
///
/// # Errors
///
/// When there is none; the message names the closest.
pub fn get(name: &str) -> Result<Fault, FaultError> {
    let Some((known, yaml)) = SHIPPED.iter().find(|(known, _)| *known == name || id(known) == name) else {
        return Err(FaultError::Unknown { name: name.to_owned(), similar: nearest(name, names()) });
    };
    Fault::parse(yaml, known)
}

/// The YAML of the fault of that name, as it ships.
#[must_use]
pub fn yaml(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, yaml)| *yaml)
}

/// The catalogue id at the start of a name: `svc-01`.
fn id(name: &str) -> &str {
    let end = name.match_indices('-').nth(1).map_or(name.len(), |(at, _)| at);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_in_the_folder_ships_and_nothing_else() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/faults");
        let on_disk: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|file| file.strip_suffix(".yaml").expect("only YAML").to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(names().collect::<Vec<_>>(), on_disk, "in the order of names");
    }

    #[test]
    fn every_shipped_fault_loads_under_its_own_name_and_names_its_source() {
        for name in names() {
            let fault = get(name).unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
            assert_eq!(fault.name, name);
            assert!(!fault.source.is_empty(), "{name} names no source");
            let expect = fault.expect.unwrap_or_else(|| panic!("{name} expects nothing"));
            assert!(!expect.must.is_empty() || expect.verdict != super::super::ExpectedVerdict::Red, "{name}");
            assert!(fault.summary.ends_with('.'), "{name}: a summary is a sentence");
        }
    }

    #[test]
    fn ids_are_unique_and_name_their_fault() {
        let ids: BTreeSet<_> = names().map(id).collect();
        assert_eq!(ids.len(), names().count());
        for id in ids {
            assert!(get(id).unwrap().name.starts_with(id));
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_right_one() {
        let Some(first) = names().next() else { return };
        let said = get(&first[..first.len() - 1]).unwrap_err().to_string();
        assert!(said.contains(&format!("did you mean `{first}`")), "{said}");
    }
}
