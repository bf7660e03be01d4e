//! Runs the operations of a connection file against a CRM.
//!
//! Owns the rate, the session, what an answer means, and that no text which leaves has a secret in it. What is written when,
//! and what is done after an error, is *not* here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE};
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::check;
use super::file::{
    Amount, By, CrmFile, Entries, Lookup, Meaning, Payload, RESERVED_SETTINGS, Request, Target, Writing,
};
use super::rate::{Limit, Rate};
use super::secrets::{CUT, Secrets};
use super::template::{Expression, Failed, Scope, Template, Tree};
use crate::deliver::Guard;

/// Of an answer more is not read: no CRM has that much to say about one deal.
const LONGEST_ANSWER: usize = 2 << 20;
/// Of an answer that is told to a person.
const LONGEST_SAYING: usize = 300;
/// A CRM that asks for no more than this is waited for here.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where an answer means `wait` and does not say how long.
const USUAL_WAIT: Duration = Duration::from_secs(5);
/// How often one request is sent before the wait is left to the caller.
const TRIES: u32 = 3;
/// A text made of a secret: a digest, a header.
const LONGEST_SECRET: usize = 1000;
/// What signing in gives is a secret from this length on.
const SHORTEST_SESSION: usize = 6;
/// Pages of one list.
const MOST_PAGES: usize = 100;
/// Requests of one `each`.
const MOST_ITEMS: usize = 50;
/// Seconds before its end at which a session is renewed.
const SESSION_MARGIN: Duration = Duration::from_secs(30);

/// Why an operation came to nothing. Texts quote the CRM, so that a person can act on them: they are for the person, and
/// for no log. Secrets are cut out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The CRM allows no more for now: nothing should be asked before this time.
    #[error("{1}")]
    Wait(Duration, String),
    /// No answer, or one that says nothing: it is not known whether the CRM did it.
    #[error("{0}")]
    Retry(String),
    /// The CRM has no such thing.
    #[error("{0}")]
    Missing(String),
    /// Again will not help: a person must do something about this change.
    #[error("{0}")]
    Person(String),
    /// Nothing will work at this connection until a person has done something.
    #[error("{0}")]
    Stop(String),
    /// The file does not say how.
    #[error("the connection file does not say how to {0}")]
    Cannot(&'static str),
    /// The file has no way to look for a note or task.
    #[error("the connection file does not say how to look for one that was made before")]
    CannotFind,
}

/// What is added to a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Note,
    Task,
}

/// What can be asked of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    FindDeal(By),
    WriteStage,
    WriteField,
    Add(Entry),
    Find(Entry),
    Delete(Entry),
}

/// A note or a task, as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryText {
    /// Of a task.
    pub title: String,
    pub text: String,
    /// By which it is found again; unique.
    pub marker: String,
    /// Of a task.
    pub due: Option<NaiveDate>,
    /// Who is to do a task: the CRM's id of a user.
    pub owner: Option<String>,
    pub call: CallText,
}

/// The call that a note or task comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallText {
    pub id: String,
    pub date: Option<NaiveDate>,
    pub title: String,
    pub duration_s: Option<u32>,
    /// `inbound`, `outbound`, or empty.
    pub direction: String,
}

/// What the CRM has of a deal; what it has not is null.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DealState {
    pub stage: Json,
    /// By the names that were asked for.
    pub fields: BTreeMap<String, Json>,
}

/// A request as it went out, or would, and what was answered. Secrets are cut out.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The condition of the file under which it is sent.
    pub when: Option<String>,
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// Status and body; None: it was not sent, or nothing came back.
    pub answer: Option<(u16, String)>,
}

type Watch = Box<dyn FnMut(&Exchange) + Send>;
/// A name of `take`, and what it has come to.
type WatchTaken = Box<dyn FnMut(&str, &str) + Send>;

/// A CRM account. Not to be used by two at a time: its rate holds for one.
pub struct Connection {
    file: Arc<CrmFile>,
    scope: Scope,
    secrets: Secrets,
    secret_names: Vec<String>,
    /// None: nothing is sent, and placeholders stand for what answers would give.
    guard: Option<Guard>,
    rate: Rate,
    opened: Instant,
    session: Option<Session>,
    signing_in: bool,
    stages: Option<Vec<Named>>,
    fields: Option<Vec<Named>>,
    watch: Option<Watch>,
    watch_taken: Option<WatchTaken>,
}

struct Session {
    values: Json,
    until: Option<Instant>,
}

/// Something that the CRM knows by an id.
#[derive(Debug, Clone, PartialEq)]
struct Named {
    id: Json,
    names: Vec<String>,
}

/// What a lookup gave, for whoever said something else.
fn there_are(known: &[Named]) -> String {
    /// Fields may be hundreds.
    const MOST: usize = 20;
    let names = known.iter().filter_map(|named| named.names.first());
    let names: Vec<&str> = names.take(MOST).map(String::as_str).collect();
    let more = known.len() > names.len();
    match names.is_empty() {
        true => ": its lookup gave none".to_owned(),
        false => format!(": there are {}{}", names.join(", "), if more { ", …" } else { "" }),
    }
}

/// Which names a lookup gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Stages,
    Fields,
}

/// An answer, as expressions see it.
struct Answer {
    status: u16,
    headers: Json,
    body: Json,
    cookies: Json,
    /// The body of an answer that should have been JSON.
    broken: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("file", &self.file.name)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// `settings`: those that the file names, beside those of every connection ([`RESERVED_SETTINGS`]).
    pub fn open(file: &CrmFile, settings: &Map<String, Json>, guard: &Guard) -> Result<Self, Error> {
        Self::with(file, settings, Some(guard.clone()))
    }

