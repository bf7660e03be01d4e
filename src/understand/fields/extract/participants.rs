//! Who is on the call, and whose firm it is.

use std::ops::Range;

use super::super::text::{is_form_of, tokens};
use super::super::{names, people};
use super::{Extractor, small};
use crate::domain::{FieldName, FieldValue, Person, Role};

/// Turns in which people introduce themselves, and are greeted by name.
const INTRODUCTIONS: usize = 16;
const GREETINGS: usize = 8;
/// Without capitals words that look like an introduction are more often something else.
const SMALL_INTRODUCTIONS: usize = 6;

impl Extractor<'_> {
    /// Names that the transcript gives its speakers, where they are first said.
    pub(super) fn named_speakers(&mut self) {
        let mut speakers: Vec<(String, usize, usize)> = Vec::new();
        for turn in &self.call.turns {
            let label = turn.name.as_deref().unwrap_or(&turn.speaker);
            let Some(name) = names::label_name(label) else { continue };
            // A recorder may give some turns to the wrong speaker.
            let (rep, buyer) = (
                usize::from(turn.role == Role::Rep),
                usize::from(turn.role == Role::Buyer),
            );
            match speakers.iter_mut().find(|(known, ..)| known == name) {
                Some(known) => (known.1, known.2) = (known.1 + rep, known.2 + buyer),
                None => speakers.push((name.to_owned(), rep, buyer)),
            }
        }
        for (label, rep, buyer) in speakers {
            let side = if rep > buyer { Role::Rep } else { Role::Buyer };
            let found = (0..self.call.turns.len()).find_map(|at| {
                let (range, exact) = names::said_in(&label, &self.turn(at).text)?;
                Some((at, range, exact))
            });
            let Some((at, range, exact)) = found else { continue };
            let said = self.turn(at).text[range.clone()].to_owned();
            // The label is in the nominative, what is said may not be.
            let name = if exact { said } else { label };
            self.add_participant(at, &range, name, side, 0.9);
        }
    }

    fn add_participant(&mut self, at: usize, range: &Range<usize>, name: String, side: Role, confidence: f32) {
        let known = self.found.iter().any(|field| {
            matches!(&field.value, Some(FieldValue::Person(person))
                if field.field == FieldName::Participants && share_a_name(person.name.as_deref().unwrap_or_default(), &name))
        });
        if known {
            return;
        }
        let text = &self.turn(at).text;
        let title = title_beside(text, range).or_else(|| {
            let spoken = text.get(range.clone())?;
            self.call.turns.iter().find_map(|turn| {
                turn.text
                    .match_indices(spoken)
                    .find_map(|(start, name)| title_beside(&turn.text, &(start..start + name.len())))
            })
        });
        let person = Person {
            name: Some(name),
            title,
            roles: Vec::new(),
            side,
        };
        self.add(
            FieldName::Participants,
            at,
            range,
            Some(FieldValue::Person(person)),
            confidence,
        );
    }

    pub(super) fn participants(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let side = self.turn(at).role;
        let other = match side {
            Role::Rep => Role::Buyer,
            Role::Buyer => Role::Rep,
            Role::Unknown => return,
        };
        if at < INTRODUCTIONS {
            if let Some((name, company)) = names::introduction(&text) {
                self.add_participant(at, &name, text[name.clone()].to_owned(), side, 0.85);
                if let (Role::Buyer, Some(company)) = (side, company) {
                    let value = FieldValue::Text(text[company.clone()].to_owned());
                    self.add(FieldName::BuyerCompany, at, &company, Some(value), 0.75);
                }
            } else if self.without_capitals
                && at < SMALL_INTRODUCTIONS
                && let Some(name) = names::introduction_small(&text)
            {
                self.add_participant(at, &name, text[name.clone()].to_owned(), side, 0.75);
            }
        }
        if at < GREETINGS
            && let Some(name) = names::addressed(&text)
                .into_iter()
                .chain(names::spoken_to(&text))
                .max_by_key(Range::len)
        {
            self.add_participant(at, &name, text[name.clone()].to_owned(), other, 0.8);
        }
    }

    /// The buyer's firm: by the words around it, or because somebody answers the telephone with it.
    pub(super) fn company(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let ours = self
            .call
            .seller
            .as_ref()
            .and_then(|seller| seller.company.as_deref())
            .map(small);
        let first = self.call.turns[..at].iter().all(|turn| turn.role != Role::Buyer);
        // Whoever calls says no firm first, unless with "this is … from".
        let called = self.call.turns[..at].iter().any(|turn| turn.role == Role::Rep);
        let answered = || {
            let found = match called {
                false if first => people::answering_firm(&text).filter(|_| !self.names_a_speaker(&text)),
                _ => None,
            };
            found.or_else(|| people::calling_firm(&text).filter(|_| at < 4))
        };
        let Some(range) = people::company(&text).or_else(answered) else {
            return;
        };
        if ours.is_none_or(|ours| ours != small(&text[range.clone()])) {
            let value = FieldValue::Text(text[range.clone()].to_owned());
            self.add(FieldName::BuyerCompany, at, &range, Some(value), 0.7);
        }
    }

    /// Nothing but a greeting and a name: whoever answers so says no firm.
    fn names_a_speaker(&self, text: &str) -> bool {
        self.found.iter().any(|field| {
            let Some(FieldValue::Person(person)) = &field.value else {
                return false;
            };
            let name = person.name.as_deref().unwrap_or_default();
            text.trim_end_matches('.').ends_with(name) && text.len() < name.len() + 12
        })
    }
}

