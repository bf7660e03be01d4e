//! The analysis document `dealstage.analysis/v1`: what customers and their scripts read.
//!
//! Owns its shape with the JSON Schema, its hash, and its Markdown and terminal forms. The shape is a contract: a change to it is a change
//! of version. Numbers between 0 and 1 have two digits: more would be noise, and differ between machines.

mod figures;
mod markdown;
mod previous;
mod scorecard;
#[cfg(test)]
mod sound;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;
mod warnings;
mod words;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use figures::figures;
pub use markdown::markdown;
pub use previous::{Error as Unreadable, previous, previous_as};
pub use scorecard::{MetricInfo, ScorecardInfo, StrengthInfo, TipInfo};
pub use summary::summary;
pub use text::{Look, text};
pub use vocabulary::{Vocabulary, vocabulary};

use crate::domain::{
    Action, ActionId, CallOutcome, Channel, Deal, DecidedBy, Egress, ElementId, EmailType, Evidence, FieldName,
    FieldStatus, FieldValue, FollowUpFact, Language, Move, OpenPromise, Overlap, Owner, PastCall, PastEvidence,
    PastField, Premature, PrematureMove, QualificationStatus, Role, RootCause, RootCauseId, Severity, Signal, Stage,
    StageId, StageKind, Turn, TurnLabels, Word, WrittenBy, hex, schema,
};
use crate::pipeline::Analysis;

/// Actions that are shown: more than this nobody does.
const MOST_ACTIONS: usize = 5;

pub const SCHEMA: &str = "dealstage.analysis/v1";

/// The JSON Schema of the document.
pub fn schema() -> serde_json::Value {
    schema::of_output::<Document>("urn:dealstage:analysis:v1", SCHEMA)
}

/// What is known about a call: who said what, where the deal stands and why, what to do next.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Document {
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    pub call: CallInfo,
    pub turns: Vec<TurnInfo>,
    pub segments: Vec<Segment>,
    pub deal: DealInfo,
    pub qualification: QualificationInfo,
    /// Moves of the rep that came too early.
    pub premature: Vec<PrematureInfo>,
    /// What keeps a stalled deal from moving, the first cause first.
    pub root_causes: Vec<RootCauseInfo>,
    /// At most five.
    #[schemars(length(max = MOST_ACTIONS))]
    pub next_actions: Vec<ActionInfo>,
    /// What else could be done, behind those.
    pub more_actions: Vec<ActionInfo>,
    /// When to speak again; null where there is no deal.
    pub next_contact: Option<ContactInfo>,
    /// null where there is nothing to write about (no sales call).
    pub follow_up: Option<FollowUpInfo>,
    /// null where the call is no sales call.
    pub scorecard: Option<ScorecardInfo>,
    pub provenance: Provenance,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CallInfo {
    pub id: String,
    pub source: String,
    pub call_date: NaiveDate,
    /// Nobody said which day it was: dates that follow from it are no surer.
    pub call_date_assumed: bool,
    pub language: Language,
    /// Seconds; null where the transcript has no times.
    pub duration_s: Option<f64>,
    /// null for a transcript.
    pub channels: Option<u8>,
    pub not_sales: bool,
    /// The language that the talk seems to be in, where it is none that is understood: nothing is said about it then. Else null.
    pub other_language: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TurnInfo {
    pub i: u32,
    pub role: Role,
    pub speaker: String,
    pub name: Option<String>,
    pub start_s: Option<f64>,
    pub end_s: Option<f64>,
    pub text: String,
    /// When each word was spoken; only where a recogniser heard them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// How likely it is that `speaker` speaks; only where the voices of one channel were told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub speaker_confidence: Option<f64>,
    /// Where somebody else speaks at the same time; only of recordings whose speakers are told apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
    pub stage: Decided<Stage>,
    pub signals: Vec<Decided<Signal>>,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "Decided{T}")]
