//! The follow-up e-mail (D.4–D.9): a frame of `prompts/follow_up`, filled with the words of the call and with dated facts.
//!
//! Owns which letter ([`kind`]), what may stand in it (`quotes`, `promises`, `dates`), its frames ([`Templates`]) and how
//! good it is ([`score_draft`]). What the call does not give is left out, or is a blank in square brackets that a person
//! fills. A language model may put the letter into better words ([`rewrite`]); it adds nothing. Sending is *not* here.

mod check;
mod dates;
mod kind;
mod promises;
mod quotes;
mod rewrite;
mod secrets;
mod slots;
mod templates;
mod trace;
mod wording;
mod words;
mod worth;

use chrono::NaiveDate;

pub use check::{DraftItem, DraftScore, judge_draft, score_draft};
pub(super) use dates::day;
pub use kind::kind;
pub use rewrite::rewrite;
pub use templates::{TemplateError, Templates};

use super::Situation;
use crate::domain::{
    DateQualifier, DateValue, EmailType, Field, FieldName, FieldStatus, FieldValue, FollowUp, FollowUpFact, Language,
    Role, Signal, WrittenBy, calendar,
};
use templates::Slots;

/// Longer subjects are cut by mail programs.
const LONGEST_SUBJECT: usize = 60;
/// More words are not read.
const LONGEST_BODY: usize = 180;

/// The letter that follows the call. None where there is nobody to write to: no sales call.
pub fn follow_up(situation: &Situation<'_>, templates: &Templates) -> Option<FollowUp> {
    situation.deal.stage.as_ref()?;
    draft(situation, kind(situation), templates)
}

/// A letter of a given kind.
pub fn draft(situation: &Situation<'_>, kind: EmailType, templates: &Templates) -> Option<FollowUp> {
    let language = situation.language;
    let (mut slots, mut facts) = slots::fill(situation, kind);
    let (mut subject, mut body) = templates.render(kind, language, &slots)?;
    // What says least goes first.
    let spare: [fn(&mut Slots); 4] = [
        |slots| slots.needed_by = None,
        |slots| slots.answers.truncate(1),
        |slots| slots.price = None,
        |slots| slots.wish = None,
    ];
    for drop in spare {
        if body.split_whitespace().count() <= LONGEST_BODY {
            break;
        }
        drop(&mut slots);
        (subject, body) = templates.render(kind, language, &slots)?;
    }
    if subject.chars().count() > LONGEST_SUBJECT {
        slots.topic = None;
        subject = templates.render(kind, language, &slots)?.0;
    }
    let parts = words::parts(&format!("{subject}\n{body}"));
    let mut to_fill: Vec<String> = Vec::new();
    for blank in parts.blanks {
        if !to_fill.contains(&blank) {
            to_fill.push(blank);
        }
    }
    facts.retain(|(shown, _)| subject.contains(shown.as_str()) || body.contains(shown.as_str()));
    let mut kept: Vec<FollowUpFact> = Vec::new();
    for (_, fact) in facts {
        if !kept.contains(&fact) {
            kept.push(fact);
        }
    }
    Some(FollowUp {
        kind,
        language,
        send_by: send_by(situation, kind),
        subject: shorten(&subject),
        body,
        facts: kept,
        to_fill,
        written_by: WrittenBy::Template,
    })
}

/// Cut at a word.
fn shorten(subject: &str) -> String {
    let mut short = String::new();
    for word in subject.split_whitespace() {
        if short.chars().count() + 1 + word.chars().count() > LONGEST_SUBJECT {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    if short.is_empty() {
        return subject.chars().take(LONGEST_SUBJECT).collect();
    }
    short.trim_end_matches([',', ':', ';', '—']).to_owned()
}

/// When the letter should leave at the latest (D.2, D.4, D.5), on a business day.
fn send_by(situation: &Situation<'_>, kind: EmailType) -> NaiveDate {
    let today = situation.work_day(situation.call_date);
    let later = |days: i32| calendar::add_business_days(today, days, situation.language);
    let before = |date: NaiveDate, days: i32| calendar::add_business_days(date, -days, situation.language).max(today);
    match kind {
        EmailType::ProposalCover => kind::proposal(situation)
            .and_then(due_of)
            .map_or_else(|| later(2), |due| situation.work_day(due.max(today))),
        EmailType::ApproverBrief => meeting(situation)
            .and_then(|(_, meeting)| meeting.date)
            .map_or(today, |date| before(date, 3)),
        EmailType::Reminder => situation
            .said(FieldName::Commitments)
            .filter(|field| matches!(&field.value, Some(FieldValue::Commitment(promise)) if promise.who == Role::Buyer))
            .filter_map(due_of)
            .min()
            .map_or_else(
                || later(3),
                |due| calendar::next_business_day(due.max(today), situation.language),
            ),
        EmailType::CloseTheLoop => later(10),
        // As the process says.
        EmailType::RecapDiscovery
        | EmailType::RecapDemo
        | EmailType::RecapAgreement
        | EmailType::SponsorAccess
        | EmailType::ObjectionAnswer
        | EmailType::Nurture
        | EmailType::Handover
        | EmailType::ThankYou => {
            let rule = situation.process.emails().iter().find(|rule| rule.id == kind);
            let due = rule.and_then(|rule| super::actions::due(situation, &rule.due, None));
            due.map_or(today, |(day, _)| day)
        }
    }
}

fn due_of(field: &Field) -> Option<NaiveDate> {
    match &field.value {
        Some(FieldValue::Commitment(promise)) => {
            let due = promise.due.as_ref().filter(|due| !due.ambiguous && !due.past)?;
            due.latest()
        }
        _ => None,
    }
}

/// The next meeting that has a day.
fn meeting<'a>(situation: &'a Situation<'_>) -> Option<(&'a Field, &'a DateValue)> {
    situation
        .said(FieldName::NextMeeting)
        .find_map(|field| match &field.value {
            // "After the first" is no day to meet on.
            Some(FieldValue::Date(date))
                if date.date.is_some_and(|day| day > situation.call_date) && date.qualifier == DateQualifier::On =>
            {
                Some((field, date))
            }
            _ => None,
        })
}

/// Days from which a postponement is one.
const FAR: i64 = 10;

/// The day to which the buyer put the matter off, if it is far enough to write before it.
fn put_off_to<'a>(situation: &'a Situation<'_>) -> Option<(NaiveDate, &'a Field)> {
    if !situation.deal.on_hold || meeting(situation).is_some() {
        return None;
    }
    situation
        .said(FieldName::Timeline)
        .filter(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))
        .find_map(|field| match &field.value {
            Some(FieldValue::Date(date)) if !date.past && !date.ambiguous => Some((date.earliest()?, field)),
            _ => None,
        })
        .filter(|(date, _)| (*date - situation.call_date).num_days() >= FAR)
}

