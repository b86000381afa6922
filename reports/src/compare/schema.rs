//! The published schema of the JSON of a comparison.

use schemars::{Schema, generate::SchemaSettings};

use super::{Comparison, model::COMPARE_SCHEMA};

/// The JSON Schema of a comparison, made from the types; `docs/compare.schema.json` holds it.
#[must_use]
pub fn json_schema() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Comparison>();
    schema.insert("title".to_owned(), format!("A comparison of winconform ({COMPARE_SCHEMA})").into());
    if let Some(name) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        name.insert("const".to_owned(), COMPARE_SCHEMA.into());
    }
    schema
}
