//! A language model puts the letter into better words. What it says must stand in the letter or the call; else the
//! letter of the templates stays, and the document says why.

use super::super::Situation;
use super::check::score_draft;
use super::words::parts;
use super::{LONGEST_SUBJECT, Templates, dates, trace};
use crate::domain::{FollowUp, Language, WrittenBy};
use crate::llm::Session;
use crate::llm::prompts::{FactLine, Prompt, RewriteFollowUp};

/// Words of the answer.
const LONGEST: usize = 200;

/// The letter in the words of the model. None where the letter stands as it is; the session says why.
pub fn rewrite(
    situation: &Situation<'_>,
    templates: &Templates,
    draft: &FollowUp,
    session: &mut Session<'_>,
) -> Option<FollowUp> {
    let prompt = RewriteFollowUp {
        language: match draft.language {
            Language::En => "English",
            Language::Ru => "Russian",
        },
        subject: session.hide(&draft.subject),
        body: session.hide(&draft.body),
        facts: draft
            .facts
            .iter()
            .map(|fact| FactLine {
                turn: fact.turn,
                text: session.hide(&fact.text),
            })
            .collect(),
    };
    let mut turns: Vec<u32> = draft.facts.iter().map(|fact| fact.turn).collect();
    turns.sort_unstable();
    turns.dedup();
    let answer = session.ask(&prompt, &turns)?;
    let written = FollowUp {
        subject: answer.subject.trim().to_owned(),
        body: answer.body.trim().to_owned(),
        written_by: WrittenBy::Llm,
        ..draft.clone()
    };
    match held(situation, templates, draft, &written) {
        Ok(()) => Some(written),
        Err(why) => {
            session.drop_answer(RewriteFollowUp::NAME, turns.first().copied().unwrap_or_default(), why);
            None
        }
    }
}

/// Why a rewritten letter is not believed. Said without the words of the call: problems are read by others too.
fn held(
    situation: &Situation<'_>,
    templates: &Templates,
    draft: &FollowUp,
    written: &FollowUp,
) -> Result<(), &'static str> {
    let score = score_draft(situation, templates, written);
    let (before, after) = (parts(&draft.body), parts(&written.body));
    let blanks = |parts: &[String]| {
        let mut blanks = parts.to_vec();
        blanks.sort();
        blanks.dedup();
        blanks
    };
    let days = |text: &str| -> Vec<String> {
        let mut days: Vec<String> = situation
            .fields
            .iter()
            .filter_map(|field| match &field.value {
                Some(crate::domain::FieldValue::Date(date)) => date.latest(),
                Some(crate::domain::FieldValue::Commitment(promise)) => promise.due.as_ref()?.latest(),
                _ => None,
            })
            .map(|date| dates::short_day(date, draft.language))
            .filter(|day| text.contains(day.as_str()))
            .collect();
        days.sort();
        days.dedup();
        days
    };
    let count = |text: &str| text.split_whitespace().count();
    let questions = |parts: &super::words::Parts| parts.own.matches('?').count();
    let tone = score
        .items
        .iter()
        .find(|item| item.id == "tone")
        .map_or(0.0, |item| item.points);
    let checks = [
        (written.subject.is_empty() || written.body.is_empty(), "it is empty"),
        (written.subject.contains('\n'), "the subject has several lines"),
        (
            written.subject.chars().count() > LONGEST_SUBJECT,
            "the subject is too long",
        ),
        (count(&written.body) > LONGEST, "it is too long"),
        (2 * count(&written.body) < count(&draft.body), "it leaves out too much"),
        (score.blocked(), "it says something that nobody said"),
        (score.capped.is_some(), "it says something that is not for writing"),
        (
            tone < 1.0,
            "the language, the greeting or the tone is not that of the letter",
        ),
        (
            !after
                .quotes
                .iter()
                .all(|quote| before.quotes.iter().any(|known| known.contains(quote))),
            "it quotes what the letter does not",
        ),
        (
            blanks(&before.blanks) != blanks(&after.blanks),
            "the blanks are not those of the letter",
        ),
        (
            days(&draft.body) != days(&written.body),
            "the days are not those of the letter",
        ),
        (
            questions(&after) != questions(&before),
            "it does not ask the one question of the letter",
        ),
        (
            after
                .own
                .split(['.', '!', '?', '\n', ';'])
                .any(|sentence| !trace::says_nothing_new(situation, templates, &draft.body, sentence)),
            "a sentence says what neither the letter nor the call does",
        ),
    ];
    checks
        .into_iter()
        .find(|(fails, _)| *fails)
        .map_or(Ok(()), |(_, why)| Err(why))
}
