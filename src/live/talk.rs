//! The growing call: which of its turns, verdicts and hints have been told, and what is new.
//!
//! Pure state without sockets and clocks. Everything that is said of the call comes from [`pipeline`], by the code that
//! analyses a stored call; the end is that very analysis, over the vectors that the turns already have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Error;
use super::protocol::{Change, Hint, HintKind, ServerMessage};
use crate::document::{DealInfo, TurnInfo};
use crate::domain::{Action, Call, Deal, Evidence, Language, PastEvidence, Premature, Turn};
use crate::pipeline::{self, Options, Standing, Transcribed};
use crate::process::Process;
use crate::understand;
use crate::understand::turn_model::{Known, Read, TurnModel, Vector};

/// Actions that are hinted at: the most urgent ones. More than this nobody does.
const MOST_ACTIONS: usize = 5;

pub struct Talk {
    /// With all turns so far, their roles as they were given.
    call: Call,
    /// Of all turns.
    vectors: Vec<Vector>,
    /// What the heads made of them.
    read: Read,
    process: Arc<Process>,
    options: Arc<Options>,
    told: Told,
}

/// What the client knows.
#[derive(Default)]
struct Told {
    turns: usize,
    deal: Option<DealInfo>,
    hints: BTreeSet<(HintKind, String, Option<u32>)>,
}

impl Talk {
    /// `call` has no turns yet. Roles are those of the turns; a speaker cannot be named before they have spoken, so
    /// `options.rep` does not count.
    pub fn new(call: Call, process: Arc<Process>, options: &Options) -> Result<Self, Error> {
        pipeline::check_history(&call, options)?;
        Ok(Self {
            call,
            vectors: Vec::new(),
            read: Read::default(),
            process,
            options: Arc::new(Options {
                rep: None,
                ..options.clone()
            }),
            told: Told::default(),
        })
    }

    pub fn id(&self) -> &str {
        &self.call.id
    }

    /// Names that may be said, as they are written.
    pub fn names(&self) -> &[String] {
        self.process.names()
    }

    /// Turns so far.
    pub fn turns(&self) -> &[Turn] {
        &self.call.turns
    }

    /// Whether the turn is new. One that has come before is not an error: a client that was cut off sends it again.
    pub fn is_new(&self, turn: &Turn) -> Result<bool, Error> {
        match self.call.turn(turn.i) {
            None => Ok(true),
            Some(known) if known.text == turn.text => Ok(false),
            Some(_) => Err(Error::OtherTurn(turn.i)),
        }
    }

    /// The language that is spoken, once it is known.
    pub fn set_language(&mut self, language: Language) {
        self.call.language.get_or_insert(language);
    }

    pub fn language(&self) -> Option<Language> {
        self.call.language
    }

    /// The recording of the call, once it has one.
    pub fn set_sound(&mut self, channels: u8, duration_s: f64) {
        self.call.channels = Some(channels);
        self.call.duration_s = Some(duration_s);
    }

    /// Takes the next turns with what the encoder made of them.
    pub(super) fn push(&mut self, turns: Vec<Turn>, vectors: Vec<Vector>) {
        self.call.turns.extend(turns);
        self.vectors.extend(vectors);
    }

    /// What is new since the last time: each turn, labelled by what had been said up to it; the deal, by all turns, if it
    /// has changed; and the hints that were not given before.
    pub(super) fn tell(&mut self, model: &TurnModel) -> Result<Vec<ServerMessage>, Error> {
        let count = self.call.turns.len();
        let mut messages = Vec::new();
        // Where several turns have come at once, all but the last need no verdict.
        for at in self.told.turns + 1..count {
            messages.push(self.turn_alone(at, model)?);
        }
        if self.told.turns == count {
            return Ok(messages);
        }
        let mut call = self.call.clone();
        call.duration_s = call.duration_s.or_else(|| last_second(&call));
        let known = Known {
            vectors: &self.vectors,
            read: &mut self.read,
        };
        let standing = pipeline::follow(call, known, &self.process, &self.options, model)?;
        let understanding = &standing.understanding;
        if let (Some(turn), Some(labels)) = (understanding.call.turns.last(), understanding.labels.last()) {
            messages.push(ServerMessage::Turn {
                turn: TurnInfo::new(turn, labels),
            });
        }
        self.told.turns = count;
        messages.extend(self.deal(&standing.deal));
        messages.extend(self.hints(&standing));
        Ok(messages)
    }

    /// The last of the first `count` turns, labelled by them.
    fn turn_alone(&mut self, count: usize, model: &TurnModel) -> Result<ServerMessage, Error> {
        let mut call = self.call.clone();
        call.turns.truncate(count);
        let known = Known {
            vectors: &self.vectors[..count],
            read: &mut self.read,
        };
        let (turns, labels) = understand::label_call(call, model, known).map_err(pipeline::Error::from)?;
        let last = turns.last().zip(labels.last()).ok_or(Error::Broken)?;
        Ok(ServerMessage::Turn {
            turn: TurnInfo::new(last.0, last.1),
        })
    }

