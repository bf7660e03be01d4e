//! Next best actions (D.1, D.2): the first of the playbook; at most five, none without its trigger.

use super::Situation;
use crate::domain::{
    Action, ActionId, Commitment, DealStage, Element, Evidence, FieldName, FieldStatus, FieldValue, Language, Owner,
    Role, Signal, calendar,
};

/// More than this nobody does.
const MOST: usize = 5;
/// Buyer turns from which a talk is worth a recap.
const RECAP_TURNS: usize = 6;

pub fn next_actions(situation: &Situation<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let Some(stage) = situation.deal.stage else {
        return actions;
    };
    if stage == DealStage::Lost {
        let refusal = situation.at(Signal::BuyerRefusal).last().map(|&at| situation.quote(at));
        actions.extend(act(
            situation,
            ActionId::GracefulExit,
            say(situation, "they said no", "клиент отказался"),
            refusal,
        ));
        actions.extend(act(situation, ActionId::UpdateCrm, fields_found(situation), None));
        return actions;
    }
    actions.extend(promises(situation));
    actions.extend(postponed(situation));
    if situation.buyer_turns() >= RECAP_TURNS {
        let why = say(situation, "while it is fresh", "пока разговор свеж в памяти");
        actions.extend(act(situation, ActionId::SendRecapEmail, why, None));
    }
    if situation.dated_commitments().is_empty() && !meeting_agreed(situation) && !situation.deal.on_hold {
        let why = say(
            situation,
            "the call ended without a dated step of theirs",
            "разговор закончился без шага клиента с датой",
        );
        actions.extend(act(situation, ActionId::FixNextStep, why, None));
    }
    actions.extend(first_gap(situation, stage));
    for (objection, id) in [
        (Signal::BuyerObjPrice, ActionId::AnswerPriceObjection),
        (Signal::BuyerObjTrust, ActionId::ShareProof),
    ] {
        if let Some(at) = situation.open(objection) {
            let why = say(situation, "the objection is still open", "возражение не снято");
            actions.extend(act(situation, id, why, Some(situation.quote(at))));
        }
    }
    actions.extend(act(situation, ActionId::UpdateCrm, fields_found(situation), None));
    actions.truncate(MOST);
    actions
}

/// The buyer named or took a day to talk on.
fn meeting_agreed(situation: &Situation<'_>) -> bool {
    situation
        .said(FieldName::NextMeeting)
        .any(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))
}

fn say(situation: &Situation<'_>, en: &str, ru: &str) -> String {
    match situation.language {
        Language::En => en.to_owned(),
        Language::Ru => ru.to_owned(),
    }
}

fn fields_found(situation: &Situation<'_>) -> String {
    let found = situation.fields.iter().filter(|field| field.turn.is_some()).count();
    match situation.language {
        Language::En => format!("{found} facts found, each with its quote"),
        Language::Ru => format!("найдено фактов: {found}, у каждого цитата"),
    }
}

/// An action of the process with its usual date; None where the process has no such action.
fn act(situation: &Situation<'_>, id: ActionId, why: String, evidence: Option<Evidence>) -> Option<Action> {
    let rule = situation.process.action(id)?;
    let due = calendar::add_business_days(
        situation.work_day(situation.call_date),
        rule.days.max(0),
        situation.language,
    );
    Some(Action {
        id,
        title: rule.title(situation.language).to_owned(),
        why,
        due: Some(due),
        owner: Owner::Rep,
        channel: rule.channel,
        evidence: evidence.into_iter().collect(),
    })
}

/// Own promises come first, always; one action for each, the earliest first.
fn promises(situation: &Situation<'_>) -> Vec<Action> {
    let mut actions: Vec<Action> = situation
        .said(FieldName::Commitments)
        .filter_map(|field| match &field.value {
            Some(FieldValue::Commitment(promise)) if promise.who == Role::Rep && is_artefact(promise) => {
                let quote = Evidence {
                    turn: field.turn?,
                    quote: field.quote.clone(),
                };
                let why = say(situation, "your own words in the call", "ваши слова в разговоре");
                let mut action = act(situation, ActionId::FulfilPromise, why, Some(quote))?;
                action.title = action.title.replace("{what}", &promise.what);
                if let Some(day) = promise.due.as_ref().and_then(|due| due.latest()) {
                    action.due = Some(situation.work_day(day.max(situation.call_date)));
                }
                Some(action)
            }
            _ => None,
        })
        .collect();
    actions.sort_by_key(|action| action.due);
    // Two at most: the rest of the list must stay visible.
    actions.truncate(2);
    actions
}

/// A meeting is a date in the calendar, not a thing to deliver.
fn is_artefact(promise: &Commitment) -> bool {
    const MEETS: &[&str] = &["meet", "book", "call you", "встре", "созвон", "подъед", "приед"];
    let lower = promise.what.to_lowercase();
    !MEETS.iter().any(|word| lower.contains(word))
}

fn postponed(situation: &Situation<'_>) -> Option<Action> {
    if !situation.deal.on_hold {
        return None;
    }
    let at = *situation.at(Signal::BuyerDelay).last()?;
    let why = say(situation, "they put it off to a date", "клиент отложил до даты");
    let mut action = act(situation, ActionId::NurtureUntilDate, why, Some(situation.quote(at)))?;
    let until = situation
        .said(FieldName::Timeline)
        .find_map(|field| match &field.value {
            Some(FieldValue::Date(date)) if !date.past => date.earliest(),
            _ => None,
        });
    let days = situation
        .process
        .action(ActionId::NurtureUntilDate)
        .map_or(0, |rule| rule.days);
    action.due = until.map(|day| {
        let before = calendar::add_business_days(day, days, situation.language);
        situation.work_day(before.max(situation.call_date))
    });
    Some(action)
}

