//! What the tests share: one running testbed, kubectl, and waiting.

use std::{
    process::Stdio,
    sync::{OnceLock, mpsc},
    time::Duration,
};

use winconform_testbed::{
    client::{self, Executable, Testbed},
    progress::Info,
    serve::ServeOptions,
};

/// This crate's own program.
pub(crate) fn executable() -> Executable {
    Executable::new(env!("CARGO_BIN_EXE_winconform-testbed"), [] as [&str; 0])
}

/// A testbed of two nodes: quick to start.
pub(crate) fn small() -> ServeOptions {
    ServeOptions { shape: "one-windows-node".into(), ..ServeOptions::default() }
}

/// Starts a testbed for one test alone.
pub(crate) async fn start(options: &ServeOptions) -> Testbed {
    Testbed::start(&executable(), options, |_| ()).await.expect("a testbed starts")
}

/// The testbed of the default shape that all tests of this binary share. It ends with the binary.
pub(crate) fn shared() -> &'static Info {
    static SHARED: OnceLock<Info> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (ready, is_ready) = mpsc::channel();
        // A thread of its own: each test has its own runtime, which ends with the test.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let testbed = start(&ServeOptions::default()).await;
                ready.send(testbed.info().clone()).expect("the first test waits");
                std::future::pending::<()>().await;
            });
        });
        is_ready.recv().expect("the shared testbed starts")
    })
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// Runs kubectl against a testbed.
pub(crate) async fn kubectl(info: &Info, arguments: &[&str]) -> Said {
    let output = client::kubectl(info)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("kubectl is part of the control plane");
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}

/// Returns as soon as `holds`; fails with what `found` says when that does not come.
pub(crate) async fn eventually<T: std::fmt::Debug>(
    what: &str,
    mut found: impl FnMut() -> T,
    holds: impl Fn(&T) -> bool,
) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let last = std::sync::Mutex::new(None);
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            tick.tick().await;
            let now = found();
            if holds(&now) {
                break;
            }
            *last.lock().expect("one thread") = Some(now);
        }
    });
    if waited.await.is_err() {
        panic!("{what} did not come; last seen: {:?}", last.lock().expect("one thread"));
    }
}

/// The processes that descend from `ancestor`, with their commands.
pub(crate) fn descendants(ancestor: u32) -> Vec<(u32, String)> {
    let listed = std::process::Command::new("ps").args(["-axo", "pid=,ppid=,args="]).output().expect("ps is there");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let all: Vec<(u32, u32, &str)> = listed
        .lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim_start().split_once(' ')?;
            let (parent, command) = rest.trim_start().split_once(' ')?;
            Some((pid.parse().ok()?, parent.parse().ok()?, command))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut commands = Vec::new();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        for (pid, _, command) in all.iter().filter(|(_, of, _)| *of == parent) {
            found.push(*pid);
            commands.push((*pid, (*command).to_owned()));
        }
        next += 1;
    }
    commands
}

/// Which of these processes are still there, zombies excepted.
pub(crate) fn alive(processes: &[u32]) -> Vec<String> {
    processes
        .iter()
        .filter_map(|pid| {
            let shown =
                std::process::Command::new("ps").args(["-o", "stat=,args=", "-p", &pid.to_string()]).output().ok()?;
            let shown = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
            (!shown.is_empty() && !shown.starts_with('Z')).then_some(shown)
        })
        .collect()
}

/// Sends a signal by its name: `KILL`, `TERM`.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "process {pid} could not be sent {name}");
}
