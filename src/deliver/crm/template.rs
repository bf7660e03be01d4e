//! Texts of a connection file with what is put into them (minijinja): JSON from `"{{ expression }}"`, text from any other,
//! parts of an address with what is put in encoded.
//!
//! In templates a value that is not there is an error. In bare expressions, which look into answers, a part of a part that
//! is not there is simply not there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use regex::Regex;
use serde_json::Value as Json;

use super::filters;

/// What `omit` comes to: a key, item, header or parameter with it is left out.
const OMIT: &str = "\u{1}omit\u{1}";

/// Steps that a template may take: a file of a customer must not keep a worker busy.
const FUEL: u64 = 200_000;

/// Values that may be put in, by name.
#[derive(Debug, Clone, Default)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    pub fn set(&mut self, name: &str, value: &Json) {
        self.0.insert(name.to_owned(), Value::from(Serde(value)));
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub fn with(mut self, name: &str, value: &Json) -> Self {
        self.set(name, value);
        self
    }

    fn value(&self) -> Value {
        Value::from_object(self.0.clone())
    }
}

/// Why nothing came of a template or expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}`: {cause}")]
pub struct Failed {
    source_text: String,
    cause: String,
    pub kind: FailedBecause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedBecause {
    /// A value that it needs is not there.
    Missing,
    Other,
}

/// Where a syntax error is, in bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub range: Range<usize>,
    pub message: String,
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    // Nothing is written for `none` and `omit`.
    environment.set_formatter(|out, state, value| {
        if value.is_none() || value.as_str() == Some(OMIT) {
            return Ok(());
        }
        minijinja::escape_formatter(out, state, value)
    });
    filters::add(&mut environment);
    environment.add_global("omit", OMIT);
    environment
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| environment(UndefinedBehavior::Strict));
static EXPRESSIONS: LazyLock<Environment<'static>> = LazyLock::new(|| environment(UndefinedBehavior::Chainable));
static ADDRESSES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment(UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| {
        if value.is_none() || value.as_str() == Some(OMIT) {
            return Ok(());
        }
        if value.is_safe() {
            return minijinja::escape_formatter(out, state, value);
        }
        let text = value.to_string();
        if matches!(text.as_str(), "." | "..") {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "this would lead to another place",
            ));
        }
        minijinja::escape_formatter(out, state, &Value::from(filters::encoded(&text)))
    });
    environment
});

/// A bare expression: `body.data.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        if let Err(error) = EXPRESSIONS.compile_expression_owned(text.to_owned()) {
            wrong.push(syntax(&error, text));
        } else {
            unknown_words(text, 0..text.len(), &mut wrong);
        }
        if wrong.is_empty() {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong)
        }
    }

    pub fn source(&self) -> &str {
        &self.0
    }

    /// Variables with their parts: `settings.token`.
    pub fn variables(&self) -> Vec<String> {
        let compiled = EXPRESSIONS.compile_expression_owned(self.0.clone());
        sorted(compiled.map(|expression| expression.undeclared_variables(true)))
    }

    /// None: what it names is not there.
    pub fn eval(&self, scope: &Scope) -> Result<Option<Json>, Failed> {
        match eval(&EXPRESSIONS, &self.0, scope) {
            Err(failed) if failed.kind == FailedBecause::Missing => Ok(None),
            other => other,
        }
    }

    /// Whether it holds; what cannot be told does not.
    pub fn holds(&self, scope: &Scope) -> bool {
        let compiled = EXPRESSIONS.compile_expression_owned(self.0.clone());
        compiled
            .and_then(|expression| expression.eval(scope.value()))
            .is_ok_and(|value| value.is_true())
    }
}

