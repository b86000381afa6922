//! Names of Services as pods of ours ask for them, and why they are not found.

use std::net::IpAddr;

use futures::future::join_all;
use winconform_harness::{
    Context, Trouble,
    cluster::Os,
    probe::{Aim, Expect, HttpProbe, Lookup, NameProbe, PodRef, Question, Resolver, is_name},
};
use winconform_reports::{
    Chain,
    event::{Cell, Destination, NameOutcome, NameServer, Observation, Vantage},
};

use super::{
    cluster_services::{DnsService, dns_service},
    paths::{service_ip, settled},
};
use crate::fixture::WIN_WEBSERVER;

/// Fresh lookups of one name: enough to see one in three fail.
const LOOKUPS: u32 = 8;
/// Servers behind the DNS Service that are asked directly.
const SERVERS: usize = 2;

/// The web server's Service at the check's place, by its names.
pub(super) struct Named {
    /// As pods of its namespace call it.
    pub(super) bare: String,
    /// With its namespace and the cluster's domain, where that is known.
    pub(super) full: Option<String>,
    /// Its namespace.
    pub(super) namespace: String,
    /// What the names must lead to.
    pub(super) ip: IpAddr,
    /// What each source's resolver was told, in the sources' order.
    resolvers: Vec<Option<Resolver>>,
}

impl Named {
    /// Learns the names; the domain is what the sources were told it is.
    ///
    /// # Errors
    ///
    /// When the Service is not there.
    pub(super) async fn learn(cx: &Context, sources: &[PodRef]) -> Result<Self, Trouble> {
        let bare = cx.fixture(&WIN_WEBSERVER)?.key.slug();
        let ip = service_ip(cx, &WIN_WEBSERVER)?;
        let ip = ip.parse().map_err(|_no_address| Trouble::Unexpected(format!("the Service's IP `{ip}` is none")))?;
        let namespace = cx.namespace().to_owned();
        let asked = join_all(sources.iter().map(|pod| cx.resolver_of(pod))).await;
        let resolvers: Vec<Option<Resolver>> = asked.into_iter().map(|told| told.ok().flatten()).collect();
        let domain = resolvers.iter().flatten().find_map(|resolver| resolver.domain_of(&namespace));
        let full = domain.map(|domain| format!("{bare}.{namespace}.svc.{domain}"));
        Ok(Self { bare, full: full.filter(|name| is_name(name)), namespace, ip, resolvers })
    }

    /// Asks for a name from a pod as applications do.
    pub(super) fn ask(&self, cx: &Context, from: &PodRef, name: &str) -> HttpProbe {
        let aim = Aim::page(Destination::ServiceName, name, 80, None).in_queue(format!("names on {}", from.node));
        settled(cx, from, vantage_of(from), aim, Expect::Resolved(self.ip), LOOKUPS)
    }

    /// Whether the names could not be asked in full, because nobody knows the domain.
    pub(super) fn domain_unknown(&self) -> bool {
        self.full.is_none()
    }

    /// Asks why names are not found from some sources: their own resolver, the DNS Service
    /// by its address, and the servers behind it; each answer is kept for findings.
    ///
    /// # Errors
    ///
    /// When the cluster's Services cannot be read.
    pub(super) async fn why(&self, cx: &Context, sources: &[PodRef], troubled: &[usize]) -> Result<Vec<Why>, Trouble> {
        let mut told: Vec<IpAddr> = Vec::new();
        for server in self.resolvers.iter().flatten().flat_map(|resolver| &resolver.servers) {
            if !told.contains(server) {
                told.push(*server);
            }
        }
        let dns = dns_service(cx, &told).await?;
        if let Some(dns) = &dns {
            cx.name_service(&dns.name, &dns.ip.to_string());
        }
        let asked = troubled.iter().filter_map(|&index| {
            Some(self.why_from(cx, sources.get(index)?, self.resolvers.get(index)?.as_ref(), dns.as_ref()))
        });
        Ok(join_all(asked).await)
    }

