//! The language of conditions: `buyer_pain and buyer_impact[number] and not buyer_obj_need[open]`.
//!
//! Owns its grammar and its parsing against the names that the file and the program know; a problem is reported with the
//! column of its word. What a condition comes to in a call is *not* here: see `reading`.
//!
//! ```text
//! condition  = term ("or" term)*            term   = factor ("and" factor)*
//! factor     = "not" factor | "(" condition ")" | comparison | said | fact
//! comparison = element OP 0–3 | stage OP ID | number OP N | said OP N (how many turns) | outcome = ID | move = ID
//! said       = (signal | cue_ID | phrase.ID | field.NAME | a name of [define]) "[" filter, … "]"
//! ```

use std::ops::Range;

use crate::domain::{CallOutcome, Cue, ElementId, FieldName, FieldStatus, Move, Role, Signal, StageId};
use crate::tables::{At, Problems};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Equal,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Op {
    pub fn holds<T: Ord>(self, a: T, b: T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Differs => a != b,
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::More => a > b,
            Self::AtLeast => a >= b,
        }
    }
}

/// Declares ids that conditions use, with what each means.
macro_rules! known {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $means:literal])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $means])* $variant),* }

        impl $name {
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$variant, $text, concat!($($means),*))),*];

            fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(id, ..)| *id)
            }
        }
    };
}

known! {
    /// A number that the program knows of a call and its deal.
    Number {
        /// calls with this deal, this one included
        Calls = "calls",
        /// persons of the buyer's side in all calls of the deal, as far as they can be told apart
        Buyers = "buyers",
        /// turns of the buyer in this call
        BuyerTurns = "buyer_turns",
        /// working days between the last call in which the buyer spoke and this one
        DaysSilent = "days_silent",
        /// calls before this one, in a row, in which nobody of the buyer's side spoke
        Touches = "touches",
    }
}

known! {
    /// A yes or no that the program knows of a call and its deal.
    Fact {
        /// too little was said to decide on
        Short = "short",
        /// two statements of the call contradict each other
        Conflict = "conflict",
        /// put off to a date
        OnHold = "on_hold",
        /// we promised something in an earlier call, and its day has passed without it
        PromiseOverdue = "promise_overdue",
        /// they promised something in an earlier call, and its day has passed without it
        BuyerPromiseOverdue = "buyer_promise_overdue",
        /// somebody sold for us inside, in an earlier call
        ChampionBefore = "champion_before",
        /// a move of the rep came too early
        Premature = "premature",
    }
}

/// What picks turns of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    Signal(Signal),
    Cue(Cue),
    /// Place in the list of phrases.
    Phrase(usize),
    Field(FieldName),
    /// Place in the list of definitions.
    Defined(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pick {
    /// The last of them.
    Last,
    /// The turn has a quantity.
    Number,
    /// The turn has a day or a time, or answers one that has.
    Dated,
    /// Said by somebody who decides.
    Decider,
    /// The model is not certain of it.
    Unsure,
    /// An objection that nothing later took back; the last of them.
    Open,
    /// Said by this side.
    By(Role),
    /// The turn has a phrase.
    Says(usize),
    /// The turn has this too.
    With(Source),
    /// Later than the first of these.
    After(Source),
    /// Earlier than the last of these.
    Before(Source),
    /// Among the last so many turns.
    Within(usize),
    /// At least the so-many-th turn of its side in a row with it.
    Run(usize),
    /// Lasts at least so many seconds.
    Seconds(u32),
    /// A field with this status.
    Status(FieldStatus),
    /// A field with a value.
    Value,
    /// A field whose value is this word.
    Is(String),
    /// A field with a day that is not past, at most so many days away.
    Days(u32),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    pub not: bool,
    pub pick: Pick,
}

/// Turns with something in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub source: Source,
    pub filters: Vec<Filter>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Said(Said),
    /// How many turns.
    Count {
        said: Said,
        op: Op,
        than: usize,
    },
    /// Place of the element, and its score.
    Score {
        element: usize,
        op: Op,
        than: u8,
    },
    /// Place of the stage.
    Stage {
        op: Op,
        than: usize,
    },
    Number {
        number: Number,
        op: Op,
        than: i64,
    },
    Outcome {
        op: Op,
        than: CallOutcome,
    },
    Move {
        op: Op,
        than: Move,
    },
    Fact(Fact),
    Never,
}

