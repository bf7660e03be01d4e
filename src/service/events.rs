//! What events tell: little, with ids for the rest, and no words of the call.

use serde_json::json;

use crate::document::Document;
use crate::store::{CallRecord, NewEvent};

/// Of a call that was analysed. `before`: the stage of its deal until now.
pub fn analysed(call: &CallRecord, document: &Document, before: Option<Option<&str>>) -> Vec<NewEvent> {
    let event = |kind, payload: serde_json::Value| NewEvent {
        kind,
        payload: payload.to_string(),
    };
    let stage = document.deal.stage.as_ref().map(|stage| stage.as_str());
    let mut events = vec![event(
        "call.analyzed",
        json!({
            "call_id": call.id,
            "deal_id": call.deal,
            "call_date": document.call.call_date,
            "language": document.call.language,
            "not_sales": document.call.not_sales,
            "process": document.deal.process,
            "stage": stage,
            "confidence": document.deal.confidence,
            "abstained": document.deal.abstained,
            "call_outcome": document.deal.call_outcome,
            "lead_score": document.qualification.lead_score,
            "next_action": document.next_actions.first().map(|action| json!({"id": action.id, "due": action.due})),
            "result_hash": document.provenance.result_hash,
            "analysis": format!("/v1/calls/{}/analysis", call.id),
        }),
    )];
    if document.follow_up.is_some() {
        events.push(event(
            "followup.drafted",
            json!({"call_id": call.id, "deal_id": call.deal, "follow_up": format!("/v1/calls/{}/follow-up", call.id)}),
        ));
    }
    if let (Some(before), Some(deal)) = (before, &call.deal) {
        let link = format!("/v1/deals/{deal}");
        events.push(event(
            "deal.updated",
            json!({"deal_id": deal, "call_id": call.id, "stage": stage, "deal": link}),
        ));
        if before != stage {
            events.push(event(
                "deal.stage_changed",
                json!({"deal_id": deal, "call_id": call.id, "from": before, "to": stage, "deal": link}),
            ));
        }
    }
    events
}
