//! Starts that fail, and what the user is told.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use winconform_testbed::{
    client::{StartError, Testbed},
    serve::ServeOptions,
};

use crate::help::{executable, small};

/// A control plane that is a shell script: `$1` is the part.
fn fake_control_plane(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_program(&directory.path().join("control-plane"), script);
    directory
}

pub(crate) fn write_program(file: &Path, script: &str) {
    std::fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn refused(options: ServeOptions) -> (String, Vec<String>) {
    match Testbed::start(&executable(), &options, |_| ()).await {
        Err(StartError::Failed { message, log_tail }) => (message, log_tail),
        other => panic!("the start should have failed with a reason: {other:?}"),
    }
}

async fn refused_with(script: &str) -> (String, Vec<String>) {
    let directory = fake_control_plane(script);
    refused(ServeOptions { control_plane_dir: Some(directory.path().to_owned()), ..small() }).await
}

#[tokio::test]
async fn a_part_that_dies_at_start_is_named_with_the_end_of_its_log() {
    let script =
        "case $1 in etcd) echo opening the store; echo the store is damaged >&2; exit 3;; esac; exec sleep 600";
    let (message, log_tail) = refused_with(script).await;
    assert_eq!(message, "the control plane does not run: etcd ended with exit code 3");
    assert_eq!(log_tail, ["opening the store", "the store is damaged"]);
}

#[tokio::test]
async fn a_part_that_is_no_program_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for part in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        std::fs::write(directory.path().join(part), "not a program").unwrap();
    }
    let (message, _) = refused(ServeOptions { control_plane_dir: Some(directory.path().to_owned()), ..small() }).await;
    let start = "the control plane does not run: the control plane could not be started: etcd could not be started: ";
    assert!(message.starts_with(start), "{message}");
}

#[tokio::test]
async fn a_port_that_others_keep_taking_is_tried_anew_a_few_times_only() {
    let script = "case $1 in kube-apiserver) echo bind: address already in use; exit 1;; esac; exec sleep 600";
    let (message, log_tail) = refused_with(script).await;
    assert_eq!(message, "the control plane does not run: kube-apiserver ended with exit code 1");
    assert_eq!(log_tail.len(), 5, "{log_tail:?}");
}

#[tokio::test]
async fn a_directory_without_a_control_plane_is_told_what_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("etcd"), "").unwrap();
    let (message, _) = refused(ServeOptions { control_plane_dir: Some(directory.path().to_owned()), ..small() }).await;
    let missing = "holds no control plane: kube-apiserver, kube-controller-manager, kube-scheduler are missing";
    assert!(message.ends_with(missing), "{message}");
}

#[tokio::test]
async fn an_unknown_shape_is_told_what_there_is() {
    let (message, _) = refused(ServeOptions { shape: "defalt".into(), ..small() }).await;
    assert!(message.contains("did you mean `default`?"), "{message}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let nowhere = winconform_testbed::client::Executable::new("/nowhere/winconform", ["testbed"]);
    let error = Testbed::start(&nowhere, &small(), |_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "the testbed's process could not be started (/nowhere/winconform)");
}

#[tokio::test]
async fn a_failed_start_leaves_no_directory() {
    let before = directories();
    refused_with("exit 1").await;
    let left: Vec<_> = directories().into_iter().filter(|directory| !before.contains(directory)).collect();
    let ours =
        left.iter().filter(|directory| directory.join("logs/etcd.log").exists() && !directory.join("etcd").exists());
    assert_eq!(ours.count(), 0, "{left:?}");
}

fn directories() -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
    all.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("winconform-testbed-")))
        .collect()
}
