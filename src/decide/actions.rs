//! Next best actions and the next contact (D.1, D.2, D.4): the rules are the process file's; here, who, when and in what words.

use chrono::NaiveDate;

use super::Situation;
use crate::domain::{
    Action, ActionId, Channel, Commitment, Contact, ContactChannel, Evidence, Field, FieldName, FieldValue,
    OpenPromise, Role, calendar,
};
use crate::process::{ActionRule, Due};

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
            // What is due today comes first, always.
            let today = situation.work_day(situation.call_date);
            let due = each.iter().filter(|action| action.due <= Some(today)).count();
            later.extend(each.split_off(each.len().min(due.max(FIRST_PROMISES))));
            actions.extend(each);
            continue;
        }
        if chosen.contains(&rule.id) {
            continue;
        }
        chosen.push(rule.id);
        let promised: Vec<&OpenPromise> = due_promises(situation, rule.id).collect();
        let quotes = || {
            let mut quotes = situation.reading.talk.quotes(&turns);
            quotes.truncate(MOST_QUOTES);
            quotes
        };
        if promised.is_empty() {
            actions.extend(action(situation, rule, What::Nothing, quotes()));
        }
        for promise in promised {
            actions.extend(action(situation, rule, What::Earlier(promise), quotes()));
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
        let made = action(situation, rule, What::Field(field), vec![quote]);
        actions.extend(made.filter(|made| actions.iter().all(|known| known.title != made.title)));
    }
    actions
}

/// What an action is about.
#[derive(Clone, Copy)]
enum What<'a> {
    Nothing,
    Field(&'a Field),
    /// A promise of an earlier call.
    Earlier(&'a OpenPromise),
}

/// None where the day that it is counted from is not known, or there is nothing to name.
fn action(situation: &Situation<'_>, rule: &ActionRule, about: What<'_>, evidence: Vec<Evidence>) -> Option<Action> {
    let field = match about {
        What::Field(field) => Some(field),
        _ => None,
    };
    let (due, from) = due(situation, &rule.due, field)?;
    let (promised, earlier) = match about {
        What::Earlier(promise) => (Some(promise.what.as_str()), vec![promise.evidence.clone()]),
        What::Field(Field {
            value: Some(FieldValue::Commitment(Commitment { what, .. })),
            ..
        }) => (Some(what.as_str()), Vec::new()),
        _ => (None, Vec::new()),
    };
    let what = promised.unwrap_or_default().trim().trim_end_matches(['.', ',', ';']);
    let title = rule.title.get(situation.language);
    let gap = first_gap(situation);
    if title.contains("{element}") && gap.is_empty() || title.contains("{what}") && what.is_empty() {
        return None;
    }
    let slots = [
        ("{what}", what.to_owned()),
        ("{role}", approver(situation)),
        ("{element}", gap),
        ("{date}", super::follow_up::day(from, situation.language)),
    ];
    let words = |text: &str| filled(text, &slots);
    Some(Action {
        id: rule.id,
        title: words(title),
        why: words(rule.why.get(situation.language)),
        due: Some(due),
        owner: rule.owner,
        channel: match promised {
            Some(what) if calls(what) => preferred(situation, Channel::Phone),
            _ => preferred(situation, rule.channel),
        },
        closes: rule.closes.map(|place| situation.process.elements()[place].id.clone()),
        evidence,
        earlier,
    })
}

/// The text with its slots filled, in one pass: what was said in the call may hold braces of its own.
fn filled(text: &str, slots: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, behind) = rest.split_at(open);
        out.push_str(before);
        match slots.iter().find(|(slot, _)| behind.starts_with(slot)) {
            Some((slot, value)) => {
                out.push_str(value);
                rest = &behind[slot.len()..];
            }
            None => {
                out.push('{');
                rest = &behind[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The promise is to call.
fn calls(what: &str) -> bool {
    const CALLING: &[&str] = &["call", "ring you", "phone", "позвон", "перезвон", "наберу", "созвон"];
    let lower = what.to_lowercase();
    CALLING.iter().any(|word| lower.contains(word))
}

/// Promises of earlier calls that an action is about.
fn due_promises<'a>(situation: &Situation<'a>, id: ActionId) -> impl Iterator<Item = &'a OpenPromise> {
    let who = match id {
        ActionId::FulfilPromise => Some(Role::Rep),
        ActionId::RemindBuyerPromise => Some(Role::Buyer),
        _ => None,
    };
    let day = situation.call_date;
    let open = situation.deal.open_promises.iter();
    open.filter(move |promise| who.is_some_and(|who| promise.is_due(who, day)))
}

/// The day that is due, on which somebody works, not before the call; and the day that it is counted from.
pub fn due(situation: &Situation<'_>, due: &Due, field: Option<&Field>) -> Option<(NaiveDate, NaiveDate)> {
    let (from, agreed) = match (&due.from, field) {
        (None, _) => (situation.call_date, false),
        // A promise without a day is due on the day of the call.
        (Some(_), Some(field)) => (day_of(field).unwrap_or(situation.call_date), false),
        (Some(from), None) => {
            let fields = situation.reading.every_field(from).into_iter();
            let days = fields.filter_map(|field| Some((day_of(field)?, field.field == FieldName::NextMeeting)));
            days.filter(|(day, _)| *day >= situation.call_date).min()?
        }
    };
    if agreed && due.days == 0 {
        // A Saturday that both sides agreed on stays one.
        return Some((from, from));
    }
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

/// By the way that they asked for, where they did; tasks and entries of ours stay what they are, and papers stay in writing.
fn preferred(situation: &Situation<'_>, channel: Channel) -> Channel {
    let wish = situation
        .said(FieldName::ContactPreference)
        .find_map(|field| match &field.value {
            Some(FieldValue::Contact(wish)) => Some(*wish),
            _ => None,
        });
    match (channel, wish) {
        (Channel::Phone | Channel::Messenger, Some(ContactChannel::Email)) => Channel::Email,
        (Channel::Phone | Channel::Email, Some(ContactChannel::Messenger)) => Channel::Messenger,
        (Channel::Messenger, Some(ContactChannel::Phone)) => Channel::Phone,
        _ => channel,
    }
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
        let mut evidence = situation.reading.talk.quotes(&turns);
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
    fn words_of_the_call_are_no_slots() {
        let slots = [("{what}", "send the {role} {".to_owned()), ("{role}", "CFO".to_owned())];
        assert_eq!(
            filled("You: {what} to {role} {x}", &slots),
            "You: send the {role} { to CFO {x}"
        );
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
