//! An analysis, what the CRM has, and the customer's policy → the change-set.
//!
//! Pure: nothing is asked or written here. What a policy of a customer never loosens: moves backwards, moves out of or into
//! a closed stage, and values that nobody is sure of are decided by a person.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::Value;

use super::template::FailedBecause;
use super::{Scope, Template, same};
use crate::domain::{ActionId, Evidence, FieldName, FieldStatus, Owner, PastEvidence, StageId};
use crate::store::{ChangeEvidence, ChangeId, ChangeKind, NewChange, Policy};

/// Surer than this a value may be written by itself, unless the customer says otherwise.
const LEAST_CONFIDENCE: f64 = 0.7;
/// More tasks of one call nobody does.
const MOST_TASKS: usize = 3;

/// The customer's part of a connection: which of ours is which of theirs, and who decides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Mapping {
    /// In the order of the process: a move to an earlier one is backwards.
    pub stages: Vec<StageMapping>,
    /// Stages of the CRM in which a deal is won, lost or otherwise over.
    pub closed: Vec<String>,
    pub fields: Vec<FieldMapping>,
    /// A note of each call.
    pub note: bool,
    /// The text of the note, a template; None: ours.
    pub note_text: Option<String>,
    /// Tasks for the next actions of the rep.
    pub tasks: bool,
    pub policy: Policies,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageMapping {
    pub ours: StageId,
    /// Id or name.
    pub crm: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    pub ours: FieldName,
    /// Id or name.
    pub crm: String,
    /// A template over `value`, `raw` and `quote`; None: a text or number as it is, else the words that were said.
    pub value: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    pub stage: Policy,
    pub fields: Policy,
    pub note: Policy,
    pub tasks: Policy,
    /// Of single fields, by our name.
    pub field: BTreeMap<FieldName, Policy>,
    /// What is less sure is asked.
    pub least_confidence: f64,
    /// A field that has another value may be written without asking.
    pub overwrite: bool,
}

impl Mapping {
    /// From the settings of an endpoint, beside those that its file names; the text says what is wrong.
    pub fn read(settings: &serde_json::Map<String, Value>) -> Result<Self, String> {
        let mapping: Self =
            serde_json::from_value(Value::Object(settings.clone())).map_err(|error| error.to_string())?;
        for field in &mapping.fields {
            if let Some(text) = &field.value {
                template(text).map_err(|wrong| format!("fields: `{}`: {wrong}", field.ours.as_str()))?;
            }
        }
        if let Some(text) = &mapping.note_text {
            template(text).map_err(|wrong| format!("note_text: {wrong}"))?;
        }
        Ok(mapping)
    }
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|wrong| {
        let wrong: Vec<String> = wrong.into_iter().map(|wrong| wrong.message).collect();
        wrong.join("; ")
    })
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            stage: Policy::Ask,
            fields: Policy::Ask,
            note: Policy::Ask,
            tasks: Policy::Ask,
            field: BTreeMap::new(),
            least_confidence: LEAST_CONFIDENCE,
            overwrite: false,
        }
    }
}

/// What the CRM has: ids as it gives them.
#[derive(Debug, Clone, Default)]
pub struct CrmNow {
    pub stage: Value,
    /// Of each mapped stage, in the order of the mapping.
    pub stages: Vec<Value>,
    pub closed: Vec<Value>,
    /// What the CRM calls them, where it has another name for people: the stage, and the mapped ones.
    pub stage_name: Option<String>,
    pub stage_names: Vec<Option<String>>,
    /// By the CRM's name.
    pub fields: BTreeMap<String, Value>,
}

/// What earlier change-sets of the same call have written or may still write: it is not proposed again.
#[derive(Debug, Clone, Default)]
pub struct Done {
    pub note: bool,
    /// By action.
    pub tasks: Vec<String>,
}