impl Condition {
    /// It holds of no call, whatever is said. `definitions`: those that it may name.
    pub fn is_never(&self, definitions: &[Self]) -> bool {
        match self {
            Self::Never => true,
            Self::All(parts) => parts.iter().any(|part| part.is_never(definitions)),
            Self::Any(parts) => parts.iter().all(|part| part.is_never(definitions)),
            Self::Said(Said {
                source: Source::Defined(at),
                ..
            }) => definitions.get(*at).is_some_and(|inner| inner.is_never(definitions)),
            _ => false,
        }
    }

    /// It picks turns, or with `field` those of fields, and not only says yes or no.
    pub fn picks(&self, field: bool, definitions: &[Self]) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.picks(field, definitions)),
            Self::Said(said) | Self::Count { said, .. } => match said.source {
                Source::Field(_) => true,
                Source::Defined(at) => definitions.get(at).is_some_and(|inner| inner.picks(field, definitions)),
                Source::Signal(_) | Source::Cue(_) | Source::Phrase(_) => !field,
            },
            _ => false,
        }
    }

    /// It may hold by words of the rep alone.
    pub fn rests_on_rep(&self, definitions: &[Self]) -> bool {
        match self {
            Self::All(parts) => !parts.is_empty() && parts.iter().all(|part| part.rests_on_rep(definitions)),
            Self::Any(parts) => parts.iter().any(|part| part.rests_on_rep(definitions)),
            Self::Said(said) | Self::Count { said, .. } => {
                let by_rep = Filter {
                    not: false,
                    pick: Pick::By(Role::Rep),
                };
                said.filters.contains(&by_rep)
                    || match said.source {
                        Source::Signal(signal) => signal.speaker() == Role::Rep,
                        Source::Defined(at) => definitions.get(at).is_some_and(|inner| inner.rests_on_rep(definitions)),
                        _ => false,
                    }
            }
            _ => false,
        }
    }
}

/// Words with a meaning of their own in conditions, which no element or definition may take.
pub fn is_reserved(id: &str) -> bool {
    matches!(id, "and" | "or" | "not" | "never" | "stage" | "outcome" | "move")
        || id.parse::<Signal>().is_ok()
        || Number::named(id).is_some()
        || Fact::named(id).is_some()
}

/// The names that a condition may use, at its place in the file.
#[derive(Default)]
pub struct Names {
    /// Those that are scored before: a score may rest on earlier ones only.
    pub elements: Vec<ElementId>,
    /// In order; empty where the stage is not known yet.
    pub stages: Vec<StageId>,
    pub phrases: Vec<String>,
    pub defined: Vec<String>,
    /// Numbers, facts, outcome and move are known.
    pub judged: bool,
}

