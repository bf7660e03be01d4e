//! Sums of money (domain specification, C.3).

use std::ops::Range;

use super::numbers::{self, Number};
use super::text::{Found, Token, is_form_of, tokens};
use crate::domain::{Language, Money, MoneyQualifier, Period, Vat};

fn currency(word: &str) -> Option<&'static str> {
    const STEMS: &[(&str, &str)] = &[
        ("dollar", "USD"),
        ("buck", "USD"),
        ("usd", "USD"),
        ("euro", "EUR"),
        ("pound", "GBP"),
        ("quid", "GBP"),
        ("gbp", "GBP"),
        ("рубл", "RUB"),
        ("доллар", "USD"),
        ("бакс", "USD"),
        ("тенге", "KZT"),
        ("rupee", "INR"),
        ("shilling", "KES"),
        ("naira", "NGN"),
        ("peso", "PHP"),
        ("ringgit", "MYR"),
        ("dirham", "AED"),
        ("złot", "PLN"),
        ("zlot", "PLN"),
        ("yuan", "CNY"),
        ("юан", "CNY"),
        ("гривн", "UAH"),
        ("лари", "GEL"),
        ("сум", "UZS"),
        ("сом", "KGS"),
    ];
    match word {
        "$" => Some("USD"),
        "€" => Some("EUR"),
        "£" => Some("GBP"),
        "₽" | "р" => Some("RUB"),
        "руб" | "rub" => Some("RUB"),
        "евро" | "eur" => Some("EUR"),
        _ => STEMS
            .iter()
            .find(|(stem, _)| is_form_of(word, stem))
            .map(|(_, code)| *code),
    }
}

/// What is paid for: the unit as it goes into `per`.
fn unit_of(word: &str) -> Option<&'static str> {
    const STEMS: &[(&str, &str)] = &[
        ("user", "user"),
        ("person", "user"),
        ("head", "user"),
        ("seat", "seat"),
        ("licen", "seat"),
        ("minute", "minute"),
        ("call", "call"),
        ("site", "site"),
        ("location", "site"),
        ("store", "site"),
        ("shop", "site"),
        ("salon", "site"),
        ("пользовател", "user"),
        ("человек", "user"),
        ("сотрудник", "user"),
        ("менеджер", "user"),
        ("мест", "seat"),
        ("лиценз", "seat"),
        ("минут", "minute"),
        ("звон", "call"),
        ("точк", "site"),
        ("магазин", "site"),
        ("кабинет", "site"),
        ("филиал", "site"),
        ("ученик", "student"),
        ("карт", "card"),
        ("кило", "kg"),
        ("штук", "piece"),
        ("метр", "metre"),
        ("тонн", "ton"),
    ];
    STEMS
        .iter()
        .find(|(stem, _)| word.starts_with(stem))
        .map(|(_, unit)| *unit)
}

fn period_of(word: &str) -> Option<Period> {
    const STEMS: &[(&str, Period)] = &[
        ("month", Period::Month),
        ("quarter", Period::Quarter),
        ("year", Period::Year),
        ("annual", Period::Year),
        ("annum", Period::Year),
        ("week", Period::Week),
        ("day", Period::Day),
        ("night", Period::Day),
        ("daily", Period::Day),
        ("месяц", Period::Month),
        ("ежемесячн", Period::Month),
        ("квартал", Period::Quarter),
        ("год", Period::Year),
        ("недел", Period::Week),
        ("день", Period::Day),
        ("сутки", Period::Day),
        ("ночь", Period::Day),
    ];
    STEMS
        .iter()
        .find(|(stem, _)| word.starts_with(stem))
        .map(|(_, period)| *period)
}

/// Sums in a text. `nearby`: amounts said within five turns, from which a sum without scale takes its own.
/// `expected`: the talk is about money here, so a bare number of a size may be a sum.
pub fn find(text: &str, language: Language, nearby: &[f64], expected: bool) -> Vec<Found<Money>> {
    let tokens = tokens(text);
    let mut found: Vec<Found<Money>> = Vec::new();
    let mut nearby = nearby.to_vec();
    let mut at = 0;
    while at < tokens.len() {
        match sum_at(&tokens, at, language, &nearby, expected) {
            Some((sum, to)) => {
                nearby.extend(sum.value.amount.or(sum.value.max).or(sum.value.min));
                found.push(sum);
                at = to;
            }
            None => at = numbers::read(&tokens, at).map_or(at + 1, |number| number.to),
        }
    }
    lend_currency(&tokens, &mut found);
    found
}

/// The currency that is named most often in a talk.
pub fn spoken_currency<'a>(texts: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for token in texts.flat_map(tokens) {
        let Some(code) = currency(&token.lower).filter(|_| token.lower != "р") else {
            continue;
        };
        match counts.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => counts.push((code, 1)),
        }
    }
    // The first of equals.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map(|(code, _)| *code)
}

