//! The guide of Kubernetes 1.18, as printed.

use winconform_harness::Check;

use super::steps::{LITERAL, follow};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "literal/guide-1-18",
    title: "What this cluster makes of the guide's manifests of Kubernetes 1.18",
    run: |cx| Box::pin(follow(cx, "guide-1.18")),
    ..LITERAL
};
