//! Working days: weekends and public holidays of Russia (calls in Russian) and of the United States (in English).
//!
//! Owns the holidays, computed by rule for any year, and counting in business days. Pure: no clock, no I/O.
//! Regional, religious and company holidays are *not* here. Russian governments move days off by yearly decree:
//! the decrees that are known are the table [`MOVED`]; other years follow article 112 of the Labour Code alone.

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::Language;

/// A Russian decree's moves: day off `from` (month, day) becomes a working day or gives its rest to `to`.
type Moves = &'static [((u32, u32), (u32, u32))];

/// Days off moved by decree, by year. The source day is a weekend day or a holiday that fell on one.
const MOVED: &[(i32, Moves)] = &[
    (
        2024,
        &[
            ((1, 6), (5, 10)),
            ((1, 7), (12, 31)),
            ((4, 27), (4, 29)),
            ((11, 2), (4, 30)),
            ((12, 28), (12, 30)),
        ],
    ),
    (
        2025,
        &[
            ((1, 4), (5, 2)),
            ((1, 5), (12, 31)),
            ((2, 23), (5, 8)),
            ((3, 8), (6, 13)),
            ((11, 1), (11, 3)),
        ],
    ),
    (2026, &[((1, 3), (1, 9)), ((1, 4), (12, 31))]),
];

/// Whether offices work on `date` where `language` is spoken (`ru`: Russia, `en`: United States).
pub fn is_business_day(date: NaiveDate, language: Language) -> bool {
    match language {
        Language::En => !is_weekend(date) && !us_day_off(date),
        Language::Ru => ru_business_day(date),
    }
}

/// The first business day after `date`, never `date` itself.
pub fn next_business_day(date: NaiveDate, language: Language) -> NaiveDate {
    add_business_days(date, 1, language)
}

/// The business day that lies `days` business days after `date`, or before it for a negative number.
/// Zero gives `date` itself, also where it is a day off. Stops at the ends of the calendar ([`is_writable`]).
pub fn add_business_days(date: NaiveDate, days: i32, language: Language) -> NaiveDate {
    let mut day = date;
    let mut left = days.unsigned_abs();
    while left > 0 {
        let step = if days > 0 { day.succ_opt() } else { day.pred_opt() };
        let Some(next) = step.filter(|next| is_writable(*next)) else {
            return day;
        };
        day = next;
        if is_business_day(day, language) {
            left -= 1;
        }
    }
    day
}