/// Which dollar is meant where a talk names the country: "sixty-four five. Canadian."
pub fn spoken_dollar<'a>(mut texts: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    const COUNTRIES: &[(&str, &str)] = &[
        ("canadian", "CAD"),
        ("canadians", "CAD"),
        ("канадских", "CAD"),
        ("australian", "AUD"),
        ("австралийских", "AUD"),
        ("sing", "SGD"),
        ("сингапурских", "SGD"),
    ];
    texts.find_map(|text| {
        let tokens = tokens(text);
        let at = tokens.iter().position(|token| {
            COUNTRIES
                .iter()
                .any(|(name, _)| token.lower == *name && (token.capital || !token.lower.is_ascii()))
        })?;
        // Of money: next to a dollar, or alone right behind a number.
        let around = tokens[at.saturating_sub(1)..tokens.len().min(at + 2)]
            .iter()
            .any(|token| currency(&token.lower) == Some("USD"));
        let behind =
            (at.saturating_sub(3)..at).any(|from| numbers::read(&tokens, from).is_some_and(|number| number.to == at));
        let alone = tokens.get(at + 1).is_none_or(|token| token.break_before);
        let (_, code) = COUNTRIES.iter().find(|(name, _)| tokens[at].lower == *name)?;
        (around || behind && alone).then_some(*code)
    })
}

/// A sum without a currency takes the one that is said nearest to it in the same turn.
fn lend_currency(tokens: &[Token], found: &mut [Found<Money>]) {
    let said: Vec<(usize, &str)> = tokens
        .iter()
        .filter_map(|token| Some((token.range.start, currency(&token.lower)?)))
        // A single letter says too little away from its number.
        .filter(|(start, _)| {
            tokens
                .iter()
                .any(|token| token.range.start == *start && token.lower != "р")
        })
        .collect();
    for sum in found.iter_mut().filter(|sum| sum.value.currency_inferred) {
        if let Some((_, code)) = said.iter().min_by_key(|(start, _)| start.abs_diff(sum.range.start)) {
            sum.value.currency = (*code).to_owned();
        }
    }
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.lower.as_str())
}

/// Words before a sum, longest first, with what they make of it.
fn qualifier_before(tokens: &[Token], at: usize) -> (MoneyQualifier, usize) {
    const WORDS: &[(&[&str], MoneyQualifier)] = &[
        (&["not", "more", "than"], MoneyQualifier::Max),
        (&["no", "more", "than"], MoneyQualifier::Max),
        (&["north", "of"], MoneyQualifier::Min),
        (&["more", "than"], MoneyQualifier::Min),
        (&["at", "least"], MoneyQualifier::Min),
        (&["anything", "over"], MoneyQualifier::Min),
        (&["up", "to"], MoneyQualifier::Max),
        (&["не", "больше"], MoneyQualifier::Max),
        (&["не", "более"], MoneyQualifier::Max),
        (&["в", "районе"], MoneyQualifier::Approx),
        (&["somewhere", "around"], MoneyQualifier::Approx),
        (&["call", "it"], MoneyQualifier::Approx),
        (&["over"], MoneyQualifier::Min),
        (&["above"], MoneyQualifier::Min),
        (&["from"], MoneyQualifier::Min),
        (&["от"], MoneyQualifier::Min),
        (&["больше"], MoneyQualifier::Min),
        (&["свыше"], MoneyQualifier::Min),
        (&["under"], MoneyQualifier::Max),
        (&["below"], MoneyQualifier::Max),
        (&["до"], MoneyQualifier::Max),
        (&["about"], MoneyQualifier::Approx),
        (&["around"], MoneyQualifier::Approx),
        (&["roughly"], MoneyQualifier::Approx),
        (&["approximately"], MoneyQualifier::Approx),
        (&["maybe"], MoneyQualifier::Approx),
        (&["like"], MoneyQualifier::Approx),
        (&["nearly"], MoneyQualifier::Approx),
        (&["almost"], MoneyQualifier::Approx),
        (&["ballpark"], MoneyQualifier::Approx),
        (&["около"], MoneyQualifier::Approx),
        (&["примерно"], MoneyQualifier::Approx),
        (&["порядка"], MoneyQualifier::Approx),
        (&["где", "то"], MoneyQualifier::Approx),
        (&["почти"], MoneyQualifier::Approx),
        (&["под"], MoneyQualifier::Approx),
        (&["ну"], MoneyQualifier::Approx),
    ];
    for (words, qualifier) in WORDS {
        let fits = words.len() <= at
            && words
                .iter()
                .enumerate()
                .all(|(offset, wanted)| word(tokens, at - words.len() + offset) == *wanted)
            && !tokens[at - words.len() + 1..at].iter().any(|token| token.break_before);
        if fits {
            return (*qualifier, words.len());
        }
    }
    (MoneyQualifier::Exact, 0)
}

/// «пятьдесят на пятьдесят» and other numbers that are no sums, by what stands next to them.
fn is_idiom(tokens: &[Token], number: &Number) -> bool {
    let after = word(tokens, number.to);
    let same = numbers::read(tokens, number.to + 1).is_some_and(|other| other.value == number.value);
    (matches!(after, "на" | "and") && same && number.value == 50.0)
        || matches!(after, "%" | "percent" | "процент" | "процентов" | "процента")
}