    fn deal(&mut self, deal: &Deal) -> Option<ServerMessage> {
        let now = DealInfo::from(deal);
        let changed = changes(self.told.deal.as_ref(), &now);
        if changed.is_empty() {
            return None;
        }
        self.told.deal = Some(now.clone());
        Some(ServerMessage::Deal {
            deal: Box::new(now),
            changed,
        })
    }

    fn hints(&mut self, standing: &Standing) -> Vec<ServerMessage> {
        let warnings = standing
            .premature
            .iter()
            .map(|premature| (warning(premature), Some(premature.turn)));
        let actions = standing
            .next_actions
            .iter()
            .take(MOST_ACTIONS)
            .map(|action| (hint(action), None));
        let mut new = Vec::new();
        for (hint, turn) in warnings.chain(actions) {
            // What rests on no words cannot be shown.
            if hint.evidence.is_empty() && hint.earlier.is_empty() {
                continue;
            }
            if self.told.hints.insert((hint.kind, hint.id.clone(), turn)) {
                new.push(ServerMessage::Hint(hint));
            }
        }
        new
    }

    /// The call has ended: its words, for the analysis that they get as a stored call. `asr_model`: who heard it, if it had
    /// sound.
    pub fn end(mut self, asr_model: Option<String>) -> Result<Transcribed, Error> {
        if self.call.turns.is_empty() {
            return Err(Error::NoTurns);
        }
        self.call.duration_s = self.call.duration_s.or_else(|| last_second(&self.call));
        Ok(Transcribed {
            call: self.call,
            asr_model,
            egress: Vec::new(),
            decode: Duration::ZERO,
            transcribe: Duration::ZERO,
            known: Some(self.vectors.into()),
        })
    }
}

/// As a call file says its length.
fn last_second(call: &Call) -> Option<f64> {
    call.turns.iter().filter_map(|turn| turn.end_s).max_by(f64::total_cmp)
}

fn warning(premature: &Premature) -> Hint {
    Hint {
        kind: HintKind::Warning,
        id: premature.id.to_string(),
        title: premature.advice.clone(),
        why: premature.why.clone(),
        evidence: vec![Evidence {
            turn: premature.turn,
            quote: premature.quote.clone(),
        }],
        earlier: Vec::new(),
    }
}

fn hint(action: &Action) -> Hint {
    Hint {
        kind: HintKind::Action,
        id: action.id.to_string(),
        title: action.title.clone(),
        why: action.why.clone(),
        evidence: action.evidence.clone(),
        earlier: action.earlier.clone(),
    }
}

/// What became otherwise, the elements first: they are why the stage did.
fn changes(before: Option<&DealInfo>, now: &DealInfo) -> Vec<Change> {
    let mut changed: Vec<Change> = Vec::new();
    for element in &now.elements {
        let known = before.and_then(|before| before.elements.iter().find(|known| known.id == element.id));
        let score = known.map(|known| known.score);
        // Before the first word everything is at zero.
        if score.unwrap_or(0) != element.score {
            changed.push(Change {
                of: element.id.to_string(),
                from: score.into(),
                to: element.score.into(),
                why: element.why.clone(),
                evidence: element.evidence.clone(),
                earlier: element.earlier.clone(),
            });
        }
    }
    let reasons: Vec<&str> = changed.iter().map(|change| change.why.as_str()).collect();
    let why = if reasons.is_empty() {
        now.stage_purpose.clone().unwrap_or_default()
    } else {
        reasons.join(" ")
    };
    let evidence: Vec<Evidence> = changed
        .iter()
        .flat_map(|change| change.evidence.iter().cloned())
        .collect();
    let earlier: Vec<PastEvidence> = changed
        .iter()
        .flat_map(|change| change.earlier.iter().cloned())
        .collect();
    type Part = (&'static str, fn(&DealInfo) -> Value);
    let parts: [Part; 5] = [
        ("stage", |deal| json(&deal.stage)),
        ("outcome", |deal| json(&deal.call_outcome)),
        ("on_hold", |deal| json(&deal.on_hold)),
        ("abstained", |deal| json(&deal.abstained)),
        ("flags", |deal| json(&deal.flags)),
    ];
    for (of, part) in parts {
        let (from, to) = (before.map_or(Value::Null, part), part(now));
        if from != to {
            changed.push(Change {
                of: of.to_owned(),
                from,
                to,
                why: why.clone(),
                evidence: evidence.clone(),
                earlier: earlier.clone(),
            });
        }
    }
    changed
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
