//! Testbeds that outlive the one who started them.

use std::time::Duration;

use winconform_testbed::client::{Standing, StartError};

use crate::help::{alive, descendants, eventually, executable, kubectl, signal, small};

#[tokio::test]
async fn a_standing_testbed_is_listed_until_it_is_taken_down() {
    let list = tempfile::tempdir().unwrap();
    let standing = Standing::listed_in(list.path());
    let info = standing.up(&executable(), &small(), "mine", |_| ()).await.unwrap();
    let processes: Vec<u32> = descendants(info.pid).into_iter().map(|(pid, _)| pid).collect();

    assert_eq!(standing.list().await.unwrap(), [("mine".to_owned(), info.clone())]);
    let again = standing.up(&executable(), &small(), "mine", |_| ()).await;
    assert!(matches!(again, Err(StartError::AlreadyUp { info: other, .. }) if *other == info));
    assert_eq!(kubectl(&info, &["get", "nodes", "-o", "name"]).await.code, Some(0));

    assert!(standing.down("mine").await.unwrap());
    assert_eq!(alive(&processes), [] as [String; 0]);
    assert!(!info.state_dir.exists());
    assert_eq!(standing.list().await.unwrap(), []);
    assert!(!standing.down("mine").await.unwrap());
}

#[tokio::test]
async fn a_standing_testbed_that_was_killed_is_forgotten() {
    let list = tempfile::tempdir().unwrap();
    let standing = Standing::listed_in(list.path());
    let info = standing.up(&executable(), &small(), "mine", |_| ()).await.unwrap();
    signal("KILL", info.pid);
    eventually("the removal of the directory", || info.state_dir.exists(), |exists| !exists).await;
    assert_eq!(standing.find("mine").await.unwrap(), None);
}

#[tokio::test]
async fn those_who_share_a_testbed_start_it_once_and_it_ends_when_they_are_gone() {
    let list = tempfile::tempdir().unwrap();
    let standing = Standing::listed_in(list.path());
    let idle = Duration::from_secs(2);
    let (exe, options) = (executable(), small());
    let (one, other) = tokio::join!(
        standing.shared(&exe, &options, "suite", idle, |_| ()),
        standing.shared(&exe, &options, "suite", idle, |_| ()),
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    let info = one.info().clone();
    assert_eq!(info.pid, other.info().pid);
    drop(one);
    drop(other);
    eventually("the end of the idle testbed", || alive(&[info.pid]), Vec::is_empty).await;
    assert_eq!(standing.list().await.unwrap(), []);
}
