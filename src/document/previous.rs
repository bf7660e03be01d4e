//! An earlier analysis document → what it says about the deal.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::Deserialize;

use super::SCHEMA;
use crate::domain::{
    CallOutcome, ElementId, Evidence, FieldName, FieldStatus, History, OpenPromise, PastCall, PastEvidence, PastField,
    PastScore, Role, Signal, StageId,
};

/// Why a file is no earlier analysis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is not an analysis of `dealstage analyze --json`: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("its shape is `{0}`; this program reads `{SCHEMA}`")]
    Schema(String),
    #[error("it has {0} documents; one is needed: the last call before this one")]
    Several(usize),
}

// Only what is asked for: documents of later versions may hold more.

#[derive(Deserialize)]
pub(super) struct Shape {
    pub schema: String,
}

#[derive(Deserialize)]
struct Analysis {
    call: Call,
    turns: Vec<Turn>,
    deal: Deal,
    qualification: Qualification,
}

#[derive(Deserialize)]
struct Call {
    id: String,
    call_date: NaiveDate,
}

#[derive(Deserialize)]
pub(super) struct Turn {
    pub role: Role,
    pub signals: Vec<Id>,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub id: Signal,
}

#[derive(Deserialize)]
struct Deal {
    process: String,
    stage: Option<StageId>,
    call_outcome: Option<CallOutcome>,
    elements: Vec<Element>,
    #[serde(default)]
    earlier_calls: Vec<PastCall>,
    #[serde(default)]
    earlier_facts: Vec<PastField>,
    #[serde(default)]
    open_promises: Vec<OpenPromise>,
    #[serde(default)]
    buyers: Vec<String>,
}

#[derive(Deserialize)]
struct Element {
    id: ElementId,
    score: u8,
    evidence: Vec<Evidence>,
    #[serde(default)]
    earlier: Vec<PastEvidence>,
}

#[derive(Deserialize)]
struct Qualification {
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    field: FieldName,
    status: FieldStatus,
    value: Option<serde_json::Value>,
    turn: Option<u32>,
    quote: Option<String>,
}

/// Reads the text of one analysis document.
pub fn previous(text: &str) -> Result<History, Error> {
    previous_as(text, None)
}

/// As [`previous`], for a call that is known by another id than its document says.
pub fn previous_as(text: &str, call: Option<&str>) -> Result<History, Error> {
    let documents: Vec<Shape> = serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()?;
    let [document] = documents.as_slice() else {
        return Err(Error::Several(documents.len()));
    };
    if document.schema != SCHEMA {
        return Err(Error::Schema(document.schema.clone()));
    }
    let mut analysis: Analysis = serde_json::from_str(text)?;
    if let Some(call) = call {
        call.clone_into(&mut analysis.call.id);
    }
    let of_call = |turn: u32, quote: &str| PastEvidence {
        call: analysis.call.id.clone(),
        call_date: analysis.call.call_date,
        turn,
        quote: quote.to_owned(),
    };
    let said = |role: Role| analysis.turns.iter().filter(move |turn| turn.role == role);
    let champion = said(Role::Buyer)
        .flat_map(|turn| &turn.signals)
        .any(|signal| signal.id == Signal::BuyerChampion);
    let mut calls = analysis.deal.earlier_calls;
    calls.push(PastCall {
        id: analysis.call.id.clone(),
        call_date: analysis.call.call_date,
        stage: analysis.deal.stage.clone(),
        call_outcome: analysis.deal.call_outcome,
        buyer_turns: said(Role::Buyer).count(),
        champion,
    });
    let scores = analysis.deal.elements.iter().map(|element| {
        let own = element
            .evidence
            .iter()
            .map(|evidence| of_call(evidence.turn, &evidence.quote));
        PastScore {
            element: element.id.clone(),
            score: element.score,
            evidence: own.chain(element.earlier.iter().cloned()).collect(),
        }
    });
    let fields = analysis.qualification.fields.iter().filter_map(|field| {
        let stated = matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed);
        let value = field.value.clone().filter(|_| stated && lasts(field.field))?;
        Some(PastField {
            field: field.field,
            value,
            evidence: of_call(field.turn?, field.quote.as_deref()?),
        })
    });
    let buyers: BTreeSet<String> = analysis.deal.buyers.into_iter().collect();
    Ok(History {
        scores: scores.collect(),
        fields: analysis.deal.earlier_facts.iter().cloned().chain(fields).collect(),
        process: analysis.deal.process,
        stage: analysis.deal.stage,
        promises: analysis.deal.open_promises,
        buyers: buyers.into_iter().collect(),
        calls,
    })
}

/// A fact outlives its call; what was agreed, asked or objected in it does not.
fn lasts(field: FieldName) -> bool {
    !matches!(
        field,
        FieldName::Participants
            | FieldName::NextMeeting
            | FieldName::Commitments
            | FieldName::MaterialsRequested
            | FieldName::OpenQuestions
            | FieldName::Objections
            | FieldName::CallOutcome
    )
}
