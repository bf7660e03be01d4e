//! `norms.toml` → [`Norms`]: ranges, weights, penalties and texts of the scorecard, checked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::domain::{Band, CallType, Language, Metric, Severity};

const BUILT_IN: &str = include_str!("norms.toml");

static NORMS: LazyLock<Result<Norms, Error>> = LazyLock::new(|| Norms::load(BUILT_IN));

/// What is wrong with a file of norms, with its line where it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("norms of the scorecard: {0}")]
pub struct Error(String);

/// Figures that are judged together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    Discovery,
    Listening,
    Qualification,
    Value,
    Objections,
    Control,
}

impl Group {
    pub const ALL: [Self; 6] = [
        Self::Discovery,
        Self::Listening,
        Self::Qualification,
        Self::Value,
        Self::Objections,
        Self::Control,
    ];
}

/// Why a figure has no value, no norm, or is an estimate; each has its text in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NoTimes,
    OneChannel,
    SpeakersUnclear,
    CoarseTimes,
    NoOverlap,
    NoBackchannels,
    TooShort,
    TooFew,
    OtherType,
    NoObjection,
    NoOpening,
    NoDoubt,
    NoPrice,
    PriceBefore,
    NoDiscount,
    NoProduct,
    NoCompetitor,
    NotFirst,
    Ended,
    OneCall,
    NoNorm,
    ByWords,
}

impl Reason {
    const ALL: [Self; 22] = [
        Self::NoTimes,
        Self::OneChannel,
        Self::SpeakersUnclear,
        Self::CoarseTimes,
        Self::NoOverlap,
        Self::NoBackchannels,
        Self::TooShort,
        Self::TooFew,
        Self::OtherType,
        Self::NoObjection,
        Self::NoOpening,
        Self::NoDoubt,
        Self::NoPrice,
        Self::PriceBefore,
        Self::NoDiscount,
        Self::NoProduct,
        Self::NoCompetitor,
        Self::NotFirst,
        Self::Ended,
        Self::OneCall,
        Self::NoNorm,
        Self::ByWords,
    ];
}

/// One text in each language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    pub en: String,
    pub ru: String,
}

impl Text {
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }
}

/// From `min` to `max`, both included; an end that is not given is open.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn is_sound(self) -> bool {
        let finite = |end: Option<f64>| end.is_none_or(f64::is_finite);
        let ordered = !matches!((self.min, self.max), (Some(min), Some(max)) if min > max);
        (self.min.is_some() || self.max.is_some()) && finite(self.min) && finite(self.max) && ordered
    }

    fn lies_in(self, other: Self) -> bool {
        let above = other.min.is_none_or(|outer| self.min.is_some_and(|min| min >= outer));
        let below = other.max.is_none_or(|outer| self.max.is_some_and(|max| max <= outer));
        above && below
    }

    /// In figures: "0.35–0.55", "≤ 90", "≥ 0.4".
    fn figures(self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("{min}–{max}"),
            (Some(min), None) => format!("≥ {min}"),
            (None, Some(max)) => format!("≤ {max}"),
            (None, None) => String::new(),
        }
    }
}

/// What is good, what needs watching; the rest is poor.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    good: Range,
    watch: Range,
}

impl Bands {
    pub fn judge(&self, value: f64) -> Band {
        if self.good.holds(value) {
            Band::Good
        } else if self.watch.holds(value) {
            Band::Watch
        } else {
            Band::Poor
        }
    }

    /// The good range in figures.
    pub fn figures(&self) -> String {
        self.good.figures()
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricRow {
    id: Metric,
    #[serde(default)]
    group: Option<Group>,
    en: String,
    ru: String,
    source: String,
    good: Option<Range>,
    watch: Option<Range>,
    discovery: Option<Bands>,
    demo: Option<Bands>,
    negotiation: Option<Bands>,
    short: Option<Bands>,
    #[serde(default)]
    not_for: Vec<CallType>,
    #[serde(default)]
    least: usize,
    #[serde(default)]
    least_minutes: f64,
}

/// The norm of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// None: it does not count for the overall score.
    pub group: Option<Group>,
    pub name: Text,
    pub source: String,
    /// None: nobody knows what is good.
    bands: Option<Bands>,
    by_type: BTreeMap<CallType, Bands>,
    not_for: Vec<CallType>,
    /// Fewer cases than this say nothing.
    pub least: usize,
    /// A shorter call says nothing.
    pub least_minutes: f64,
}

impl Norm {
    pub fn bands(&self, call: CallType) -> Option<&Bands> {
        self.by_type.get(&call).or(self.bands.as_ref())
    }

    pub fn is_for(&self, call: CallType) -> bool {
        !self.not_for.contains(&call)
    }
}

/// By which shares of the words a call has its type.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRules {
    pub short_minutes: f64,
    pub demo: f64,
    pub negotiation: f64,
    pub negotiation_terms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub unknown_speech: f64,
    pub buyer_turns: usize,
}

