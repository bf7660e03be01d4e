//! Tables of a TOML file, read so that every problem is found, each with its place.
//!
//! A [`Section`] notes which keys were asked for; what is left at [`Section::finish`] is unknown.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use crate::domain::Language;

/// A value with its place in the file, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// Texts in both languages; a file may give one for both.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Words<T = String> {
    pub en: T,
    pub ru: T,
}

impl<T> Words<T> {
    pub fn get(&self, language: Language) -> &T {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }
}

/// A value of the file, with its place.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// One table of the file.
pub struct Section<'a, 'p> {
    table: &'a DeTable<'a>,
    /// The table, as messages name it: `element` or `thresholds`.
    name: String,
    span: Range<usize>,
    asked: RefCell<Vec<String>>,
    problems: &'p Problems<'p>,
}

impl<'a, 'p> Section<'a, 'p> {
    pub fn new(
        table: &'a DeTable<'a>,
        name: impl Into<String>,
        span: Range<usize>,
        problems: &'p Problems<'p>,
    ) -> Self {
        Self {
            table,
            name: name.into(),
            span,
            asked: RefCell::default(),
            problems,
        }
    }

    pub fn problems(&self) -> &'p Problems<'p> {
        self.problems
    }

    pub fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// A value of any type.
    pub fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.asked.borrow_mut().push(key.to_owned());
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        found.map(|(_, value)| value)
    }

    fn wrong_type(&self, value: &Value<'_>, key: &str, wanted: &str) {
        let is = value.get_ref().type_str();
        self.problems
            .add(&value.span(), format!("`{key}` is {wanted}, not a value of type {is}"));
    }

    pub fn missing(&self, key: &str) {
        self.problems
            .add(&self.span, format!("`{}` needs the key `{key}`", self.name));
    }

    pub fn text(&self, key: &str) -> Option<At<&'a str>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At {
                value: text.as_ref(),
                span: value.span(),
            }),
            _ => {
                self.wrong_type(value, key, "a text");
                None
            }
        }
    }

    pub fn needed_text(&self, key: &str) -> Option<At<&'a str>> {
        let text = self.text(key);
        if text.is_none() && !self.has(key) {
            self.missing(key);
        }
        text
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref() == key)
    }

    /// Place of a key's value; of the table where there is none.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        let found = self.table.iter().find(|(name, _)| name.get_ref() == key);
        found.map_or_else(|| self.span.clone(), |(_, value)| value.span())
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                .ok()
                .map(|number| number as f64),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        if number.is_none_or(|number: f64| !number.is_finite()) {
            self.wrong_type(value, key, "a number");
            return None;
        }
        number
    }

    pub fn whole(&self, key: &str) -> Option<i64> {
        let number = self.number(key)?;
        if number.fract() != 0.0 {
            self.problems
                .add(&self.span_of(key), format!("`{key}` is a whole number"));
            return None;
        }
        Some(number as i64)
    }

    /// A number in a range; one outside is a problem.
    pub fn number_in(&self, key: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let number = self.number(key)?;
        if !range.contains(&number) {
            let message = format!("`{key}` goes from {} to {}", range.start(), range.end());
            self.problems.add(&self.span_of(key), message);
            return None;
        }
        Some(number)
    }

    pub fn whole_in(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.whole(key)?;
        if !range.contains(&number) {
            let message = format!("`{key}` goes from {} to {}", range.start(), range.end());
            self.problems.add(&self.span_of(key), message);
            return None;
        }
        Some(number)
    }

    pub fn flag(&self, key: &str) -> bool {
        let Some(value) = self.get(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(value, key, "true or false");
            false
        })
    }

    pub fn texts(&self, key: &str) -> Vec<At<&'a str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(value, key, "a list of texts");
            return Vec::new();
        };
        let text = |item: &'a Value<'a>| match item.get_ref() {
            DeValue::String(text) => Some(At {
                value: text.as_ref(),
                span: item.span(),
            }),
            _ => {
                self.wrong_type(item, key, "a list of texts");
                None
            }
        };
        items.iter().filter_map(text).collect()
    }

    /// A table of its own: `[thresholds]`, or `{ … }`.
    pub fn section(&self, key: &str) -> Option<Section<'a, 'p>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(table, key, value.span(), self.problems)),
            _ => {
                self.wrong_type(value, key, "a table");
                None
            }
        }
    }

    /// A list of tables: `[[stage]]`.
    pub fn sections(&self, key: &str) -> Vec<Section<'a, 'p>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(value, key, "a list of tables ([[…]])");
            return Vec::new();
        };
        let table = |item: &'a Value<'a>| match item.get_ref() {
            DeValue::Table(table) => Some(Section::new(table, key, item.span(), self.problems)),
            _ => {
                self.wrong_type(item, key, "a list of tables");
                None
            }
        };
        items.iter().filter_map(table).collect()
    }

    /// Every key with a text, in the order of the keys.
    pub fn every_text(&self) -> BTreeMap<&'a str, At<&'a str>> {
        let keys: Vec<&'a str> = self.table.iter().map(|(key, _)| key.get_ref().as_ref()).collect();
        keys.into_iter()
            .filter_map(|key| Some((key, self.text(key)?)))
            .collect()
    }

    /// Every key with its place.
    pub fn keys(&self) -> Vec<At<&'a str>> {
        let keys = self.table.iter().map(|(key, _)| At {
            value: key.get_ref().as_ref(),
            span: key.span(),
        });
        keys.collect()
    }

    /// `"both"`, or `{ en = "…", ru = "…" }`.
    pub fn words(&self, key: &str) -> Option<Words> {
        let value = self.get(key)?;
        let filled = |text: &str, span: Range<usize>| {
            if text.trim().is_empty() {
                self.problems.add(&span, format!("`{key}` has no text"));
            }
        };
        match value.get_ref() {
            DeValue::String(text) => {
                filled(text, value.span());
                Some(Words {
                    en: text.to_string(),
                    ru: text.to_string(),
                })
            }
            DeValue::Table(table) => {
                let inner = Section::new(table, key, value.span(), self.problems);
                let (en, ru) = (inner.needed_text("en"), inner.needed_text("ru"));
                inner.finish();
                for text in [&en, &ru].into_iter().flatten() {
                    filled(text.value, text.span.clone());
                }
                Some(Words {
                    en: en?.value.to_owned(),
                    ru: ru?.value.to_owned(),
                })
            }
            _ => {
                self.wrong_type(value, key, "a text, or `{ en = \"…\", ru = \"…\" }`");
                None
            }
        }
    }

    pub fn needed_words(&self, key: &str) -> Words {
        if !self.has(key) {
            self.missing(key);
        }
        self.words(key).unwrap_or_default()
    }

    /// `["both"]`, or `{ en = ["…"], ru = ["…"] }`.
    pub fn word_lists(&self, key: &str) -> Words<Vec<String>> {
        let Some(value) = self.get(key) else {
            return Words::default();
        };
        let owned = |texts: Vec<At<&str>>| texts.into_iter().map(|text| text.value.to_owned()).collect();
        match value.get_ref() {
            DeValue::Array(_) => {
                let both: Vec<String> = owned(self.texts(key));
                Words {
                    en: both.clone(),
                    ru: both,
                }
            }
            DeValue::Table(table) => {
                let inner = Section::new(table, key, value.span(), self.problems);
                for language in ["en", "ru"] {
                    if !inner.has(language) {
                        inner.missing(language);
                    }
                }
                let lists = Words {
                    en: owned(inner.texts("en")),
                    ru: owned(inner.texts("ru")),
                };
                inner.finish();
                lists
            }
            _ => {
                self.wrong_type(value, key, "a list of texts, or `{ en = […], ru = […] }`");
                Words::default()
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if !asked.iter().any(|known| known == key.get_ref()) {
                let kind = format!("key of `{}`", self.name);
                let known = asked.iter().map(String::as_str);
                self.problems.unknown(&key.span(), &kind, key.get_ref(), known);
            }
        }
    }
}
