//! What the user typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::styling::Styles};
use winconform_harness::{
    Settings,
    cluster::{ConnectOptions, Taint},
    image::{ImageSource, Mapping, PullSecret, read_mappings, read_registry},
    probe::{HostPort, Proxy},
    run::{Keep, PlanOptions, Selection, SelectionError, Shard, known_ids},
};
use winconform_reports::{disposition::Profile, junit::Dialect, write::ReportFile};
use winconform_testbed::{clock::Latency, control_plane::ContainerOptions, shape::DEFAULT_SHAPE};

use crate::{
    cleanup::CleanupArguments, compare::CompareArguments, error::CliError, explain::ExplainArguments,
    history::HistoryArguments, images::ImagesArguments, list::ListArguments, manifests::ManifestsArguments,
    plan::PlanArguments, rbac::RbacArguments, report::ReportArguments, run::RunArguments, terminal::Color,
    testbed::TestbedArguments, trust::TrustArguments,
};

/// Asks a Kubernetes cluster with Windows nodes everything that the guide for
/// Windows containers promises, and answers with verdicts, evidence and causes.
#[derive(Debug, Parser)]
#[command(name = "winconform", version, propagate_version = false, styles = Styles::styled(), max_term_width = 100)]
#[command(after_long_help = "\
Exit codes:
  0  everything asked holds
  1  something is red: the cluster breaks a promise
  2  we could not tell, or the command line is wrong
  3  nothing was verified: nothing selected, or nothing applies to this cluster

Examples:
  winconform run --testbed              no cluster needed: judges the embedded one
  winconform run                        judges the current kubeconfig context
  winconform plan --context prod        says what a run would create there, and changes nothing
  winconform list --suite reachability  what is asked, and why")]
pub struct Arguments {
    /// When to paint words.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = false)]
    pub color: Color,
    /// Print results and errors only.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print what winconform does, for finding its own defects.
    #[arg(long, global = true)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask the cluster, judge it, write reports, clean up.
    Run(Box<RunArguments>),
    /// Say what a run would ask and create; changes nothing.
    Plan(Box<PlanArguments>),
    /// List the checks: what they ask, of what, and what they need; needs no cluster.
    List(ListArguments),
    /// Say everything there is to say about a check: why, what it creates, how it fails, and what to do then.
    Explain(ExplainArguments),
    /// Print the guide's manifests as they fit a cluster, or as the guide has them.
    Manifests(Box<ManifestsArguments>),
    /// List the images that a run pulls, for registries of one's own and air gaps.
    Images(Box<ImagesArguments>),
    /// Print the least ClusterRole that the selected checks need.
    Rbac(Box<RbacArguments>),
    /// Remove what dead runs left in a cluster; never a living run's.
    Cleanup(CleanupArguments),
    /// Make reports again from a run's log.
    Report(ReportArguments),
    /// Prove that the checks can fail: put defects into testbeds, and see which are caught with the right cause.
    Trust(Box<TrustArguments>),
    /// Say what changed between two runs: what regressed, what is fixed, what is slower, and what differs around them.
    Compare(CompareArguments),
    /// Sum up many runs: how often each check held, how flaky it is, since when it is broken, how times went.
    History(HistoryArguments),
    /// A testbed that stays: start, use, break, heal and stop it.
    Testbed(TestbedArguments),
}

/// Which testbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestbedKind {
    /// The one in this program: a real control plane, virtual nodes.
    Embedded,
    /// The same with the control plane in containers: for macOS and Windows, or without Go.
    Container,
}