/// Who decides, in words that may stand in a letter: a name or a title that was said.
fn decider<'a>(situation: &'a Situation<'_>) -> Option<(String, &'a Field)> {
    let secrets = secrets::Secrets::new(situation);
    situation
        .said(FieldName::DecisionMakers)
        .filter(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))
        .find_map(|field| match &field.value {
            Some(FieldValue::Person(person)) => {
                // A title of another language belongs to no letter in this one.
                let title = (person.title_in(situation.language))
                    .filter(|title| situation.language == Language::En || !title.is_ascii());
                let words = match (person.name.as_deref(), title) {
                    (Some(name), Some(title)) => format!("{name} ({title})"),
                    (Some(one), None) | (None, Some(one)) => one.to_owned(),
                    (None, None) => return None,
                };
                // A rival's name is taken for a person's now and then.
                Some((words, field)).filter(|(words, _)| secrets.allow_of_the_rep(words))
            }
            _ => None,
        })
}

/// Labels of speakers that are no names.
const OFFICES: &[&str] = &[
    "accounts",
    "accounting",
    "agent",
    "boss",
    "buyer",
    "caller",
    "client",
    "customer",
    "dispatch",
    "front",
    "manager",
    "office",
    "owner",
    "reception",
    "rep",
    "sales",
    "seller",
    "support",
    "бухгалтер",
    "бухгалтерия",
    "директор",
    "завхоз",
    "клиент",
    "менеджер",
    "оператор",
    "отдел",
    "офис",
    "покупатель",
    "приемная",
    "продавец",
    "продажи",
    "секретарь",
    "снабжение",
    "типография",
    "хозяин",
    "хозяйка",
];

/// Who speaks for a side, by introduction, else by the label of the transcript if somebody says that name. On the
/// buyer's side only if there is just one.
fn person(situation: &Situation<'_>, side: Role) -> Option<String> {
    let introduced = situation
        .said(FieldName::Participants)
        .filter_map(|field| match &field.value {
            Some(FieldValue::Person(person)) if person.side == side => person.name.clone(),
            _ => None,
        });
    let mut names: Vec<String> = introduced.map(|name| words::capital(&name)).collect();
    if names.is_empty() {
        let labels = situation.call.turns.iter().filter(|turn| turn.role == side);
        names = labels
            .filter_map(|turn| turn.name.as_deref()?.split_whitespace().next())
            .filter(|name| {
                let name = name.to_lowercase();
                let mut turns = situation.call.turns.iter();
                turns.any(|turn| words::has_words(&turn.text.to_lowercase(), &name))
            })
            .filter(|name| !OFFICES.contains(&words::plain(name).as_str()))
            .map(words::capital)
            .collect();
    }
    let first = names.first()?.clone();
    (side == Role::Rep || names.iter().all(|name| *name == first)).then_some(first)
}

/// Whether the two are on first-name terms (ты): the rep says so more often than вы.
fn informal(situation: &Situation<'_>) -> bool {
    const FAMILIAR: &[&str] = &[
        "ты",
        "тебе",
        "тебя",
        "тобой",
        "твой",
        "твоя",
        "твое",
        "твои",
        "твоего",
        "твоей",
    ];
    const POLITE: &[&str] = &[
        "вы",
        "вам",
        "вас",
        "вами",
        "ваш",
        "ваша",
        "ваше",
        "ваши",
        "вашего",
        "вашей",
        "ваших",
    ];
    if situation.language == Language::En {
        return false;
    }
    let (mut familiar, mut polite) = (0, 0);
    for turn in situation.call.turns.iter().filter(|turn| turn.role == Role::Rep) {
        for word in words::words(&turn.text) {
            familiar += usize::from(FAMILIAR.contains(&word.as_str()));
            polite += usize::from(POLITE.contains(&word.as_str()));
        }
    }
    familiar >= 2 && familiar > polite
}

/// Objections that no acknowledgement followed, the last of each kind.
fn open_objections(situation: &Situation<'_>) -> Vec<usize> {
    let mut open: Vec<usize> = [Signal::BuyerObjPrice, Signal::BuyerObjTrust]
        .iter()
        .filter_map(|&objection| situation.open(objection))
        .collect();
    open.sort_unstable();
    open.dedup();
    open
}

#[cfg(test)]
mod care_tests;
#[cfg(test)]
mod tests;