/// What is read of the record of a deal.
#[derive(Debug, Clone, Deserialize)]
pub struct Known {
    pub call: Call,
    pub deal: Deal,
    qualification: Qualification,
    #[serde(default)]
    next_actions: Vec<Action>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    pub call_date: NaiveDate,
    pub language: String,
    pub duration_s: Option<f64>,
    pub not_sales: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Deal {
    pub stage: Option<StageId>,
    pub stage_name: Option<String>,
    pub confidence: f64,
    pub abstained: bool,
    elements: Vec<Element>,
}

#[derive(Debug, Clone, Deserialize)]
struct Element {
    id: String,
    name: String,
    score: u8,
    evidence: Vec<Evidence>,
    #[serde(default)]
    earlier: Vec<PastEvidence>,
}

#[derive(Debug, Clone, Deserialize)]
struct Qualification {
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Deserialize)]
struct Field {
    field: FieldName,
    status: FieldStatus,
    #[serde(default)]
    value: Value,
    raw: Option<String>,
    turn: Option<u32>,
    quote: Option<String>,
    confidence: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Action {
    id: ActionId,
    title: String,
    why: String,
    due: Option<NaiveDate>,
    owner: Owner,
    evidence: Vec<Evidence>,
}

/// What would change. `call`: our id of the call.
pub fn plan(known: &Known, call: &str, now: &CrmNow, done: &Done, mapping: &Mapping) -> Result<Vec<NewChange>, String> {
    if known.call.not_sales {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    changes.extend(stage(known, call, now, mapping));
    for field in &mapping.fields {
        changes.extend(one_field(known, call, now, mapping, field)?);
    }
    if mapping.note && !done.note {
        changes.push(note(known, call, mapping)?);
    }
    if mapping.tasks {
        changes.extend(tasks(known, call, done, mapping));
    }
    Ok(changes)
}

/// A template of the customer over these variables. None: a part that it needs was not said.
fn rendered(text: &str, variables: &Value) -> Result<Option<Value>, String> {
    let template = template(text)?;
    let mut scope = Scope::default();
    for (name, value) in variables.as_object().into_iter().flatten() {
        scope.set(name, value);
    }
    match template.value(&scope) {
        Ok(value) => Ok(value),
        Err(error) if error.kind == FailedBecause::Missing => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// A person is asked, whatever the policy says, unless it says never.
fn asked(policy: Policy, why: Option<&str>) -> (Policy, Option<String>) {
    match (policy, why) {
        (Policy::Auto, Some(why)) => (Policy::Ask, Some(why.to_owned())),
        (policy, why) => (policy, why.map(str::to_owned)),
    }
}

fn said(call: &str, evidence: &[Evidence]) -> Vec<ChangeEvidence> {
    let here = |evidence: &Evidence| ChangeEvidence {
        call_id: call.to_owned(),
        turn: evidence.turn,
        quote: evidence.quote.clone(),
    };
    evidence.iter().map(here).collect()
}

fn stage(known: &Known, call: &str, now: &CrmNow, mapping: &Mapping) -> Option<NewChange> {
    let stage = known.deal.stage.as_ref().filter(|_| !known.deal.abstained)?;
    let index = mapping.stages.iter().position(|mapped| mapped.ours == *stage)?;
    let new = now.stages.get(index)?;
    // Several of ours may be one of theirs.
    if same(new, &now.stage) {
        return None;
    }
    let rank = now.stages.iter().rposition(|known| same(known, &now.stage));
    let is_closed = |stage: &Value| now.closed.iter().any(|closed| same(closed, stage));
    let why = if is_closed(&now.stage) {
        Some("closed")
    } else if is_closed(new) {
        Some("closes")
    } else if rank.is_some_and(|rank| rank > index) {
        Some("backwards")
    } else if rank.is_none() && !is_empty(&now.stage) {
        Some("unknown_stage")
    } else if known.deal.confidence < mapping.policy.least_confidence {
        Some("unsure")
    } else {
        None
    };
    let (policy, why) = asked(mapping.policy.stage, why);
    let mut evidence = Vec::new();
    for element in &known.deal.elements {
        if element.id == stage.as_str() || element.score > 0 {
            let earlier = element.earlier.iter().map(|past| ChangeEvidence {
                call_id: past.call.clone(),
                turn: past.turn,
                quote: past.quote.clone(),
            });
            evidence.extend(said(call, &element.evidence).into_iter().chain(earlier));
        }
    }
    Some(NewChange {
        id: ChangeId::fresh(),
        kind: ChangeKind::Stage,
        name: stage.as_str().to_owned(),
        target: mapping.stages[index].crm.clone(),
        old: now.stage.clone(),
        old_name: now.stage_name.clone(),
        new: new.clone(),
        new_name: now.stage_names.get(index).cloned().flatten(),
        evidence,
        confidence: Some(known.deal.confidence),
        policy,
        why,
    })
}

fn one_field(
    known: &Known,
    call: &str,
    now: &CrmNow,
    mapping: &Mapping,
    mapped: &FieldMapping,
) -> Result<Option<NewChange>, String> {
    let is_said = |field: &&Field| {
        let counts = [FieldStatus::Stated, FieldStatus::Confirmed, FieldStatus::Conflict];
        field.field == mapped.ours && counts.contains(&field.status) && field.quote.is_some()
    };
    let Some(field) = known.qualification.fields.iter().find(is_said) else {
        return Ok(None);
    };
    let new = match &mapped.value {
        Some(text) => rendered(
            text,
            &serde_json::json!({"value": field.value, "raw": field.raw, "quote": field.quote}),
        )
        .map_err(|error| format!("fields: `{}`: {error}", mapped.ours.as_str()))?
        .unwrap_or(Value::Null),
        None if field.value.is_string() || field.value.is_number() => field.value.clone(),
        None => field.raw.clone().map_or(Value::Null, Value::String),
    };
    let old = now.fields.get(&mapped.crm).cloned().unwrap_or(Value::Null);
    if is_empty(&new) || same(&old, &new) {
        return Ok(None);
    }
    let confidence = field.confidence.unwrap_or(0.0);
    let why = if field.status == FieldStatus::Conflict {
        Some("conflict")
    } else if confidence < mapping.policy.least_confidence {
        Some("unsure")
    } else if !is_empty(&old) && !mapping.policy.overwrite {
        Some("overwrites")
    } else {
        None
    };
    let policy = mapping.policy.field.get(&mapped.ours).copied();
    let (policy, why) = asked(policy.unwrap_or(mapping.policy.fields), why);
    Ok(Some(NewChange {
        id: ChangeId::fresh(),
        kind: ChangeKind::Field,
        name: mapped.ours.as_str().to_owned(),
        target: mapped.crm.clone(),
        old,
        old_name: None,
        new,
        new_name: None,
        evidence: vec![ChangeEvidence {
            call_id: call.to_owned(),
            turn: field.turn.unwrap_or_default(),
            quote: field.quote.clone().unwrap_or_default(),
        }],
        confidence: field.confidence,
        policy,
        why,
    }))
}

/// The text of a note where the customer has none of their own.
fn note_template(language: &str) -> &'static str {
    match language {
        "ru" => include_str!("note.ru.jinja"),
        _ => include_str!("note.en.jinja"),
    }
}

fn note(known: &Known, call: &str, mapping: &Mapping) -> Result<NewChange, String> {
    let is_said = |field: &&Field| field.quote.is_some() && field.status != FieldStatus::NotStated;
    let fields = known.qualification.fields.iter().filter(is_said);
    let fields: Vec<Value> = fields
        .map(|field| {
            serde_json::json!({"field": field.field, "raw": field.raw, "quote": field.quote, "value": field.value})
        })
        .collect();
    let elements = known.deal.elements.iter();
    let elements: Vec<Value> = elements
        .map(|element| {
            serde_json::json!({
                "id": element.id,
                "name": element.name,
                "score": element.score,
                "quote": element.evidence.first().map(|evidence| &evidence.quote),
            })
        })
        .collect();
    let actions = known.next_actions.iter();
    let actions: Vec<Value> = actions
        .map(|action| serde_json::json!({"title": action.title, "due": action.due, "owner": action.owner}))
        .collect();
    let text = mapping
        .note_text
        .as_deref()
        .unwrap_or(note_template(&known.call.language));
    let about = serde_json::json!({
        "date": known.call.call_date,
        "language": known.call.language,
        "stage": known.deal.stage,
        "stage_name": known.deal.stage_name,
        "elements": elements,
        "fields": fields,
        "actions": actions,
    });
    let text = rendered(text, &about).map_err(|error| format!("note_text: {error}"))?;
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default();
    let text = text.trim().to_owned();
    let (policy, why) = asked(mapping.policy.note, None);
    Ok(NewChange {
        id: ChangeId::fresh(),
        kind: ChangeKind::Note,
        name: String::new(),
        target: String::new(),
        old: Value::Null,
        old_name: None,
        new: serde_json::json!({
            "text": text,
            "call": {"id": call, "date": known.call.call_date, "duration_s": known.call.duration_s},
        }),
        new_name: None,
        evidence: Vec::new(),
        confidence: None,
        policy,
        why,
    })
}

fn tasks<'a>(
    known: &'a Known,
    call: &'a str,
    done: &'a Done,
    mapping: &'a Mapping,
) -> impl Iterator<Item = NewChange> + 'a {
    let actions = known.next_actions.iter();
    let ours =
        actions.filter(|action| action.owner == Owner::Rep && !done.tasks.iter().any(|id| id == action.id.as_str()));
    ours.take(MOST_TASKS).map(move |action| {
        let (policy, why) = asked(mapping.policy.tasks, None);
        NewChange {
            id: ChangeId::fresh(),
            kind: ChangeKind::Task,
            name: action.id.as_str().to_owned(),
            target: String::new(),
            old: Value::Null,
            old_name: None,
            new: serde_json::json!({"title": action.title, "text": action.why, "due": action.due}),
            new_name: None,
            evidence: said(call, &action.evidence),
            confidence: None,
            policy,
            why,
        }
    })
}

/// Nothing is there.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
