//! Whether what a letter states can be traced to the call, without knowing how the letter was made.
//!
//! Every quote must be an exact part of a turn; every number, day, name, sum, address and promise outside of quotes must
//! have been said, be a value of a stated field, or belong to the frames.

use std::sync::LazyLock;

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};

use super::super::Situation;
use super::words::{List, beginning, content, has_words, list, parts, plain, stem, tokens};
use super::{Templates, dates, promises, slots};
use crate::domain::{DateValue, FieldName, FieldStatus, FieldValue, Language, Role};
use crate::llm;

/// Words that mean another day when the letter is read.
const RELATIVE: &[&str] = &["tomorrow", "yesterday", "tonight", "завтра", "послезавтра", "вчера"];
/// Number words that say more than "one of them".
static NUMBERS: List = LazyLock::new(|| {
    list(
        "three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|\
         nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|percent|\
         dozen|половин|три|четыре|пять|шесть|семь|восемь|девять|десять|двадцать|тридцать|сорок|пятьдесят|шестьдесят|\
         семьдесят|восемьдесят|девяносто|сто|двести|триста|тысяч|тысячи|миллион|миллиона|миллионов|процент|процента|\
         процентов",
    )
});
/// Statements about the product that only the rep may have made.
static CLAIMS: List = LazyLock::new(|| {
    list(
        "certif|complian|integrat|guarant|discount|free|warrant|refund|secure|encrypt|license|сертиф|гарант|интегр|\
         скидк|беспл|лиценз|шифро|возвр",
    )
});
/// First person of the future.
static WE_PROMISE: List = LazyLock::new(|| {
    list(
        "i'll|i will|we'll|we will|i'm going to|we're going to|i promise|we promise|пришлю|пришлем|отправлю|отправим|\
         вышлю|вышлем|подготовлю|подготовим|покажу|покажем|перезвоню|перезвоним|позвоню|позвоним|уточню|уточним|\
         вернусь|вернемся|сделаю|сделаем|согласую|согласуем|передам|передадим|обещаю|обещаем|предоставлю|предоставим|\
         приеду|приедем|выставлю|выставим|свяжусь|свяжемся|дадим|скину|скинем|направлю|направим|снизим|снижу|\
         запустим|подключим|внедрим",
    )
});
/// The buyer's future.
static YOU_PROMISE: List = LazyLock::new(|| {
    list(
        "you'll|you will|пришлете|пришлешь|отправите|подпишете|подпишешь|оплатите|оплатишь|подготовите|согласуете|\
         приведете|передадите|позвоните",
    )
});

/// What the call holds, as a letter may use it.
struct Known {
    text: String,
    words: BTreeSet<String>,
    /// Beginnings of words, for Russian cases.
    stems: BTreeSet<String>,
    days: BTreeSet<NaiveDate>,
    times: BTreeSet<String>,
    rep: BTreeSet<String>,
    promised: BTreeSet<String>,
    promised_back: BTreeSet<String>,
}

impl Known {
    fn new(situation: &Situation<'_>) -> Self {
        let mut known = Self {
            text: String::new(),
            words: BTreeSet::new(),
            stems: BTreeSet::new(),
            days: BTreeSet::from([situation.call_date]),
            times: BTreeSet::new(),
            rep: BTreeSet::new(),
            promised: BTreeSet::new(),
            promised_back: BTreeSet::new(),
        };
        for turn in &situation.call.turns {
            known.add(&turn.text);
            known.add(turn.name.as_deref().unwrap_or_default());
            known.add(&turn.speaker);
            if turn.role == Role::Rep {
                known.rep.extend(content(&turn.text));
            }
        }
        if let Some(seller) = &situation.call.seller {
            known.add(seller.company.as_deref().unwrap_or_default());
            known.add(seller.product.as_deref().unwrap_or_default());
        }
        for field in situation
            .fields
            .iter()
            .filter(|field| field.status != FieldStatus::NotStated)
        {
            match &field.value {
                Some(FieldValue::Date(date)) => known.add_date(date),
                Some(FieldValue::Person(person)) => {
                    known.add(person.name.as_deref().unwrap_or_default());
                    known.add(person.title_in(situation.language).unwrap_or_default());
                }
                Some(FieldValue::Text(text)) => known.add(text),
                Some(FieldValue::Commitment(promise)) => {
                    let side = match promise.who {
                        Role::Rep => &mut known.promised,
                        _ => &mut known.promised_back,
                    };
                    side.extend(content(&promise.what));
                    if let Some(due) = &promise.due {
                        known.add_date(due);
                    }
                }
                _ => {}
            }
        }
        known
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        for (_, word) in tokens(text) {
            let word = plain(word);
            let bare = word.trim_end_matches("'s");
            self.stems.insert(beginning(bare));
            // "Jean-Sébastien": the parts are words too.
            self.words
                .extend(bare.split(['-', ',', '.', ':', '\'']).map(str::to_owned));
            self.words.insert(bare.to_owned());
        }
    }