/// The word behind a number shows that something else is counted.
fn counts_something(tokens: &[Token], at: usize) -> bool {
    let Some(token) = tokens.get(at) else { return false };
    let after = token.lower.as_str();
    if token.break_before || currency(after).is_some() || period_of(after).is_some() && after.starts_with("ежемес")
    {
        return false;
    }
    const GO_ON: &[&str] = &[
        "a",
        "an",
        "per",
        "each",
        "every",
        "in",
        "on",
        "for",
        "to",
        "and",
        "or",
        "is",
        "was",
        "of",
        "if",
        "so",
        "but",
        "once",
        "that",
        "which",
        "we",
        "i",
        "it",
        "you",
        "then",
        "just",
        "plus",
        "all",
        "total",
        "one",
        "разово",
        "единоразово",
        "под",
        "monthly",
        "annually",
        "annual",
        "ex",
        "excluding",
        "including",
        "maybe",
        "something",
        "at",
        "with",
        "as",
        "off",
        "extra",
        "up",
        "tops",
        "max",
        "out",
        "в",
        "за",
        "на",
        "с",
        "без",
        "и",
        "или",
        "это",
        "если",
        "но",
        "то",
        "мы",
        "я",
        "вы",
        "у",
        "где",
        "по",
        "для",
        "плюс",
        "минус",
        "максимум",
        "минимум",
        "примерно",
        "грубо",
        "теряем",
        "потеряли",
        "не",
        "ну",
        "да",
        "вот",
        "выходит",
        "получается",
        "маржи",
        "выручки",
        "ежемесячно",
        "каждый",
        "каждую",
        "penalty",
        "penalties",
        "fine",
        "loss",
        "cash",
        "gone",
        "at",
        "by",
        "from",
        "last",
        "за",
        "от",
        "только",
        "всего",
        "уже",
        "штрафа",
        "штрафов",
        "потерь",
        "убытка",
        "мимо",
        "меньше",
        "больше",
        "отдала",
        "отдал",
        "вычли",
        "сняли",
        "сверху",
        "чистыми",
        "ровно",
        "сразу",
        "вместе",
        "списали",
        "ушло",
        "уходит",
    ];
    !GO_ON.contains(&after)
}

fn sum_at(
    tokens: &[Token],
    at: usize,
    language: Language,
    nearby: &[f64],
    expected: bool,
) -> Option<(Found<Money>, usize)> {
    if let Some(found) = five_figures(tokens, at, language) {
        return Some(found);
    }
    let mark = currency(word(tokens, at)).filter(|_| matches!(word(tokens, at), "$" | "€" | "£" | "₽"));
    let first_at = at + usize::from(mark.is_some());
    let first = elliptic(tokens, first_at).or_else(|| numbers::read(tokens, first_at))?;
    if is_idiom(tokens, &first) || first.value == 0.0 {
        return None;
    }
    let (mut low, last) = range_end(tokens, first);
    let scale_shared = last.is_some_and(|last| last.scaled && !first.scaled && first.value < last.value);
    if let (Some(last), true) = (last, scale_shared) {
        low *= scale_of(last.value);
    }
    let number_end = last.map_or(first.to, |number| number.to);
    if last.is_none()
        && mark.is_none()
        && let Some(found) = small_change(tokens, at, &first, language)
    {
        return Some(found);
    }
    let loose = loosely(tokens, number_end);
    let end = number_end + loose;
    let named = currency(word(tokens, end)).filter(|_| !tokens[end].break_before);
    let slang = first.money_scale || last.is_some_and(|number| number.money_scale);
    let scaled = first.scaled || last.is_some_and(|number| number.scaled);
    let (qualifier, before) = qualifier_before(tokens, at);
    // "up to half a million over their life": thousands that are a limit are money.
    let limit = matches!(qualifier, MoneyQualifier::Max | MoneyQualifier::Min) && (scaled || slang);
    let joins = limit
        && matches!(
            word(tokens, end),
            "over" | "goes" | "needs" | "she" | "he" | "they" | "мне" | "сама" | "сам" | "она" | "он" | "директор"
        );
    let counted = named.is_none() && !joins && counts_something(tokens, end);
    let short = expected && !scaled && mark.is_none() && named.is_none() && !slang && !counted;
    let hundreds = first.value >= 100.0;
    // Ambiguous without a scale: that of an amount of the same size nearby is meant.
    if short && last.is_none() {
        let open = tenths(tokens, first_at);
        let (number, to) = open.unwrap_or((first.value, first.to));
        let same_size = |value: f64| {
            nearby
                .iter()
                .any(|&amount| value <= 3.0 * amount && amount <= 3.0 * value)
        };
        let limit = matches!(qualifier, MoneyQualifier::Max | MoneyQualifier::Min);
        let scale = [1e3, 1e6].into_iter().find(|scale| same_size(number * scale));
        if let Some(scale) = scale.filter(|_| (limit || hundreds || open.is_some()) && !same_size(number))
            && !counts_something(tokens, to)
            && !matches!(word(tokens, to), "per" | "each" | "apiece" | "a")
        {
            let mut money = plain(language, qualifier);
            money.scale_inferred = true;
            place(&mut money, qualifier, (number * scale).round());
            let end = tail(tokens, to, &mut money);
            let range = tokens[at - before].range.start..tokens[end - 1].range.end;
            return Some((Found { range, value: money }, end));
        }
        if open.is_some() {
            return None;
        }
    }
    let each = short && first.value >= 1.0 && is_rate(tokens, end);
    if !(mark.is_some() || named.is_some() || slang && !counted || scaled && !counted || short && hundreds || each) {
        return None;
    }
    if mark.is_none() && named.is_none() && is_year(tokens, at, &first, end) {
        return None;
    }
    let mut money = plain(language, qualifier);
    if let Some(code) = mark.or(named) {
        money.currency = code.to_owned();
        money.currency_inferred = false;
    }
    let approx =
        first.approx || loose > 0 || last.is_some_and(|number| number.approx) || qualifier == MoneyQualifier::Approx;
    let high = last.map(|number| number.value);
    match high {
        Some(high) if high > low => {
            money.min = Some(low);
            money.max = Some(high);
            money.qualifier = if approx {
                MoneyQualifier::Approx
            } else {
                MoneyQualifier::Range
            };
        }
        _ => place(
            &mut money,
            if approx { MoneyQualifier::Approx } else { qualifier },
            first.value,
        ),
    }
    let mut to = end + usize::from(named.is_some());
    to = tail(tokens, to, &mut money);
    let range = tokens[at - before].range.start..tokens[to - 1].range.end;
    Some((Found { range, value: money }, to))
}

