//! A testbed that stays, as users type it.

use crate::command::Home;

#[test]
fn a_standing_testbed_is_started_used_broken_healed_and_stopped() {
    let home = Home::new();
    home.run("testbed status").must_say(0, &[]);
    home.run("testbed kubectl get nodes").must_say(2, &["no testbed `default` is up", "winconform testbed up"]);

    let up = home.run("testbed up --shape one-windows-node --latency 0.05");
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert!(up.out.contains("export KUBECONFIG="), "{}", up.out);
    home.run("testbed up").must_say(2, &["is up already", "testbed env"]);
    assert_eq!(home.run("testbed env").out, up.out);

    let nodes = home.run("testbed kubectl get nodes -o name");
    assert_eq!((nodes.code, nodes.out.contains("node/win-")), (Some(0), true), "{nodes:#?}");
    assert_eq!(home.run("testbed kubectl get no-such-thing").code, Some(1), "kubectl's own exit code");

    home.run("testbed inject node-06-disk-pressure").must_say(0, &["is in force"]);
    assert!(home.run("testbed status").out.contains("fault          node-06-disk-pressure"));
    let healed = home.run("testbed heal");
    assert!(healed.out.contains("node-06-disk-pressure, effect 0"), "{healed:#?}");
    home.run("testbed heal node-06-disk-pressure").must_say(2, &["node-06-disk-pressure"]);

    let status: serde_json::Value = serde_json::from_str(&home.run("testbed status --json").out).unwrap();
    assert_eq!(status[0]["info"]["shape"], "one-windows-node");
    home.run("testbed down").must_say(0, &["is down"]);
    home.run("testbed down").must_say(2, &["no testbed `default` is up"]);
}

#[test]
fn what_ships_is_listed() {
    let home = Home::new();
    assert!(home.run("testbed shapes").out.contains("one-windows-node"));
    let faults = home.run("testbed faults").out;
    let first = faults.split_whitespace().next().unwrap();
    let yaml = home.run(&format!("testbed faults {first}")).out;
    assert!(yaml.contains("kind: Fault"), "{yaml}");
}
