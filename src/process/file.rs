//! A process file → [`Process`], or everything that is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::condition::{self, Condition, Names};
use super::problem::{Error, Problems};
use super::section::{At, Section, Words};
use crate::domain::{
    ActionId, CallOutcome, Channel, ElementId, EmailType, FieldName, Owner, PrematureMove, RootCauseId, Severity,
    StageId, StageKind, hex,
};

/// Business days that an action may be away.
const MOST_DAYS: i64 = 750;

/// Highest score of an element.
pub const TOP_SCORE: u8 = 3;

/// The processes that come with the program, by name.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("ppvvc", include_str!("ppvvc.toml")),
    ("bant", include_str!("bant.toml")),
    ("meddicc", include_str!("meddicc.toml")),
    ("short_cycle", include_str!("short_cycle.toml")),
];

#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// What the share of the draws that come to a deal stage is worth, as measured; 1 where nobody measured.
    pub trusted: f32,
    /// Confidence under which the deal stage is not decided.
    pub decided: f32,
    /// The same for a deal that has ended; 1 (never) where nobody measured.
    pub ended: f32,
    /// Buyer turns under which the deal stage is not decided.
    pub buyer_turns: usize,
    /// Seconds of a call under which the deal stage is not decided.
    pub call_s: f64,
}

