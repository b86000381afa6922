//! The Windows side of a node: what only its host can tell.
//!
//! Collected through the run's own HostProcess pod, where the cluster allows such
//! pods and one is up: host networks, endpoints and load balancers of HNS, the ends
//! of the logs of kubelet, kube-proxy and containerd, the newest system events, and
//! the installed updates. Once for each node and run, however many checks ask; a
//! command that is missing on some node says so in its own file.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::sync::{Mutex, OnceCell};
use winconform_reports::{
    Chain, Event,
    event::{Evidence, NodeTold},
};

use super::{FILE_LIMIT, cut, without_secrets, write};
use crate::{
    budgets::Budget,
    probe::{Limits, PodRef, exec},
    run::{live_fixture::State, stage::Stage},
};

/// More nodes than these are not looked into for one check.
const NODES: usize = 3;

/// What is asked of a host: the file, what it is, and the command.
const QUESTIONS: &[(&str, &str, &[&str])] = &[
    (
        "hns.txt",
        "host networks, endpoints and load balancers",
        &["cmd", "/s", "/c", "hnsdiag list networks & hnsdiag list endpoints & hnsdiag list loadbalancers"],
    ),
    (
        "logs.txt",
        "ends of the logs of kubelet, kube-proxy and containerd",
        // AKS, sig-windows-tools and EKS keep them in different places; those that are not there are passed over.
        &[
            "powershell",
            "-NoProfile",
            "-Command",
            "Get-Content -ErrorAction SilentlyContinue -Tail 80 -Path \
             C:\\k\\kubelet.err.log,C:\\k\\kubeproxy.err.log,C:\\k\\containerd.err.log,\
             C:\\var\\log\\kubelet\\*.log,C:\\var\\log\\kube-proxy\\*.log,\
             C:\\ProgramData\\containerd\\root\\*.log,C:\\ProgramData\\kubernetes\\log\\*.log",
        ],
    ),
    ("events.txt", "newest system events", &["wevtutil", "qe", "System", "/c:60", "/rd:true", "/f:text"]),
    (UPDATES, "installed updates", &["powershell", "-NoProfile", "-Command", "Get-HotFix | Format-Table -AutoSize"]),
];

/// The file of which a comparison wants to know more than that it is there.
const UPDATES: &str = "updates.txt";

/// What was collected of each node so far.
#[derive(Debug, Default)]
pub(crate) struct WindowsSides(Mutex<BTreeMap<String, Arc<OnceCell<Vec<Evidence>>>>>);

/// The Windows side of the nodes that a failure touches.
pub(super) async fn collect(stage: &Stage, nodes: &[String], folder: Option<&Path>) -> Vec<Evidence> {
    let Some(folder) = folder else { return Vec::new() };
    let of_nodes = nodes.iter().take(NODES).map(|node| async move {
        let cell = stage.windows_sides.0.lock().await.entry(node.clone()).or_default().clone();
        cell.get_or_init(|| of_node(stage, node, folder)).await.clone()
    });
    join_all(of_nodes).await.into_iter().flatten().collect()
}

async fn of_node(stage: &Stage, node: &str, folder: &Path) -> Vec<Evidence> {
    let Some(host) = host_pod(stage, node) else {
        let said = Evidence {
            title: format!("the Windows side of {node}"),
            path: None,
            excerpt: Some("not collected: no HostProcess pod of ours runs there".to_owned()),
        };
        return vec![said];
    };
    if stage.silence.is_silent(node) {
        let excerpt = Some("not collected: the node lets no command start".to_owned());
        return vec![Evidence { title: format!("the Windows side of {node}"), path: None, excerpt }];
    }
    let asked = QUESTIONS.iter().map(|(file, what, command)| {
        let host = host.clone();
        async move {
            let text = ask(stage, &host, command).await;
            if let (&UPDATES, updates) = (file, updates_in(&text))
                && !updates.is_empty()
            {
                stage.journal.emit(Event::NodeTold(NodeTold { node: node.to_owned(), updates }));
            }
            let path = Path::new("evidence/nodes").join(node).join(file);
            let path = write(folder, &path, cut(&without_secrets(&text), FILE_LIMIT)).await;
            Evidence { title: format!("{what} of {node}"), path, excerpt: None }
        }
    });
    join_all(asked).await
}

/// The pod through which a node's host can be asked, where it is up.
fn host_pod(stage: &Stage, node: &str) -> Option<PodRef> {
    let hosts = stage.fixtures.values().filter(|live| live.is_a_windows_host() && live.key.place.node() == Some(node));
    hosts
        .filter_map(|live| match live.state() {
            State::Ready(ready) => ready.pods.first().cloned(),
            _ => None,
        })
        .next()
}

/// What a command printed, or why it did not run.
async fn ask(stage: &Stage, host: &PodRef, command: &[&str]) -> String {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let mut text = format!("> {}\n", command.join(" "));
    // Evidence is no reason to hold a run up.
    let limit = stage.budgets.of(Budget::Exec) / 2 + Duration::from_secs(1);
    let limits = Limits { start: limit, run: limit };
    let _ = match exec(&stage.client, host, &command, limits, || stage.silence.spoke(&host.node)).await {
        Ok(output) => writeln!(text, "{}{}exit code {}", output.stdout, output.stderr, output.exit_code),
        Err(error) => writeln!(text, "(not answered: {})", Chain(&error)),
    };
    text.replace("\r\n", "\n")
}

/// The updates that a table of `Get-HotFix` lists: `KB5034439`.
fn updates_in(table: &str) -> Vec<String> {
    let is_update = |word: &&str| {
        word.strip_prefix("KB").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    table.split_whitespace().filter(is_update).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_read_from_the_table_that_windows_prints() {
        let table = "> powershell -NoProfile -Command Get-HotFix | Format-Table -AutoSize\n\n\
            Source     Description     HotFixID  InstalledBy          InstalledOn\n\
            ------     -----------     --------  -----------          -----------\n\
            WIN-2022-0 Security Update KB5034439 NT AUTHORITY\\SYSTEM 1/9/2026 12:00:00 AM\n\
            WIN-2022-0 Update          KB5066139 NT AUTHORITY\\SYSTEM 9/9/2026 12:00:00 AM\n\nexit code 0\n";
        assert_eq!(updates_in(table), ["KB5034439", "KB5066139"]);
        assert!(updates_in("(not answered: KBxyz, the node is silent)").is_empty());
    }
}
