//! From files to a cluster: what a shape starts from, what it changes, and shapes on top of each other.
//!
//! `one-build,no-load-balancer` is the first shape as it is, with what the
//! second one would make of its own base done to it. So every shape that has a
//! `base` can be stacked on any other, and a whole cluster can only come first.

use std::path::Path;

use super::{
    NodeShape, Shape, ShapeError,
    features::Features,
    file::ShapeFile,
    rules::{self, Broken},
    shipped,
};

/// How many shapes may start from one another.
const DEEPEST: usize = 8;

/// See [`Shape::find`].
pub(super) fn find(text: &str) -> Result<Shape, ShapeError> {
    stack(text, Path::new(""), 0)
}

/// The shapes that `text` names on top of each other; paths in it start in `folder`.
fn stack(text: &str, folder: &Path, depth: usize) -> Result<Shape, ShapeError> {
    let mut names = text.split(',').map(str::trim);
    let mut shape = whole(&Source::find(names.next().unwrap_or_default(), folder)?, depth)?;
    for name in names {
        let source = Source::find(name, folder)?;
        if source.file.base.is_none() {
            return Err(source.refuse(format!(
                "it is a whole cluster and can only come first in `{text}`; what comes after a comma says what is different (it has a `base`)"
            )));
        }
        alter(&mut shape, &source, Strictness::Stacked)?;
        shape.name = format!("{},{}", shape.name, source.file.name);
        shape.about = [shape.about.as_str(), source.file.about.as_str()].join(" ").trim().to_owned();
    }
    Ok(shape)
}

/// See [`Shape::parse`].
pub(super) fn parse(yaml: &str, origin: &str) -> Result<Shape, ShapeError> {
    whole(&Source::read(yaml.to_owned(), origin.to_owned(), None)?, 0)
}

/// See [`Shape::anchored`].
pub(super) fn anchored(text: &str) -> String {
    let absolute = |name: &str| match name.trim() {
        name if shipped::yaml(name).is_some() || !is_path(name) => name.to_owned(),
        path => std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string()),
    };
    text.split(',').map(absolute).collect::<Vec<_>>().join(",")
}

fn is_path(name: &str) -> bool {
    name.contains(['/', '\\', '.']) || Path::new(name).exists()
}

/// A file that was read, and what is known about where it came from.
struct Source {
    file: ShapeFile,
    yaml: String,
    origin: String,
    /// The number that came with its name.
    size: Option<u32>,
}

impl Source {
    /// A shipped shape or a file, with or without a number behind it.
    fn find(name: &str, folder: &Path) -> Result<Self, ShapeError> {
        let (plain, size) = match name.rsplit_once(':') {
            Some((plain, number)) if !folder.join(name).exists() => match number.parse() {
                Ok(size) => (plain, Some(size)),
                Err(_) => (name, None),
            },
            _ => (name, None),
        };
        let source = if let Some(yaml) = shipped::yaml(plain) {
            Self::read(yaml.to_owned(), plain.to_owned(), size)?
        } else if is_path(plain) || folder.join(plain).exists() {
            let path = folder.join(plain);
            match std::fs::read_to_string(&path) {
                Ok(yaml) => Self::read(yaml, path.display().to_string(), size)?,
                Err(source) => return Err(ShapeError::Unreadable { path, source }),
            }
        } else {
            return Err(ShapeError::unknown(plain));
        };
        if size.is_some() && source.file.size.is_none() {
            return Err(source.refuse(format!("it has no `size` that the number in `{name}` could be")));
        }
        Ok(source)
    }

    fn read(yaml: String, origin: String, size: Option<u32>) -> Result<Self, ShapeError> {
        let plain = serde_saphyr::options! { with_snippet: false };
        match serde_saphyr::from_str_with_options(&yaml, plain) {
            Ok(file) => Ok(Self { file, yaml, origin, size }),
            Err(source) => Err(ShapeError::yaml(&origin, source)),
        }
    }

    fn refuse(&self, reason: String) -> ShapeError {
        self.broken(Broken { node: None, reason })
    }

