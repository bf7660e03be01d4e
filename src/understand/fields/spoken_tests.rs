//! Sums and days as people say them: our own rows beside the golden tables of C.3 and C.4.

use chrono::NaiveDate;

use super::{dates, money, samples};
use crate::domain::{Language, Money, MoneyQualifier, Vat};

/// "40000..60000 USD, month, per user, approx, vat excluded".
fn sum(money: &Money) -> String {
    let mut text = match (money.amount, money.min, money.max) {
        (Some(amount), ..) => amount.to_string(),
        (None, Some(min), Some(max)) => format!("{min}..{max}"),
        (None, Some(min), None) => format!("from {min}"),
        (None, None, Some(max)) => format!("up to {max}"),
        (None, None, None) => "?".to_owned(),
    };
    text.push_str(&format!(" {}", money.currency));
    if let Some(period) = money.period {
        text.push_str(&format!(", {}", format!("{period:?}").to_lowercase()));
    }
    if let Some(per) = &money.per {
        text.push_str(&format!(", per {per}"));
    }
    if money.qualifier == MoneyQualifier::Approx {
        text.push_str(", approx");
    }
    match money.vat {
        Some(Vat::Included) => text.push_str(", with vat"),
        Some(Vat::Excluded) => text.push_str(", without vat"),
        None => {}
    }
    text
}

fn check_sums(language: Language, table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, expected)| {
            let found = money::find(text, language, &[], true);
            let got: Vec<String> = found.iter().map(|found| sum(&found.value)).collect();
            (got.join(" | ") != *expected).then(|| format!("{text}: {}, not {expected}", got.join(" | ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn spoken_sums_in_english() {
    check_sums(
        Language::En,
        &[
            ("one-fifty a seat", "150 USD, per seat"),
            ("two and a half K", "2500 USD"),
            ("four ninety-nine a month", "499 USD, month"),
            ("thirty-one eighty a year", "3180 USD, year"),
            ("two hundred and five thousand", "205000 USD"),
            ("seven thousand eight", "7800 USD"),
            ("two point four five million", "2450000 USD"),
            ("one lakh eighty-four thousand rupees", "184000 INR"),
            ("between eight and ten grand", "8000..10000 USD"),
            ("just under forty thousand a year", "up to 40000 USD, year"),
            ("half a million pounds", "500000 GBP"),
            ("forty cents", "0.4 USD"),
            ("four euro ninety a month", "4.9 EUR, month"),
            ("$1.2M", "1200000 USD"),
            ("at least twenty thousand", "from 20000 USD"),
            ("a couple of thousand a week", "2000 USD, week, approx"),
        ],
    );
}

#[test]
fn spoken_sums_in_russian() {
    check_sums(
        Language::Ru,
        &[
            ("сто двадцать пять тысяч", "125000 RUB"),
            ("пара сотен", "200 RUB, approx"),
            ("в районе двух-трёх миллионов", "2000000..3000000 RUB, approx"),
            ("полтора-два миллиона", "1500000..2000000 RUB"),
            ("тыщ сорок в месяц", "40000 RUB, month, approx"),
            ("две девятьсот пятьдесят", "2950 RUB"),
            ("три сто", "3100 RUB"),
            ("миллион восемьсот с НДС", "1800000 RUB, with vat"),
            ("три миллиона двести тысяч", "3200000 RUB"),
            ("два ляма двести", "2200000 RUB"),
            ("не больше восьмисот тысяч", "up to 800000 RUB"),
            ("от двухсот до трёхсот тысяч в квартал", "200000..300000 RUB, quarter"),
            ("350 тыс. руб.", "350000 RUB"),
            ("девяносто девять тысяч разово", "99000 RUB, oneoff"),
            ("около полутора миллионов", "1500000 RUB, approx"),
            ("четыреста пятьдесят рублей за минуту", "450 RUB, per minute"),
        ],
    );
}

fn check_days(language: Language, call: &str, table: &[(&str, &str)]) {
    let call: NaiveDate = call.parse().expect("a date");
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, expected)| {
            let found = dates::find(text, language, call);
            let got: Vec<String> = found.iter().map(|found| samples::day(&found.value)).collect();
            (got.join(" | ") != *expected).then(|| format!("{text}: {}, not {expected}", got.join(" | ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The call is on Wednesday 2025-03-12.
#[test]
fn spoken_days_in_english() {
    check_days(
        Language::En,
        "2025-03-12",
        &[
            ("end of Feb", "2026-02-21 .. 2026-02-28"),
            ("in the first half of June", "2025-06-01 .. 2025-06-15"),
            ("the second half of April", "2025-04-16 .. 2025-04-30"),
            ("the week after next", "2025-03-24 .. 2025-03-30"),
            ("COB Friday", "by 2025-03-14 18:00"),
            ("by close of business Monday", "by 2025-03-17 18:00"),
            ("two weeks from today", "2025-03-26"),
            ("three weeks from Friday", "2025-04-04"),
            ("within a month", "by 2025-04-12"),
            ("in a month and a half", "2025-04-26, approx"),
            ("by the fifteenth of next month", "by 2025-04-15"),
            ("first week of September", "2025-09-01 .. 2025-09-07"),
            ("the last week of April", "2025-04-24 .. 2025-04-30"),
            ("end of Q2", "2025-06-30"),
            ("by the end of the second quarter", "by 2025-06-30"),
            ("Thursday next week at ten", "2025-03-20 10:00"),
            ("Friday the fourteenth at nine", "2025-03-14 09:00"),
            ("before the thirty-one December", "before 2025-12-31"),
            ("november fifteen", "2025-11-15"),
            ("this August", "2025-08-01 .. 2025-08-31"),
        ],
    );
}

/// The call is on Wednesday 2025-04-16.
#[test]
fn spoken_days_in_russian() {
    check_days(
        Language::Ru,
        "2025-04-16",
        &[
            ("во второй половине мая", "2025-05-16 .. 2025-05-31"),
            ("через полтора месяца", "2025-05-31, approx"),
            ("в понедельник в полдень", "2025-04-21 12:00"),
            ("на следующей неделе в четверг", "2025-04-24"),
            ("в четверг на следующей неделе", "2025-04-24"),
            ("до конца мая", "by 2025-05-31"),
            ("в начале следующего месяца", "2025-05-01 .. 2025-05-10"),
            ("через три-четыре недели", "2025-05-07 .. 2025-05-14, approx"),
            ("четверг, двадцать четвёртое", "2025-04-24"),
            ("завтра в десять утра", "2025-04-17 10:00"),
            ("двадцать восьмого в половине второго", "2025-04-28 13:30"),
            ("в следующую среду в одиннадцать тридцать", "2025-04-23 11:30"),
            ("через пару дней", "2025-04-18, approx"),
            ("к лету", "by 2025-05-31"),
            ("в первом квартале", "2026-01-01 .. 2026-03-31"),
            ("июль", "2025-07-01 .. 2025-07-31"),
            ("на прошлой неделе", "2025-04-07 .. 2025-04-13, past"),
        ],
    );
}
