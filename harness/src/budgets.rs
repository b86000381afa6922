//! How long things may take, by name, so that a failure says which budget was spent.

use std::time::Duration;

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// The API server answers, or a lost watch comes back.
    Api,
    /// A pod gets a node.
    Schedule,
    /// A pod's sandbox is made: its network and its pause container.
    Sandbox,
    /// A pod's images are pulled and unpacked. Windows base images take minutes
    /// (containerd#4989: 18 min cold; runner-images#13851: 5 min).
    Pull,
    /// A pod's containers start once their images are there.
    Start,
    /// A running pod becomes Ready.
    Ready,
    /// The network of a ready pod works: new Windows pods have none for 1 to 40 s
    /// (Azure/azure-container-networking#299, Azure/AKS#2161).
    Datapath,
    /// A deleted object is gone. Windows tears a pod down after its grace period.
    Terminate,
    /// A command run by exec comes back, beyond what the command itself may take.
    Exec,
    /// Commands whose outcome was lost on the way are run again: managed API servers drop some.
    Transport,
    /// Images are pulled before anything is asked (`--prepull`): all of a node's, one after the other.
    Prepull,
    /// Nodes come that are waited for (`--wait-for-nodes`). A Windows machine boots and joins in
    /// 5 to 15 minutes.
    Nodes,
    /// A node renews its Lease: every 10 s, and the control plane gives it 40 s.
    Heartbeat,
    /// A load balancer gets its address and leads somewhere. Clouds take minutes.
    LoadBalancer,
    /// A node is back from a reboot: Windows installs updates on the way.
    Reboot,
    /// What a container uses shows in the statistics. Kubelets sample every 10 s, metrics servers ask
    /// them every 15 to 60 s, and need two answers.
    Statistics,
}

impl Budget {
    /// Its name in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Schedule => "schedule",
            Self::Sandbox => "sandbox",
            Self::Pull => "pull",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Datapath => "datapath",
            Self::Terminate => "terminate",
            Self::Exec => "exec",
            Self::Transport => "transport",
            Self::Prepull => "prepull",
            Self::Nodes => "nodes",
            Self::Heartbeat => "heartbeat",
            Self::LoadBalancer => "load balancer",
            Self::Reboot => "reboot",
            Self::Statistics => "statistics",
        }
    }

    /// How long it is before scaling.
    #[must_use]
    pub fn unscaled(self) -> Duration {
        Duration::from_secs(match self {
            Self::Api => 60,
            Self::Schedule => 60,
            Self::Sandbox => 240,
            Self::Pull => 25 * 60,
            Self::Start => 180,
            Self::Ready => 180,
            Self::Datapath => 60,
            Self::Terminate => 120,
            Self::Exec => 60,
            Self::Transport => 20,
            Self::Prepull => 45 * 60,
            Self::Nodes => 30 * 60,
            Self::Heartbeat => 45,
            Self::LoadBalancer => 300,
            Self::Reboot => 20 * 60,
            Self::Statistics => 240,
        })
    }
}

/// All budgets under one scale (`--timeout-scale`; a testbed with shortened
/// latencies shortens them alike).
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    scale: f64,
}

impl Budgets {
    /// Budgets that are `scale` times as long; a scale that is no positive number counts as 1.
    #[must_use]
    pub fn scaled(scale: f64) -> Self {
        Self { scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 } }
    }

    /// How long we wait.
    #[must_use]
    pub fn of(self, budget: Budget) -> Duration {
        self.stretch(budget.unscaled())
    }

    /// Any duration of ours under the same scale; never below a second, so that
    /// a busy machine is not mistaken for a broken cluster.
    #[must_use]
    pub fn stretch(self, duration: Duration) -> Duration {
        duration.mul_f64(self.scale).max(Duration::from_secs(1))
    }

    /// Whole seconds for a limit that is part of a command run inside the cluster.
    ///
    /// Such limits are in the cluster's own time: a larger scale lengthens them, a
    /// smaller one (a testbed whose clock runs faster) must not cut them short twice.
    #[must_use]
    pub fn inside(self, budget: Budget) -> u64 {
        budget.unscaled().mul_f64(self.scale.max(1.0)).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_scale_shortens_our_waits_but_not_limits_inside_the_cluster() {
        let budgets = Budgets::scaled(0.1);
        assert_eq!(budgets.of(Budget::Datapath), Duration::from_secs(6));
        assert_eq!(budgets.inside(Budget::Datapath), 60);
    }

    #[test]
    fn a_scale_that_is_no_number_counts_as_one() {
        for scale in [f64::NAN, f64::INFINITY, 0.0, -3.0] {
            assert_eq!(Budgets::scaled(scale).of(Budget::Api), Duration::from_secs(60));
        }
    }
}
