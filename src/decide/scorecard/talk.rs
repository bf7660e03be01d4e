//! A call as the scorecard looks at it: who asks, who speaks when, where the objections are.

use super::markers::{self, Markers, Question};
use super::norms::{Norms, Reason};
use crate::decide::Situation;
use crate::domain::{CallType, Role, Signal, Stage, Turn};

/// A longer reply is no backchannel (B.1.1).
const BACKCHANNEL_S: f64 = 1.0;
/// The most turns that a figure names.
const MOST_TURNS: usize = 10;
/// Turns after an objection that still answer it.
const ANSWER_TURNS: usize = 8;
/// An objection of the same kind this soon is the same one.
const REPEAT_TURNS: usize = 2;
pub const OBJECTIONS: [Signal; 3] = [Signal::BuyerObjPrice, Signal::BuyerObjNeed, Signal::BuyerObjTrust];
pub const ASKS: [Signal; 5] = [
    Signal::RepQSituation,
    Signal::RepQPain,
    Signal::RepQImpact,
    Signal::RepQVision,
    Signal::RepQDecision,
];

/// What a metric says, before it is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    pub value: f64,
    /// Places of the turns that made it.
    pub places: Vec<usize>,
    /// Reckoned from words, for want of times.
    pub estimate: bool,
}

pub type Measured = Result<Measure, Reason>;

pub fn exactly(value: f64, places: impl IntoIterator<Item = usize>) -> Measured {
    Ok(Measure {
        value,
        places: places.into_iter().take(MOST_TURNS).collect(),
        estimate: false,
    })
}

/// Speech with its times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Place of the turn.
    pub at: usize,
    pub role: Role,
    pub start: f64,
    pub end: f64,
    pub backchannel: bool,
}

impl Span {
    pub fn length(&self) -> f64 {
        self.end - self.start
    }
}

pub struct Talk<'a> {
    pub situation: &'a Situation<'a>,
    pub norms: &'a Norms,
    pub markers: &'a Markers,
    pub call_type: CallType,
    /// Questions of the rep: place and kind, in order.
    pub questions: Vec<(usize, Question)>,
    /// Turns in which an objection comes up; the same, repeated right after the answer, is still that one.
    pub objections: Vec<usize>,
    /// The transcript has question marks.
    marked: bool,
    backchannels: Vec<bool>,
    /// Words before each turn, and of the whole call at the end.
    words_before: Vec<usize>,
    /// In the order of their starts.
    spans: Result<Vec<Span>, Reason>,
}

impl<'a> Talk<'a> {
    pub fn new(situation: &'a Situation<'a>, norms: &'a Norms, markers: &'a Markers) -> Self {
        let turns = &situation.call.turns;
        let mut words_before = vec![0];
        for turn in turns {
            words_before.push(words_before.last().copied().unwrap_or_default() + count_words(turn));
        }
        let mut talk = Self {
            situation,
            norms,
            markers,
            call_type: CallType::Short,
            questions: Vec::new(),
            objections: Vec::new(),
            marked: turns.iter().any(|turn| turn.text.contains('?')),
            backchannels: Vec::new(),
            words_before,
            spans: Err(Reason::NoTimes),
        };
        talk.backchannels = (0..turns.len()).map(|at| talk.find_backchannel(at)).collect();
        talk.questions = talk.find_questions();
        talk.objections = talk.find_objections();
        talk.spans = talk.find_spans();
        talk.call_type = talk.find_type();
        talk
    }

    /// Turns that have labels.
    pub fn len(&self) -> usize {
        self.situation.call.turns.len().min(self.situation.labels.len())
    }

    pub fn turn(&self, at: usize) -> &Turn {
        &self.situation.call.turns[at]
    }

    pub fn text(&self, at: usize) -> &str {
        &self.turn(at).text
    }

    pub fn is(&self, at: usize, role: Role) -> bool {
        self.turn(at).role == role
    }

    pub fn has(&self, at: usize, signal: Signal) -> bool {
        self.situation.labels.get(at).is_some_and(|labels| labels.has(signal))
    }

    pub fn has_any(&self, at: usize, signals: &[Signal]) -> bool {
        signals.iter().any(|&signal| self.has(at, signal))
    }