/// Words of letters, with nothing scaled or vague in them.
fn in_words(tokens: &[Token], number: &Number) -> bool {
    !number.scaled
        && !number.approx
        && !tokens[number.from..number.to]
            .iter()
            .any(|token| token.lower.starts_with(|c: char| c.is_ascii_digit()))
}

/// "three eighty-five" is 385, «две девятьсот» is 2900: the scale between is left out.
fn elliptic(tokens: &[Token], from: usize) -> Option<Number> {
    let first = numbers::read(tokens, from).filter(|number| in_words(tokens, number))?;
    let joint = tokens.get(first.to).filter(|token| !token.break_before)?;
    let last = numbers::read(tokens, first.to).filter(|number| in_words(tokens, number))?;
    let (a, b) = (first.value, last.value);
    let factor = if tokens[from].lower.is_ascii() {
        // "fifteen twenty" and "nine ten" are about so many.
        let range = a % 5.0 == 0.0 && b % 5.0 == 0.0 && b > a && b <= 2.0 * a && a >= 10.0 || b == a + 1.0;
        ((1.0..100.0).contains(&a) && (10.0..100.0).contains(&b) && !range).then_some(100.0)?
    } else {
        let fits = (1.0..1000.0).contains(&a) && a % 100.0 != 0.0 && (100.0..1000.0).contains(&b);
        (fits && !joint.hyphen_before).then_some(1000.0)?
    };
    (a.fract() == 0.0 && b.fract() == 0.0).then_some(Number {
        value: a * factor + b,
        from,
        to: last.to,
        approx: false,
        money_scale: false,
        scaled: factor > 100.0,
    })
}

/// "twelve five": tenths of a scale that nobody says.
fn tenths(tokens: &[Token], from: usize) -> Option<(f64, usize)> {
    let first = numbers::read(tokens, from).filter(|number| in_words(tokens, number))?;
    tokens
        .get(first.to)
        .filter(|token| !token.break_before && token.lower.is_ascii())?;
    let last = numbers::read(tokens, first.to).filter(|number| in_words(tokens, number))?;
    let fits =
        (1.0..100.0).contains(&first.value) && (1.0..10.0).contains(&last.value) && last.value != first.value + 1.0;
    let whole = first.value.fract() == 0.0 && last.value.fract() == 0.0 && last.to == first.to + 1;
    (fits && whole).then_some((first.value + last.value / 10.0, last.to))
}

/// Sums of which the words leave the scale open: "twenty-one nine" where nothing near tells of what.
/// The number as it is said: "twenty-one nine" is 21.9.
pub fn unscaled(text: &str) -> Vec<Found<f64>> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tenths(&tokens, at) {
            Some((value, to)) if !counts_something(&tokens, to) => {
                let range = tokens[at].range.start..tokens[to - 1].range.end;
                found.push(Found { range, value });
                at = to;
            }
            Some((_, to)) => at = to,
            None => at = numbers::read(&tokens, at).map_or(at + 1, |number| number.to),
        }
    }
    found
}

/// Numbers that count nothing that is named: sums of which the scale is open, where there is talk of money.
pub fn bare(text: &str) -> Vec<Range<usize>> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(number) = elliptic(&tokens, at).or_else(|| numbers::read(&tokens, at)) else {
            at += 1;
            continue;
        };
        let alone = matches!(
            word(&tokens, at),
            "one" | "один" | "одна" | "одну" | "одно" | "half" | "a"
        );
        if !alone
            && !is_idiom(&tokens, &number)
            && !counts_something(&tokens, number.to)
            && period_of(word(&tokens, number.to)).is_none()
        {
            found.push(tokens[at].range.start..tokens[number.to - 1].range.end);
        }
        at = number.to;
    }
    found
}

