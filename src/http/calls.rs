//! Calls: what came in, how far it is, what it came to.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::documents::Analysis;
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query};
use super::{App, Error, range, upload};
use crate::domain::{CallOutcome, Corrected, FieldValue, Language, NextAction, Waveform};
use crate::ingest;
use crate::service::Meta;
use crate::store::{
    CallFilter, CallId, CallPage, CallRecord, CallStatus, Consent, ConsentMethod, Correction, CorrectionId, DealId,
    ListedCall, Origin, Problem, Search, Step, UserId, WhatIsGone,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // The size of an upload is limited as it arrives.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(list, upload::upload))
                .layer(axum::extract::DefaultBodyLimit::disable()),
        )
        .routes(routes!(show))
        .routes(routes!(analysis))
        .routes(routes!(audio))
        .routes(routes!(waveform))
        .routes(routes!(cancel))
        .routes(routes!(rerun))
        .routes(routes!(move_to_deal))
        .routes(routes!(corrections, correct))
        .routes(routes!(take_back))
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub struct Call {
    id: String,
    status: CallStatus,
    /// While it runs: `transcribe`, `understand` or `decide`.
    step: Option<String>,
    /// 0–1
    progress: f64,
    /// Why it failed.
    error: Option<Problem>,
    /// null: it waits in the inbox for a deal.
    deal_id: Option<String>,
    /// The user whose call it is.
    owner: Option<String>,
    origin: Origin,
    /// `recording` or `transcript`; null until the file was read.
    media: Option<String>,
    /// File name, as given.
    source: String,
    /// Bytes; null where there are none.
    size: Option<u64>,
    call_date: Option<NaiveDate>,
    started_at: Option<DateTime<Utc>>,
    consent: Consent,
    consent_method: Option<ConsentMethod>,
    /// When it was given or denied.
    consent_at: Option<DateTime<Utc>>,
    /// On legal hold: age takes nothing away.
    hold: bool,
    /// What is not kept any more, and why.
    gone: WhatIsGone,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    done_at: Option<DateTime<Utc>>,
    /// null too where the deal is somebody else's.
    deal_name: Option<String>,
    /// Of the talk. Like what follows null until the call is analysed.
    language: Option<Language>,
    /// Seconds; null too where the transcript has no times.
    duration_s: Option<f64>,
    /// How many.
    turns: Option<usize>,
    /// Where the deal stands after this call; null too where that is not decided.
    stage: Option<String>,
    /// The analysis shows a stage, but it is not decided.
    abstained: Option<bool>,
    outcome: Option<CallOutcome>,
    /// 0–100
    lead_score: Option<u8>,
    not_sales: Option<bool>,
    /// The first of what is to be done.
    next_action: Option<NextAction>,
    /// Of a search: the first turn with one of the words.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Hit>,
}

/// Where a search found something.
#[derive(Debug, Serialize, ToSchema)]
struct Hit {
    turn: u32,
    /// At most 200 characters of the turn, as it was said.
    quote: String,
}

