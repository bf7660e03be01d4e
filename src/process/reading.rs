//! Conditions → whether they hold in a call, and the turns that show it.
//!
//! A [`Talk`] is what was said, whatever the labels; [`Marks`] are labels, or one draw of them; a [`Reading`] is both up to
//! some turn, with the scores that follow. A condition that holds gives its turns: every verdict can be shown.

use std::cell::OnceCell;
use std::ops::Range;

use chrono::NaiveDate;

use super::condition::{Condition, Fact, Filter, Number, Pick, Said, Source};
use super::evidence::{has_date, has_number_word, is_dated, sentence};
use super::file::{ElementRule, Process, StageRule, TOP_SCORE};
use crate::domain::{
    Call, CallOutcome, Cue, Decision, Evidence, Field, FieldStatus, FieldValue, Move, PastField, Role, Signal,
    StageKind, TurnLabels, sentences,
};

/// Words that take back nothing of an objection but let it rest.
const ACCEPTS: &[&str] = &[
    "okay, fair",
    "fair enough",
    "that's fair",
    "ладно, понятно",
    "понятно, ладно",
    "согласен",
    "согласна",
];
/// Turns within which such words belong to the objection.
const ACCEPTED_WITHIN: usize = 6;
/// Words of a turn that only shows that its speaker listens.
const BACKCHANNEL: usize = 3;
/// Words a second, for turns without times.
const SPEED: f64 = 2.5;

/// What was said, and what every draw of labels asks about it.
pub struct Talk<'a> {
    pub call: &'a Call,
    pub fields: &'a [Field],
    process: &'a Process,
    /// Place of the turn of each field that was said, and the field.
    said: Vec<(usize, &'a Field)>,
    lower: Vec<String>,
    dated: Vec<OnceCell<bool>>,
    numbered: Vec<OnceCell<bool>>,
    /// For each phrase the turns with it.
    phrases: Vec<OnceCell<Vec<usize>>>,
}

impl<'a> Talk<'a> {
    pub fn new(process: &'a Process, call: &'a Call, fields: &'a [Field]) -> Self {
        let place = |field: &Field| call.turns.iter().position(|turn| Some(turn.i) == field.turn);
        Self {
            call,
            fields,
            process,
            said: fields
                .iter()
                .filter(|field| field.status != FieldStatus::NotStated)
                .filter_map(|field| Some((place(field)?, field)))
                .collect(),
            lower: call.turns.iter().map(|turn| turn.text.to_lowercase()).collect(),
            dated: vec![OnceCell::new(); call.turns.len()],
            numbered: vec![OnceCell::new(); call.turns.len()],
            phrases: vec![OnceCell::new(); process.phrases().len()],
        }
    }

    fn dated(&self, at: usize) -> bool {
        *self.dated[at].get_or_init(|| is_dated(&self.call.turns, at, self.fields))
    }

    /// The turn has a quantity: a field taken from it, a digit, or a number word.
    fn numbered(&self, at: usize) -> bool {
        *self.numbered[at].get_or_init(|| {
            let field = self.said.iter().any(|(place, field)| {
                *place == at
                    && matches!(
                        field.value,
                        Some(FieldValue::Money(_) | FieldValue::Quantity(_) | FieldValue::Percent { .. })
                    )
            });
            field || self.call.turns[at].text.contains(|c: char| c.is_ascii_digit()) || has_number_word(&self.lower[at])
        })
    }

    fn with_phrase(&self, phrase: usize) -> &[usize] {
        self.phrases[phrase].get_or_init(|| {
            let words = &self.process.phrases()[phrase].words;
            (0..self.lower.len())
                .filter(|&at| words.iter().any(|word| starts_word(&self.lower[at], word)))
                .collect()
        })
    }