/// "forty cents", "four euro ninety", "a dollar thirty-five".
fn small_change(tokens: &[Token], at: usize, first: &Number, language: Language) -> Option<(Found<Money>, usize)> {
    let unit = tokens.get(first.to).filter(|token| !token.break_before)?;
    let (amount, code, end) = if ["cent", "цент", "копе", "pence"]
        .iter()
        .any(|stem| unit.lower.starts_with(stem))
    {
        let code = match language {
            _ if unit.lower.starts_with("pence") => "GBP",
            Language::En => "USD",
            Language::Ru => "RUB",
        };
        (first.value / 100.0, code, first.to + 1)
    } else {
        let code = currency(&unit.lower)?;
        let rest = tokens.get(first.to + 1).filter(|token| !token.break_before)?;
        let change = numbers::read(tokens, first.to + 1).filter(|number| in_words(tokens, number))?;
        let fits = first.value < 100.0 && (10.0..100.0).contains(&change.value) && rest.lower.is_ascii();
        (fits.then_some(first.value + change.value / 100.0)?, code, change.to)
    };
    let (qualifier, before) = qualifier_before(tokens, at);
    let mut money = plain(language, qualifier);
    money.currency = code.to_owned();
    money.currency_inferred = unit.lower.starts_with("cent");
    place(&mut money, qualifier, amount);
    let to = tail(tokens, end, &mut money);
    let range = tokens[at - before].range.start..tokens[to - 1].range.end;
    Some((Found { range, value: money }, to))
}

fn scale_of(amount: f64) -> f64 {
    [1e9, 1e6, 1e3]
        .into_iter()
        .find(|scale| amount >= *scale)
        .unwrap_or(1.0)
}

/// "… a month", "each": what costs so much is said right behind the number.
fn is_rate(tokens: &[Token], at: usize) -> bool {
    let Some(token) = tokens.get(at).filter(|token| !token.break_before) else {
        return false;
    };
    let next = word(tokens, at + 1);
    match token.lower.as_str() {
        "a" | "per" => period_of(next).is_some() || unit_of(next).is_some(),
        "each" | "apiece" | "monthly" => true,
        "в" | "за" => {
            period_of(next).is_some_and(|period| period != Period::Day)
                || unit_of(next).is_some() && token.lower == "за"
        }
        _ => false,
    }
}

/// "in two thousand thirteen", «с две тысячи восемнадцатого»: a year.
fn is_year(tokens: &[Token], at: usize, number: &Number, end: usize) -> bool {
    (2001.0..2040.0).contains(&number.value)
        && (at > 0 && matches!(word(tokens, at - 1), "in" | "from" | "since" | "в" | "с")
            || matches!(word(tokens, end), "год" | "году" | "года"))
}

pub fn default_currency(language: Language) -> &'static str {
    match language {
        Language::En => "USD",
        Language::Ru => "RUB",
    }
}

fn plain(language: Language, qualifier: MoneyQualifier) -> Money {
    Money {
        amount: None,
        min: None,
        max: None,
        currency: default_currency(language).to_owned(),
        period: None,
        per: None,
        qualifier,
        vat: None,
        scale_inferred: false,
        currency_inferred: true,
    }
}

/// A sum whose currency and scale nobody says.
pub fn of(amount: f64, currency: &str) -> Money {
    Money {
        amount: Some(amount),
        currency: currency.to_owned(),
        scale_inferred: true,
        ..plain(Language::En, MoneyQualifier::Exact)
    }
}

fn place(money: &mut Money, qualifier: MoneyQualifier, amount: f64) {
    money.qualifier = qualifier;
    match qualifier {
        MoneyQualifier::Min => money.min = Some(amount),
        MoneyQualifier::Max => money.max = Some(amount),
        MoneyQualifier::Exact | MoneyQualifier::Approx | MoneyQualifier::Range => money.amount = Some(amount),
    }
}

/// Words behind a number that make it approximate: «с лишним», "and change".
fn loosely(tokens: &[Token], at: usize) -> usize {
    let words = (word(tokens, at), word(tokens, at + 1));
    let fits = matches!(
        words,
        ("с", "лишним" | "небольшим" | "хвостиком" | "хвостом" | "копейками")
            | ("or", "so")
            | ("and", "change")
    );
    if fits && !tokens[at].break_before { 2 } else { 0 }
}

