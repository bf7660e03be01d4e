//! The map in `src/lib.rs` holds: a module imports only what its row allows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows of the map: module → what it may import of ours.
fn map() -> BTreeMap<&'static str, Vec<&'static str>> {
    let steps = vec![
        "domain",
        "weights",
        "llm",
        "process",
        "ingest",
        "transcribe",
        "understand",
        "decide",
    ];
    let mut service = steps.clone();
    service.extend(["pipeline", "document", "live", "store"]);
    BTreeMap::from([
        ("domain", vec![]),
        ("tables", vec!["domain"]),
        ("weights", vec![]),
        ("process", vec!["tables", "domain"]),
        ("ingest", vec!["domain"]),
        ("matrix", vec![]),
        ("transcribe", vec!["domain", "weights", "guard", "matrix"]),
        ("guard", vec![]),
        ("llm", vec!["domain", "guard"]),
        ("understand", vec!["domain", "process", "llm", "matrix"]),
        ("decide", vec!["domain", "process", "llm"]),
        ("pipeline", steps),
        ("document", vec!["domain", "pipeline"]),
        ("store", vec!["domain"]),
        ("service", service),
        (
            "live",
            vec![
                "domain",
                "process",
                "ingest",
                "transcribe",
                "understand",
                "pipeline",
                "document",
            ],
        ),
        ("deliver", vec!["tables", "domain", "guard", "store"]),
        ("insights", vec!["domain", "process"]),
        (
            "http",
            vec![
                "service", "live", "deliver", "insights", "store", "process", "document", "ingest", "weights", "domain",
            ],
        ),
        ("learn", vec!["domain", "process", "ingest", "understand", "decide"]),
    ])
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file of the library with the module it belongs to.
fn files() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    paths
        .into_iter()
        .filter_map(|path| {
            let module = path
                .strip_prefix(&src)
                .ok()?
                .components()
                .next()?
                .as_os_str()
                .to_string_lossy()
                .into_owned();
            let text = std::fs::read_to_string(&path).expect("source is readable");
            Some((module.trim_end_matches(".rs").to_owned(), path, text))
        })
        .collect()
}

