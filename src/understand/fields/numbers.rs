//! Numbers in words and digits, English and Russian.

use super::text::Token;

/// A number that was read from tokens `from..to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    pub value: f64,
    /// Index of the first token.
    pub from: usize,
    /// Index behind the last token.
    pub to: usize,
    /// "a couple", «пара», or Russian inversion («тысяч триста»).
    pub approx: bool,
    /// A scale that is also slang for money ended it ("K", "grand", «лям»).
    pub money_scale: bool,
    /// Any scale (thousand and up) was said.
    pub scaled: bool,
}

/// 0–19 by words of both languages in all their cases.
fn unit(word: &str) -> Option<f64> {
    const WORDS: [&[&str]; 20] = [
        &["zero", "ноль"],
        &[
            "one",
            "один",
            "одна",
            "одно",
            "одного",
            "одной",
            "одну",
            "одному",
            "одним",
        ],
        &["two", "два", "две", "двух", "двум", "двумя"],
        &["three", "три", "трех", "трем", "тремя"],
        &["four", "четыре", "четырех", "четырем"],
        &["five", "пять", "пяти", "пятью"],
        &["six", "шесть", "шести", "шестью"],
        &["seven", "семь", "семи", "семью"],
        &["eight", "восемь", "восьми", "восемью"],
        &["nine", "девять", "девяти"],
        &["ten", "десять", "десяти"],
        &["eleven", "одиннадцать", "одиннадцати"],
        &["twelve", "двенадцать", "двенадцати"],
        &["thirteen", "тринадцать", "тринадцати"],
        &["fourteen", "четырнадцать", "четырнадцати"],
        &["fifteen", "пятнадцать", "пятнадцати"],
        &["sixteen", "шестнадцать", "шестнадцати"],
        &["seventeen", "семнадцать", "семнадцати"],
        &["eighteen", "восемнадцать", "восемнадцати"],
        &["nineteen", "девятнадцать", "девятнадцати"],
    ];
    WORDS
        .iter()
        .position(|forms| forms.contains(&word))
        .map(|value| value as f64)
}

fn tens(word: &str) -> Option<f64> {
    const WORDS: [&[&str]; 8] = [
        &["twenty", "двадцать", "двадцати"],
        &["thirty", "тридцать", "тридцати"],
        &["forty", "fourty", "сорок", "сорока"],
        &["fifty", "пятьдесят", "пятидесяти"],
        &["sixty", "шестьдесят", "шестидесяти"],
        &["seventy", "семьдесят", "семидесяти"],
        &["eighty", "восемьдесят", "восьмидесяти"],
        &["ninety", "девяносто", "девяноста"],
    ];
    WORDS
        .iter()
        .position(|forms| forms.contains(&word))
        .map(|at| (at as f64 + 2.0) * 10.0)
}

fn hundreds(word: &str) -> Option<f64> {
    const WORDS: [&[&str]; 9] = [
        &["сто", "ста"],
        &["двести", "двухсот"],
        &["триста", "трехсот"],
        &["четыреста", "четырехсот"],
        &["пятьсот", "пятисот"],
        &["шестьсот", "шестисот"],
        &["семьсот", "семисот"],
        &["восемьсот", "восьмисот"],
        &["девятьсот", "девятисот"],
    ];
    WORDS
        .iter()
        .position(|forms| forms.contains(&word))
        .map(|at| (at as f64 + 1.0) * 100.0)
}

/// A scale, and whether the word is slang for money.
fn scale(word: &str) -> Option<(f64, bool)> {
    Some(match word {
        "thousand" | "thousands" | "тысяча" | "тысячи" | "тысяч" | "тысячу" | "тысячам" | "тысячами" | "тыс" => {
            (1e3, false)
        }
        "k" | "grand" | "к" | "тыщ" | "тыщи" | "тыща" | "тыщу" | "косарь" | "косаря" | "косарей" => {
            (1e3, true)
        }
        "lakh" | "lakhs" => (1e5, true),
        "crore" | "crores" => (1e7, true),
        "million" | "millions" | "миллион" | "миллиона" | "миллионов" | "миллиону" | "млн" => {
            (1e6, false)
        }
        "m" | "mil" | "mill" | "лям" | "ляма" | "лямов" | "лимон" | "лимона" | "лимонов" => {
            (1e6, true)
        }
        "billion" | "миллиард" | "миллиарда" | "миллиардов" | "млрд" => (1e9, false),
        "ярд" | "ярда" | "ярдов" => (1e9, true),
        _ => return None,
    })
}