    /// The words that show something: the sentence that the hint points to, without one the telling sentence of the turn.
    pub fn quote(&self, place: &Place) -> Evidence {
        let turn = &self.call.turns[place.at];
        let has = |part: &str| {
            let lower = part.to_lowercase();
            match place.hint {
                None => false,
                Some(Hint::Phrase(phrase)) => {
                    let words = &self.process.phrases()[phrase].words;
                    words.iter().any(|word| starts_word(&lower, word))
                }
                Some(Hint::Field(index)) => {
                    let field = self.said[index].1;
                    !field.raw.is_empty() && part.contains(&field.raw)
                }
                Some(Hint::Number) => part.contains(|c: char| c.is_ascii_digit()) || has_number_word(&lower),
                Some(Hint::Dated) => has_date(part),
            }
        };
        let whole = sentence(turn);
        let hinted = sentences(&turn.text).into_iter().find(|part| has(part));
        match hinted {
            Some(part) if !has(&whole.quote) => Evidence {
                turn: turn.i,
                quote: part.to_owned(),
            },
            _ => whole,
        }
    }

    /// One quote for each place, without repeats.
    pub fn quotes(&self, places: &[Place]) -> Vec<Evidence> {
        let mut quotes: Vec<Evidence> = Vec::new();
        for place in places {
            let evidence = self.quote(place);
            if !evidence.quote.is_empty() && !quotes.contains(&evidence) {
                quotes.push(evidence);
            }
        }
        quotes
    }

    fn seconds(&self, at: usize) -> f64 {
        let turn = &self.call.turns[at];
        match (turn.start_s, turn.end_s) {
            (Some(start), Some(end)) => end - start,
            _ => turn.text.split_whitespace().count() as f64 / SPEED,
        }
    }
}

/// `words` begins where a word of `text` begins; with a space at its end it also ends where a word ends.
fn starts_word(text: &str, words: &str) -> bool {
    let whole = words.trim_end();
    text.match_indices(whole).any(|(at, _)| {
        let begins = !text[..at].ends_with(char::is_alphanumeric);
        let ends = whole == words || !text[at + whole.len()..].starts_with(char::is_alphanumeric);
        begins && ends
    })
}

/// Labels by what they say: places of turns, with how sure each is.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    signals: Vec<Vec<(usize, f32)>>,
    cues: Vec<Vec<(usize, f32)>>,
}

impl Marks {
    pub fn none() -> Self {
        Self {
            signals: vec![Vec::new(); Signal::ALL.len()],
            cues: vec![Vec::new(); Cue::ALL.len()],
        }
    }

    pub fn new(labels: &[TurnLabels]) -> Self {
        let mut marks = Self::none();
        for (at, label) in labels.iter().enumerate() {
            label.signals.iter().for_each(|signal| marks.signal(at, signal));
            label.cues.iter().for_each(|cue| marks.cue(at, cue));
        }
        marks
    }

    pub fn signal(&mut self, at: usize, signal: &Decision<Signal>) {
        self.signals[signal.id.index()].push((at, signal.confidence));
    }

    pub fn cue(&mut self, at: usize, cue: &Decision<Cue>) {
        self.cues[cue.id.index()].push((at, cue.confidence));
    }
}

/// What the program knows beside the words of the call.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub calls: i64,
    pub buyers: i64,
    pub buyer_turns: i64,
    pub days_silent: i64,
    pub touches: i64,
    pub short: bool,
    pub conflict: bool,
    pub on_hold: bool,
    pub promise_overdue: bool,
    pub buyer_promise_overdue: bool,
    pub champion_before: bool,
    /// Places of the turns.
    pub premature: Vec<usize>,
    pub outcome: Option<CallOutcome>,
    pub step: Option<Move>,
}

impl Facts {
    fn number(&self, number: Number) -> i64 {
        match number {
            Number::Calls => self.calls,
            Number::Buyers => self.buyers,
            Number::BuyerTurns => self.buyer_turns,
            Number::DaysSilent => self.days_silent,
            Number::Touches => self.touches,
        }
    }

    /// The places of the turns that show it; None where it does not hold.
    fn holds(&self, fact: Fact) -> Option<Vec<Place>> {
        if fact == Fact::Premature {
            let places = self.premature.iter().copied().map(Place::from);
            return (!self.premature.is_empty()).then(|| places.collect());
        }
        self.is(fact).then(Vec::new)
    }

