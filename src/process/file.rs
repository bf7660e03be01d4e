//! A process, checked: its rules as the rest of the program sees them. Reading a file into it is in `read`.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::read;
use crate::domain::{
    ActionId, CallOutcome, Channel, ElementId, EmailType, FieldName, Owner, PrematureMove, RootCauseId, Severity,
    StageId, StageKind,
};
use crate::tables::{self, Error, Words};

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
    pub(super) id: String,
    pub(super) name: Words,
    pub(super) hash: String,
    pub(super) text: String,
    pub(super) names: Vec<String>,
    pub(super) thresholds: Thresholds,
    pub(super) fields: Vec<FieldName>,
    pub(super) phrases: Vec<Phrase>,
    pub(super) definitions: Vec<Condition>,
    pub(super) decider: Condition,
    pub(super) elements: Vec<ElementRule>,
    pub(super) stages: Vec<StageRule>,
    pub(super) on_hold: Condition,
    pub(super) stalled: Condition,
    pub(super) kept: Condition,
    pub(super) buyer_kept: Condition,
    pub(super) outcomes: Vec<(CallOutcome, Condition)>,
    pub(super) flags: Vec<FlagRule>,
    pub(super) premature: Vec<PrematureRule>,
    pub(super) causes: Vec<CauseRule>,
    pub(super) actions: Vec<ActionRule>,
    pub(super) emails: Vec<EmailRule>,
    pub(super) contacts: Vec<ContactRule>,
    pub(super) lead: Vec<LeadRule>,
    pub(super) lead_caps: Vec<(Condition, f32)>,
    pub(super) qualification: QualificationRules,
    pub(super) cases: Vec<Case>,
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
        /// The file itself.
        text: str,
        /// Of products, companies and competitors, as they are written: the recogniser listens for them.
        names: [String],
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
        tables::read(text, source, |root, _| read::read(root, text))
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
