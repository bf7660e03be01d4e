//! Next best actions and the next contact (D.1, D.2, D.4): the rules are the process file's; here, who, when and in what words.

use chrono::NaiveDate;

use super::Situation;
use crate::domain::{
    Action, ActionId, Channel, Commitment, Contact, ContactChannel, Evidence, Field, FieldName, FieldValue,
    OpenPromise, Role, calendar,
};
use crate::process::{self, ActionRule, Due};

/// Own promises among the first of the list: the rest of it must stay visible.
const FIRST_PROMISES: usize = 2;
/// Quotes of an action.
const MOST_QUOTES: usize = 2;

/// Everything that is to be done, the most urgent first; none whose trigger is absent.
pub fn next_actions(situation: &Situation<'_>) -> Vec<Action> {
    if situation.deal.stage.is_none() {
        return Vec::new();
    }
    let mut rules: Vec<&ActionRule> = situation.process.actions().iter().collect();
    rules.sort_by_key(|rule| rule.rank);
    let mut actions: Vec<Action> = Vec::new();
    let mut later: Vec<Action> = Vec::new();
    let mut chosen = Vec::new();
    for rule in rules {
        let Some(turns) = situation.reading.holds(&rule.when) else {
            continue;
        };
        if rule.each {
            let mut each = for_each_field(situation, rule);
            each.sort_by_key(|action| action.due);
            later.extend(each.split_off(each.len().min(FIRST_PROMISES)));
            actions.extend(each);
        } else if !chosen.contains(&rule.id) {
            chosen.push(rule.id);
            let mut quotes = process::quotes(situation.call, &turns);
            quotes.truncate(MOST_QUOTES);
            actions.extend(action(situation, rule, None, quotes));
        }
    }
    actions.extend(later);
    actions
}

fn for_each_field(situation: &Situation<'_>, rule: &ActionRule) -> Vec<Action> {
    let Some(from) = &rule.due.from else { return Vec::new() };
    let mut actions: Vec<Action> = Vec::new();
    for field in situation.reading.every_field(from) {
        let Some(turn) = field.turn else { continue };
        let quote = Evidence {
            turn,
            quote: field.quote.clone(),
        };
        let made = action(situation, rule, Some(field), vec![quote]);
        actions.extend(made.filter(|made| actions.iter().all(|known| known.title != made.title)));
    }
    actions
}

/// None where the day that it is counted from is not known.
fn action(
    situation: &Situation<'_>,
    rule: &ActionRule,
    field: Option<&Field>,
    evidence: Vec<Evidence>,
) -> Option<Action> {
    let (due, from) = due(situation, &rule.due, field)?;
    let what = field.and_then(|field| match &field.value {
        Some(FieldValue::Commitment(Commitment { what, .. })) => Some(what.clone()),
        _ => None,
    });
    let overdue = if field.is_some() {
        None
    } else {
        overdue(situation, rule.id)
    };
    let what = what.or_else(|| overdue.map(|promise| promise.what.clone()));
    let words = |text: &str| {
        text.replace("{what}", what.as_deref().unwrap_or_default())
            .replace("{role}", &approver(situation))
            .replace("{element}", &first_gap(situation))
            .replace("{date}", &super::follow_up::day(from, situation.language))
    };
    Some(Action {
        id: rule.id,
        title: words(rule.title.get(situation.language)),
        why: words(rule.why.get(situation.language)),
        due: Some(due),
        owner: rule.owner,
        channel: preferred(situation, rule.channel),
        closes: rule.closes.map(|place| situation.process.elements()[place].id.clone()),
        evidence,
        earlier: overdue.map(|promise| promise.evidence.clone()).into_iter().collect(),
    })
}

/// The promise of an earlier call that an action is about.
fn overdue<'a>(situation: &Situation<'a>, id: ActionId) -> Option<&'a OpenPromise> {
    let who = match id {
        ActionId::FulfilPromise => Role::Rep,
        ActionId::RemindBuyerPromise => Role::Buyer,
        _ => return None,
    };
    situation
        .history?
        .overdue(who, situation.call_date)
        .min_by_key(|promise| promise.due)
}

/// The day that is due, on which somebody works, not before the call; and the day that it is counted from.
pub fn due(situation: &Situation<'_>, due: &Due, field: Option<&Field>) -> Option<(NaiveDate, NaiveDate)> {
    let from = match (&due.from, field) {
        (None, _) => situation.call_date,
        // A promise without a day is due on the day of the call.
        (Some(_), Some(field)) => day_of(field).unwrap_or(situation.call_date),
        (Some(from), None) => {
            let days = situation.reading.every_field(from).into_iter().filter_map(day_of);
            days.filter(|day| *day >= situation.call_date).min()?
        }
    };
    let day = calendar::add_business_days(from, due.days, situation.language);
    Some((situation.work_day(day.max(situation.call_date)), from))
}

fn day_of(field: &Field) -> Option<NaiveDate> {
    let date = match &field.value {
        Some(FieldValue::Date(date)) => date,
        Some(FieldValue::Commitment(promise)) => promise.due.as_ref()?,
        _ => return None,
    };
    date.latest().filter(|_| !date.past)
}

/// By the way that they asked for, where they did; tasks and entries of ours stay what they are.
fn preferred(situation: &Situation<'_>, channel: Channel) -> Channel {
    if !matches!(channel, Channel::Email | Channel::Phone | Channel::Messenger) {
        return channel;
    }
    let wish = situation
        .said(FieldName::ContactPreference)
        .find_map(|field| match &field.value {
            Some(FieldValue::Contact(ContactChannel::Email)) => Some(Channel::Email),
            Some(FieldValue::Contact(ContactChannel::Phone)) => Some(Channel::Phone),
            Some(FieldValue::Contact(ContactChannel::Messenger)) => Some(Channel::Messenger),
            _ => None,
        });
    wish.unwrap_or(channel)
}

/// Who approves, as they named it; else in general words.
fn approver(situation: &Situation<'_>) -> String {
    let named = situation
        .said(FieldName::DecisionMakers)
        .find_map(|field| match &field.value {
            Some(FieldValue::Person(person)) => person
                .title_in(situation.language)
                .filter(|title| *title != "self")
                .map(str::to_owned)
                .or_else(|| person.name.clone()),
            _ => None,
        });
    named.unwrap_or_else(|| {
        situation
            .say("the person who approves", "тот, кто согласует")
            .to_owned()
    })
}

/// The first element that is not far enough.
fn first_gap(situation: &Situation<'_>) -> String {
    let elements = &situation.deal.elements;
    let gap = elements.iter().find(|element| element.score < 2);
    gap.map(|element| element.name.clone()).unwrap_or_default()
}

/// When to speak again (D.4): the day that was agreed, the day that they named, our promise, else the usual rhythm.
pub fn next_contact(situation: &Situation<'_>) -> Option<Contact> {
    situation.deal.stage.as_ref()?;
    situation.process.contacts().iter().find_map(|rule| {
        let turns = situation.reading.holds(&rule.when)?;
        let (date, _) = due(situation, &rule.due, None)?;
        let mut evidence = process::quotes(situation.call, &turns);
        evidence.truncate(MOST_QUOTES);
        Some(Contact {
            date,
            channel: preferred(situation, rule.channel),
            why: rule.why.get(situation.language).clone(),
            evidence,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{day, decided, field, on};
    use crate::domain::{FieldStatus, Language};

    fn actions(fields: &[Field], call_date: &str) -> Vec<Action> {
        decided(fields, call_date, Language::Ru, next_actions)
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