    fn is(&self, fact: Fact) -> bool {
        match fact {
            Fact::Short => self.short,
            Fact::Conflict => self.conflict,
            Fact::OnHold => self.on_hold,
            Fact::PromiseOverdue => self.promise_overdue,
            Fact::BuyerPromiseOverdue => self.buyer_promise_overdue,
            Fact::ChampionBefore => self.champion_before,
            Fact::Premature => !self.premature.is_empty(),
        }
    }
}

/// Which words of a turn matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Place in the list of phrases.
    Phrase(usize),
    /// Place among the fields that were said.
    Field(usize),
    Number,
    Dated,
}

/// A turn that shows something, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub at: usize,
    /// None: the turn as a whole.
    pub hint: Option<Hint>,
}

impl From<usize> for Place {
    fn from(at: usize) -> Self {
        Self { at, hint: None }
    }
}

/// A score with the turns that it rests on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    pub score: u8,
    pub turns: Vec<Place>,
}

/// A call up to some turn, with what is known of it so far.
pub struct Reading<'a> {
    pub process: &'a Process,
    pub talk: &'a Talk<'a>,
    pub marks: &'a Marks,
    /// Turns from this place on are not there yet.
    pub until: usize,
    /// Scores of earlier calls, in the order of the elements; empty where there are none.
    pub earlier: &'a [u8],
    /// In the order of the elements of the process; shorter while they are being scored.
    pub scores: Vec<Found>,
    /// Place of the deal's stage.
    pub stage: Option<usize>,
    pub facts: Facts,
    /// Fields of earlier calls.
    pub past_fields: &'a [PastField],
}

#[derive(Clone, Copy)]
struct Item<'a> {
    place: Place,
    sure: f32,
    field: Option<&'a Field>,
}

impl Item<'_> {
    fn at(&self) -> usize {
        self.place.at
    }
}

impl<'a> Reading<'a> {
    /// Scores of the first `until` turns. An earlier score stands until it is contradicted.
    pub fn new(process: &'a Process, talk: &'a Talk<'a>, marks: &'a Marks, until: usize, earlier: &'a [u8]) -> Self {
        let mut reading = Self {
            process,
            talk,
            marks,
            until,
            earlier,
            scores: Vec::new(),
            stage: None,
            facts: Facts::default(),
            past_fields: &[],
        };
        for (place, element) in process.elements().iter().enumerate() {
            let mut found = reading.score(element);
            let before = earlier.get(place).copied().unwrap_or_default();
            if before > found.score && !reading.is(&element.contradicted) {
                found = Found {
                    score: before,
                    turns: Vec::new(),
                };
            }
            reading.scores.push(found);
        }
        reading
    }

    fn score(&self, element: &ElementRule) -> Found {
        let best = (1..=TOP_SCORE).zip(&element.levels).rev();
        let mut found = best
            .filter_map(|(score, level)| Some((score, self.holds(level)?)))
            .map(|(score, turns)| Found { score, turns })
            .next()
            .unwrap_or_default();
        for cap in &element.caps {
            if found.score > cap.at_most || found.score == 0 {
                let Some(turns) = self.holds(&cap.when) else { continue };
                if cap.at_most == 0 {
                    found.turns = turns;
                }
                found.score = found.score.min(cap.at_most);
            }
        }
        found
    }

    /// Place of the stage that the call comes to.
    pub fn find_stage(&self) -> usize {
        let stages = self.process.stages();
        let ended = |stage: &StageRule| stage.kind != StageKind::Open && self.is(&stage.condition);
        stages.iter().position(ended).unwrap_or_else(|| self.find_open_stage())
    }

    /// The first open stage whose exit was not reached, else the last.
    pub fn find_open_stage(&self) -> usize {
        let stages = self.process.stages();
        let left = |stage: &StageRule| stage.kind == StageKind::Open && !self.is(&stage.condition);
        let last = stages.iter().rposition(|stage| stage.kind == StageKind::Open);
        stages.iter().position(left).or(last).unwrap_or_default()
    }

