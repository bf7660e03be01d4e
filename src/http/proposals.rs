//! Change-sets: what an analysis would change in the CRM. People look, approve, reject, undo.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query, or_default};
use super::{App, Error, deals};
use crate::store::{
    self, CallId, ChangeEvidence, ChangeId, ChangeKind, ChangeState, DealId, Decision, Policy, ProposalFilter,
    ProposalId,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(of_deal))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(undo))
}

/// One thing that would change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProposedChange)]
pub struct Change {
    id: String,
    kind: ChangeKind,
    /// Ours: the field or the action; empty where there is but one.
    name: String,
    /// The CRM's field; empty where it has none.
    target: String,
    /// What the CRM had when it was proposed.
    old: Value,
    /// What the CRM calls a stage, where it has a name beside the id; null: it has none, or this is no stage.
    old_name: Option<String>,
    new: Value,
    new_name: Option<String>,
    evidence: Vec<ChangeEvidence>,
    /// 0–1; null: nobody has measured it.
    confidence: Option<f64>,
    policy: Policy,
    /// Why a person is asked although the policy does not say so: `backwards`, `closes`, `unsure`.
    why: Option<String>,
    state: ChangeState,
    /// Who approved, rejected or undid it; null: nobody did, or its policy.
    decided_by: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    /// Of what was made in the CRM.
    crm_id: Option<String>,
    /// Of a conflict: what the CRM has.
    found: Option<Found>,
    /// What the CRM said.
    message: Option<String>,
    updated_at: DateTime<Utc>,
}

/// What the CRM has in place of what was expected.
#[derive(Debug, Serialize, ToSchema)]
struct Found {
    value: Value,
    /// What the CRM calls a stage, where it has a name beside the id.
    name: Option<String>,
}

impl From<store::Change> for Change {
    fn from(change: store::Change) -> Self {
        Self {
            id: change.id.to_string(),
            kind: change.kind,
            name: change.name,
            target: change.target,
            old: change.old,
            old_name: change.old_name,
            new: change.new,
            new_name: change.new_name,
            evidence: change.evidence,
            confidence: change.confidence,
            policy: change.policy,
            why: change.why,
            state: change.state,
            decided_by: change.decided_by,
            decided_at: change.decided_at,
            crm_id: change.crm_id,
            found: change.found.map(|found| Found {
                value: found.value,
                name: found.name,
            }),
            message: change.message,
            updated_at: change.updated_at,
        }
    }
}

/// What an analysis would change in a CRM.
#[derive(Debug, Serialize, ToSchema)]
pub struct Proposal {
    id: String,
    deal_id: String,
    /// The call whose analysis proposes it.
    call_id: String,
    /// The connection to the CRM.
    endpoint_id: String,
    /// Of the deal, when it was made.
    revision: i64,
    /// Id of the deal in the CRM.
    crm_deal_id: String,
    created_at: DateTime<Utc>,
    changes: Vec<Change>,
}

