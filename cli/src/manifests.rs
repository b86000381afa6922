//! `winconform manifests`: the guide's examples as they fit a cluster, ready for `kubectl apply`.

use std::{collections::BTreeMap, fmt::Write};

use clap::Args;
use serde_json::Value;
use winconform_harness::{
    Facts,
    cluster::{Cluster, NodeFacts, Target},
    image::ImageSource,
    placement::{Placing, place, slug},
};
use winconform_manifests::{Manifest, WIN_WEBSERVER};

use crate::{
    arguments::{ClusterArguments, ImageArguments, OnTestbed},
    error::CliError,
    plan::of_shape,
    terminal::Terminal,
};

/// Print the guide's manifests as they fit this cluster: image, selector and tolerations of its own nodes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform manifests --target 10.0.20348
  winconform manifests | kubectl apply --filename -
  winconform manifests --literal guide-1.18")]
pub struct ManifestsArguments {
    #[command(flatten)]
    testbed: OnTestbed,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    images: ImageArguments,
    /// Only for targets whose version begins so: `10.0.20348`.
    #[arg(long, value_name = "PREFIX")]
    target: Option<String>,
    /// Print the guide's own text instead, as it stands there: `guide-1.18` or `guide-today`.
    #[arg(long, value_name = "EDITION", value_parser = editions(), conflicts_with_all = ["testbed", "target", "context", "kubeconfig"])]
    literal: Option<String>,
}

fn editions() -> clap::builder::PossibleValuesParser {
    winconform_manifests::EDITIONS.iter().map(|edition| edition.name).collect::<Vec<_>>().into()
}

/// What the guide deploys.
const EXAMPLES: &[Manifest] = &[WIN_WEBSERVER];

/// Prints the manifests. The exit code is 3 when no target of the cluster is asked for.
///
/// # Errors
///
/// When the cluster cannot be looked at, or has no image for a node.
pub async fn manifests(arguments: ManifestsArguments, terminal: Terminal) -> Result<u8, CliError> {
    if let Some(name) = &arguments.literal {
        let edition = winconform_manifests::EDITIONS.iter().filter(|edition| edition.name == name);
        let files: Vec<String> =
            edition.flat_map(|edition| edition.files).map(|(file, text)| format!("# {file}\n{text}")).collect();
        terminal.out(&files.join("---\n"));
        return Ok(0);
    }
    let facts = match arguments.testbed.testbed {
        Some(_) => of_shape(&arguments.testbed.serve_options().shape)?,
        None => Facts::observe(&Cluster::connect(&arguments.cluster.options()).await?).await?,
    };
    let images = arguments.images.source()?;
    let prefix = arguments.target.unwrap_or_default();
    let mut text = String::new();
    for target in facts.targets.iter().filter(|target| target.name.starts_with(&prefix)) {
        for manifest in EXAMPLES {
            text.push_str(&fitted(manifest, target, &facts, &images)?);
        }
    }
    if text.is_empty() {
        return Err(CliError::NoTarget {
            prefix,
            known: facts.targets.into_iter().map(|target| target.name).collect(),
        });
    }
    terminal.out(&text);
    Ok(0)
}

/// The objects of a manifest for a target's nodes, without what only a run of ours needs.
fn fitted(manifest: &Manifest, target: &Target, facts: &Facts, images: &ImageSource) -> Result<String, CliError> {
    let nodes: Vec<&NodeFacts> = target.nodes.iter().filter_map(|name| facts.node(name)).collect();
    let mut text = String::new();
    for mut object in manifest.objects().map_err(CliError::Manifest)? {
        let slug = slug(&format!("{}-{}", object.name(), target.name));
        let placing = Placing { namespace: "default", run: "", slug: &slug, nodes: &nodes, images };
        place(&mut object, &placing).map_err(CliError::NoImage)?;
        object.metadata_mut().namespace = None;
        let app = BTreeMap::from([("app".to_owned(), slug.clone())]);
        object.metadata_mut().labels = Some(app.clone());
        if let Some(metadata) = object.pod_metadata_mut() {
            metadata.labels = Some(app);
        }
        let mut value = object.to_json().map_err(CliError::Json)?;
        if let Some(selector) = value.pointer_mut("/spec/selector") {
            let own = serde_json::json!({ "app": slug });
            *selector =
                if selector.get("matchLabels").is_some() { serde_json::json!({ "matchLabels": own }) } else { own };
        }
        // The affinity pins to nodes by name; what people apply should outlive those nodes.
        if let Some(Value::Object(spec)) = value.pointer_mut("/spec/template/spec") {
            spec.remove("affinity");
            select_build(spec, &nodes);
        }
        let yaml = serde_saphyr::to_string(&value).map_err(CliError::Yaml)?;
        let _ = writeln!(text, "---\n# for {}\n{}", target.name, yaml.trim_end());
    }
    Ok(text)
}

/// Selects the build by its label, where all nodes carry it.
fn select_build(spec: &mut serde_json::Map<String, Value>, nodes: &[&NodeFacts]) {
    const LABEL: &str = "node.kubernetes.io/windows-build";
    let Some(build) = nodes.first().and_then(|node| node.labels.get(LABEL)) else { return };
    if nodes.iter().all(|node| node.labels.get(LABEL) == Some(build))
        && let Some(Value::Object(selector)) = spec.get_mut("nodeSelector")
    {
        selector.insert(LABEL.to_owned(), Value::from(build.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again_and_selects_the_build() {
        let facts = of_shape("default").unwrap();
        let target = facts.targets.iter().find(|target| target.name.starts_with("10.0.20348")).unwrap();
        let text = fitted(&WIN_WEBSERVER, target, &facts, &ImageSource::default()).unwrap();
        let again = winconform_manifests::Edition::documents(&text).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(again.len(), 2);
        insta::assert_snapshot!(text.lines().filter(|line| !line.contains("$$")).collect::<Vec<_>>().join("\n"));
    }
}
