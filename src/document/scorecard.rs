//! The scorecard in the document and in both reports: the score, what went best, tips, and the figures that are not good.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Document;
use super::markdown::cell;
use super::text::{Look, short_quote, title, wrap};
use super::words::{self, say};
use crate::domain::{Band, CallType, Evidence, Language, Metric, MetricScore, Scorecard, Strength, Tip, Unit};

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ScorecardInfo {
    pub call_type: CallType,
    /// 0–100; null where too little was said to judge.
    pub overall: Option<u8>,
    pub metrics: Vec<MetricInfo>,
    pub coaching: Vec<TipInfo>,
    /// null where nothing stands out.
    pub strength: Option<StrengthInfo>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MetricInfo {
    pub id: Metric,
    /// In the language of the call.
    pub name: String,
    /// null where it has no meaning for the call.
    pub value: Option<f64>,
    pub unit: Unit,
    #[serde(serialize_with = "band")]
    #[schemars(schema_with = "band_schema")]
    pub band: Option<Band>,
    /// The good range in figures.
    pub norm: String,
    /// Grade of the source of the norm, and its name.
    pub source: String,
    pub turns: Vec<u32>,
    /// Why there is no value or no band, or that the value is an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

fn band_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let ids = Band::ALL.iter().map(|band| band.as_str()).chain(["n/a"]);
    schemars::json_schema!({ "type": "string", "enum": ids.collect::<Vec<_>>() })
}

/// A metric that is not judged has the band `n/a`.
fn band<S: Serializer>(band: &Option<Band>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(band.map_or("n/a", Band::as_str))
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TipInfo {
    pub metric: Metric,
    pub turn: u32,
    pub say_instead: String,
    pub why: String,
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StrengthInfo {
    pub metric: Metric,
    pub name: String,
    pub turn: u32,
    pub quote: String,
}

impl From<&Scorecard> for ScorecardInfo {
    fn from(card: &Scorecard) -> Self {
        Self {
            call_type: card.call_type,
            overall: card.overall,
            metrics: card.metrics.iter().map(MetricInfo::from).collect(),
            coaching: card.coaching.iter().map(TipInfo::from).collect(),
            strength: card.strength.as_ref().map(StrengthInfo::from),
        }
    }
}

impl From<&MetricScore> for MetricInfo {
    fn from(metric: &MetricScore) -> Self {
        Self {
            id: metric.id,
            name: metric.name.clone(),
            value: metric.value(),
            unit: metric.unit,
            band: metric.band(),
            norm: metric.norm.clone(),
            source: metric.source.clone(),
            turns: metric.turns().to_vec(),
            why: metric.why().map(str::to_owned),
        }
    }
}

impl From<&Tip> for TipInfo {
    fn from(tip: &Tip) -> Self {
        Self {
            metric: tip.metric,
            turn: tip.turn,
            say_instead: tip.say_instead.clone(),
            why: tip.why.clone(),
            evidence: tip.evidence.clone(),
        }
    }
}

impl From<&Strength> for StrengthInfo {
    fn from(strength: &Strength) -> Self {
        Self {
            metric: strength.metric,
            name: strength.name.clone(),
            turn: strength.evidence.turn,
            quote: strength.evidence.quote.clone(),
        }
    }
}

/// What goes with the name of a band.
pub fn band_name(band: Band, language: Language) -> &'static str {
    match band {
        Band::Good => say(language, "good", "хорошо"),
        Band::Watch => say(language, "watch", "обратить внимание"),
        Band::Poor => say(language, "poor", "слабо"),
    }
}

pub fn call_type(kind: CallType, language: Language) -> &'static str {
    match kind {
        CallType::Discovery => say(language, "discovery call", "выявление потребностей"),
        CallType::Demo => say(language, "demo", "презентация"),
        CallType::Negotiation => say(language, "negotiation", "переговоры об условиях"),
        CallType::Short => say(language, "short call", "короткий звонок"),
    }
}

/// A figure with its unit; a point in numbers is a comma in Russian.
fn figure(metric: &MetricInfo, language: Language) -> String {
    let Some(value) = metric.value else {
        return "—".to_owned();
    };
    let number = local(&value.to_string(), language);
    let unit = match metric.unit {
        Unit::YesNo if value > 0.0 => return say(language, "yes", "да").to_owned(),
        Unit::YesNo => return say(language, "no", "нет").to_owned(),
        Unit::Share | Unit::Count | Unit::Points => "",
        Unit::Seconds => say(language, " s", " с"),
        Unit::Minutes => say(language, " min", " мин"),
        Unit::PerMin => say(language, " a minute", " в минуту"),
        Unit::Per10Min => say(language, " in 10 min", " за 10 мин"),
        Unit::Per30Min => say(language, " in 30 min", " за 30 мин"),
        Unit::Per100Words => say(language, " in 100 words", " на 100 слов"),
    };
    format!("{number}{unit}")
}

fn local(figures: &str, language: Language) -> String {
    match language {
        Language::En => figures.to_owned(),
        Language::Ru => figures.replace('.', ","),
    }
}

/// The figures that a report shows: those to work on.
fn to_work_on(card: &ScorecardInfo) -> impl Iterator<Item = (&MetricInfo, Band)> {
    let judged = card.metrics.iter().filter_map(|metric| Some((metric, metric.band?)));
    judged.filter(|(_, band)| *band != Band::Good)
}

fn headline(card: &ScorecardInfo, language: Language) -> String {
    let score = card.overall.map_or_else(
        || {
            say(
                language,
                "too little talk for a score",
                "для оценки разговор слишком короткий",
            )
            .to_owned()
        },
        |score| format!("{score}/100"),
    );
    format!("{score} · {}", call_type(card.call_type, language))
}

fn norm(metric: &MetricInfo, language: Language) -> String {
    format!("{} {}", say(language, "norm", "норма"), local(&metric.norm, language))
}

/// Figures in the short report.
const MOST_FIGURES: usize = 4;

/// The section of the terminal's report.
pub fn text(out: &mut String, document: &Document, look: Look) {
    let language = document.call.language;
    let Some(card) = &document.scorecard else { return };
    title(
        out,
        look,
        "How the rep led the talk",
        "Как прошёл разговор со стороны менеджера",
        language,
    );
    let _ = writeln!(out, "  {}", look.bold(&headline(card, language)));
    if let Some(strength) = &card.strength {
        let label = say(language, "strength", "сильная сторона");
        let _ = writeln!(out, "  {} {label}: {}", look.paint("32", "+"), strength.name);
        let quote = short_quote(
            &strength.quote,
            &format!("[{}]", strength.turn),
            look.width,
            4,
            language,
        );
        let _ = writeln!(out, "    {}", look.dim(&quote));
    }
    for tip in &card.coaching {
        let _ = writeln!(
            out,
            "  {} {}",
            look.paint("33", "→"),
            wrap(&format!("[{}] {}", tip.turn, tip.why), look.width, 4)
        );
        let line = format!("{} {}", say(language, "say instead:", "лучше так:"), tip.say_instead);
        let _ = writeln!(out, "    {}", wrap(&line, look.width, 4));
    }
    for (metric, band) in to_work_on(card).take(if look.full { usize::MAX } else { MOST_FIGURES }) {
        let colour = if band == Band::Poor { "31" } else { "33" };
        let line = format!(
            "{}: {} ({})",
            metric.name,
            figure(metric, language),
            norm(metric, language)
        );
        let _ = writeln!(out, "  {} {}", look.paint(colour, "•"), wrap(&line, look.width, 4));
    }
}

/// The section of the Markdown report.
pub fn markdown(out: &mut String, document: &Document) {
    let language = document.call.language;
    let Some(card) = &document.scorecard else { return };
    let _ = writeln!(
        out,
        "## {}\n\n**{}**\n",
        say(
            language,
            "How the rep led the talk",
            "Как прошёл разговор со стороны менеджера"
        ),
        headline(card, language)
    );
    if let Some(strength) = &card.strength {
        let _ = writeln!(
            out,
            "{}: {}. {} ({})\n",
            say(language, "Strength", "Сильная сторона"),
            cell(&strength.name),
            words::quoted(&cell(&strength.quote), language),
            strength.turn
        );
    }
    for tip in &card.coaching {
        let _ = writeln!(
            out,
            "- **{}** {} {} _{}_",
            tip.turn,
            cell(&tip.why),
            say(language, "Say instead:", "Лучше так:"),
            cell(&tip.say_instead)
        );
    }
    let mut rows = to_work_on(card).peekable();
    if rows.peek().is_some() {
        let _ = writeln!(
            out,
            "\n| {} | {} | {} | |\n|---|---|---|---|",
            say(language, "figure", "показатель"),
            say(language, "value", "значение"),
            say(language, "norm", "норма"),
        );
    }
    for (metric, band) in rows {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            cell(&metric.name),
            figure(metric, language),
            cell(&local(&metric.norm, language)),
            band_name(band, language)
        );
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MetricReading;

    fn metric(unit: Unit, reading: MetricReading) -> MetricInfo {
        MetricInfo::from(&MetricScore {
            id: Metric::TalkRatio,
            name: "rep's share of the talk".to_owned(),
            unit,
            norm: "0.35–0.55".to_owned(),
            source: "B, Gong 2016/2025".to_owned(),
            reading,
        })
    }

    fn judged(value: f64) -> MetricReading {
        MetricReading::Judged {
            value,
            band: Band::Watch,
            turns: vec![3],
            why: None,
        }
    }

    #[test]
    fn what_has_no_meaning_is_null_and_says_why() {
        let why = "the transcript has no times".to_owned();
        let without = metric(Unit::Share, MetricReading::NotApplicable { why });
        let json = serde_json::to_value(&without).expect("JSON");
        assert_eq!(json["value"], serde_json::Value::Null);
        assert_eq!(json["band"], "n/a");
        assert_eq!(json["why"], "the transcript has no times");
        let json = serde_json::to_value(metric(Unit::Share, judged(0.6))).expect("JSON");
        assert_eq!(
            (&json["value"], &json["band"], &json["unit"]),
            (&0.6.into(), &"watch".into(), &"share".into())
        );
        assert!(json.get("why").is_none());
    }

    #[test]
    fn figures_in_both_languages() {
        let seconds = metric(Unit::Seconds, judged(1.5));
        assert_eq!(figure(&seconds, Language::En), "1.5 s");
        assert_eq!(figure(&seconds, Language::Ru), "1,5 с");
        assert_eq!(norm(&seconds, Language::Ru), "норма 0,35–0,55");
        assert_eq!(figure(&metric(Unit::YesNo, judged(0.0)), Language::En), "no");
        assert_eq!(figure(&metric(Unit::YesNo, judged(1.0)), Language::Ru), "да");
    }
}