    /// The turns that show it; None where it does not hold.
    pub fn holds(&self, condition: &Condition) -> Option<Vec<Place>> {
        let when = |holds: bool| holds.then(Vec::new);
        match condition {
            Condition::All(parts) => {
                let mut turns: Vec<Place> = Vec::new();
                for part in parts {
                    for place in self.holds(part)? {
                        if turns.iter().all(|known| known.at != place.at) {
                            turns.push(place);
                        }
                    }
                }
                Some(turns)
            }
            Condition::Any(parts) => parts.iter().find_map(|part| self.holds(part)),
            Condition::Not(inner) => when(self.holds(inner).is_none()),
            Condition::Said(said) => match (&said.source, said.filters.is_empty()) {
                (Source::Defined(at), true) => self.holds(&self.process.definitions()[*at]),
                _ => match self.picked(said).first() {
                    Some(item) => Some(vec![item.place]),
                    None => when(self.was_said_before(said)),
                },
            },
            Condition::Count { said, op, than } => {
                let picked = self.picked(said);
                op.holds(picked.len(), *than)
                    .then(|| picked.iter().map(|item| item.place).collect())
            }
            Condition::Score { element, op, than } => {
                let found = self.scores.get(*element)?;
                op.holds(found.score, *than).then(|| found.turns.clone())
            }
            Condition::Stage { op, than } => when(op.holds(self.stage?, *than)),
            Condition::Number { number, op, than } => when(op.holds(self.facts.number(*number), *than)),
            Condition::Outcome { op, than } => when(op.holds(self.facts.outcome?, *than)),
            Condition::Move { op, than } => when(op.holds(self.facts.step?, *than)),
            Condition::Fact(fact) => self.facts.holds(*fact),
            Condition::Never => None,
        }
    }

    /// A field of an earlier call that nothing here replaces.
    fn was_said_before(&self, said: &Said) -> bool {
        let Source::Field(name) = said.source else { return false };
        let called = self.talk.call.call_date;
        self.past_fields.iter().filter(|past| past.field == name).any(|past| {
            said.filters.iter().all(|filter| {
                let holds = match &filter.pick {
                    Pick::Value | Pick::Status(FieldStatus::Stated | FieldStatus::Confirmed) => true,
                    Pick::Is(word) => has_word(&past.value, word),
                    Pick::Days(most) => day_of(&past.value)
                        .zip(called)
                        .is_some_and(|(day, called)| (0..=i64::from(*most)).contains(&(day - called).num_days())),
                    // The rest asks for turns of this call.
                    _ => return false,
                };
                holds != filter.not
            })
        })
    }

    pub fn is(&self, condition: &Condition) -> bool {
        self.holds(condition).is_some()
    }

    /// Places of all turns that a condition picks, in order.
    pub fn every(&self, condition: &Condition) -> Vec<usize> {
        let mut turns: Vec<usize> = self.all_items(condition).iter().map(Item::at).collect();
        turns.sort_unstable();
        turns.dedup();
        turns
    }

