//! The sales process of the workspace: a file that the customer owns.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, lists};
use super::{App, Error};
use crate::domain::{ActionId, FieldName, PrematureMove, StageKind};
use crate::process::{ActionRule, Process, Words};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, replace, reset))
        .routes(routes!(check))
}

/// Which process new calls are held against.
#[derive(Debug, Serialize, ToSchema)]
struct InUse {
    id: String,
    /// SHA-256 of the file, as in every analysis made under it.
    hash: String,
    /// The workspace has its own; else it is the one of the server.
    own: bool,
}

fn in_use(process: &Process, own: bool) -> Json<InUse> {
    Json(InUse {
        id: process.id().to_owned(),
        hash: process.hash().to_owned(),
        own,
    })
}

/// A text in both languages; a file may give one for both.
#[derive(Debug, Serialize, ToSchema)]
struct Text {
    en: String,
    ru: String,
}

impl From<&Words> for Text {
    fn from(words: &Words) -> Self {
        Self {
            en: words.en.clone(),
            ru: words.ru.clone(),
        }
    }
}

/// Texts in both languages.
#[derive(Debug, Serialize, ToSchema)]
struct Texts {
    en: Vec<String>,
    ru: Vec<String>,
}

impl From<&Words<Vec<String>>> for Texts {
    fn from(words: &Words<Vec<String>>) -> Self {
        Self {
            en: words.en.clone(),
            ru: words.ru.clone(),
        }
    }
}

/// The process that new calls are held against.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessCard {
    id: String,
    name: Text,
    /// SHA-256 of the file, as in every analysis made under it.
    hash: String,
    /// The workspace has its own; else it is the one of the server.
    own: bool,
    /// Open ones in the order of work, then those that ended.
    stages: Vec<StageCard>,
    /// What the buyer must have said; each is scored 0–3.
    elements: Vec<ElementCard>,
    /// Facts that are looked for.
    fields: Vec<FieldName>,
    /// Words that the conditions of the file listen for.
    phrases: Vec<PhraseCard>,
    /// What may be proposed to do, the most urgent first; one id may stand there several times.
    actions: Vec<ActionCard>,
    /// Moves of the rep that come too early.
    premature: Vec<PrematureCard>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StageCard {
    id: String,
    name: Text,
    kind: StageKind,
    /// What it is for.
    purpose: Text,
    /// What the buyer says or does when it is done.
    exit: Text,
    tasks: Texts,
    questions: Texts,
    /// How to lead the talk.
    behaviour: Text,
    /// What usually moves a deal on from here.
    triggers: Texts,
    /// Stage of each CRM, by the CRM's name.
    crm: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ElementCard {
    id: String,
    name: Text,
    /// Why the score is 0, 1, 2, 3.
    why: Texts,
    /// What the next score needs, from 0, 1, 2.
    missing: Texts,
}

#[derive(Debug, Serialize, ToSchema)]
struct PhraseCard {
    id: String,
    words: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActionCard {
    id: ActionId,
    title: Text,
    why: Text,
}

#[derive(Debug, Serialize, ToSchema)]
struct PrematureCard {
    id: PrematureMove,
    why: Text,
    /// Better next time.
    advice: Text,
}

impl ProcessCard {
    fn new(process: &Process, own: bool) -> Self {
        let stages = process.stages().iter().map(|stage| StageCard {
            id: stage.id.to_string(),
            name: (&stage.name).into(),
            kind: stage.kind,
            purpose: (&stage.purpose).into(),
            exit: (&stage.exit).into(),
            tasks: (&stage.tasks).into(),
            questions: (&stage.questions).into(),
            behaviour: (&stage.behaviour).into(),
            triggers: (&stage.triggers).into(),
            crm: stage.crm.clone(),
        });
        let elements = process.elements().iter().map(|element| ElementCard {
            id: element.id.to_string(),
            name: (&element.name).into(),
            why: (&element.why).into(),
            missing: (&element.missing).into(),
        });
        let phrases = process.phrases().iter().map(|phrase| PhraseCard {
            id: phrase.id.clone(),
            words: phrase.words.clone(),
        });
        let mut actions: Vec<&ActionRule> = process.actions().iter().collect();
        // Stable: those of a rank stay as the file has them.
        actions.sort_by_key(|action| action.rank);
        let actions = actions.into_iter().map(|action| ActionCard {
            id: action.id,
            title: (&action.title).into(),
            why: (&action.why).into(),
        });
        let premature = process.premature().iter().map(|rule| PrematureCard {
            id: rule.id,
            why: (&rule.why).into(),
            advice: (&rule.advice).into(),
        });
        Self {
            id: process.id().to_owned(),
            name: process.name().into(),
            hash: process.hash().to_owned(),
            own,
            stages: stages.collect(),
            elements: elements.collect(),
            fields: process.fields().to_vec(),
            phrases: phrases.collect(),
            actions: actions.collect(),
            premature: premature.collect(),
        }
    }
}

/// The process in force: the workspace's own, or that of the server.
///
/// Its file as TOML, to copy and change; with `Accept: application/json` what a person reads of it.
#[utoipa::path(get, path = "/v1/process", tag = "process",
    responses((status = 200, content((ProcessCard = "application/json"), (String = "application/toml")))))]
