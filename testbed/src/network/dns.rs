//! Names: which ones a resolver tries, and what the cluster's DNS server knows.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{CLUSTER_DOMAIN, DNS_SERVER, DnsError, Inner, ServiceTable, Source, attempt::Fate, path::Path};
use crate::{
    fault::{Answer, Broken, Kind, Protocol, Search, ServiceName},
    shape::Os,
};

/// How many dots make Linux try a name as it is before it tries the search list (`ndots:5`).
const NDOTS: usize = 5;

/// What a name resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The full name that had the answer.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
}

/// What became of a question, and how long that takes in real time.
pub(super) struct Outcome {
    pub(super) delay: std::time::Duration,
    pub(super) answer: Result<Resolved, DnsError>,
}

/// The suffixes that pods of a namespace have for incomplete names. On Windows only the first one works, so a
/// Windows pod shows no others either, unless that limitation is lifted.
pub(crate) fn search_list(namespace: &str, os: Os, partial_names: bool) -> Vec<String> {
    let all = [format!("{namespace}.svc.{CLUSTER_DOMAIN}"), format!("svc.{CLUSTER_DOMAIN}"), CLUSTER_DOMAIN.to_owned()];
    let known = if os == Os::Windows && !partial_names { 1 } else { all.len() };
    all.into_iter().take(known).collect()
}

/// The suffixes that `search` gives the pods of a namespace.
pub(crate) fn suffixes(search: &Search, namespace: &str) -> Vec<String> {
    match search {
        Search::Whole => search_list(namespace, Os::Linux, true),
        Search::None => Vec::new(),
        Search::Suffixes(suffixes) => suffixes.clone(),
    }
}

/// The full names that a resolver asks for, in order.
///
/// Linux pods complete names with all of [`search_list`] and `ndots:5`. Windows pods take every name with a dot as
/// complete (kubernetes.io, DNS for Services and Pods, "DNS resolution on Windows nodes"), unless that limitation is
/// lifted. Whoever is not in a pod has no cluster suffix. A fault may give another list.
fn candidates(from: &Source, name: &str, partial_names: bool, search: Option<&Search>) -> Vec<String> {
    let partial_names = partial_names || search == Some(&Search::Whole);
    let name = name.to_ascii_lowercase();
    if let Some(full) = name.strip_suffix('.') {
        return vec![full.to_owned()];
    }
    let Some(pod) = from.pod().filter(|pod| !pod.host_network) else { return vec![name] };
    let os = pod.node.os;
    let list = search
        .map_or_else(|| search_list(&pod.namespace, os, partial_names), |search| suffixes(search, &pod.namespace));
    let searched = list.into_iter().map(|suffix| format!("{name}.{suffix}"));
    let complete = match os {
        Os::Windows if !partial_names && name.contains('.') => return vec![name],
        Os::Windows => false,
        Os::Linux => name.matches('.').count() >= NDOTS,
    };
    let (first, last) = if complete { (Some(name.clone()), None) } else { (None, Some(name.clone())) };
    first.into_iter().chain(searched).chain(last).collect()
}

impl Inner {
    /// Asks the DNS server at `server`, or the usual one, for a name.
    pub(super) fn question(&self, from: &Source, server: Option<Ipv4Addr>, name: &str) -> Outcome {
        let mut candidates = candidates(from, name, self.features.partial_names, None);
        let (delay, reached) = match self.resolver(from, server) {
            Some(path) => {
                let attempt = self.attempt_on(from, &path, Protocol::Udp);
                (attempt.delay, attempt.fate)
            }
            // The host's own resolver is not the cluster's.
            None => (std::time::Duration::ZERO, Fate::Open(SocketAddrV4::new(DNS_SERVER, 53), None)),
        };
        let healthy = match reached {
            Fate::Open(..) => self.found(from, name, &mut candidates),
            Fate::Broken(Broken::Refused | Broken::Reset) => Err(DnsError::ServerFailure),
            Fate::Broken(Broken::Dropped | Broken::NoRoute | Broken::Silent) => Err(DnsError::TimedOut),
        };
        let answered = !matches!(healthy, Err(DnsError::TimedOut | DnsError::ServerFailure));
        let mut outcome = Outcome { delay, answer: healthy };
        if answered {
            self.rule_name(from, name, candidates, &mut outcome);
        }
        outcome
    }

