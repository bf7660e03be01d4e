//! What was understood → how well the rep led the talk (E.1–E.5): 32 figures, an overall score, tips.
//!
//! Owns the formulas; norms, weights and texts are data (`norms.toml`), as are the words to look for (`markers.toml`)
//! and the wording of tips (`coaching.toml`). A figure without meaning for the call has no value, only a reason.
//! Behaviour is measured, from words alone: no feelings are read from a voice. Comparing reps is *not* here: one
//! call says too little for that.

mod behaviour;
mod coaching;
mod markers;
mod norms;
mod talk;
mod timing;

use super::Situation;
use crate::domain::{Band, Language, Metric, MetricReading, MetricScore, Premature, Scorecard, Unit};
use markers::Markers;
use norms::{Group, Norms, Reason};
use talk::{Measured, Talk};

/// None where the call is no sales call. `premature`: moves that came too early, found by the process.
pub fn scorecard(situation: &Situation<'_>, premature: &[Premature]) -> Option<Scorecard> {
    situation.deal.stage.as_ref()?;
    let norms = Norms::built_in().ok()?;
    let markers = Markers::of(situation.language)?;
    let talk = Talk::new(situation, norms, markers);
    let metrics: Vec<MetricScore> = Metric::ALL.iter().map(|&id| judge(&talk, id, premature)).collect();
    Some(Scorecard {
        call_type: talk.call_type,
        overall: overall(&talk, &metrics),
        coaching: coaching::tips(&talk, &metrics, premature),
        strength: coaching::strength(&talk, &metrics),
        metrics,
    })
}

/// What a figure is called.
pub fn metric_name(id: Metric, language: Language) -> &'static str {
    Norms::built_in().map_or(id.as_str(), |norms| norms.norm(id).name.of(language))
}

fn measure(talk: &Talk<'_>, id: Metric, premature: &[Premature]) -> Measured {
    match id {
        Metric::TalkRatio => timing::talk_ratio(talk),
        Metric::LongestRepMonologueS => timing::rep_monologue(talk),
        Metric::LongestBuyerStoryS => timing::buyer_story(talk),
        Metric::Interactivity => timing::interactivity(talk),
        Metric::QuestionCount30 => timing::question_count(talk),
        Metric::OpenQuestionShare => timing::open_questions(talk),
        Metric::QuestionSpread => timing::question_spread(talk),
        Metric::PatienceS => timing::patience(talk),
        Metric::PostObjectionPauseS => timing::post_objection_pause(talk),
        Metric::RateChangeAfterObjection => timing::rate_change(talk),
        Metric::ObjAnswerLengthS => timing::answer_length(talk),
        Metric::Interruptions10 => timing::interruptions(talk),
        Metric::BackchannelRate => timing::backchannels(talk),
        Metric::DeckMinutes => timing::deck(talk),
        Metric::FillerRate => timing::fillers(talk),
        Metric::NextStepShare => timing::next_step_share(talk),
        Metric::CompetitorMentionStage => timing::competitor_mention(talk),
        Metric::AgendaSet => behaviour::agenda(talk),
        Metric::DiscoveryDepth => behaviour::discovery_depth(talk),
        Metric::SpinMix => behaviour::spin_mix(talk),
        Metric::QualificationCoverage => behaviour::qualification_coverage(talk),
        Metric::ListeningRate => behaviour::listening_rate(talk),
        Metric::EmpathyResponse => behaviour::empathy_response(talk),
        Metric::ValueLinkShare => behaviour::value_link_share(talk),
        Metric::ProofGiven => behaviour::proof_given(talk),
        Metric::PriceAfterValue => behaviour::price_after_value(talk),
        Metric::ObjectionPattern => behaviour::objection_pattern(talk),
        Metric::NextStepQuality => behaviour::next_step_quality(talk),
        // Whether a promise was kept shows in a later call.
        Metric::PromisesKept => Err(Reason::OneCall),
        Metric::PrematureCount => behaviour::premature_count(talk, premature),
        Metric::PressureCount => behaviour::pressure_count(talk),
        Metric::DiscountDiscipline => behaviour::discount_discipline(talk),
    }
}

