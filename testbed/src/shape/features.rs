//! What a cluster can do, as switches.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares the switches once, for a whole cluster and for a shape that changes some of them.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $usual:literal;)*) => {
        /// What a testbed's cluster can do.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct Features {
            $($(#[$doc])* pub $name: bool,)*
        }

        impl Default for Features {
            fn default() -> Self {
                Self { $($name: $usual,)* }
            }
        }

        /// The switches that one shape sets; the others stay as they are.
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct FeatureChanges {
            $($(#[$doc])* $name: Option<bool>,)*
        }

        impl FeatureChanges {
            pub(super) fn apply(&self, features: &mut Features) {
                $(if let Some(on) = self.$name {
                    features.$name = on;
                })*
            }
        }
    };
}

features! {
    /// Whether there is an Active Directory, with the credential specs and the webhook that make use of it.
    active_directory = true;
    /// Whether the API server admits pods with HostProcess containers.
    host_process = true;
    /// Whether a Windows node itself reaches its own node ports. The guide says that it does not.
    host_reaches_own_node_port = false;
    /// Whether a Windows node itself reaches Service IPs. The guide says that it does not.
    host_reaches_services = false;
    /// Whether Services of type LoadBalancer get an address.
    load_balancer = true;
    /// Whether Windows pods complete names with a dot in them. The guide says that they do not.
    partial_names = false;
    /// Whether Windows nodes carry the label `node.kubernetes.io/windows-build`.
    windows_build_label = true;
}