    /// The answer to a question that reached the server, by the list that completes it for this source.
    fn found(&self, from: &Source, name: &str, candidates: &mut Vec<String>) -> Result<Resolved, DnsError> {
        let answer = |candidates: &[String]| self.records(from, candidates).ok_or(DnsError::NoSuchName);
        let usual = answer(candidates.as_slice());
        let names: Vec<_> = std::iter::once(name.to_ascii_lowercase()).chain(candidates.iter().cloned()).collect();
        let Some((search, mark)) = self.faults.search(from, &names) else { return usual };
        *candidates = self::candidates(from, name, self.features.partial_names, Some(&search));
        let changed = answer(candidates.as_slice());
        if changed != usual {
            self.applied(mark);
        }
        changed
    }

    /// Lets the DNS effects in force change an answer that came.
    fn rule_name(&self, from: &Source, name: &str, candidates: Vec<String>, outcome: &mut Outcome) {
        let full = candidates.first().cloned().unwrap_or_default();
        let names: Vec<_> = std::iter::once(name.to_ascii_lowercase()).chain(candidates).collect();
        let ruling = self.faults.dns(from, &names);
        for (delay, mark) in ruling.delays {
            outcome.delay += delay;
            self.applied(mark);
        }
        let Some((answer, mark)) = ruling.answer else { return };
        let changed = match answer {
            Answer::NoSuchName => Err(DnsError::NoSuchName),
            Answer::Timeout => Err(DnsError::TimedOut),
            Answer::ServerFailure => Err(DnsError::ServerFailure),
            Answer::Addresses(addresses) => {
                let name = outcome.answer.as_ref().map_or(full, |resolved| resolved.name.clone());
                Ok(Resolved { name, addresses })
            }
        };
        if changed != outcome.answer {
            outcome.answer = changed;
            self.applied(mark);
        }
    }

    /// The way to the DNS server; `None` for who does not use the cluster's.
    fn resolver(&self, from: &Source, server: Option<Ipv4Addr>) -> Option<Path> {
        let in_pod = from.pod().is_some_and(|pod| !pod.host_network);
        let server = server.or_else(|| in_pod.then_some(DNS_SERVER))?;
        let to = SocketAddrV4::new(server, 53);
        let path = self.path(from, to, Protocol::Udp);
        if server != DNS_SERVER || path.service.is_some() {
            return Some(path);
        }
        // No such Service: the testbed itself is the server, at the address where a Service would be.
        let kinds = vec![Kind::Service, Kind::Dns];
        Some(Path { to, kinds, service: None, named_node: None, entry: from.node().cloned(), only_local: false })
    }

    /// The first candidate that there are records for.
    fn records(&self, from: &Source, candidates: &[String]) -> Option<Resolved> {
        let in_cluster = from.pod().is_some_and(|pod| !pod.host_network);
        let services = self.services();
        candidates.iter().find_map(|name| {
            let addresses = self
                .members
                .outside_name(name)
                .map(|ip| vec![ip])
                .or_else(|| in_cluster.then(|| self.cluster_records(&services, name, 0)).flatten())?;
            Some(Resolved { name: name.clone(), addresses })
        })
    }

    /// The addresses of a full name of the cluster's domain.
    fn cluster_records(&self, services: &ServiceTable, name: &str, depth: u8) -> Option<Vec<Ipv4Addr>> {
        let labels: Vec<&str> = name.strip_suffix(CLUSTER_DOMAIN)?.strip_suffix('.')?.split('.').collect();
        let (host, service, namespace) = match labels.as_slice() {
            [service, namespace, "svc"] => (None, *service, *namespace),
            [host, service, namespace, "svc"] => (Some(*host), *service, *namespace),
            [dashed, namespace, "pod"] => {
                let ip = dashed.replace('-', ".").parse().ok()?;
                return self.members.pod_at(ip).filter(|pod| pod.namespace == *namespace).map(|pod| vec![pod.ip]);
            }
            _ => return None,
        };
        let service = services.get(&ServiceName { namespace: namespace.to_owned(), name: service.to_owned() })?;
        if let Some(alias) = &service.external_name {
            // A chain of aliases ends somewhere.
            let alias = alias.trim_end_matches('.');
            return self
                .members
                .outside_name(alias)
                .map(|ip| vec![ip])
                .or_else(|| (depth < 4).then(|| self.cluster_records(services, alias, depth + 1)).flatten());
        }
        let headless = service.addresses.is_empty();
        let mut endpoints =
            services.endpoints(&service.name).iter().filter(|endpoint| endpoint.ready).filter(|endpoint| match host {
                None => headless,
                Some(host) => endpoint.hostname.as_deref() == Some(host),
            });
        match (host, headless) {
            (None, false) => service.addresses.first().map(|ip| vec![*ip]),
            (_, _) => {
                let first = endpoints.next()?;
                Some(std::iter::once(first).chain(endpoints).map(|endpoint| endpoint.ip).collect())
            }
        }
    }
}