/// A text with what is put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Plain,
    /// Exactly one `{{ expression }}`: the value itself.
    Value(String),
    Text,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        let form = form_of(text)?;
        Ok(Self {
            source: text.to_owned(),
            form,
        })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// A text that is always the same.
    pub fn plain(&self) -> Option<&str> {
        matches!(self.form, Form::Plain).then_some(self.source.as_str())
    }

    pub fn variables(&self) -> Vec<String> {
        match &self.form {
            Form::Plain => Vec::new(),
            Form::Value(expression) => {
                let compiled = TEMPLATES.compile_expression_owned(expression.clone());
                sorted(compiled.map(|expression| expression.undeclared_variables(true)))
            }
            Form::Text => text_variables(&self.source),
        }
    }

    /// None: to be left out.
    pub fn value(&self, scope: &Scope) -> Result<Option<Json>, Failed> {
        match &self.form {
            Form::Plain => Ok(Some(Json::String(self.source.clone()))),
            Form::Value(expression) => match eval(&TEMPLATES, expression, scope)? {
                Some(Json::String(text)) if text == OMIT => Ok(None),
                Some(mut value) => {
                    leave_out(&mut value);
                    Ok(Some(value))
                }
                None => Err(not_there(&self.source)),
            },
            Form::Text => render(&TEMPLATES, &self.source, scope).map(|text| Some(Json::String(text))),
        }
    }

    /// What stands for it where values are not known yet: `<contact.id>`.
    pub fn shown(&self, scope: &Scope) -> Json {
        match &self.form {
            Form::Plain => Json::String(self.source.clone()),
            Form::Value(expression) => Json::String(format!("<{}>", expression.trim())),
            Form::Text => Json::String(shown(&TEMPLATES, &self.source, scope)),
        }
    }

    /// For a header, a parameter, a form: numbers and flags become text, `none` and `omit` nothing.
    pub fn text(&self, scope: &Scope) -> Result<Option<String>, Failed> {
        match self.value(scope)? {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(value @ (Json::Bool(_) | Json::Number(_))) => Ok(Some(value.to_string())),
            Some(Json::Array(_) | Json::Object(_)) => Err(Failed {
                source_text: self.source.clone(),
                cause: "this is no text or number; `| tojson` writes it as JSON".to_owned(),
                kind: FailedBecause::Other,
            }),
        }
    }
}

/// An address, or a part of one. What is put in is encoded, unless it is `safe` or stands at the beginning of a whole
/// address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    source: String,
    /// Bytes of `source` in which nothing is encoded.
    start: usize,
}

impl Address {
    /// `whole`: with scheme and host, and not only what follows them.
    pub fn parse(text: &str, whole: bool) -> Result<Self, Vec<Wrong>> {
        form_of(text)?;
        let begins = whole && text.starts_with("{{");
        let start = if begins {
            text.find("}}").map_or(0, |at| at + 2)
        } else {
            0
        };
        Ok(Self {
            source: text.to_owned(),
            start,
        })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn variables(&self) -> Vec<String> {
        text_variables(&self.source)
    }

    pub fn text(&self, scope: &Scope) -> Result<String, Failed> {
        let (start, rest) = self.source.split_at(self.start);
        Ok(render(&TEMPLATES, start, scope)? + &render(&ADDRESSES, rest, scope)?)
    }
}

impl Address {
    pub fn shown(&self, scope: &Scope) -> String {
        let (start, rest) = self.source.split_at(self.start);
        shown(&TEMPLATES, start, scope) + &shown(&ADDRESSES, rest, scope)
    }
}

/// A JSON value of the file whose texts are templates, keys too.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Fixed(Json),
    Leaf(Template),
    List(Vec<Tree>),
    Table(Vec<(Template, Tree)>),
}

impl Tree {
    /// Every template in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Leaf(template) => vec![template],
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Table(entries) => entries
                .iter()
                .flat_map(|(key, value)| std::iter::once(key).chain(value.templates()))
                .collect(),
        }
    }

    /// None: to be left out. `leaf` says what a template comes to.
    pub fn value(
        &self,
        leaf: &mut impl FnMut(&Template) -> Result<Option<Json>, Failed>,
    ) -> Result<Option<Json>, Failed> {
        Ok(Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Leaf(template) => return leaf(template),
            Self::List(items) => {
                let mut list = Vec::new();
                for item in items {
                    list.extend(item.value(leaf)?);
                }
                Json::Array(list)
            }
            Self::Table(entries) => {
                let mut table = serde_json::Map::new();
                for (key, value) in entries {
                    let key = match leaf(key)? {
                        None | Some(Json::Null) => continue,
                        Some(Json::String(text)) => text,
                        Some(other) => other.to_string(),
                    };
                    if let Some(value) = value.value(leaf)? {
                        table.insert(key, value);
                    }
                }
                Json::Object(table)
            }
        }))
    }
}

