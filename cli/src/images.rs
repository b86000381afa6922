//! `winconform images`: what must be in a registry before a run, and for which builds.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use winconform_harness::{
    Facts,
    cluster::Cluster,
    run::{NeededImage, NeededImages, Plan},
};

use crate::{
    arguments::{ClusterArguments, ImageArguments, OnTestbed, SelectionArguments},
    error::CliError,
    plan::of_shape,
    terminal::Terminal,
};

/// List the images that a run pulls, and the builds they are for.
///
/// A run pulls nothing else. The sandbox (pause) image is the nodes' own matter: containerd's
/// configuration names it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform images --context prod
  winconform images --target 10.0.26100 --image-registry registry.corp/mirror
  winconform images --testbed --names | xargs --max-args=1 crane validate --remote")]
pub struct ImagesArguments {
    #[command(flatten)]
    testbed: OnTestbed,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    selection: SelectionArguments,
    #[command(flatten)]
    images: ImageArguments,
    /// Print JSON.
    #[arg(long, conflicts_with = "names")]
    json: bool,
    /// Print names only, one on each line.
    #[arg(long)]
    names: bool,
}

/// An image, as JSON has it.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    /// What is pulled.
    image: &'a str,
    /// Where that is published.
    published: &'a str,
    /// For example `windows/amd64`.
    platforms: Vec<String>,
    /// The targets whose nodes pull it.
    targets: Vec<&'a str>,
    /// Those nodes.
    nodes: Vec<&'a str>,
    /// The fixtures and checks that run it.
    users: Vec<&'a str>,
}

impl<'a> Listed<'a> {
    fn of(needed: &'a NeededImage) -> Self {
        let texts = |set: &'a std::collections::BTreeSet<String>| set.iter().map(String::as_str).collect();
        Self {
            image: &needed.image,
            published: &needed.published,
            platforms: needed.archs.iter().map(|arch| format!("{}/{arch}", needed.os.as_str())).collect(),
            targets: texts(&needed.targets),
            nodes: texts(&needed.nodes),
            users: texts(&needed.users),
        }
    }
}

/// Prints the images. The exit code is 2 when a node has none, 3 when nothing would be pulled.
///
/// # Errors
///
/// When the cluster cannot be looked at, or a filter is none.
pub async fn images(arguments: ImagesArguments, terminal: Terminal) -> Result<u8, CliError> {
    let ImagesArguments { testbed, cluster, selection, images, json, names } = arguments;
    let checks = winconform_suites::all();
    let options = selection.plan_options(&checks)?;
    let facts = match testbed.testbed {
        Some(_) => of_shape(&testbed.serve_options().shape)?,
        None => Facts::observe(&Cluster::connect(&cluster.options()).await?).await?,
    };
    let facts = options.selection.narrow(facts);
    let plan = Plan::new(&checks, &facts, &options);
    let needed = NeededImages::of(&plan, &facts, &images.source()?);
    let listed: Vec<Listed<'_>> = needed.images.iter().map(Listed::of).collect();
    let text = match (json, names) {
        (true, _) => serde_json::to_string_pretty(&listed).map_err(CliError::Json)? + "\n",
        (false, true) => listed.iter().map(|image| format!("{}\n", image.image)).collect(),
        (false, false) => in_words(&listed),
    };
    terminal.out(&text);
    for why in &needed.without {
        terminal.warn(why);
    }
    Ok(match (needed.without.is_empty(), listed.is_empty()) {
        (false, _) => 2,
        (true, true) => 3,
        (true, false) => 0,
    })
}

fn in_words(listed: &[Listed<'_>]) -> String {
    let mut text = String::new();
    for image in listed {
        let _ = writeln!(text, "{}", image.image);
        if image.image != image.published {
            let _ = writeln!(text, "  in place of {}", image.published);
        }
        let on = if image.targets.is_empty() { &image.nodes } else { &image.targets };
        let _ = writeln!(text, "  {} for {}", image.platforms.join(" "), on.join(", "));
        let _ = writeln!(text, "  runs in {}", image.users.join(", "));
    }
    text
}