/// Where the cluster is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The cluster")]
pub struct ClusterArguments {
    /// The kubeconfig file [default: $KUBECONFIG, then ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context [default: the current one].
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl ClusterArguments {
    /// As the harness takes them.
    #[must_use]
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

/// What a testbed is like.
#[derive(Debug, Clone, Args)]
pub struct ShapeArguments {
    /// Which nodes the testbed has: a shape by name, a YAML file, or several with commas.
    #[arg(long, value_name = "NAME|FILE,…", default_value = DEFAULT_SHAPE)]
    pub shape: String,
    /// How slow its nodes are: `fast`, `real`, or a factor.
    #[arg(long, value_name = "PROFILE", default_value_t)]
    pub latency: Latency,
    /// A directory with the control plane's programs [default: found, downloaded or built].
    #[arg(long, value_name = "DIR")]
    pub control_plane_dir: Option<PathBuf>,
}

/// The embedded testbed in place of a cluster.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The testbed")]
pub struct OnTestbed {
    /// Judge a testbed that lives as long as the run.
    #[arg(long, value_enum, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "embedded")]
    #[arg(conflicts_with_all = ["kubeconfig", "context"])]
    pub testbed: Option<TestbedKind>,
    /// Which nodes the testbed has: a shape by name, a YAML file, or several with commas [default: default].
    #[arg(long, value_name = "NAME|FILE,…", requires = "testbed")]
    pub shape: Option<String>,
    /// How slow its nodes are: `fast`, `real`, or a factor [default: fast].
    #[arg(long, value_name = "PROFILE", requires = "testbed")]
    pub latency: Option<Latency>,
    /// A defect to put into the testbed before the run: by name, or a YAML file (repeatable).
    #[arg(long, value_name = "NAME|FILE,…", requires = "testbed")]
    pub fault: Vec<String>,
    /// A directory with the control plane's programs [default: found, downloaded or built].
    #[arg(long, value_name = "DIR", requires = "testbed")]
    pub control_plane_dir: Option<PathBuf>,
    /// Where the control plane runs, with `--testbed=container`.
    #[command(flatten)]
    pub containers: ContainerArguments,
}

/// Which containers a control plane runs in.
#[derive(Debug, Clone, Default, Args)]
pub struct ContainerArguments {
    /// The container engine's command [default: docker, then podman].
    #[arg(long, value_name = "PROGRAM", env = "WINCONFORM_CONTAINER_ENGINE", hide_env_values = true)]
    pub container_engine: Option<PathBuf>,
    /// The image with the control plane [default: made from source, once].
    #[arg(long, value_name = "IMAGE")]
    pub control_plane_image: Option<String>,
}

impl ContainerArguments {
    /// As the testbed takes them.
    #[must_use]
    pub fn options(&self) -> ContainerOptions {
        ContainerOptions { engine: self.container_engine.clone(), image: self.control_plane_image.clone() }
    }
}

/// Which checks, and where.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What is asked")]
pub struct SelectionArguments {
    /// Only this suite (repeatable).
    #[arg(long, value_name = "NAME")]
    pub suite: Vec<String>,
    /// Only this check, or those that a pattern matches: `nodes/ready`, `reachability/*` (repeatable).
    #[arg(long, value_name = "ID|GLOB")]
    pub check: Vec<String>,
    /// Not this check, or those that a pattern matches (repeatable); outranks --check.
    #[arg(long, value_name = "ID|GLOB")]
    pub skip: Vec<String>,
    /// Only targets whose version begins so: `10.0.20348`.
    #[arg(long, value_name = "PREFIX")]
    pub target: Option<String>,
    /// Only Windows nodes with these labels: `pool=win,!gpu`.
    #[arg(long, value_name = "SELECTOR")]
    pub nodes: Option<String>,
    /// How far the questions go.
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t)]
    pub profile: ProfileName,
    /// Ask only this part of the checks, so that several processes ask all of them: `1/2`.
    #[arg(long, value_name = "N/OF", env = "WINCONFORM_SHARD", hide_env_values = true)]
    pub shard: Option<Shard>,
    /// Also ask what disturbs the cluster.
    #[arg(long)]
    pub allow_disruptive: bool,
    /// Reach the cluster from outside through this HTTP proxy.
    #[arg(long, value_name = "HOST:PORT", env = "WINCONFORM_OUTSIDE_PROXY", hide_env_values = true)]
    pub outside_proxy: Option<Proxy>,
    #[command(flatten)]
    about: AboutCluster,
}

/// What the user tells us of the cluster.
#[derive(Debug, Clone, Default, Args)]
pub struct AboutCluster {
    /// Windows nodes must carry this taint [without a value: os=windows:NoSchedule].
    #[arg(long, value_name = "KEY=VALUE:EFFECT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "os=windows:NoSchedule")]
    expect_taint: Option<Taint>,
    /// Also ask what publishes an address outside the cluster.
    #[arg(long)]
    allow_load_balancer: bool,
    /// An address outside the cluster that every Windows pod must reach by TCP (repeatable) [default: the API server's own, where it is beyond the nodes].
    #[arg(long, value_name = "HOST:PORT")]
    outbound: Vec<HostPort>,
    /// An annotation for our Service of type LoadBalancer, to keep its address internal (repeatable).
    #[arg(long, value_name = "KEY=VALUE", requires = "allow_load_balancer", value_parser = key_value)]
    lb_annotation: Vec<(String, String)>,
    /// The credential spec that pods of ours take on [default: the first one there is].
    #[arg(long, value_name = "NAME", env = "WINCONFORM_GMSA_SPEC", hide_env_values = true)]
    gmsa_spec: Option<String>,
    /// A share that the credential spec's account may read and write: `\\server\share`.
    #[arg(long, value_name = "SHARE", env = "WINCONFORM_GMSA_SHARE", hide_env_values = true, value_parser = share)]
    gmsa_share: Option<String>,
}

impl AboutCluster {
    fn settings(&self) -> Settings {
        Settings {
            allow_load_balancer: self.allow_load_balancer,
            outbound: self.outbound.clone(),
            load_balancer_annotations: self.lb_annotation.iter().cloned().collect(),
            gmsa_spec: self.gmsa_spec.clone(),
            gmsa_share: self.gmsa_share.clone(),
            expected_taint: self.expect_taint.clone(),
            ..Settings::default()
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a key and a value: `service.beta.kubernetes.io/azure-load-balancer-internal=true`".to_owned()),
    }
}

/// A share, or a folder of one, that stands in a command line of `cmd` without quotes.
fn share(text: &str) -> Result<String, String> {
    let whole = text.trim_end_matches('\\');
    let parts: Vec<&str> = whole.strip_prefix(r"\\").map(|rest| rest.split('\\').collect()).unwrap_or_default();
    let plain = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$'))
    };
    match parts.len() >= 2 && parts.iter().all(plain) {
        true => Ok(whole.to_owned()),
        false => Err(r"a share, `\\files.corp.example\conformance`, of letters, digits and . - _ $ only".to_owned()),
    }
}

