//! The JSON Schema of fault files.

use schemars::{Schema, schema_for};

use super::Fault;

/// The JSON Schema of fault files, published as `docs/fault.schema.json`.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Run with `INSTA_UPDATE=always` to write the schema anew.
    #[test]
    fn the_published_schema_is_the_one_that_the_types_give() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fault.schema.json");
        let ours = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("INSTA_UPDATE").is_some_and(|mode| mode == "always") {
            std::fs::write(path, &ours).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(published == ours, "docs/fault.schema.json is out of date; INSTA_UPDATE=always cargo test writes it");
    }
}