    fn add_date(&mut self, date: &DateValue) {
        self.days
            .extend([date.date, date.start, date.end].into_iter().flatten());
        self.times.extend(
            [date.time, date.time_end]
                .into_iter()
                .flatten()
                .map(|time| time.format("%H:%M").to_string()),
        );
    }
}

/// Statements of a letter that nothing in the call supports, in words for a person. Empty: all of it is traced.
pub fn unsupported(situation: &Situation<'_>, templates: &Templates, subject: &str, body: &str) -> Vec<String> {
    let known = Known::new(situation);
    let letter = parts(&format!("{subject}\n{body}"));
    let mut wrong = Vec::new();
    for quote in &letter.quotes {
        let words = quote.trim_end_matches('…').trim();
        let said = situation.call.turns.iter().any(|turn| turn.text.contains(words));
        let value = situation
            .said(FieldName::BuyerCompany)
            .any(|field| field.value == Some(FieldValue::Text(words.to_owned())));
        if !(said || value) || words.is_empty() {
            wrong.push(format!("nobody said “{quote}”"));
        }
    }
    for blank in &letter.blanks {
        let name = ["[attach: ", "[вложение: "]
            .iter()
            .find_map(|mark| blank.strip_prefix(mark));
        let promised = |name: &str| {
            let named = content(name);
            named.iter().any(|stem| known.promised.contains(stem)) || document_is_promised(situation, name)
        };
        if name.is_some_and(|name| !promised(name.trim_end_matches(']'))) {
            wrong.push(format!("{blank} was not promised"));
        }
    }
    days(&known, &letter.own, &mut wrong);
    loose_words(&known, templates, situation.language, &letter.own, &mut wrong);
    statements(&known, templates, &letter.own, &mut wrong);
    wrong
}

/// Whether a letter's name for a document stands for one that was promised in other words («КП»).
fn document_is_promised(situation: &Situation<'_>, name: &str) -> bool {
    super::kind::proposal(situation).is_some_and(|field| {
        let promised = slots::document(slots::promised(field), situation.language);
        // «Две сметы» is a promise of «смета»: so short a word shares no stem with its forms.
        promised == name || ["предложени", "proposal"].iter().any(|word| name.contains(word))
    })
}

/// Days and hours: known ones, with their own weekday.
fn days(known: &Known, own: &str, wrong: &mut Vec<String>) {
    let words: Vec<String> = tokens(own).map(|(_, word)| plain(word)).collect();
    for (at, word) in words.iter().enumerate() {
        let near = |place: Option<usize>| place.and_then(|place| words.get(place)).map(String::as_str);
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok()).filter(|day| *day <= 31);
        if let Some(month) = dates::month(word) {
            let before = number(near(at.checked_sub(1))).map(|day| (day, at.checked_sub(2)));
            // "may" is a month only beside a day.
            let Some((day, weekday)) =
                before.or_else(|| number(near(Some(at + 1))).map(|day| (day, at.checked_sub(1))))
            else {
                continue;
            };
            let same: Vec<&NaiveDate> = known
                .days
                .iter()
                .filter(|date| date.month() == month && date.day() == day)
                .collect();
            let weekday = near(weekday).and_then(dates::weekday);
            let right = same
                .iter()
                .any(|date| weekday.is_none_or(|weekday| date.weekday() == weekday));
            if !right {
                wrong.push(format!("nobody named the day {day} {word}"));
            }
        } else if let Some(weekday) = dates::weekday(word) {
            let said = known.words.contains(word) || known.days.iter().any(|date| date.weekday() == weekday);
            if !said {
                wrong.push(format!("nobody named {word}"));
            }
        } else if RELATIVE.contains(&word.as_str()) {
            wrong.push(format!("“{word}” is another day for the reader"));
        }
    }
}