    pub fn stage(&self, at: usize) -> Option<Stage> {
        self.situation.labels.get(at).map(|labels| labels.stage.id)
    }

    /// Places of the turns with a signal.
    pub fn at(&self, signal: Signal) -> Vec<usize> {
        (0..self.len()).filter(|&at| self.has(at, signal)).collect()
    }

    pub fn is_backchannel(&self, at: usize) -> bool {
        self.backchannels[at]
    }

    pub fn asks(&self, at: usize) -> bool {
        self.questions.iter().any(|&(place, _)| place == at)
    }

    /// Whether a sentence of the talk asks something.
    pub fn is_question(&self, sentence: &str) -> bool {
        self.markers.is_question(sentence, self.marked)
    }

    pub fn words(&self, at: usize) -> usize {
        self.words_before[at + 1] - self.words_before[at]
    }

    pub fn all_words(&self) -> usize {
        self.words_before.last().copied().unwrap_or_default()
    }

    pub fn buyer_turns(&self) -> usize {
        (0..self.len())
            .filter(|&at| self.is(at, Role::Buyer) && !self.is_backchannel(at))
            .count()
    }

    pub fn objects(&self, at: usize) -> bool {
        self.has_any(at, &OBJECTIONS)
    }

    /// Turns that answer an objection: up to the next one, and no more than eight after it was last said.
    pub fn answer(&self, objection: usize) -> std::ops::Range<usize> {
        let next = self.objections.iter().copied().find(|&at| at > objection);
        let end = next.unwrap_or(self.len());
        let last = (objection..end).rfind(|&at| self.objects(at)).unwrap_or(objection);
        objection + 1..end.min(last + 1 + ANSWER_TURNS)
    }

    /// Minutes of the call, and whether they are reckoned from words.
    pub fn minutes(&self) -> (f64, bool) {
        match self.spans.as_deref() {
            Ok([first, .., last]) => {
                let end = self
                    .spans
                    .iter()
                    .flatten()
                    .map(|span| span.end)
                    .fold(last.end, f64::max);
                ((end - first.start) / 60.0, false)
            }
            _ => {
                let pace = self.norms.words_per_minute(self.situation.language);
                (self.all_words() as f64 / pace, true)
            }
        }
    }

    /// How much of the talk is over where a turn begins, 0–1, and whether that is reckoned from words.
    pub fn passed(&self, at: usize) -> (f64, bool) {
        if let Ok(spans) = &self.spans
            && let (Some(first), Some(span)) = (spans.first(), spans.iter().find(|span| span.at == at))
        {
            let whole = self.minutes().0 * 60.0;
            if whole > 0.0 {
                return (((span.start - first.start) / whole).clamp(0.0, 1.0), false);
            }
        }
        (self.words_before[at] as f64 / self.all_words().max(1) as f64, true)
    }

    /// Every turn with its times.
    pub fn timed(&self) -> Result<&[Span], Reason> {
        self.spans.as_deref().map_err(|&reason| reason)
    }

    /// The same where it is clear who speaks.
    pub fn speech(&self) -> Result<&[Span], Reason> {
        let spans = self.timed()?;
        let total: f64 = spans.iter().map(Span::length).sum();
        let unknown = spans.iter().filter(|span| span.role == Role::Unknown);
        if unknown.map(Span::length).sum::<f64>() > total * self.norms.limits.unknown_speech {
            return Err(Reason::SpeakersUnclear);
        }
        Ok(spans)
    }

    /// The same without backchannels, where the times are exact enough for pauses.
    pub fn exchange(&self) -> Result<Vec<Span>, Reason> {
        let spans = self.speech()?;
        match self.situation.call.channels {
            Some(1) => return Err(Reason::OneChannel),
            Some(_) => {}
            None => {
                let whole = spans
                    .iter()
                    .all(|span| span.start.fract() == 0.0 && span.end.fract() == 0.0);
                let joined = spans.windows(2).all(|pair| pair[0].end == pair[1].start);
                if whole || joined {
                    return Err(Reason::CoarseTimes);
                }
            }
        }
        Ok(spans.iter().filter(|span| !span.backchannel).copied().collect())
    }

