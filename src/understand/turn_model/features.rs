//! What the heads see of a turn beside its vector: who speaks, where it stands, a few exact marks of its text.

use crate::domain::{Role, Turn};

/// Marks of the text alone, in the order of [`text_marks`].
pub const TEXT_MARKS: usize = 11;
/// Marks of the turn in its call: text marks, role, position.
pub const MARKS: usize = TEXT_MARKS + 2 + 5;

/// Word beginnings that ask, in lower case.
const QUESTION_STARTS: &[&str] = &[
    "how",
    "what",
    "why",
    "who",
    "when",
    "where",
    "which",
    "do you",
    "does",
    "did",
    "are you",
    "is there",
    "is it",
    "can you",
    "could you",
    "would you",
    "have you",
    "will you",
    "как",
    "что",
    "почему",
    "кто",
    "когда",
    "где",
    "какой",
    "какая",
    "какие",
    "каким",
    "сколько",
    "зачем",
    "а как",
    "а что",
    "а кто",
    "а сколько",
    "а если",
    "расскажите",
    "можете",
    "есть ли",
];
const NUMBER_WORDS: &[&str] = &[
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "fifteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "hundred",
    "thousand",
    "million",
    "grand",
    "half",
    "два",
    "две",
    "три",
    "четыре",
    "пять",
    "шесть",
    "семь",
    "восемь",
    "девять",
    "десять",
    "двенадцать",
    "пятнадцать",
    "двадцать",
    "тридцать",
    "сорок",
    "пятьдесят",
    "сто",
    "двести",
    "триста",
    "тысяч",
    "тысячи",
    "миллион",
    "полтора",
];
const MONEY_WORDS: &[&str] = &[
    "dollar",
    "dollars",
    "bucks",
    "euro",
    "euros",
    "pounds",
    "price",
    "cost",
    "costs",
    "budget",
    "discount",
    "рублей",
    "рубля",
    "руб",
    "долларов",
    "евро",
    "цена",
    "цены",
    "цену",
    "стоит",
    "бюджет",
    "бюджета",
    "скидка",
    "скидку",
    "скидки",
    "дорого",
    "тысяч",
];
const TIME_WORDS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "tomorrow",
    "today",
    "week",
    "month",
    "quarter",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "понедельник",
    "вторник",
    "среду",
    "четверг",
    "пятницу",
    "завтра",
    "сегодня",
    "неделе",
    "недели",
    "месяц",
    "месяца",
    "квартал",
    "квартала",
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
const FIRST_PERSON_PROMISES: &[&str] = &[
    "i'll",
    "we'll",
    "let's",
    "пришлю",
    "отправлю",
    "сделаю",
    "давайте",
    "позвоню",
    "подготовлю",
    "скину",
];
const NEGATIONS: &[&str] = &[
    "no",
    "not",
    "don't",
    "can't",
    "won't",
    "isn't",
    "нет",
    "не",
    "нельзя",
    "никак",
];

fn flag(set: bool) -> f32 {
    f32::from(u8::from(set))
}

/// Marks that the text alone gives.
pub fn text_marks(text: &str) -> [f32; TEXT_MARKS] {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
        .filter(|word| !word.is_empty())
        .collect();
    let any = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let count = words.len() as f32;
    [
        flag(text.contains('?')),
        flag(text.trim_end().ends_with('?')),
        flag(
            QUESTION_STARTS
                .iter()
                .any(|start| lower.trim_start().starts_with(start)),
        ),
        flag(lower.contains(|c: char| c.is_ascii_digit()) || any(NUMBER_WORDS)),
        flag(any(MONEY_WORDS) || lower.contains(['$', '€', '₽', '%'])),
        flag(any(TIME_WORDS)),
        flag(any(FIRST_PERSON_PROMISES)),
        flag(any(NEGATIONS)),
        flag(count <= 3.0),
        (1.0 + count).ln() / 3.0 - 1.0,
        flag(lower.chars().any(|c| ('а'..='я').contains(&c))),
    ]
}

/// Marks of every turn of a call.
pub fn marks(turns: &[Turn]) -> Vec<[f32; MARKS]> {
    turns
        .iter()
        .enumerate()
        .map(|(at, turn)| {
            let mut all = [0.0; MARKS];
            all[..TEXT_MARKS].copy_from_slice(&text_marks(&turn.text));
            let place = &mut all[TEXT_MARKS..];
            place[0] = flag(turn.role == Role::Rep);
            place[1] = flag(turn.role == Role::Buyer);
            // No mark looks ahead: a live call has no end yet.
            place[2] = flag(at == 0);
            place[3] = flag(at < 3);
            place[4] = flag(at < 8);
            place[5] = flag(at < 20);
            place[6] = flag(at > 0 && turns[at - 1].speaker == turn.speaker);
            all
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_both_languages() {
        let en = text_marks("How many people, two hundred?");
        assert_eq!((en[0], en[1], en[2], en[3], en[10]), (1.0, 1.0, 1.0, 1.0, 0.0));
        let ru = text_marks("Нет, дорого, скидку давайте");
        assert_eq!((ru[0], ru[4], ru[6], ru[7], ru[10]), (0.0, 1.0, 1.0, 1.0, 1.0));
    }

    #[test]
    fn an_empty_text_has_marks_too() {
        assert!(text_marks("").iter().all(|mark| mark.is_finite()));
    }
}
