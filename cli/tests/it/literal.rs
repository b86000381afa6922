//! The guide as printed: what a cluster makes of it, and why.

use winconform_reports::{Report, event::Observation, read_log};

use crate::{
    command::Home,
    standing::{client, info, kubeconfig},
};

/// Each step of a run, whether it worked, and the outcome with its reason.
fn steps(report: &Report, check: &str) -> Vec<(String, bool, String)> {
    let result = report.results.iter().find(|result| result.check.name() == check).unwrap();
    let step = |observation: &Observation| match observation {
        Observation::Step { step, worked, outcome, why } => {
            Some((step.clone(), *worked, format!("{outcome}: {}", why.clone().unwrap_or_default())))
        }
        _ => None,
    };
    result.observations.iter().filter_map(step).collect()
}

fn of<'a>(steps: &'a [(String, bool, String)], name: &str) -> &'a (String, bool, String) {
    steps.iter().find(|(step, ..)| step.contains(name)).unwrap_or_else(|| panic!("{name}: {steps:#?}"))
}

#[test]
fn the_guide_as_printed_is_followed_step_by_step_and_leaves_nothing() {
    let home = Home::new();
    let done = home.run(&format!(
        "run --kubeconfig {} --outside-proxy {} --literal --allow-load-balancer --out run",
        kubeconfig(),
        info().outside_proxy
    ));
    done.must_print(0, &["of Kubernetes 1.18", "no toleration for os=windows:NoSchedule", "partially verified"]);
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    assert_eq!(report.leftovers, Vec::<String>::new());

    let founding = steps(&report, "guide-1-18");
    let (_, worked, why) = of(&founding, "RuntimeClass windows-2019");
    assert!(!worked && why.contains("node.k8s.io/v1beta1, but in node.k8s.io/v1"), "{why}");
    let (_, worked, why) = of(&founding, "wait for the pods of iis-2019");
    assert!(!worked && why.contains("RuntimeClass"), "{why}");
    assert!(of(&founding, "Service iis").1, "a load balancer was allowed");

    let today = steps(&report, "guide-today");
    assert!(of(&today, "RuntimeClass windows-2019").1);
    let (_, worked, why) = of(&today, "read iis-2019.yaml");
    assert!(!worked && why.contains("no valid YAML"), "{why}");

    let classes: kube::Api<k8s_openapi::api::node::v1::RuntimeClass> = kube::Api::all(client());
    let left = crate::standing::block_on(async { classes.get_opt("windows-2019").await.unwrap() });
    assert!(left.is_none(), "{left:?}");
}

#[test]
fn the_guide_as_printed_cannot_be_mixed_with_other_questions() {
    Home::new().run("run --testbed --literal --suite nodes").must_say(2, &["--literal", "cannot be used with"]);
}
