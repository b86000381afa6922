//! The guide of today, as printed.

use winconform_harness::Check;

use super::steps::{LITERAL, follow};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "literal/guide-today",
    title: "What this cluster makes of the guide's manifests of today",
    run: |cx| Box::pin(follow(cx, "guide-today")),
    ..LITERAL
};
