//! The published schema of the JSON of a history.

use schemars::{Schema, generate::SchemaSettings};

use super::{History, model::HISTORY_SCHEMA};

/// The JSON Schema of a history, made from the types; `docs/history.schema.json` holds it.
#[must_use]
pub fn json_schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<History>();
    schema.insert("title".to_owned(), format!("A history of winconform ({HISTORY_SCHEMA})").into());
    if let Some(name) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        name.insert("const".to_owned(), HISTORY_SCHEMA.into());
    }
    schema
}