/// Slang that means one of its kind when it stands alone: «тыщу», «лям».
fn one_of_slang(word: &str) -> bool {
    matches!(word, "тыща" | "тыщу" | "косарь" | "лям")
}

/// One and a half in Russian is a word of its own.
fn one_and_a_half(word: &str) -> bool {
    matches!(word, "полтора" | "полторы" | "полутора")
}

fn digits(token: &Token) -> Option<f64> {
    let text = &token.lower;
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') {
        return None;
    }
    // A mark followed by exactly three digits parts thousands ("12,000", "1.200.000"), else it is a decimal point.
    let parts: Vec<&str> = text.split([',', '.']).collect();
    let thousands =
        parts.len() > 1 && parts[1..].iter().all(|part| part.len() == 3) && parts[0].len() <= 3 && parts[0] != "0";
    let plain = if thousands {
        parts.concat()
    } else {
        text.replace(',', ".")
    };
    plain.parse().ok()
}

/// Reads the longest number that begins at token `from`.
pub fn read(tokens: &[Token], from: usize) -> Option<Number> {
    special(tokens, from)
        .or_else(|| inverted(tokens, from))
        .or_else(|| plain(tokens, from))
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.lower.as_str())
}

/// Halves and quarters of a scale, "a couple", and the like.
fn special(tokens: &[Token], from: usize) -> Option<Number> {
    let w = |offset: usize| word(tokens, from + offset);
    let number = |value: f64, length: usize, approx: bool, money_scale: bool| {
        Some(Number {
            value,
            from,
            to: from + length,
            approx,
            money_scale,
            scaled: value >= 1000.0,
        })
    };
    let merged = |prefix: &str| w(0).strip_prefix(prefix).and_then(scale);
    if let Some((scale, slang)) = merged("пол") {
        return number(scale / 2.0, 1, false, slang);
    }
    if let ("пол", Some((scale, slang))) = (w(0), scale(w(1))) {
        return number(scale / 2.0, 2, false, slang);
    }
    match (w(0), w(1), w(2)) {
        ("half", "a", "dozen") => return number(6.0, 3, false, false),
        ("a", "dozen", _) => return number(12.0, 2, false, false),
        ("two", "dozen", _) => return number(24.0, 2, false, false),
        ("three", "dozen", _) => return number(36.0, 2, false, false),
        ("дюжина" | "дюжину" | "дюжины", ..) => return number(12.0, 1, false, false),
        _ => {}
    }
    let (part, skip) = match (w(0), w(1), w(2)) {
        ("half", "a" | "an", _) => (0.5, 2),
        ("a" | "one", "half" | "quarter", "of") => (if w(1) == "half" { 0.5 } else { 0.25 }, 4),
        ("a", "quarter", _) => (0.25, 2),
        ("quarter", "of", "a") => (0.25, 3),
        ("quarter", "of", _) => (0.25, 2),
        ("quarter", ..) => (0.25, 1),
        ("half", ..) => (0.5, 1),
        ("a", "couple", "of") => (2.0, 3),
        ("a", "couple", _) => (2.0, 2),
        ("couple", "of", _) => (2.0, 2),
        ("couple", ..) => (2.0, 1),
        ("пара" | "пару" | "пары", ..) => (2.0, 1),
        _ => return None,
    };
    let approx = part == 2.0;
    if let Some((scale, slang)) = scale(w(skip)) {
        return number(part * scale, skip + 1, approx, slang);
    }
    if approx && matches!(w(skip), "hundred" | "сотен") {
        return number(200.0, skip + 1, true, false);
    }
    if approx { number(2.0, skip, true, false) } else { None }
}