/// Whether a CRM's value is the one that was meant: `"15000"` is 15000, and nothing is the empty text.
pub fn same(one: &Json, other: &Json) -> bool {
    fn plain(value: &Json) -> Option<String> {
        match value {
            Json::Null => Some(String::new()),
            Json::Bool(flag) => Some(flag.to_string()),
            Json::Number(number) => Some(number.to_string()),
            Json::String(text) => Some(text.trim().replace("\r\n", "\n")),
            Json::Array(_) | Json::Object(_) => None,
        }
    }
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|its| same(value, its)))
        }
        _ => match (plain(one), plain(other)) {
            (Some(one), Some(other)) => {
                let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
                one == other || number(&one).is_some_and(|one| number(&other) == Some(one))
            }
            _ => false,
        },
    }
}

fn form_of(text: &str) -> Result<Form, Vec<Wrong>> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(Form::Plain);
    }
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let alone = inner.filter(|inner| TEMPLATES.compile_expression_owned((*inner).to_owned()).is_ok());
    let mut wrong = Vec::new();
    if alone.is_none()
        && let Err(error) = TEMPLATES.template_from_named_str("text", text).map(|_| ())
    {
        return Err(vec![syntax(&error, text)]);
    }
    for range in code(text) {
        unknown_words(text, range, &mut wrong);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(alone.map_or(Form::Text, |inner| Form::Value(inner.to_owned())))
}

/// The pieces of a text in which something is put in.
pub fn code(text: &str) -> Vec<Range<usize>> {
    static CODE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}|\{%.*?%\}").ok());
    let found = CODE.iter().flat_map(|code| code.find_iter(text));
    found.map(|piece| piece.range()).collect()
}

fn eval(environment: &'static Environment<'static>, source: &str, scope: &Scope) -> Result<Option<Json>, Failed> {
    let compiled = environment.compile_expression_owned(source.trim().to_owned());
    let value = compiled
        .and_then(|expression| expression.eval(scope.value()))
        .map_err(|error| failed(source, &error))?;
    if value.is_undefined() {
        return Ok(None);
    }
    // A part that fails only when it is looked at: a lazy list.
    let json = serde_json::to_value(&value).map_err(|error| Failed {
        source_text: source.trim().to_owned(),
        cause: error.to_string(),
        kind: FailedBecause::Other,
    })?;
    Ok(Some(json))
}

fn render(environment: &Environment<'static>, source: &str, scope: &Scope) -> Result<String, Failed> {
    if source.is_empty() {
        return Ok(String::new());
    }
    environment
        .render_named_str("text", source, scope.value())
        .map_err(|error| failed(source, &error))
}

/// Piece by piece, with the expression in the place of a value that is not known.
fn shown(environment: &Environment<'static>, source: &str, scope: &Scope) -> String {
    let (mut text, mut at) = (String::new(), 0);
    for piece in code(source) {
        text.push_str(&source[at..piece.start]);
        let own = &source[piece.clone()];
        let inside = own.get(2..own.len() - 2).unwrap_or_default();
        text.push_str(&render(environment, own, scope).unwrap_or_else(|_| format!("<{}>", inside.trim())));
        at = piece.end;
    }
    text + &source[at..]
}

fn failed(source: &str, error: &Error) -> Failed {
    let cause = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    Failed {
        source_text: source.trim().to_owned(),
        cause,
        kind: match error.kind() {
            ErrorKind::UndefinedError => FailedBecause::Missing,
            _ => FailedBecause::Other,
        },
    }
}

