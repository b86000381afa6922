//! What a shape must hold beyond its types.

use std::collections::BTreeSet;

use super::{NodeShape, Os, Shape};

/// As many nodes as have an InternalIP in 10.240.0.0/16 and a pod range of their own in 10.244.0.0/16.
pub(super) const MOST_NODES: usize = 256;

/// The first rule that a shape breaks.
#[derive(Debug)]
pub(super) struct Broken {
    /// The node at fault, by its place in the list.
    pub(super) node: Option<usize>,
    /// What is wrong.
    pub(super) reason: String,
}

/// Whether so many nodes get addresses, before they are made.
pub(super) fn check_size(size: u64) -> Result<(), Broken> {
    match usize::try_from(size) {
        Ok(0..=MOST_NODES) => Ok(()),
        _ => Err(too_many(size)),
    }
}

fn too_many(nodes: impl std::fmt::Display) -> Broken {
    Broken { node: None, reason: format!("{nodes} nodes are more than the {MOST_NODES} that get a pod range") }
}

pub(super) fn check(shape: &Shape) -> Result<(), Broken> {
    let whole = |reason: String| Err(Broken { node: None, reason });
    if shape.nodes.is_empty() {
        return whole("a shape has at least one node".into());
    }
    if shape.nodes.len() > MOST_NODES {
        return Err(too_many(shape.nodes.len()));
    }
    let mut names = BTreeSet::new();
    for (index, node) in shape.nodes.iter().enumerate() {
        let reason = if names.insert(node.name.as_str()) {
            check_node(node).err()
        } else {
            Some(format!("there is another node `{}`", node.name))
        };
        if let Some(reason) = reason {
            return Err(Broken { node: Some(index), reason });
        }
    }
    Ok(())
}

fn check_node(node: &NodeShape) -> Result<(), String> {
    let name = &node.name;
    if !is_dns_label(name) {
        return Err(format!("`{name}` is not a node name (lower-case letters, digits and hyphens, at most 63)"));
    }
    if node.os == Os::Windows {
        match &node.build {
            None => return Err(format!("the Windows node `{name}` needs a `build` such as 10.0.20348.5499")),
            Some(build) if !is_windows_build(build) => {
                return Err(format!("`{build}` of the node `{name}` is not a Windows build such as 10.0.20348.5499"));
            }
            Some(_) => {}
        }
    }
    if node.pods == 0 {
        return Err(format!("the node `{name}` takes no pods"));
    }
    for (what, quantity) in [("cpu", &node.cpu), ("memory", &node.memory)] {
        if !is_quantity(quantity) {
            return Err(format!("`{quantity}` is not a quantity of {what} for the node `{name}`"));
        }
    }
    if !node.runtime.contains("://") {
        return Err(format!("`{}` of the node `{name}` is not a runtime such as containerd://2.1.4", node.runtime));
    }
    Ok(())
}

/// RFC 1123, as the API server asks of a label value that holds a host name.
fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_windows_build(text: &str) -> bool {
    text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

/// A positive Kubernetes quantity in the forms that node capacities take.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &text[digits.len()..];
    let number = digits.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0);
    number && matches!(suffix, "" | "m" | "k" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti")
}