const fn unit(id: Metric) -> Unit {
    match id {
        Metric::TalkRatio
        | Metric::OpenQuestionShare
        | Metric::QuestionSpread
        | Metric::RateChangeAfterObjection
        | Metric::NextStepShare
        | Metric::CompetitorMentionStage
        | Metric::SpinMix
        | Metric::EmpathyResponse
        | Metric::ValueLinkShare
        | Metric::PromisesKept => Unit::Share,
        Metric::LongestRepMonologueS
        | Metric::LongestBuyerStoryS
        | Metric::PatienceS
        | Metric::PostObjectionPauseS
        | Metric::ObjAnswerLengthS => Unit::Seconds,
        Metric::DeckMinutes => Unit::Minutes,
        Metric::Interactivity | Metric::BackchannelRate => Unit::PerMin,
        Metric::Interruptions10 | Metric::ListeningRate => Unit::Per10Min,
        Metric::QuestionCount30 => Unit::Per30Min,
        Metric::FillerRate => Unit::Per100Words,
        Metric::DiscoveryDepth
        | Metric::QualificationCoverage
        | Metric::ObjectionPattern
        | Metric::NextStepQuality
        | Metric::PrematureCount => Unit::Points,
        Metric::PressureCount => Unit::Count,
        Metric::AgendaSet | Metric::ProofGiven | Metric::PriceAfterValue | Metric::DiscountDiscipline => Unit::YesNo,
    }
}

fn judge(talk: &Talk<'_>, id: Metric, premature: &[Premature]) -> MetricScore {
    let language = talk.situation.language;
    let norm = talk.norms.norm(id);
    let bands = norm.bands(talk.call_type).filter(|_| norm.is_for(talk.call_type));
    let why = |reason| talk.norms.why(reason, language);
    let measured = if norm.is_for(talk.call_type) {
        measure(talk, id, premature)
    } else {
        Err(Reason::OtherType)
    };
    let reading = match measured {
        Ok(_) if talk.minutes().0 < norm.least_minutes => MetricReading::NotApplicable {
            why: why(Reason::TooShort),
        },
        // Norms have two digits: a hundredth more is no other band.
        Ok(measure) if measure.value.is_finite() => {
            // (An empty sum is −0: plus 0 it is 0.)
            let value = (measure.value * 100.0).round() / 100.0 + 0.0;
            let turns = measure.places.iter().map(|&at| talk.turn(at).i).collect();
            match bands {
                Some(bands) => MetricReading::Judged {
                    value,
                    band: bands.judge(value),
                    turns,
                    why: measure.estimate.then(|| why(Reason::ByWords)),
                },
                None => MetricReading::Unjudged {
                    value,
                    turns,
                    why: why(Reason::NoNorm),
                },
            }
        }
        Ok(_) => MetricReading::NotApplicable {
            why: why(Reason::TooFew),
        },
        Err(reason) => MetricReading::NotApplicable { why: why(reason) },
    };
    MetricScore {
        id,
        name: norm.name.of(language).to_owned(),
        unit: unit(id),
        norm: match (bands, unit(id), language) {
            (None, _, _) => String::new(),
            (Some(_), Unit::YesNo, Language::En) => "yes".to_owned(),
            (Some(_), Unit::YesNo, Language::Ru) => "да".to_owned(),
            (Some(bands), _, _) => bands.figures(),
        },
        source: norm.source.clone(),
        reading,
    }
}

/// What a band is worth, 0–1.
fn worth(band: Band) -> f64 {
    match band {
        Band::Good => 1.0,
        Band::Watch => 0.5,
        Band::Poor => 0.0,
    }
}

/// Bands of the metrics of a group that say something, with their ids.
fn bands_of(talk: &Talk<'_>, metrics: &[MetricScore], group: Group) -> Vec<(Metric, Band)> {
    metrics
        .iter()
        .filter(|metric| talk.norms.norm(metric.id).group == Some(group))
        .filter_map(|metric| Some((metric.id, metric.band()?)))
        .collect()
}

/// What every point of each metric weighs in the overall score, 0–100, by groups that say something (E.5).
fn weights(talk: &Talk<'_>, metrics: &[MetricScore]) -> Vec<(Metric, Band, f64)> {
    let groups = Group::ALL.map(|group| (talk.norms.weight(group), bands_of(talk, metrics, group)));
    let total: f64 = groups
        .iter()
        .filter(|(_, bands)| !bands.is_empty())
        .map(|(weight, _)| weight)
        .sum();
    let mut all = Vec::new();
    for (weight, bands) in groups {
        let each = weight * 100.0 / (total.max(f64::MIN_POSITIVE) * bands.len().max(1) as f64);
        all.extend(bands.into_iter().map(|(id, band)| (id, band, each)));
    }
    all
}

fn overall(talk: &Talk<'_>, metrics: &[MetricScore]) -> Option<u8> {
    let weights = weights(talk, metrics);
    if weights.is_empty() || talk.buyer_turns() < talk.norms.limits.buyer_turns {
        return None;
    }
    let earned: f64 = weights.iter().map(|(_, band, weight)| worth(*band) * weight).sum();
    let count = |id: Metric| metrics[id.index()].value().unwrap_or_default();
    let penalties = &talk.norms.penalties;
    let off =
        penalties.premature.of(count(Metric::PrematureCount)) + penalties.pressure.of(count(Metric::PressureCount));
    Some((earned - off).clamp(0.0, 100.0).round() as u8)
}

#[cfg(test)]
mod tests;
