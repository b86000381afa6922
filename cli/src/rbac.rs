//! `winconform rbac`: the least role that the selected checks need.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use winconform_harness::{
    Check,
    cluster::{Permission, permissions_of},
    image::PullSecret,
    run::pull_secret_permissions,
};

use crate::{
    arguments::{ImageArguments, SelectionArguments},
    error::CliError,
    terminal::Terminal,
};

/// Print the least ClusterRole that a run of the selected checks needs; needs no cluster.
///
/// The role is for the whole cluster, since a run makes its own namespaces. It never holds
/// `nodes/proxy`, which would allow commands in every pod of a node.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform rbac --profile core
  winconform rbac --suite nodes --bind-service-account ci/winconform | kubectl apply --filename -
  winconform rbac --bind-group platform-team --name winconform-platform")]
pub struct RbacArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    images: ImageArguments,
    /// The role's name.
    #[arg(long, value_name = "NAME", default_value = "winconform")]
    name: String,
    #[command(flatten)]
    bind: Bind,
}

/// Who gets the role.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bindings")]
struct Bind {
    /// Also bind the role to this service account, and make it (repeatable).
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = account)]
    bind_service_account: Vec<(String, String)>,
    /// Also bind the role to this user (repeatable).
    #[arg(long, value_name = "NAME")]
    bind_user: Vec<String>,
    /// Also bind the role to this group (repeatable).
    #[arg(long, value_name = "NAME")]
    bind_group: Vec<String>,
}

fn account(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("a namespace and a name, for example `ci/winconform`".to_owned()),
    }
}

/// Prints the role and its bindings.
///
/// # Errors
///
/// When a filter selects what does not exist.
pub fn rbac(arguments: &RbacArguments, terminal: Terminal) -> Result<u8, CliError> {
    let checks = winconform_suites::all();
    let selected = selected(&arguments.selection, &checks)?;
    let source = arguments.images.source()?;
    let mut objects =
        vec![role(&arguments.name, &permissions_of(selected.iter().copied()), source.pull_secret.as_ref())];
    objects.extend(arguments.bind.objects(&arguments.name));
    let texts: Result<Vec<String>, _> = objects.iter().map(serde_saphyr::to_string).collect();
    terminal.out(&texts.map_err(CliError::Yaml)?.join("---\n"));
    Ok(0)
}

/// The checks that the filters leave, at whatever place.
pub(crate) fn selected(
    arguments: &SelectionArguments,
    checks: &[&'static Check],
) -> Result<Vec<&'static Check>, CliError> {
    let options = arguments.plan_options(checks)?;
    let is_selected = |check: &&&'static Check| {
        check.parsed_id().is_ok_and(|id| {
            let disruptive = check.disruptive && !options.allow_disruptive;
            options.selection.excludes(&id, disruptive).is_none()
                && options.selection.leaves_to_others(&id, check.level).is_none()
        })
    };
    Ok(checks.iter().filter(is_selected).copied().collect())
}

/// One rule for each group and set of verbs, so that a person can read it.
fn role(name: &str, permissions: &[Permission], pull_secret: Option<&PullSecret>) -> Value {
    let mut verbs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for permission in permissions {
        verbs.entry((permission.group, permission.resource)).or_default().push(permission.verb);
    }
    let mut rules: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), mut verbs) in verbs {
        verbs.sort_unstable();
        rules.entry((group, verbs)).or_default().push(resource);
    }
    let mut rules: Vec<Value> = (rules.into_iter())
        .map(|((group, verbs), resources)| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs }))
        .collect();
    for permission in pull_secret_permissions(pull_secret) {
        let mut rule = json!({ "apiGroups": [""], "resources": [permission.resource], "verbs": [permission.verb] });
        // A name cannot be known before an object is made, so this holds for reading only.
        if let (Some(secret), "get") = (pull_secret, permission.verb) {
            rule["resourceNames"] = json!([secret.name]);
        }
        rules.push(rule);
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": name },
        "rules": rules,
    })
}

impl Bind {
    fn objects(&self, role: &str) -> Vec<Value> {
        const GROUP: &str = "rbac.authorization.k8s.io";
        let mut subjects = Vec::new();
        let mut objects = Vec::new();
        for (namespace, name) in &self.bind_service_account {
            objects.push(json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": { "name": name, "namespace": namespace },
            }));
            subjects.push(json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace }));
        }
        subjects.extend(self.bind_user.iter().map(|name| json!({ "apiGroup": GROUP, "kind": "User", "name": name })));
        subjects.extend(self.bind_group.iter().map(|name| json!({ "apiGroup": GROUP, "kind": "Group", "name": name })));
        if !subjects.is_empty() {
            objects.push(json!({
                "apiVersion": format!("{GROUP}/v1"),
                "kind": "ClusterRoleBinding",
                "metadata": { "name": role },
                "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": role },
                "subjects": subjects,
            }));
        }
        objects
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rbac: RbacArguments,
    }

    fn parse(line: &str) -> RbacArguments {
        Line::try_parse_from(line.split(' ')).unwrap().rbac
    }

    #[test]
    fn no_selection_ever_needs_the_right_to_every_pod_of_a_node() {
        for line in ["rbac", "rbac --profile core", "rbac --allow-disruptive --allow-load-balancer"] {
            let checks = winconform_suites::all();
            let chosen = selected(&parse(line).selection, &checks).unwrap();
            let resources: Vec<&str> = permissions_of(chosen).iter().map(|permission| permission.resource).collect();
            assert!(!resources.iter().any(|resource| resource.starts_with("nodes/")), "{line}: {resources:?}");
            assert!(!resources.contains(&"*") && !resources.contains(&"secrets"), "{line}: {resources:?}");
        }
    }

    #[test]
    fn checks_that_start_nothing_need_no_right_to_pods_beyond_seeing_them() {
        let checks = winconform_suites::all();
        let chosen = selected(&parse("rbac --check nodes/known-build").selection, &checks).unwrap();
        let needed: Vec<String> = permissions_of(chosen).iter().map(ToString::to_string).collect();
        assert!(needed.contains(&"list nodes".to_owned()));
        assert!(
            !needed.iter().any(|permission| permission.contains("exec") || permission == "create pods"),
            "{needed:?}"
        );
    }

    #[test]
    fn a_role_reads_as_a_person_would_write_it() {
        let may = |verb, group, resource| Permission { verb, group, resource };
        let permissions =
            [may("list", "", "pods"), may("watch", "", "nodes"), may("list", "", "nodes"), may("watch", "", "pods")];
        let secret = "infra/regcred".parse().unwrap();
        let bind = parse("rbac --bind-service-account ci/winconform --bind-group team").bind;
        let mut objects = vec![role("winconform", &permissions, Some(&secret))];
        objects.extend(bind.objects("winconform"));
        let texts: Vec<String> = objects.iter().map(|object| serde_saphyr::to_string(object).unwrap()).collect();
        insta::assert_snapshot!(texts.join("---\n"));
    }
}