/// Points off for each, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalty {
    each: f64,
    most: f64,
}

impl Penalty {
    pub fn of(self, count: f64) -> f64 {
        (self.each * count).min(self.most)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalties {
    pub premature: Penalty,
    pub pressure: Penalty,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pace {
    en: f64,
    ru: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    call_type: TypeRules,
    words_per_minute: Pace,
    limits: Limits,
    weights: BTreeMap<Group, f64>,
    penalties: Penalties,
    premature: BTreeMap<Severity, f64>,
    metric: Vec<MetricRow>,
    why: BTreeMap<Reason, Text>,
}

/// Everything that the scorecard is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Norms {
    pub call_type: TypeRules,
    pub limits: Limits,
    pub penalties: Penalties,
    pace: Pace,
    weights: BTreeMap<Group, f64>,
    premature: BTreeMap<Severity, f64>,
    /// In the order of [`Metric::ALL`].
    norms: Vec<Norm>,
    why: BTreeMap<Reason, Text>,
}

impl Norms {
    /// The norms that come with the program.
    pub fn built_in() -> Result<&'static Self, Error> {
        NORMS.as_ref().map_err(Clone::clone)
    }

    /// Reads and checks the text of a file of norms.
    pub fn load(text: &str) -> Result<Self, Error> {
        let wrong = |problem: String| Err(Error(problem));
        let file: File = toml::from_str(text).map_err(|error| Error(error.to_string().trim_end().to_owned()))?;
        if file.version != 1 {
            return wrong(format!(
                "version {} is not known; this program reads version 1",
                file.version
            ));
        }
        let mut rows: BTreeMap<Metric, Norm> = BTreeMap::new();
        for row in file.metric {
            let id = row.id;
            if rows.insert(id, norm(row)?).is_some() {
                return wrong(format!("metric `{id}` stands twice"));
            }
        }
        let mut norms = Vec::new();
        for id in Metric::ALL {
            match rows.remove(id) {
                Some(norm) => norms.push(norm),
                None => return wrong(format!("metric `{id}` is missing")),
            }
        }
        if let Some(reason) = Reason::ALL.iter().find(|reason| !file.why.contains_key(reason)) {
            return wrong(format!("`why` has no text for {reason:?}"));
        }
        if let Some(group) = Group::ALL.iter().find(|group| !file.weights.contains_key(group)) {
            return wrong(format!("`weights` has none for {group:?}"));
        }
        let severities = [Severity::Low, Severity::Medium, Severity::High];
        if let Some(severity) = severities
            .iter()
            .find(|severity| !file.premature.contains_key(severity))
        {
            return wrong(format!("`premature` has no points for {severity:?}"));
        }
        let Penalties { premature, pressure } = file.penalties;
        let points = [premature.each, premature.most, pressure.each, pressure.most];
        let mut amounts = file.weights.values().chain(file.premature.values()).chain(&points);
        if !amounts.all(|amount| amount.is_finite() && *amount >= 0.0) {
            return wrong("weights and points are numbers from 0 up".to_owned());
        }
        if file.words_per_minute.en <= 0.0 || file.words_per_minute.ru <= 0.0 {
            return wrong("`words_per_minute` must be over 0".to_owned());
        }
        Ok(Self {
            call_type: file.call_type,
            limits: file.limits,
            penalties: file.penalties,
            pace: file.words_per_minute,
            weights: file.weights,
            premature: file.premature,
            norms,
            why: file.why,
        })
    }

    pub fn norm(&self, metric: Metric) -> &Norm {
        &self.norms[metric.index()]
    }

    pub fn weight(&self, group: Group) -> f64 {
        self.weights.get(&group).copied().unwrap_or_default()
    }

    pub fn points(&self, severity: Severity) -> f64 {
        self.premature.get(&severity).copied().unwrap_or_default()
    }

    pub fn words_per_minute(&self, language: Language) -> f64 {
        match language {
            Language::En => self.pace.en,
            Language::Ru => self.pace.ru,
        }
    }

    pub fn why(&self, reason: Reason, language: Language) -> String {
        self.why
            .get(&reason)
            .map(|text| text.of(language).to_owned())
            .unwrap_or_default()
    }
}

fn norm(row: MetricRow) -> Result<Norm, Error> {
    let id = row.id;
    let bands = match (row.good, row.watch) {
        (Some(good), Some(watch)) => Some(Bands { good, watch }),
        (None, None) => None,
        _ => return Err(Error(format!("metric `{id}` needs `good` and `watch`, or neither"))),
    };
    let by_type: BTreeMap<CallType, Bands> = [
        (CallType::Discovery, row.discovery),
        (CallType::Demo, row.demo),
        (CallType::Negotiation, row.negotiation),
        (CallType::Short, row.short),
    ]
    .into_iter()
    .filter_map(|(call, bands)| Some((call, bands?)))
    .collect();
    for Bands { good, watch } in bands.iter().chain(by_type.values()) {
        // An open `watch` has no end to check.
        let open = watch.min.is_none() && watch.max.is_none();
        if !good.is_sound() || !(watch.is_sound() || open) || !good.lies_in(*watch) {
            return Err(Error(format!("metric `{id}`: `good` must lie within `watch`")));
        }
    }
    Ok(Norm {
        group: row.group,
        name: Text { en: row.en, ru: row.ru },
        source: row.source,
        bands,
        by_type,
        not_for: row.not_for,
        least: row.least,
        least_minutes: row.least_minutes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bands(metric: Metric, call: CallType) -> Bands {
        *Norms::built_in()
            .expect("norms")
            .norm(metric)
            .bands(call)
            .expect("bands")
    }

    #[test]
    fn bands_at_their_edges() {
        use Band::{Good, Poor, Watch};
        for (metric, call, edges) in [
            (
                Metric::TalkRatio,
                CallType::Discovery,
                vec![
                    (0.0, Watch),
                    (0.34, Watch),
                    (0.35, Good),
                    (0.55, Good),
                    (0.551, Watch),
                    (0.65, Watch),
                    (0.66, Poor),
                ],
            ),
            (
                Metric::TalkRatio,
                CallType::Demo,
                vec![(0.24, Watch), (0.45, Good), (0.65, Good), (0.75, Watch), (0.76, Poor)],
            ),
            (
                Metric::LongestRepMonologueS,
                CallType::Discovery,
                vec![(90.0, Good), (90.1, Watch), (150.0, Watch), (150.1, Poor)],
            ),
            (
                Metric::LongestRepMonologueS,
                CallType::Demo,
                vec![(135.0, Good), (226.0, Poor)],
            ),
            (
                Metric::QuestionCount30,
                CallType::Discovery,
                vec![
                    (4.0, Poor),
                    (5.0, Watch),
                    (8.0, Good),
                    (16.0, Good),
                    (17.0, Watch),
                    (22.0, Watch),
                    (23.0, Poor),
                ],
            ),
            (
                Metric::PatienceS,
                CallType::Demo,
                vec![(0.1, Poor), (0.2, Watch), (0.4, Good), (1.5, Good), (1.6, Watch)],
            ),
            (
                Metric::Interruptions10,
                CallType::Demo,
                vec![(2.0, Good), (5.0, Watch), (5.1, Poor)],
            ),
            (Metric::PressureCount, CallType::Demo, vec![(0.0, Good), (1.0, Poor)]),
            (
                Metric::NextStepQuality,
                CallType::Demo,
                vec![(3.0, Good), (2.0, Watch), (1.0, Poor)],
            ),
            (Metric::AgendaSet, CallType::Demo, vec![(1.0, Good), (0.0, Poor)]),
            (Metric::AgendaSet, CallType::Short, vec![(1.0, Good), (0.0, Watch)]),
        ] {
            for (value, band) in edges {
                assert_eq!(bands(metric, call).judge(value), band, "{metric} {call} {value}");
            }
        }
    }

    #[test]
    fn norms_in_figures() {
        assert_eq!(bands(Metric::TalkRatio, CallType::Discovery).figures(), "0.35–0.55");
        assert_eq!(
            bands(Metric::LongestRepMonologueS, CallType::Discovery).figures(),
            "≤ 90"
        );
        assert_eq!(bands(Metric::OpenQuestionShare, CallType::Discovery).figures(), "≥ 0.4");
    }

    #[test]
    fn the_weights_are_those_of_the_specification() {
        let norms = Norms::built_in().expect("norms");
        assert_eq!(
            Group::ALL.map(|group| norms.weight(group)),
            [25.0, 20.0, 15.0, 15.0, 10.0, 15.0]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (from, to, said) in [
            ("version = 1", "version = 2", "version 2"),
            ("max = 0.55 }", "max = 0.95 }", "`talk_ratio`"),
            ("good = { max = 90 }", "good = {}", "`longest_rep_monologue_s`"),
            ("id = \"spin_mix\"", "id = \"spin_mixx\"", "unknown Metric `spin_mixx`"),
            ("id = \"spin_mix\"", "id = \"agenda_set\"", "stands twice"),
            ("[why.no_times]", "[why.one_channell]", "one_channell"),
            ("control = 15", "control = -1", "from 0 up"),
            ("premature = { each", "premature = { eacg", "eacg"),
        ] {
            let text = BUILT_IN.replacen(from, to, 1);
            assert_ne!(text, BUILT_IN, "{from}");
            let error = Norms::load(&text).expect_err(to).to_string();
            assert!(error.contains(said), "{error}");
        }
        let cut = BUILT_IN.replacen("[[metric]]\nid = \"discount_discipline\"", "[[metrics]]", 1);
        assert!(Norms::load(&cut).is_err());
    }
}
