//! A process file → [`Process`]: every rule is read, and every problem noted.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::cases;
use super::condition::{self, Condition, Names};
use super::file::{
    ActionRule, Cap, CauseRule, ContactRule, Due, ElementRule, EmailRule, FlagRule, LeadRule, Phrase, PrematureRule,
    Process, QualificationRules, StageRule, TOP_SCORE, Thresholds, Worth,
};
use crate::domain::{
    ActionId, CallOutcome, Channel, ElementId, EmailType, FieldName, Owner, PrematureMove, RootCauseId, Severity,
    StageId, StageKind, hex,
};
use crate::tables::{At, Section, Words};

/// More names than these, or longer ones, would not fit what a recogniser is told before it hears.
const MOST_NAMES: usize = 40;
const MOST_LETTERS_OF_NAMES: usize = 600;
/// Business days that an action may be away.
const MOST_DAYS: i64 = 750;

/// Reads conditions and ids of one file.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) names: Names,
    definitions: Vec<Condition>,
}

impl Reader<'_> {
    fn condition(&self, section: &Section<'_, '_>, key: &str) -> Condition {
        let read = section.text(key).and_then(|text| self.parse(section, &text));
        read.unwrap_or(Condition::Never)
    }

    fn needed(&self, section: &Section<'_, '_>, key: &str) -> Condition {
        if !section.has(key) {
            section.missing(key);
        }
        self.condition(section, key)
    }

    fn parse(&self, section: &Section<'_, '_>, text: &At<&str>) -> Option<Condition> {
        condition::parse(text, &self.names, section.problems())
    }

    fn due(&self, section: &Section<'_, '_>) -> Due {
        let from = section.text("from").and_then(|text| self.parse(section, &text));
        if from.as_ref().is_some_and(|from| !from.picks(true, &self.definitions)) {
            let message = "`from` picks no field with a day: name one, as `field.next_meeting`";
            section.problems().add(&section.span_of("from"), message);
        }
        Due {
            from,
            days: section.whole_in("days", -MOST_DAYS..=MOST_DAYS).unwrap_or(0) as i32,
        }
    }

    /// A condition that picks turns.
    fn picking(&self, section: &Section<'_, '_>, key: &str) -> Condition {
        let read = section.text(key).and_then(|text| self.parse(section, &text));
        if read.as_ref().is_some_and(|read| !read.picks(false, &self.definitions)) {
            let message = format!("`{key}` picks no turn: name what is said");
            section.problems().add(&section.span_of(key), message);
        }
        read.unwrap_or(Condition::Never)
    }
}

/// An id of the program's.
fn id<T: std::str::FromStr + Copy>(
    section: &Section<'_, '_>,
    key: &str,
    kind: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let text = section.needed_text(key)?;
    known(section, &text, kind, all, name)
}

pub(super) fn known<T: std::str::FromStr + Copy>(
    section: &Section<'_, '_>,
    text: &At<&str>,
    kind: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        let names = all.iter().map(|id| name(*id));
        section.problems().unknown(&text.span, kind, text.value, names);
    }
    parsed
}

/// A name that the file gives: lower-case letters, digits and `_`, once.
fn own_id<'a>(section: &Section<'a, '_>, used: &mut Vec<String>) -> Option<&'a str> {
    let text = section.needed_text("id")?;
    check_own_id(section, text.value, &text.span, used);
    Some(text.value)
}

/// The same for a name that conditions use.
fn own_name<'a>(section: &Section<'a, '_>, used: &mut Vec<String>) -> Option<&'a str> {
    let id = own_id(section, used)?;
    if condition::is_reserved(id) {
        let message = format!("`{id}` has a meaning in conditions already: choose another id");
        section.problems().add(&section.span_of("id"), message);
    }
    Some(id)
}

