//! JSON Schemas (draft 2020-12) of what goes in and out, derived from the types themselves.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of what the program writes: an object has these properties and no others.
pub fn of_output<T: JsonSchema>(id: &str, title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    of::<T>(settings.with_transform(RecursiveTransform(close)), id, title)
}

/// The schema of what the program reads: properties that it does not know are ignored.
pub fn of_input<T: JsonSchema>(id: &str, title: &str) -> Value {
    of::<T>(SchemaSettings::draft2020_12().for_deserialize(), id, title)
}

fn of<T: JsonSchema>(settings: SchemaSettings, id: &str, title: &str) -> Value {
    let settings = settings.with_transform(RecursiveTransform(plain));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), id.into());
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

fn close(schema: &mut Schema) {
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

/// `format: uint32` is none of the standard's formats, and strict readers refuse it; the bounds stay.
fn plain(schema: &mut Schema) {
    let is_number = |format: &str| {
        ["int", "uint", "float", "double"]
            .iter()
            .any(|kind| format.starts_with(kind))
    };
    if schema.get("format").and_then(Value::as_str).is_some_and(is_number) {
        schema.remove("format");
    }
    // That nothing is given where nothing is given goes without saying.
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}