/// Numbers, names, signs and addresses.
fn loose_words(known: &Known, templates: &Templates, language: Language, own: &str, wrong: &mut Vec<String>) {
    let all: Vec<(usize, &str)> = tokens(own).collect();
    for (place, &(at, word)) in all.iter().enumerate() {
        let lower = plain(word);
        let bare = lower.trim_end_matches("'s");
        if word.contains('@') || word.contains('/') || lower.starts_with("www.") {
            if !known.text.contains(word) {
                wrong.push(format!("nobody gave the address {word}"));
            }
            continue;
        }
        if word.contains(|c: char| c.is_ascii_digit()) {
            let month_beside = [place.checked_sub(1), Some(place + 1)]
                .into_iter()
                .flatten()
                .filter_map(|beside| all.get(beside))
                .any(|(_, beside)| dates::month(&plain(beside)).is_some());
            let traced = known.words.contains(bare) || known.times.contains(bare) || month_beside;
            if !traced {
                wrong.push(format!("nobody said {word}"));
            }
            continue;
        }
        let heard = known.words.contains(bare);
        if NUMBERS.contains(&bare) && !heard && !templates.says(bare) {
            wrong.push(format!("nobody said {word}"));
        }
        if word.starts_with(char::is_uppercase) {
            let first = {
                let before = own[..at].trim_end_matches([' ', '-', '(']);
                before.is_empty() || before.ends_with(['.', '!', '?', '\n', ':', '◦', '…'])
            };
            let form = language == Language::Ru && known.stems.contains(&beginning(bare));
            let everyday = first && (llm::starts_sentences(&lower) || is_contraction(&lower));
            let pronoun = lower == "i" || lower.starts_with("i'");
            let day = dates::weekday(&lower).is_some() || dates::month(&lower).is_some();
            if !(heard || form || everyday || pronoun || day || templates.says(&lower)) {
                wrong.push(format!("nobody named {word}"));
            }
        }
    }
    for sign in ['$', '€', '£', '₽', '%'] {
        if own.contains(sign) && !known.text.contains(sign) {
            wrong.push(format!("nobody said {sign}"));
        }
    }
}

/// "You'll", "Let's": known by their first part.
fn is_contraction(lower: &str) -> bool {
    lower
        .split_once('\'')
        .is_some_and(|(first, _)| llm::starts_sentences(first))
}

/// Promises and claims: only those of the call.
fn statements(known: &Known, templates: &Templates, own: &str, wrong: &mut Vec<String>) {
    let frame: BTreeSet<String> = BTreeSet::new();
    for sentence in own
        .split(['\n', '.', '!', '?', ';', '◦'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let lower = plain(sentence);
        let novel: Vec<String> = tokens(sentence)
            .filter(|(_, word)| word.chars().count() >= 4)
            .filter(|(_, word)| !templates.says(&plain(word)) && dates::weekday(&plain(word)).is_none())
            .filter(|(_, word)| dates::month(&plain(word)).is_none() && !WE_PROMISE.contains(&plain(word).as_str()))
            .filter(|(_, word)| !YOU_PROMISE.contains(&plain(word).as_str()))
            .filter(|(_, word)| !word.contains(|c: char| c.is_ascii_digit()))
            .map(|(_, word)| stem(word))
            .collect();
        let promises = |words: &[&str]| words.iter().any(|word| has_words(&lower, word));
        let covered = |by: &BTreeSet<String>, also: &BTreeSet<String>| {
            let kept = novel
                .iter()
                .filter(|stem| by.contains(*stem) || also.contains(*stem))
                .count();
            2 * kept >= novel.len() && (novel.is_empty() || novel.iter().any(|stem| by.contains(stem)))
        };
        if promises(&WE_PROMISE) && !covered(&known.promised, &known.rep) {
            wrong.push(format!("nobody promised: {sentence}"));
        }
        if promises(&YOU_PROMISE) && !covered(&known.promised_back, &frame) {
            wrong.push(format!("the buyer did not promise: {sentence}"));
        }
        for claim in CLAIMS.iter() {
            let claimed = tokens(&lower).any(|(_, word)| word.starts_with(*claim) && !templates.says(word));
            let said = known
                .rep
                .iter()
                .any(|stem| claim.starts_with(stem.as_str()) || stem.starts_with(*claim));
            let promised = promises::is_this_letter(sentence);
            if claimed && !said && !promised && !known.words.iter().any(|word| word.starts_with(*claim)) {
                wrong.push(format!("nobody claimed: {sentence}"));
            }
        }
    }
}

/// Whether most of what a sentence says stands in another text or in the call.
pub fn says_nothing_new(situation: &Situation<'_>, templates: &Templates, draft: &str, sentence: &str) -> bool {
    let mut known = content(draft);
    for turn in &situation.call.turns {
        known.extend(content(&turn.text));
    }
    let mut all = 0;
    let mut new = 0;
    for (_, word) in tokens(sentence).filter(|(_, word)| word.chars().count() >= 4) {
        let lower = plain(word);
        all += 1;
        new += usize::from(!known.contains(&stem(word)) && !templates.says(&lower) && !llm::starts_sentences(&lower));
    }
    new <= 2 || 2 * new <= all
}
