//! What templates of connection files can do beyond minijinja: dates, telephone numbers, digests, parts of texts and tables.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use md5::Md5;
use minijinja::value::{Kwargs, Rest, Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use regex::RegexBuilder;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::domain::hex;
use crate::store::{ContactKey, ContactKind};

/// Names to suggest.
pub const FILTERS: &[&str] = &[
    "at",
    "base64",
    "children",
    "date",
    "digits",
    "from_date",
    "hmac_sha256",
    "html",
    "match",
    "match_all",
    "md5",
    "merge",
    "phone",
    "plus_days",
    "quoted",
    "sha256",
    "unix",
    "unix_ms",
    "without",
    "abs",
    "batch",
    "bool",
    "capitalize",
    "default",
    "dictsort",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
];
pub const TESTS: &[&str] = &[
    "alike",
    "containing",
    "same_number",
    "defined",
    "undefined",
    "none",
    "number",
    "string",
    "mapping",
    "sequence",
    "true",
    "false",
    "in",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "startingwith",
    "endingwith",
    "odd",
    "even",
    "boolean",
    "integer",
    "float",
    "iterable",
];

pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("date", date);
    environment.add_filter("from_date", from_date);
    environment.add_filter("at", at);
    environment.add_filter("unix", |value: &Value| moment(value).map(|moment| moment.timestamp()));
    environment.add_filter("unix_ms", |value: &Value| {
        moment(value).map(|moment| moment.timestamp_millis())
    });
    environment.add_filter("plus_days", plus_days);
    environment.add_filter("digits", digits);
    environment.add_filter("phone", phone);
    environment.add_filter("base64", |text: String| STANDARD.encode(text));
    environment.add_filter("md5", |text: String| hex(Md5::digest(text.as_bytes())));
    environment.add_filter("sha256", |text: String| hex(Sha256::digest(text.as_bytes())));
    environment.add_filter("hmac_sha256", hmac_sha256);
    environment.add_filter("html", html);
    environment.add_filter("match", first_match);
    environment.add_filter("match_all", all_matches);
    environment.add_filter("merge", merge);
    environment.add_filter("without", without);
    environment.add_filter("children", children);
    // Without blanks, and nothing is escaped for pages.
    environment.add_filter("tojson", |value: &Value| {
        serde_json::to_string(value).map_err(|error| wrong(error.to_string()))
    });
    environment.add_filter("quoted", quoted);
    environment.add_test("containing", containing);
    environment.add_test("alike", alike);
    environment.add_test("same_number", same_number);
}

/// For a part of an address: letters, digits and `-._~` stay.
pub fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// A day, a time, or seconds since 1970. A day begins at midnight, and what has no zone is UTC.
fn moment(value: &Value) -> Result<DateTime<FixedOffset>, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if let Ok(seconds) = f64::try_from(value.clone()) {
        let moment = Utc.timestamp_opt(seconds as i64, 0).single();
        return moment
            .map(|moment| moment.fixed_offset())
            .ok_or_else(|| wrong("this is no time"));
    }
    let text = value.as_str().unwrap_or_default().trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment);
    }
    let local = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let local = local
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN));
    let local = local.or_else(day);
    local.map(|local| local.and_utc().fixed_offset()).ok_or_else(|| {
        wrong("this is no day or time: write 2026-11-27, or 2026-11-27T15:00:00+03:00; `from_date` reads others")
    })
}

/// `due | date('%d/%m/%Y')`
fn date(value: &Value, form: &str) -> Result<String, Error> {
    let mut text = String::new();
    write!(text, "{}", moment(value)?.format(form)).map_err(|_| wrong(format!("`{form}` is no form of a date")))?;
    Ok(text)
}

/// `body.closed | from_date('%d/%m/%Y')`: as 2026-11-27.
fn from_date(value: &Value, form: &str) -> Result<Value, Error> {
    let Some(text) = value.as_str().map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Value::from(()));
    };
    let day = DateTime::parse_from_str(text, form)
        .map(|moment| moment.date_naive())
        .or_else(|_| NaiveDateTime::parse_from_str(text, form).map(|moment| moment.date()))
        .or_else(|_| NaiveDate::parse_from_str(text, form));
    let day = day.map_err(|_| wrong(format!("this is no date of the form `{form}`")))?;
    Ok(Value::from(day.to_string()))
}

