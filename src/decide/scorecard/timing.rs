//! Figures of time (E.2): who speaks how long, pauses, pace, questions over the call.
//!
//! Turns have times, words have not: a pause inside a turn is not seen, and speech is spread evenly over its turn.

use std::cmp::Reverse;

use super::markers::Question;
use super::norms::Reason;
use super::talk::{Measure, Measured, Span, Talk, exactly};
use crate::domain::{Language, Metric, Role, Signal, Stage};

/// Shorter speech of the buyer does not end a stretch of the rep's.
const BREAK_S: f64 = 1.0;
/// An interruption leaves more than this unsaid, and goes on longer than this.
const CUT_OFF_S: f64 = 1.0;
/// A buyer's turn over this takes part in the presentation.
const TAKES_PART_S: f64 = 5.0;
/// Around an objection the pace is taken from this much time.
const PACE_WINDOW_S: f64 = 30.0;
/// Less speech than this has no pace.
const PACE_SPEECH_S: f64 = 4.0;
/// Turns that show a share or a pace.
const SHOWN: usize = 3;

pub fn talk_ratio(talk: &Talk<'_>) -> Measured {
    let spans = talk.speech()?;
    let of = |role| -> f64 {
        let own = spans.iter().filter(|span| span.role == role);
        own.map(Span::length).sum()
    };
    let (rep, buyer) = (of(Role::Rep), of(Role::Buyer));
    if rep <= 0.0 || buyer <= 0.0 {
        return Err(Reason::TooFew);
    }
    let mut longest: Vec<&Span> = spans.iter().filter(|span| span.role == Role::Rep).collect();
    longest.sort_by(|a, b| b.length().total_cmp(&a.length()));
    exactly(rep / (rep + buyer), longest.iter().take(SHOWN).map(|span| span.at))
}

/// The longest stretch of one side: seconds, and its turns.
fn longest(talk: &Talk<'_>, role: Role) -> Measured {
    let mut best: Option<(f64, Vec<usize>)> = None;
    let mut stretch: Option<(f64, f64, Vec<usize>)> = None;
    for span in talk.speech()? {
        let other = span.role != role;
        if span.backchannel || other && span.length() <= BREAK_S {
            continue;
        }
        if other {
            stretch = None;
            continue;
        }
        let (start, end, places) = stretch.get_or_insert_with(|| (span.start, span.end, Vec::new()));
        *end = end.max(span.end);
        places.push(span.at);
        let length = *end - *start;
        if best.as_ref().is_none_or(|(longest, _)| length > *longest) {
            best = Some((length, places.clone()));
        }
    }
    let (length, places) = best.ok_or(Reason::TooFew)?;
    exactly(length, places)
}

pub fn rep_monologue(talk: &Talk<'_>) -> Measured {
    longest(talk, Role::Rep)
}

pub fn buyer_story(talk: &Talk<'_>) -> Measured {
    longest(talk, Role::Buyer)
}

pub fn interactivity(talk: &Talk<'_>) -> Measured {
    let sides: Vec<Role> = talk
        .speech()?
        .iter()
        .filter(|span| !span.backchannel && span.role != Role::Unknown)
        .map(|span| span.role)
        .collect();
    let changes = sides.windows(2).filter(|pair| pair[0] != pair[1]).count();
    exactly(changes as f64 / lasting(talk)?.0, [])
}

/// Minutes of the call, and whether they are an estimate.
pub fn lasting(talk: &Talk<'_>) -> Result<(f64, bool), Reason> {
    let (minutes, estimate) = talk.minutes();
    if minutes > 0.0 {
        Ok((minutes, estimate))
    } else {
        Err(Reason::TooShort)
    }
}

pub fn question_count(talk: &Talk<'_>) -> Measured {
    let (minutes, estimate) = lasting(talk)?;
    Ok(Measure {
        estimate,
        ..exactly(talk.questions.len() as f64 * 30.0 / minutes, asking(talk))?
    })
}

/// Places of the rep's questions, each once.
fn asking(talk: &Talk<'_>) -> Vec<usize> {
    let mut places: Vec<usize> = talk.questions.iter().map(|&(at, _)| at).collect();
    places.dedup();
    places
}

pub fn open_questions(talk: &Talk<'_>) -> Measured {
    let all = talk.questions.len();
    if all == 0 || all < talk.norms.norm(Metric::OpenQuestionShare).least {
        return Err(Reason::TooFew);
    }
    let open = talk.questions.iter().filter(|(_, kind)| *kind == Question::Open);
    let places: Vec<usize> = open.map(|&(at, _)| at).collect();
    let value = places.len() as f64 / all as f64;
    // Without an open one, the closed ones show it.
    let mut shown = if places.is_empty() { asking(talk) } else { places };
    shown.dedup();
    exactly(value, shown)
}

