//! A stored call, run again: does it come to the same?

use serde_json::Value;

use super::job::{self, Blocking, Error};
use super::{Options, Shop, bad_input};
use crate::store::{CallId, Scope, Step};

/// Two runs of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// `result_hash` of the stored analysis.
    pub stored: String,
    /// `result_hash` now.
    pub now: String,
    /// Where they differ: a path into the document, and both values. Empty where the hashes are equal.
    pub differences: Vec<(String, Value, Value)>,
    /// The recording was heard again; else its stored transcript was taken.
    pub heard: bool,
}

/// Runs a call again, from its bytes if they are kept, and keeps nothing of it. None: there is no such analysis.
pub async fn replay(
    shop: &Shop,
    options: &Options,
    id: &CallId,
    blocking: &dyn Blocking,
) -> Result<Option<Replay>, Error> {
    let Some(workspace) = shop.store.workspace_of_call(id).await? else {
        return Ok(None);
    };
    let scope = Scope::all(workspace.clone());
    let (Some(call), Some(stored)) = (
        shop.store.call(&scope, id).await?,
        shop.store.result(&scope, id, Step::Analysis).await?,
    ) else {
        return Ok(None);
    };
    let (meta, settings) = job::settings_of(options, &call)?;
    let (transcribed, heard) = if call.blob.is_some() {
        (
            job::hear(shop, options, &workspace, &call, (&meta, &settings), blocking)
                .await?
                .0,
            true,
        )
    } else {
        let Some(body) = shop.store.result(&scope, id, Step::Transcript).await? else {
            let message = "neither the recording nor the transcript of this call is kept any more".to_owned();
            return Err(Error::Problem(bad_input(message)));
        };
        (
            serde_json::from_str(&body).map_err(|error| job::corrupt("transcript", &error))?,
            false,
        )
    };
    let (document, _) = job::document_of(shop, &workspace, &call, &meta, &settings, transcribed, blocking).await?;
    let stored: Value = serde_json::from_str(&stored).map_err(|error| job::corrupt("analysis", &error))?;
    let now = serde_json::to_value(&document).map_err(|error| job::corrupt("analysis", &error))?;
    let hash = |document: &Value| {
        document["provenance"]["result_hash"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let mut differences = Vec::new();
    if hash(&stored) != hash(&now) {
        compare("", &stored, &now, &mut differences);
        differences
            .retain(|(path, ..)| !path.starts_with("/provenance/timings_ms") && path != "/provenance/result_hash");
    }
    Ok(Some(Replay {
        stored: hash(&stored),
        now: hash(&now),
        differences,
        heard,
    }))
}

fn compare(path: &str, stored: &Value, now: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (stored, now) {
        (Value::Object(stored), Value::Object(now)) => {
            for name in stored
                .keys()
                .chain(now.keys().filter(|name| !stored.contains_key(*name)))
            {
                let (one, other) = (stored.get(name), now.get(name));
                compare(
                    &format!("{path}/{name}"),
                    one.unwrap_or(&Value::Null),
                    other.unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(stored), Value::Array(now)) => {
            for at in 0..stored.len().max(now.len()) {
                let (one, other) = (stored.get(at), now.get(at));
                compare(
                    &format!("{path}/{at}"),
                    one.unwrap_or(&Value::Null),
                    other.unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        _ if stored == now => (),
        _ => found.push((path.to_owned(), stored.clone(), now.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_have_their_place() {
        let mut found = Vec::new();
        compare(
            "",
            &json!({"a": [1, {"b": 2}], "c": 1}),
            &json!({"a": [1, {"b": 3}, 4], "c": 1}),
            &mut found,
        );
        assert_eq!(
            found,
            [
                ("/a/1/b".to_owned(), json!(2), json!(3)),
                ("/a/2".to_owned(), json!(null), json!(4)),
            ]
        );
    }
}