impl From<ListedCall> for Call {
    fn from(listed: ListedCall) -> Self {
        let ListedCall {
            call,
            deal_name,
            summary,
            found,
        } = listed;
        Self {
            deal_name,
            language: summary.as_ref().map(|summary| summary.language),
            duration_s: summary.as_ref().and_then(|summary| summary.duration_s),
            turns: summary.as_ref().map(|summary| summary.turns),
            stage: summary
                .as_ref()
                .and_then(|summary| Some(summary.stage.as_ref()?.to_string())),
            abstained: summary.as_ref().map(|summary| summary.abstained),
            outcome: summary.as_ref().and_then(|summary| summary.outcome),
            lead_score: summary.as_ref().map(|summary| summary.lead_score),
            not_sales: summary.as_ref().map(|summary| summary.not_sales),
            next_action: summary.and_then(|summary| summary.next_action),
            found: found.map(|found| Hit {
                turn: found.turn,
                quote: found.quote,
            }),
            id: call.id.to_string(),
            status: call.status,
            step: call.step,
            progress: call.progress,
            error: call.error,
            deal_id: call.deal.map(|deal| deal.to_string()),
            owner: call.owner.map(|owner| owner.to_string()),
            origin: call.origin,
            media: call.media,
            source: call.source,
            size: call.size,
            call_date: call.call_date,
            started_at: call.started_at,
            consent: call.consent,
            consent_method: call.consent_method,
            consent_at: call.consent_at,
            hold: call.hold,
            gone: call.gone,
            created_at: call.created_at,
            updated_at: call.updated_at,
            done_at: call.done_at,
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct CallQuery {
    status: Option<CallStatus>,
    /// Calls with this deal.
    deal: Option<String>,
    /// Only calls that wait for a deal.
    inbox: bool,
    /// Words of the transcript, of the file's name or of the deal's. Each must be there; case, endings and ё do not matter, and
    /// the last one need not be typed to its end. At most six.
    q: Option<String>,
    /// Calls after which the deal stood here.
    stage: Option<String>,
    /// Id of a user.
    owner: Option<String>,
    /// First day of the call.
    from: Option<NaiveDate>,
    /// Last day of the call.
    to: Option<NaiveDate>,
}

/// What is searched for; None: nothing.
pub fn search(q: Option<&str>) -> Result<Option<Search>, Error> {
    Search::new(q.unwrap_or_default()).map_err(|error| Error::bad_request(format!("q: {error}")))
}

/// Calls, the newest first.
#[utoipa::path(get, path = "/v1/calls", tag = "calls", params(CallQuery, PageQuery),
    responses((status = 200, body = Page<Call>), (status = 400, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(query): Query<CallQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Call>>, Error> {
    user.may_read(Resource::Calls)?;
    let limit = page.limit()?;
    let asked = CallPage {
        filter: CallFilter {
            status: query.status,
            deal: query.deal.map(DealId::from),
            inbox: query.inbox,
            search: search(query.q.as_deref())?,
            stage: query.stage,
            owner: query.owner.map(UserId::from),
            from: query.from,
            to: query.to,
        },
        after: page.cursor.map(CallId::from),
        limit: limit + 1,
    };
    let calls = app.shop.store.calls(&user.scope(), &asked).await?;
    Ok(Json(Page::new(
        calls,
        limit,
        |listed| listed.call.id.to_string(),
        Call::from,
    )))
}

/// The row of a call that the caller may see.
pub async fn seen(app: &App, user: &User, id: &CallId) -> Result<CallRecord, Error> {
    let call = app.shop.store.call(&user.scope(), id).await?;
    call.ok_or_else(|| Error::not_found("call"))
}

/// A call that the caller may see, as it is shown.
pub async fn shown(app: &App, user: &User, id: &CallId) -> Result<Json<Call>, Error> {
    let call = app.shop.store.listed_call(&user.scope(), id).await?;
    call.map(|call| Json(call.into()))
        .ok_or_else(|| Error::not_found("call"))
}

/// A call: how far it is.
#[utoipa::path(get, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Call>, Error> {
    user.may_read(Resource::Calls)?;
    shown(&app, &user, &id).await
}

/// The analysis, as `dealstage schema` describes it.
#[utoipa::path(get, path = "/v1/calls/{id}/analysis", tag = "calls", params(("id" = String, Path)),
    responses(
        (status = 200, body = Analysis),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is not done, or it failed"),
        (status = 410, body = ProblemDocument, description = "It is not kept any more"),
    ))]
async fn analysis(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Response, Error> {
    user.may_read(Resource::Calls)?;
    let body = analysis_of(&app, &user, &id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The analysis document of a call, as it is stored.
pub async fn analysis_of(app: &App, user: &User, id: &CallId) -> Result<String, Error> {
    let body = app.shop.store.result(&user.scope(), id, Step::Analysis).await?;
    if let Some(body) = body {
        return Ok(body);
    }
    let call = seen(app, user, id).await?;
    if let Some(why) = call.gone.analysis {
        return Err(Error::gone("analysis", why));
    }
    Err(match (call.status, call.error) {
        (CallStatus::Failed, Some(problem)) => Error::conflict(format!("the call failed: {}", problem.message)),
        (CallStatus::Done, _) => Error::not_found("analysis"),
        (status, _) => Error::conflict(format!("the call is {}; ask again when it is done", status.as_str())),
    })
}

/// The recording, whole or a range of it.
#[utoipa::path(get, path = "/v1/calls/{id}/audio", tag = "calls",
    params(("id" = String, Path), ("Range" = Option<String>, Header, example = "bytes=0-1023")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ProblemDocument),
        (status = 410, body = ProblemDocument, description = "It is not kept any more"),
        (status = 416, body = ProblemDocument),
    ))]
async fn audio(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    user.may_read(Resource::Calls)?;
    let call = seen(&app, &user, &id).await?;
    let (blob, size) = recording_of(&call)?;
    // Before the first byte: nobody listens unnoted.
    let workspace = &user.0.workspace;
    app.shop
        .store
        .note(workspace, &user.actor(), "recording.read", id.as_str(), Utc::now())
        .await?;
    range::answer(&app, workspace, blob, size, &call.source, &headers).await
}

/// Hash and size of the recording of a call.
fn recording_of(call: &CallRecord) -> Result<(&str, u64), Error> {
    if let Some(why) = call.gone.recording {
        return Err(Error::gone("recording", why));
    }
    if call.media.as_deref() == Some("transcript") {
        return Err(Error::not_found("recording: the call came as a transcript"));
    }
    match (&call.blob, call.size) {
        (Some(blob), Some(size)) => Ok((blob.as_str(), size)),
        _ => Err(Error::not_found("recording")),
    }
}

/// How loud the recording is, each tenth of a second.
#[utoipa::path(get, path = "/v1/calls/{id}/waveform", tag = "calls", params(("id" = String, Path)),
    responses(
        (status = 200, body = Waveform),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The recording was not decoded yet"),
        (status = 410, body = ProblemDocument, description = "The recording is not kept any more"),
    ))]
