//! The OpenAPI document: what the handlers say of themselves, and what holds for all of them.

use serde_json::{Value, json};

const PROBLEM: &str = "application/problem+json";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What any route behind the door may answer.
const CLOSED: [(&str, &str); 4] = [
    ("401", "There is no valid key"),
    ("403", "The key may not do this"),
    ("429", "The key asks too often"),
    ("503", "The database or the blob store does not answer"),
];
/// What any route with a path, query or body may answer.
const INPUT: [(&str, &str); 2] = [("400", "It cannot be read"), ("422", "It can be read, but not used")];
const BODY: [(&str, &str); 2] = [("413", "The body is too large"), ("415", "The body is of another type")];

/// Errors are problem documents everywhere, and the general ones are described once.
pub fn complete(mut document: Value) -> Value {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return document;
    };
    for (path, methods) in paths {
        for method in METHODS {
            let Some(route) = methods.get_mut(method) else {
                continue;
            };
            // Handlers of several resources have the same name; clients that are generated need one for each.
            route["operationId"] = json!(operation_id(method, path));
            // A route that needs no key says so itself.
            let closed = route.get("security").is_none();
            let has_body = route.get("requestBody").is_some();
            let Some(answers) = route.get_mut("responses").and_then(Value::as_object_mut) else {
                continue;
            };
            let general = [
                (&CLOSED[..], closed),
                (&INPUT[..], closed),
                (&BODY[..], closed && has_body),
            ];
            for (status, description) in general.iter().filter(|(_, holds)| *holds).flat_map(|(list, _)| *list) {
                answers
                    .entry(*status)
                    .or_insert_with(|| json!({"description": description, "content": {"application/json": problem()}}));
            }
            for (status, answer) in answers {
                let is_problem = status.starts_with(['4', '5']);
                if is_problem
                    && let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut)
                    && let Some(shape) = content.remove("application/json")
                {
                    content.insert(PROBLEM.to_owned(), shape);
                }
            }
        }
    }
    document
}

/// `get_calls_id_follow_up` for `GET /v1/calls/{id}/follow-up`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "v1");
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

fn problem() -> Value {
    json!({"schema": {"$ref": "#/components/schemas/ProblemDocument"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_problem_documents() {
        let document = super::super::openapi();
        let paths = document["paths"].as_object().expect("paths");
        assert!(document["components"]["schemas"]["ProblemDocument"].is_object());
        let mut seen = 0;
        for (path, methods) in paths {
            for (method, route) in methods.as_object().expect("methods") {
                for (status, answer) in route["responses"].as_object().expect("answers") {
                    if status.starts_with(['4', '5']) {
                        assert!(answer["content"].get(PROBLEM).is_some(), "{method} {path} {status}");
                        seen += 1;
                    }
                }
                if path.starts_with("/v1/") && route.get("security").is_none() {
                    assert!(route["responses"].get("401").is_some(), "{method} {path}");
                }
            }
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = super::super::openapi();
        let routes = document["paths"].as_object().expect("paths").values();
        let routes = routes.flat_map(|methods| methods.as_object().expect("methods").values());
        let mut names: Vec<_> = routes.map(|route| route["operationId"].to_string()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    /// Shapes of one name would stand for each other.
    #[test]
    fn every_body_has_its_own_shape() {
        let document = super::super::openapi();
        for (method, path, field) in [
            ("post", "/v1/deals", "contacts"),
            ("post", "/v1/endpoints", "crm_file"),
            ("patch", "/v1/endpoints/{id}", "types"),
            ("post", "/v1/keys", "scopes"),
            ("post", "/v1/users", "email"),
            ("patch", "/v1/users/{id}", "disabled"),
            ("post", "/v1/workspaces", "name"),
            ("patch", "/v1/calls/{id}", "consent"),
        ] {
            let body = &document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"];
            let shape = body["$ref"].as_str().expect("a shape").trim_start_matches('#');
            let shape = document.pointer(shape).expect("described");
            assert!(shape["properties"].get(field).is_some(), "{method} {path}: {shape}");
        }
        let change = &document["components"]["schemas"]["Proposal"]["properties"]["changes"]["items"]["$ref"];
        assert_eq!(change, "#/components/schemas/ProposedChange");
    }
}