/// One gap, one action: the one for the first element under 2.
fn first_gap(situation: &Situation<'_>, stage: DealStage) -> Option<Action> {
    let score = |element| situation.deal.score(element);
    let (id, why, at) = match stage {
        DealStage::Pain if score(Element::Pain) == 1 => (
            ActionId::DeepenPain,
            say(
                situation,
                "a problem is named, without a consequence",
                "проблема названа, последствий не прозвучало",
            ),
            situation.at(Signal::BuyerPain).first().copied(),
        ),
        DealStage::Power if !situation.has(Signal::BuyerDecider) => (
            ActionId::MapDecision,
            say(situation, "nobody who decides is known", "неизвестно, кто решает"),
            None,
        ),
        DealStage::Power => (
            ActionId::AskAccessToPower,
            say(
                situation,
                "it is known who decides, there is no access yet",
                "известно, кто решает, но выхода нет",
            ),
            situation.at(Signal::BuyerDecider).first().copied(),
        ),
        DealStage::Vision => (
            ActionId::ScheduleTailoredDemo,
            say(
                situation,
                "problem and consequence are known",
                "проблема и последствие известны",
            ),
            situation
                .at(Signal::BuyerVision)
                .first()
                .or(situation.at(Signal::BuyerPain).first())
                .copied(),
        ),
        DealStage::Value if situation.said(FieldName::PainImpact).any(|field| field.value.is_some()) => (
            ActionId::BuildBusinessCase,
            say(situation, "their loss has a number", "у потерь есть цифра"),
            situation.at(Signal::BuyerImpact).first().copied(),
        ),
        DealStage::Value if situation.has(Signal::BuyerPain) => (
            ActionId::QuantifyImpact,
            say(situation, "the problem has no number yet", "у проблемы пока нет цифры"),
            situation.at(Signal::BuyerPain).first().copied(),
        ),
        DealStage::Control => (
            ActionId::DraftMutualPlan,
            say(situation, "everything but the plan is there", "есть всё, кроме плана"),
            situation.dated_commitments().first().copied(),
        ),
        _ => return None,
    };
    act(situation, id, why, at.map(|at| situation.quote(at)))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::domain::{DateQualifier, DateValue, DecidedBy, Field, sample};
    use crate::process::Process;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn on(date: &str) -> DateValue {
        DateValue {
            kind: None,
            date: Some(day(date)),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier: DateQualifier::On,
            ambiguous: false,
            past: false,
        }
    }

    fn field(name: FieldName, status: FieldStatus, value: FieldValue) -> Field {
        Field {
            field: name,
            status,
            value: Some(value),
            raw: "words".to_owned(),
            turn: Some(1),
            role: Some(Role::Rep),
            quote: "words".to_owned(),
            confidence: 0.8,
            decided_by: DecidedBy::Rules,
        }
    }

    fn actions(fields: &[Field], call_date: &str) -> Vec<Action> {
        let call = sample::call(Vec::new());
        let deal = sample::deal(DealStage::Pain);
        next_actions(&Situation {
            process: &Process::builtin().expect("the built-in process"),
            call: &call,
            labels: &[],
            fields,
            deal: &deal,
            language: Language::Ru,
            call_date: day(call_date),
        })
    }

    #[test]
    fn a_promise_due_on_a_day_off_moves_forward() {
        // Friday → Monday; 30 April → over the first days of May; the past → the day of the call.
        for (call, said, due) in [
            ("2025-04-18", "2025-04-19", "2025-04-21"),
            ("2025-04-29", "2025-05-01", "2025-05-05"),
            ("2025-04-16", "2025-04-17", "2025-04-17"),
            ("2025-04-19", "2025-04-19", "2025-04-21"),
            ("2025-04-16", "2025-04-10", "2025-04-16"),
        ] {
            let promise = Commitment {
                who: Role::Rep,
                what: "пришлю расчёт".to_owned(),
                due: Some(on(said)),
            };
            let promise = field(
                FieldName::Commitments,
                FieldStatus::Stated,
                FieldValue::Commitment(promise),
            );
            let actions = actions(&[promise], call);
            assert_eq!(actions[0].id, ActionId::FulfilPromise);
            assert_eq!(actions[0].due, Some(day(due)), "{said}");
            for action in actions {
                let due = action.due.expect("a day");
                assert!(calendar::is_business_day(due, Language::Ru), "{action:?}");
            }
        }
    }

    #[test]
    fn an_agreed_meeting_is_a_next_step() {
        let meeting = |status| field(FieldName::NextMeeting, status, FieldValue::Date(on("2025-04-30")));
        let asks = |fields: &[Field]| {
            actions(fields, "2025-04-16")
                .iter()
                .any(|action| action.id == ActionId::FixNextStep)
        };
        assert!(asks(&[]));
        assert!(asks(&[meeting(FieldStatus::Proposed)]));
        assert!(!asks(&[meeting(FieldStatus::Confirmed)]));
        assert!(!asks(&[meeting(FieldStatus::Stated)]));
    }
}
