//! The text of a connection file → [`CrmFile`]: every problem is noted at its place, every template and expression is
//! parsed, and every name that they use must be known where they stand.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::file::{
    Amount, AnswerRule, By, CrmFile, Entries, FindWay, Http, LimitForm, Lookup, Meaning, Payload, RESERVED_SETTINGS,
    Read, Request, Setting, SignIn, TIMEOUT, Target, Writing,
};
use super::template::{Address, Expression, Template, Tree, Wrong};
use crate::tables::{At, Problems, Section, Value};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const ENCODED_FORM: &str = "application/x-www-form-urlencoded";

/// Of the call that a note is about.
pub const CALL: [&str; 5] = ["id", "date", "title", "duration_s", "direction"];

/// What an expression over an answer sees beside all else.
const ANSWER: [&str; 4] = ["status", "headers", "body", "cookies"];

/// Names with a meaning, which no `take` may give another.
const FIXED: [&str; 17] = [
    "settings", "session", "now", "deal", "key", "value", "old", "name", "names", "fields", "text", "marker", "call",
    "id", "item", "page", "omit",
];

/// The names that may be used at a place of the file.
#[derive(Clone)]
struct Known<'c> {
    names: Vec<String>,
    settings: &'c [String],
    /// None where there is no session yet.
    session: Option<&'c [String]>,
}

impl Known<'_> {
    fn and(&self, names: &[&str]) -> Self {
        let mut more = self.clone();
        more.names.extend(names.iter().map(|name| (*name).to_owned()));
        more
    }

    /// Why a variable is not known; None: it is.
    fn lacks(&self, variable: &str) -> Option<String> {
        let (root, rest) = variable.split_once('.').unwrap_or((variable, ""));
        let part = rest.split('.').next().unwrap_or_default();
        let among = |kind: &str, known: &[String]| {
            (!part.is_empty() && !known.iter().any(|name| name == part))
                .then(|| unknown(kind, part, known.iter().map(String::as_str).collect()))
        };
        match root {
            "settings" => among("setting", self.settings),
            "session" => match self.session {
                Some(known) => among("value of the session", known),
                None => Some("there is no `session` here".to_owned()),
            },
            _ if !self.names.iter().any(|name| name == root) => {
                let mut known: Vec<&str> = self.names.iter().map(String::as_str).collect();
                known.extend(["settings", "now"]);
                Some(unknown("name", root, known))
            }
            "call" => among("part of `call`", &CALL.map(str::to_owned)),
            _ => None,
        }
    }
}

