//! What events tell: little, with ids for the rest, and no words of the call.

use chrono::{DateTime, NaiveTime, Utc};
use serde_json::json;

use crate::document::{self, ActionInfo, Document};
use crate::store::{CallId, CallRecord, DealId, NewEvent, NewReminder};

/// When people are told what is due on a day: as the day begins at work, in Europe.
const TOLD_AT: NaiveTime = NaiveTime::from_hms_opt(6, 0, 0).expect("a time of the day");

/// The deal of a call, as the call is recorded.
pub struct Told<'a> {
    /// Until now.
    pub from: Option<&'a str>,
    /// From now on. A later one tells more.
    pub revision: i64,
}

/// Of a call that was analysed.
pub fn analysed(call: &CallRecord, document: &Document, told: Option<&Told<'_>>) -> Vec<NewEvent> {
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
    if let (Some(Told { from, revision }), Some(deal)) = (told, &call.deal) {
        let link = format!("/v1/deals/{deal}");
        events.push(event(
            "deal.updated",
            json!({"deal_id": deal, "revision": revision, "call_id": call.id, "stage": stage, "deal": link}),
        ));
        if *from != stage {
            events.push(event(
                "deal.stage_changed",
                json!({
                    "deal_id": deal,
                    "revision": revision,
                    "call_id": call.id,
                    "from": from,
                    "to": stage,
                    "deal": link,
                }),
            ));
        }
    }
    events
}

/// Of what is to be done after a call, on the days that are still to come. Without what it is called: that may name people.
pub fn reminders(call: &CallId, deal: Option<&DealId>, actions: &[ActionInfo], now: DateTime<Utc>) -> Vec<NewReminder> {
    let mut reminders: Vec<NewReminder> = Vec::new();
    for action in actions {
        let Some(due) = action.due else { continue };
        let due_at = due.and_time(TOLD_AT).and_utc();
        let payload = json!({
            "call_id": call,
            "deal_id": deal,
            "action": action.id,
            "key": document::action_key(action.id.as_str(), action.evidence.first().map(|words| words.turn)),
            "due": due,
            "owner": action.owner,
            "channel": action.channel,
            "call": format!("/v1/calls/{call}"),
        })
        .to_string();
        // Two promises of one kind for one day look the same from here.
        if due_at >= now && reminders.iter().all(|known| known.payload != payload) {
            reminders.push(NewReminder { payload, due_at });
        }
    }
    reminders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ActionId, Channel, Owner};

    fn action(id: ActionId, title: &str, due: Option<&str>) -> ActionInfo {
        ActionInfo {
            id,
            title: title.to_owned(),
            why: "They asked for it.".to_owned(),
            due: due.map(|day| day.parse().expect("day")),
            owner: Owner::Rep,
            channel: Channel::Email,
            closes: None,
            evidence: Vec::new(),
            earlier: Vec::new(),
        }
    }

    #[test]
    fn what_is_still_to_come_is_told_in_the_morning() {
        let actions = [
            action(ActionId::SendRecapEmail, "Write to Anna", Some("2026-03-02")),
            action(ActionId::FulfilPromise, "Send Anna the price list", Some("2026-03-03")),
            action(ActionId::FulfilPromise, "Send Anna the terms", Some("2026-03-03")),
            action(ActionId::UpdateCrm, "Keep the CRM up to date", None),
            action(ActionId::FulfilPromise, "Call Anna", Some("2026-03-04")),
        ];
        let (call, deal) = (CallId::from("call_1"), DealId::from("deal_1"));
        let now = "2026-03-02T06:00:01Z".parse().expect("moment");
        let made = reminders(&call, Some(&deal), &actions, now);
        let due: Vec<String> = made.iter().map(|reminder| reminder.due_at.to_rfc3339()).collect();
        assert_eq!(due, ["2026-03-03T06:00:00+00:00", "2026-03-04T06:00:00+00:00"]);
        let told: serde_json::Value = serde_json::from_str(&made[0].payload).expect("JSON");
        let wanted = json!({
            "call_id": "call_1", "deal_id": "deal_1", "action": "fulfil_promise", "key": "fulfil_promise", "due": "2026-03-03",
            "owner": "rep", "channel": "email", "call": "/v1/calls/call_1",
        });
        assert_eq!(told, wanted);
        assert!(!made[0].payload.contains("Anna"));
        // Of the moment itself: it is still to come.
        assert_eq!(
            reminders(&call, None, &actions, "2026-03-02T06:00:00Z".parse().expect("moment")).len(),
            3
        );
    }
}