async fn waveform(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Waveform>, Error> {
    user.may_read(Resource::Calls)?;
    let call = seen(&app, &user, &id).await?;
    let (blob, _) = recording_of(&call)?;
    if let Some(kept) = app.shop.store.waveform(&user.scope(), &id).await? {
        return Ok(Json(kept));
    }
    match call.status {
        // A live call, or one of an earlier version: its recording was decoded before, so it is of a bearable length.
        CallStatus::Done => Ok(Json(draw(&app, &user, &call, blob).await?)),
        CallStatus::Queued | CallStatus::Running | CallStatus::Live => Err(Error::conflict(
            "the recording was not decoded yet; ask again when the call is done",
        )),
        CallStatus::Failed | CallStatus::Cancelled => Err(Error::not_found("waveform: the recording was not decoded")),
    }
}

/// Decodes a recording once more for its peaks, and keeps them. One at a time: a long one takes a processor for long.
async fn draw(app: &App, user: &User, call: &CallRecord, blob: &str) -> Result<Waveform, Error> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let (shop, workspace) = (&app.shop, &user.0.workspace);
    let _one = ONE.lock().await;
    if let Some(kept) = shop.store.waveform(&user.scope(), &call.id).await? {
        return Ok(kept);
    }
    let fetched = shop.blobs.fetch(workspace, blob).await?;
    let drawn = tokio::task::spawn_blocking(move || {
        match ingest::read_as(fetched.path(), "recording", &ingest::Options::default()) {
            Ok(ingest::Input::Recording(recording)) => Waveform::of(&recording).map_err(|_| Error::internal()),
            Ok(ingest::Input::Transcript(_)) => Err(Error::not_found("recording")),
            Err(error) => Err(Error::conflict(error.to_string())),
        }
    });
    let drawn = drawn.await.map_err(|_| Error::internal())??;
    shop.store.keep_waveform(workspace, &call.id, &drawn).await?;
    Ok(drawn)
}

/// Stops the work on a call; its bytes are kept.
#[utoipa::path(post, path = "/v1/calls/{id}/cancel", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn cancel(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Call>, Error> {
    user.may_write(Resource::Calls)?;
    app.shop
        .store
        .cancel_call(&user.scope(), &id, &user.actor(), Utc::now())
        .await?;
    shown(&app, &user, &id).await
}