    async fn why_from(
        &self,
        cx: &Context,
        from: &PodRef,
        resolver: Option<&Resolver>,
        dns: Option<&DnsService>,
    ) -> Why {
        let name = self.full.as_ref().unwrap_or(&self.bare);
        let mut asked = vec![(NameServer::Resolver, None, &self.bare)];
        if name != &self.bare {
            asked.push((NameServer::Resolver, None, name));
        }
        if let Some(dns) = dns {
            asked.push((NameServer::Service, Some(dns.ip), name));
            asked.extend(dns.servers.iter().take(SERVERS).map(|server| (NameServer::Server, Some(*server), name)));
        }
        let question = |(_, server, name): &(NameServer, Option<IpAddr>, &String)| Question {
            name: (*name).clone(),
            server: *server,
        };
        let probe = NameProbe { from: from.clone(), questions: asked.iter().map(question).collect() };
        let mut why = Why::of(from, resolver, &self.namespace);
        let lookups = match cx.look_up(&probe).await {
            Ok(lookups) => lookups,
            Err(error) => {
                why.unasked = Some(Chain(&error).to_string());
                return why;
            }
        };
        let mut cells = Vec::new();
        for ((by, server, name), lookup) in asked.into_iter().zip(lookups) {
            let outcome = outcome(lookup, self.ip);
            if let Some(server) = server {
                cells.push(cell(from, by, server, &outcome));
            }
            why.answers.push((by, server, name.clone(), outcome.clone()));
            cx.observe(Observation::Name {
                source: vantage_of(from),
                node: from.node.clone(),
                name: name.clone(),
                asked: by,
                server: server.map(|server| server.to_string()),
                outcome,
            });
        }
        cx.report_cells(&cells);
        why
    }
}

pub(super) fn vantage_of(pod: &PodRef) -> Vantage {
    match pod.os {
        Os::Windows => Vantage::WindowsPod,
        Os::Linux => Vantage::LinuxPod,
    }
}