/// «тысяч триста», «миллиона два»: the scale before the number makes it approximate.
fn inverted(tokens: &[Token], from: usize) -> Option<Number> {
    let (scale, slang) = scale(word(tokens, from))?;
    if !matches!(
        word(tokens, from),
        "тысяч" | "тысячи" | "миллиона" | "миллионов" | "тыщ" | "лямов" | "ляма"
    ) {
        return None;
    }
    // «тысяч на двести» is the same as «тысяч двести»; «тысяч в два склада» is not.
    let between = word(tokens, from + 1);
    let loose = matches!(between, "по" | "в" | "под" | "за");
    let next = from + 1 + usize::from(between == "на" || loose);
    if tokens.get(from + 1..=next)?.iter().any(|token| token.break_before) {
        return None;
    }
    let (value, to) = under_thousand(tokens, next)?;
    // «до миллиона четырехсот» is 1.4 million: one, with the thousands left out.
    if word(tokens, from) == "миллиона" && value >= 100.0 {
        return None;
    }
    if loose && scale < 1e6 && value < 10.0 {
        return None;
    }
    Some(Number {
        value: value * scale,
        from,
        to,
        approx: true,
        money_scale: slang,
        scaled: true,
    })
}

/// A number under a thousand in words or digits, with its half.
fn under_thousand(tokens: &[Token], at: usize) -> Option<(f64, usize)> {
    if one_and_a_half(word(tokens, at)) {
        return Some((1.5, at + 1));
    }
    let number = small(tokens, at).or_else(|| in_digits(tokens, at).filter(|number| number.value < 1000.0))?;
    let half = (word(tokens, number.to), word(tokens, number.to + 1)) == ("с", "половиной");
    Some(if half {
        (number.value + 0.5, number.to + 2)
    } else {
        (number.value, number.to)
    })
}

/// A number under a thousand.
fn small(tokens: &[Token], from: usize) -> Option<Number> {
    let mut value = 0.0;
    // The next part must be under this.
    let mut room: f64 = 1000.0;
    let mut at = from;
    while at < tokens.len() {
        let token = &tokens[at];
        if at > from && token.break_before {
            break;
        }
        let w = token.lower.as_str();
        // "three-hundred" and "twenty-two" are one number, «триста-четыреста» are two.
        if let Some(part) = hundreds(w).filter(|_| room > 900.0 && at == from) {
            (value, room) = (part, 100.0);
        } else if at == from && matches!(w, "a" | "an") && word(tokens, at + 1) == "hundred" {
            value = 1.0;
        } else if w == "hundred" && (1.0..100.0).contains(&value) {
            value *= 100.0;
            room = 100.0;
        } else if let Some(part) = tens(w).filter(|_| room >= 100.0) {
            value += part;
            room = 10.0;
        } else if let Some(part) = unit(w).filter(|&part| part < room.min(20.0) && (room >= 100.0 || part > 0.0)) {
            value += part;
            room = 1.0;
        } else if w == "and" && (room - 100.0).abs() < 0.5 && follows_hundred(tokens, at) {
            // "two hundred and five"
        } else {
            break;
        }
        at += 1;
    }
    (at > from).then_some(Number {
        value,
        from,
        to: at,
        approx: false,
        money_scale: false,
        scaled: false,
    })
}

/// The digits behind "point": "four five" is .45.
fn decimals(tokens: &[Token], from: usize) -> Option<(f64, usize)> {
    let mut digits = String::new();
    let mut at = from;
    while let Some(token) = tokens.get(at).filter(|token| at == from || !token.break_before) {
        let Some(number) = small(std::slice::from_ref(token), 0).filter(|number| number.value < 100.0) else {
            break;
        };
        digits.push_str(&number.value.to_string());
        at += 1;
        if number.value >= 10.0 {
            // "point twenty five"
            if let Some(last) = tokens
                .get(at)
                .and_then(|token| unit(&token.lower))
                .filter(|last| (1.0..10.0).contains(last) && number.value % 10.0 == 0.0)
            {
                digits.pop();
                digits.push_str(&last.to_string());
                at += 1;
            }
            break;
        }
    }
    Some((format!("0.{digits}").parse().ok().filter(|_| at > from)?, at))
}

fn follows_hundred(tokens: &[Token], at: usize) -> bool {
    at > 0
        && word(tokens, at - 1) == "hundred"
        && (unit(word(tokens, at + 1)).is_some() || tens(word(tokens, at + 1)).is_some())
}