    /// One that sends nothing and only shows its requests. Settings that are not given have their names in their place.
    pub fn dry(file: &CrmFile, settings: &Map<String, Json>) -> Result<Self, Error> {
        Self::with(file, settings, None)
    }

    fn with(file: &CrmFile, settings: &Map<String, Json>, guard: Option<Guard>) -> Result<Self, Error> {
        let known = || {
            file.settings
                .iter()
                .map(|setting| setting.name.as_str())
                .chain(RESERVED_SETTINGS)
        };
        if let Some(other) = settings
            .keys()
            .find(|name| !known().any(|known| known == name.as_str()))
        {
            let advice = match crate::tables::nearest(other, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::Stop(format!("unknown setting `{other}`; {advice}")));
        }
        let mut values = Map::new();
        let mut secrets = Secrets::default();
        for setting in &file.settings {
            let said = settings
                .get(&setting.name)
                .filter(|value| !value.is_null() && value.as_str() != Some(""));
            let value = match said.or(setting.default.as_ref()) {
                Some(value @ (Json::Array(_) | Json::Object(_))) => {
                    let kind = if value.is_array() { "list" } else { "table" };
                    return Err(Error::Stop(format!(
                        "setting `{}` is a text or number, not a {kind}",
                        setting.name
                    )));
                }
                Some(value) => value.clone(),
                None if setting.optional => Json::Null,
                None if guard.is_none() => Json::String(dry_setting(file, &setting.name)),
                None => {
                    return Err(Error::Stop(format!(
                        "setting `{}` is missing: {}",
                        setting.name, setting.title
                    )));
                }
            };
            if setting.secret && said.is_some() {
                secrets.add(value.as_str().unwrap_or(&value.to_string()));
            }
            values.insert(setting.name.clone(), value);
        }
        let scope = Scope::default().with("settings", &Json::Object(values));
        let mut limits = Vec::new();
        for form in &file.http.limits {
            limits.push(Limit {
                burst: amount(&form.burst, &scope)?,
                per_second: amount(&form.per_second, &scope)?,
                requests: form.requests,
                only: form.only.clone(),
                full: form.full,
            });
        }
        let secret = file.settings.iter().filter(|setting| setting.secret);
        Ok(Self {
            scope,
            secrets,
            secret_names: secret.map(|setting| format!("settings.{}", setting.name)).collect(),
            guard,
            rate: Rate::new(limits),
            opened: Instant::now(),
            session: None,
            signing_in: false,
            stages: None,
            fields: None,
            watch: None,
            watch_taken: None,
            file: Arc::new(file.clone()),
        })
    }

    /// Somebody else may have spent what was left of its rate.
    pub fn others_asked(&mut self) {
        self.rate.drain(self.opened.elapsed());
    }

    /// What the CRM said once may not hold any more.
    fn forget(&mut self) {
        (self.session, self.stages, self.fields) = (None, None, None);
    }

    /// Tells of every request.
    pub fn watch(&mut self, watch: impl FnMut(&Exchange) + Send + 'static) {
        self.watch = Some(Box::new(watch));
    }

    /// Tells of every value that is taken of an answer, as JSON. Not of sign-in: those are secrets.
    pub fn watch_taken(&mut self, watch: impl FnMut(&str, &str) + Send + 'static) {
        self.watch_taken = Some(Box::new(watch));
    }

    /// What people call the CRM.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// No request takes longer.
    pub fn timeout(&self) -> Duration {
        self.file.http.timeout
    }

    pub fn can(&self, operation: Operation) -> bool {
        self.file.can(operation)
    }

    /// Cuts the secrets of this connection out of a text.
    pub fn cut(&self, text: &str) -> String {
        self.secrets.cut(text)
    }

    fn is_dry(&self) -> bool {
        self.guard.is_none()
    }

