//! Whatever way a testbed ends, nothing of it is left.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use winconform_testbed::{client::Testbed, progress::Info};

use crate::help::{alive, descendants, eventually, signal, small, start};

/// Set for the copy of this binary that plays the parent of a testbed.
const PARENT: &str = "WINCONFORM_TEST_PARENT";

/// All processes of a testbed, and its directory.
struct Remains {
    processes: Vec<u32>,
    commands: Vec<(u32, String)>,
    state_dir: PathBuf,
}

impl Remains {
    fn of(info: &Info) -> Self {
        let commands = descendants(info.pid);
        let processes: Vec<u32> = std::iter::once(info.pid).chain(commands.iter().map(|(pid, _)| *pid)).collect();
        assert_eq!(processes.len(), 6, "a testbed is serve, supervise and four parts: {commands:?}");
        Self { processes, commands, state_dir: info.state_dir.clone() }
    }

    fn process(&self, part: &str) -> u32 {
        self.commands.iter().find(|(_, command)| command.contains(part)).expect("it runs").0
    }

    async fn vanish(&self) {
        eventually("the end of all processes", || alive(&self.processes), Vec::is_empty).await;
        eventually("the removal of the directory", || self.state_dir.exists(), |exists| !exists).await;
    }
}

async fn testbed() -> (Testbed, Remains) {
    let testbed = start(&small()).await;
    let remains = Remains::of(testbed.info());
    (testbed, remains)
}

#[tokio::test]
async fn a_testbed_that_was_stopped_is_gone_when_stopping_returns() {
    let (testbed, remains) = testbed().await;
    testbed.stop().await;
    assert_eq!(alive(&remains.processes), [] as [String; 0]);
    assert!(!remains.state_dir.exists());
}

#[tokio::test]
async fn a_testbed_that_was_dropped_ends() {
    let (testbed, remains) = testbed().await;
    drop(testbed);
    remains.vanish().await;
}

#[tokio::test]
async fn a_testbed_ends_when_its_parent_is_killed() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "death::plays_the_parent_of_a_testbed", "--nocapture"])
        .env(PARENT, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let info = lines.map_while(Result::ok).find_map(|line| serde_json::from_str::<Info>(&line).ok());
    let remains = Remains::of(&info.expect("the parent says what it started"));
    parent.kill().unwrap();
    parent.wait().unwrap();
    remains.vanish().await;
}

/// Does nothing unless started by the test above.
#[tokio::test]
async fn plays_the_parent_of_a_testbed() {
    if std::env::var_os(PARENT).is_some() {
        let testbed = start(&small()).await;
        println!("\n{}", serde_json::to_string(testbed.info()).unwrap());
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn a_testbed_whose_own_process_is_killed_leaves_nothing() {
    let (testbed, remains) = testbed().await;
    signal("KILL", testbed.info().pid);
    remains.vanish().await;
    assert_eq!(testbed.ended().await.message, "the testbed's process ended (signal 9)");
}

#[tokio::test]
async fn a_testbed_whose_supervisor_is_killed_ends_and_says_so() {
    let (testbed, remains) = testbed().await;
    signal("KILL", remains.process(" supervise"));
    remains.vanish().await;
    assert_eq!(testbed.ended().await.message, "the testbed's supervisor ended");
}

#[tokio::test]
async fn a_testbed_that_is_asked_to_terminate_does() {
    let (testbed, remains) = testbed().await;
    signal("TERM", testbed.info().pid);
    remains.vanish().await;
    drop(testbed);
}

#[tokio::test]
async fn a_testbed_that_loses_a_part_ends_and_names_it() {
    for part in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        let (testbed, remains) = testbed().await;
        signal("KILL", remains.process(&format!(" {part} ")));
        let last = testbed.ended().await;
        // The others notice that a part is gone, too; the first to end is named.
        assert!(last.message.starts_with("the control plane does not run: "), "{part}: {last:?}");
        assert!(part == "etcd" || last.message.contains(part), "{part}: {last:?}");
        remains.vanish().await;
    }
}

#[tokio::test]
async fn a_testbed_whose_directory_is_to_stay_leaves_its_logs() {
    let options = winconform_testbed::serve::ServeOptions { keep_state: true, ..small() };
    let testbed = start(&options).await;
    let state_dir = testbed.info().state_dir.clone();
    testbed.stop().await;
    assert!(Path::new(&state_dir).join("logs/kube-apiserver.log").exists());
    std::fs::remove_dir_all(state_dir).unwrap();
}
