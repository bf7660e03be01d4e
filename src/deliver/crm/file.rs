//! A connection file, checked: what the engine runs. Reading the text into it is in `check`.

use std::time::Duration;

use serde_json::Value as Json;

use super::check;
use super::template::{Address, Expression, Template, Tree};
use crate::tables::{self, Error};

/// The connections that come with the program, by name.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("amocrm", include_str!("amocrm.toml")),
    ("bitrix24", include_str!("bitrix24.toml")),
    ("espocrm", include_str!("espocrm.toml")),
    ("hubspot", include_str!("hubspot.toml")),
    ("odoo", include_str!("odoo.toml")),
    ("pipedrive", include_str!("pipedrive.toml")),
    ("salesforce", include_str!("salesforce.toml")),
];

/// Names in a customer's settings that say how our deals map to the CRM's: no setting of a file may have one.
pub const RESERVED_SETTINGS: [&str; 7] = ["stages", "closed", "fields", "note", "note_text", "tasks", "policy"];

/// How long an answer may take, if the file does not say.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A checked connection file.
#[derive(Debug, Clone, PartialEq)]
pub struct CrmFile {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) settings: Vec<Setting>,
    pub(super) http: Http,
    pub(super) sign_in: Option<SignIn>,
    pub(super) answers: Vec<AnswerRule>,
    pub(super) find: Vec<FindWay>,
    pub(super) read: Read,
    pub(super) stage: Option<Writing>,
    pub(super) field: Option<Writing>,
    pub(super) note: Option<Entries>,
    pub(super) task: Option<Entries>,
    pub(super) test: Vec<Request>,
}

/// What a customer must say to connect.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub name: String,
    pub title: String,
    /// Sealed in the store, never shown.
    pub secret: bool,
    /// Nothing need be said.
    pub optional: bool,
    pub default: Option<Json>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    pub base_url: Address,
    pub timeout: Duration,
    pub limits: Vec<LimitForm>,
    pub headers: Vec<(String, Template)>,
    /// Answers are JSON.
    pub json: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LimitForm {
    pub burst: Amount,
    pub per_second: Amount,
    pub requests: bool,
    pub only: Option<String>,
    pub full: bool,
}

/// A number, or what a setting makes of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Amount {
    Fixed(f64),
    Said(Template),
}

#[derive(Debug, Clone, PartialEq)]
pub struct SignIn {
    pub requests: Vec<Request>,
    pub session: Vec<(String, Expression)>,
    pub lasts_s: Option<Expression>,
}

/// What an answer means for what is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Ok,
    /// Too many requests: the same one again later.
    Wait,
    /// The CRM is not well: all again later.
    Retry,
    /// The session has ended.
    SignIn,
    /// There is no such thing.
    Missing,
    /// A person must do something before this can be done.
    Person,
    /// A person must do something before anything can be done.
    Stop,
}

impl Meaning {
    pub const ALL: [(&str, Self); 7] = [
        ("ok", Self::Ok),
        ("wait", Self::Wait),
        ("retry", Self::Retry),
        ("sign_in", Self::SignIn),
        ("missing", Self::Missing),
        ("person", Self::Person),
        ("stop", Self::Stop),
    ];
}

#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRule {
    /// Empty: any.
    pub status: Vec<u16>,
    pub when: Option<Expression>,
    pub means: Meaning,
    pub wait_s: Option<Expression>,
    pub say: Option<Template>,
}

/// What a deal can be found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    CrmId,
    Email,
    Phone,
    Name,
}

impl By {
    pub const ALL: [(&str, Self); 4] = [
        ("crm_id", Self::CrmId),
        ("email", Self::Email),
        ("phone", Self::Phone),
        ("name", Self::Name),
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrmId => "crm_id",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FindWay {
    pub by: By,
    pub requests: Vec<Request>,
    pub ids: Expression,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub requests: Vec<Request>,
    pub stage: Option<Expression>,
    pub field: Option<Expression>,
}

/// How a stage or a field is written, and how its name becomes an id.
#[derive(Debug, Clone, PartialEq)]
pub struct Writing {
    pub write: Vec<Request>,
    pub lookup: Option<Lookup>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    pub requests: Vec<Request>,
    pub items: Expression,
    pub id: Expression,
    pub name: Expression,
}

/// Notes, or tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Entries {
    pub create: Vec<Request>,
    pub created_id: Option<Expression>,
    pub find: Option<(Vec<Request>, Expression)>,
    pub delete: Option<Vec<Request>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: &'static str,
    pub address: Target,
    pub query: Vec<(Template, Tree)>,
    pub headers: Vec<(String, Template)>,
    pub payload: Payload,
    pub when: Option<Expression>,
    /// Once for each of a list, as `item`.
    pub each: Option<Expression>,
    /// What asks for the next page, as `page`; nothing: that was the last one.
    pub next: Option<Expression>,
    pub take: Vec<(String, Expression)>,
    pub cost: f64,
    /// The kind of its own buckets.
    pub rate: Option<String>,
    pub means: Vec<(u16, Meaning)>,
    /// Where this holds of an answer, there is no such thing.
    pub missing: Option<Expression>,
    /// The answer is JSON.
    pub json: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Behind the base address.
    Path(Address),
    Whole(Address),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    Nothing,
    /// JSON; a text is sent as it is.
    Body(Tree),
    Form(Vec<(Template, Tree)>),
}

impl CrmFile {
    /// Reads and checks the text of a connection file. `source` names it in errors.
    pub fn load(text: &str, source: &str) -> Result<Self, Error> {
        tables::read(text, source, check::read)
    }

    /// The text of a connection that comes with the program.
    pub fn built_in(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// What deals are found by, in order.
    pub fn ways(&self) -> Vec<By> {
        self.find.iter().map(|way| way.by).collect()
    }
}