/// Words that a customer listens for, in lower case; each must begin where a word begins, and with a space at its end also
/// end where one ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    pub id: String,
    pub words: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cap {
    pub when: Condition,
    pub at_most: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ElementRule {
    pub id: ElementId,
    pub name: Words,
    /// For the scores 1, 2 and 3.
    pub levels: [Condition; TOP_SCORE as usize],
    pub caps: Vec<Cap>,
    /// What takes an earlier score back.
    pub contradicted: Condition,
    /// Why the score is 0, 1, 2, 3.
    pub why: Words<Vec<String>>,
    /// What the next score needs, from 0, 1, 2.
    pub missing: Words<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StageRule {
    pub id: StageId,
    pub name: Words,
    pub kind: StageKind,
    /// Of an open stage: what the deal leaves it by (the last is never left). Of the others: what puts it there.
    pub condition: Condition,
    pub purpose: Words,
    /// The exit in words: what the buyer says or does.
    pub exit: Words,
    pub tasks: Words<Vec<String>>,
    pub questions: Words<Vec<String>>,
    pub behaviour: Words,
    /// What usually moves a deal on from here.
    pub triggers: Words<Vec<String>>,
    /// Stage of each CRM, by the CRM's name.
    pub crm: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FlagRule {
    pub id: String,
    pub when: Condition,
}

/// A move of the rep, and what must have been said before it.
#[derive(Debug, Clone, PartialEq)]
pub struct PrematureRule {
    pub id: PrematureMove,
    /// Picks the rep's turns that are looked at.
    pub action: Condition,
    /// Holds of the turns before it, where the move is too early.
    pub when: Condition,
    pub unless: Condition,
    pub severity: Severity,
    /// Where this holds the severity is low.
    pub softer: Condition,
    pub why: Words,
    pub advice: Words,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CauseRule {
    pub id: RootCauseId,
    pub when: Condition,
    pub first_action: ActionId,
    /// Named beside the first cause, not instead of it.
    pub beside: bool,
    pub why: Words,
    pub missing: Words,
}

/// Counted from which day, and how many business days away.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Picks fields with a day; None: the day of the call.
    pub from: Option<Condition>,
    /// Negative: before that day.
    pub days: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ActionRule {
    pub id: ActionId,
    pub when: Condition,
    /// 1 comes first.
    pub rank: i64,
    pub due: Due,
    /// One action for each field that `from` picks.
    pub each: bool,
    pub channel: Channel,
    pub owner: Owner,
    /// Place of the element whose gap it closes.
    pub closes: Option<usize>,
    pub title: Words,
    pub why: Words,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EmailRule {
    pub id: EmailType,
    pub when: Condition,
    pub due: Due,
}

/// When to speak again, where nothing was agreed.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactRule {
    pub when: Condition,
    pub due: Due,
    pub channel: Channel,
    pub why: Words,
}

/// Points of the lead score.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadRule {
    pub points: f32,
    pub worth: Worth,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Worth {
    /// The share that the score of an element has of the highest.
    Element(usize),
    /// The share of the first that holds.
    First(Vec<(Condition, f32)>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct QualificationRules {
    pub disqualified: Condition,
    pub qualified: Condition,
    pub partly_qualified: Condition,
}

/// An example in the file, and what it must come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub name: String,
    pub line: usize,
    /// A call file without `id`, as JSON; its turns may have `signals` and `cues`.
    pub call: serde_json::Value,
    pub expect: Expectation,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    pub stage: Option<String>,
    pub scores: BTreeMap<String, i64>,
    pub premature: Option<Vec<String>>,
    pub causes: Option<Vec<String>>,
    /// Actions that must be among those proposed.
    pub actions: Vec<String>,
    pub no_actions: Vec<String>,
}

/// A checked process.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    id: String,
    name: Words,
    hash: String,
    thresholds: Thresholds,
    fields: Vec<FieldName>,
    phrases: Vec<Phrase>,
    definitions: Vec<Condition>,
    decider: Condition,
    elements: Vec<ElementRule>,
    stages: Vec<StageRule>,
    on_hold: Condition,
    stalled: Condition,
    kept: Condition,
    buyer_kept: Condition,
    outcomes: Vec<(CallOutcome, Condition)>,
    flags: Vec<FlagRule>,
    premature: Vec<PrematureRule>,
    causes: Vec<CauseRule>,
    actions: Vec<ActionRule>,
    emails: Vec<EmailRule>,
    contacts: Vec<ContactRule>,
    lead: Vec<LeadRule>,
    lead_caps: Vec<(Condition, f32)>,
    qualification: QualificationRules,
    cases: Vec<Case>,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        $($(#[$doc])* pub fn $name(&self) -> &$type { &self.$name })*
    };
}

impl Process {
    getters! {
        id: str,
        name: Words,
        /// SHA-256 of the file's text, hex.
        hash: str,
        thresholds: Thresholds,
        /// Facts to look for.
        fields: [FieldName],
        phrases: [Phrase],
        definitions: [Condition],
        /// Picks the turns whose speakers decide.
        decider: Condition,
        elements: [ElementRule],
        /// Open ones in the order of work, then those that ended.
        stages: [StageRule],
        on_hold: Condition,
        /// When to ask what keeps the deal from moving.
        stalled: Condition,
        /// Our promises of earlier calls were kept.
        kept: Condition,
        /// Their promises of earlier calls were kept.
        buyer_kept: Condition,
        outcomes: [(CallOutcome, Condition)],
        flags: [FlagRule],
        premature: [PrematureRule],
        causes: [CauseRule],
        actions: [ActionRule],
        emails: [EmailRule],
        contacts: [ContactRule],
        lead: [LeadRule],
        lead_caps: [(Condition, f32)],
        qualification: QualificationRules,
        cases: [Case],
    }

    /// A process that comes with the program.
    pub fn builtin(name: &str) -> Option<Result<Self, Error>> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        found.map(|(name, text)| Self::load(text, name))
    }

    /// PPVVC as it comes with the program.
    pub fn ppvvc() -> Result<Self, Error> {
        Self::load(BUILT_IN[0].1, BUILT_IN[0].0)
    }

    pub fn stage(&self, id: &str) -> Option<&StageRule> {
        self.stages.iter().find(|stage| stage.id.as_str() == id)
    }

    /// Reads and checks the text of a process file. `source` names it in errors.
    pub fn load(text: &str, source: &str) -> Result<Self, Error> {
        let problems = Problems::new(text);
        let (table, broken) = DeTable::parse_recoverable(text);
        for error in broken {
            let span = error.span().unwrap_or(0..0);
            problems.add(&span, error.message().trim());
        }
        // What follows from a broken line would only hide it.
        let read = if problems.is_empty() {
            let root = Section::new(table.get_ref(), "the file", 0..0, &problems);
            read(&root, text)
        } else {
            None
        };
        match read {
            Some(process) if problems.is_empty() => Ok(process),
            _ => Err(Error {
                source_name: source.to_owned(),
                problems: problems.into_sorted(),
            }),
        }
    }
}

/// Reads conditions and ids of one file.
struct Reader<'t> {
    text: &'t str,
    names: Names,
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
        condition::parse(text, self.text, &self.names, section.problems())
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

fn known<T: std::str::FromStr + Copy>(
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

fn read(root: &Section<'_, '_>, text: &str) -> Option<Process> {
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
    let cases = cases(root, &reader);
    root.finish();
    Some(Process {
        id: id?.to_owned(),
        name,
        hash: hex(Sha256::digest(text.as_bytes())),
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

fn cases(root: &Section<'_, '_>, reader: &Reader<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for section in root.sections("case") {
        let name = section
            .needed_text("name")
            .map(|text| text.value.to_owned())
            .unwrap_or_default();
        let mut call = serde_json::Map::new();
        if let Some(text) = section.text("language") {
            if !matches!(text.value, "en" | "ru") {
                section
                    .problems()
                    .unknown(&text.span, "language", text.value, ["en", "ru"]);
            }
            call.insert("lang".to_owned(), text.value.into());
        }
        if let Some(text) = section.text("call_date") {
            if text.value.parse::<chrono::NaiveDate>().is_err() {
                let message = format!("`{}` is no day: write it as 2026-04-15", text.value);
                section.problems().add(&text.span, message);
            }
            call.insert("call_date".to_owned(), text.value.into());
        }
        let turns = section.sections("turns");
        if turns.is_empty() {
            section.missing("turns");
        }
        let turns = turns.iter().zip(1..).map(|(turn, i)| case_turn(turn, i)).collect();
        call.insert("turns".to_owned(), serde_json::Value::Array(turns));
        let expect = section.section("expect");
        if expect.is_none() {
            section.missing("expect");
        }
        let expect = expect.map(|expect| expectation(&expect, reader)).unwrap_or_default();
        section.finish();
        cases.push(Case {
            name,
            line: line_of(reader.text, section.span().start),
            call: serde_json::Value::Object(call),
            expect,
        });
    }
    cases
}

fn line_of(text: &str, byte: usize) -> usize {
    text[..text.floor_char_boundary(byte)].matches('\n').count() + 1
}

fn case_turn(turn: &Section<'_, '_>, i: u32) -> serde_json::Value {
    use crate::domain::{Cue, Signal};
    let role = turn.needed_text("role");
    if let Some(text) = &role
        && !matches!(text.value, "rep" | "buyer")
    {
        turn.problems()
            .unknown(&text.span, "role", text.value, ["rep", "buyer"]);
    }
    let text = turn.needed_text("text").map_or("", |text| text.value);
    let mut json = serde_json::json!({ "i": i, "role": role.map(|role| role.value), "text": text });
    if turn.has("speaker") {
        json["speaker"] = turn.text("speaker").map_or("", |speaker| speaker.value).into();
    }
    if turn.has("signals") {
        let signals = turn.texts("signals");
        let ids = signals
            .iter()
            .filter_map(|text| known(turn, text, "signal", Signal::ALL, Signal::as_str))
            .map(|signal| signal.as_str())
            .collect::<Vec<_>>();
        json["signals"] = ids.into();
    }
    if turn.has("cues") {
        let cues = turn.texts("cues");
        let ids = cues
            .iter()
            .filter_map(|text| known(turn, text, "cue", Cue::ALL, Cue::as_str))
            .map(|cue| cue.as_str())
            .collect::<Vec<_>>();
        json["cues"] = ids.into();
    }
    turn.finish();
    json
}

fn expectation(section: &Section<'_, '_>, reader: &Reader<'_>) -> Expectation {
    let mut expect = Expectation::default();
    if let Some(text) = section.text("stage") {
        if !reader.names.stages.iter().any(|stage| stage.as_str() == text.value) {
            let known = reader.names.stages.iter().map(StageId::as_str);
            section.problems().unknown(&text.span, "stage", text.value, known);
        }
        expect.stage = Some(text.value.to_owned());
    }
    if let Some(scores) = section.section("scores") {
        for key in scores.keys() {
            if !reader
                .names
                .elements
                .iter()
                .any(|element| element.as_str() == key.value)
            {
                let known = reader.names.elements.iter().map(ElementId::as_str);
                scores.problems().unknown(&key.span, "element", key.value, known);
            }
            if let Some(score) = scores.whole_in(key.value, 0..=i64::from(TOP_SCORE)) {
                expect.scores.insert(key.value.to_owned(), score);
            }
        }
    }
    let ids = |key: &str, check: &dyn Fn(&At<&str>) -> bool| -> Vec<String> {
        let texts = section.texts(key);
        texts
            .iter()
            .filter(|text| check(text))
            .map(|text| text.value.to_owned())
            .collect()
    };
    let premature = |text: &At<&str>| {
        known(
            section,
            text,
            "premature move",
            PrematureMove::ALL,
            PrematureMove::as_str,
        )
        .is_some()
    };
    let cause = |text: &At<&str>| known(section, text, "root cause", RootCauseId::ALL, RootCauseId::as_str).is_some();
    let action = |text: &At<&str>| known(section, text, "action", ActionId::ALL, ActionId::as_str).is_some();
    expect.premature = section.has("premature").then(|| ids("premature", &premature));
    expect.causes = section.has("causes").then(|| ids("causes", &cause));
    expect.actions = ids("actions", &action);
    expect.no_actions = ids("no_actions", &action);
    section.finish();
    expect
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