fn unknown(kind: &str, name: &str, mut known: Vec<&str>) -> String {
    known.sort_unstable();
    known.dedup();
    match crate::tables::nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown {kind} `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown {kind} `{name}`: there are none here"),
        None => format!("unknown {kind} `{name}`; known here: {}", known.join(", ")),
    }
}

struct Checker<'p> {
    problems: &'p Problems<'p>,
    /// Kinds of requests with buckets of their own.
    rates: Vec<String>,
    signs_in: bool,
    /// Answers are JSON, where a request does not say.
    json: bool,
}

pub(super) fn read(root: &Section<'_, '_>, problems: &Problems<'_>) -> Option<CrmFile> {
    // First: nothing else need be right in a file of another version.
    match root.whole("version") {
        Some(1) => {}
        Some(other) => {
            let message = format!("version {other} of the format is not known: this program reads version 1");
            problems.add(&root.span_of("version"), message);
            return None;
        }
        None => {
            if !root.has("version") {
                problems.add(&(0..0), "the file needs `version = 1`");
            }
            return None;
        }
    }
    let name = file_name(root);
    let title = root
        .needed_text("title")
        .map(|text| text.value.to_owned())
        .unwrap_or_default();
    let settings = root
        .section("settings")
        .map(|section| settings(&section))
        .unwrap_or_default();
    let setting_names: Vec<String> = settings.iter().map(|setting| setting.name.clone()).collect();

    let sign_in = root.section("sign_in");
    let session_names: Vec<String> = sign_in
        .as_ref()
        .and_then(|section| section.section("session"))
        .map(|session| session.keys().iter().map(|key| key.value.to_owned()).collect())
        .unwrap_or_default();
    let http = root.section("http");
    let mut checker = Checker {
        problems,
        rates: http.as_ref().map(rate_kinds).unwrap_or_default(),
        signs_in: sign_in.is_some(),
        json: true,
    };
    let without_session = Known {
        names: vec!["now".to_owned(), "omit".to_owned()],
        settings: &setting_names,
        session: None,
    };
    let known = Known {
        session: sign_in.as_ref().map(|_| session_names.as_slice()),
        ..without_session.clone()
    };
    let http = match http {
        Some(section) => checker.http(&section, &known, &without_session),
        None => {
            root.missing("http");
            None
        }
    };
    checker.json = http.as_ref().is_none_or(|http| http.json);
    let sign_in = sign_in.map(|section| checker.sign_in(&section, &without_session));
    let answers = checker.answers(root, &known);
    let deal = root.section("deal");
    let (find, read) = match &deal {
        Some(section) => checker.deal(section, root, &known),
        None => {
            root.missing("deal");
            (Vec::new(), None)
        }
    };
    let stage =
        (root.section("stage")).map(|section| checker.writing(&section, &known.and(&["deal", "value", "old"]), &known));
    let of_field = known.and(&["deal", "name", "value", "fields"]);
    let field = (root.section("field")).map(|section| checker.writing(&section, &of_field, &known));
    let note = (root.section("note")).map(|section| checker.entries(&section, &["text", "marker", "call"], &known));
    let of_task = ["title", "text", "due", "owner", "marker", "call"];
    let task = (root.section("task")).map(|section| checker.entries(&section, &of_task, &known));
    let test = match root.section("test") {
        Some(section) => {
            let (test, _) = checker.requests(&section, "requests", &known);
            section.finish();
            test
        }
        None => {
            root.missing("test");
            Vec::new()
        }
    };
    root.finish();
    Some(CrmFile {
        name: name?,
        title,
        settings,
        http: http?,
        sign_in,
        answers,
        find,
        read: read?,
        stage,
        field,
        note,
        task,
        test,
    })
}

fn file_name(root: &Section<'_, '_>) -> Option<String> {
    let name = root.needed_text("name")?;
    let sound = !name.value.is_empty() && name.value.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
    if !sound {
        let message = "`name` is written in small latin letters, digits and `-`";
        root.problems().add(&name.span, message);
    }
    Some(name.value.to_owned())
}

fn settings(section: &Section<'_, '_>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for key in section.keys() {
        let Some(of) = section.section(key.value) else { continue };
        let sound = key.value.starts_with(|c: char| c.is_ascii_lowercase())
            && key.value.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        if !sound {
            let message = format!(
                "`{}`: a setting is written in small latin letters, digits and `_`",
                key.value
            );
            section.problems().add(&key.span, message);
        }
        if RESERVED_SETTINGS.contains(&key.value) {
            let message = format!(
                "`{}` says how deals are mapped, in every connection: choose another name",
                key.value
            );
            section.problems().add(&key.span, message);
        }
        let default = of.get("default").and_then(|value| match value.get_ref() {
            DeValue::Array(_) | DeValue::Table(_) | DeValue::Datetime(_) => {
                let message = "`default` is a text, a number, or true or false";
                section.problems().add(&value.span(), message);
                None
            }
            _ => scalar(value),
        });
        let (secret, optional) = (of.flag("secret"), of.flag("optional"));
        if secret && default.is_some() {
            section
                .problems()
                .add(&of.span_of("default"), "a secret has no default");
        }
        if optional && default.is_some() {
            section.problems().add(
                &of.span_of("optional"),
                "what has a default need not be said: leave `optional` out",
            );
        }
        settings.push(Setting {
            name: key.value.to_owned(),
            title: of
                .needed_text("title")
                .map(|text| text.value.to_owned())
                .unwrap_or_default(),
            secret,
            optional,
            default,
        });
        of.finish();
    }
    settings
}

fn rate_kinds(http: &Section<'_, '_>) -> Vec<String> {
    let kinds = http.sections("rate");
    let kinds = kinds.iter().filter_map(|rate| rate.text("only"));
    kinds.map(|kind| kind.value.to_owned()).collect()
}

fn scalar(value: &Value<'_>) -> Option<Json> {
    Some(match value.get_ref() {
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            Json::from(i64::from_str_radix(&digits, number.radix()).ok()?)
        }
        DeValue::Float(number) => Json::from(number.as_str().replace('_', "").parse::<f64>().ok()?),
        DeValue::Datetime(date) => Json::String(date.to_string()),
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}

impl Checker<'_> {
    fn wrong(&self, text: &At<&str>, wrong: Vec<Wrong>) {
        for wrong in wrong {
            let range = wrong.range.start.min(text.value.len())..wrong.range.end.min(text.value.len());
            self.problems.add(&self.problems.place(text, &range), wrong.message);
        }
    }

    /// Notes the variables that are not known.
    fn known(&self, text: &At<&str>, variables: Vec<String>, known: &Known<'_>) {
        for variable in variables {
            if let Some(message) = known.lacks(&variable) {
                let at = place_of(text.value, &variable);
                self.problems.add(&self.problems.place(text, &at), message);
            }
        }
    }

    fn expression_of(&self, text: &At<&str>, known: &Known<'_>) -> Option<Expression> {
        if text.value.contains("{{") {
            let message = "this is an expression already: write it without {{ }}";
            self.problems.add(&text.span, message);
            return None;
        }
        match Expression::parse(text.value) {
            Ok(expression) => {
                self.known(text, expression.variables(), known);
                Some(expression)
            }
            Err(wrong) => {
                self.wrong(text, wrong);
                None
            }
        }
    }

    fn expression(&self, section: &Section<'_, '_>, key: &str, known: &Known<'_>) -> Option<Expression> {
        self.expression_of(&section.text(key)?, known)
    }

    fn needed_expression(&self, section: &Section<'_, '_>, key: &str, known: &Known<'_>) -> Option<Expression> {
        self.expression_of(&section.needed_text(key)?, known)
    }

    fn template(&self, text: &At<&str>, known: &Known<'_>) -> Option<Template> {
        match Template::parse(text.value) {
            Ok(template) => {
                self.known(text, template.variables(), known);
                Some(template)
            }
            Err(wrong) => {
                self.wrong(text, wrong);
                None
            }
        }
    }

    fn address(&self, text: &At<&str>, whole: bool, known: &Known<'_>) -> Option<Address> {
        match Address::parse(text.value, whole) {
            Ok(address) => {
                self.known(text, address.variables(), known);
                if whole && !text.value.starts_with("{{") && !text.value.starts_with("http") {
                    let message = "a whole address begins with https://, or with a setting that does";
                    self.problems.add(&text.span, message);
                }
                Some(address)
            }
            Err(wrong) => {
                self.wrong(text, wrong);
                None
            }
        }
    }

    fn tree(&self, value: &Value<'_>, known: &Known<'_>) -> Option<Tree> {
        Some(match value.get_ref() {
            DeValue::String(text) => {
                let text = At {
                    value: text.as_ref(),
                    span: value.span(),
                };
                Tree::Leaf(self.template(&text, known)?)
            }
            DeValue::Array(items) => Tree::List(items.iter().filter_map(|item| self.tree(item, known)).collect()),
            DeValue::Table(table) => Tree::Table(self.pairs(table, known)),
            _ => Tree::Fixed(scalar(value)?),
        })
    }

    fn pairs(&self, table: &DeTable<'_>, known: &Known<'_>) -> Vec<(Template, Tree)> {
        let mut pairs = Vec::new();
        for (key, value) in table.iter() {
            let name = At {
                value: key.get_ref().as_ref(),
                span: key.span(),
            };
            let (key, value) = (self.template(&name, known), self.tree(value, known));
            pairs.extend(key.zip(value));
        }
        pairs
    }

    /// `query` or `form`.
    fn parameters(&self, section: &Section<'_, '_>, key: &str, known: &Known<'_>) -> Vec<(Template, Tree)> {
        let Some(value) = section.get(key) else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::Table(table) => self.pairs(table, known),
            _ => {
                self.problems
                    .add(&value.span(), format!("`{key}` is a table: {{ name = \"value\" }}"));
                Vec::new()
            }
        }
    }

    fn headers(&self, section: &Section<'_, '_>, known: &Known<'_>) -> Vec<(String, Template)> {
        let Some(headers) = section.section("headers") else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, text) in headers.every_text() {
            if HeaderName::try_from(name).is_err() {
                self.problems
                    .add(&text.span, format!("`{name}` is no name of a header"));
            }
            let Some(template) = self.template(&text, known) else {
                continue;
            };
            if template
                .plain()
                .is_some_and(|plain| HeaderValue::from_str(plain).is_err())
            {
                self.problems
                    .add(&text.span, format!("`{name}` has letters that no header has"));
            }
            found.push((name.to_owned(), template));
        }
        found
    }

    fn http(&self, section: &Section<'_, '_>, known: &Known<'_>, without_session: &Known<'_>) -> Option<Http> {
        let base_url = section.needed_text("base_url");
        let base_url = base_url.and_then(|text| self.address(&text, true, without_session));
        let timeout = section.number_in("timeout_s", 1.0..=120.0);
        let json = self.is_json(section).unwrap_or(true);
        let headers = self.headers(section, known);
        let rates = section.sections("rate");
        if rates.is_empty() {
            section.missing("rate");
        }
        let limits = rates
            .iter()
            .filter_map(|rate| self.limit(rate, without_session))
            .collect();
        section.finish();
        Some(Http {
            base_url: base_url?,
            timeout: timeout.map_or(TIMEOUT, Duration::from_secs_f64),
            limits,
            headers,
            json,
        })
    }

    /// None: nothing is said.
    fn is_json(&self, section: &Section<'_, '_>) -> Option<bool> {
        let text = section.text("answers")?;
        if !matches!(text.value, "json" | "text") {
            self.problems
                .unknown(&text.span, "form of answers", text.value, ["json", "text"]);
        }
        Some(text.value != "text")
    }

    fn limit(&self, section: &Section<'_, '_>, known: &Known<'_>) -> Option<LimitForm> {
        let (burst, per_second) = (
            self.amount(section, "burst", known),
            self.amount(section, "per_second", known),
        );
        let requests = match section.text("counts") {
            Some(text) if !matches!(text.value, "cost" | "requests") => {
                self.problems
                    .unknown(&text.span, "way to count", text.value, ["cost", "requests"]);
                false
            }
            Some(text) => text.value == "requests",
            None => false,
        };
        let only = section.text("only").map(|text| text.value.to_owned());
        let full = section.flag("full");
        section.finish();
        Some(LimitForm {
            burst: burst?,
            per_second: per_second?,
            requests,
            only,
            full,
        })
    }

    fn amount(&self, section: &Section<'_, '_>, key: &str, known: &Known<'_>) -> Option<Amount> {
        let Some(value) = section.get(key) else {
            section.missing(key);
            return None;
        };
        if let DeValue::String(text) = value.get_ref() {
            let text = At {
                value: text.as_ref(),
                span: value.span(),
            };
            return self.template(&text, known).map(Amount::Said);
        }
        let number = section.number(key)?;
        if number <= 0.0 {
            self.problems.add(&value.span(), format!("`{key}` is more than 0"));
            return None;
        }
        Some(Amount::Fixed(number))
    }

    fn sign_in(&self, section: &Section<'_, '_>, known: &Known<'_>) -> SignIn {
        let (requests, known) = self.requests(section, "requests", known);
        let known = known.and(&ANSWER);
        let mut session = Vec::new();
        match section.section("session") {
            Some(values) => {
                for (name, text) in values.every_text() {
                    session.extend(self.expression_of(&text, &known).map(|value| (name.to_owned(), value)));
                }
            }
            None => section.missing("session"),
        }
        let lasts_s = self.expression(section, "lasts_s", &known);
        section.finish();
        SignIn {
            requests,
            session,
            lasts_s,
        }
    }

    fn meaning(&self, text: &At<&str>) -> Option<Meaning> {
        let found = Meaning::ALL.iter().find(|(name, _)| *name == text.value);
        let Some((_, meaning)) = found else {
            let names = Meaning::ALL.map(|(name, _)| name);
            self.problems.unknown(&text.span, "meaning", text.value, names);
            return None;
        };
        if *meaning == Meaning::SignIn && !self.signs_in {
            self.problems.add(&text.span, "there is no [sign_in] in this file");
        }
        Some(*meaning)
    }

    fn status(&self, text: &str, span: &std::ops::Range<usize>) -> Option<u16> {
        let status = text.parse().ok().filter(|status| (100..600).contains(status));
        if status.is_none() {
            self.problems
                .add(span, format!("`{text}` is no status of an answer: 100 to 599"));
        }
        status
    }

    fn answers(&self, root: &Section<'_, '_>, known: &Known<'_>) -> Vec<AnswerRule> {
        let known = Known {
            names: Vec::new(),
            ..known.clone()
        };
        let known = known.and(&ANSWER);
        let mut rules = Vec::new();
        for section in root.sections("answers") {
            let mut status = Vec::new();
            if let Some(value) = section.get("status") {
                let items: Vec<&Value<'_>> = match value.get_ref() {
                    DeValue::Array(items) => items.iter().collect(),
                    _ => vec![value],
                };
                for item in items {
                    match scalar(item) {
                        Some(Json::Number(number)) => status.extend(self.status(&number.to_string(), &item.span())),
                        _ => self
                            .problems
                            .add(&item.span(), "`status` is a list of numbers: [429, 503]"),
                    }
                }
            }
            let when = self.expression(&section, "when", &known);
            if !section.has("when") && !section.has("status") {
                section
                    .problems()
                    .add(section.span(), "`answers` needs `status` or `when`");
            }
            let means = section.needed_text("means").and_then(|text| self.meaning(&text));
            let wait_s = self.expression(&section, "wait_s", &known);
            if wait_s.is_some() && means.is_some_and(|means| means != Meaning::Wait) {
                self.problems
                    .add(&section.span_of("wait_s"), "`wait_s` is for what means `wait`");
            }
            let say = section.text("say").and_then(|text| self.template(&text, &known));
            section.finish();
            rules.extend(means.map(|means| AnswerRule {
                status,
                when,
                means,
                wait_s,
                say,
            }));
        }
        rules
    }

    fn deal(
        &self,
        section: &Section<'_, '_>,
        root: &Section<'_, '_>,
        known: &Known<'_>,
    ) -> (Vec<FindWay>, Option<Read>) {
        let mut ways = Vec::new();
        let of_find = known.and(&["key"]);
        if !section.has("find") {
            section.missing("find");
        }
        for way in section.sections("find") {
            let by = way.needed_text("by");
            let by = by.and_then(|by| {
                let found = By::ALL.iter().find(|(name, _)| *name == by.value).map(|(_, by)| *by);
                if found.is_none() {
                    let names = By::ALL.map(|(name, _)| name);
                    self.problems.unknown(&by.span, "way to find a deal", by.value, names);
                }
                found
            });
            let (requests, then) = self.requests(&way, "requests", &of_find);
            let ids = self.needed_expression(&way, "ids", &then.and(&ANSWER));
            way.finish();
            if let (Some(by), Some(ids)) = (by, ids) {
                ways.push(FindWay { by, requests, ids });
            }
        }
        let Some(of) = section.section("read") else {
            if !section.has("read") {
                section.missing("read");
            }
            section.finish();
            return (ways, None);
        };
        let (requests, then) = self.requests(&of, "requests", &known.and(&["deal", "names"]));
        let then = then.and(&ANSWER);
        let stage = self.expression(&of, "stage", &then);
        let field = self.expression(&of, "field", &then.and(&["name"]));
        for (part, told) in [("stage", stage.is_some()), ("field", field.is_some())] {
            if root.has(part) && !told && !of.has(part) {
                let message = format!("[{part}] is written, so `read` needs `{part}`: what was written is read back");
                self.problems.add(of.span(), message);
            }
        }
        of.finish();
        section.finish();
        let read = Read { requests, stage, field };
        (ways, Some(read))
    }

    fn writing(&self, section: &Section<'_, '_>, of_write: &Known<'_>, known: &Known<'_>) -> Writing {
        let write = match section.section("write") {
            Some(write) => {
                let (requests, _) = self.requests(&write, "requests", of_write);
                write.finish();
                requests
            }
            None => {
                section.missing("write");
                Vec::new()
            }
        };
        let lookup = section.section("lookup").and_then(|lookup| {
            let (requests, then) = self.requests(&lookup, "requests", known);
            let items = self.needed_expression(&lookup, "items", &then.and(&ANSWER));
            let of_item = then.and(&["item"]);
            let id = self.needed_expression(&lookup, "id", &of_item);
            let name = self.needed_expression(&lookup, "name", &of_item);
            lookup.finish();
            Some(Lookup {
                requests,
                items: items?,
                id: id?,
                name: name?,
            })
        });
        section.finish();
        Writing { write, lookup }
    }

    fn entries(&self, section: &Section<'_, '_>, of_create: &[&str], known: &Known<'_>) -> Entries {
        let known = known.and(&["deal"]);
        let (mut create, mut created_id, mut marks) = (Vec::new(), None, false);
        match section.section("create") {
            Some(of) => {
                let (requests, then) = self.requests(&of, "requests", &known.and(of_create));
                created_id = self.expression(&of, "id", &then.and(&ANSWER));
                of.finish();
                marks = requests.iter().any(|request| request.mentions("marker"));
                create = requests;
            }
            None => section.missing("create"),
        }
        let find = section.section("find").and_then(|of| {
            let (requests, then) = self.requests(&of, "requests", &known.and(&["marker"]));
            let id = self.needed_expression(&of, "id", &then.and(&ANSWER).and(&["marker"]));
            of.finish();
            if !marks && !create.is_empty() {
                let message = "`find` looks for `marker`, and `create` does not write it";
                self.problems.add(of.span(), message);
            }
            Some((requests, id?))
        });
        let delete = section.section("delete").map(|of| {
            let (requests, _) = self.requests(&of, "requests", &known.and(&["id"]));
            of.finish();
            requests
        });
        section.finish();
        Entries {
            create,
            created_id,
            find,
            delete,
        }
    }

    /// Requests in order; with the names that are known after them.
    fn requests<'c>(&self, section: &Section<'_, '_>, key: &str, known: &Known<'c>) -> (Vec<Request>, Known<'c>) {
        let mut known = known.clone();
        let mut requests = Vec::new();
        let sections = section.sections(key);
        if sections.is_empty() && !section.has(key) {
            section.missing(key);
        }
        for section in sections {
            let (request, taken) = self.request(&section, &known);
            requests.extend(request);
            known.names.extend(taken);
        }
        (requests, known)
    }

    fn request(&self, section: &Section<'_, '_>, known: &Known<'_>) -> (Option<Request>, Vec<String>) {
        let when = self.expression(section, "when", known);
        let each = self.expression(section, "each", known);
        let mut inside = known.clone();
        if section.has("each") {
            inside = inside.and(&["item"]);
        }
        if section.has("next") {
            inside = inside.and(&["page"]);
        }
        let target = self.target(section, &inside);
        let query = self.parameters(section, "query", &inside);
        let headers = self.headers(section, &inside);
        let payload = match (section.get("body"), section.has("form")) {
            (Some(_), true) => {
                self.problems
                    .add(&section.span_of("form"), "a request has `body` or `form`, not both");
                Payload::Nothing
            }
            (Some(body), false) => self.tree(body, &inside).map_or(Payload::Nothing, Payload::Body),
            (None, true) => Payload::Form(self.parameters(section, "form", &inside)),
            (None, false) => Payload::Nothing,
        };
        if section.has("form") {
            // Asked for in every case, so that it is no unknown key.
            let _ = section.get("form");
        }
        let method = self.method(section, !matches!(payload, Payload::Nothing));
        let answered = inside.and(&ANSWER);
        let (take, names) = self.take(section, &answered);
        let mut after = answered;
        after.names.extend(names.iter().cloned());
        let next = self.expression(section, "next", &after);
        let cost = section.number_in("cost", 0.0..=10_000.0).unwrap_or(1.0);
        let rate = section.text("rate").map(|text| {
            if !self.rates.iter().any(|kind| kind == text.value) {
                let known = self.rates.iter().map(String::as_str);
                self.problems
                    .unknown(&text.span, "kind of [http] rate", text.value, known);
            }
            text.value.to_owned()
        });
        let mut means = Vec::new();
        if let Some(of) = section.section("means") {
            for (status, text) in of.every_text() {
                let (status, meaning) = (self.status(status, &text.span), self.meaning(&text));
                means.extend(status.zip(meaning));
            }
        }
        let missing = self.expression(section, "missing", &inside.and(&ANSWER));
        let json = self.is_json(section).unwrap_or(self.json);
        section.finish();
        let request = target.map(|address| Request {
            method,
            address,
            query,
            headers,
            payload,
            when,
            each,
            next,
            take,
            cost,
            rate,
            means,
            missing,
            json,
        });
        (request, names)
    }

    fn target(&self, section: &Section<'_, '_>, known: &Known<'_>) -> Option<Target> {
        match (section.text("path"), section.text("url")) {
            (Some(path), None) => {
                if !path.value.starts_with('/') && !path.value.is_empty() {
                    self.problems.add(&path.span, "`path` begins with /");
                }
                if path.value.contains('?') {
                    self.problems.add(&path.span, "what follows ? goes into `query`");
                }
                self.address(&path, false, known).map(Target::Path)
            }
            (None, Some(url)) => self.address(&url, true, known).map(Target::Whole),
            (Some(_), Some(url)) => {
                self.problems.add(
                    &url.span,
                    "a request has `path` (behind the base address) or `url`, not both",
                );
                None
            }
            (None, None) => {
                if !section.has("path") && !section.has("url") {
                    section.missing("path");
                }
                None
            }
        }
    }

    fn method(&self, section: &Section<'_, '_>, has_payload: bool) -> &'static str {
        let usual = if has_payload { "POST" } else { "GET" };
        let Some(text) = section.text("method") else {
            return usual;
        };
        let method = METHODS.iter().find(|known| **known == text.value);
        if method.is_none() {
            self.problems.unknown(&text.span, "method", text.value, METHODS);
        }
        method.copied().unwrap_or(usual)
    }

    fn take(&self, section: &Section<'_, '_>, known: &Known<'_>) -> (Vec<(String, Expression)>, Vec<String>) {
        let (mut take, mut names) = (Vec::new(), Vec::new());
        let Some(of) = section.section("take") else {
            return (take, names);
        };
        for (name, text) in of.every_text() {
            if FIXED.contains(&name) || ANSWER.contains(&name) {
                self.problems.add(
                    &text.span,
                    format!("`{name}` has a meaning already: take it by another name"),
                );
            }
            names.push(name.to_owned());
            take.extend(self.expression_of(&text, known).map(|value| (name.to_owned(), value)));
        }
        (take, names)
    }
}

/// Where a variable stands in a text.
fn place_of(text: &str, variable: &str) -> std::ops::Range<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut pieces = super::template::code(text);
    if pieces.is_empty() {
        // A bare expression.
        pieces.push(0..text.len());
    }
    for piece in pieces {
        for (at, found) in text[piece.clone()].match_indices(variable) {
            let (start, end) = (piece.start + at, piece.start + at + found.len());
            let before = text[..start].chars().next_back().is_some_and(is_word);
            let after = text[end..]
                .chars()
                .next()
                .is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !before && !after {
                return start..end;
            }
        }
    }
    0..text.len()
}

impl Request {
    /// Every text of the request that something may be put into.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<&Template> = self.headers.iter().map(|(_, value)| value).collect();
        let parameters = match &self.payload {
            Payload::Form(form) => self.query.iter().chain(form.iter()),
            Payload::Nothing | Payload::Body(_) => self.query.iter().chain([].iter()),
        };
        for (key, value) in parameters {
            all.push(key);
            all.extend(value.templates());
        }
        if let Payload::Body(body) = &self.payload {
            all.extend(body.templates());
        }
        all
    }

    fn mentions(&self, variable: &str) -> bool {
        let address = match &self.address {
            Target::Path(address) | Target::Whole(address) => address.variables(),
        };
        let templates = self.templates();
        let variables = templates.iter().flat_map(|template| template.variables());
        address.into_iter().chain(variables).any(|name| name == variable)
    }
}

/// The form of a body, where the file does not say.
pub(super) fn content_type(payload: &Payload, is_text: bool) -> Option<&'static str> {
    match payload {
        Payload::Nothing => None,
        Payload::Form(_) => Some(ENCODED_FORM),
        Payload::Body(_) if is_text => Some("text/plain; charset=utf-8"),
        Payload::Body(_) => Some("application/json"),
    }
}

/// A method of the list that files may choose from.
pub(super) fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap_or(Method::GET)
}