fn not_there(source: &str) -> Failed {
    Failed {
        source_text: source.to_owned(),
        cause: "there is no such value".to_owned(),
        kind: FailedBecause::Missing,
    }
}

fn leave_out(value: &mut Json) {
    let is_left_out = |value: &Json| value.as_str() == Some(OMIT);
    match value {
        Json::Array(items) => {
            items.retain(|item| !is_left_out(item));
            items.iter_mut().for_each(leave_out);
        }
        Json::Object(entries) => {
            entries.retain(|_, item| !is_left_out(item));
            entries.values_mut().for_each(leave_out);
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn text_variables(source: &str) -> Vec<String> {
    let template = TEMPLATES.template_from_named_str("text", source);
    sorted(template.map(|template| template.undeclared_variables(true)))
}

fn sorted(found: Result<std::collections::HashSet<String>, Error>) -> Vec<String> {
    let mut names: Vec<String> = found.unwrap_or_default().into_iter().collect();
    // Functions are not put in.
    names.retain(|name| !is_function(name));
    names.sort();
    names
}

fn is_function(name: &str) -> bool {
    TEMPLATES.globals().any(|(known, _)| known == name)
}

fn syntax(error: &Error, text: &str) -> Wrong {
    let range = error.range().filter(|range| range.end <= text.len());
    let said = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Wrong {
        range: range.unwrap_or(0..text.len()),
        message: format!("this is no template: {said}"),
    }
}

/// Filters, tests and functions that nobody knows: minijinja itself finds out only when it comes to them.
fn unknown_words(text: &str, range: Range<usize>, wrong: &mut Vec<Wrong>) {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?x) (?P<pipe>\|)\s*(?P<filter>[A-Za-z_]\w*) | \bis\s+(?:not\s+)?(?P<test>[A-Za-z_]\w*) | (?P<dot>\.)?\s*\b(?P<call>[A-Za-z_]\w*)\s*\(").ok()
    });
    let code = without_literals(&text[range.clone()]);
    let Some(words) = WORDS.as_ref() else { return };
    for found in words.captures_iter(&code) {
        let mut add = |word: regex::Match<'_>, message: String| {
            wrong.push(Wrong {
                range: range.start + word.start()..range.start + word.end(),
                message,
            });
        };
        if let Some(filter) = found.name("filter") {
            let result = TEMPLATES.empty_state().apply_filter(filter.as_str(), &[]);
            if result.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter) {
                add(filter, unknown("filter", filter.as_str(), filters::FILTERS));
            }
        } else if let Some(test) = found.name("test") {
            let result = TEMPLATES.empty_state().perform_test(test.as_str(), &[]);
            if result.is_err_and(|error| error.kind() == ErrorKind::UnknownTest) {
                add(test, unknown("test", test.as_str(), filters::TESTS));
            }
        } else if let Some(call) = found.name("call") {
            let word = call.as_str();
            if found.name("dot").is_some() {
                add(
                    call,
                    format!("values have no methods: instead of `.{word}(…)` write a filter, `| {word}`"),
                );
            } else if !is_function(word)
                && !["and", "or", "not", "in", "if", "else", "is", "elif", "for"].contains(&word)
            {
                add(call, unknown("function", word, &["range", "dict"]));
            }
        }
    }
}

fn unknown(kind: &str, word: &str, known: &[&str]) -> String {
    match crate::tables::nearest(word, known.iter().copied()) {
        Some(near) => format!("unknown {kind} `{word}`; did you mean `{near}`?"),
        None => format!("unknown {kind} `{word}`"),
    }
}

/// The same length, with blanks in the place of what is quoted.
fn without_literals(code: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let blank = |c: char| {
        let kept = match quote {
            None => {
                if matches!(c, '\'' | '"') {
                    quote = Some(c);
                }
                true
            }
            Some(end) => {
                if !escaped && c == end {
                    quote = None;
                }
                escaped = !escaped && c == '\\';
                false
            }
        };
        if kept { c.to_string() } else { " ".repeat(c.len_utf8()) }
    };
    code.chars().map(blank).collect()
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