fn check_own_id(section: &Section<'_, '_>, id: &str, span: &Range<usize>, used: &mut Vec<String>) {
    let sound = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
    if !sound {
        let message = format!("`{id}`: an id is written in small latin letters, digits and `_`, a letter first");
        section.problems().add(span, message);
    }
    if used.iter().any(|known| known == id) {
        section.problems().add(span, format!("`{id}` is there twice"));
    }
    used.push(id.to_owned());
}

/// Everything of a file, or None; problems are in those of the section.
pub fn read(root: &Section<'_, '_>, text: &str) -> Option<Process> {
    let version = root.whole("version");
    if version != Some(1) {
        let is = version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
        let message = format!("{is} is given; this program reads `version = 1`");
        root.problems().add(&root.span_of("version"), message);
        return None;
    }
    let mut reader = Reader {
        text,
        names: Names::default(),
        definitions: Vec::new(),
    };
    let mut ids = Vec::new();
    let id = own_id(root, &mut ids);
    let name = root.needed_words("name");
    let names = names(root);
    let thresholds = thresholds(root);
    let fields = fields(root);
    let phrases = phrases(root, &mut reader);
    definitions(root, &mut reader);
    let decider = reader.picking(root, "decider");
    let elements = elements(root, &mut reader);
    let stages = stages(root, &mut reader);
    reader.names.judged = true;
    let deal = root.section("deal");
    let [on_hold, stalled, kept, buyer_kept] = ["on_hold", "stalled", "kept", "buyer_kept"].map(|key| {
        let read = deal.as_ref().map(|deal| reader.condition(deal, key));
        read.unwrap_or(Condition::Never)
    });
    if let Some(deal) = &deal {
        deal.finish();
    }
    let outcomes = outcomes(root, &reader);
    let flags = flags(root, &reader);
    let premature = premature(root, &reader);
    let causes = causes(root, &reader);
    let actions = actions(root, &reader);
    let emails = emails(root, &reader);
    let contacts = contacts(root, &reader);
    let (lead, lead_caps) = lead(root, &reader);
    let qualification = qualification(root, &reader);
    let cases = cases::read(root, &reader);
    root.finish();
    Some(Process {
        id: id?.to_owned(),
        name,
        hash: hex(Sha256::digest(text.as_bytes())),
        text: text.to_owned(),
        names,
        thresholds,
        fields,
        phrases,
        definitions: reader.definitions,
        decider,
        elements,
        stages,
        on_hold,
        stalled,
        kept,
        buyer_kept,
        outcomes,
        flags,
        premature,
        causes,
        actions,
        emails,
        contacts,
        lead,
        lead_caps,
        qualification,
        cases,
    })
}

/// `names`: of products and competitors, as they are written.
fn names(root: &Section<'_, '_>) -> Vec<String> {
    let texts = root.texts("names");
    let mut names: Vec<String> = Vec::new();
    for text in &texts {
        let name = text.value.trim();
        // What stands between two names would make one of them two.
        let wrong = if !name.contains(char::is_alphanumeric) {
            Some("a name needs letters".to_owned())
        } else if name.contains(|c: char| c.is_control() || matches!(c, ',' | ';' | '«' | '»' | '"')) {
            Some(format!(
                "`{name}`: a name has no commas, quotes or line breaks; give each name by itself"
            ))
        } else if names.iter().any(|known| known.to_lowercase() == name.to_lowercase()) {
            Some(format!("`{name}` is there twice"))
        } else {
            None
        };
        match wrong {
            Some(message) => root.problems().add(&text.span, message),
            None => names.push(name.to_owned()),
        }
    }
    let letters: usize = names.iter().map(|name| name.chars().count()).sum();
    if names.len() > MOST_NAMES || letters > MOST_LETTERS_OF_NAMES {
        let message = format!(
            "{} names with {letters} letters; at most {MOST_NAMES} with {MOST_LETTERS_OF_NAMES} can be listened for: keep \
             those that are heard wrongly",
            names.len()
        );
        root.problems().add(&root.span_of("names"), message);
    }
    names
}

