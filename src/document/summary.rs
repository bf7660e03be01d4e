//! A stored analysis document → what a list says of it.

use chrono::NaiveDate;
use serde::Deserialize;

use super::SCHEMA;
use super::previous::{Error, Shape};
use crate::domain::{ActionId, CallOutcome, CallSummary, Language, NextAction, StageId};

// Only what is asked for: documents of later versions may hold more.

#[derive(Deserialize)]
struct Analysis {
    call: Call,
    turns: Vec<Turn>,
    deal: Deal,
    qualification: Qualification,
    next_actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Call {
    language: Language,
    duration_s: Option<f64>,
    not_sales: bool,
}

#[derive(Deserialize)]
struct Turn {
    text: String,
}

#[derive(Deserialize)]
struct Deal {
    stage: Option<StageId>,
    abstained: bool,
    call_outcome: Option<CallOutcome>,
}

#[derive(Deserialize)]
struct Qualification {
    lead_score: u8,
}

#[derive(Deserialize)]
struct Action {
    id: ActionId,
    title: String,
    due: Option<NaiveDate>,
}

/// Reads the text of one analysis document: its line in a list, and what was said, a turn a line.
pub fn summary(text: &str) -> Result<(CallSummary, String), Error> {
    let shape: Shape = serde_json::from_str(text)?;
    if shape.schema != SCHEMA {
        return Err(Error::Schema(shape.schema));
    }
    let analysis: Analysis = serde_json::from_str(text)?;
    let said: Vec<&str> = analysis.turns.iter().map(|turn| turn.text.as_str()).collect();
    let said = said.join("\n");
    let summary = CallSummary {
        language: analysis.call.language,
        duration_s: analysis.call.duration_s,
        turns: analysis.turns.len(),
        stage: analysis.deal.stage.filter(|_| !analysis.deal.abstained),
        abstained: analysis.deal.abstained,
        outcome: analysis.deal.call_outcome,
        lead_score: analysis.qualification.lead_score,
        not_sales: analysis.call.not_sales,
        next_action: analysis.next_actions.into_iter().next().map(|action| NextAction {
            id: action.id,
            title: action.title,
            due: action.due,
        }),
    };
    Ok((summary, said))
}