#[test]
fn modules_import_only_what_the_map_allows() {
    let map = map();
    let mut wrong = Vec::new();
    for (module, path, text) in files() {
        let Some(allowed) = map.get(module.as_str()) else {
            assert!(
                ["lib", "main", "commands"].contains(&module.as_str()),
                "module `{module}` is not in the map"
            );
            continue;
        };
        for part in text.split("crate::").skip(1) {
            // `use crate::{a, b}` names several modules.
            let names: Vec<&str> = match part.strip_prefix('{') {
                Some(list) => list
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(str::trim)
                    .collect(),
                None => vec![part],
            };
            for name in names {
                let name = name
                    .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .next()
                    .unwrap_or_default();
                if map.contains_key(name) && name != module && !allowed.contains(&name) {
                    wrong.push(format!("{}: {module} imports {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_in_lib_rs_names_every_module() {
    let lib = include_str!("../../src/lib.rs");
    for module in map().keys() {
        assert!(lib.contains(&format!("[`{module}`]")), "{module} has no row in the map");
        assert!(lib.contains(&format!("pub mod {module};")), "{module} is not declared");
    }
}

#[test]
fn heavy_libraries_stay_in_their_place() {
    let places = [
        (
            "candle_",
            vec![
                "understand/turn_model/",
                "transcribe/judge.rs",
                "transcribe/speakers/",
                "learn/",
                "weights/",
            ],
        ),
        (
            "rten_",
            vec![
                "matrix.rs",
                "understand/turn_model/packed.rs",
                "transcribe/whisper/",
                "transcribe/speakers/",
            ],
        ),
        ("sqlx", vec!["store/"]),
        ("axum", vec!["http/", "commands/serve.rs"]),
        ("object_store", vec!["store/"]),
        ("symphonia", vec!["ingest/"]),
        (
            "reqwest",
            vec![
                "weights/",
                "guard.rs",
                "llm/openai.rs",
                "transcribe/remote.rs",
                "deliver/",
            ],
        ),
        ("lettre", vec!["deliver/mail/"]),
        // The binary silences its log.
        ("async_openai", vec!["llm/openai.rs", "src/main.rs"]),
    ];
    for (_, path, text) in files() {
        let place = path.to_string_lossy().replace('\\', "/");
        for (library, allowed) in &places {
            let used = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(library));
            assert!(
                !used || allowed.iter().any(|part| place.contains(part)),
                "{place} uses {library}"
            );
        }
    }
}

/// Statements that are about all workspaces, or that find out which one it is. No id that a client gives leads to one, but
/// for `calls where id`, which the command line asks.
const OF_ALL_WORKSPACES: [&str; 26] = [
    "select 1",
    "select workspace from calls where id = $1",
    "from users where email = $1 and disabled_at is null",
    "where s.hash = $1 and s.expires_at > $2",
    "where k.hash = $1 and k.revoked_at is null",
    "update jobs set lease_until = $1 where state = 'running' and lease_until > $1",
    "from jobs where state in ('queued', 'running')",
    "delete from idempotency where at < $1",
    "delete from sessions where expires_at < $1",
    "select 1 from doomed_blobs where at <= $1 limit 1",
    "from live_calls where ended_at is null and last_seen_at < $1 order by last_seen_at limit $2",
    "insert into remains (due) values ($1)",
    "select 1 from remains where due <= $1 limit 1",
    "delete from remains",
    "and h.lease_until > $1) < case when e.failing_since is null then $2 else 1 end order by e.served_at, e.id limit $3",
    "and c.state in ('approved', 'writing', 'undo_approved', 'undoing'))) order by e.served_at, e.id limit $2",
    "update endpoints set lease_until = null, worker = null where lease_until is not null",
    "where lease_until is not null and endpoint in (select id from endpoints where kind = 'crm')",
    // Of what a worker was handed out.
    "select endpoint, workspace from deliveries where id = $1",
    "where state = 'pending' and lease_until is not null",
    "where e.kind <> 'crm' and e.disabled_at is null) waiting where next_at is not null",
    "from reminders where due_at <= $1 order by due_at limit 1",
    "where d.state = 'pending' and e.disabled_at is null",
    // What an earlier version stored.
    "not exists (select 1 from summaries s where s.call = r.call) order by r.call limit $2",
    "from calls where source_words is null limit $1",
    "from deals where name_words is null limit $1",
];

#[test]
fn every_statement_names_its_workspace() {
    let literal =
        regex::Regex::new(r#""(\s*(?:select|insert|update|delete|with)\s(?:[^"\\]|\\.)*)""#).expect("a pattern");
    let named = regex::Regex::new(concat!(
        r"workspace = \$|insert into \w+ \([^)]*\bworkspace\b|(?:from|update|into) workspaces\b",
        // A worker knows a job or a connection by its fence, and learns from it whose it is.
        r"|attempt = \$2 and state = 'running' returning workspace",
        r"|where id = \$1 and attempt = \$2 and lease_until is not null",
    ))
    .expect("a pattern");
    let (mut seen, mut excused, mut wrong) = (0, Vec::new(), Vec::new());
    for (_, path, text) in files() {
        if !path.components().any(|part| part.as_os_str() == "sql") {
            continue;
        }
        for statement in literal.captures_iter(&text) {
            let statement = statement[1].split_whitespace().collect::<Vec<_>>().join(" ");
            seen += 1;
            if named.is_match(&statement) {
                continue;
            }
            match OF_ALL_WORKSPACES
                .iter()
                .find(|known| statement.ends_with(**known) || statement.contains(&format!("{known} and ")))
            {
                Some(known) => excused.push(*known),
                None => wrong.push(format!("{}: {statement}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen} statements");
    // What is no longer there needs no excuse.
    for known in OF_ALL_WORKSPACES {
        assert!(excused.contains(&known), "{known}");
    }
}