fn thresholds(root: &Section<'_, '_>) -> Thresholds {
    let mut thresholds = Thresholds {
        trusted: 1.0,
        decided: 0.9,
        ended: 1.0,
        buyer_turns: 6,
        call_s: 60.0,
    };
    let Some(section) = root.section("thresholds") else {
        return thresholds;
    };
    let share = |key: &str, default: f32| section.number_in(key, 0.0..=1.0).map_or(default, |share| share as f32);
    thresholds.trusted = share("trusted", thresholds.trusted);
    thresholds.decided = share("decided", thresholds.decided);
    thresholds.ended = share("ended", thresholds.ended);
    if let Some(turns) = section.whole_in("buyer_turns", 0..=10_000) {
        thresholds.buyer_turns = turns as usize;
    }
    if let Some(seconds) = section.number_in("call_s", 0.0..=86_400.0) {
        thresholds.call_s = seconds;
    }
    section.finish();
    thresholds
}

fn fields(root: &Section<'_, '_>) -> Vec<FieldName> {
    if !root.has("fields") {
        return FieldName::ALL.to_vec();
    }
    let texts = root.texts("fields");
    let read = texts
        .iter()
        .filter_map(|text| known(root, text, "field", FieldName::ALL, FieldName::as_str));
    let mut fields: Vec<FieldName> = read.collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn phrases(root: &Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<Phrase> {
    let Some(section) = root.section("phrases") else {
        return Vec::new();
    };
    let mut used = Vec::new();
    let phrases: Vec<Phrase> = section
        .keys()
        .into_iter()
        .map(|key| {
            check_own_id(&section, key.value, &key.span, &mut used);
            let texts = section.texts(key.value);
            if texts.is_empty() {
                section
                    .problems()
                    .add(&key.span, format!("phrase `{}` has no words", key.value));
            }
            // No words would be found everywhere.
            for text in texts.iter().filter(|text| text.value.trim().is_empty()) {
                section.problems().add(&text.span, "a phrase needs words");
            }
            Phrase {
                id: key.value.to_owned(),
                words: texts.iter().map(|text| text.value.to_lowercase()).collect(),
            }
        })
        .collect();
    reader.names.phrases = phrases.iter().map(|phrase| phrase.id.clone()).collect();
    phrases
}

/// `[[define]]`: in the order of the file, so that one may rest on those before it.
fn definitions(root: &Section<'_, '_>, reader: &mut Reader<'_>) {
    let mut used = Vec::new();
    for section in root.sections("define") {
        let Some(id) = own_name(&section, &mut used) else {
            continue;
        };
        let when = reader.needed(&section, "when");
        reader.definitions.push(when);
        reader.names.defined.push(id.to_owned());
        section.finish();
    }
}

fn elements(root: &Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<ElementRule> {
    let mut used = reader.names.defined.clone();
    let mut elements = Vec::new();
    for section in root.sections("element") {
        let Some(id) = own_name(&section, &mut used) else {
            continue;
        };
        let scores = section.texts("scores");
        if scores.len() != usize::from(TOP_SCORE) {
            let message = format!("element `{id}` needs {TOP_SCORE} conditions in `scores`: for 1, 2 and 3");
            section.problems().add(&section.span_of("scores"), message);
        }
        let level = |at: usize| {
            let Some(text) = scores.get(at) else {
                return Condition::Never;
            };
            let read = reader.parse(&section, text).unwrap_or(Condition::Never);
            if read.rests_on_rep(&reader.definitions) {
                let message = "words of the rep alone raise no score: name what the buyer says";
                section.problems().add(&text.span, message);
            }
            read
        };
        let caps = section
            .sections("caps")
            .iter()
            .map(|cap| {
                let read = Cap {
                    when: reader.needed(cap, "when"),
                    at_most: cap.whole_in("at_most", 0..=i64::from(TOP_SCORE)).unwrap_or(0) as u8,
                };
                cap.finish();
                read
            })
            .collect();
        let texts = |key: &str, count: usize| {
            let lists = section.word_lists(key);
            if lists.en.len() != count || lists.ru.len() != count {
                let message = format!("element `{id}` needs {count} texts in `{key}`, in each language");
                section.problems().add(&section.span_of(key), message);
            }
            lists
        };
        elements.push(ElementRule {
            id: ElementId::from(id),
            name: section.needed_words("name"),
            levels: [level(0), level(1), level(2)],
            caps,
            contradicted: reader.condition(&section, "contradicted"),
            why: texts("why", usize::from(TOP_SCORE) + 1),
            missing: texts("missing", usize::from(TOP_SCORE)),
        });
        section.finish();
        reader.names.elements.push(ElementId::from(id));
    }
    if elements.is_empty() {
        root.problems()
            .add(&(0..0), "the process has no element: add an [[element]]");
    }
    elements
}

fn stages(root: &Section<'_, '_>, reader: &mut Reader<'_>) -> Vec<StageRule> {
    let mut used = Vec::new();
    let mut stages: Vec<StageRule> = Vec::new();
    let sections = root.sections("stage");
    let kind_of = |section: &Section<'_, '_>| match section.text("kind").map(|text| (text.value, text.span)) {
        None | Some(("open", _)) => StageKind::Open,
        Some(("won", _)) => StageKind::Won,
        Some(("lost", _)) => StageKind::Lost,
        Some((other, span)) => {
            let message = format!("unknown kind of stage `{other}`; known: open, won, lost");
            section.problems().add(&span, message);
            // Nobody writes the kind of an open stage.
            StageKind::Lost
        }
    };
    let open = sections
        .iter()
        .filter(|section| kind_of(section) == StageKind::Open)
        .count();
    for section in &sections {
        let Some(id) = own_id(section, &mut used) else { continue };
        let kind = kind_of(section);
        let opened = stages.iter().filter(|stage| stage.kind == StageKind::Open).count();
        let last = kind == StageKind::Open && opened + 1 == open;
        if kind == StageKind::Open && opened < stages.len() {
            let message = format!("stage `{id}` is open: it must stand before those that end the deal");
            section.problems().add(&section.span_of("id"), message);
        }
        let (key, other) = match kind {
            StageKind::Open => ("until", "when"),
            StageKind::Won | StageKind::Lost => ("when", "until"),
        };
        let given = section.text(key).and_then(|text| reader.parse(section, &text));
        if !section.has(key) && !last {
            section.missing(key);
        }
        let left = given.as_ref().is_none_or(|until| !until.is_never(&reader.definitions));
        if kind == StageKind::Open && !last && !left {
            let message = format!("no deal ever leaves stage `{id}`: this never holds");
            section.problems().add(&section.span_of(key), message);
        }
        if section.has(other) {
            let message = format!("`{other}` does not belong to this kind of stage; `{key}` does");
            section.problems().add(&section.span_of(other), message);
            section.text(other);
        }
        let crm = section.section("crm").map(|crm| {
            let texts = crm.every_text().into_iter();
            texts
                .map(|(name, stage)| (name.to_owned(), stage.value.to_owned()))
                .collect()
        });
        stages.push(StageRule {
            id: StageId::from(id),
            name: section.needed_words("name"),
            kind,
            condition: given.unwrap_or(Condition::Never),
            purpose: section.needed_words("purpose"),
            exit: section.words("exit").unwrap_or_default(),
            tasks: section.word_lists("tasks"),
            questions: section.word_lists("questions"),
            behaviour: section.words("behaviour").unwrap_or_default(),
            triggers: section.word_lists("triggers"),
            crm: crm.unwrap_or_default(),
        });
        section.finish();
    }
    if open == 0 {
        root.problems()
            .add(&(0..0), "the process has no open stage: add a [[stage]]");
    }
    reader.names.stages = stages.iter().map(|stage| stage.id.clone()).collect();
    stages
}

fn outcomes(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<(CallOutcome, Condition)> {
    let Some(section) = root.section("outcome") else {
        return Vec::new();
    };
    // In this order: a refusal outweighs what was agreed before it.
    let order = [CallOutcome::NoSale, CallOutcome::Order, CallOutcome::Advance];
    let read = order.map(|outcome| (outcome, reader.condition(&section, outcome.as_str())));
    section.finish();
    read.to_vec()
}

fn flags(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<FlagRule> {
    let mut used = Vec::new();
    let mut flags = Vec::new();
    for section in root.sections("flag") {
        let Some(id) = own_id(&section, &mut used) else {
            continue;
        };
        flags.push(FlagRule {
            id: id.to_owned(),
            when: reader.needed(&section, "when"),
        });
        section.finish();
    }
    flags
}

fn premature(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<PrematureRule> {
    let mut rules = Vec::new();
    for section in root.sections("premature") {
        let id = id(
            &section,
            "id",
            "premature move",
            PrematureMove::ALL,
            PrematureMove::as_str,
        );
        let severity = section.needed_text("severity").and_then(|text| match text.value {
            "low" => Some(Severity::Low),
            "medium" => Some(Severity::Medium),
            "high" => Some(Severity::High),
            other => {
                section
                    .problems()
                    .unknown(&text.span, "severity", other, ["low", "medium", "high"]);
                None
            }
        });
        if !section.has("move") {
            section.missing("move");
        }
        let rule = (
            reader.picking(&section, "move"),
            reader.needed(&section, "when"),
            reader.condition(&section, "unless"),
            reader.condition(&section, "softer"),
            section.needed_words("why"),
            section.needed_words("advice"),
        );
        section.finish();
        let (Some(id), Some(severity)) = (id, severity) else {
            continue;
        };
        let (action, when, unless, softer, why, advice) = rule;
        rules.push(PrematureRule {
            id,
            action,
            when,
            unless,
            severity,
            softer,
            why,
            advice,
        });
    }
    rules
}

fn causes(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<CauseRule> {
    let mut rules = Vec::new();
    for section in root.sections("cause") {
        let id_ = id(&section, "id", "root cause", RootCauseId::ALL, RootCauseId::as_str);
        let first = id(&section, "first_action", "action", ActionId::ALL, ActionId::as_str);
        let when = reader.needed(&section, "when");
        let beside = section.flag("beside");
        let (why, missing) = (section.needed_words("why"), section.needed_words("missing"));
        section.finish();
        if let (Some(id), Some(first_action)) = (id_, first) {
            rules.push(CauseRule {
                id,
                when,
                first_action,
                beside,
                why,
                missing,
            });
        }
    }
    rules
}

fn channel(section: &Section<'_, '_>) -> Option<Channel> {
    id(section, "channel", "channel", Channel::ALL, Channel::as_str)
}

fn element_at(section: &Section<'_, '_>, key: &str, reader: &Reader<'_>) -> Option<usize> {
    let text = section.text(key)?;
    let place = reader
        .names
        .elements
        .iter()
        .position(|element| element.as_str() == text.value);
    if place.is_none() {
        let known = reader.names.elements.iter().map(ElementId::as_str);
        section.problems().unknown(&text.span, "element", text.value, known);
    }
    place
}

/// What titles may name.
const SLOTS: [&str; 4] = ["{what}", "{role}", "{element}", "{date}"];

fn check_slots(section: &Section<'_, '_>, key: &str, words: &Words) {
    for text in [&words.en, &words.ru] {
        let mut rest = text.as_str();
        while let Some(open) = rest.find('{') {
            rest = &rest[open..];
            let slot = rest.find('}').map_or(rest, |end| &rest[..=end]);
            if !SLOTS.contains(&slot) {
                let message = format!("`{key}` uses {slot}; it may use {}", SLOTS.join(", "));
                section.problems().add(&section.span_of(key), message);
            }
            rest = &rest[1..];
        }
    }
}

fn actions(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<ActionRule> {
    let mut rules = Vec::new();
    for section in root.sections("action") {
        let id_ = id(&section, "id", "action", ActionId::ALL, ActionId::as_str);
        let channel = channel(&section);
        let owner = match section.text("owner") {
            None => Some(Owner::Rep),
            Some(text) => known(&section, &text, "owner", Owner::ALL, Owner::as_str),
        };
        let title = section.needed_words("title");
        check_slots(&section, "title", &title);
        let rule = (
            reader.needed(&section, "when"),
            section.whole_in("rank", 1..=99).unwrap_or(9),
            reader.due(&section),
            section.flag("each"),
            element_at(&section, "closes", reader),
            section.needed_words("why"),
        );
        section.finish();
        let (Some(id), Some(channel), Some(owner)) = (id_, channel, owner) else {
            continue;
        };
        let (when, rank, due, each, closes, why) = rule;
        if each && due.from.is_none() {
            let message = "`each` makes one action for each field that `from` picks: `from` is missing";
            section.problems().add(&section.span_of("each"), message);
        }
        let same = |rule: &&ActionRule| rule.id == id && rule.when == when && rule.due.from == due.from;
        if when != Condition::Never && rules.iter().any(|rule| same(&rule)) {
            let message = format!("action `{id}` has this condition already: the first counts, this one never does");
            section.problems().add(&section.span_of("when"), message);
        }
        rules.push(ActionRule {
            id,
            when,
            rank,
            due,
            each,
            channel,
            owner,
            closes,
            title,
            why,
        });
    }
    rules
}

fn emails(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<EmailRule> {
    let mut rules = Vec::new();
    for section in root.sections("email") {
        let id = id(&section, "id", "kind of e-mail", EmailType::ALL, EmailType::as_str);
        let (when, due) = (reader.needed(&section, "when"), reader.due(&section));
        section.finish();
        rules.extend(id.map(|id| EmailRule { id, when, due }));
    }
    rules
}

fn contacts(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<ContactRule> {
    let mut rules = Vec::new();
    for section in root.sections("contact") {
        let channel = channel(&section);
        let (when, due, why) = (
            reader.needed(&section, "when"),
            reader.due(&section),
            section.needed_words("why"),
        );
        section.finish();
        rules.extend(channel.map(|channel| ContactRule {
            when,
            due,
            channel,
            why,
        }));
    }
    rules
}

fn lead(root: &Section<'_, '_>, reader: &Reader<'_>) -> (Vec<LeadRule>, Vec<(Condition, f32)>) {
    let (mut rules, mut caps) = (Vec::new(), Vec::new());
    for section in root.sections("lead") {
        if section.has("at_most") {
            let most = section.number_in("at_most", 0.0..=100.0).unwrap_or(0.0) as f32;
            caps.push((reader.needed(&section, "when"), most));
            section.finish();
            continue;
        }
        if !section.has("points") {
            section.missing("points");
        }
        let points = section.number_in("points", -100.0..=100.0).unwrap_or(0.0) as f32;
        let worth = if section.has("element") {
            element_at(&section, "element", reader).map(Worth::Element)
        } else if section.has("when") {
            Some(Worth::First(vec![(reader.condition(&section, "when"), 1.0)]))
        } else {
            let shares = section.sections("shares");
            if shares.is_empty() {
                section.missing("shares");
            }
            let share = |share: &Section<'_, '_>| {
                let read = (
                    reader.needed(share, "when"),
                    share.number_in("share", 0.0..=1.0).unwrap_or(1.0) as f32,
                );
                share.finish();
                read
            };
            Some(Worth::First(shares.iter().map(share).collect()))
        };
        section.finish();
        rules.extend(worth.map(|worth| LeadRule { points, worth }));
    }
    (rules, caps)
}

fn qualification(root: &Section<'_, '_>, reader: &Reader<'_>) -> QualificationRules {
    let section = root.section("qualification");
    let read = |key: &str| {
        section
            .as_ref()
            .map_or(Condition::Never, |section| reader.condition(section, key))
    };
    let rules = QualificationRules {
        disqualified: read("disqualified"),
        qualified: read("qualified"),
        partly_qualified: read("partly_qualified"),
    };
    if let Some(section) = &section {
        section.finish();
    }
    rules
}