/// `due | at('18:00')`, `due | at('18:00', '+03:00')`: as 2026-11-27T18:00:00+03:00.
fn at(value: &Value, time: &str, zone: Option<&str>) -> Result<String, Error> {
    let day = moment(value)?.date_naive();
    let time = ["%H:%M", "%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(time, form).ok());
    let time = time.ok_or_else(|| wrong("a time is written as 18:00"))?;
    let zone: FixedOffset = zone
        .unwrap_or("+00:00")
        .parse()
        .map_err(|_| wrong("a zone is written as +03:00"))?;
    let moment = day.and_time(time).and_local_timezone(zone).single();
    moment
        .map(|moment| moment.to_rfc3339())
        .ok_or_else(|| wrong("there is no such time"))
}

fn plus_days(value: &Value, days: i64) -> Result<String, Error> {
    let day = moment(value)?.date_naive();
    let days_away = Days::new(days.unsigned_abs());
    let moved = if days < 0 {
        day.checked_sub_days(days_away)
    } else {
        day.checked_add_days(days_away)
    };
    moved
        .map(|day| day.to_string())
        .ok_or_else(|| wrong("there is no such day"))
}

fn digits(text: String) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `+79161234567`, however it is written. `country`: its code, for numbers that are written without.
fn phone(text: String, country: Option<Value>) -> String {
    let international = text.trim_start().starts_with('+');
    let all = digits(text);
    if all.is_empty() {
        return String::new();
    }
    if international {
        return format!("+{all}");
    }
    if let Some(rest) = all.strip_prefix("00") {
        return format!("+{rest}");
    }
    let country = country.map(|country| digits(country.to_string())).unwrap_or_default();
    // In Russia 8 leads out of the town, and eleven digits are a whole number.
    let national = match country.as_str() {
        "7" if all.len() == 11 => all.strip_prefix(['7', '8']),
        "" => return format!("+{all}"),
        _ => all.strip_prefix('0'),
    };
    match national {
        Some(rest) => format!("+{country}{rest}"),
        None if all.starts_with(&country) && all.len() > 10 => format!("+{all}"),
        None => format!("+{country}{all}"),
    }
}

/// `text | hmac_sha256(key)`, in hexadecimal digits; `base64=true`: as base64.
fn hmac_sha256(text: String, key: String, options: Kwargs) -> Result<String, Error> {
    let as_base64: Option<bool> = options.get("base64")?;
    options.assert_all_used()?;
    let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes());
    Ok(if as_base64.unwrap_or(false) {
        STANDARD.encode(code)
    } else {
        hex(code)
    })
}

/// A text as HTML: escaped, with its lines.
fn html(text: String) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    escaped.trim_end().replace("\r\n", "\n").replace('\n', "<br>")
}

fn pattern(text: &str) -> Result<regex::Regex, Error> {
    RegexBuilder::new(text)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| wrong(format!("`{text}` is no pattern")))
}

fn part(found: &regex::Captures<'_>) -> String {
    let part = found.iter().flatten().nth(1).or_else(|| found.get(0));
    part.map(|part| part.as_str().to_owned()).unwrap_or_default()
}

/// The first group of a pattern, or all that it matches; none.
fn first_match(text: &Value, form: &str) -> Result<Value, Error> {
    let text = text.as_str().unwrap_or_default();
    let found = pattern(form)?.captures(text).map(|found| Value::from(part(&found)));
    Ok(found.unwrap_or_else(|| Value::from(())))
}

fn all_matches(text: &Value, form: &str) -> Result<Vec<String>, Error> {
    let text = text.as_str().unwrap_or_default();
    Ok(pattern(form)?.captures_iter(text).map(|found| part(&found)).collect())
}

fn table(value: &Value) -> Result<serde_json::Map<String, Json>, Error> {
    match serde_json::to_value(value) {
        Ok(Json::Object(table)) => Ok(table),
        _ => Err(wrong("this is no table")),
    }
}

/// `deal_now | merge({'stage': value})`: with these keys in the place of its own.
fn merge(value: &Value, other: &Value) -> Result<Value, Error> {
    let mut merged = table(value)?;
    merged.extend(table(other)?);
    Ok(Value::from(Serde(merged)))
}

/// `deal_now | without('id', 'created_at')`
fn without(value: &Value, keys: Rest<String>) -> Result<Value, Error> {
    let mut left = table(value)?;
    left.retain(|key, _| !keys.contains(key));
    Ok(Value::from(Serde(left)))
}

/// `pipelines | children('stages')`: the parts of all in one list, each with what it is a part of as `parent`.
fn children(value: &Value, path: &str) -> Result<Value, Error> {
    let Ok(Json::Array(all)) = serde_json::to_value(value) else {
        return Ok(Value::from(Serde(Json::Array(Vec::new()))));
    };
    let mut found = Vec::new();
    for parent in all {
        let parts = path.split('.').try_fold(&parent, |part, key| part.get(key));
        for part in parts.and_then(Json::as_array).into_iter().flatten() {
            let mut part = part.clone();
            if let Json::Object(part) = &mut part {
                part.insert("parent".to_owned(), parent.clone());
            }
            found.push(part);
        }
    }
    Ok(Value::from(Serde(found)))
}

/// A text in single quotes, for languages of queries: `it's` is `'it\\'s'`.
fn quoted(text: String) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `notes | selectattr('text', 'containing', marker)`
fn containing(value: &Value, part: &Value) -> bool {
    match value.kind() {
        ValueKind::String => {
            let part = part.as_str().unwrap_or_default();
            !part.is_empty() && value.as_str().unwrap_or_default().contains(part)
        }
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().is_ok_and(|mut items| items.any(|item| item == *part)),
        _ => false,
    }
}

/// `people | selectattr('email', 'alike', key)`: but for capitals and blanks around it the same. Nothing is like nothing.
fn alike(value: &Value, other: &Value) -> bool {
    let plain = |value: &Value| value.as_str().map(|text| text.trim().to_lowercase());
    plain(value).is_some_and(|text| !text.is_empty() && Some(text) == plain(other))
}

/// `people | selectattr('phone', 'same_number', key)`: telephone numbers as anybody writes them, with or without the country.
fn same_number(value: &Value, other: &Value) -> bool {
    let number = |value: &Value| ContactKey::new(ContactKind::Phone, &value.to_string());
    number(value).is_some_and(|known| Some(known) == number(other))
}