/// Digits, with groups of three behind them ("2 000 000").
fn in_digits(tokens: &[Token], from: usize) -> Option<Number> {
    let mut value = digits(tokens.get(from)?)?;
    let mut at = from + 1;
    if tokens[from].lower.len() <= 3 && value.fract() == 0.0 {
        while let Some(group) = tokens.get(at) {
            let three = group.lower.len() == 3 && group.lower.chars().all(|c| c.is_ascii_digit());
            if !three || group.break_before || group.hyphen_before {
                break;
            }
            value = value * 1000.0 + digits(group)?;
            at += 1;
        }
    }
    Some(Number {
        value,
        from,
        to: at,
        approx: false,
        money_scale: false,
        scaled: value >= 1000.0,
    })
}

fn plain(tokens: &[Token], from: usize) -> Option<Number> {
    let mut total = 0.0;
    let mut at = from;
    let mut smallest = f64::INFINITY;
    let mut money_scale = false;
    let mut scaled = false;
    let mut any = false;
    loop {
        let w = word(tokens, at);
        let open = at == from || !tokens.get(at).is_none_or(|token| token.break_before);
        if !open || w.is_empty() {
            break;
        }
        let (mut group, mut next) = if one_and_a_half(w) {
            (1.5, at + 1)
        } else if let Some(number) = in_digits(tokens, at).filter(|_| !any || smallest >= 1e3) {
            scaled |= number.scaled;
            (number.value, number.to)
        } else if let Some(number) = small(tokens, at) {
            (number.value, number.to)
        } else if matches!(w, "a" | "an") && scale(word(tokens, at + 1)).is_some() {
            (1.0, at + 1)
        } else if !any && (scale(w).is_some_and(|(_, slang)| !slang) || one_of_slang(w)) {
            (1.0, at)
        } else {
            break;
        };
        // "one point two", «ноль один»
        if word(tokens, next) == "point"
            && let Some((part, to)) = decimals(tokens, next + 1)
        {
            group += part;
            next = to;
        } else if w == "ноль"
            && next == at + 1
            && !tokens.get(next).is_none_or(|token| token.break_before)
            && let Some(tenths) = unit(word(tokens, next)).filter(|tenths| (1.0..10.0).contains(tenths))
        {
            group = tenths / 10.0;
            next += 1;
        }
        if matches!((word(tokens, next), word(tokens, next + 1)), ("с", "половиной")) {
            group += 0.5;
            next += 2;
        }
        if matches!(
            (word(tokens, next), word(tokens, next + 1), word(tokens, next + 2)),
            ("and", "a", "half")
        ) {
            group += 0.5;
            next += 3;
        }
        // A scale word that begins the number may stand behind a comma.
        let scale = scale(word(tokens, next)).filter(|_| next == at || !tokens[next].break_before);
        let Some((factor, slang)) = scale else {
            if !any || group < smallest.min(1000.0) {
                // «миллион двести» leaves the thousands out, "seven thousand eight" the hundreds.
                let colloquial = smallest >= 1e6 && hundreds(w).is_some() && any;
                let tenth =
                    any && w.is_ascii() && unit(w).is_some_and(|digit| (1.0..10.0).contains(&digit)) && next == at + 1;
                total += match (colloquial, tenth) {
                    (true, _) => group * 1000.0,
                    (_, true) => group * smallest / 10.0,
                    _ => group,
                };
                at = next;
                any = true;
            }
            break;
        };
        if factor >= smallest {
            break;
        }
        total += group * factor;
        at = next + 1;
        any = true;
        money_scale |= slang;
        scaled = true;
        smallest = factor;
        if matches!(
            (word(tokens, at), word(tokens, at + 1), word(tokens, at + 2)),
            ("and", "a", "half")
        ) {
            total += factor / 2.0;
            at += 3;
        }
    }
    any.then_some(Number {
        value: total,
        from,
        to: at,
        approx: false,
        money_scale,
        scaled,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::tokens;
    use super::*;

    fn value(text: &str) -> Option<f64> {
        read(&tokens(text), 0).map(|number| number.value)
    }

    /// Pieces of which numbers are made, to be thrown together.
    const PIECES: &[&str] = &[
        "a",
        "and",
        "half",
        "quarter",
        "one",
        "two",
        "twenty",
        "hundred",
        "thousand",
        "million",
        "grand",
        "K",
        "point",
        "15",
        "2.5",
        "000",
        "12,000",
        ", ",
        ". ",
        "-",
        "пол",
        "полтора",
        "два",
        "три",
        "сто",
        "двести",
        "тысяч",
        "тысяча",
        "миллион",
        "лям",
        "с половиной",
        "на",
        "восемьдесят",
        "чего",
        "of",
        "couple",
    ];

    proptest! {
        /// Whoever goes on behind a number must get on.
        #[test]
        fn a_number_has_at_least_one_word(pieces in prop::collection::vec(prop::sample::select(PIECES), 1..9)) {
            let text = pieces.join(" ");
            let words = tokens(&text);
            for from in 0..words.len() {
                if let Some(number) = read(&words, from) {
                    prop_assert!(number.from == from && number.to > from && number.to <= words.len(), "{text}: {from} {number:?}");
                }
            }
        }
    }

    #[test]
    fn a_scale_behind_a_comma_is_a_number() {
        let words = tokens("восемьдесят чего, тысяч голов");
        assert_eq!(
            read(&words, 2).map(|number| (number.value, number.to)),
            Some((1000.0, 3))
        );
    }

    #[test]
    fn numbers_of_both_languages() {
        for (text, expected) in [
            ("twenty-two", 22.0),
            ("two hundred and five", 205.0),
            ("twelve hundred", 1200.0),
            ("fifteen hundred", 1500.0),
            ("a hundred and twenty", 120.0),
            ("a million and a half", 1_500_000.0),
            ("one point two million", 1_200_000.0),
            ("thirty two thousand five hundred", 32_500.0),
            ("12,000", 12_000.0),
            ("2.5", 2.5),
            ("15k", 15_000.0),
            ("2 000 000", 2_000_000.0),
            ("half a mil", 500_000.0),
            ("a quarter million", 250_000.0),
            ("двадцать два", 22.0),
            ("сто двадцать три тысячи", 123_000.0),
            ("полтора миллиона", 1_500_000.0),
            ("полтора милллона", 1_500_000.0),
            ("два милиона", 2_000_000.0),
            ("полторы тысячи", 1500.0),
            ("полмиллиона", 500_000.0),
            ("миллион двести", 1_200_000.0),
            ("миллион двести тысяч", 1_200_000.0),
            ("два с половиной ляма", 2_500_000.0),
            ("трёхсот тысяч", 300_000.0),
            ("тысяч триста", 300_000.0),
            ("тысяч по восемьсот", 800_000.0),
            ("тысяч в семьсот", 700_000.0),
            ("тысяч 300", 300_000.0),
            ("миллиона полтора", 1_500_000.0),
            ("миллиона два с половиной", 2_500_000.0),
            ("пол-ляма", 500_000.0),
            ("тыщу", 1000.0),
            ("a dozen drivers", 12.0),
            ("four hundred K", 400_000.0),
            ("a grand and a half", 1500.0),
            ("девятьсот", 900.0),
            ("сорок один", 41.0),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["hello", "a month", "квартал", "quarter", "", "столовая"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn two_numbers_stay_two() {
        let tokens = tokens("триста-четыреста");
        assert_eq!(read(&tokens, 0).map(|number| number.to), Some(1));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let tokens = tokens(&text);
            for at in 0..tokens.len() {
                if let Some(number) = read(&tokens, at) {
                    prop_assert!(number.to > at && number.to <= tokens.len());
                }
            }
        }

        #[test]
        fn words_of_numbers_do_not_panic(
            words in proptest::collection::vec(
                prop_oneof!["a", "half", "hundred", "twenty", "два", "сто", "тысяч", "миллион", "с", "половиной", "and", "5", "000"],
                0..8,
            ),
        ) {
            let tokens = tokens(&words.join(" "));
            for at in 0..tokens.len() {
                let _ = read(&tokens, at);
            }
        }
    }
}