impl SelectionArguments {
    /// As the plan takes them.
    ///
    /// # Errors
    ///
    /// When a suite, check or selector is none.
    pub fn plan_options(&self, checks: &[&'static winconform_harness::Check]) -> Result<PlanOptions, SelectionError> {
        let selection = Selection::new(
            &self.suite,
            &self.check,
            &self.skip,
            self.target.clone(),
            self.nodes.as_deref(),
            &known_ids(checks),
        )?
        .of_profile(self.profile.into())
        .of_shard(self.shard);
        let settings = Settings { outside_proxy: self.outside_proxy.is_some(), ..self.about.settings() };
        Ok(PlanOptions { selection, allow_disruptive: self.allow_disruptive, settings })
    }
}

/// How far the questions go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// What every conformant cluster with Windows nodes keeps.
    Core,
    /// That, and what depends on a feature of the cluster.
    #[default]
    Extended,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Core => Self::Core,
            ProfileName::Extended => Self::Extended,
        }
    }
}

/// Where images come from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct ImageArguments {
    /// Pull TO in place of FROM: an image, the beginning of images up to a `/` or `:`, or a Windows build (repeatable).
    #[arg(long, value_name = "FROM=TO")]
    image_map: Vec<Mapping>,
    /// The same from a file, one on each line; `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    image_map_file: Option<PathBuf>,
    /// Pull everything that is not mapped from this registry.
    #[arg(long, value_name = "HOST/PATH", env = "WINCONFORM_IMAGE_REGISTRY", value_parser = read_registry)]
    image_registry: Option<String>,
    /// Pull with this secret: copied from its namespace, or named only, where none is given.
    #[arg(long, value_name = "[NAMESPACE/]NAME", env = "WINCONFORM_PULL_SECRET")]
    pull_secret: Option<PullSecret>,
}

impl ImageArguments {
    /// As the harness takes them.
    ///
    /// # Errors
    ///
    /// When the file of mappings cannot be read.
    pub fn source(&self) -> Result<ImageSource, CliError> {
        let mut mapped = self.image_map.clone();
        if let Some(path) = &self.image_map_file {
            let unread = |error| CliError::Read { path: path.clone(), error };
            let text = std::fs::read_to_string(path).map_err(unread)?;
            let bad = |error| CliError::ImageMap { path: path.clone(), error };
            mapped.extend(read_mappings(&text).map_err(bad)?);
        }
        Ok(ImageSource::new(mapped, self.image_registry.clone(), self.pull_secret.clone()))
    }
}

/// What is written, and as what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reports")]
pub struct OutputArguments {
    /// Write a report (repeatable): html, json, junit, junit-informing, ctrf, markdown, github or github-annotations.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportFile>,
    /// Which consumers JUnit is for: `standard`, or `strict` (valid against Jenkins' and Surefire's schemas).
    #[arg(long, value_name = "DIALECT", default_value_t)]
    pub junit_dialect: Dialect,
}

impl OutputArguments {
    /// The reports to write.
    #[must_use]
    pub fn files(&self) -> Vec<ReportFile> {
        self.report.iter().cloned().map(|file| file.with_dialect(self.junit_dialect)).collect()
    }
}

/// What stays in the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KeepWhen {
    /// Nothing of ours.
    #[default]
    Never,
    /// Everything, when something is red or unknown.
    Failed,
    /// Everything.
    Always,
}

impl From<KeepWhen> for Keep {
    fn from(when: KeepWhen) -> Self {
        match when {
            KeepWhen::Never => Self::Never,
            KeepWhen::Failed => Self::Failed,
            KeepWhen::Always => Self::Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_contradict_nothing() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_a_testbed_is_like_needs_a_testbed() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        assert!(parse("winconform run --shape one-build").is_err());
        assert!(parse("winconform run --testbed --context prod").is_err());
        assert!(parse("winconform run --testbed --shape one-build --latency real").is_ok());
        assert!(parse("winconform run --testbed=embedded").is_ok());
        assert!(parse("winconform run --testbed=container --container-engine podman").is_ok());
        assert!(parse("winconform run --testbed=cloud").is_err());
    }

    #[test]
    fn a_share_is_a_path_that_needs_no_quotes() {
        assert_eq!(share(r"\\files.corp.example\share$\").as_deref(), Ok(r"\\files.corp.example\share$"));
        assert_eq!(share(r"\\files\share\folder").as_deref(), Ok(r"\\files\share\folder"));
        for text in [r"\\files", r"files\share", r"\\files\my share", r"\\files\a&del", r"\\files\\x", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_report_without_a_known_format_is_refused_with_the_formats() {
        let error = Arguments::try_parse_from(["winconform", "run", "--report", "pdf=x"]).unwrap_err().to_string();
        assert!(error.contains("junit, junit-informing, json"), "{error}");
    }
}
