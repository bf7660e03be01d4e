//! What the program decides about a call, with how sure it is, who decided and the words it rests on.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ActionId, CallOutcome, Channel, Contradiction, Cue, DealStage, ElementId, EmailType, Field, Move, OpenPromise,
    Owner, PastCall, PastEvidence, PastField, Signal, Stage, StageId,
};

/// Who made a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// The turn model on this machine.
    Local,
    Rules,
    Llm,
    /// Somebody corrected it.
    Person,
}

/// One id with how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision<T> {
    pub id: T,
    /// Calibrated probability, 0–1.
    pub confidence: f32,
    pub decided_by: DecidedBy,
}

/// Labels of one turn; a call's labels lie in the order of its turns.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnLabels {
    pub stage: Decision<Stage>,
    /// In the order of [`Signal::ALL`].
    pub signals: Vec<Decision<Signal>>,
    /// In the order of [`Cue::ALL`].
    pub cues: Vec<Decision<Cue>>,
    /// Signals and cues that were not said to be there, with the probability that they are all the same.
    pub doubts: Vec<(Signal, f32)>,
    pub cue_doubts: Vec<(Cue, f32)>,
}

impl TurnLabels {
    pub fn has(&self, signal: Signal) -> bool {
        self.signals.iter().any(|decision| decision.id == signal)
    }

    pub fn has_cue(&self, cue: Cue) -> bool {
        self.cues.iter().any(|decision| decision.id == cue)
    }

    /// How probable a signal is, said to be there or only suspected, 0–1.
    pub fn chance(&self, signal: Signal) -> f32 {
        let doubt = || self.doubts.iter().find(|(doubted, _)| *doubted == signal);
        self.confidence(signal)
            .or_else(|| doubt().map(|(_, chance)| *chance))
            .unwrap_or(0.0)
    }

    /// Confidence of a signal that is present.
    pub fn confidence(&self, signal: Signal) -> Option<f32> {
        self.signals
            .iter()
            .find(|decision| decision.id == signal)
            .map(|decision| decision.confidence)
    }
}

/// Words that prove a statement: an exact substring of the text of turn `turn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
pub struct Evidence {
    pub turn: u32,
    pub quote: String,
}

/// Score of one element of the process, 0–3.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementScore {
    pub element: ElementId,
    /// In the language of the call.
    pub name: String,
    pub score: u8,
    pub confidence: f32,
    /// The rule that gave the score, in words, in the language of the call.
    pub why: String,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls, where the score is carried over from them.
    pub earlier: Vec<PastEvidence>,
    /// What the next score needs, in words, in the language of the call.
    pub missing: Vec<String>,
}

/// Where the deal stands after the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Deal {
    /// Name of the process.
    pub process: String,
    /// SHA-256 of the process file, hex.
    pub process_hash: String,
    /// None where the call is no sales call.
    pub stage: Option<DealStage>,
    /// In the language of the call; empty where there is no stage.
    pub stage_name: String,
    /// What the stage is for, in the language of the call.
    pub stage_purpose: String,
    /// What the buyer does when it is done, in the language of the call.
    pub stage_exit: String,
    pub confidence: f32,
    pub decided_by: DecidedBy,
    /// The stage is not decided well enough to act on.
    pub abstained: bool,
    /// Put off to a date.
    pub on_hold: bool,
    pub flags: Vec<String>,
    pub elements: Vec<ElementScore>,
    /// Sum of the scores over the possible sum, 0–1.
    pub coverage: f32,
    /// Geometric mean of the scores over 3, 0–1; 0 if any score is 0.
    pub index: f32,
    pub call_outcome: Option<CallOutcome>,
    pub previous_stage: Option<StageId>,
    /// In the language of the call; the id where the process has no such stage.
    pub previous_stage_name: Option<String>,
    /// None where the stage before the call is not known.
    pub step: Option<Move>,
    /// The oldest first.
    pub earlier_calls: Vec<PastCall>,
    /// What this call says against an earlier one.
    pub contradictions: Vec<Contradiction>,
    /// Facts of earlier calls that this one does not say anew.
    pub earlier_facts: Vec<PastField>,
    /// Promises of both sides, of all calls, that nobody said were kept.
    pub open_promises: Vec<OpenPromise>,
    /// Names of the people of the buyer's side, in all calls.
    pub buyers: Vec<String>,
}

impl Deal {
    pub fn score(&self, element: &str) -> u8 {
        self.elements
            .iter()
            .find(|score| score.element.as_str() == element)
            .map_or(0, |score| score.score)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualificationStatus {
    Qualified,
    PartlyQualified,
    Unqualified,
    Disqualified,
}

/// Whether the lead is worth the time, and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Qualification {
    pub status: QualificationStatus,
    /// 0–100; explainable, not a probability.
    pub lead_score: u8,
    /// Found fields in the order of [`super::FieldName::ALL`], then one `not_stated` for each that was looked
    /// for and not found.
    pub fields: Vec<Field>,
}

/// Something to do next.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
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

/// When to speak with them again.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    pub date: NaiveDate,
    pub channel: Channel,
    pub why: String,
    pub evidence: Vec<Evidence>,
}

/// A statement of the e-mail and the turn that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FollowUpFact {
    pub text: String,
    pub turn: u32,
}

/// Whose words a letter is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WrittenBy {
    /// The frames of the program or of the customer.
    Template,
    Llm,
}

/// A follow-up e-mail, drafted.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    pub kind: EmailType,
    pub language: super::Language,
    pub send_by: NaiveDate,
    pub subject: String,
    pub body: String,
    pub facts: Vec<FollowUpFact>,
    /// Blanks that a person must fill before sending, as they stand in the text.
    pub to_fill: Vec<String>,
    pub written_by: WrittenBy,
}

/// Something that left the machine: a question, or speech.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
pub struct Egress {
    /// Address of the service.
    pub to: String,
    pub model: String,
    /// Name of the prompt; of speech `transcription`, or `language` where only that was asked. And SHA-256 of what was sent, with
    /// its form, the model and the address.
    pub prompt: String,
    pub prompt_hash: String,
    /// Turns whose words were shown.
    pub turns: Vec<u32>,
    /// Length of the question; of speech, of the names that were told with it.
    pub characters: usize,
    /// Names, addresses and numbers that were replaced in it.
    pub replaced: usize,
    /// Seconds of speech that were sent; absent of a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound_s: Option<f64>,
    /// The same as bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}