impl From<store::Proposal> for Proposal {
    fn from(proposal: store::Proposal) -> Self {
        Self {
            id: proposal.id.to_string(),
            deal_id: proposal.deal.to_string(),
            call_id: proposal.call.to_string(),
            endpoint_id: proposal.endpoint.to_string(),
            revision: proposal.revision,
            crm_deal_id: proposal.crm_deal,
            created_at: proposal.created_at,
            changes: proposal.changes.into_iter().map(Change::from).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct ProposalQuery {
    /// Only those of which a change waits for a person.
    open: bool,
    call: Option<String>,
}

/// Which changes; without them all to which it applies. Those that failed or met a conflict are approved again only where they
/// are named.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Decided {
    /// Ids
    changes: Option<Vec<String>>,
}

async fn page(
    app: &App,
    user: &User,
    deal: Option<DealId>,
    query: ProposalQuery,
    page: PageQuery,
) -> Result<Json<Page<Proposal>>, Error> {
    let limit = page.limit()?;
    let filter = ProposalFilter {
        deal,
        call: query.call.map(CallId::from),
        open: query.open,
        before: page.cursor.map(ProposalId::from),
        limit: limit + 1,
    };
    let proposals = app.shop.store.proposals(&user.scope(), &filter).await?;
    let cursor = |proposal: &store::Proposal| proposal.id.to_string();
    Ok(Json(Page::new(proposals, limit, cursor, Proposal::from)))
}

/// Change-sets, the newest first. A rep sees those of own deals.
#[utoipa::path(get, path = "/v1/proposals", tag = "delivery", params(ProposalQuery, PageQuery),
    responses((status = 200, body = Page<Proposal>), (status = 400, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(query): Query<ProposalQuery>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Proposal>>, Error> {
    user.may_read(Resource::Proposals)?;
    page(&app, &user, None, query, asked).await
}

/// Change-sets of a deal, the newest first.
#[utoipa::path(get, path = "/v1/deals/{id}/proposals", tag = "delivery", params(("id" = String, Path), ProposalQuery, PageQuery),
    responses((status = 200, body = Page<Proposal>), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn of_deal(
    State(app): State<App>,
    user: User,
    Path(id): Path<DealId>,
    Query(query): Query<ProposalQuery>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Proposal>>, Error> {
    user.may_read(Resource::Proposals)?;
    deals::seen(&app, &user, &id).await?;
    page(&app, &user, Some(id), query, asked).await
}

/// A change-set.
#[utoipa::path(get, path = "/v1/proposals/{id}", tag = "delivery", params(("id" = String, Path)),
    responses((status = 200, body = Proposal), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<ProposalId>) -> Result<Json<Proposal>, Error> {
    user.may_read(Resource::Proposals)?;
    let proposal = app.shop.store.proposal(&user.scope(), &id).await?;
    Ok(Json(proposal.ok_or_else(|| Error::not_found("proposal"))?.into()))
}

async fn decide(
    app: &App,
    user: &User,
    id: &ProposalId,
    body: &[u8],
    decision: Decision,
) -> Result<Json<Proposal>, Error> {
    user.may_write(Resource::Proposals)?;
    let decided: Decided = or_default(body)?;
    let changes = decided
        .changes
        .map(|changes| changes.into_iter().map(ChangeId::from).collect::<Vec<_>>());
    let proposal = (app.shop.store)
        .decide(
            &user.scope(),
            id,
            changes.as_deref(),
            decision,
            &user.actor(),
            Utc::now(),
        )
        .await?;
    app.shop.courier.notify_waiters();
    Ok(Json(proposal.into()))
}

/// Approves changes: they are written to the CRM. One that failed or met a conflict can be approved again: it is compared and
/// written anew. What the CRM had at a conflict (`found`) is then the old value, which undo writes back.
#[utoipa::path(post, path = "/v1/proposals/{id}/approve", tag = "delivery", params(("id" = String, Path)),
    request_body(content = Decided, description = "May be left out"),
    responses(
        (status = 200, body = Proposal),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "A change that is named, or none of them, waits for it"),
    ))]
async fn approve(
    State(app): State<App>,
    user: User,
    Path(id): Path<ProposalId>,
    body: axum::body::Bytes,
) -> Result<Json<Proposal>, Error> {
    decide(&app, &user, &id, &body, Decision::Approve).await
}

/// Rejects changes: they are not written.
#[utoipa::path(post, path = "/v1/proposals/{id}/reject", tag = "delivery", params(("id" = String, Path)),
    request_body(content = Decided, description = "May be left out"),
    responses(
        (status = 200, body = Proposal),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "A change that is named, or none of them, waits for it"),
    ))]
async fn reject(
    State(app): State<App>,
    user: User,
    Path(id): Path<ProposalId>,
    body: axum::body::Bytes,
) -> Result<Json<Proposal>, Error> {
    decide(&app, &user, &id, &body, Decision::Reject).await
}

/// Undoes changes that were written: the old values are written back, unless somebody changed them since.
#[utoipa::path(post, path = "/v1/proposals/{id}/undo", tag = "delivery", params(("id" = String, Path)),
    request_body(content = Decided, description = "May be left out"),
    responses(
        (status = 200, body = Proposal),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "A change that is named, or none of them, was written"),
    ))]
async fn undo(
    State(app): State<App>,
    user: User,
    Path(id): Path<ProposalId>,
    body: axum::body::Bytes,
) -> Result<Json<Proposal>, Error> {
    decide(&app, &user, &id, &body, Decision::Undo).await
}
