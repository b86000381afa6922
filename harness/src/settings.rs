//! What the user told a run about the cluster, beyond which checks to ask.
//!
//! Checks read these through their context, needs through the plan; a setting that
//! is not given leaves the question it is about *not applicable*, never red.

use std::collections::BTreeMap;

use crate::{cluster::Taint, image::ImageSource, probe::HostPort};

/// What the user told a run about the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether there is a proxy for the outside vantage (`--outside-proxy`).
    pub outside_proxy: bool,
    /// Whether an address may be published (`--allow-load-balancer`).
    pub allow_load_balancer: bool,
    /// Annotations of the load balancer's Service (`--lb-annotation`), for internal ones.
    pub load_balancer_annotations: BTreeMap<String, String>,
    /// The taint that Windows nodes must carry (`--expect-taint`).
    pub expected_taint: Option<Taint>,
    /// The credential spec to use (`--gmsa-spec`); otherwise the one that is found.
    pub gmsa_spec: Option<String>,
    /// A share that the account may read and write (`--gmsa-share`), as `\\\\server\\share`.
    pub gmsa_share: Option<String>,
    /// Where pods must get to outside the cluster (`--outbound`), each `host:port`.
    pub outbound: Vec<HostPort>,
    /// Where images come from (`--image-map`, `--image-registry`, `--pull-secret`).
    pub images: ImageSource,
}
