//! Where images come from, when that is not where they are published.
//!
//! A private registry mirrors them, an air gap allows nothing else, and a build that
//! is not released yet has an image of its own: the user says so, and every image of
//! every pod of ours follows.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::cluster::KernelVersion;

/// Where images come from; the default takes them from where they are published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSource {
    /// What replaces what (`--image-map`), the longest match first.
    mapped: Vec<Mapping>,
    /// The registry that stands for all others (`--image-registry`), with a path if it has one.
    registry: Option<String>,
    /// What pods show to the registry (`--pull-secret`).
    pub pull_secret: Option<PullSecret>,
}

/// One replacement: `FROM=TO`.
///
/// FROM is a whole image, the beginning of images up to a `/`, `:` or `@`, or a Windows
/// build (`10.0.29531`), whose Windows image is then TO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    from: String,
    to: String,
}

/// A secret with which images are pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSecret {
    /// The namespace it is copied from; without one it is named only, and must be put into our
    /// namespaces by somebody else.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The text says not where images come from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageSourceError {
    /// No `FROM=TO`.
    #[error("`{0}` maps no image: write FROM=TO, for example `mcr.microsoft.com=registry.corp/mcr`")]
    Mapping(String),
    /// A line of a file is none.
    #[error("line {number}: {error}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        error: Box<ImageSourceError>,
    },
    /// No registry.
    #[error("`{0}` is no registry: write HOST or HOST/PATH, for example `registry.corp:5000/mirror`")]
    Registry(String),
    /// No secret's name.
    #[error("`{0}` names no secret: write NAME or NAMESPACE/NAME")]
    Secret(String),
}

impl FromStr for Mapping {
    type Err = ImageSourceError;

    fn from_str(text: &str) -> Result<Self, ImageSourceError> {
        let bad = || ImageSourceError::Mapping(text.to_owned());
        let (from, to) = text.split_once('=').ok_or_else(bad)?;
        let (from, to) = (from.trim(), to.trim().trim_end_matches('/'));
        let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace) && !name.contains("://");
        match is_name(from) && is_name(to) {
            true => Ok(Self { from: from.trim_end_matches('/').to_owned(), to: to.to_owned() }),
            false => Err(bad()),
        }
    }
}

impl FromStr for PullSecret {
    type Err = ImageSourceError;

    fn from_str(text: &str) -> Result<Self, ImageSourceError> {
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            !name.is_empty() && name.bytes().all(plain)
        };
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        match is_name(name) && namespace.is_none_or(is_name) {
            true => Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() }),
            false => Err(ImageSourceError::Secret(text.to_owned())),
        }
    }
}

impl fmt::Display for PullSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Reads a file of mappings: one on each line, `#` begins a comment.
///
/// # Errors
///
/// The first line that is none.
pub fn read_mappings(text: &str) -> Result<Vec<Mapping>, ImageSourceError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
    let of_line = |(index, line): (usize, &str)| {
        line.parse().map_err(|error| ImageSourceError::Line { number: index + 1, error: Box::new(error) })
    };
    lines.filter(|(_, line)| !line.is_empty()).map(of_line).collect()
}

/// Reads a registry: a host, with a path behind it or not.
///
/// # Errors
///
/// When it is none.
pub fn read_registry(text: &str) -> Result<String, ImageSourceError> {
    let registry = text.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/[]".contains(c);
    match !registry.is_empty() && registry.chars().all(plain) && !registry.contains("//") {
        true => Ok(registry.to_owned()),
        false => Err(ImageSourceError::Registry(text.to_owned())),
    }
}

impl ImageSource {
    /// Images as these say.
    #[must_use]
    pub fn new(mut mapped: Vec<Mapping>, registry: Option<String>, pull_secret: Option<PullSecret>) -> Self {
        mapped.sort_by_key(|mapping| std::cmp::Reverse(mapping.from.len()));
        Self { mapped, registry, pull_secret }
    }

    /// Only what pods show to the registry: for names that are mapped already.
    #[must_use]
    pub fn secret_only(&self) -> Self {
        Self { pull_secret: self.pull_secret.clone(), ..Self::default() }
    }

