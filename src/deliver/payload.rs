//! What a receiver of webhooks reads: one shape for all types, small, with links for the rest.
//!
//! What an event tells is *not* here: see `service`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

/// Bytes of a body.
pub const LARGEST: usize = 20 << 10;

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: &'a Map<String, Value>,
}

/// The body of a webhook: an event of this type that happened at this time. What makes it too large is left out and named in
/// `left_out`. None: the payload is no JSON object.
pub fn body(kind: &str, at: DateTime<Utc>, payload: &str) -> Option<String> {
    let mut data: Map<String, Value> = serde_json::from_str(payload).ok()?;
    let timestamp = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    loop {
        let envelope = Envelope {
            kind,
            timestamp: timestamp.clone(),
            data: &data,
        };
        let body = serde_json::to_string(&envelope).ok()?;
        if body.len() <= LARGEST {
            return Some(body);
        }
        let largest = data.iter().filter(|(name, _)| *name != LEFT_OUT);
        let largest = largest.max_by_key(|(_, value)| value.to_string().len())?.0.clone();
        data.remove(&largest);
        match data.entry(LEFT_OUT).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(names) if names.len() < MOST_NAMES => names.push(largest.into()),
            Value::Array(_) => (),
            other => *other = Value::Array(vec![largest.into()]),
        }
    }
}

const LEFT_OUT: &str = "left_out";
/// So many names of what was left out, or they would be what makes it too large.
const MOST_NAMES: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-04-16T10:00:00.5Z".parse().expect("a time")
    }

    #[test]
    fn the_envelope() {
        let body = body(
            "deal.updated",
            at(),
            r#"{"deal_id":"deal_1","stage":null,"имя":"Анна"}"#,
        );
        assert_eq!(
            body.as_deref(),
            Some(
                r#"{"type":"deal.updated","timestamp":"2026-04-16T10:00:00.500Z","data":{"deal_id":"deal_1","stage":null,"имя":"Анна"}}"#
            )
        );
        assert_eq!(super::body("deal.updated", at(), "[]"), None);
        assert_eq!(super::body("deal.updated", at(), "{"), None);
    }

    #[test]
    fn what_is_too_large_is_left_out_by_name() {
        let payload =
            json!({"call_id": "call_1", "body": "я".repeat(30_000), "subject": "s".repeat(19_000), "facts": [1, 2]});
        let body = body("followup.approved", at(), &payload.to_string()).expect("a body");
        assert!(body.len() <= LARGEST);
        let read: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(read["data"]["left_out"], json!(["body"]));
        assert_eq!(read["data"]["call_id"], "call_1");
        assert_eq!(read["data"]["subject"], payload["subject"]);
        // Many small ones go too, until it fits.
        let many: Map<String, Value> = (0..3000).map(|n| (format!("k{n}"), "0123456789".into())).collect();
        let body = super::body("x.y", at(), &Value::Object(many).to_string()).expect("a body");
        assert!(body.len() <= LARGEST);
    }
}
