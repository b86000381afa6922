//! Virtual Windows nodes in a cluster of the user's.

use std::net::Ipv4Addr;

use clap::Args;
use winconform_testbed::{
    client::Standing,
    join::{self, JoinOptions},
    serve::ServeOptions,
};

use super::standing;
use crate::{
    arguments::{ClusterArguments, ShapeArguments},
    error::CliError,
    terminal::Terminal,
};

/// Let virtual Windows nodes join a cluster of yours, for example kind; they stay until they leave.
///
/// They register in its control plane, run pods, and serve the kubelet API on this machine. Pods of
/// theirs reach each other and the API server; there is no network between them and the cluster's real
/// nodes, and `winconform run` takes what would need one for not applicable.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform testbed join --context kind-x
  winconform run --context kind-x
  winconform testbed join --context kind-x --shape one-windows-node --address 172.18.0.1
  winconform testbed leave --context kind-x")]
pub(super) struct JoinArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// The address of this machine that the cluster's API server reaches [default: the one it has towards the world].
    #[arg(long, value_name = "IP")]
    address: Option<Ipv4Addr>,
    #[command(flatten)]
    shape: ShapeArguments,
}

fn options(cluster: &ClusterArguments, address: Option<Ipv4Addr>) -> JoinOptions {
    // The nodes live in a process that may be started from anywhere.
    let absolute = |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_unknown| path.clone());
    JoinOptions { kubeconfig: cluster.kubeconfig.as_ref().map(absolute), context: cluster.context.clone(), address }
}

pub(super) async fn join(arguments: &JoinArguments, terminal: Terminal) -> Result<u8, CliError> {
    let mut joining = options(&arguments.cluster, arguments.address);
    // The name is known only with the context, and the current one may be another tomorrow.
    let reached = join::connect(&joining).await?;
    joining.context = Some(reached.context.clone());
    let name = join::name_of(&reached.context);
    let options = ServeOptions { join: Some(joining), api_front: false, ..standing::options(&arguments.shape)? };
    let info = standing::start(&name, &options, terminal).await?;
    let context = &reached.context;
    terminal.say(format_args!(
        "virtual Windows nodes have joined `{context}` (Kubernetes {}); no network leads from its other nodes to their \
         pods\n`winconform run --context {context}` asks what makes sense there; \
         `winconform testbed leave --context {context}` takes them out again",
        info.version
    ));
    Ok(0)
}

pub(super) async fn leave(cluster: &ClusterArguments, terminal: Terminal) -> Result<u8, CliError> {
    let reached = join::connect(&options(cluster, None)).await?;
    let name = join::name_of(&reached.context);
    let joined = join::nodes_of(&reached.client, &name).await?.len();
    // The process takes its nodes out itself; whatever it could not is taken out here.
    let was_up = Standing::of_user().down(&name).await?;
    let left_over = join::remove(&reached.client, &name).await?;
    match (was_up, joined.max(left_over)) {
        (false, 0) => Err(CliError::NothingJoined { context: reached.context }),
        (_, count) => {
            terminal.say(format_args!("{count} virtual nodes have left `{}`", reached.context));
            Ok(0)
        }
    }
}