/// Reads a condition; None where it has a problem, which is then reported.
pub fn parse(text: &At<&str>, names: &Names, problems: &Problems<'_>) -> Option<Condition> {
    if text.value.trim().is_empty() {
        return Some(Condition::Never);
    }
    let mut parser = Parser {
        tokens: tokens(text.value),
        at: 0,
        end: text.value.len(),
        place: |range: &Range<usize>| problems.place(text, range),
        names,
        problems,
    };
    let condition = parser.any()?;
    match parser.peek() {
        None => Some(condition),
        Some(token) => {
            let message = format!("`{}` is not expected here; `and`, `or` or the end is", token.text);
            parser.wrong(&token.range, message)
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let length = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if is_word(c) {
            text[at..].find(|c| !is_word(c)).unwrap_or(text.len() - at)
        } else if text[at..].starts_with("!=") || text[at..].starts_with("<=") || text[at..].starts_with(">=") {
            2
        } else {
            c.len_utf8()
        };
        all.push(Token {
            text: &text[at..at + length],
            range: at..at + length,
        });
        at += length;
    }
    all
}

struct Parser<'a, 'p, P: Fn(&Range<usize>) -> Range<usize>> {
    tokens: Vec<Token<'a>>,
    at: usize,
    end: usize,
    place: P,
    names: &'p Names,
    problems: &'p Problems<'p>,
}

impl<'a, P: Fn(&Range<usize>) -> Range<usize>> Parser<'a, '_, P> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).cloned()
    }

    fn next_is(&self, text: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.text == text)
    }

    fn eat(&mut self, text: &str) -> bool {
        let eaten = self.next_is(text);
        self.at += usize::from(eaten);
        eaten
    }

    fn wrong<T>(&self, range: &Range<usize>, message: impl Into<String>) -> Option<T> {
        self.problems.add(&(self.place)(range), message);
        None
    }

    fn unknown<T>(&self, token: &Token<'_>, kind: &str, known: Vec<&str>) -> Option<T> {
        self.problems
            .unknown(&(self.place)(&token.range), kind, token.text, known);
        None
    }

    fn word(&mut self, wanted: &str) -> Option<Token<'a>> {
        let Some(token) = self.peek() else {
            let end = self.end.saturating_sub(1)..self.end;
            return self.wrong(&end, format!("the condition ends where {wanted} is expected"));
        };
        let is_word = token.text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if !is_word || matches!(token.text, "and" | "or") {
            return self.wrong(
                &token.range,
                format!("`{}` stands where {wanted} is expected", token.text),
            );
        }
        self.at += 1;
        Some(token)
    }

    fn close(&mut self, bracket: &str) -> Option<()> {
        if self.eat(bracket) {
            return Some(());
        }
        let range = self
            .peek()
            .map_or(self.end.saturating_sub(1)..self.end, |token| token.range);
        self.wrong(&range, format!("`{bracket}` is missing"))
    }

    fn any(&mut self) -> Option<Condition> {
        let mut parts = vec![self.all()?];
        while self.eat("or") {
            parts.push(self.all()?);
        }
        Some(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Option<Condition> {
        let mut parts = vec![self.factor()?];
        while self.eat("and") {
            parts.push(self.factor()?);
        }
        Some(one_or(parts, Condition::All))
    }

    fn factor(&mut self) -> Option<Condition> {
        if self.eat("not") {
            return Some(Condition::Not(Box::new(self.factor()?)));
        }
        if self.eat("(") {
            let inner = self.any()?;
            self.close(")")?;
            return Some(inner);
        }
        let token = self.word("a signal, an element or a fact")?;
        if token.text == "never" {
            return Some(Condition::Never);
        }
        if let Some(element) = self.names.elements.iter().position(|id| id.as_str() == token.text) {
            let op = self.op(&token)?;
            let (than, range) = self.whole()?;
            if !(0..=3).contains(&than) {
                return self.wrong(&range, "scores go from 0 to 3");
            }
            return Some(Condition::Score {
                element,
                op,
                than: than as u8,
            });
        }
        match token.text {
            "stage" if !self.names.stages.is_empty() => {
                let op = self.op(&token)?;
                let id = self.word("a stage")?;
                let Some(than) = self.names.stages.iter().position(|stage| stage.as_str() == id.text) else {
                    let known = self.names.stages.iter().map(StageId::as_str).collect();
                    return self.unknown(&id, "stage", known);
                };
                return Some(Condition::Stage { op, than });
            }
            "outcome" if self.names.judged => {
                let op = self.equality(&token)?;
                let id = self.word("an outcome")?;
                return match id.text.parse() {
                    Ok(than) => Some(Condition::Outcome { op, than }),
                    Err(_) => self.unknown(
                        &id,
                        "outcome",
                        CallOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect(),
                    ),
                };
            }
            "move" if self.names.judged => {
                let op = self.equality(&token)?;
                let id = self.word("a move")?;
                return match Move::ALL.iter().find(|known| known.as_str() == id.text) {
                    Some(&than) => Some(Condition::Move { op, than }),
                    None => self.unknown(&id, "move", Move::ALL.iter().map(|known| known.as_str()).collect()),
                };
            }
            _ => {}
        }
        if self.names.judged {
            if let Some(number) = Number::named(token.text) {
                let op = self.op(&token)?;
                let (than, _) = self.whole()?;
                return Some(Condition::Number { number, op, than });
            }
            if let Some(fact) = Fact::named(token.text) {
                return Some(Condition::Fact(fact));
            }
        }
        let source = self.source(&token)?;
        let filters = if self.eat("[") {
            self.filters(&source)?
        } else {
            Vec::new()
        };
        let said = Said { source, filters };
        if self.peek().is_some_and(|token| op_of(token.text).is_some()) {
            let op = self.op(&token)?;
            let (than, _) = self.whole()?;
            return Some(Condition::Count {
                said,
                op,
                than: than.max(0) as usize,
            });
        }
        Some(Condition::Said(said))
    }

    fn op(&mut self, before: &Token<'_>) -> Option<Op> {
        let found = self.peek().and_then(|token| op_of(token.text));
        if found.is_none() {
            let message = format!("`{}` is compared: =, !=, <, <=, > or >= must follow", before.text);
            return self.wrong(&before.range, message);
        }
        self.at += 1;
        found
    }

    fn equality(&mut self, before: &Token<'_>) -> Option<Op> {
        match self.op(before)? {
            op @ (Op::Equal | Op::Differs) => Some(op),
            _ => self.wrong(&before.range, format!("`{}` is compared by = or != only", before.text)),
        }
    }

    fn whole(&mut self) -> Option<(i64, Range<usize>)> {
        let token = self.word("a whole number")?;
        match token.text.parse() {
            Ok(number) => Some((number, token.range)),
            Err(_) => self.wrong(&token.range, format!("`{}` is not a whole number", token.text)),
        }
    }

    fn source(&mut self, token: &Token<'_>) -> Option<Source> {
        let text = token.text;
        if let Ok(signal) = text.parse() {
            return Some(Source::Signal(signal));
        }
        if let Some(at) = self.names.defined.iter().position(|name| name == text) {
            return Some(Source::Defined(at));
        }
        let part = |prefix: &str| {
            text.strip_prefix(prefix).map(|rest| Token {
                text: rest,
                range: token.range.start + prefix.len()..token.range.end,
            })
        };
        if let Some(id) = part("cue_") {
            return match id.text.parse() {
                Ok(cue) => Some(Source::Cue(cue)),
                Err(_) => self.unknown(&id, "cue", Cue::ALL.iter().map(|cue| cue.as_str()).collect()),
            };
        }
        if let Some(id) = part("phrase.") {
            return self.phrase(&id).map(Source::Phrase);
        }
        if let Some(id) = part("field.") {
            return match id.text.parse() {
                Ok(name) => Some(Source::Field(name)),
                Err(_) => self.unknown(&id, "field", FieldName::ALL.iter().map(|name| name.as_str()).collect()),
            };
        }
        let mut known: Vec<&str> = Signal::ALL.iter().map(|signal| signal.as_str()).collect();
        known.extend(self.names.defined.iter().map(String::as_str));
        known.extend(self.names.elements.iter().map(ElementId::as_str));
        if self.names.judged {
            known.extend(Number::ALL.iter().map(|(_, name, _)| *name));
            known.extend(Fact::ALL.iter().map(|(_, name, _)| *name));
            known.extend(["outcome", "move"]);
        }
        if !self.names.stages.is_empty() {
            known.push("stage");
        }
        self.unknown(token, "name", known)
    }

    fn phrase(&mut self, id: &Token<'_>) -> Option<usize> {
        let found = self.names.phrases.iter().position(|name| name == id.text);
        if found.is_none() {
            let known = self.names.phrases.iter().map(String::as_str).collect();
            return self.unknown(id, "phrase", known);
        }
        found
    }

    fn filters(&mut self, source: &Source) -> Option<Vec<Filter>> {
        let mut filters = Vec::new();
        loop {
            let not = self.eat("not");
            let token = self.peek();
            let pick = self.pick()?;
            let of_fields = matches!(pick, Pick::Status(_) | Pick::Value | Pick::Is(_) | Pick::Days(_));
            if let (true, Source::Signal(_) | Source::Cue(_) | Source::Phrase(_), Some(token)) =
                (of_fields, source, token)
            {
                return self.wrong(&token.range, format!("`{}` narrows fields only", token.text));
            }
            filters.push(Filter { not, pick });
            if !self.eat(",") {
                self.close("]")?;
                return Some(filters);
            }
        }
    }

    fn pick(&mut self) -> Option<Pick> {
        let token = self.word("a filter")?;
        Some(match token.text {
            "last" => Pick::Last,
            "number" => Pick::Number,
            "dated" => Pick::Dated,
            "decider" => Pick::Decider,
            "unsure" => Pick::Unsure,
            "open" => Pick::Open,
            "rep" => Pick::By(Role::Rep),
            "buyer" => Pick::By(Role::Buyer),
            "value" => Pick::Value,
            "says" => {
                let id = self.word("a phrase")?;
                Pick::Says(self.phrase(&id)?)
            }
            "is" => Pick::Is(self.word("a word")?.text.to_owned()),
            "with" => Pick::With(self.named_source()?),
            "after" => Pick::After(self.named_source()?),
            "before" => Pick::Before(self.named_source()?),
            "within" => Pick::Within(self.whole()?.0.max(0) as usize),
            "run" => Pick::Run(self.whole()?.0.max(1) as usize),
            "seconds" => Pick::Seconds(self.whole()?.0.clamp(0, i64::from(u32::MAX)) as u32),
            "days" => Pick::Days(self.whole()?.0.clamp(0, i64::from(u32::MAX)) as u32),
            status => match status.parse() {
                Ok(status) => Pick::Status(status),
                Err(_) => {
                    let mut known = FILTERS.to_vec();
                    known.extend(FieldStatus::ALL.iter().map(|status| status.as_str()));
                    return self.unknown(&token, "filter", known);
                }
            },
        })
    }

    fn named_source(&mut self) -> Option<Source> {
        let token = self.word("a signal or a name")?;
        self.source(&token)
    }
}

const FILTERS: &[&str] = &[
    "last", "number", "dated", "decider", "unsure", "open", "rep", "buyer", "value", "says", "is", "with", "after",
    "before", "within", "run", "seconds", "days", "not",
];

fn op_of(text: &str) -> Option<Op> {
    Some(match text {
        "=" => Op::Equal,
        "!=" => Op::Differs,
        "<" => Op::Less,
        "<=" => Op::AtMost,
        ">" => Op::More,
        ">=" => Op::AtLeast,
        _ => return None,
    })
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Names {
        Names {
            elements: vec![ElementId::from("pain")],
            stages: vec![StageId::from("lead"), StageId::from("pain")],
            phrases: vec!["signed".to_owned()],
            defined: vec!["refused".to_owned()],
            judged: true,
        }
    }

    fn read(text: &str) -> Result<Condition, String> {
        let file = format!("when = \"{text}\"");
        let problems = Problems::new(&file);
        let at = At {
            value: text,
            span: 7..file.len(),
        };
        let condition = parse(&at, &names(), &problems);
        let found = problems.into_sorted();
        match condition {
            Some(condition) if found.is_empty() => Ok(condition),
            _ => Err(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn conditions_are_read() {
        for text in [
            "buyer_pain",
            "buyer_pain and buyer_impact[number] or not (rep_price)",
            "buyer_value_ack[after buyer_vision, not before buyer_commitment, decider]",
            "pain >= 2 and stage < pain",
            "buyer_delay >= 2",
            "cue_power[last] and field.budget[stated] and phrase.signed[buyer]",
            "refused or calls >= 2 or promise_overdue",
            "outcome = no_sale and move != back",
            "field.timeline[days 183]",
            "",
            "never",
        ] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
        assert_eq!(
            read("buyer_pain or buyer_pain and refused"),
            Ok(Condition::Any(vec![
                Condition::Said(Said {
                    source: Source::Signal(Signal::BuyerPain),
                    filters: Vec::new()
                }),
                Condition::All(vec![
                    Condition::Said(Said {
                        source: Source::Signal(Signal::BuyerPain),
                        filters: Vec::new()
                    }),
                    Condition::Said(Said {
                        source: Source::Defined(0),
                        filters: Vec::new()
                    }),
                ]),
            ]))
        );
    }

    #[test]
    fn a_problem_names_its_word_and_the_nearest_known() {
        for (text, column, words) in [
            ("buyer_pain and buyer_visoin", 24, "did you mean `buyer_vision`?"),
            ("field.budgett", 15, "did you mean `budget`?"),
            ("pain", 9, "is compared"),
            ("pain > 9", 16, "0 to 3"),
            ("buyer_pain[latest]", 20, "unknown filter `latest`"),
            ("(buyer_pain", 19, "`)` is missing"),
            ("buyer_pain buyer_pain", 20, "not expected here"),
            ("buyer_pain and", 22, "the condition ends"),
            ("buyer_pain and and", 24, "`and` stands where"),
            ("stage = leed", 17, "did you mean `lead`?"),
            ("buyer_pain[within x]", 27, "not a whole number"),
            ("buyer_pain[stated]", 20, "`stated` narrows fields only"),
        ] {
            let error = read(text).expect_err(text);
            assert!(
                error.contains(words) && error.starts_with(&format!("1:{column}:")),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn words_of_the_rep_are_told_from_those_of_the_buyer() {
        for (text, rep) in [
            ("rep_price", true),
            ("phrase.signed[rep]", true),
            ("buyer_pain or rep_price >= 2", true),
            ("buyer_value_ack and rep_price", false),
            ("buyer_value_ack[after rep_price]", false),
            ("phrase.signed[not rep]", false),
        ] {
            assert_eq!(read(text).expect(text).rests_on_rep(&[]), rep, "{text}");
        }
    }

    #[test]
    fn what_can_never_hold_and_what_picks_turns() {
        let definitions = [Condition::Never];
        for (text, never, turns, fields) in [
            ("buyer_pain", false, true, false),
            ("never", true, false, false),
            ("refused", true, false, false),
            ("buyer_pain and refused", true, true, false),
            ("buyer_pain or never", false, true, false),
            ("not never", false, false, false),
            ("field.timeline[is decision] or buyer_pain", false, true, true),
            ("pain >= 2 and stage = lead", false, false, false),
        ] {
            let condition = read(text).expect(text);
            assert_eq!(condition.is_never(&definitions), never, "{text}");
            assert_eq!(condition.picks(false, &definitions), turns, "{text}");
            assert_eq!(condition.picks(true, &definitions), fields, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-zа-я_.0-9 \\[\\](),<>=!\"]{0,60}") {
            let _ = read(&text);
        }
    }
}