    /// Ids of the deals that are found by the first way of the file that finds any; what the file has no way for is passed
    /// over. Nothing is found: none.
    pub async fn find_deal(&mut self, keys: &[(By, String)]) -> Result<Vec<String>, Error> {
        let file = self.file.clone();
        for way in &file.find {
            for (_, key) in keys.iter().filter(|(by, _)| *by == way.by) {
                let mut scope = self.fresh().with("key", &json!(key));
                match self.run(&way.requests, &mut scope).await {
                    // Who is not there has no deals.
                    Err(Error::Missing(_)) => continue,
                    other => other?,
                }
                if self.is_dry() {
                    return Ok(vec!["<deal>".to_owned()]);
                }
                let ids = self.eval(&way.ids, &scope)?.unwrap_or_default();
                let mut found: Vec<String> = Vec::new();
                for id in self.list(&way.ids, ids)? {
                    let id = text_of(&id);
                    if !id.is_empty() && !found.contains(&id) {
                        found.push(id);
                    }
                }
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        Ok(Vec::new())
    }

    /// `fields`: the CRM's names of fields, or their ids.
    pub async fn read_deal(&mut self, deal: &str, fields: &[String]) -> Result<DealState, Error> {
        let file = self.file.clone();
        let mut ids = Vec::new();
        for name in fields {
            ids.push(self.field_id(name).await?);
        }
        let mut scope = self.fresh().with("deal", &json!(deal)).with("names", &json!(ids));
        self.run(&file.read.requests, &mut scope).await?;
        let mut state = DealState::default();
        if self.is_dry() {
            return Ok(state);
        }
        if let Some(stage) = &file.read.stage {
            state.stage = self.eval(stage, &scope)?.unwrap_or_default();
        }
        for (name, id) in fields.iter().zip(ids) {
            let Some(field) = &file.read.field else {
                return Err(Error::Cannot("read fields"));
            };
            scope.set("name", &id);
            let value = self.eval(field, &scope)?.unwrap_or_default();
            state.fields.insert(name.clone(), value);
        }
        Ok(state)
    }

    /// What the CRM calls a stage that settings name by its name or id.
    pub async fn stage_id(&mut self, said: &str) -> Result<Json, Error> {
        match self.named(Names::Stages, said).await? {
            Some(id) => Ok(id),
            None => Ok(Json::String(said.to_owned())),
        }
    }

    /// The name of a stage, for people; None: the CRM has no other.
    pub async fn stage_name(&mut self, id: &Json) -> Result<Option<String>, Error> {
        if self.lookup(Names::Stages).is_none() || self.is_dry() {
            return Ok(None);
        }
        if self.stages.is_none() {
            self.look_up(Names::Stages).await?;
        }
        let stages = self.stages.iter().flatten();
        let found = stages
            .filter(|stage| text_of(&stage.id) == text_of(id))
            .find_map(|stage| stage.names.first());
        Ok(found.cloned())
    }

    /// `old`: what it is now, as it was read.
    pub async fn write_stage(&mut self, deal: &str, value: &Json, old: &Json) -> Result<(), Error> {
        let file = self.file.clone();
        let stage = file.stage.as_ref().ok_or(Error::Cannot("write stages"))?;
        let mut scope = self
            .fresh()
            .with("deal", &json!(deal))
            .with("value", value)
            .with("old", old);
        let written = self.run(&stage.write, &mut scope).await;
        self.forget_after(Names::Stages, &written);
        written
    }

    /// `name`: as in [`Self::read_deal`].
    pub async fn write_field(&mut self, deal: &str, name: &str, value: &Json) -> Result<(), Error> {
        let file = self.file.clone();
        let field = file.field.as_ref().ok_or(Error::Cannot("write fields"))?;
        let id = self.field_id(name).await?;
        let fields = json!({ text_of(&id): value });
        let mut scope = self.fresh().with("deal", &json!(deal)).with("name", &id);
        scope.set("value", value);
        scope.set("fields", &fields);
        let written = self.run(&field.write, &mut scope).await;
        self.forget_after(Names::Fields, &written);
        written
    }

    /// The id of what was made; None where the CRM does not say it.
    pub async fn add(&mut self, entry: Entry, deal: &str, text: &EntryText) -> Result<Option<String>, Error> {
        let file = self.file.clone();
        let entries = file.entries(entry).ok_or(Error::Cannot(match entry {
            Entry::Note => "write notes",
            Entry::Task => "make tasks",
        }))?;
        let call = json!({
            "id": text.call.id,
            "date": text.call.date,
            "title": text.call.title,
            "duration_s": text.call.duration_s,
            "direction": text.call.direction,
        });
        let mut scope = self.fresh().with("deal", &json!(deal)).with("call", &call);
        scope.set("text", &json!(text.text));
        scope.set("marker", &json!(text.marker));
        if entry == Entry::Task {
            scope.set("title", &json!(text.title));
            scope.set("due", &json!(text.due));
            scope.set("owner", &json!(text.owner));
        }
        self.run(&entries.create, &mut scope).await?;
        match &entries.created_id {
            Some(id) => self.id(id, &scope),
            None => Ok(None),
        }
    }

    /// The id of a note or task with this marker.
    pub async fn find(&mut self, entry: Entry, deal: &str, marker: &str) -> Result<Option<String>, Error> {
        let file = self.file.clone();
        let find = file.entries(entry).and_then(|entries| entries.find.as_ref());
        let (requests, id) = find.ok_or(Error::CannotFind)?;
        let mut scope = self.fresh().with("deal", &json!(deal)).with("marker", &json!(marker));
        match self.run(requests, &mut scope).await {
            Err(Error::Missing(_)) => Ok(None),
            other => other.and_then(|()| self.id(id, &scope)),
        }
    }

    /// One that is gone already is no error.
    pub async fn delete(&mut self, entry: Entry, deal: &str, id: &str) -> Result<(), Error> {
        let file = self.file.clone();
        let delete = file.entries(entry).and_then(|entries| entries.delete.as_ref());
        let requests = delete.ok_or(Error::Cannot("delete"))?;
        let mut scope = self.fresh().with("deal", &json!(deal)).with("id", &json!(id));
        match self.run(requests, &mut scope).await {
            Err(Error::Missing(_)) => Ok(()),
            other => other,
        }
    }

    /// Asks what changes nothing.
    pub async fn test(&mut self) -> Result<(), Error> {
        let file = self.file.clone();
        let mut scope = self.fresh();
        self.run(&file.test, &mut scope).await
    }

    fn fresh(&self) -> Scope {
        self.scope
            .clone()
            .with("now", &json!(Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string()))
    }

    fn id(&self, id: &Expression, scope: &Scope) -> Result<Option<String>, Error> {
        if self.is_dry() {
            return Ok(Some("<id>".to_owned()));
        }
        let id = self.eval(id, scope)?.map(|id| text_of(&id));
        Ok(id.filter(|id| !id.is_empty()))
    }

    async fn field_id(&mut self, name: &str) -> Result<Json, Error> {
        Ok(self
            .named(Names::Fields, name)
            .await?
            .unwrap_or_else(|| Json::String(name.to_owned())))
    }

    fn lookup(&self, names: Names) -> Option<Lookup> {
        let of = match names {
            Names::Stages => self.file.stage.as_ref(),
            Names::Fields => self.file.field.as_ref(),
        };
        of.and_then(|of: &Writing| of.lookup.clone())
    }

    fn cache(&mut self, names: Names) -> &mut Option<Vec<Named>> {
        match names {
            Names::Stages => &mut self.stages,
            Names::Fields => &mut self.fields,
        }
    }

    /// The CRM may have been changed since its names were asked for.
    fn forget_after(&mut self, names: Names, written: &Result<(), Error>) {
        if matches!(written, Err(Error::Missing(_) | Error::Person(_))) {
            *self.cache(names) = None;
        }
    }

    /// None: the file has no names to look up.
    async fn named(&mut self, names: Names, said: &str) -> Result<Option<Json>, Error> {
        if self.lookup(names).is_none() {
            return Ok(None);
        }
        let is_fresh = self.cache(names).is_none();
        if is_fresh {
            self.look_up(names).await?;
        }
        if self.is_dry() {
            return Ok(Some(Json::String(format!("<id of {said}>"))));
        }
        let kind = match names {
            Names::Stages => "stage",
            Names::Fields => "field",
        };
        let found = match choose(self.cache(names).as_deref().unwrap_or_default(), said) {
            Choice::None if !is_fresh => {
                self.look_up(names).await?;
                choose(self.cache(names).as_deref().unwrap_or_default(), said)
            }
            other => other,
        };
        match found {
            Choice::One(id) => Ok(Some(id)),
            Choice::None => {
                let message = format!(
                    "the CRM has no {kind} `{said}`{}",
                    there_are(self.cache(names).as_deref().unwrap_or_default())
                );
                Err(Error::Person(self.secrets.cut(&message)))
            }
            Choice::Many(ids) => {
                let ids: Vec<String> = ids.iter().map(text_of).collect();
                let message = format!(
                    "the CRM has several {kind}s `{said}`: name one by its id ({})",
                    ids.join(", ")
                );
                Err(Error::Person(self.secrets.cut(&message)))
            }
        }
    }

    async fn look_up(&mut self, names: Names) -> Result<(), Error> {
        let Some(lookup) = self.lookup(names) else {
            return Ok(());
        };
        let mut scope = self.fresh();
        self.run(&lookup.requests, &mut scope).await?;
        let mut known = Vec::new();
        if !self.is_dry() {
            let items = self.eval(&lookup.items, &scope)?.unwrap_or_default();
            for item in self.list(&lookup.items, items)? {
                let of_item = scope.clone().with("item", &item);
                let name = match self.eval(&lookup.name, &of_item)?.unwrap_or_default() {
                    Json::Array(names) => names,
                    name => vec![name],
                };
                let id = self.eval(&lookup.id, &of_item)?.unwrap_or_default();
                if !id.is_null() {
                    known.push(Named {
                        id,
                        names: name.iter().map(text_of).collect(),
                    });
                }
            }
        }
        *self.cache(names) = Some(known);
        Ok(())
    }

    fn eval(&self, expression: &Expression, scope: &Scope) -> Result<Option<Json>, Error> {
        expression.eval(scope).map_err(|failed| {
            let message = format!("the answer of the CRM has another form than the file says: {failed}");
            Error::Person(self.secrets.cut(&message))
        })
    }

    /// None and null are the empty list.
    fn list(&self, expression: &Expression, value: Json) -> Result<Vec<Json>, Error> {
        match value {
            Json::Array(items) => Ok(items),
            Json::Null => Ok(Vec::new()),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => Err(Error::Person(format!(
                "the answer of the CRM has another form than the file says: `{}` is no list",
                expression.source()
            ))),
        }
    }

    /// Sends requests in order, each with what those before it took.
    async fn run(&mut self, requests: &[Request], scope: &mut Scope) -> Result<(), Error> {
        let mut taken: Vec<&str> = Vec::new();
        for request in requests {
            let names = request.take.iter().map(|(name, _)| name.as_str());
            let when = request.when.as_ref();
            // What a condition over answers comes to is not known where there are none.
            let told =
                when.is_none_or(|when| self.is_dry() && when.variables().iter().any(|name| is_taken(name, &taken)));
            if !told && !when.is_some_and(|when| when.holds(scope)) {
                taken.extend(names);
                continue;
            }
            taken.extend(names);
            let items = match &request.each {
                None => vec![None],
                Some(_) if self.is_dry() => vec![None],
                Some(each) => {
                    let items = self.eval(each, scope)?.unwrap_or_default();
                    let items = self.list(each, items)?;
                    if items.len() > MOST_ITEMS {
                        let message = format!(
                            "`{}` has {} items: too many to ask for each",
                            each.source(),
                            items.len()
                        );
                        return Err(Error::Person(message));
                    }
                    items.into_iter().map(Some).collect()
                }
            };
            let joins = request.each.is_some() || request.next.is_some();
            let mut joined: Vec<Vec<Json>> = vec![Vec::new(); request.take.len()];
            for item in items {
                if let Some(item) = &item {
                    scope.set("item", item);
                }
                scope.set("page", &Json::Null);
                for page in 0.. {
                    if page == MOST_PAGES {
                        return Err(Error::Person(format!("more than {MOST_PAGES} pages of answers")));
                    }
                    let Some(answer) = Box::pin(self.send(request, scope)).await? else {
                        break;
                    };
                    answer.put_into(scope);
                    for ((name, value), list) in request.take.iter().zip(&mut joined) {
                        match self.eval(value, scope)? {
                            Some(Json::Array(items)) if joins => list.extend(items),
                            Some(value) if joins => list.extend(Some(value).filter(|value| !value.is_null())),
                            Some(value) => {
                                // A token on the way to a session is as secret as the session.
                                if self.signing_in {
                                    self.keep_secret(&value);
                                }
                                self.tell_taken(name, &value);
                                scope.set(name, &value);
                            }
                            None => {
                                self.tell_taken(name, &Json::Null);
                                scope.remove(name);
                            }
                        }
                    }
                    let next = match &request.next {
                        Some(next) => self.eval(next, scope)?.filter(is_something),
                        None => None,
                    };
                    let Some(next) = next else { break };
                    scope.set("page", &next);
                }
            }
            if joins && !self.is_dry() {
                for ((name, _), list) in request.take.iter().zip(joined) {
                    let list = Json::Array(list);
                    self.tell_taken(name, &list);
                    scope.set(name, &list);
                }
            }
        }
        Ok(())
    }

    /// Sends one request until there is an answer that means something else than to wait or to sign in. None: a dry run.
    async fn send(&mut self, request: &Request, scope: &mut Scope) -> Result<Option<Answer>, Error> {
        let mut tries = 0;
        let mut has_signed_in = false;
        loop {
            tries += 1;
            self.session_for(scope).await?;
            let call = self.prepare(request, scope)?;
            if self.is_dry() {
                let shown = call.shown.clone();
                self.tell(&shown);
                return Ok(None);
            }
            while let Err(wait) = self
                .rate
                .take(request.cost, request.rate.as_deref(), self.opened.elapsed())
            {
                tokio::time::sleep(wait).await;
            }
            let what = format!("{} {}", request.method, call.place);
            let answer = self.exchange(call, &what, request.json).await?;
            let (meaning, wait, said) = self.meaning(request, &answer, scope);
            let told = || format!("{what}: {said}");
            match meaning {
                Meaning::Ok if answer.broken => {
                    return Err(Error::Retry(format!("{what}: the answer of the CRM is no JSON")));
                }
                Meaning::Ok => return Ok(Some(answer)),
                Meaning::Wait if wait <= PATIENCE && tries < TRIES => tokio::time::sleep(wait).await,
                Meaning::Wait => return Err(Error::Wait(wait, told())),
                Meaning::SignIn if has_signed_in || self.signing_in || self.file.sign_in.is_none() => {
                    self.forget();
                    return Err(Error::Stop(told()));
                }
                Meaning::SignIn => {
                    has_signed_in = true;
                    self.session = None;
                }
                Meaning::Retry => return Err(Error::Retry(told())),
                Meaning::Missing => return Err(Error::Missing(told())),
                Meaning::Person => return Err(Error::Person(told())),
                Meaning::Stop => {
                    self.forget();
                    return Err(Error::Stop(told()));
                }
            }
        }
    }

    /// Puts the session into the scope, and makes one where there is none.
    async fn session_for(&mut self, scope: &mut Scope) -> Result<(), Error> {
        let file = self.file.clone();
        let Some(sign_in) = file.sign_in.as_ref().filter(|_| !self.signing_in) else {
            return Ok(());
        };
        let ends = |session: &Session| session.until.is_some_and(|until| until <= Instant::now());
        if self.session.as_ref().is_none_or(ends) {
            self.signing_in = true;
            let mut own = self.fresh();
            let signed_in = Box::pin(self.run(&sign_in.requests, &mut own)).await;
            self.signing_in = false;
            signed_in.map_err(|error| match error {
                // Nothing goes without.
                Error::Person(said) | Error::Missing(said) => Error::Stop(format!("signing in: {said}")),
                other => other,
            })?;
            let mut values = Map::new();
            let named = if self.is_dry() { &[] } else { sign_in.session.as_slice() };
            for (name, value) in named {
                let found = self.eval(value, &own)?.filter(is_something).ok_or_else(|| {
                    Error::Stop(format!("signing in: the answer has no `{name}` (`{}`)", value.source()))
                })?;
                self.keep_secret(&found);
                values.insert(name.clone(), found);
            }
            let lasts = match &sign_in.lasts_s {
                Some(lasts) if !self.is_dry() => self.eval(lasts, &own)?,
                _ => None,
            };
            let lasts = lasts
                .and_then(|lasts| text_of(&lasts).parse::<f64>().ok())
                .filter(|lasts| *lasts > 0.0);
            let until = lasts.map(|lasts| {
                let lasts = Duration::from_secs_f64(lasts.min(86_400.0 * 30.0));
                Instant::now() + lasts.saturating_sub(SESSION_MARGIN.min(lasts / 2))
            });
            self.session = Some(Session {
                values: Json::Object(values),
                until,
            });
        }
        if let Some(session) = &self.session
            && !self.is_dry()
        {
            scope.set("session", &session.values);
        }
        Ok(())
    }

    /// What a template comes to; remembers what it makes of a secret.
    fn leaf(&mut self, template: &Template, scope: &Scope) -> Result<Option<Json>, Failed> {
        let value = match template.value(scope) {
            Err(_) if self.is_dry() => Some(template.shown(scope)),
            other => other?,
        };
        // In a longer one the secret itself is cut.
        if let Some(Json::String(text)) = &value
            && text.len() <= LONGEST_SECRET
            && template.plain().is_none()
            && self.has_secret(&template.variables())
        {
            self.secrets.add(text);
        }
        Ok(value)
    }

    fn has_secret(&self, variables: &[String]) -> bool {
        variables.iter().any(|variable| {
            let is_part = |whole: &str| {
                variable
                    .strip_prefix(whole)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            variable == "settings" || is_part("session") || self.secret_names.iter().any(|name| is_part(name))
        })
    }

    fn pairs(&mut self, pairs: &[(Template, Tree)], scope: &Scope) -> Result<Vec<(String, String)>, Failed> {
        let mut found = Vec::new();
        for (key, value) in pairs {
            let Some(Json::String(key)) = self.leaf(key, scope)? else {
                continue;
            };
            let value = value.value(&mut |template| self.leaf(template, scope))?;
            let items = match value {
                None | Some(Json::Null) => continue,
                Some(Json::Array(items)) => items,
                Some(other) => vec![other],
            };
            found.extend(items.iter().map(|item| (key.clone(), text_of(item))));
        }
        Ok(found)
    }

    fn prepare(&mut self, request: &Request, scope: &Scope) -> Result<Call, Error> {
        let file = self.file.clone();
        let built = self.build(&file, request, scope);
        built.map_err(|failed| {
            let place = match &request.address {
                Target::Path(address) | Target::Whole(address) => address.source(),
            };
            Error::Person(self.secrets.cut(&format!("{} {place}: {failed}", request.method)))
        })
    }

    fn build(&mut self, file: &CrmFile, request: &Request, scope: &Scope) -> Result<Call, NotBuilt> {
        let dry = self.is_dry();
        let text = |address: &super::template::Address| match address.text(scope) {
            Err(_) if dry => Ok(address.shown(scope)),
            other => other,
        };
        let base = text(&file.http.base_url)?;
        let (whole, foreign) = match &request.address {
            Target::Path(path) => (base.trim_end_matches('/').to_owned() + &text(path)?, false),
            Target::Whole(url) => {
                // The file and the customer may name another host, an answer may not.
                let own = |name: &String| name == "settings" || name.starts_with("settings.");
                (text(url)?, !url.variables().iter().all(own))
            }
        };
        let query = self.pairs(&request.query, scope)?;
        let mut url = Url::parse(&whole);
        if let Ok(url) = &mut url {
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(&query);
            }
            let home = Url::parse(&base).map(|base| base.origin());
            if foreign && !dry && home.is_ok_and(|home| home != url.origin()) {
                return Err(NotBuilt::Foreign);
            }
        } else if !dry {
            return Err(NotBuilt::Address);
        }
        let payload = match &request.payload {
            Payload::Nothing => None,
            Payload::Form(form) => {
                let form = self.pairs(form, scope)?;
                let mut encoded = url::form_urlencoded::Serializer::new(String::new());
                Some(encoded.extend_pairs(&form).finish())
            }
            Payload::Body(body) => match body.value(&mut |template| self.leaf(template, scope))? {
                None => None,
                Some(Json::String(text)) => Some(text),
                Some(json) => Some(json.to_string()),
            },
        };
        let is_text = matches!(&request.payload, Payload::Body(Tree::Leaf(_)))
            && payload.as_ref().is_some_and(|text| !text.starts_with(['{', '[']));
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in file.http.headers.iter().chain(&request.headers) {
            let variables = value.variables();
            let of_session = variables
                .iter()
                .any(|name| name == "session" || name.starts_with("session."));
            if self.signing_in && of_session {
                continue;
            }
            let Some(value_text) = self.leaf(value, scope)?.filter(|value| !value.is_null()) else {
                continue;
            };
            let text = text_of(&value_text);
            if self.has_secret(&variables) {
                // Basic, Bearer and the like are no secret by themselves.
                for word in text.split_whitespace().filter(|word| word.len() >= 8) {
                    self.secrets.add(word);
                }
            }
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), text));
        }
        let has_type = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        if let Some(usual) = check::content_type(&request.payload, is_text).filter(|_| !has_type && payload.is_some()) {
            headers.push((CONTENT_TYPE.to_string(), usual.to_owned()));
        }
        if request.json && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            headers.push(("accept".to_owned(), "application/json".to_owned()));
        }
        headers.sort();
        let shown = Exchange {
            when: request.when.as_ref().map(|when| when.source().to_owned()),
            method: request.method,
            url: {
                let shown = self.secrets.cut(url.as_ref().map_or(whole.as_str(), Url::as_str));
                // Placeholders are for people.
                if dry {
                    shown.replace("%3C", "<").replace("%3E", ">")
                } else {
                    shown
                }
            },
            headers: self.masked(&headers, file, request),
            body: payload.as_ref().map(|payload| self.secrets.cut(payload)),
            answer: None,
        };
        let place = url
            .as_ref()
            .map_or_else(|_| String::new(), |url| self.secrets.cut(url.path()));
        Ok(Call {
            url: url.ok(),
            method: request.method,
            headers,
            payload,
            place,
            shown,
        })
    }

    /// Headers as they may be shown: of one with a secret in it, only words that are none.
    fn masked(&self, headers: &[(String, String)], file: &CrmFile, request: &Request) -> Vec<(String, String)> {
        let all = || file.http.headers.iter().chain(&request.headers);
        let shown = headers.iter().map(|(name, text)| {
            let secret =
                all().any(|(known, value)| known.eq_ignore_ascii_case(name) && self.has_secret(&value.variables()));
            let text = match text.split_once(' ') {
                Some((scheme, _)) if secret && scheme.chars().all(char::is_alphabetic) => format!("{scheme} {CUT}"),
                _ if secret => CUT.to_owned(),
                _ => self.secrets.cut(text),
            };
            (name.clone(), text)
        });
        shown.collect()
    }

    fn tell(&mut self, exchange: &Exchange) {
        if let Some(watch) = &mut self.watch {
            watch(exchange);
        }
    }

    /// What signing in gave. The number of a user, which it may give too, is none: it would be cut out of every number.
    fn keep_secret(&mut self, value: &Json) {
        let text = text_of(value);
        if text.len() >= SHORTEST_SESSION {
            self.secrets.add(&text);
        }
    }

    fn tell_taken(&mut self, name: &str, value: &Json) {
        if let Some(watch) = self.watch_taken.as_mut().filter(|_| !self.signing_in) {
            watch(name, &self.secrets.cut(&value.to_string()));
        }
    }

    /// One request on the wire, within the time of the file.
    async fn exchange(&mut self, call: Call, what: &str, json: bool) -> Result<Answer, Error> {
        let (Some(url), Some(guard)) = (call.url, self.guard.clone()) else {
            return Err(Error::Stop(format!("{what}: there is no address")));
        };
        let client = guard
            .client(&url)
            .map_err(|blocked| Error::Stop(format!("{what}: {blocked}")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
                return Err(Error::Person(format!(
                    "{what}: header `{name}` has letters that no header has"
                )));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut request = client.request(check::method(call.method), url).headers(headers);
        if let Some(payload) = call.payload {
            request = request.body(payload);
        }
        let mut shown = call.shown;
        let read = async {
            let mut response = request.send().await?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > LONGEST_ANSWER {
                    return Ok((response, None));
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((response, Some(body)))
        };
        let timeout = self.file.http.timeout;
        let result = tokio::time::timeout(timeout, read).await;
        let said = match result {
            Ok(Ok((response, Some(body)))) => {
                let answer = Answer::read(response.status().as_u16(), response.headers(), &body, json);
                // What signs us in is not known for a secret yet.
                let hides = self.signing_in && answer.status < 300 && !body.is_empty();
                let text = if hides {
                    CUT.to_owned()
                } else {
                    self.secrets.cut(&String::from_utf8_lossy(&body))
                };
                shown.answer = Some((answer.status, text));
                self.tell(&shown);
                return Ok(answer);
            }
            Ok(Ok((response, None))) => {
                shown.answer = Some((response.status().as_u16(), String::new()));
                self.tell(&shown);
                let message = format!(
                    "{what}: the answer of the CRM is longer than {} MiB",
                    LONGEST_ANSWER >> 20
                );
                return Err(Error::Person(message));
            }
            Ok(Err(error)) => transport(&error),
            Err(_) => format!("no answer within {} s", timeout.as_secs_f64()),
        };
        self.tell(&shown);
        Err(Error::Retry(format!("{what}: {said}")))
    }

    /// What an answer means, how long to wait where that is it, and a word for people.
    fn meaning(&self, request: &Request, answer: &Answer, scope: &Scope) -> (Meaning, Duration, String) {
        let status = answer.status;
        let mut scope = scope.clone();
        answer.put_into(&mut scope);
        let rules = self.file.answers.iter();
        let rule = rules
            .filter(|rule| rule.status.is_empty() || rule.status.contains(&status))
            .find(|rule| rule.when.as_ref().is_none_or(|when| when.holds(&scope)));
        let own = request
            .means
            .iter()
            .find(|(known, _)| *known == status)
            .map(|(_, meaning)| *meaning);
        let usual = || match status {
            200..=299 => Meaning::Ok,
            401 if self.file.sign_in.is_some() => Meaning::SignIn,
            401 => Meaning::Stop,
            404 => Meaning::Missing,
            408 | 425 | 500..=599 => Meaning::Retry,
            429 => Meaning::Wait,
            _ => Meaning::Person,
        };
        let mut meaning = own.or(rule.map(|rule| rule.means)).unwrap_or_else(usual);
        if meaning == Meaning::Ok && request.missing.as_ref().is_some_and(|missing| missing.holds(&scope)) {
            meaning = Meaning::Missing;
        }
        let say = rule
            .and_then(|rule| rule.say.as_ref())
            .and_then(|say| say.text(&scope).ok().flatten());
        let said = say
            .filter(|said| !said.trim().is_empty())
            .unwrap_or_else(|| answer.said());
        // First what is secret, then what is too long: half a secret would not be known for one.
        let said = shortened(&self.secrets.cut(&said));
        let asked = rule
            .and_then(|rule| rule.wait_s.as_ref())
            .and_then(|wait| wait.eval(&scope).ok().flatten());
        let wait = asked.as_ref().and_then(seconds);
        let wait = wait.or_else(|| retry_after(answer, Utc::now())).unwrap_or(USUAL_WAIT);
        let told = match said.as_str() {
            "" => format!("the CRM answered {status}"),
            said => format!("the CRM answered {status}: {said}"),
        };
        (meaning, wait, told)
    }
}

/// A request that is ready to be sent.
struct Call {
    url: Option<Url>,
    method: &'static str,
    headers: Vec<(String, String)>,
    payload: Option<String>,
    /// Its path, to name it; without secrets.
    place: String,
    shown: Exchange,
}

#[derive(Debug, thiserror::Error)]
enum NotBuilt {
    #[error(transparent)]
    Template(#[from] Failed),
    #[error("this is no address")]
    Address,
    #[error("an answer leads to another host, and the sign-in stays at home")]
    Foreign,
}

impl CrmFile {
    pub fn can(&self, operation: Operation) -> bool {
        match operation {
            Operation::FindDeal(by) => self.find.iter().any(|way| way.by == by),
            Operation::WriteStage => self.stage.is_some(),
            Operation::WriteField => self.field.is_some(),
            Operation::Add(entry) => self.entries(entry).is_some(),
            Operation::Find(entry) => self.entries(entry).is_some_and(|entries| entries.find.is_some()),
            Operation::Delete(entry) => self.entries(entry).is_some_and(|entries| entries.delete.is_some()),
        }
    }

    /// Names of its settings that are never shown.
    pub fn secret_settings(&self) -> impl Iterator<Item = &str> {
        let secret = self.settings.iter().filter(|setting| setting.secret);
        secret.map(|setting| setting.name.as_str())
    }

    fn entries(&self, entry: Entry) -> Option<&Entries> {
        match entry {
            Entry::Note => self.note.as_ref(),
            Entry::Task => self.task.as_ref(),
        }
    }
}

impl Answer {
    fn read(status: u16, headers: &HeaderMap, body: &[u8], wants_json: bool) -> Self {
        let text = String::from_utf8_lossy(body);
        let json = if text.trim().is_empty() {
            Some(Json::Null)
        } else {
            serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
        };
        let mut named: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            named
                .entry(name.as_str())
                .and_modify(|known| *known = format!("{known}, {value}"))
                .or_insert_with(|| value.into_owned());
        }
        let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|cookie| {
            let cookie = String::from_utf8_lossy(cookie.as_bytes()).into_owned();
            let (name, value) = cookie.split(';').next()?.split_once('=')?;
            Some((name.trim().to_owned(), Json::String(value.trim().to_owned())))
        });
        let cookies: Map<String, Json> = cookies.collect();
        Self {
            status,
            headers: json!(named),
            cookies: Json::Object(cookies),
            broken: wants_json && json.is_none(),
            body: match json {
                Some(json) if wants_json || status >= 300 => json,
                _ => Json::String(text.into_owned()),
            },
        }
    }

    fn put_into(&self, scope: &mut Scope) {
        scope.set("status", &json!(self.status));
        scope.set("headers", &self.headers);
        scope.set("body", &self.body);
        scope.set("cookies", &self.cookies);
    }

    /// What the CRM says to people, where most CRMs say it.
    fn said(&self) -> String {
        fn within(value: &Json, depth: usize) -> Option<String> {
            const KEYS: [&str; 9] = [
                "message",
                "error_description",
                "detail",
                "error",
                "errors",
                "title",
                "reason",
                "error_info",
                "msg",
            ];
            match value {
                Json::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
                Json::Array(items) if depth < 4 => items.iter().find_map(|item| within(item, depth + 1)),
                Json::Object(entries) if depth < 4 => KEYS
                    .iter()
                    .find_map(|key| entries.get(*key).and_then(|value| within(value, depth + 1))),
                _ => None,
            }
        }
        match &self.body {
            // A page for a browser tells nobody anything.
            Json::String(text) if text.trim_start().starts_with('<') => String::new(),
            other => within(other, 0).unwrap_or_default(),
        }
    }
}

enum Choice {
    None,
    One(Json),
    Many(Vec<Json>),
}

/// By the id, else by the name.
fn choose(known: &[Named], said: &str) -> Choice {
    let said = said.trim();
    if let Some(named) = known.iter().find(|named| text_of(&named.id) == said) {
        return Choice::One(named.id.clone());
    }
    let is_name = |name: &String| name.trim().to_lowercase() == said.to_lowercase();
    let mut found: Vec<Json> = Vec::new();
    for named in known.iter().filter(|named| named.names.iter().any(is_name)) {
        if !found.contains(&named.id) {
            found.push(named.id.clone());
        }
    }
    match found.len() {
        0 => Choice::None,
        1 => Choice::One(found.remove(0)),
        _ => Choice::Many(found),
    }
}

fn is_taken(name: &str, taken: &[&str]) -> bool {
    let root = name.split('.').next().unwrap_or_default();
    taken.contains(&root) || ["status", "headers", "body", "cookies"].contains(&root)
}

fn is_something(value: &Json) -> bool {
    !matches!(value, Json::Null | Json::Bool(false)) && value.as_str() != Some("")
}

/// A text without quotes; other values as JSON.
fn text_of(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What stands for a setting that was not given.
fn dry_setting(file: &CrmFile, name: &str) -> String {
    let is_host = file
        .http
        .base_url
        .source()
        .starts_with(&format!("{{{{ settings.{name}"));
    if is_host {
        format!("https://{name}.example")
    } else {
        format!("<settings.{name}>")
    }
}

fn amount(amount: &Amount, scope: &Scope) -> Result<f64, Error> {
    let (number, source) = match amount {
        Amount::Fixed(number) => (Some(*number), String::new()),
        Amount::Said(template) => {
            let text = template.text(scope).ok().flatten();
            (text.and_then(|text| text.parse().ok()), template.source().to_owned())
        }
    };
    number
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
        .ok_or_else(|| Error::Stop(format!("`{source}`, a rate, is no number above 0")))
}

fn transport(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(this) = cause {
        if let Some(blocked) = this.downcast_ref::<crate::deliver::Blocked>() {
            return blocked.to_string();
        }
        cause = this.source();
    }
    let said = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke before the answer was complete"
    };
    said.to_owned()
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= LONGEST_SAYING {
        return text;
    }
    let start: String = text.chars().take(LONGEST_SAYING).collect();
    format!("{start}…")
}

fn seconds(value: &Json) -> Option<Duration> {
    let seconds: f64 = text_of(value).trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}

/// Seconds, or the time of day.
fn retry_after(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let said = answer.headers.get(RETRY_AFTER.as_str())?;
    if let Some(seconds) = seconds(said) {
        return Some(seconds);
    }
    let at = DateTime::parse_from_rfc2822(said.as_str()?.trim()).ok()?;
    Some((at.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