async fn show(State(app): State<App>, user: User, headers: HeaderMap) -> Result<Response, Error> {
    user.may_read(Resource::Process)?;
    let workspace = app.shop.store.workspace(&user.0.workspace).await?;
    let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
    let process = app.shop.process_of(&workspace, None);
    let process = process.map_err(|error| Error::unusable(error.to_string()))?;
    if lists(&headers, header::ACCEPT, "application/json") {
        return Ok(Json(ProcessCard::new(&process, workspace.process.is_some())).into_response());
    }
    let text = process.text().to_owned();
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}

fn text(body: &Bytes) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::bad_request("the file is not UTF-8"))
}

/// Something that is wrong with a process file.
#[derive(Debug, Serialize, ToSchema)]
struct FileProblem {
    /// Counted from 1.
    line: usize,
    /// Counted from 1, in characters.
    column: usize,
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Checked {
    /// All there are; empty: the file can be used.
    problems: Vec<FileProblem>,
}

/// Finds everything that is wrong with a process file, and keeps nothing. For those who may replace it.
#[utoipa::path(post, path = "/v1/process/check", tag = "process",
    request_body(content = String, content_type = "application/toml"), responses((status = 200, body = Checked)))]
async fn check(user: User, body: Bytes) -> Result<Json<Checked>, Error> {
    user.may_write(Resource::Process)?;
    let problems = match Process::load(text(&body)?, "process") {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    };
    let problems = problems.into_iter().map(|problem| FileProblem {
        line: problem.line,
        column: problem.column,
        message: problem.message,
    });
    Ok(Json(Checked {
        problems: problems.collect(),
    }))
}

/// Gives the workspace a process file. Calls that come in from now on are held against it.
#[utoipa::path(put, path = "/v1/process", tag = "process", request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = InUse),
        (status = 422, body = ProblemDocument, description = "All problems of the file, with line and column")))]
async fn replace(State(app): State<App>, user: User, body: Bytes) -> Result<Json<InUse>, Error> {
    user.may_write(Resource::Process)?;
    let text = text(&body)?;
    let process = Process::load(text, "process").map_err(|error| {
        let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        Error::unusable_file(format!("the process file has {} problem(s)", problems.len()), problems)
    })?;
    let store = &app.shop.store;
    store
        .set_process(&user.0.workspace, Some(text), process.hash(), &user.actor(), Utc::now())
        .await?;
    Ok(in_use(&process, true))
}

/// Goes back to the process of the server.
#[utoipa::path(delete, path = "/v1/process", tag = "process", responses((status = 200, body = InUse)))]
async fn reset(State(app): State<App>, user: User) -> Result<Json<InUse>, Error> {
    user.may_write(Resource::Process)?;
    let process = &app.shop.process;
    let store = &app.shop.store;
    store
        .set_process(&user.0.workspace, None, process.hash(), &user.actor(), Utc::now())
        .await?;
    Ok(in_use(process, false))
}