pub struct Decided<T> {
    pub id: T,
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    pub decided_by: DecidedBy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Segment {
    pub stage: Stage,
    pub from_turn: u32,
    pub to_turn: u32,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DealInfo {
    pub process: String,
    pub process_hash: String,
    pub stage: Option<StageId>,
    /// In the language of the call; null where there is no stage.
    pub stage_name: Option<String>,
    /// What the stage is for, in the language of the call.
    pub stage_purpose: Option<String>,
    /// What the buyer does when it is done, in the language of the call; null for a deal that has ended.
    pub stage_exit: Option<String>,
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    pub decided_by: DecidedBy,
    pub abstained: bool,
    pub on_hold: bool,
    pub flags: Vec<String>,
    pub elements: Vec<ElementInfo>,
    #[schemars(range(min = 0, max = 1))]
    pub coverage: f64,
    #[schemars(range(min = 0, max = 1))]
    pub index: f64,
    pub call_outcome: Option<CallOutcome>,
    /// As it was given: it may be no stage of this process.
    #[schemars(with = "Option<String>")]
    pub previous_stage: Option<StageId>,
    /// In the language of the call.
    pub previous_stage_name: Option<String>,
    #[serde(rename = "move")]
    pub step: Option<Move>,
    /// The oldest first.
    pub earlier_calls: Vec<PastCall>,
    /// What this call says against an earlier one; the latest words hold.
    pub contradictions: Vec<ContradictionInfo>,
    /// Facts of earlier calls that this one does not say anew.
    pub earlier_facts: Vec<PastField>,
    /// Promises of both sides, of all calls, that nobody said were kept.
    pub open_promises: Vec<OpenPromise>,
    /// Names of the people of the buyer's side, in all calls.
    pub buyers: Vec<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContradictionInfo {
    /// An element of the process, or a field.
    pub about: String,
    pub latest: Evidence,
    pub earlier: PastEvidence,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ElementInfo {
    pub id: ElementId,
    /// In the language of the call.
    pub name: String,
    #[schemars(range(max = 3))]
    pub score: u8,
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f64,
    pub why: String,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls, where the score is carried over from them.
    pub earlier: Vec<PastEvidence>,
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct QualificationInfo {
    pub status: QualificationStatus,
    /// Explainable, not a probability.
    #[schemars(range(max = 100))]
    pub lead_score: u8,
    pub fields: Vec<FieldInfo>,
}

/// A turn as reports name it: its number, with its time where there is one.
pub(crate) struct ReportTurn {
    i: u32,
    start_s: Option<f64>,
}

impl ReportTurn {
    fn of(document: &Document, i: u32) -> Self {
        let turn = document.turns.iter().find(|turn| turn.i == i);
        Self {
            i,
            start_s: turn.and_then(|turn| turn.start_s),
        }
    }
}

impl std::fmt::Display for ReportTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.start_s {
            Some(at) => write!(f, "[{} {}]", self.i, words::clock(at)),
            None => write!(f, "[{}]", self.i),
        }
    }
}

/// A field that was not stated has only its name and status.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FieldInfo {
    pub field: FieldName,
    pub status: FieldStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<FieldValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ActionInfo {
    pub id: ActionId,
    pub title: String,
    pub why: String,
    pub due: Option<NaiveDate>,
    pub owner: Owner,
    pub channel: Channel,
    /// The element whose gap it closes.
    pub closes: Option<ElementId>,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls.
    pub earlier: Vec<PastEvidence>,
}

/// What tells an action from others of its call: two promises have the same id, but not the same words. `turn` is that of
/// its first quote.
pub fn action_key(id: &str, turn: Option<u32>) -> String {
    turn.map_or_else(|| id.to_owned(), |turn| format!("{id}.{turn}"))
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PrematureInfo {
    pub id: PrematureMove,
    pub turn: u32,
    pub severity: Severity,
    pub why: String,
    /// Better next time.
    pub advice: String,
    pub quote: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RootCauseInfo {
    pub id: RootCauseId,
    pub why: String,
    /// The evidence that is not there.
    pub missing: Vec<String>,
    pub first_action: ActionId,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls.
    pub earlier: Vec<PastEvidence>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContactInfo {
    pub date: NaiveDate,
    pub channel: Channel,
    pub why: String,
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FollowUpInfo {
    #[serde(rename = "type")]
    pub kind: EmailType,
    pub language: Language,
    pub send_by: NaiveDate,
    pub subject: String,
    pub body: String,
    pub facts: Vec<FollowUpFact>,
    pub to_fill: Vec<String>,
    pub written_by: WrittenBy,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Provenance {
    pub version: &'static str,
    /// null for a transcript.
    pub asr_model: Option<String>,
    pub turn_model: String,
    /// null where no language model was switched on.
    pub llm: Option<LlmInfo>,
    /// Everything that left the machine; empty: nothing did.
    pub egress: Vec<Egress>,
    /// Of the whole document but itself and the timings.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub result_hash: String,
    pub timings_ms: Timings,
}

/// The language model that was asked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LlmInfo {
    pub model: String,
    /// Questions without an answer and answers that were not believed; the local answer stands there.
    pub problems: Vec<String>,
}

/// Milliseconds of each step.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
pub struct Timings {
    pub decode: u64,
    pub transcribe: u64,
    pub understand: u64,
    pub decide: u64,
}

fn two_digits(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

impl Document {
    pub fn new(analysis: &Analysis) -> Self {
        let (first, more) = analysis
            .next_actions
            .split_at(analysis.next_actions.len().min(MOST_ACTIONS));
        let mut document = Self {
            schema: SCHEMA,
            call: call_info(analysis),
            turns: turns(analysis),
            segments: segments(analysis),
            deal: DealInfo::from(&analysis.deal),
            qualification: qualification(analysis),
            premature: premature(analysis),
            root_causes: root_causes(analysis),
            next_actions: actions(first),
            more_actions: actions(more),
            next_contact: next_contact(analysis),
            follow_up: follow_up(analysis),
            scorecard: analysis.scorecard.as_ref().map(ScorecardInfo::from),
            provenance: Provenance {
                version: env!("CARGO_PKG_VERSION"),
                asr_model: analysis.asr_model.clone(),
                turn_model: analysis.turn_model.clone(),
                llm: analysis.llm.as_ref().map(|used| LlmInfo {
                    model: used.model.clone(),
                    problems: used.problems.clone(),
                }),
                egress: analysis.egress.clone(),
                result_hash: String::new(),
                timings_ms: Timings::default(),
            },
        };
        document.provenance.result_hash = document.hash();
        document.provenance.timings_ms = Timings {
            decode: analysis.timings.decode.as_millis() as u64,
            transcribe: analysis.timings.transcribe.as_millis() as u64,
            understand: analysis.timings.understand.as_millis() as u64,
            decide: analysis.timings.decide.as_millis() as u64,
        };
        document
    }

    /// SHA-256 of the document without its own hash and without timings.
    fn hash(&self) -> String {
        let mut bare = self.clone();
        bare.provenance.result_hash = String::new();
        bare.provenance.timings_ms = Timings::default();
        let json = serde_json::to_vec(&bare).unwrap_or_default();
        format!("sha256:{}", hex(Sha256::digest(&json)))
    }
}

fn call_info(analysis: &Analysis) -> CallInfo {
    let call = &analysis.understanding.call;
    CallInfo {
        id: call.id.clone(),
        source: call.source.clone(),
        call_date: analysis.call_date,
        call_date_assumed: analysis.call_date_assumed,
        language: analysis.understanding.language,
        duration_s: call
            .duration_s
            .or_else(|| call.turns.iter().filter_map(|turn| turn.end_s).max_by(f64::total_cmp)),
        channels: call.channels,
        not_sales: analysis.understanding.not_sales,
        other_language: analysis.understanding.other_language.clone(),
    }
}

fn turns(analysis: &Analysis) -> Vec<TurnInfo> {
    let understanding = &analysis.understanding;
    understanding
        .call
        .turns
        .iter()
        .zip(&understanding.labels)
        .map(|(turn, labels)| TurnInfo::new(turn, labels))
        .collect()
}

impl TurnInfo {
    pub fn new(turn: &Turn, labels: &TurnLabels) -> Self {
        Self {
            i: turn.i,
            role: turn.role,
            speaker: turn.speaker.clone(),
            name: turn.name.clone(),
            start_s: turn.start_s,
            end_s: turn.end_s,
            text: turn.text.clone(),
            words: turn.words.clone(),
            speaker_confidence: turn.speaker_confidence.map(two_digits),
            overlaps: turn.overlaps.clone(),
            stage: Decided {
                id: labels.stage.id,
                confidence: two_digits(labels.stage.confidence),
                decided_by: labels.stage.decided_by,
            },
            signals: labels
                .signals
                .iter()
                .map(|signal| Decided {
                    id: signal.id,
                    confidence: two_digits(signal.confidence),
                    decided_by: signal.decided_by,
                })
                .collect(),
        }
    }
}

/// A turn between two of another stage is an island if it is shorter than this (B.2, rule 9).
const ISLAND_S: f64 = 10.0;
/// The same for transcripts without times: 2.5 words a second.
const ISLAND_WORDS: usize = 25;

/// Runs of turns of one stage. One-turn islands are merged for display; the turns keep their own stage.
fn segments(analysis: &Analysis) -> Vec<Segment> {
    let turns = &analysis.understanding.call.turns;
    let mut stages: Vec<Stage> = analysis
        .understanding
        .labels
        .iter()
        .map(|labels| labels.stage.id)
        .collect();
    for at in 1..stages.len().saturating_sub(1) {
        let short = match (turns[at].start_s, turns[at].end_s) {
            (Some(start), Some(end)) => end - start < ISLAND_S,
            _ => turns[at].text.split_whitespace().count() < ISLAND_WORDS,
        };
        let island = stages[at] != stages[at - 1] && stages[at] != stages[at + 1];
        if island && short && !matches!(stages[at], Stage::Objection | Stage::Closing) {
            stages[at] = stages[at - 1];
        }
    }
    let mut segments: Vec<Segment> = Vec::new();
    for (turn, stage) in turns.iter().zip(stages) {
        match segments.last_mut() {
            Some(last) if last.stage == stage => last.to_turn = turn.i,
            _ => segments.push(Segment {
                stage,
                from_turn: turn.i,
                to_turn: turn.i,
            }),
        }
    }
    segments
}

impl From<&Deal> for DealInfo {
    fn from(deal: &Deal) -> Self {
        let open = deal.stage.as_ref().filter(|stage| stage.kind == StageKind::Open);
        DealInfo {
            process: deal.process.clone(),
            process_hash: deal.process_hash.clone(),
            stage: deal.stage.as_ref().map(|stage| stage.id.clone()),
            stage_name: deal.stage.as_ref().map(|_| deal.stage_name.clone()),
            stage_purpose: deal.stage.as_ref().map(|_| deal.stage_purpose.clone()),
            stage_exit: open.map(|_| deal.stage_exit.clone()),
            confidence: two_digits(deal.confidence),
            decided_by: deal.decided_by,
            abstained: deal.abstained,
            on_hold: deal.on_hold,
            flags: deal.flags.clone(),
            elements: deal
                .elements
                .iter()
                .map(|element| ElementInfo {
                    id: element.element.clone(),
                    name: element.name.clone(),
                    score: element.score,
                    confidence: two_digits(element.confidence),
                    why: element.why.clone(),
                    evidence: element.evidence.clone(),
                    earlier: element.earlier.clone(),
                    missing: element.missing.clone(),
                })
                .collect(),
            coverage: two_digits(deal.coverage),
            index: two_digits(deal.index),
            call_outcome: deal.call_outcome,
            previous_stage: deal.previous_stage.clone(),
            previous_stage_name: deal.previous_stage_name.clone(),
            step: deal.step,
            earlier_calls: deal.earlier_calls.clone(),
            contradictions: deal
                .contradictions
                .iter()
                .map(|contradiction| ContradictionInfo {
                    about: contradiction.about.clone(),
                    latest: contradiction.latest.clone(),
                    earlier: contradiction.earlier.clone(),
                })
                .collect(),
            earlier_facts: deal.earlier_facts.clone(),
            open_promises: deal.open_promises.clone(),
            buyers: deal.buyers.clone(),
        }
    }
}

fn qualification(analysis: &Analysis) -> QualificationInfo {
    let qualification = &analysis.qualification;
    QualificationInfo {
        status: qualification.status,
        lead_score: qualification.lead_score,
        fields: qualification
            .fields
            .iter()
            .map(|field| {
                let said = field.turn.is_some();
                FieldInfo {
                    field: field.field,
                    status: field.status,
                    value: field.value.clone(),
                    raw: said.then(|| field.raw.clone()),
                    turn: field.turn,
                    role: field.role,
                    quote: said.then(|| field.quote.clone()),
                    confidence: said.then(|| two_digits(field.confidence)),
                    decided_by: said.then_some(field.decided_by),
                }
            })
            .collect(),
    }
}

fn premature(analysis: &Analysis) -> Vec<PrematureInfo> {
    let info = |premature: &Premature| PrematureInfo {
        id: premature.id,
        turn: premature.turn,
        severity: premature.severity,
        why: premature.why.clone(),
        advice: premature.advice.clone(),
        quote: premature.quote.clone(),
    };
    analysis.premature.iter().map(info).collect()
}

fn root_causes(analysis: &Analysis) -> Vec<RootCauseInfo> {
    let info = |cause: &RootCause| RootCauseInfo {
        id: cause.id,
        why: cause.why.clone(),
        missing: cause.missing.clone(),
        first_action: cause.first_action,
        evidence: cause.evidence.clone(),
        earlier: cause.earlier.clone(),
    };
    analysis.root_causes.iter().map(info).collect()
}

fn next_contact(analysis: &Analysis) -> Option<ContactInfo> {
    analysis.next_contact.as_ref().map(|contact| ContactInfo {
        date: contact.date,
        channel: contact.channel,
        why: contact.why.clone(),
        evidence: contact.evidence.clone(),
    })
}

fn actions(actions: &[Action]) -> Vec<ActionInfo> {
    actions
        .iter()
        .map(|action| ActionInfo {
            id: action.id,
            title: action.title.clone(),
            why: action.why.clone(),
            due: action.due,
            owner: action.owner,
            channel: action.channel,
            closes: action.closes.clone(),
            evidence: action.evidence.clone(),
            earlier: action.earlier.clone(),
        })
        .collect()
}

fn follow_up(analysis: &Analysis) -> Option<FollowUpInfo> {
    analysis.follow_up.as_ref().map(|draft| FollowUpInfo {
        kind: draft.kind,
        language: draft.language,
        send_by: draft.send_by,
        subject: draft.subject.clone(),
        body: draft.body.clone(),
        facts: draft.facts.clone(),
        to_fill: draft.to_fill.clone(),
        written_by: draft.written_by,
    })
}
