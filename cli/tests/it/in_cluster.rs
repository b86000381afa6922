//! Several processes that share the checks, and the Job that runs them in a cluster.

use std::{collections::BTreeSet, fs};

use clap::Parser;
use k8s_openapi::api::{batch::v1::Job, core::v1::PersistentVolumeClaim};
use serde_json::Value;
use winconform::Arguments;
use winconform_reports::{Report, read_log};

use crate::{
    command::{Home, root},
    standing::kubeconfig,
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
}
