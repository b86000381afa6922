//! The scripts that the workflows call, with the tools of others replaced by ones that write down what they are asked.

use std::{
    fs::{self, Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use crate::command::{Home, root};

/// A home with stand-ins for programs; each writes its arguments into `asked`.
fn with_tools(tools: &[(&str, &str)]) -> Home {
    let home = Home::new();
    fs::create_dir(home.path("bin")).unwrap();
    for (name, does) in tools {
        let asked = home.path("asked");
        let script = format!("#!/usr/bin/env bash\necho \"{name} $*\" >>'{}'\n{does}\n", asked.display());
        fs::write(home.path("bin").join(name), script).unwrap();
        set_permissions(home.path("bin").join(name), Permissions::from_mode(0o755)).unwrap();
    }
    home
}

fn run(home: &Home, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let path = format!("{}:{}", home.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(root().join(".github/scripts").join(script));
    for name in ["BASELINE", "FAIL_ON", "REPORTS", "WINCONFORM", "GITHUB_STEP_SUMMARY", "NODE_IMAGE", "FEATURES"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(home.path("")).env("PATH", path).envs(environment.iter().copied());
    command.output().unwrap()
}

fn asked(home: &Home) -> String {
    fs::read_to_string(home.path("asked")).unwrap_or_default()
}

/// Stands in for `winconform`: writes the reports it is asked for, and exits as its first letters say.
const WINCONFORM: &str = r##"
for word in "$@"; do
    case $word in
        json=* | markdown=*) mkdir -p "$(dirname "${word#*=}")"; echo "# of $1" >"${word#*=}" ;;
    esac
done
case $1 in run) exit "${RUN_CODE:-0}" ;; compare) exit "${COMPARE_CODE:-0}" ;; esac
"##;

#[test]
fn a_judged_run_ends_with_the_runs_code_and_puts_its_summary_on_the_page() {
    let home = with_tools(&[("winconform", WINCONFORM)]);
    let done = run(&home, "judge", &["--profile", "core"], &[("RUN_CODE", "1"), ("GITHUB_STEP_SUMMARY", "page")]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(fs::read_to_string(home.path("page")).unwrap(), "# of run\n");
    let asked = asked(&home);
    assert!(
        asked.starts_with("winconform run --profile core --out reports/run --report junit=reports/junit.xml"),
        "{asked}"
    );
    assert!(!asked.contains("compare"), "{asked}");
}

#[test]
fn a_regression_fails_a_run_that_is_green_by_itself_and_a_missing_baseline_does_not() {
    let home = with_tools(&[("winconform", WINCONFORM)]);
    let first = run(&home, "judge", &[], &[("BASELINE", "baseline/report.json"), ("COMPARE_CODE", "1")]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert!(String::from_utf8_lossy(&first.stdout).contains("no baseline to compare with yet"), "{first:?}");
    home.file("good.json", "{}");
    let environment =
        [("BASELINE", "good.json"), ("COMPARE_CODE", "1"), ("FAIL_ON", "slower"), ("GITHUB_STEP_SUMMARY", "page")];
    let second = run(&home, "judge", &[], &environment);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(asked(&home).contains("winconform compare good.json reports/report.json"), "{}", asked(&home));
    assert!(asked(&home).contains("--fail-on slower"), "{}", asked(&home));
    assert_eq!(fs::read_to_string(home.path("page")).unwrap(), "# of run\n# of compare\n");
}

const AZ: &str = r#"case "$*" in
    "group exists"*) echo true ;;
    *nodeImageVersion*) echo AKSWindows-2025-26100.1 ;;
esac"#;

#[test]
fn a_cluster_is_made_with_the_pool_that_is_asked_for_and_removed_with_its_group() {
    let home = with_tools(&[("az", AZ)]);
    let environment = [
        ("RESOURCE_GROUP", "wc-1"),
        ("OS_SKU", "Windows2025"),
        ("KUBECONFIG", "k"),
        ("FEATURES", "A,B"),
        ("KUBERNETES", "1.37"),
    ];
    let up = run(&home, "aks", &["up"], &environment);
    assert!(up.status.success(), "{up:?}");
    let asked_up = asked(&home);
    for words in [
        "az group create --name wc-1",
        "--name A --only-show-errors",
        "--name B --only-show-errors",
        "--kubernetes-version 1.37",
        "--os-type Windows --os-sku Windows2025 --node-count 2",
        "get-credentials --resource-group wc-1 --name winconform --file k",
    ] {
        assert!(asked_up.contains(words), "`{words}` is not in {asked_up}");
    }
    let down = run(&home, "aks", &["down"], &[("RESOURCE_GROUP", "wc-1")]);
    assert!(down.status.success(), "{down:?}");
    assert!(asked(&home).contains("az group delete --name wc-1 --yes --no-wait"));
}

#[test]
fn another_node_image_than_the_one_in_question_is_an_error() {
    let home = with_tools(&[("az", AZ)]);
    let environment = [
        ("RESOURCE_GROUP", "wc-1"),
        ("OS_SKU", "Windows2025"),
        ("KUBECONFIG", "k"),
        ("NODE_IMAGE", "AKSWindows-2025-26100.2"),
    ];
    let up = run(&home, "aks", &["up"], &environment);
    assert_eq!(up.status.code(), Some(2), "{up:?}");
    assert!(String::from_utf8_lossy(&up.stderr).contains("runs AKSWindows-2025-26100.1"), "{up:?}");
}

#[test]
fn a_script_that_is_called_wrongly_says_what_it_needs() {
    let home = with_tools(&[("az", AZ)]);
    let nameless = run(&home, "aks", &["up"], &[]);
    assert!(!nameless.status.success());
    assert!(String::from_utf8_lossy(&nameless.stderr).contains("RESOURCE_GROUP"), "{nameless:?}");
    assert_eq!(run(&home, "aks", &["sideways"], &[("RESOURCE_GROUP", "x")]).status.code(), Some(2));
}

#[test]
fn a_first_night_has_no_good_run_and_that_is_no_error() {
    let home = with_tools(&[("gh", "case $* in api*) [[ -n ${GOOD:-} ]] && echo 42 || true ;; esac")]);
    let none = run(&home, "last-good", &["good-ws2025", "baseline"], &[("GITHUB_REPOSITORY", "o/r")]);
    assert!(none.status.success() && !asked(&home).contains("run download"), "{none:?}");
    let some = run(&home, "last-good", &["good-ws2025", "baseline"], &[("GITHUB_REPOSITORY", "o/r"), ("GOOD", "1")]);
    assert!(some.status.success(), "{some:?}");
    assert!(
        asked(&home).contains("gh run download 42 --repo o/r --name good-ws2025 --dir baseline"),
        "{}",
        asked(&home)
    );
}