    /// The image that the user gives for a Windows build; the longest version that fits counts.
    #[must_use]
    pub fn of_build(&self, version: KernelVersion) -> Option<&str> {
        let spelled = version.to_string();
        let fits = |mapping: &&Mapping| {
            mapping.from.starts_with("10.0.")
                && spelled.strip_prefix(&mapping.from).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.mapped.iter().find(fits).map(|mapping| mapping.to.as_str())
    }

    /// What is pulled in place of a published image.
    #[must_use]
    pub fn of(&self, published: &str) -> String {
        for Mapping { from, to } in &self.mapped {
            if let Some(rest) = published.strip_prefix(from.as_str())
                && (rest.is_empty() || rest.starts_with(['/', ':', '@']))
            {
                // A whole image stays whole: the tag of `TO` counts, where it has one.
                return format!("{to}{rest}");
            }
        }
        match &self.registry {
            Some(registry) => format!("{registry}/{}", without_host(published)),
            None => published.to_owned(),
        }
    }
}

/// An image's name without its registry, by the rule of the image reference format:
/// the first part is a host if it has a dot or a port, or is `localhost`.
fn without_host(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVERCORE: &str = "mcr.microsoft.com/windows/servercore:ltsc2022";

    fn source(mapped: &[&str], registry: Option<&str>) -> ImageSource {
        let mapped = mapped.iter().map(|text| text.parse().unwrap()).collect();
        ImageSource::new(mapped, registry.map(|text| read_registry(text).unwrap()), None)
    }

    #[test]
    fn the_longest_mapping_wins_over_the_registry() {
        let source = source(
            &["mcr.microsoft.com=r.corp/mcr", "mcr.microsoft.com/windows/servercore:ltsc2022=r.corp/win:22h2"],
            Some("r.corp:5000/mirror/"),
        );
        assert_eq!(source.of(SERVERCORE), "r.corp/win:22h2");
        assert_eq!(
            source.of("mcr.microsoft.com/windows/servercore:ltsc2025"),
            "r.corp/mcr/windows/servercore:ltsc2025"
        );
        assert_eq!(source.of("registry.k8s.io/pause:3.10"), "r.corp:5000/mirror/pause:3.10");
        assert_eq!(source.of("busybox:1"), "r.corp:5000/mirror/busybox:1");
    }

    #[test]
    fn a_mapping_ends_where_a_name_ends() {
        let source = source(&["mcr.microsoft.com/windows/server=r.corp/server"], None);
        assert_eq!(source.of(SERVERCORE), SERVERCORE);
        assert_eq!(source.of("mcr.microsoft.com/windows/server@sha256:ab"), "r.corp/server@sha256:ab");
    }

    #[test]
    fn a_build_that_is_not_released_has_the_image_that_the_user_gives_it() {
        let source = source(&["10.0.29531=r.corp/insider:29531", "10.0.29531.1000=r.corp/insider:rtm"], None);
        let of = |version: &str| source.of_build(version.parse().unwrap()).map(str::to_owned);
        assert_eq!(of("10.0.29531.5").as_deref(), Some("r.corp/insider:29531"));
        assert_eq!(of("10.0.29531.1000").as_deref(), Some("r.corp/insider:rtm"));
        assert_eq!(of("10.0.2953.1"), None);
    }

    #[test]
    fn a_file_has_a_mapping_on_each_line_and_says_which_is_none() {
        let mappings = read_mappings("# ours\n\nmcr.microsoft.com = r.corp/mcr # mirrored nightly\n").unwrap();
        assert_eq!(mappings, ["mcr.microsoft.com=r.corp/mcr".parse().unwrap()]);
        let error = read_mappings("a=b\nnonsense\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2: `nonsense` maps no image"), "{error}");
    }

    #[test]
    fn a_pull_secret_is_named_alone_or_with_its_namespace() {
        let secret = |text: &str| text.parse::<PullSecret>();
        assert_eq!(secret("regcred").unwrap().namespace, None);
        assert_eq!(secret("infra/regcred").unwrap().to_string(), "infra/regcred");
        for bad in ["", "/", "a/", "/a", "a/b/c", "A"] {
            assert!(secret(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_read_or_refused(text in ".{0,60}", image in "[a-z./:@-]{0,40}") {
            let mapped = text.parse::<Mapping>().ok().into_iter().collect();
            let registry = read_registry(&text).ok();
            let source = ImageSource::new(mapped, registry, text.parse().ok());
            let _ = source.of(&image);
            let _ = read_mappings(&text);
        }

        #[test]
        fn a_tag_or_digest_survives_a_registry(tag in "[a-z0-9]{1,8}") {
            let source = source(&[], Some("r.corp/m"));
            prop_assert_eq!(source.of(&format!("mcr.microsoft.com/a/b:{tag}")), format!("r.corp/m/a/b:{tag}"));
        }
    }
}
