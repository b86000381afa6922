//! The guide's own manifests, exactly as it prints them.
//!
//! They are text, not objects: some name versions and kinds that no cluster has any
//! more, and one is no YAML. What a cluster makes of them is for `--literal` to show.

use serde_json::Value;

use crate::documents;

/// One edition of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// How it is called: `guide-1.18`.
    pub name: &'static str,
    /// Its files, in the order in which the guide applies them: name and text.
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! edition {
    ($name:literal) => {
        Edition {
            name: $name,
            files: &[
                ("win-webserver.yaml", include_str!(concat!("../literal/", $name, "/win-webserver.yaml"))),
                ("runtime-classes.yaml", include_str!(concat!("../literal/", $name, "/runtime-classes.yaml"))),
                ("iis-2019.yaml", include_str!(concat!("../literal/", $name, "/iis-2019.yaml"))),
            ],
        }
    };
}

/// The editions there are: the founding one and today's.
pub const EDITIONS: &[Edition] = &[edition!("guide-1.18"), edition!("guide-today")];

impl Edition {
    /// The documents of a file, each as the value it is or why it is none.
    ///
    /// A document that is no YAML does not hide the others, as with `kubectl apply`.
    pub fn documents(text: &str) -> impl Iterator<Item = Result<Value, String>> {
        documents(text).map(|document| {
            serde_saphyr::from_str::<Value>(&document)
                .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        Edition::documents(text)
            .map(|document| match document {
                Ok(value) => format!("{} {}", value["apiVersion"], value["kind"]).replace('"', ""),
                Err(_) => "no YAML".to_owned(),
            })
            .collect()
    }

    #[test]
    fn each_edition_is_what_its_guide_prints_its_mistakes_included() {
        let read: Vec<Vec<String>> =
            EDITIONS.iter().map(|edition| edition.files.iter().flat_map(|(_, text)| kinds(text)).collect()).collect();
        assert_eq!(
            read[0],
            [
                "v1 Service",
                "apps/v1 Deployment",
                "node.k8s.io/v1beta1 RuntimeClass",
                "apps/v1 Deployment",
                "v1 Service"
            ]
        );
        assert_eq!(
            read[1],
            ["v1 Service", "apps/v1 Deployment", "node.k8s.io/v1 RuntimeClass", "no YAML", "v1 Service"]
        );
    }
}