/// "twenty to thirty K", «триста-четыреста», "between five and six": the low end, and the number that ends the range.
fn range_end(tokens: &[Token], first: Number) -> (f64, Option<Number>) {
    let link = word(tokens, first.to);
    let hyphen = tokens.get(first.to).is_some_and(|token| token.hyphen_before);
    let between = first.from > 0 && word(tokens, first.from - 1) == "between";
    let linked = matches!(link, "to" | "or" | "до" | "или") || between && link == "and";
    let next = if linked {
        // A mark of currency may stand before the second number too.
        first.to + 1 + usize::from(matches!(word(tokens, first.to + 1), "$" | "€" | "£"))
    } else {
        first.to
    };
    if next == first.to && tokens.get(next).is_none_or(|token| token.break_before) {
        return (first.value, None);
    }
    let second = numbers::read(tokens, next).map(|second| {
        // «тысяч триста-четыреста»: the inversion holds for both ends.
        let inverted = first.approx && first.scaled && !second.scaled;
        let factor = if inverted { scale_of(first.value) } else { 1.0 };
        Number {
            value: second.value * factor,
            ..second
        }
    });
    let second = second.filter(|second| {
        second.value * 1.0001 > first.value && (hyphen || linked || side_by_side(tokens, &first, second))
    });
    (first.value, second)
}

/// «триста четыреста тысяч»: two sizes of one kind without anything between are a range.
fn side_by_side(tokens: &[Token], first: &Number, second: &Number) -> bool {
    let in_words = |number: &Number| {
        !tokens[number.from..number.to]
            .iter()
            .any(|token| token.lower.starts_with(|c: char| c.is_ascii_digit()))
    };
    let factor = if second.scaled && !first.scaled {
        scale_of(second.value)
    } else {
        1.0
    };
    let low = first.value * factor;
    in_words(first)
        && in_words(second)
        && (second.scaled || first.approx)
        && second.value > low
        && second.value <= 2.0 * low
}

/// Period, unit and VAT behind a sum; the index behind them.
fn tail(tokens: &[Token], from: usize, money: &mut Money) -> usize {
    let mut to = from;
    while let Some(token) = tokens.get(to) {
        if token.break_before
            && !matches!(
                token.lower.as_str(),
                "без" | "с" | "plus" | "ex" | "excluding" | "including"
            )
        {
            break;
        }
        let next = word(tokens, to + 1);
        let skip_article = usize::from(matches!(next, "each" | "every" | "one" | "каждый" | "каждого"));
        let target = word(tokens, to + 1 + skip_article);
        match token.lower.as_str() {
            "a" | "an" | "per" | "every" | "each" | "в" | "за" | "на" | "с" | "со"
                if money.period.is_none() && period_of(target).is_some() =>
            {
                money.period = period_of(target);
                to += 2 + skip_article;
            }
            "a" | "per" | "за" | "с" | "на" | "for" | "every" | "each"
                if money.per.is_none() && unit_of(target).is_some() =>
            {
                money.per = unit_of(target).map(str::to_owned);
                to += 2 + skip_article;
            }
            "per" if money.per.is_none() && is_noun(next) => {
                money.per = Some(next.to_owned());
                to += 2;
            }
            "in" | "for" | "last" | "в" | "за" if money.period.is_none() && whole_period(tokens, to).is_some() => {
                if let Some((period, end)) = whole_period(tokens, to) {
                    money.period = Some(period);
                    to = end;
                }
            }
            "разово" | "единоразово" if money.period.is_none() => {
                money.period = Some(Period::OneOff);
                to += 1;
            }
            "one" if matches!(next, "off" | "time") && money.period.is_none() => {
                money.period = Some(Period::OneOff);
                to += 2;
            }
            "monthly" | "annually" | "yearly" | "ежемесячно" if money.period.is_none() => {
                money.period = period_of(token.lower.as_str()).or(Some(Period::Year));
                to += 1;
            }
            "без" | "с" | "plus" | "ex" | "excluding" | "including" if matches!(next, "ндс" | "vat" | "tax") => {
                let included = matches!(token.lower.as_str(), "с" | "including");
                money.vat = Some(if included { Vat::Included } else { Vat::Excluded });
                to += 2;
            }
            _ => break,
        }
    }
    to
}

/// What is paid for in "per tablet".
fn is_noun(word: &str) -> bool {
    word.len() > 2 && word.chars().all(char::is_alphabetic) && word != "cent"
}

/// "in the year", "for the whole year", "last year", «за прошлый год»: the period with the index behind it.
fn whole_period(tokens: &[Token], at: usize) -> Option<(Period, usize)> {
    let first = word(tokens, at);
    let second = word(tokens, at + 1);
    let of_year = |at: usize| period_of(word(tokens, at)).filter(|period| *period == Period::Year);
    match first {
        "last" => Some((of_year(at + 1)?, at + 2)),
        "in" | "for" if second == "the" => {
            let noun = at + 2 + usize::from(matches!(word(tokens, at + 2), "whole" | "entire" | "full"));
            Some((period_of(word(tokens, noun))?, noun + 1))
        }
        "в" | "за" if second.starts_with("прошл") || matches!(second, "весь" | "том" | "этот" | "этом") => {
            Some((of_year(at + 2)?, at + 3))
        }
        _ => None,
    }
}

