//! The published schema of the JSON report.

use schemars::{Schema, generate::SchemaSettings};

use super::{REPORT_SCHEMA, Report};

/// The JSON Schema of a report, made from the types.
///
/// `docs/report.schema.json` holds it; a test keeps the file equal, and writes it
/// when the environment has `WINCONFORM_UPDATE_SCHEMA=1`.
#[must_use]
pub fn json_schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), format!("A report of winconform ({REPORT_SCHEMA})").into());
    if let Some(name) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        name.insert("const".to_owned(), REPORT_SCHEMA.into());
    }
    schema
}
