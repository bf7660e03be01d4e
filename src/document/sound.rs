//! What holds for every document (the contract, section 2), beside its schema. For tests of both kinds: the unit tests
//! and those of the binary.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What is wrong with a document: for each problem where and what.
pub fn problems(document: &Value) -> Vec<String> {
    let mut check = Check {
        texts: list(&document["turns"])
            .map(|turn| (turn["i"].as_u64().unwrap_or(u64::MAX), text(&turn["text"])))
            .collect(),
        problems: Vec::new(),
    };
    check.words(document, "");
    check.days(document);
    check.actions(document);
    check.fields(document);
    check.segments(document);
    check.unknown(document);
    check.problems
}

struct Check<'a> {
    /// By the number of the turn.
    texts: BTreeMap<u64, &'a str>,
    problems: Vec<String>,
}

/// Places of a title that must be filled.
const SLOTS: [&str; 4] = ["{what}", "{role}", "{element}", "{date}"];

impl Check<'_> {
    fn that(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// Every turn that anything names is there; every quote, and the words of every field, are in their turn.
    fn words(&mut self, value: &Value, place: &str) {
        match value {
            Value::Object(object) => {
                for name in ["turn", "from_turn", "to_turn"] {
                    if let Some(turn) = object.get(name).and_then(Value::as_u64) {
                        let there = self.texts.contains_key(&turn);
                        self.that(there, || format!("{place}: there is no turn {turn}"));
                    }
                }
                if let Some(quote) = object.get("quote") {
                    let quote = text(quote);
                    let said = object["turn"].as_u64().and_then(|turn| self.texts.get(&turn).copied());
                    self.that(!quote.is_empty(), || format!("{place}: the quote is empty"));
                    self.that(said.is_some_and(|said| said.contains(quote)), || {
                        format!("{place}: {quote:?} is not in {said:?}")
                    });
                    let raw = object.get("raw").map_or("", text);
                    self.that(quote.contains(raw), || format!("{place}: {raw:?} is not in {quote:?}"));
                }
                for (name, value) in object {
                    self.words(value, &format!("{place}.{name}"));
                }
            }
            Value::Array(values) => {
                for (at, value) in values.iter().enumerate() {
                    self.words(value, &format!("{place}[{at}]"));
                }
            }
            _ => {}
        }
    }

    /// Nothing is to be done before the call. Days of four-digit years compare as text.
    fn days(&mut self, document: &Value) {
        let call = text(&document["call"]["call_date"]);
        let contact = [&document["next_contact"]["date"], &document["follow_up"]["send_by"]];
        let due = both_lists(document).map(|action| &action["due"]);
        for day in due.chain(contact).filter_map(Value::as_str) {
            self.that(day >= call, || format!("{day} is before the call of {call}"));
        }
    }

    fn actions(&mut self, document: &Value) {
        let mut known = BTreeSet::new();
        for action in both_lists(document) {
            let (id, title) = (text(&action["id"]), text(&action["title"]));
            self.that(known.insert((id, title)), || format!("{id} is there twice: {title}"));
            // Braces of the call itself are words of it.
            let braces = list(&action["evidence"]).any(|evidence| text(&evidence["quote"]).contains('{'));
            let whole = [title, text(&action["why"])]
                .iter()
                .all(|words| !words.is_empty() && (braces || !SLOTS.iter().any(|slot| words.contains(slot))));
            self.that(whole, || format!("{id} has no whole words: {action}"));
        }
        let shown = list(&document["next_actions"]).count();
        let more = list(&document["more_actions"]).count();
        self.that(more == 0 || shown == 5, || {
            format!("{more} actions stand behind {shown}")
        });
    }

    /// What was not stated is said once, and has nothing; what was stated has its words.
    fn fields(&mut self, document: &Value) {
        let mut stated = BTreeSet::new();
        let mut missing = BTreeSet::new();
        for field in list(&document["qualification"]["fields"]) {
            let name = text(&field["field"]);
            if field["status"] == "not_stated" {
                let bare = field.as_object().is_some_and(|object| object.len() == 2);
                self.that(bare, || format!("not stated, and yet: {field}"));
                self.that(missing.insert(name), || {
                    format!("{name} is said twice to be not stated")
                });
            } else {
                let whole = ["turn", "quote", "raw", "confidence", "decided_by"];
                let whole = whole.iter().all(|part| !field[*part].is_null());
                self.that(whole, || format!("a field without its words: {field}"));
                stated.insert(name);
            }
        }
        let both: Vec<_> = stated.intersection(&missing).collect();
        self.that(both.is_empty(), || format!("stated and not stated: {both:?}"));
    }

    /// The segments are the call, cut.
    fn segments(&mut self, document: &Value) {
        let turns: Vec<u64> = list(&document["turns"]).filter_map(|turn| turn["i"].as_u64()).collect();
        let place = |turn: &Value| turns.iter().position(|number| Some(*number) == turn.as_u64());
        let mut next = 0;
        for segment in list(&document["segments"]) {
            let (from, to) = (place(&segment["from_turn"]), place(&segment["to_turn"]));
            let follows = from == Some(next) && to >= from;
            self.that(follows, || format!("{segment} does not follow place {next}"));
            next = to.map_or(next, |to| to + 1);
        }
        self.that(next == turns.len(), || "the segments end before the call".to_owned());
    }

    /// What cannot be known is null.
    fn unknown(&mut self, document: &Value) {
        let deal = &document["deal"];
        let call = &document["call"];
        let no_sales = call["not_sales"] == true || !call["other_language"].is_null();
        self.that(no_sales == deal["stage"].is_null(), || {
            "a stage without a deal".to_owned()
        });
        for value in [&deal["stage_name"], &deal["stage_purpose"], &deal["call_outcome"]] {
            self.that(no_sales == value.is_null(), || format!("{value} without a deal"));
        }
        self.that(no_sales == document["follow_up"].is_null(), || {
            "an e-mail without a deal, or a deal without one".to_owned()
        });
        if no_sales {
            let nothing = both_lists(document).next().is_none()
                && document["next_contact"].is_null()
                && list(&document["premature"]).next().is_none()
                && list(&document["root_causes"]).next().is_none();
            self.that(nothing, || "something to do without a deal".to_owned());
        }
        let timed = list(&document["turns"]).any(|turn| !turn["end_s"].is_null());
        let duration = &document["call"]["duration_s"];
        self.that(timed != duration.is_null(), || {
            format!("it takes {duration}, and times are there: {timed}")
        });
        self.that(deal["previous_stage"].is_string() || deal["move"].is_null(), || {
            "a move from nowhere".to_owned()
        });
    }
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn both_lists(document: &Value) -> impl Iterator<Item = &Value> {
    list(&document["next_actions"]).chain(list(&document["more_actions"]))
}