/// Runs a call again that has ended: after a failure, or by a new process file.
#[utoipa::path(post, path = "/v1/calls/{id}/rerun", tag = "calls", params(("id" = String, Path)),
    responses((status = 202, body = Call), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn rerun(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<(StatusCode, Json<Call>), Error> {
    user.may_write(Resource::Calls)?;
    app.shop
        .store
        .rerun_call(&user.scope(), &id, &user.actor(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    Ok((StatusCode::ACCEPTED, shown(&app, &user, &id).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// null: back into the inbox.
    deal_id: Option<String>,
}

/// Puts a call to a deal, or back into the inbox. What depends on it is analysed again.
#[utoipa::path(put, path = "/v1/calls/{id}/deal", tag = "calls", params(("id" = String, Path)), request_body = Move,
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn move_to_deal(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(to): Json<Move>,
) -> Result<Json<Call>, Error> {
    user.may_write(Resource::Calls)?;
    let deal = to.deal_id.map(DealId::from);
    app.shop
        .store
        .move_call(&user.scope(), &id, deal.as_ref(), &user.actor(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    shown(&app, &user, &id).await
}

#[derive(Debug, Serialize, ToSchema)]
struct Kept {
    id: String,
    /// Who said so.
    by: String,
    at: DateTime<Utc>,
    #[serde(flatten)]
    correction: Corrected,
}

/// Keeps a person's correction of a stage, signal, speaker or field, and runs the call again with it.
///
/// The correction stands over what the program finds, in this call alone. Until the call is `done` again, there is no
/// analysis.
#[utoipa::path(post, path = "/v1/calls/{id}/corrections", tag = "calls", params(("id" = String, Path)),
    request_body = Corrected,
    responses((status = 201, body = Kept), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The call is going on, or its words are not kept any more"),
        (status = 422, body = ProblemDocument)))]
async fn correct(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(correction): Json<Corrected>,
) -> Result<(StatusCode, Json<Kept>), Error> {
    user.may_write(Resource::Calls)?;
    check(&app, &user, &id, &correction).await?;
    let kept = Correction {
        id: CorrectionId::fresh(),
        call: id,
        by_user: user.actor(),
        body: serde_json::to_string(&correction).map_err(|error| Error::unusable(error.to_string()))?,
        at: Utc::now(),
    };
    app.shop
        .store
        .add_correction(&user.scope(), kept.clone(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    Ok((
        StatusCode::CREATED,
        Json(Kept {
            id: kept.id.to_string(),
            by: kept.by_user,
            at: kept.at,
            correction,
        }),
    ))
}

/// Whether a correction can be about this call.
async fn check(app: &App, user: &User, id: &CallId, correction: &Corrected) -> Result<(), Error> {
    let call = seen(app, user, id).await?;
    if let Corrected::Field { field, value, .. } = correction
        && let Some(value) = value
    {
        FieldValue::read(*field, value).map_err(|error| Error::unusable(format!("value: {error}")))?;
    }
    if let Corrected::DealStage { stage: Some(stage) } = correction {
        let workspace = app.shop.store.workspace(&user.0.workspace).await?;
        let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
        let (meta, _) = Meta::read(&call.meta).map_err(Error::conflict)?;
        let process = app.shop.process_of(&workspace, meta.process.as_deref());
        let process = process.map_err(|error| Error::conflict(error.to_string()))?;
        let stages = process.stages();
        if stages.iter().all(|known| known.id.as_str() != stage) {
            let known: Vec<_> = stages.iter().map(|known| known.id.as_str()).collect();
            let known = known.join(", ");
            return Err(Error::unusable(format!(
                "stage: the process has no `{stage}`; it has {known}"
            )));
        }
    }
    let raw = match correction {
        Corrected::Field { raw, .. } => raw.as_deref(),
        _ => None,
    };
    let Some(turn) = correction.turn() else {
        return match raw {
            Some(_) => Err(Error::unusable(
                "raw: it tells values of one turn apart, and needs `turn`",
            )),
            None => Ok(()),
        };
    };
    let words = app.shop.store.result(&user.scope(), id, Step::Transcript).await?;
    let words =
        words.ok_or_else(|| Error::conflict("the call has no transcript, so nothing in it can be corrected"))?;
    let heard: Heard = serde_json::from_str(&words).map_err(|_| Error::conflict("the transcript cannot be read"))?;
    let said = heard.call.turns.iter().find(|known| known.i == turn);
    let said = said.ok_or_else(|| Error::unusable(format!("turn: the call has no turn {turn}")))?;
    if raw.is_some_and(|raw| raw.is_empty() || !said.text.contains(raw)) {
        return Err(Error::unusable(format!("raw: these words are not in turn {turn}")));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Heard {
    call: Turns,
}

#[derive(Deserialize)]
struct Turns {
    turns: Vec<TurnWords>,
}

#[derive(Deserialize)]
struct TurnWords {
    i: u32,
    text: String,
}

/// Takes a correction back: the call is run again without it.
#[utoipa::path(delete, path = "/v1/calls/{id}/corrections/{correction}", tag = "calls",
    params(("id" = String, Path), ("correction" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn take_back(
    State(app): State<App>,
    user: User,
    Path((id, correction)): Path<(CallId, CorrectionId)>,
) -> Result<StatusCode, Error> {
    user.may_write(Resource::Calls)?;
    app.shop
        .store
        .remove_correction(&user.scope(), &id, &correction, &user.actor(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Corrections of a call, the oldest first.
#[utoipa::path(get, path = "/v1/calls/{id}/corrections", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Kept>), (status = 404, body = ProblemDocument)))]
async fn corrections(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Vec<Kept>>, Error> {
    user.may_read(Resource::Calls)?;
    seen(&app, &user, &id).await?;
    let kept = app.shop.store.corrections(&user.scope(), &id).await?;
    let shown = kept.into_iter().filter_map(|kept| {
        Some(Kept {
            id: kept.id.to_string(),
            by: kept.by_user,
            at: kept.at,
            correction: serde_json::from_str(&kept.body).ok()?,
        })
    });
    Ok(Json(shown.collect()))
}
