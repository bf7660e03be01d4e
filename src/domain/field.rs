//! Qualification fields: typed values with the words they come from.

use chrono::{NaiveDate, NaiveTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CallOutcome, DecidedBy, DecisionRole, FieldName, FieldStatus, Language, Role};

/// One fact, or the statement that it was not said.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub field: FieldName,
    pub status: FieldStatus,
    /// None for `not_stated` and `unknown_to_buyer`, and where the words fix no value ("twelve five").
    pub value: Option<FieldValue>,
    /// The words that carry the value. Empty for `not_stated`.
    pub raw: String,
    /// Number of the turn. None for `not_stated`.
    pub turn: Option<u32>,
    /// Who said it.
    pub role: Option<Role>,
    /// Exact substring of the turn's text. Empty for `not_stated`.
    pub quote: String,
    pub confidence: f32,
    pub decided_by: DecidedBy,
}

impl Field {
    pub fn not_stated(field: FieldName) -> Self {
        Self {
            field,
            status: FieldStatus::NotStated,
            value: None,
            raw: String::new(),
            turn: None,
            role: None,
            quote: String::new(),
            confidence: 1.0,
            decided_by: DecidedBy::Rules,
        }
    }
}

/// The value of a field; the shape depends on the field (domain specification, C.2), and the keys tell it too: what has a
/// text alone is a pain, an event always has its `date`. Closed lists are written as their id.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldValue {
    Money(Money),
    Date(DateValue),
    Person(Person),
    Quantity(Quantity),
    Competitor(Competitor),
    Commitment(Commitment),
    Percent { percent: f64 },
    Pain(Pain),
    Criterion(Criterion),
    Step(DecisionStep),
    Paper(PaperStep),
    Event(CriticalEvent),
    Objection(Objection),
    Source(LeadSource),
    Customer(CustomerKind),
    Outcome(CallOutcome),
    Contact(ContactChannel),
    Text(String),
}

impl FieldValue {
    /// A value as it stands in a document, for that field.
    pub fn read(field: FieldName, value: &serde_json::Value) -> Result<Self, NoValue> {
        use FieldName as F;
        fn of<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> Result<T, NoValue> {
            T::deserialize(value).map_err(|error| NoValue(error.to_string()))
        }
        let first = |readings: &[Reading]| {
            let mut problem = NoValue(String::new());
            for read in readings {
                match read(value) {
                    Ok(value) => return Ok(value),
                    Err(why) => problem = why,
                }
            }
            Err(problem)
        };
        let percent: Reading = |value| of::<Percentage>(value).map(|of| Self::Percent { percent: of.percent });
        let money: Reading = |value| of(value).map(Self::Money);
        let quantity: Reading = |value| of(value).map(Self::Quantity);
        match field {
            F::BuyerCompany | F::Industry | F::CurrentSolution | F::Goal | F::MaterialsRequested | F::OpenQuestions => {
                let text: String = of(value)?;
                if text.trim().is_empty() {
                    return Err(NoValue("the text is empty".to_owned()));
                }
                Ok(Self::Text(text))
            }
            F::Participants | F::DecisionMakers => of(value).map(Self::Person),
            F::TeamSize | F::Volumes => quantity(value),
            F::Pain => of(value).map(Self::Pain),
            F::PainImpact => first(&[percent, quantity, money]),
            F::DiscountOffered => first(&[percent, money]),
            F::DecisionCriteria => of(value).map(Self::Criterion),
            F::DecisionProcess => of(value).map(Self::Step),
            F::PaperProcess => of(value).map(Self::Paper),
            F::Budget | F::SigningLimit | F::QuotedPrice => money(value),
            F::Timeline | F::NextMeeting => of(value).map(Self::Date),
            F::CriticalEvent => of(value).map(Self::Event),
            F::Competitors => of(value).map(Self::Competitor),
            F::Objections => of(value).map(Self::Objection),
            F::Commitments => of(value).map(Self::Commitment),
            F::LeadSource => of(value).map(Self::Source),
            F::CustomerKind => of(value).map(Self::Customer),
            F::CallOutcome => of(value).map(Self::Outcome),
            F::ContactPreference => of(value).map(Self::Contact),
        }
    }
}

type Reading = fn(&serde_json::Value) -> Result<FieldValue, NoValue>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Percentage {
    percent: f64,
}

