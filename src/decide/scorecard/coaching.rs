//! Tips, each at a turn where other words would have helped, and what went best. The wording is data (`coaching.toml`);
//! what a tip quotes is an exact part of a turn of the buyer's.

use std::cmp::Reverse;
use std::sync::LazyLock;

use serde::Deserialize;

use super::behaviour::{self, discounts, objection_steps, openings, qualified, was_heard};
use super::markers::{Question, has_mark, says};
use super::talk::{ASKS, Talk};
use super::{weights, worth};
use crate::domain::{
    Band, Evidence, FieldName, Language, Metric, MetricScore, Premature, PrematureMove, Role, Signal, Stage, Strength,
    Tip, sentences,
};

const BUILT_IN: &str = include_str!("coaching.toml");

static TIPS: LazyLock<Result<Wordings, String>> = LazyLock::new(|| Wordings::load(BUILT_IN));

/// More than this nobody works on.
const MOST: usize = 3;
/// Words of a quote that somebody can say.
const QUOTE_WORDS: std::ops::RangeInclusive<usize> = 4..=14;
/// Product talk that passes over what was said just before.
const PRODUCT: [Signal; 3] = [Signal::RepPitch, Signal::RepPrice, Signal::RepClose];

/// Where a tip applies; a move too early has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Occasion {
    Early(PrematureMove),
    Talk(Lapse),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Lapse {
    MissedOpening,
    Unheard,
    Pressure,
    ObjectionPrice,
    ObjectionNeed,
    ObjectionTrust,
    ObjectionUnchecked,
    ImpactNotAsked,
    ProblemNotAsked,
    PriceBeforeValue,
    DiscountGiven,
    PitchWithoutLink,
    NoProof,
    StepNone,
    StepUndated,
    StepNotTaken,
    DeciderUnknown,
    ProcessUnknown,
    BudgetUnknown,
    TimelineUnknown,
    NoAgenda,
    ClosedQuestions,
    LongMonologue,
    Interruption,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    quoting: Option<String>,
    plain: Option<String>,
    why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wording {
    id: Occasion,
    metric: Metric,
    en: Words,
    ru: Words,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wordings {
    version: u32,
    /// A tip that takes up the buyer's words weighs so much more.
    quoting: f64,
    strengths: Vec<Metric>,
    tip: Vec<Wording>,
}

impl Wordings {
    fn load(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.version != 1 {
            return Err(format!(
                "version {} is not known; this program reads version 1",
                file.version
            ));
        }
        for wording in &file.tip {
            for words in [&wording.en, &wording.ru] {
                let quotes = words.quoting.as_ref().is_none_or(|text| text.contains("{quote}"));
                let says = words.quoting.is_some() || words.plain.is_some();
                let explains = words.why.is_some() || matches!(wording.id, Occasion::Early(_));
                if !(quotes && says && explains) {
                    return Err(format!("tip {:?} lacks words, a reason or {{quote}}", wording.id));
                }
            }
        }
        Ok(file)
    }
}

/// A place where other words would have helped.
struct Case {
    occasion: Occasion,
    /// The turn to say it at.
    at: usize,
    /// Turns of the buyer's whose words may be taken up, the best first.
    buyer: Vec<usize>,
    why: Option<String>,
    /// Steps that were left out; of cases that weigh the same, the worst comes first.
    missed: usize,
}

/// Three tips at most, the one that would raise the overall score most first; one for each metric and turn.
pub fn tips(talk: &Talk<'_>, metrics: &[MetricScore], premature: &[Premature]) -> Vec<Tip> {
    let Ok(wordings) = TIPS.as_ref() else {
        return Vec::new();
    };
    let weights = weights(talk, metrics);
    let penalties = &talk.norms.penalties;
    let count = |id: Metric| metrics[id.index()].value().unwrap_or_default();
    let loss = |metric: Metric, turn: u32| -> f64 {
        match metric {
            Metric::PressureCount => penalties.pressure.of(count(metric)),
            Metric::PrematureCount => {
                let points = |early: &Premature| talk.norms.points(early.severity);
                let worst = premature.iter().map(points).fold(f64::MIN_POSITIVE, f64::max);
                let here = premature
                    .iter()
                    .filter(|early| early.turn == turn)
                    .map(points)
                    .fold(0.0, f64::max);
                penalties.premature.of(count(metric)) * here / worst
            }
            _ => weights
                .iter()
                .find(|(id, _, _)| *id == metric)
                .map_or(0.0, |(_, band, weight)| weight * (1.0 - worth(*band))),
        }
    };
    // What is lost, how much went wrong there, place in the file.
    let mut found: Vec<(f64, usize, usize, Tip)> = Vec::new();
    for case in cases(talk, metrics, premature) {
        let Some(rank) = wordings.tip.iter().position(|wording| wording.id == case.occasion) else {
            continue;
        };
        let wording = &wordings.tip[rank];
        let missed = case.missed;
        if let Some(tip) = tip(talk, wording, case) {
            let own_words = if tip.evidence.is_empty() { 1.0 } else { wordings.quoting };
            let lost = loss(wording.metric, tip.turn) * own_words;
            if lost > 0.0 {
                found.push((lost, missed, rank, tip));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut tips: Vec<Tip> = Vec::new();
    for (.., tip) in found {
        let new =
            |other: &Tip| other.metric != tip.metric && other.turn != tip.turn && other.say_instead != tip.say_instead;
        if tips.len() < MOST && tips.iter().all(new) {
            tips.push(tip);
        }
    }
    tips
}

fn tip(talk: &Talk<'_>, wording: &Wording, case: Case) -> Option<Tip> {
    let words = match talk.situation.language {
        Language::En => &wording.en,
        Language::Ru => &wording.ru,
    };
    let quoted = words.quoting.as_ref().and_then(|text| {
        let (at, quote) = case.buyer.iter().find_map(|&at| Some((at, short_quote(talk, at)?)))?;
        let evidence = Evidence {
            turn: talk.turn(at).i,
            quote: quote.to_owned(),
        };
        Some((text.replace("{quote}", quote), vec![evidence]))
    });
    let (say_instead, evidence) = quoted.or_else(|| Some((words.plain.clone()?, Vec::new())))?;
    Some(Tip {
        metric: wording.metric,
        turn: talk.turn(case.at).i,
        say_instead,
        why: case.why.or_else(|| words.why.clone())?,
        evidence,
    })
}

/// What of a turn can be said back: the statement about a trouble, the longest that is short enough. Where nothing shows
/// which that is, there is none.
fn short_quote<'t>(talk: &'t Talk<'_>, at: usize) -> Option<&'t str> {
    if says(talk.text(at), &talk.markers.private) {
        return None;
    }
    let bare = |part: &'t str| {
        let part = talk.markers.without_small_words(part);
        part.trim_matches(|c: char| c.is_whitespace() || ".!,;:…—–-".contains(c))
    };
    let count = |part: &str| part.split_whitespace().count();
    let fits = |part: &&str| QUOTE_WORDS.contains(&count(part)) && !part.contains(['“', '”', '«', '»', '"']);
    let statements: Vec<&str> = sentences(talk.text(at))
        .into_iter()
        .filter(|part| !has_mark(part) && !talk.markers.begins_asking(part))
        .collect();
    let clauses = || statements.iter().flat_map(|part| part.split([',', ';', ':', '—', '–']));
    let longest = |parts: &mut dyn Iterator<Item = &'t str>, telling: &dyn Fn(&str) -> bool| {
        let parts: Vec<&str> = parts.map(bare).filter(|part| fits(part) && telling(part)).collect();
        parts.into_iter().rev().max_by_key(|part| count(part))
    };
    let trouble = |part: &str| talk.markers.is_trouble(part);
    let any = |_: &str| true;
    // An objection or who decides fills its turn more often than a problem does.
    let about_one_thing = statements.len() <= 2 || talk.objects(at) || talk.has(at, Signal::BuyerDecider);
    longest(&mut statements.iter().copied(), &trouble)
        .or_else(|| longest(&mut clauses(), &trouble))
        .or_else(|| longest(&mut statements.iter().copied(), &any).filter(|_| about_one_thing))
}

/// The next turn of the rep's that says something.
fn reply(talk: &Talk<'_>, after: usize) -> Option<usize> {
    (after + 1..talk.len()).find(|&at| talk.is(at, Role::Rep) && !talk.is_backchannel(at))
}

fn last_rep(talk: &Talk<'_>) -> Option<usize> {
    (0..talk.len())
        .rev()
        .find(|&at| talk.is(at, Role::Rep) && !talk.is_backchannel(at))
}

fn last_before(places: &[usize], at: usize) -> Vec<usize> {
    places.iter().rev().copied().filter(|&place| place < at).collect()
}

fn cases(talk: &Talk<'_>, metrics: &[MetricScore], premature: &[Premature]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &objection in &talk.objections {
        cases.extend(objection_case(talk, objection));
    }
    let mut add = |lapse: Lapse, at: Option<usize>, buyer: Vec<usize>| {
        cases.extend(at.map(|at| Case {
            occasion: Occasion::Talk(lapse),
            at,
            buyer,
            why: None,
            missed: 0,
        }));
    };
    let wants = |metric: Metric| metrics[metric.index()].band().is_some_and(|band| band != Band::Good);
    let place = |turn: u32| (0..talk.len()).find(|&at| talk.turn(at).i == turn);
    let shown = |metric: Metric| metrics[metric.index()].turns().first().and_then(|&turn| place(turn));
    let pains = talk.at(Signal::BuyerPain);

    for opening in openings(talk).into_iter().filter(|&at| !was_heard(talk, at)) {
        if talk.objects(opening) {
            continue;
        }
        let next = reply(talk, opening);
        let product = next.is_some_and(|at| talk.has_any(at, &PRODUCT) && !talk.has_any(at, &ASKS));
        // A question about it takes it up too.
        if !product && next.is_some_and(|at| talk.asks(at)) {
            continue;
        }
        add(
            if product { Lapse::MissedOpening } else { Lapse::Unheard },
            next,
            vec![opening],
        );
    }
    add(
        Lapse::Pressure,
        talk.at(Signal::RepPressure).first().copied(),
        Vec::new(),
    );
    if talk.at(Signal::RepQImpact).is_empty() && behaviour::numeric_impacts(talk).is_empty() {
        let passed_over = |&&at: &&usize| reply(talk, at).is_some_and(|at| !talk.asks(at));
        let quotable = |&at: &usize| short_quote(talk, at).is_some();
        let mut open = pains.iter().filter(passed_over).copied();
        if let Some(pain) = open.clone().find(quotable).or_else(|| open.next()) {
            add(Lapse::ImpactNotAsked, reply(talk, pain), vec![pain]);
        }
    }
    let pitch = talk.at(Signal::RepPitch).first().copied();
    add(
        Lapse::ProblemNotAsked,
        pitch.filter(|&pitch| {
            let known = talk.at(Signal::BuyerPain).into_iter().chain(talk.at(Signal::RepQPain));
            known.min().is_none_or(|first| first > pitch)
        }),
        Vec::new(),
    );
    if wants(Metric::PriceAfterValue) {
        let price = talk.at(Signal::RepPrice).first().copied();
        add(
            Lapse::PriceBeforeValue,
            price,
            last_before(&pains, price.unwrap_or_default()),
        );
    }
    let given = discounts(talk).into_iter().find(|(_, fair)| !fair);
    add(Lapse::DiscountGiven, given.map(|(at, _)| at), Vec::new());
    if wants(Metric::ValueLinkShare) {
        let wishes = talk.at(Signal::BuyerVision);
        for at in talk.at(Signal::RepPitch) {
            let mut buyer = last_before(&pains, at);
            buyer.extend(last_before(&wishes, at));
            buyer.sort_unstable_by_key(|&at| Reverse(at));
            add(Lapse::PitchWithoutLink, Some(at), buyer);
        }
    }
    if wants(Metric::ProofGiven) {
        let doubt = shown(Metric::ProofGiven);
        let at = doubt.and_then(|doubt| reply(talk, doubt));
        add(Lapse::NoProof, at, doubt.into_iter().collect());
    }
    next_step(talk, metrics, &mut add);
    // What is not known by now is asked before the goodbye; after a refusal it is too late.
    let ask_at = (talk.len() / 2..talk.len())
        .find(|&at| talk.is(at, Role::Rep) && talk.stage(at) == Some(Stage::Closing))
        .or(last_rep(talk))
        .filter(|_| !talk.situation.is_lost());
    for (name, known) in qualified(talk) {
        let lapse = match name {
            FieldName::DecisionMakers => Lapse::DeciderUnknown,
            FieldName::DecisionProcess => Lapse::ProcessUnknown,
            FieldName::Budget => Lapse::BudgetUnknown,
            FieldName::Timeline => Lapse::TimelineUnknown,
            _ => continue,
        };
        if known.is_none() {
            add(lapse, ask_at, Vec::new());
        }
    }
    if wants(Metric::AgendaSet) {
        add(
            Lapse::NoAgenda,
            (0..talk.len()).find(|&at| talk.is(at, Role::Rep)),
            Vec::new(),
        );
    }
    if wants(Metric::OpenQuestionShare) {
        let topics = [Signal::RepQSituation, Signal::RepQPain];
        let closed = talk
            .questions
            .iter()
            .find(|(at, kind)| *kind == Question::Closed && talk.has_any(*at, &topics));
        add(Lapse::ClosedQuestions, closed.map(|&(at, _)| at), Vec::new());
    }
    if wants(Metric::LongestRepMonologueS) {
        add(Lapse::LongMonologue, shown(Metric::LongestRepMonologueS), Vec::new());
    }
    if wants(Metric::Interruptions10) {
        add(Lapse::Interruption, shown(Metric::Interruptions10), Vec::new());
    }

    for early in premature {
        let Some(at) = place(early.turn) else { continue };
        let buyer = match early.id {
            PrematureMove::CloseOverObjection => last_before(&talk.objections, at),
            _ => last_before(&pains, at),
        };
        cases.push(Case {
            occasion: Occasion::Early(early.id),
            at,
            buyer,
            why: Some(early.why.clone()).filter(|why| !why.is_empty()),
            missed: 0,
        });
    }
    cases
}

/// An objection that was answered without a question, or left without a check.
fn objection_case(talk: &Talk<'_>, objection: usize) -> Option<Case> {
    let steps = objection_steps(talk, objection);
    let [_, explored, _, checked] = steps;
    let (lapse, at) = if explored {
        let answered = [Signal::RepObjHandle, Signal::RepValueLink, Signal::RepProof];
        let mut answers = talk
            .answer(objection)
            .filter(|&at| talk.has_any(at, &answered) && !talk.asks(at));
        (Lapse::ObjectionUnchecked, answers.next_back().filter(|_| !checked)?)
    } else if talk.has(objection, Signal::BuyerObjPrice) {
        (Lapse::ObjectionPrice, reply(talk, objection)?)
    } else if talk.has(objection, Signal::BuyerObjTrust) {
        (Lapse::ObjectionTrust, reply(talk, objection)?)
    } else {
        (Lapse::ObjectionNeed, reply(talk, objection)?)
    };
    Some(Case {
        occasion: Occasion::Talk(lapse),
        at,
        buyer: vec![objection],
        why: None,
        missed: steps.iter().filter(|step| !**step).count(),
    })
}

fn next_step(talk: &Talk<'_>, metrics: &[MetricScore], add: &mut impl FnMut(Lapse, Option<usize>, Vec<usize>)) {
    let Some(quality) = metrics[Metric::NextStepQuality.index()].value() else {
        return;
    };
    let last_rep = last_rep(talk);
    let proposed = talk.at(Signal::RepNextStep).last().copied().or(last_rep);
    let deciders: Vec<usize> = talk.at(Signal::BuyerDecider).into_iter().rev().collect();
    if quality < 1.0 {
        add(Lapse::StepNone, last_rep, deciders);
    } else if quality < 2.0 {
        add(Lapse::StepUndated, proposed, deciders);
    } else if quality < 3.0 {
        add(Lapse::StepNotTaken, proposed, Vec::new());
    }
}

/// The most telling of what is good, with the words of the rep that show it.
pub fn strength(talk: &Talk<'_>, metrics: &[MetricScore]) -> Option<Strength> {
    let wordings = TIPS.as_ref().ok()?;
    wordings.strengths.iter().find_map(|&id| {
        let metric = metrics
            .get(id.index())
            .filter(|metric| metric.band() == Some(Band::Good))?;
        let places: Vec<usize> = (0..talk.len())
            .filter(|&at| metric.turns().contains(&talk.turn(at).i))
            .collect();
        let objection = id == Metric::ObjectionPattern;
        let best = if objection {
            let whole = places.iter().max_by_key(|&&at| {
                (
                    objection_steps(talk, at).iter().filter(|step| **step).count(),
                    Reverse(at),
                )
            });
            let answers = |&at: &usize| talk.has(at, Signal::RepObjHandle) || talk.has(at, Signal::RepValueLink);
            whole.and_then(|&at| talk.answer(at).find(answers).or_else(|| reply(talk, at)))
        } else if id == Metric::EmpathyResponse {
            places.iter().find_map(|&at| behaviour::heard_at(talk, at))
        } else {
            places.iter().copied().find(|&at| talk.is(at, Role::Rep))
        };
        let at = best.or_else(|| places.first().copied())?;
        let asked = matches!(id, Metric::DiscoveryDepth | Metric::OpenQuestionShare | Metric::SpinMix);
        let questions = places.iter().filter_map(|&at| question(talk, at)).filter(|_| asked);
        let evidence = questions
            .rev()
            .max_by_key(|evidence| evidence.quote.split_whitespace().count())
            .unwrap_or_else(|| talk.situation.quote(at));
        (!evidence.quote.is_empty()).then(|| Strength {
            metric: id,
            name: metric.name.clone(),
            evidence,
        })
    })
}

/// The last question of a turn of the rep's.
fn question(talk: &Talk<'_>, at: usize) -> Option<Evidence> {
    if !talk.is(at, Role::Rep) {
        return None;
    }
    let asked = sentences(talk.text(at))
        .into_iter()
        .rfind(|part| talk.is_question(part))?;
    Some(Evidence {
        turn: talk.turn(at).i,
        quote: asked.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_and_lapse_has_words() {
        let wordings = TIPS.as_ref().expect("the wording of tips");
        for id in PrematureMove::ALL {
            let words = wordings.tip.iter().filter(|tip| tip.id == Occasion::Early(*id));
            assert_eq!(words.count(), 1, "{id}");
        }
        let lapses = wordings.tip.iter().filter(|tip| matches!(tip.id, Occasion::Talk(_)));
        assert_eq!(lapses.count(), Lapse::Interruption as usize + 1);
        let mut ids: Vec<String> = wordings.tip.iter().map(|tip| format!("{:?}", tip.id)).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), wordings.tip.len());
    }

    #[test]
    fn wording_without_words_is_refused() {
        for (from, to) in [
            ("version = 1", "version = 2"),
            ("{quote}", "quote"),
            ("plain =", "plane ="),
        ] {
            let text = BUILT_IN.replacen(from, to, 3);
            assert!(Wordings::load(&text).is_err(), "{to}");
        }
    }
}