    /// Fields that a condition picks, in order.
    pub fn every_field(&self, condition: &Condition) -> Vec<&'a Field> {
        self.all_items(condition).iter().filter_map(|item| item.field).collect()
    }

    fn all_items(&self, condition: &Condition) -> Vec<Item<'a>> {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().flat_map(|part| self.all_items(part)).collect()
            }
            Condition::Said(said) | Condition::Count { said, .. } => self.picked(said),
            _ => Vec::new(),
        }
    }

    fn items(&self, source: &Source) -> Vec<Item<'a>> {
        let marked = |marks: &[(usize, f32)]| {
            let here = marks.iter().filter(|(at, _)| *at < self.until);
            here.map(|&(at, sure)| Item {
                place: at.into(),
                sure,
                field: None,
            })
            .collect()
        };
        match source {
            Source::Signal(signal) => marked(&self.marks.signals[signal.index()]),
            Source::Cue(cue) => marked(&self.marks.cues[cue.index()]),
            Source::Phrase(phrase) => {
                let here = self.talk.with_phrase(*phrase).iter().filter(|at| **at < self.until);
                here.map(|&at| Item {
                    place: Place {
                        at,
                        hint: Some(Hint::Phrase(*phrase)),
                    },
                    sure: 1.0,
                    field: None,
                })
                .collect()
            }
            Source::Field(name) => {
                let here = self.talk.said.iter().enumerate();
                here.filter(|(_, (at, field))| *at < self.until && field.field == *name)
                    .map(|(index, &(at, field))| Item {
                        place: Place {
                            at,
                            hint: Some(Hint::Field(index)),
                        },
                        sure: field.confidence,
                        field: Some(field),
                    })
                    .collect()
            }
            Source::Defined(at) => {
                let mut items = self.all_items(&self.process.definitions()[*at]);
                items.sort_by_key(Item::at);
                items.dedup_by_key(|item| item.at());
                items
            }
        }
    }

    fn picked(&self, said: &Said) -> Vec<Item<'a>> {
        let mut items = self.items(&said.source);
        let by_status = said.filters.iter().any(|filter| matches!(filter.pick, Pick::Status(_)));
        if matches!(said.source, Source::Field(_)) && !by_status {
            // Not knowing is no fact, and what nobody took up is none either.
            items.retain(|item| item.field.is_some_and(is_known));
        }
        for filter in &said.filters {
            if items.is_empty() {
                break;
            }
            items = self.filter(items, &said.source, filter);
        }
        items
    }

    fn filter(&self, items: Vec<Item<'a>>, source: &Source, filter: &Filter) -> Vec<Item<'a>> {
        let keep = |test: &dyn Fn(&Item<'a>) -> bool| -> Vec<Item<'a>> {
            items.iter().copied().filter(|item| test(item) != filter.not).collect()
        };
        let turns = &self.talk.call.turns;
        match &filter.pick {
            Pick::Last => {
                let last = items.last().map(|item| item.at());
                keep(&|item| Some(item.at()) == last)
            }
            Pick::Open => {
                let open = items
                    .last()
                    .map(|item| item.at())
                    .filter(|&at| !self.settled(source, at));
                keep(&|item| Some(item.at()) == open)
            }
            Pick::Number => hinted(keep(&|item| self.talk.numbered(item.at())), Hint::Number, filter.not),
            Pick::Dated => hinted(keep(&|item| self.talk.dated(item.at())), Hint::Dated, filter.not),
            Pick::Decider => {
                let deciders: Vec<&str> = self
                    .every(self.process.decider())
                    .into_iter()
                    .map(|at| turns[at].speaker.as_str())
                    .collect();
                keep(&|item| deciders.contains(&turns[item.at()].speaker.as_str()))
            }
            Pick::Unsure => keep(&|item| item.sure < 1.0),
            Pick::By(role) => keep(&|item| turns[item.at()].role == *role),
            Pick::Says(phrase) => hinted(
                keep(&|item| self.talk.with_phrase(*phrase).contains(&item.at())),
                Hint::Phrase(*phrase),
                filter.not,
            ),
            Pick::With(other) => {
                let others = self.items(other);
                keep(&|item| others.iter().any(|other| other.at() == item.at()))
            }
            Pick::After(other) => {
                let first = self.items(other).first().map(|item| item.at());
                keep(&|item| first.is_some_and(|first| item.at() > first))
            }
            Pick::Before(other) => {
                let last = self.items(other).last().map(|item| item.at());
                keep(&|item| last.is_some_and(|last| item.at() < last))
            }
            Pick::Within(count) => keep(&|item| item.at() + count >= self.until),
            Pick::Run(count) => keep(&|item| self.run(&items, item.at()) >= *count),
            Pick::Seconds(least) => keep(&|item| self.talk.seconds(item.at()) >= f64::from(*least)),
            Pick::Status(status) => keep(&|item| item.field.is_some_and(|field| field.status == *status)),
            Pick::Value => keep(&|item| item.field.is_some_and(|field| field.value.is_some())),
            Pick::Is(word) => keep(&|item| item.field.is_some_and(|field| value_is(field, word))),
            Pick::Days(most) => keep(&|item| {
                let day = item.field.and_then(|field| match &field.value {
                    Some(FieldValue::Date(date)) if !date.past => date.latest(),
                    _ => None,
                });
                let called = self.talk.call.call_date;
                day.zip(called)
                    .is_some_and(|(day, called)| (day - called).num_days() <= i64::from(*most))
            }),
        }
    }

    /// The last turn with an objection that nothing later took back.
    pub fn open_objection(&self, objection: Signal) -> Option<usize> {
        let source = Source::Signal(objection);
        let last = self.items(&source).last()?.at();
        (!self.settled(&source, last)).then_some(last)
    }

    /// Something after the turn took the objection back.
    fn settled(&self, objection: &Source, at: usize) -> bool {
        let later = |signal: Signal| {
            self.marks.signals[signal.index()]
                .iter()
                .any(|&(place, _)| place > at && place < self.until)
        };
        let accepts = |range: Range<usize>| {
            range.into_iter().any(|place| {
                self.talk.call.turns[place].role == Role::Buyer
                    && ACCEPTS.iter().any(|words| self.talk.lower[place].contains(words))
            })
        };
        later(Signal::BuyerValueAck)
            || accepts(at + 1..(at + 1 + ACCEPTED_WITHIN).min(self.until))
            || (*objection != Source::Signal(Signal::BuyerObjPrice) && later(Signal::BuyerCommitment))
    }

    /// How many turns of the same side in a row, up to this one, are among the items.
    fn run(&self, items: &[Item<'_>], at: usize) -> usize {
        let turns = &self.talk.call.turns;
        let mut count = 0;
        for place in (0..=at).rev() {
            if turns[place].role == turns[at].role {
                if !items.iter().any(|item| item.at() == place) {
                    break;
                }
                count += 1;
            } else if turns[place].text.split_whitespace().count() > BACKCHANNEL {
                break;
            }
        }
        count
    }
}

/// A turn without a hint of its own is quoted by what was asked of it.
fn hinted<'a>(mut items: Vec<Item<'a>>, hint: Hint, not: bool) -> Vec<Item<'a>> {
    for item in &mut items {
        if !not && item.place.hint.is_none() {
            item.place.hint = Some(hint);
        }
    }
    items
}

