//! The analysis document within the description of the API, as `dealstage schema` has it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::document;

/// A name in the description, of which [`complete`] says what it is.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new().into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

named! {
    /// The analysis of a call.
    Analysis,
    /// What is known of a deal after a call: its analysis without what was said.
    DealAnalysis,
    /// A letter, as the analysis has it.
    FollowUpInfo,
}

const SCHEMAS: &str = "/components/schemas";
/// What a deal keeps nothing of.
const SAID: [&str; 2] = ["turns", "segments"];

/// Says what the names stand for.
pub fn complete(mut described: Value) -> Value {
    let Value::Object(mut analysis) = document::schema() else {
        return described;
    };
    let Some(Value::Object(schemas)) = described.pointer_mut(SCHEMAS) else {
        return described;
    };
    let parts = match analysis.remove("$defs") {
        Some(Value::Object(parts)) => parts,
        _ => Map::new(),
    };
    for name in ["$schema", "$id"] {
        analysis.remove(name);
    }
    // What the API itself calls so is something else, unless it is the same list of ids.
    let name_of = |name: &String, part: &Value| {
        let is_same = |known: &Value| known["enum"].is_array() && known["enum"] == part["enum"];
        match schemas.get(name) {
            Some(known) if name != "FollowUpInfo" && !is_same(known) => format!("Analysis{name}"),
            _ => name.clone(),
        }
    };
    let names: BTreeMap<String, String> = parts
        .iter()
        .map(|(name, part)| (name.clone(), name_of(name, part)))
        .collect();
    for (name, mut part) in parts {
        refer(&mut part, &names);
        schemas.insert(names[&name].clone(), part);
    }
    let mut analysis = Value::Object(analysis);
    refer(&mut analysis, &names);
    let mut of_deal = analysis.clone();
    if let Some(properties) = of_deal["properties"].as_object_mut() {
        properties.retain(|name, _| !SAID.contains(&name.as_str()));
    }
    if let Some(required) = of_deal["required"].as_array_mut() {
        required.retain(|name| name.as_str().is_none_or(|name| !SAID.contains(&name)));
    }
    schemas.insert("Analysis".to_owned(), analysis);
    schemas.insert("DealAnalysis".to_owned(), of_deal);
    described
}

/// Turns references into the document into references into the description.
fn refer(schema: &mut Value, names: &BTreeMap<String, String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().and_then(|text| text.strip_prefix("#/$defs/")) {
                    Some(name) if key == "$ref" => {
                        let name = names.get(name).map_or(name, String::as_str);
                        *value = Value::String(format!("#{SCHEMAS}/{name}"));
                    }
                    _ => refer(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names)),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a document refers to.
    fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => (),
        }
    }

    #[test]
    fn every_name_stands_for_something() {
        let described = super::super::openapi();
        let mut found = Vec::new();
        references(&described, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for name in found {
            let pointer = name.strip_prefix('#').expect("a place of this document");
            assert!(described.pointer(pointer).is_some(), "{name}");
        }
        let schemas = described.pointer(SCHEMAS).expect("schemas");
        assert!(schemas["Analysis"]["properties"]["turns"].is_object());
        assert!(schemas["DealAnalysis"]["properties"]["turns"].is_null());
        assert!(schemas["FollowUpInfo"]["properties"]["subject"].is_object());
        // The body of a request, and where a deal went.
        assert!(schemas["Move"]["properties"]["deal_id"].is_object());
        assert!(schemas["AnalysisMove"]["enum"].is_array());
    }
}