    fn find_type(&self) -> CallType {
        let rules = &self.norms.call_type;
        if self.minutes().0 < rules.short_minutes {
            return CallType::Short;
        }
        let share = |stages: &[Stage]| -> f64 {
            let about = (0..self.len()).filter(|&at| self.stage(at).is_some_and(|stage| stages.contains(&stage)));
            about.map(|at| self.words(at)).sum::<usize>() as f64
        };
        let needs = share(&[Stage::Discovery, Stage::Qualification]);
        let product = share(&[Stage::Presentation]);
        let terms = share(&[Stage::Commercial]);
        let dealing = terms + share(&[Stage::Objection]);
        let all = needs + product + dealing;
        if product > 0.0 && product >= all * rules.demo && product >= dealing {
            CallType::Demo
        } else if dealing > 0.0 && dealing >= all * rules.negotiation && terms >= all * rules.negotiation_terms {
            CallType::Negotiation
        } else {
            CallType::Discovery
        }
    }

    /// A short word between two turns of the other side that asks, answers and says nothing.
    fn find_backchannel(&self, at: usize) -> bool {
        let turns = &self.situation.call.turns;
        let turn = &turns[at];
        let other = |place: Option<usize>| {
            place
                .and_then(|place| turns.get(place))
                .filter(|near| near.role != turn.role && near.role != Role::Unknown)
        };
        let (Some(before), Some(_)) = (other(at.checked_sub(1)), other(Some(at + 1))) else {
            return false;
        };
        let short = match (turn.start_s, turn.end_s) {
            (Some(start), Some(end)) => end - start <= BACKCHANNEL_S,
            _ => true,
        };
        let silent = self
            .situation
            .labels
            .get(at)
            .is_none_or(|labels| labels.signals.is_empty());
        let asked = crate::domain::sentences(&before.text)
            .last()
            .is_some_and(|last| markers::has_mark(last) || self.is_question(last));
        turn.role != Role::Unknown && short && silent && !asked && self.markers.is_backchannel(&turn.text)
    }

    fn find_objections(&self) -> Vec<usize> {
        let mut starts = Vec::new();
        let mut before: Option<usize> = None;
        for at in (0..self.len()).filter(|&at| self.objects(at)) {
            let repeats = before.is_some_and(|before| {
                at - before <= REPEAT_TURNS
                    && OBJECTIONS
                        .iter()
                        .any(|&kind| self.has(before, kind) && self.has(at, kind))
            });
            if !repeats {
                starts.push(at);
            }
            before = Some(at);
        }
        starts
    }

    fn find_questions(&self) -> Vec<(usize, Question)> {
        let mut questions = Vec::new();
        for at in (0..self.situation.call.turns.len()).filter(|&at| self.is(at, Role::Rep)) {
            let mut asked = self.markers.questions(self.text(at), self.marked);
            // Its form got lost in recognition, and yet it asks.
            if asked.is_empty() && self.has_any(at, &ASKS) {
                asked.extend(self.markers.questions(self.text(at), false).into_iter().take(1));
                if asked.is_empty() {
                    asked.push(Question::Closed);
                }
            }
            questions.extend(asked.into_iter().map(|kind| (at, kind)));
        }
        questions
    }

    fn find_spans(&self) -> Result<Vec<Span>, Reason> {
        let turns = &self.situation.call.turns;
        let pace = self.norms.words_per_minute(self.situation.language);
        let mut spans = Vec::new();
        for (at, turn) in turns.iter().enumerate() {
            let start = turn.start_s.filter(|start| start.is_finite());
            let end = turn.end_s.filter(|end| end.is_finite());
            let (start, end) = match (start, end) {
                (Some(start), Some(end)) if end >= start => (start, end),
                // Formats that give only the beginnings leave the last turn without an end.
                (Some(start), None) if at + 1 == turns.len() => (start, start + self.words(at) as f64 / pace * 60.0),
                _ => return Err(Reason::NoTimes),
            };
            spans.push(Span {
                at,
                role: turn.role,
                start,
                end,
                backchannel: self.backchannels[at],
            });
        }
        spans.sort_by(|a, b| a.start.total_cmp(&b.start));
        let seconds: f64 = spans.iter().map(Span::length).sum();
        if seconds <= 0.0 || !seconds.is_finite() {
            return Err(Reason::NoTimes);
        }
        Ok(spans)
    }
}

fn count_words(turn: &Turn) -> usize {
    turn.text.split_whitespace().count()
}