fn is_known(field: &Field) -> bool {
    !matches!(
        field.status,
        FieldStatus::NotStated | FieldStatus::UnknownToBuyer | FieldStatus::Proposed
    )
}

fn value_is(field: &Field, word: &str) -> bool {
    has_word(&serde_json::to_value(&field.value).unwrap_or_default(), word)
}

fn has_word(value: &serde_json::Value, word: &str) -> bool {
    match value {
        serde_json::Value::String(text) => text == word,
        serde_json::Value::Object(parts) => parts.values().any(|part| part.as_str() == Some(word)),
        _ => false,
    }
}

/// The last day that a value as documents have it allows.
fn day_of(value: &serde_json::Value) -> Option<NaiveDate> {
    let day = ["date", "end", "start"].iter().find_map(|key| value[key].as_str())?;
    day.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::starts_word;

    #[test]
    fn words_begin_where_a_word_begins_and_with_a_space_end_where_it_ends() {
        for (text, words, found) in [
            ("мы договорились", "договор", true),
            ("мы договорились", "договор ", false),
            ("пришлите договор.", "договор ", true),
            ("a contractor came", "contract ", false),
            ("the contract", "contract ", true),
            ("скидок нет, скидки нет", "скидк", true),
            ("переподписали", "подписал", false),
        ] {
            assert_eq!(starts_word(text, words), found, "{text}: {words:?}");
        }
    }
}
