//! The shapes that ship with the crate.

/// Name and YAML of each, from the plain ones to the odd ones.
const SHIPPED: &[(&str, &str)] = &[
    ("default", include_str!("../../shapes/default.yaml")),
    ("one-windows-node", include_str!("../../shapes/one-windows-node.yaml")),
    ("one-build", include_str!("../../shapes/one-build.yaml")),
    ("three-builds", include_str!("../../shapes/three-builds.yaml")),
    ("two-patch-levels", include_str!("../../shapes/two-patch-levels.yaml")),
    ("preview-build", include_str!("../../shapes/preview-build.yaml")),
    ("preview-build-old-containerd", include_str!("../../shapes/preview-build-old-containerd.yaml")),
    ("untainted", include_str!("../../shapes/untainted.yaml")),
    ("other-taint", include_str!("../../shapes/other-taint.yaml")),
    ("no-load-balancer", include_str!("../../shapes/no-load-balancer.yaml")),
    ("no-active-directory", include_str!("../../shapes/no-active-directory.yaml")),
    ("no-host-process", include_str!("../../shapes/no-host-process.yaml")),
    ("limitation-lifted", include_str!("../../shapes/limitation-lifted.yaml")),
    ("old-kubelet", include_str!("../../shapes/old-kubelet.yaml")),
    ("no-windows", include_str!("../../shapes/no-windows.yaml")),
    ("large", include_str!("../../shapes/large.yaml")),
];

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The YAML of one of them.
pub(super) fn yaml(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, yaml)| *yaml)
}