pub fn question_spread(talk: &Talk<'_>) -> Measured {
    let all = talk.questions.len();
    if all == 0 || all < talk.norms.norm(Metric::QuestionSpread).least {
        return Err(Reason::TooFew);
    }
    let mut estimate = false;
    let mut early = Vec::new();
    for &(at, _) in &talk.questions {
        let (passed, reckoned) = talk.passed(at);
        estimate |= reckoned;
        if passed < 1.0 / 3.0 {
            early.push(at);
        }
    }
    let value = early.len() as f64 / all as f64;
    early.dedup();
    Ok(Measure {
        estimate,
        ..exactly(value, early)?
    })
}

/// Seconds between the end of a buyer's speech and the rep's that follows, with the rep's place.
fn pauses(talk: &Talk<'_>, before: impl Fn(usize) -> bool) -> Result<Vec<(f64, usize)>, Reason> {
    let spans = talk.exchange()?;
    Ok(spans
        .windows(2)
        .filter(|pair| pair[0].role == Role::Buyer && pair[1].role == Role::Rep && before(pair[0].at))
        .map(|pair| ((pair[1].start - pair[0].end).max(0.0), pair[1].at))
        .collect())
}

/// The median, with the shortest pauses as its turns.
fn median_pause(mut pauses: Vec<(f64, usize)>) -> Measured {
    pauses.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = pauses.len() / 2;
    let value = match pauses.get(middle) {
        None => return Err(Reason::TooFew),
        Some((upper, _)) if pauses.len() % 2 == 1 => *upper,
        Some((upper, _)) => (pauses[middle - 1].0 + upper) / 2.0,
    };
    exactly(value, pauses.iter().take(SHOWN).map(|&(_, at)| at))
}

pub fn patience(talk: &Talk<'_>) -> Measured {
    let pauses = pauses(talk, |_| true)?;
    if pauses.len() < talk.norms.norm(Metric::PatienceS).least {
        return Err(Reason::TooFew);
    }
    median_pause(pauses)
}

/// The pause of the rep after an objection, where it is known.
pub fn pause_after(talk: &Talk<'_>, objection: usize) -> Option<f64> {
    let pauses = pauses(talk, |at| at == objection).ok()?;
    pauses.first().map(|&(pause, _)| pause)
}

pub fn post_objection_pause(talk: &Talk<'_>) -> Measured {
    if talk.objections.is_empty() {
        return Err(Reason::NoObjection);
    }
    median_pause(pauses(talk, |at| talk.objections.contains(&at))?)
}

/// Words of a turn; in Russian its vowels, because words differ too much in length.
fn beats(talk: &Talk<'_>, at: usize) -> f64 {
    match talk.situation.language {
        Language::En => talk.words(at) as f64,
        Language::Ru => {
            let text = talk.text(at).to_lowercase();
            text.chars().filter(|c| "аеёиоуыэюя".contains(*c)).count() as f64
        }
    }
}

/// Beats per second of the rep between two times; None with too little speech.
fn pace(talk: &Talk<'_>, spans: &[Span], from: f64, to: f64) -> Option<f64> {
    let (mut said, mut seconds) = (0.0, 0.0);
    for span in spans
        .iter()
        .filter(|span| span.role == Role::Rep && span.length() > 0.0)
    {
        let within = span.end.min(to) - span.start.max(from);
        if within > 0.0 {
            seconds += within;
            said += beats(talk, span.at) * within / span.length();
        }
    }
    (seconds >= PACE_SPEECH_S && said > 0.0).then(|| said / seconds)
}

pub fn rate_change(talk: &Talk<'_>) -> Measured {
    if talk.objections.is_empty() {
        return Err(Reason::NoObjection);
    }
    let spans = talk.exchange()?;
    let changes: Vec<(f64, usize)> = spans
        .iter()
        .filter(|span| talk.objections.contains(&span.at))
        .filter_map(|span| {
            let before = pace(talk, &spans, span.start - PACE_WINDOW_S, span.start)?;
            let after = pace(talk, &spans, span.end, span.end + PACE_WINDOW_S)?;
            Some((after / before - 1.0, span.at))
        })
        .collect();
    if changes.is_empty() {
        return Err(Reason::TooFew);
    }
    let mean = changes.iter().map(|(change, _)| change).sum::<f64>() / changes.len() as f64;
    exactly(mean, changes.iter().map(|&(_, at)| at))
}

pub fn answer_length(talk: &Talk<'_>) -> Measured {
    if talk.objections.is_empty() {
        return Err(Reason::NoObjection);
    }
    let spans = talk.speech()?;
    let mut answers: Vec<(f64, usize)> = Vec::new();
    for (place, span) in spans.iter().enumerate() {
        if !talk.objections.contains(&span.at) {
            continue;
        }
        let answer = spans[place + 1..]
            .iter()
            .take_while(|next| next.role != Role::Buyer || next.backchannel)
            .filter(|next| next.role == Role::Rep && !next.backchannel);
        let first = answer.clone().next().map(|next| next.at);
        if let Some(first) = first {
            answers.push((answer.map(Span::length).sum(), first));
        }
    }
    if answers.is_empty() {
        return Err(Reason::TooFew);
    }
    let mean = answers.iter().map(|(length, _)| length).sum::<f64>() / answers.len() as f64;
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    exactly(mean, answers.iter().map(|&(_, at)| at))
}