/// "mid five figures": a size, not a number.
fn five_figures(tokens: &[Token], at: usize, language: Language) -> Option<(Found<Money>, usize)> {
    let figures = match word(tokens, at + 1) {
        "four" => 1e3,
        "five" => 1e4,
        "six" => 1e5,
        "seven" => 1e6,
        _ => return None,
    };
    let (low, high) = match word(tokens, at) {
        "low" => (1.0, 3.0),
        "mid" => (4.0, 6.0),
        "high" => (7.0, 9.9),
        _ => return None,
    };
    if !matches!(word(tokens, at + 2), "figures" | "figure") {
        return None;
    }
    let mut money = plain(language, MoneyQualifier::Approx);
    money.min = Some(low * figures);
    money.max = Some(high * figures);
    let range: Range<usize> = tokens[at].range.start..tokens[at + 2].range.end;
    Some((Found { range, value: money }, at + 3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Expected {
        amount: Option<f64>,
        min: Option<f64>,
        max: Option<f64>,
        period: Option<Period>,
    }

    fn one(text: &str, language: Language) -> Money {
        let found = find(text, language, &[18_000.0], true);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(text.get(found[0].range.clone()).is_some(), "{text}");
        found[0].value.clone()
    }

    fn check(text: &str, language: Language, expected: &Expected) -> Money {
        let money = one(text, language);
        assert_eq!(
            (money.amount, money.min, money.max, money.period),
            (expected.amount, expected.min, expected.max, expected.period),
            "{text}: {money:?}"
        );
        money
    }

    fn amount(value: f64) -> Expected {
        Expected {
            amount: Some(value),
            min: None,
            max: None,
            period: None,
        }
    }

    fn span(min: f64, max: f64) -> Expected {
        Expected {
            amount: None,
            min: Some(min),
            max: Some(max),
            period: None,
        }
    }

    fn each(mut expected: Expected, period: Period) -> Expected {
        expected.period = Some(period);
        expected
    }

    /// The golden table of C.3, Russian half.
    #[test]
    fn golden_russian() {
        let ru = |text: &str, expected: Expected| check(text, Language::Ru, &expected);
        let money = ru("полтора миллиона в квартал", each(amount(1_500_000.0), Period::Quarter));
        assert!(money.currency == "RUB" && money.currency_inferred && money.qualifier == MoneyQualifier::Exact);
        assert_eq!(
            ru("где-то полтора миллиона", amount(1_500_000.0)).qualifier,
            MoneyQualifier::Approx
        );
        ru("миллион двести", amount(1_200_000.0));
        ru("два с половиной ляма", amount(2_500_000.0));
        ru("полмиллиона", amount(500_000.0));
        assert_eq!(
            ru("тысяч триста-четыреста", span(300_000.0, 400_000.0)).qualifier,
            MoneyQualifier::Approx
        );
        assert_eq!(
            ru("ну миллиона два", amount(2_000_000.0)).qualifier,
            MoneyQualifier::Approx
        );
        ru(
            "до трёхсот тысяч",
            Expected {
                amount: None,
                min: None,
                max: Some(300_000.0),
                period: None,
            },
        );
        ru(
            "от миллиона",
            Expected {
                amount: None,
                min: Some(1_000_000.0),
                max: None,
                period: None,
            },
        );
        assert_eq!(
            ru("двести тридцать тысяч без НДС", amount(230_000.0)).vat,
            Some(Vat::Excluded)
        );
        let money = ru("около девяноста тысяч в месяц", each(amount(90_000.0), Period::Month));
        assert_eq!(money.qualifier, MoneyQualifier::Approx);
        let money = ru(
            "две тысячи рублей в месяц за пользователя",
            each(amount(2000.0), Period::Month),
        );
        assert_eq!((money.per.as_deref(), money.currency_inferred), (Some("user"), false));
        assert_eq!(ru("полторы тысячи долларов", amount(1500.0)).currency, "USD");
        assert!(find("пятьдесят на пятьдесят", Language::Ru, &[], true).is_empty());
    }

    /// The golden table of C.3, English half.
    #[test]
    fn golden_english() {
        let en = |text: &str, expected: Expected| check(text, Language::En, &expected);
        en("fifty grand a month", each(amount(50_000.0), Period::Month));
        let north = Expected {
            amount: None,
            min: Some(50_000.0),
            max: None,
            period: Some(Period::Month),
        };
        en("north of fifty thousand a month", north);
        en("one point two million a year", each(amount(1_200_000.0), Period::Year));
        let money = en("sixty dollars per user per month", each(amount(60.0), Period::Month));
        assert_eq!((money.currency.as_str(), money.per.as_deref()), ("USD", Some("user")));
        assert_eq!(
            en("twenty to thirty K", span(20_000.0, 30_000.0)).qualifier,
            MoneyQualifier::Range
        );
        en("fifteen hundred", amount(1500.0));
        en("a quarter million", amount(250_000.0));
        en("forty grand a quarter", each(amount(40_000.0), Period::Quarter));
        en("half a mil", amount(500_000.0));
        assert_eq!(en("a couple hundred", amount(200.0)).qualifier, MoneyQualifier::Approx);
        assert_eq!(en("ten thousand quid", amount(10_000.0)).currency, "GBP");
        en("mid five figures", span(40_000.0, 60_000.0));
        let money = en(
            "up to ten",
            Expected {
                amount: None,
                min: None,
                max: Some(10_000.0),
                period: None,
            },
        );
        assert!(money.scale_inferred);
        assert!(find("twelve five", Language::En, &[], true).is_empty());
    }

    #[test]
    fn our_own_sums() {
        let en = |text: &str, expected: Expected| check(text, Language::En, &expected);
        let ru = |text: &str, expected: Expected| check(text, Language::Ru, &expected);
        en("it is about $900 a month.", each(amount(900.0), Period::Month));
        en("roughly $12,000 a month", each(amount(12_000.0), Period::Month));
        en("we pay 2.5k per month now", each(amount(2500.0), Period::Month));
        en(
            "seventy nine dollars a month per location",
            each(amount(79.0), Period::Month),
        );
        en("between five and six thousand dollars", span(5000.0, 6000.0));
        en(
            "eighteen to twenty-four thousand a year",
            each(span(18_000.0, 24_000.0), Period::Year),
        );
        en("four hundred and fifty bucks", amount(450.0));
        en("€1,200 per year plus VAT", each(amount(1200.0), Period::Year));
        en("a hundred and twenty thousand dollars", amount(120_000.0));
        en(
            "no more than three hundred dollars",
            Expected {
                amount: None,
                min: None,
                max: Some(300.0),
                period: None,
            },
        );
        ru(
            "Теряем примерно полтора миллиона рублей в квартал.",
            each(amount(1_500_000.0), Period::Quarter),
        );
        ru("около 80 тысяч рублей в месяц", each(amount(80_000.0), Period::Month));
        ru("120 000 ₽ в год", each(amount(120_000.0), Period::Year));
        ru("сто десять рублей за метр", amount(110.0));
        ru("шесть тысяч в месяц за кабинет", each(amount(6000.0), Period::Month));
        ru("выкинули тысяч на двести сорок", amount(240_000.0));
        ru("двадцать пять косарей", amount(25_000.0));
        ru("от ста до двухсот тысяч", span(100_000.0, 200_000.0));
        ru("полтора ляма в год с НДС", each(amount(1_500_000.0), Period::Year));
        ru("три с половиной тысячи евро", amount(3500.0));
        for text in ["тысяч триста четыреста в месяц", "триста четыреста тысяч в месяц"]
        {
            ru(text, each(span(300_000.0, 400_000.0), Period::Month));
        }
        ru("тысяч триста или четыреста", span(300_000.0, 400_000.0));
        ru(
            "теряем тысяч по восемьсот в месяц",
            each(amount(800_000.0), Period::Month),
        );
        ru("миллиона полтора-два", span(1_500_000.0, 2_000_000.0));
        ru("1,2 млн руб. в год", each(amount(1_200_000.0), Period::Year));
        ru("пол-ляма", amount(500_000.0));
        assert_eq!(ru("тыщу рублей", amount(1000.0)).currency, "RUB");
        for text in ["под миллион", "миллион с лишним", "миллион с лишним рублей"]
        {
            assert_eq!(
                ru(text, amount(1_000_000.0)).qualifier,
                MoneyQualifier::Approx,
                "{text}"
            );
        }
        ru("двести тысяч разово", each(amount(200_000.0), Period::OneOff));
        en("four hundred K", amount(400_000.0));
        en("a grand and a half", amount(1500.0));
        en("12 to 15 grand", span(12_000.0, 15_000.0));
    }

    #[test]
    fn a_currency_of_the_turn_goes_before_that_of_the_locale() {
        let codes = |text: &str, language| {
            find(text, language, &[], true)
                .into_iter()
                .map(|sum| sum.value.currency)
                .collect::<Vec<_>>()
        };
        assert_eq!(codes("Считаем в долларах: сорок тысяч в год", Language::Ru), ["USD"]);
        assert_eq!(
            codes(
                "Four thousand a month, I mean in euros, maybe five thousand",
                Language::En
            ),
            ["EUR", "EUR"]
        );
        assert_eq!(codes("По Европе сорок тысяч в год", Language::Ru), ["RUB"]);
    }

    #[test]
    fn numbers_that_are_no_sums() {
        for text in [
            "we have fourteen reps",
            "about sixty lost orders a month",
            "thirty two technicians",
            "in three cities",
            "four thousand dogs",
            "twenty percent",
            "call me at three",
            "a thousand times no",
        ] {
            assert!(
                find(text, Language::En, &[], true).is_empty(),
                "{text}: {:?}",
                find(text, Language::En, &[], true)
            );
        }
        for text in [
            "двадцать два человека",
            "тысяча двести звонков в неделю",
            "двадцать процентов",
            "в одиннадцать часов",
            "четыре тысячи заявок",
        ] {
            assert!(
                find(text, Language::Ru, &[], true).is_empty(),
                "{text}: {:?}",
                find(text, Language::Ru, &[], true)
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_ranges_of_itself(text in "\\PC{0,80}") {
            for language in [Language::En, Language::Ru] {
                for found in find(&text, language, &[18_000.0], true) {
                    prop_assert!(text.get(found.range.clone()).is_some());
                }
            }
        }
    }
}
