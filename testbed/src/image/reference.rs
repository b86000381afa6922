//! Names of images, as containerd normalises them.

use std::fmt;

use thiserror::Error;

/// A whole image name: registry, repository, and tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    /// `mcr.microsoft.com`.
    pub(crate) registry: String,
    /// `windows/servercore`.
    pub(crate) repository: String,
    /// `ltsc2022`, or a digest with its algorithm.
    pub(crate) version: Version,
}

/// What comes after an image's repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// `:ltsc2022`.
    Tag(String),
    /// `@sha256:…`.
    Digest(String),
}

/// The text is no image name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("couldn't parse image name \"{text}\": invalid reference format")]
pub(crate) struct InvalidReference {
    text: String,
}

impl Reference {
    /// Reads a name as a pod has it: the registry defaults to Docker's, the tag to `latest`.
    ///
    /// # Errors
    ///
    /// When a part is missing or has letters that it cannot have.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference { text: text.to_owned() };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let component = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        let word = |tag: &str| {
            !tag.is_empty() && tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if name.is_empty() || !repository.split('/').all(component) || !tag.is_none_or(word) {
            return Err(invalid());
        }
        let version = match (digest, tag) {
            (Some(digest), _) => match digest.split_once(':') {
                Some(("sha256", hex)) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    Version::Digest(digest.to_owned())
                }
                _ => return Err(invalid()),
            },
            (None, tag) => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Ok(Self { registry: registry.to_owned(), repository, version })
    }

    /// Registry and repository.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}/{}:{tag}", self.registry, self.repository),
            Version::Digest(digest) => write!(f, "{}/{}@{digest}", self.registry, self.repository),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_names_get_dockers_registry_and_the_latest_tag() {
        for (text, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("curlimages/curl:8.9.1", "docker.io/curlimages/curl:8.9.1"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("mcr.microsoft.com/windows/servercore:ltsc2022", "mcr.microsoft.com/windows/servercore:ltsc2022"),
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), whole);
        }
    }

    #[test]
    fn names_that_no_registry_could_have_are_refused() {
        for text in ["", "Upper/case", "a b", "a:", "a@sha256:12", "/a", "a//b"] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_prints_what_reads_back(text in "\\PC{0,40}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
            }
        }
    }
}
