//! A stored analysis document → its figures.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::SCHEMA;
use super::previous::{Error, Shape, Turn};
use crate::domain::{
    Amount, Band, CallFigures, CallType, CardFigures, CustomerKind, ElementId, FieldName, FieldStatus, Language,
    LeadSource, Metric, MetricFigures, Move, ObjectionKind, ObjectionStatus, OpenPromise, Period, PrematureFigures,
    PrematureMove, Role, Severity, Signal, StageId, Unit,
};

// Only what is asked for: documents of later versions may hold more.

#[derive(Deserialize)]
struct Analysis {
    call: Call,
    turns: Vec<Turn>,
    deal: Deal,
    qualification: Qualification,
    #[serde(default)]
    premature: Vec<Premature>,
    scorecard: Option<Scorecard>,
}

#[derive(Deserialize)]
struct Call {
    id: String,
    call_date: NaiveDate,
    language: Language,
}

#[derive(Deserialize)]
struct Deal {
    process: String,
    stage: Option<StageId>,
    confidence: f64,
    abstained: bool,
    on_hold: bool,
    elements: Vec<Element>,
    #[serde(rename = "move")]
    step: Option<Move>,
    #[serde(default)]
    open_promises: Vec<OpenPromise>,
    #[serde(default)]
    buyers: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Element {
    id: ElementId,
    score: u8,
}

#[derive(Deserialize)]
struct Qualification {
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    field: FieldName,
    status: FieldStatus,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
struct Premature {
    id: PrematureMove,
    turn: u32,
    severity: Severity,
}

#[derive(Deserialize)]
struct Scorecard {
    call_type: CallType,
    overall: Option<u8>,
    metrics: Vec<MetricInfo>,
}

#[derive(Deserialize)]
struct MetricInfo {
    id: Metric,
    value: Option<f64>,
    unit: Unit,
    #[serde(deserialize_with = "band")]
    band: Option<Band>,
    norm: String,
    #[serde(default)]
    turns: Vec<u32>,
}

/// Anything but the name of a band (`n/a`) is none.
fn band<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Band>, D::Error> {
    Ok(String::deserialize(deserializer)?.parse().ok())
}

#[derive(Deserialize)]
struct Day {
    kind: Option<String>,
    date: Option<NaiveDate>,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    #[serde(default)]
    past: bool,
}

impl Day {
    fn latest(&self) -> Option<NaiveDate> {
        self.date.or(self.end).or(self.start).filter(|_| !self.past)
    }
}

#[derive(Deserialize)]
struct Commitment {
    who: Role,
    due: Option<Day>,
}

#[derive(Deserialize)]
struct Objection {
    kind: ObjectionKind,
    status: ObjectionStatus,
}

#[derive(Deserialize)]
struct Money {
    amount: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    currency: String,
    period: Option<Period>,
    per: Option<String>,
    #[serde(default)]
    scale_inferred: bool,
    #[serde(default)]
    currency_inferred: bool,
}

/// Reads the text of one analysis document.
pub fn figures(text: &str) -> Result<CallFigures, Error> {
    let shape: Shape = serde_json::from_str(text)?;
    if shape.schema != SCHEMA {
        return Err(Error::Schema(shape.schema));
    }
    let analysis: Analysis = serde_json::from_str(text)?;
    let fields = Fields(&analysis.qualification.fields);
    let day = analysis.call.call_date;
    let ours =
        |promise: &OpenPromise| (promise.who == Role::Rep).then(|| promise.due.unwrap_or(promise.evidence.call_date));
    let signals: BTreeSet<Signal> = analysis
        .turns
        .iter()
        .flat_map(|turn| &turn.signals)
        .map(|signal| signal.id)
        .collect();
    Ok(CallFigures {
        call: analysis.call.id,
        call_date: day,
        language: analysis.call.language,
        process: analysis.deal.process,
        buyer_turns: analysis.turns.iter().filter(|turn| turn.role == Role::Buyer).count(),
        stage: analysis.deal.stage,
        confidence: analysis.deal.confidence,
        abstained: analysis.deal.abstained,
        on_hold: analysis.deal.on_hold,
        scores: analysis
            .deal
            .elements
            .into_iter()
            .map(|element| (element.id, element.score))
            .collect(),
        step: analysis.deal.step,
        next_step: fields.next_step(),
        decision_by: fields
            .each::<Day>(FieldName::Timeline)
            .filter(|day| day.kind.as_deref() == Some("decision"))
            .filter_map(|day| day.latest())
            .last(),
        our_promises: analysis.deal.open_promises.iter().filter_map(ours).collect(),
        buyers: analysis.deal.buyers.len(),
        open_objections: fields
            .each::<Objection>(FieldName::Objections)
            .filter(|objection| objection.status == ObjectionStatus::Open)
            .map(|objection| objection.kind)
            .collect(),
        customer: fields.each::<CustomerKind>(FieldName::CustomerKind).last(),
        lead_source: fields.each::<LeadSource>(FieldName::LeadSource).last(),
        price: fields.price(),
        signals,
        premature: analysis
            .premature
            .into_iter()
            .map(|premature| PrematureFigures {
                id: premature.id,
                turn: premature.turn,
                severity: premature.severity,
            })
            .collect(),
        card: analysis.scorecard.map(card),
    })
}

fn card(scorecard: Scorecard) -> CardFigures {
    let metric = |metric: MetricInfo| {
        Some(MetricFigures {
            id: metric.id,
            value: metric.value?,
            unit: metric.unit,
            band: metric.band,
            norm: metric.norm,
            turns: metric.turns,
        })
    };
    CardFigures {
        call_type: scorecard.call_type,
        overall: scorecard.overall,
        metrics: scorecard.metrics.into_iter().filter_map(metric).collect(),
    }
}

/// What was said in this call.
struct Fields<'a>(&'a [Field]);

impl Fields<'_> {
    fn each<T: for<'de> Deserialize<'de>>(&self, name: FieldName) -> impl Iterator<Item = T> {
        let said = self.0.iter().filter(move |field| {
            field.field == name && matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed)
        });
        said.filter_map(|field| T::deserialize(&field.value).ok())
    }

    fn next_step(&self) -> Option<NaiveDate> {
        let meeting = self
            .each::<Day>(FieldName::NextMeeting)
            .filter_map(|day| day.latest())
            .min();
        let theirs = self
            .each::<Commitment>(FieldName::Commitments)
            .filter(|promise| promise.who == Role::Buyer)
            .filter_map(|promise| promise.due?.latest());
        meeting.or_else(|| theirs.max())
    }

    /// None where several prices were named, a price for one of many, or one of which a part is not said but inferred: what the
    /// whole costs is not known then.
    fn price(&self) -> Option<Amount> {
        let mut found: Option<Amount> = None;
        for money in self.each::<Money>(FieldName::QuotedPrice) {
            let (low, high) = match (money.amount, money.min, money.max) {
                (Some(amount), _, _) => (amount, amount),
                (None, Some(min), Some(max)) => (min, max),
                _ => return None,
            };
            let price = Amount {
                low,
                high,
                currency: money.currency,
                period: money.period,
            };
            let unclear = money.per.is_some() || money.scale_inferred || money.currency_inferred;
            if unclear || found.as_ref().is_some_and(|known| *known != price) {
                return None;
            }
            found = Some(price);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, month, day).expect("a day")
    }

    fn document(fields: Value) -> String {
        json!({
            "schema": "dealstage.analysis/v1",
            "call": { "id": "c-1", "call_date": "2026-04-16", "language": "ru", "later": true },
            "turns": [
                { "i": 1, "role": "rep", "signals": [{ "id": "rep_price", "confidence": 0.9 }] },
                { "i": 2, "role": "buyer", "signals": [{ "id": "buyer_pain" }, { "id": "buyer_delay" }] },
                { "i": 3, "role": "buyer", "signals": [] },
            ],
            "deal": {
                "process": "ppvvc", "stage": "pain", "confidence": 0.6, "abstained": true, "on_hold": true, "move": "advance",
                "elements": [{ "id": "pain", "score": 2 }, { "id": "power", "score": 0 }],
                "open_promises": [
                    { "who": "rep", "what": "send it", "due": "2026-04-18", "call": "c-1", "call_date": "2026-04-16", "turn": 1, "quote": "" },
                    { "who": "rep", "what": "call back", "due": null, "call": "c-0", "call_date": "2026-04-02", "turn": 1, "quote": "" },
                    { "who": "buyer", "what": "data", "due": "2026-04-20", "call": "c-1", "call_date": "2026-04-16", "turn": 1, "quote": "" },
                ],
                "buyers": ["Anna", "Boris"],
            },
            "qualification": { "fields": fields },
            "premature": [{ "id": "pm_close_early", "turn": 1, "severity": "high" }],
            "scorecard": { "call_type": "discovery", "overall": 64, "metrics": [
                { "id": "talk_ratio", "value": 0.7, "unit": "share", "band": "poor", "norm": "0.35–0.55", "turns": [1] },
                { "id": "filler_rate", "value": 3.0, "unit": "per_100_words", "band": "n/a", "norm": "", "turns": [] },
                { "id": "patience_s", "value": null, "unit": "seconds", "band": "n/a", "norm": "0.4–1.5", "turns": [] },
            ] },
        })
        .to_string()
    }

    fn stated(field: &str, value: Value) -> Value {
        json!({ "field": field, "status": "stated", "value": value })
    }

    #[test]
    fn a_document_becomes_a_record_without_words() {
        let fields = json!([
            stated("next_meeting", json!({ "date": "2026-04-22", "qualifier": "on" })),
            stated("timeline", json!({ "kind": "decision", "end": "2026-06-30", "qualifier": "by" })),
            stated("objections", json!({ "kind": "price", "status": "open" })),
            stated("objections", json!({ "kind": "trust", "status": "accepted" })),
            stated("customer_kind", json!("existing")),
            stated("lead_source", json!("referral")),
            stated("quoted_price", json!({ "amount": 90000.0, "currency": "RUB", "period": "month", "qualifier": "approx" })),
            { "field": "budget", "status": "not_stated" },
        ]);
        let record = figures(&document(fields)).expect("a record");
        assert_eq!((record.call.as_str(), record.call_date), ("c-1", day(4, 16)));
        assert_eq!(record.stage.as_ref().map(StageId::as_str), Some("pain"));
        assert_eq!((record.buyer_turns, record.buyers, record.on_hold), (2, 2, true));
        assert_eq!(record.scores[&ElementId::from("pain")], 2);
        assert_eq!(record.step, Some(Move::Advance));
        assert_eq!(
            (record.next_step, record.decision_by),
            (Some(day(4, 22)), Some(day(6, 30)))
        );
        assert_eq!(record.our_promises, [day(4, 18), day(4, 2)]);
        assert_eq!(record.open_objections, [ObjectionKind::Price]);
        assert_eq!(
            (record.customer, record.lead_source),
            (Some(CustomerKind::Existing), Some(LeadSource::Referral))
        );
        let price = record.price.expect("a price");
        assert_eq!(
            (price.low, price.high, price.currency.as_str()),
            (90000.0, 90000.0, "RUB")
        );
        assert_eq!(price.period, Some(Period::Month));
        assert_eq!(record.signals.len(), 3);
        assert_eq!(record.premature[0].severity, Severity::High);
        let metrics = record.card.expect("a card").metrics;
        let bands: Vec<_> = metrics.iter().map(|metric| (metric.id, metric.band)).collect();
        assert_eq!(
            bands,
            [(Metric::TalkRatio, Some(Band::Poor)), (Metric::FillerRate, None)]
        );
    }

    #[test]
    fn what_the_whole_costs_is_taken_only_where_it_was_said() {
        let usd = |amount: f64| json!({ "amount": amount, "currency": "USD", "qualifier": "exact" });
        let price = |prices: &[Value]| {
            let fields = prices
                .iter()
                .map(|price| stated("quoted_price", price.clone()))
                .collect();
            figures(&document(fields)).expect("a record").price
        };
        assert_eq!(price(&[]), None);
        assert_eq!(price(&[usd(16.0), usd(29.0)]), None, "two plans");
        assert!(price(&[usd(16.0), usd(16.0)]).is_some(), "said twice");
        let seat = json!({ "amount": 40, "currency": "USD", "per": "user", "qualifier": "exact" });
        assert_eq!(price(&[seat]), None, "the price of one seat");
        let guessed = json!({ "amount": 40, "currency": "USD", "currency_inferred": true, "qualifier": "exact" });
        assert_eq!(price(&[guessed]), None, "forty of what");
        let limit = json!({ "max": 5000, "currency": "USD", "qualifier": "max" });
        assert_eq!(price(&[limit]), None, "at most");
        let range = json!({ "min": 3000, "max": 5000, "currency": "USD", "qualifier": "range" });
        let range = price(&[range]).expect("a range");
        assert_eq!((range.low, range.high), (3000.0, 5000.0));
        let fields = json!([{ "field": "quoted_price", "status": "proposed", "value": usd(1.0) }]);
        assert_eq!(figures(&document(fields)).expect("a record").price, None);
    }

    #[test]
    fn a_promise_of_the_buyers_is_a_next_step() {
        let promise = |who: &str, due: &str| {
            stated(
                "commitments",
                json!({ "who": who, "what": "x", "due": { "date": due } }),
            )
        };
        let fields = json!([
            promise("rep", "2026-05-30"),
            promise("buyer", "2026-04-20"),
            promise("buyer", "2026-04-24")
        ]);
        assert_eq!(
            figures(&document(fields)).expect("a record").next_step,
            Some(day(4, 24))
        );
        let undated = json!([stated("commitments", json!({ "who": "buyer", "what": "x" }))]);
        assert_eq!(figures(&document(undated)).expect("a record").next_step, None);
    }

    #[test]
    fn other_documents_are_refused() {
        let other = document(json!([])).replace("analysis/v1", "analysis/v9");
        assert!(matches!(figures(&other), Err(Error::Schema(_))));
        assert!(matches!(figures("{}"), Err(Error::Shape(_))));
    }
}