/// Whether `YYYY-MM-DD` can write it: documents hold no other days.
pub fn is_writable(date: NaiveDate) -> bool {
    (0..=9999).contains(&date.year())
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// A federal holiday, or the weekday that stands for one: Friday for a Saturday, Monday for a Sunday.
fn us_day_off(date: NaiveDate) -> bool {
    let is_holiday = |day: Option<NaiveDate>| day.is_some_and(us_holiday);
    us_holiday(date)
        || (date.weekday() == Weekday::Fri && is_holiday(date.succ_opt()))
        || (date.weekday() == Weekday::Mon && is_holiday(date.pred_opt()))
}

fn us_holiday(date: NaiveDate) -> bool {
    // The n-th such weekday of the month, and whether it is the last.
    let nth = date.day().div_ceil(7);
    let last = date
        .checked_add_days(Days::new(7))
        .is_none_or(|later| later.month() != date.month());
    match (date.month(), date.weekday()) {
        (1 | 2, Weekday::Mon) if nth == 3 => return true,
        (5, Weekday::Mon) if last => return true,
        (9, Weekday::Mon) if nth == 1 => return true,
        (10, Weekday::Mon) if nth == 2 => return true,
        (11, Weekday::Thu) if nth == 4 => return true,
        _ => {}
    }
    matches!(
        (date.month(), date.day()),
        (1, 1) | (6, 19) | (7, 4) | (11, 11) | (12, 25)
    )
}

fn ru_holiday(date: NaiveDate) -> bool {
    matches!(
        (date.month(), date.day()),
        (1, 1..=8) | (2, 23) | (3, 8) | (5, 1) | (5, 9) | (6, 12) | (11, 4)
    )
}

fn ru_moves(year: i32) -> Moves {
    MOVED
        .iter()
        .find(|(moved_year, _)| *moved_year == year)
        .map_or(&[], |(_, moves)| *moves)
}

fn ru_business_day(date: NaiveDate) -> bool {
    let day = (date.month(), date.day());
    let moves = ru_moves(date.year());
    if moves.iter().any(|(_, to)| *to == day) || ru_holiday(date) {
        return false;
    }
    if is_weekend(date) {
        return moves.iter().any(|(from, _)| *from == day);
    }
    !stands_for_weekend_holiday(date)
}

/// Whether the weekday follows a holiday that fell on a weekend, with only days off between (article 112: the
/// rest moves to the next working day). The January holidays and those that a decree moved are not carried over.
fn stands_for_weekend_holiday(date: NaiveDate) -> bool {
    if is_weekend(date) || ru_holiday(date) {
        return false;
    }
    let mut day = date;
    while let Some(before) = day.pred_opt() {
        if !is_weekend(before) && !ru_holiday(before) {
            return false;
        }
        let moved = ru_moves(before.year())
            .iter()
            .any(|(from, _)| *from == (before.month(), before.day()));
        if is_weekend(before) && ru_holiday(before) && before.month() != 1 && !moved {
            return true;
        }
        day = before;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date of the table")
    }

    #[test]
    fn working_days_and_days_off() {
        let table = [
            (Language::En, "2025-01-01", false),
            (Language::En, "2025-01-20", false), // Martin Luther King
            (Language::En, "2025-02-17", false), // Presidents
            (Language::En, "2025-05-26", false), // Memorial: the last Monday
            (Language::En, "2025-05-19", true),
            (Language::En, "2025-06-19", false),
            (Language::En, "2025-07-04", false),
            (Language::En, "2026-07-03", false), // the fourth is a Saturday
            (Language::En, "2027-07-05", false), // the fourth is a Sunday
            (Language::En, "2025-09-01", false),
            (Language::En, "2025-11-27", false),
            (Language::En, "2025-11-28", true),
            (Language::En, "2021-12-31", false), // stands for 2022-01-01, a Saturday
            (Language::En, "2025-03-12", true),
            (Language::En, "2025-03-15", false),
            (Language::Ru, "2025-03-12", true),
            (Language::Ru, "2025-01-08", false),
            (Language::Ru, "2025-01-09", true),
            (Language::Ru, "2025-02-24", true), // the decree gave its rest to 8 May
            (Language::Ru, "2025-05-08", false),
            (Language::Ru, "2025-11-01", true), // a working Saturday
            (Language::Ru, "2025-11-03", false),
            (Language::Ru, "2026-01-09", false),
            (Language::Ru, "2026-03-09", false), // 8 March is a Sunday
            (Language::Ru, "2026-05-11", false), // 9 May is a Saturday
            (Language::Ru, "2026-05-12", true),
            (Language::Ru, "2033-06-13", false), // 12 June is a Sunday, no decree known
            (Language::Ru, "2033-06-14", true),
            (Language::Ru, "2028-01-10", true), // January days are moved by decree only
            (Language::Ru, "2025-07-04", true),
        ];
        for (language, date, expected) in table {
            assert_eq!(
                is_business_day(day(date), language),
                expected,
                "{date} {}",
                language.as_str()
            );
        }
    }

    #[test]
    fn counts_business_days_both_ways() {
        assert_eq!(next_business_day(day("2025-04-30"), Language::Ru), day("2025-05-05"));
        assert_eq!(next_business_day(day("2025-05-07"), Language::Ru), day("2025-05-12"));
        assert_eq!(next_business_day(day("2025-04-18"), Language::En), day("2025-04-21"));
        assert_eq!(add_business_days(day("2025-04-16"), 4, Language::Ru), day("2025-04-22"));
        assert_eq!(
            add_business_days(day("2025-04-22"), -1, Language::Ru),
            day("2025-04-21")
        );
        assert_eq!(
            add_business_days(day("2025-05-27"), -1, Language::En),
            day("2025-05-23")
        );
        assert_eq!(add_business_days(day("2025-04-19"), 0, Language::En), day("2025-04-19"));
    }

    #[test]
    fn ends_at_the_ends_of_the_calendar() {
        assert_eq!(add_business_days(day("9999-12-31"), 3, Language::En), day("9999-12-31"));
        assert_eq!(
            add_business_days(day("0000-01-03"), -3, Language::En),
            day("0000-01-01")
        );
        assert_eq!(add_business_days(NaiveDate::MAX, 3, Language::Ru), NaiveDate::MAX);
        assert_eq!(add_business_days(NaiveDate::MIN, -3, Language::En), NaiveDate::MIN);
        assert!(!is_business_day(NaiveDate::MIN, Language::Ru) || !is_weekend(NaiveDate::MIN));
    }
}
