//! `markers.toml`: the words that show how the rep talks, and the exact features read from them (B.1.4, E.4).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::{Language, sentences};

const BUILT_IN: &str = include_str!("markers.toml");

static MARKERS: LazyLock<Result<BTreeMap<String, Markers>, String>> =
    LazyLock::new(|| toml::from_str(BUILT_IN).map_err(|error| error.to_string()));

/// Phrases of one language, each kind by what it shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Markers {
    pub private: Vec<String>,
    leading: Vec<String>,
    requests: Vec<String>,
    forms: Vec<String>,
    open: Vec<String>,
    not_open: Vec<String>,
    open_after_comma: bool,
    conditional: Vec<String>,
    ask_words: Vec<String>,
    trouble: Vec<String>,
    courtesy: Vec<String>,
    tags: Vec<String>,
    pub cause: Vec<String>,
    backchannels: Vec<String>,
    pub acknowledge: Vec<String>,
    pub confirm: Vec<String>,
    pub accepted: Vec<String>,
    pub vague_step: Vec<String>,
    discount: Vec<String>,
    no_discount: Vec<String>,
    pub in_return: Vec<String>,
    numbers: Vec<String>,
    fillers: Vec<String>,
}

/// So few words that ask nothing of their own only repeat what was said.
const ECHO_WORDS: usize = 2;

/// A question, by what it leaves to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Open,
    Closed,
}

impl Markers {
    pub fn of(language: Language) -> Option<&'static Self> {
        MARKERS.as_ref().ok()?.get(language.as_str())
    }

    /// The questions of a text, by sentence. `marked`: the transcript has question marks, so a sentence without one
    /// asks only if it is a request.
    pub fn questions(&self, text: &str, marked: bool) -> Vec<Question> {
        let asked = sentences(text)
            .into_iter()
            .filter(|part| self.is_question(part, marked));
        asked.map(|part| self.kind(part)).collect()
    }

    /// `is_question` of one sentence: its mark, or its form where marks are missing.
    pub fn is_question(&self, sentence: &str, marked: bool) -> bool {
        let words = words(sentence);
        let body = self.without_leading(&words);
        if body.is_empty() || says_any(&words, &self.courtesy) {
            return false;
        }
        let line = body
            .iter()
            .filter(|word| *word != ",")
            .map(String::as_str)
            .collect::<Vec<_>>();
        let echo = line.len() <= ECHO_WORDS && !says_any(body, &self.ask_words);
        if echo || self.tags.iter().any(|tag| *tag == line.join(" ")) {
            return false;
        }
        has_mark(sentence)
            || self.requests.iter().any(|phrase| starts(body, phrase))
            || !marked && says_any(&words, &self.forms)
    }

    /// `is_open_question`.
    fn kind(&self, sentence: &str) -> Question {
        let words = words(sentence);
        if says_any(&words, &self.not_open) {
            return Question::Closed;
        }
        let body = self.without_leading(&words);
        let after_comma = self.open_after_comma || self.conditional.iter().any(|phrase| starts(body, phrase));
        let open = self.open.iter().any(|phrase| {
            starts(body, phrase)
                || find(&words, phrase).any(|at| match at.checked_sub(1) {
                    Some(before) if words[before] == "," => after_comma,
                    _ => phrase.contains(' '),
                })
        });
        if open { Question::Open } else { Question::Closed }
    }

    fn without_leading<'w>(&self, words: &'w [String]) -> &'w [String] {
        let mut rest = words;
        loop {
            let cut = self.leading.iter().find(|phrase| starts(rest, phrase));
            rest = match (rest.first(), cut) {
                (Some(first), _) if first == "," => &rest[1..],
                (_, Some(phrase)) => &rest[phrase.split(' ').count()..],
                _ => return rest,
            };
        }
    }

    /// It begins as a question does, marked or not.
    pub fn begins_asking(&self, text: &str) -> bool {
        let words = words(text);
        let body = self.without_leading(&words);
        self.forms.iter().any(|phrase| starts(body, phrase))
    }

    /// A text without the small words that only lead into it.
    pub fn without_small_words<'t>(&self, text: &'t str) -> &'t str {
        let mut rest = text;
        loop {
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            let end = trimmed
                .find(|c: char| c.is_whitespace() || c == ',')
                .unwrap_or(trimmed.len());
            let word = trimmed[..end].to_lowercase();
            if end == trimmed.len() || !self.leading.contains(&word) {
                return trimmed;
            }
            rest = &trimmed[end..];
        }
    }

    /// Nothing but "mm-hm" and its like.
    pub fn is_backchannel(&self, text: &str) -> bool {
        let words = words(text);
        let spoken = words.iter().filter(|word| *word != ",").count();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let cut = self.backchannels.iter().filter(|phrase| starts(rest, phrase));
            rest = match cut.map(|phrase| phrase.split(' ').count()).max() {
                Some(length) => &rest[length..],
                None if rest[0] == "," => &rest[1..],
                None => return false,
            };
        }
        (1..=3).contains(&spoken) && !has_mark(text)
    }

    /// A discount is on the table: not one that is refused.
    pub fn is_discount(&self, text: &str) -> bool {
        let words = words(text);
        says_any(&words, &self.discount) && !says_any(&words, &self.no_discount)
    }

    pub fn has_number(&self, text: &str) -> bool {
        text.contains(|c: char| c.is_ascii_digit()) || says(text, &self.numbers)
    }

    /// It is about a trouble or a doubt, by its words.
    pub fn is_trouble(&self, text: &str) -> bool {
        says(text, &self.trouble)
    }

    pub fn fillers(&self, text: &str) -> usize {
        let words = words(text);
        self.fillers.iter().map(|phrase| find(&words, phrase).count()).sum()
    }
}