fn outcome(lookup: Lookup, right: IpAddr) -> NameOutcome {
    match lookup {
        Lookup::Found(addresses) if addresses.contains(&right) => NameOutcome::Right,
        Lookup::Found(addresses) => {
            NameOutcome::Wrong(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
        Lookup::NoSuchName => NameOutcome::NoSuchName,
        Lookup::ServerFailed => NameOutcome::ServerFailed,
        Lookup::TimedOut => NameOutcome::TimedOut,
        Lookup::Unclear(text) => NameOutcome::Unclear(text),
    }
}

fn cell(from: &PodRef, by: NameServer, server: IpAddr, outcome: &NameOutcome) -> Cell {
    let destination = match by {
        NameServer::Server => Destination::DnsServer,
        NameServer::Service | NameServer::Resolver => Destination::DnsService,
    };
    let node = Some(from.node.clone());
    let mut cell = Cell::untried(vantage_of(from), node, destination, format!("{server}:53"), None);
    cell.tried = 1;
    match outcome {
        NameOutcome::Right => cell.answered = 1,
        NameOutcome::TimedOut => cell.timed_out = 1,
        _ => cell.connected_only = 1,
    }
    if cell.answered == 0 {
        cell.example = Some(outcome.as_words().to_owned());
    }
    cell
}

/// What was answered from one source, and what that means.
pub(super) struct Why {
    node: String,
    os: Os,
    /// Suffixes that the pod was told, where its own namespace's is not among them.
    foreign_suffixes: Option<Vec<String>>,
    answers: Vec<(NameServer, Option<IpAddr>, String, NameOutcome)>,
    unasked: Option<String>,
}

impl Why {
    fn of(from: &PodRef, resolver: Option<&Resolver>, namespace: &str) -> Self {
        let foreign = resolver.filter(|resolver| resolver.domain_of(namespace).is_none());
        Self {
            node: from.node.clone(),
            os: from.os,
            foreign_suffixes: foreign.map(|resolver| resolver.suffixes.clone()),
            answers: Vec::new(),
            unasked: None,
        }
    }

    fn of_server(&self, by: NameServer) -> impl Iterator<Item = &NameOutcome> {
        self.answers.iter().filter(move |(asked, ..)| *asked == by).map(|(.., outcome)| outcome)
    }

    /// Another address than the right one, where an answer was one.
    pub(super) fn wrong_address(&self) -> Option<&str> {
        self.answers.iter().find_map(|(.., outcome)| match outcome {
            NameOutcome::Wrong(address) => Some(address.as_str()),
            _ => None,
        })
    }

    /// Whether the pod's own resolver gave the right address each time.
    pub(super) fn resolver_is_right(&self) -> bool {
        let mut own = self.of_server(NameServer::Resolver).peekable();
        own.peek().is_some() && own.all(|outcome| *outcome == NameOutcome::Right)
    }

    /// Why nothing could be asked.
    pub(super) fn unasked(&self) -> Option<&str> {
        self.unasked.as_deref()
    }

    /// What is to blame, in a sentence.
    pub(super) fn words(&self) -> String {
        let place =
            format!("{} on {}", if self.os == Os::Windows { "a Windows pod" } else { "a Linux pod" }, self.node);
        if let Some(why) = &self.unasked {
            return format!("{place} could not be asked why ({why})");
        }
        let right = |by| self.of_server(by).any(|outcome| *outcome == NameOutcome::Right);
        let asked = |by| self.of_server(by).next().is_some();
        let blame = if let Some(address) = self.wrong_address() {
            format!("an answer was {address}, which is not the Service IP")
        } else if self.resolver_is_right() {
            "asked again, its resolver found the names".to_owned()
        } else if let Some(suffixes) = self.foreign_suffixes.as_ref().filter(|_| right(NameServer::Service)) {
            match suffixes.is_empty() {
                true => "it was told no DNS suffix".to_owned(),
                false => format!("it was told the suffixes {}, and not its own namespace's", suffixes.join(", ")),
            }
        } else if right(NameServer::Service) {
            "the DNS Service answers it, but its own resolver does not find the name".to_owned()
        } else if right(NameServer::Server) {
            "the DNS Service's address is dead there: the servers behind it answer".to_owned()
        } else if asked(NameServer::Server) {
            "neither the DNS Service nor the servers behind it give the address: the DNS is dead, or the way to it"
                .to_owned()
        } else {
            "nothing tells the resolver from its server: no Service with the resolver's address was found".to_owned()
        };
        let told: Vec<String> = self
            .answers
            .iter()
            .map(|(by, server, name, outcome)| {
                let at = server.map(|server| format!(" {server}")).unwrap_or_default();
                format!("{}{at} for {name}: {}", by.as_words(), outcome.as_words())
            })
            .collect();
        format!("{place}: {blame} ({})", told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(os: Os, answers: &[(NameServer, NameOutcome)], suffixes: Option<&[&str]>) -> Why {
        let ip = |by| (by != NameServer::Resolver).then(|| "10.96.0.10".parse().unwrap());
        Why {
            node: "node-0".into(),
            os,
            foreign_suffixes: suffixes.map(|list| list.iter().map(|suffix| (*suffix).to_owned()).collect()),
            answers: answers.iter().map(|(by, outcome)| (*by, ip(*by), "web".to_owned(), outcome.clone())).collect(),
            unasked: None,
        }
    }

    #[test]
    fn each_pattern_of_answers_has_its_own_blame() {
        use NameOutcome::{NoSuchName, Right, TimedOut, Wrong};
        use NameServer::{Resolver, Server, Service};
        let told = [
            why(Os::Windows, &[(Resolver, TimedOut), (Service, TimedOut), (Server, Right)], None),
            why(Os::Windows, &[(Resolver, TimedOut), (Service, TimedOut), (Server, TimedOut)], None),
            why(Os::Windows, &[(Resolver, NoSuchName), (Service, Right), (Server, Right)], None),
            why(Os::Windows, &[(Resolver, NoSuchName), (Service, Right)], Some(&["default.svc.example.org"])),
            why(Os::Windows, &[(Resolver, NoSuchName), (Service, Right)], Some(&[])),
            why(Os::Linux, &[(Resolver, Wrong("203.0.113.7".into())), (Service, Right)], None),
            why(Os::Linux, &[(Resolver, TimedOut)], None),
            why(Os::Linux, &[(Resolver, Right)], None),
        ];
        insta::assert_snapshot!(told.map(|why| why.words()).join("\n"));
    }
}