    fn broken(&self, broken: Broken) -> ShapeError {
        ShapeError::rule(&self.origin, &self.yaml, broken)
    }
}

/// Whether what a shape says about its base's nodes must fit some of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// It is on its own base: what fits nothing is a mistake.
    OwnBase,
    /// It is on another shape, which may not have what it changes.
    Stacked,
}

fn whole(source: &Source, depth: usize) -> Result<Shape, ShapeError> {
    let mut shape = match &source.file.base {
        None => Shape { name: String::new(), about: String::new(), nodes: Vec::new(), features: Features::default() },
        Some(_) if depth >= DEEPEST => {
            return Err(source.refuse(format!("its bases lead to one another, or are more than {DEEPEST} deep")));
        }
        Some(base) => {
            let folder = Path::new(&source.origin).parent().unwrap_or(Path::new(""));
            stack(base, folder, depth + 1)?
        }
    };
    alter(&mut shape, source, Strictness::OwnBase)?;
    shape.name.clone_from(&source.file.name);
    if let Some(size) = source.size {
        shape.name = format!("{}:{size}", shape.name);
    }
    shape.about.clone_from(&source.file.about);
    Ok(shape)
}

/// Does to `shape` what a file says: leaves nodes out, changes the others, adds its own.
fn alter(shape: &mut Shape, source: &Source, strictness: Strictness) -> Result<(), ShapeError> {
    let file = &source.file;
    let must_fit = strictness == Strictness::OwnBase;
    for pattern in &file.remove {
        let before = shape.nodes.len();
        shape.nodes.retain(|node| !pattern.matches(&node.name));
        if must_fit && shape.nodes.len() == before {
            return Err(source.refuse(format!("`remove` names `{pattern}`, and its base has no such node")));
        }
    }
    for (at, change) in file.change.iter().enumerate() {
        let mut fitted = false;
        for node in shape.nodes.iter_mut().filter(|node| change.is_about(node)) {
            change.apply(node);
            fitted = true;
        }
        if must_fit && !fitted {
            let which = at + 1;
            return Err(source.refuse(format!("entry {which} of `change` fits no node of its base")));
        }
    }
    file.features.apply(&mut shape.features);
    let inherited = shape.nodes.len();
    let (added, entries) = added(source)?;
    shape.nodes.extend(added);
    rules::check(shape).map_err(|broken| {
        let entry = broken.node.and_then(|node| entries.get(node.checked_sub(inherited)?).copied());
        source.broken(Broken { node: entry, ..broken })
    })
}

/// The nodes that a file adds, and which entry of its list each comes from.
fn added(source: &Source) -> Result<(Vec<NodeShape>, Vec<usize>), ShapeError> {
    let entries = &source.file.nodes;
    let mut parts: u64 = entries.iter().filter_map(|node| node.share).map(u64::from).sum();
    let size = source.size.or(source.file.size);
    let mut left = match (size, parts) {
        (None, 0) => 0,
        (None, _) => return Err(source.refuse("a node has a `share`, and the shape has no `size`".into())),
        (Some(_), 0) => return Err(source.refuse("it has a `size`, and no node has a `share` of it".into())),
        (Some(size), _) => u64::from(size),
    };
    rules::check_size(left).map_err(|broken| source.broken(broken))?;
    let (mut nodes, mut from) = (Vec::new(), Vec::new());
    for (entry, node) in entries.iter().enumerate() {
        let Some(share) = node.share else {
            nodes.push(node.clone());
            from.push(entry);
            continue;
        };
        // What is left is divided among those that are left, so that the counts add up.
        let count = (left * u64::from(share)).div_ceil(parts.max(1)).min(left);
        left -= count;
        parts -= u64::from(share);
        nodes.extend((0..count).map(|number| NodeShape {
            name: format!("{}-{number}", node.name),
            share: None,
            ..node.clone()
        }));
        from.extend((0..count).map(|_| entry));
    }
    Ok((nodes, from))
}