/// What was given is no value of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no value of this field: {0}")]
pub struct NoValue(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MoneyQualifier {
    Exact,
    Approx,
    Min,
    Max,
    Range,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    OneOff,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vat {
    Included,
    Excluded,
}

/// A sum of money as far as the words fix it; unknown parts are left out. Amounts in units of the currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// ISO 4217.
    pub currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// user, seat, minute, call, site
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    pub qualifier: MoneyQualifier,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<Vat>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scale_inferred: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub currency_inferred: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateQualifier {
    On,
    By,
    Before,
    After,
    Approx,
}

/// A day or an interval, counted from the date of the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateValue {
    /// go_live, decision, contract_end, budget_opens; call for a meeting by phone; left out where the words do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hours_minutes")]
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]{2}:[0-9]{2}$"))]
    pub time: Option<NaiveTime>,
    /// The end of a time interval.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hours_minutes")]
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]{2}:[0-9]{2}$"))]
    pub time_end: Option<NaiveTime>,
    pub qualifier: DateQualifier,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
    /// Before the call: never a timeline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub past: bool,
}

impl DateValue {
    /// The last day that the words allow: the day itself, or the end of the interval.
    pub fn latest(&self) -> Option<NaiveDate> {
        self.date.or(self.end).or(self.start)
    }

    /// The first day that the words allow.
    pub fn earliest(&self) -> Option<NaiveDate> {
        self.date.or(self.start).or(self.end)
    }
}

mod hours_minutes {
    use chrono::NaiveTime;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    const FORM: &str = "%H:%M";

    pub fn serialize<S: Serializer>(time: &Option<NaiveTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&time.format(FORM).to_string()),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let read = |text: String| NaiveTime::parse_from_str(&text, FORM).map_err(de::Error::custom);
        text.map(read).transpose()
    }
}

/// Somebody who was named or pointed to by a title.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<DecisionRole>,
    /// The side that the person is on.
    pub side: Role,
}

impl Person {
    /// The title as the fields name it, in words of a language.
    pub fn title_in(&self, language: Language) -> Option<&str> {
        self.title.as_deref().map(|title| title_in(title, language))
    }
}

/// A title or office as the fields name it, in words of a language.
pub fn title_in(title: &str, language: Language) -> &str {
    if language == Language::En {
        return title;
    }
    match title {
        "CFO" => "финансовый директор",
        "CEO" => "генеральный директор",
        "owner" => "собственник",
        "CTO" => "технический директор",
        "security" => "служба безопасности",
        "legal" => "юристы",
        "procurement" => "закупки",
        "IT" => "ИТ",
        "head of sales" => "руководитель продаж",
        "commercial director" => "коммерческий директор",
        "board" => "правление",
        "director" => "руководитель",
        "partner" => "партнёр",
        other => other,
    }
}

/// A count with its unit: people of a team, calls a week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approx: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompetitorStatus {
    Considering,
    Incumbent,
    InHouse,
    Unnamed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Competitor {
    /// As said; left out for "another vendor".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub status: CompetitorStatus,
}

/// A promise, by whom and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    pub who: Role,
    /// What is promised, in the words of the turn.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DateValue>,
}

/// A problem of the buyer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pain {
    /// The telling clause, in the words of the turn.
    pub text: String,
    /// An id of the list of kinds; None where none fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// What the buyer will judge a solution by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    pub text: String,
    /// Without it there is no deal; else it is nice to have.
    pub must: bool,
}

/// One step on the buyer's way to a decision. Steps of a call lie in the order in which they are said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionStep {
    pub step: String,
    /// Name or title of the person whose step it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DateValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaperKind {
    Legal,
    Security,
    Procurement,
    Tender,
    Contract,
}

/// Paperwork that the purchase has to pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaperStep {
    pub step: String,
    pub kind: PaperKind,
}

/// The reason that forces a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriticalEvent {
    pub text: String,
    /// The day by which it happens; written as null where the words name none.
    pub date: Option<DateValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectionKind {
    Price,
    Need,
    Trust,
    Delay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectionStatus {
    /// Nobody answered it, or it came back after the answer.
    Open,
    /// The rep answered, and the talk went on.
    Answered,
    /// The buyer took the answer.
    Accepted,
}

/// An objection with what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objection {
    pub kind: ObjectionKind,
    pub status: ObjectionStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeadSource {
    /// Somebody recommended us, or passed the contact on.
    Referral,
    /// They came by themselves: site, advertisement, a call.
    Inbound,
    /// We called first.
    Outbound,
    /// Fair, conference.
    Event,
    /// They bought before.
    Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    New,
    Existing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactChannel {
    Email,
    Phone,
    Messenger,
}
