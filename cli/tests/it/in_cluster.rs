//! Several processes that share the checks, the Job that runs them in a cluster, and who its pod is to the cluster.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
};

use clap::Parser;
use k8s_openapi::api::{batch::v1::Job, core::v1::PersistentVolumeClaim};
use serde_json::Value;
use winconform::Arguments;
use winconform_reports::{Report, read_log};

use crate::{
    access::{server, token_of},
    command::{Done, Home, root},
    credentials::everything_allowed,
    standing::{block_on, client, info, kubeconfig},
};

#[test]
fn the_job_in_the_documents_is_one_and_its_pods_are_told_what_the_command_understands() {
    let text = fs::read_to_string(root().join("docs/in-cluster.yaml")).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let claim: PersistentVolumeClaim = serde_json::from_value(objects[0].clone()).unwrap();
    let job: Job = serde_json::from_value(objects[1].clone()).unwrap();
    let spec = job.spec.unwrap();
    let pod = spec.template.spec.unwrap();
    let volume = pod.volumes.unwrap()[0].persistent_volume_claim.clone().unwrap();
    assert_eq!(Some(volume.claim_name), claim.metadata.name);
    let container = &pod.containers[0];
    let shard = container.env.iter().flatten().find(|variable| variable.name == "WINCONFORM_SHARD").unwrap();
    for index in 0..spec.completions.unwrap() {
        let shard = shard.value.clone().unwrap().replace("$(INDEX)", &index.to_string());
        let words = container.args.iter().flatten().map(String::as_str);
        let line: Vec<&str> = ["winconform"].into_iter().chain(words).chain(["--shard", &shard]).collect();
        Arguments::try_parse_from(line).unwrap();
    }
}

#[test]
fn two_shards_ask_every_check_once_and_each_says_what_it_leaves_to_the_other() {
    let home = Home::new();
    let running = ["1/2", "0+2/2"].map(|shard| {
        let folder = format!("shard-{}", &shard[..1]);
        home.start(&format!("run --kubeconfig {} --suite nodes --shard {shard} --out {folder}", kubeconfig()))
    });
    for running in running {
        let done = running.done();
        assert_eq!(done.code, Some(0), "{done:#?}");
    }
    let reports = ["shard-1", "shard-0"]
        .map(|folder| Report::from_records(&read_log(&home.path(folder).join("events.ndjson")).unwrap().records));
    let asked = |report: &Report| -> BTreeSet<String> {
        report.results.iter().map(|result| result.check.to_string()).collect()
    };
    let (first, second) = (asked(&reports[0]), asked(&reports[1]));
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    let all: BTreeSet<String> = winconform_suites::all()
        .iter()
        .filter(|check| check.id.starts_with("nodes/") && !check.disruptive)
        .map(|check| check.id.to_owned())
        .collect();
    assert_eq!(&first | &second, all);
    for report in &reports {
        assert!(report.left_out.iter().any(|left_out| left_out.reason.starts_with("--shard")), "{:?}", report.left_out);
    }
    let merged = home.run("report shard-0 shard-1 --report json=whole.json");
    assert_eq!(merged.code, Some(0), "{merged:#?}");
    let other_way_round = home.run("report shard-1 shard-0 --report json=again.json");
    assert_eq!(other_way_round.code, Some(0), "{other_way_round:#?}");
    let whole = fs::read_to_string(home.path("whole.json")).unwrap();
    assert_eq!(whole, fs::read_to_string(home.path("again.json")).unwrap());
    let whole: Report = serde_json::from_str(&whole).unwrap();
    assert_eq!(asked(&whole), all);
    assert!(!whole.left_out.iter().any(|left_out| left_out.reason.starts_with("--shard")), "{:?}", whole.left_out);
    let compared = home.run("compare . shard-0");
    assert!(compared.code == Some(0) && compared.out.contains("not asked"), "{compared:#?}");
    home.run("report nothing").must_say(2, &["failed to read `nothing` as a run's log"]);
}

/// Where a pod finds its service account, below `/var/run`, which mostly is a link to `/run`.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[test]
fn a_pod_without_a_kubeconfig_is_its_service_account() {
    let home = Home::new();
    let admin = kube::config::Kubeconfig::read_from(&info().kubeconfig).unwrap();
    let ca = admin.clusters[0].cluster.as_ref().unwrap().certificate_authority_data.clone().unwrap();
    everything_allowed("in-a-pod");
    home.file("token", &block_on(token_of(&client(), "in-a-pod")));
    home.file("ca.base64", &ca);
    home.file("namespace", "default");
    let Some(done) = in_a_pod(&home, "plan --suite nodes") else { return };
    done.must_print(0, &["in-cluster", "win-2022-0"]);

    home.file("token", "of nobody");
    let done = in_a_pod(&home, "plan --suite nodes").unwrap();
    done.must_say(2, &["did not answer: Unauthorized (HTTP 401)", "does not accept these credentials"]);
    assert!(!done.err.contains("of nobody"), "{}", done.err);
}

/// Runs the command where a pod's service account lies in its place, in a mount namespace of its own.
/// `None` on machines that let nobody have one.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn in_a_pod(home: &Home, line: &str) -> Option<Done> {
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount"]).stdin(Stdio::null());
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: this machine has no `unshare`, or allows no mount namespace");
        return None;
    }
    let server = server();
    let (host, port) = server.rsplit_once("//").unwrap().1.rsplit_once(':').unwrap();
    // The name of `/run` is looked up first: the link itself is not ours to replace.
    let script = format!(
        "set -eu; mount -t tmpfs none \"$(readlink -f /var/run)\"; mkdir -p {SERVICE_ACCOUNT}; \
         base64 -d ca.base64 > {SERVICE_ACCOUNT}/ca.crt; cp token namespace {SERVICE_ACCOUNT}; exec \"$@\""
    );
    let inner = home.command(line.split_whitespace());
    let mut outer = unshare();
    outer.args(["sh", "-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    outer.current_dir(inner.get_current_dir().unwrap());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.env_remove("KUBECONFIG").env("HOME", home.path("")).env("KUBERNETES_SERVICE_HOST", host);
    let output = outer.env("KUBERNETES_SERVICE_PORT", port).output().unwrap();
    Some(Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    })
}