pub fn interruptions(talk: &Talk<'_>) -> Measured {
    let spans = talk.exchange()?;
    let (minutes, _) = lasting(talk)?;
    let overlaps = |a: &Span, b: &Span| a.role != b.role && b.start < a.end;
    // A transcript that lays turns end to end hides who spoke over whom.
    if talk.situation.call.channels.is_none() && !spans.windows(2).any(|pair| overlaps(&pair[0], &pair[1])) {
        return Err(Reason::NoOverlap);
    }
    let mut cut: Vec<usize> = Vec::new();
    let mut buyer: Option<&Span> = None;
    for span in &spans {
        match span.role {
            // Of several the one that goes on longest can still be cut off.
            Role::Buyer if buyer.is_none_or(|before| before.end < span.end) => buyer = Some(span),
            Role::Rep if span.length() > CUT_OFF_S => {
                let left = buyer.filter(|speaking| speaking.start < span.start);
                if left.is_some_and(|speaking| speaking.end - span.start > CUT_OFF_S) {
                    cut.push(span.at);
                }
            }
            _ => {}
        }
    }
    exactly(cut.len() as f64 * 10.0 / minutes, cut)
}

pub fn backchannels(talk: &Talk<'_>) -> Measured {
    let spans = talk.speech()?;
    match talk.situation.call.channels {
        Some(1) => return Err(Reason::OneChannel),
        None if !spans.iter().any(|span| span.backchannel) => return Err(Reason::NoBackchannels),
        _ => {}
    }
    let buyer = spans.iter().filter(|span| span.role == Role::Buyer);
    let minutes = buyer.map(Span::length).sum::<f64>() / 60.0;
    if minutes <= 0.0 {
        return Err(Reason::TooShort);
    }
    let own: Vec<usize> = spans
        .iter()
        .filter(|span| span.role == Role::Rep && span.backchannel)
        .map(|span| span.at)
        .collect();
    exactly(own.len() as f64 / minutes, own)
}

pub fn deck(talk: &Talk<'_>) -> Measured {
    let mut best: Option<(f64, Vec<usize>)> = None;
    let mut run: Option<(f64, Vec<usize>)> = None;
    for span in talk.speech()? {
        if span.backchannel {
            continue;
        }
        let takes_part = span.role == Role::Buyer && span.length() > TAKES_PART_S;
        if takes_part || talk.stage(span.at) != Some(Stage::Presentation) {
            run = None;
            continue;
        }
        let (start, places) = run.get_or_insert_with(|| (span.start, Vec::new()));
        places.push(span.at);
        let length = span.end - *start;
        if best.as_ref().is_none_or(|(longest, _)| length > *longest) {
            best = Some((length, places.clone()));
        }
    }
    let (length, places) = best.ok_or(Reason::NoProduct)?;
    exactly(length / 60.0, places)
}

pub fn fillers(talk: &Talk<'_>) -> Measured {
    let rep = (0..talk.len()).filter(|&at| talk.is(at, Role::Rep));
    let words: usize = rep.clone().map(|at| talk.words(at)).sum();
    if words == 0 || words < talk.norms.norm(Metric::FillerRate).least {
        return Err(Reason::TooShort);
    }
    let mut found: Vec<(usize, usize)> = rep
        .map(|at| (talk.markers.fillers(talk.text(at)), at))
        .filter(|(count, _)| *count > 0)
        .collect();
    let count: usize = found.iter().map(|(count, _)| count).sum();
    found.sort_by_key(|&(count, at)| (Reverse(count), at));
    exactly(count as f64 * 100.0 / words as f64, found.into_iter().map(|(_, at)| at))
}

pub fn next_step_share(talk: &Talk<'_>) -> Measured {
    if talk.situation.deal.previous_stage.is_some() {
        return Err(Reason::NotFirst);
    }
    let spans = talk.timed().ok();
    let weight = |at: usize| match spans {
        Some(spans) => spans.iter().find(|span| span.at == at).map_or(0.0, Span::length),
        None => talk.words(at) as f64,
    };
    let all: f64 = (0..talk.len()).map(weight).sum();
    if all <= 0.0 {
        return Err(Reason::TooShort);
    }
    let places: Vec<usize> = (0..talk.len())
        .filter(|&at| talk.stage(at) == Some(Stage::Closing))
        .collect();
    let closing: f64 = places.iter().map(|&at| weight(at)).sum();
    Ok(Measure {
        estimate: spans.is_none(),
        ..exactly(closing / all, places)?
    })
}

/// How much of the talk was over when a competitor first came up.
pub fn competitor_mention(talk: &Talk<'_>) -> Measured {
    if talk.situation.deal.previous_stage.is_some() {
        return Err(Reason::NotFirst);
    }
    let first = *talk.at(Signal::BuyerCompetitor).first().ok_or(Reason::NoCompetitor)?;
    let (value, estimate) = talk.passed(first);
    Ok(Measure {
        estimate,
        ..exactly(value, [first])?
    })
}