pub fn has_mark(text: &str) -> bool {
    text.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '?')
        .ends_with('?')
}

/// One of the phrases is in the text, as whole words.
pub fn says(text: &str, phrases: &[String]) -> bool {
    says_any(&words(text), phrases)
}

fn says_any(words: &[String], phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| find(words, phrase).next().is_some())
}

/// Words in small letters; a comma or a dash is a word of its own, `,`, and other marks are left out.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace('ё', "е").replace('’', "'");
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, words: &mut Vec<String>| {
        let bare = word.trim_matches(|c| c == '-' || c == '\'');
        if !bare.is_empty() {
            words.push(bare.to_owned());
        }
        word.clear();
    };
    for c in lower.chars() {
        if c.is_alphanumeric() || matches!(c, '\'' | '-' | '%') {
            word.push(c);
            continue;
        }
        end(&mut word, &mut words);
        if matches!(c, ',' | '—' | '–' | ':' | ';') && words.last().is_some_and(|last| last != ",") {
            words.push(",".to_owned());
        }
    }
    end(&mut word, &mut words);
    words
}

/// The words begin with a phrase; its last word may end in `*`, which takes any ending.
fn starts(words: &[String], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase.split(' ').all(|wanted| {
        words.next().is_some_and(|word| match wanted.strip_suffix('*') {
            Some(stem) => word.starts_with(stem),
            None => word == wanted,
        })
    })
}

/// Places where a phrase begins.
fn find<'w>(words: &'w [String], phrase: &'w str) -> impl Iterator<Item = usize> + 'w {
    (0..words.len()).filter(move |&at| starts(&words[at..], phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(language: Language) -> &'static Markers {
        Markers::of(language).expect("markers of the program")
    }

    #[test]
    fn questions_by_mark_and_by_form() {
        use Language::{En, Ru};
        use Question::{Closed, Open};
        let cases: [(Language, &str, bool, &[Question]); 22] = [
            (
                En,
                "So how do you plan visits today? Is there trouble?",
                true,
                &[Open, Closed],
            ),
            (En, "Walk me through a bad day.", true, &[Open]),
            (En, "How many technicians do you have?", true, &[Closed]),
            (En, "Makes sense, right? Okay?", true, &[Closed]),
            (En, "How are you? Can you hear me?", true, &[]),
            (En, "When that happens, what do you do?", true, &[Open]),
            (En, "What we do is simple.", true, &[]),
            (En, "Really? In June? Which one?", true, &[Closed]),
            (En, "great so what does that cost you", false, &[Open]),
            (En, "we plan the visits for you", false, &[]),
            (En, "do you have a budget for it", false, &[Closed]),
            (Ru, "А как вы сейчас считаете остатки?", true, &[Open]),
            (Ru, "Расскажите, что происходит с заявкой.", true, &[Open]),
            (Ru, "Правильно понимаю, что вы считаете вручную?", true, &[Closed]),
            (Ru, "Сколько у вас менеджеров?", true, &[Closed]),
            (Ru, "Как часто это бывает?", true, &[Closed]),
            (Ru, "А если бы она звонила сама, что бы это изменило?", true, &[Open]),
            (Ru, "Как дела? Хорошо?", true, &[]),
            (Ru, "Покажу, как это работает.", true, &[]),
            (Ru, "а сколько у вас менеджеров сейчас", false, &[Closed]),
            (Ru, "почему так выходит", false, &[Open]),
            (Ru, "пришлю вам презентацию завтра", false, &[]),
        ];
        for (language, text, marked, expected) in cases {
            assert_eq!(markers(language).questions(text, marked), expected, "{text}");
        }
    }

    #[test]
    fn backchannels_say_nothing() {
        for text in ["Mm-hm.", "Yeah, right.", "Okay, got it"] {
            assert!(markers(Language::En).is_backchannel(text), "{text}");
        }
        for text in ["", "Right?", "Yeah, on Friday", "Okay okay okay okay"] {
            assert!(!markers(Language::En).is_backchannel(text), "{text}");
        }
        assert!(markers(Language::Ru).is_backchannel("Угу, понятно."));
        assert!(!markers(Language::Ru).is_backchannel("Да, в пятницу."));
    }

    #[test]
    fn a_refused_discount_is_none() {
        assert!(markers(Language::En).is_discount("I can do a ten percent discount."));
        assert!(!markers(Language::En).is_discount("We don't do discounts."));
        assert!(markers(Language::Ru).is_discount("Сделаю скидку десять процентов."));
        assert!(!markers(Language::Ru).is_discount("Скидок не делаем."));
    }

    #[test]
    fn small_words_before_a_statement() {
        assert_eq!(
            markers(Language::En).without_small_words("And, well, we lose it"),
            "we lose it"
        );
        assert_eq!(
            markers(Language::Ru).without_small_words("Ну а у нас бардак"),
            "у нас бардак"
        );
        assert_eq!(markers(Language::En).without_small_words("So"), "So");
        assert_eq!(markers(Language::En).without_small_words(""), "");
    }

    #[test]
    fn fillers_and_numbers() {
        assert_eq!(markers(Language::En).fillers("Um, it is, you know, uh, fine"), 3);
        assert_eq!(markers(Language::Ru).fillers("Ну, как бы, э, типа да"), 3);
        assert!(markers(Language::Ru).has_number("теряем двадцать заявок"));
        assert!(!markers(Language::En).has_number("we lose some"));
    }
}