/// What somebody is by the words next to their name: a title of the list, else the words themselves.
fn title_beside(text: &str, name: &Range<usize>) -> Option<String> {
    let words = tokens(text);
    let from = words.iter().position(|word| word.range.start >= name.end);
    let before = words.iter().rposition(|word| word.range.end <= name.start);
    // «ресепшен Полина», «инженер Артур»
    if let Some(word) = before.map(|at| &words[at]).filter(|word| {
        let next = words.iter().find(|next| next.range.start >= name.start);
        is_job(&word.lower) && next.is_some_and(|next| !next.break_before)
    }) {
        return Some(word.lower.clone());
    }
    // The name may stand with a mark behind it, what follows is one statement.
    let rest = &words[from?..];
    let marked = rest.first().is_some_and(|word| word.break_before);
    if marked && !text[name.end..].trim_start().starts_with([',', '-', '–', '—']) {
        return None;
    }
    let length = 1 + rest.iter().skip(1).take_while(|word| !word.break_before).count();
    let mut clause = &rest[..length.min(rest.len())];
    let mut ours = false;
    while let Some(first) = clause.first() {
        let intro = [
            "is", "also", "here", "the", "a", "your", "i'm", "from", "she's", "he's", "я", "это", "она", "он", "у",
        ];
        let own = ["our", "нас", "наш", "наша"];
        if own.contains(&first.lower.as_str()) {
            ours = true;
        } else if !intro.contains(&first.lower.as_str()) {
            break;
        }
        clause = &clause[1..];
    }
    if let Some((_, kept)) = clause
        .split_last()
        .filter(|(last, _)| matches!(last.lower.as_str(), "наш" | "наша" | "our"))
    {
        (ours, clause) = (true, kept);
    }
    let job = clause.iter().take(LONGEST_TITLE).position(|word| is_job(&word.lower));
    let end = match job {
        // "expert for digitisation", «эксперт по цифровизации»
        Some(job)
            if clause
                .get(job + 1)
                .is_some_and(|word| matches!(word.lower.as_str(), "по" | "of")) =>
        {
            clause.len().min(job + 3)
        }
        Some(job) => job + 1,
        None if ours && (1..=LONGEST_TITLE).contains(&clause.len()) => clause.len(),
        None => return None,
    };
    let spoken = text.get(clause.first()?.range.start..clause.get(end - 1)?.range.end)?;
    Some(people::title_of(spoken).map_or_else(|| spoken.to_owned(), str::to_owned))
}

/// So many words a title has at most.
const LONGEST_TITLE: usize = 4;

fn is_job(word: &str) -> bool {
    const JOBS: &[&str] = &[
        "counsellor",
        "counselor",
        "manager",
        "director",
        "engineer",
        "foreman",
        "procurement",
        "purchasing",
        "accountant",
        "assistant",
        "consultant",
        "officer",
        "specialist",
        "secretary",
        "receptionist",
        "supervisor",
        "coordinator",
        "owner",
        "завуч",
        "инженер",
        "эксперт",
        "менеджер",
        "директор",
        "бухгалтер",
        "главбух",
        "ресепшен",
        "экономист",
        "волонтер",
        "специалист",
        "управляющ",
        "председател",
        "секретар",
        "консультант",
        "руководител",
        "администратор",
        "агроном",
        "технолог",
        "механик",
        "юрист",
        "снабжен",
    ];
    JOBS.iter().any(|job| is_form_of(word, job))
}

/// "Mr Venter" and "Venter", «Гаухар Бекетовна» and «Гаухар».
fn share_a_name(a: &str, b: &str) -> bool {
    let (a, b) = (tokens(a), tokens(b));
    a.iter()
        .any(|one| one.lower.chars().count() > 3 && b.iter().any(|other| one.lower == other.lower))
        || small(&joined(&a)) == small(&joined(&b))
}

fn joined(words: &[super::super::text::Token]) -> String {
    words.iter().map(|word| word.lower.as_str()).collect()
}
