//! Finding calls and deals by words: small letters, ё as е, and without endings, so that «договора» finds «договор».
//!
//! Texts are kept as stems with a space around each; a search asks for some of them with `like`. The SQL is *not* here.

use std::ops::Range;

use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;

/// Words of one search: the statements have so many places.
pub(super) const MOST_WORDS: usize = 6;
/// Characters of a quote.
const QUOTE: usize = 200;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Whole words, as stems.
    stems: Vec<String>,
    /// The last word as it is: it may not be typed to its end.
    beginning: String,
}

/// Where a search found something in what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundQuote {
    pub turn: u32,
    /// A part of the turn, as it was said.
    pub quote: String,
}

/// A search has too many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MOST_WORDS} words")]
pub struct TooMany;

impl Search {
    /// None: there is no word in it.
    pub fn new(text: &str) -> Result<Option<Self>, TooMany> {
        let stemmers = Stemmers::new();
        let words: Vec<String> = words(text).map(|place| folded(&text[place])).collect();
        if words.len() > MOST_WORDS {
            return Err(TooMany);
        }
        Ok(words.last().map(|last| Self {
            beginning: last.clone(),
            stems: words.iter().map(|word| stemmers.stem(word)).collect(),
        }))
    }

    /// What each place of a statement is like, the last word first; a place that is not needed takes everything.
    fn whole(&self) -> [String; MOST_WORDS] {
        let (last, whole) = self.stems.split_last().unwrap_or((&self.beginning, &[]));
        let like = |stem: &String| format!("% {stem} %");
        std::array::from_fn(|place| match place {
            0 => like(last),
            place => whole.get(place - 1).map_or_else(|| "%".to_owned(), like),
        })
    }

    /// What the last word is like where it is only begun.
    fn begun(&self) -> String {
        format!("% {}%", self.beginning)
    }

    /// The first turn of an analysis document with one of the words.
    pub(super) fn found(&self, analysis: &str) -> Option<FoundQuote> {
        let document: Document = serde_json::from_str(analysis).ok()?;
        let stemmers = Stemmers::new();
        document.turns.iter().find_map(|turn| {
            let hit = words(&turn.text).find(|place| {
                let stem = stemmers.stem(&folded(&turn.text[place.clone()]));
                self.stems.contains(&stem) || stem.starts_with(&self.beginning)
            })?;
            Some(FoundQuote {
                turn: turn.i,
                quote: quote(&turn.text, &hit).to_owned(),
            })
        })
    }
}

/// What a statement asks for: the last word as a whole and as a beginning, then the words before it. None: it does not ask.
pub(super) fn patterns(search: Option<&Search>) -> [Option<String>; MOST_WORDS + 1] {
    let whole = search.map(Search::whole);
    std::array::from_fn(|place| match place {
        1 => search.map(Search::begun),
        place => whole.as_ref().map(|whole| whole[place.saturating_sub(1)].clone()),
    })
}

// Only what is asked for.

#[derive(Deserialize)]
struct Document {
    turns: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    i: u32,
    text: String,
}

struct Stemmers {
    en: Stemmer,
    ru: Stemmer,
}

impl Stemmers {
    fn new() -> Self {
        Self {
            en: Stemmer::create(Algorithm::English),
            ru: Stemmer::create(Algorithm::Russian),
        }
    }

    /// Of a folded word, by its letters: people mix both languages.
    fn stem(&self, word: &str) -> String {
        let stemmer = if word.is_ascii() { &self.en } else { &self.ru };
        stemmer.stem(word).into_owned()
    }
}

fn folded(word: &str) -> String {
    word.to_lowercase().replace('ё', "е")
}

/// Places of the words of a text.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
        let (from, _) = *rest.peek()?;
        while rest.next_if(|(_, c)| c.is_alphanumeric()).is_some() {}
        Some(from..rest.peek().map_or(text.len(), |(at, _)| *at))
    })
}

/// A text as it is searched.
pub(super) fn stems(text: &str) -> String {
    let stemmers = Stemmers::new();
    let mut out = String::from(" ");
    for place in words(text) {
        out.push_str(&stemmers.stem(&folded(&text[place])));
        out.push(' ');
    }
    out
}

/// The words around a place: as many before as behind, and nothing cut in two where that can be.
fn quote<'a>(text: &'a str, hit: &Range<usize>) -> &'a str {
    let within = |from: usize, to: usize| text[from..to].chars().count() <= QUOTE;
    let (mut from, mut to) = (hit.start, hit.end);
    if !within(from, to) {
        let end = text[from..]
            .char_indices()
            .nth(QUOTE)
            .map_or(text.len(), |(at, _)| from + at);
        return &text[from..end];
    }
    // Wider by a word on each side in turn, until neither fits.
    loop {
        let before = text[..from]
            .trim_end()
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        let behind = text[to..].trim_start();
        let skipped = text.len() - to - behind.len();
        let behind = behind
            .find(char::is_whitespace)
            .map_or(text.len(), |at| to + skipped + at);
        let mut grown = false;
        if before < from && within(before, to) {
            (from, grown) = (before, true);
        }
        if behind > to && within(from, behind) {
            (to, grown) = (behind, true);
        }
        if !grown {
            return text[from..to].trim();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_capitals_and_yo_do_not_matter() {
        for (text, asked) in [
            ("Пришлите договор.", "договора"),
            ("Нет договоров", "ДОГОВОР"),
            ("the Contract is here", "contracts"),
            ("ещё счёт за лёд", "счет"),
            ("в Acme-Corp решают", "acme corp"),
            ("pricing and prices", "price"),
            // Not typed to its end.
            ("Пришлите договор", "догов"),
        ] {
            let search = Search::new(asked).expect("few words").expect("words");
            let stored = stems(text);
            let is_like = |pattern: &str| stored.contains(pattern.trim_matches('%'));
            let [last, rest @ ..] = search.whole();
            assert!(is_like(&last) || is_like(&search.begun()), "{asked} in {stored}");
            assert!(rest.iter().all(|pattern| is_like(pattern)), "{asked} in {stored}");
        }
        // A stem is no beginning: «цена» is not in «центр».
        let search = Search::new("цена").expect("few words").expect("a word");
        let stored = stems("Звоню в центр");
        let [last, ..] = search.whole();
        assert!(!stored.contains(last.trim_matches('%')) && !stored.contains(search.begun().trim_matches('%')));
        assert_eq!(Search::new(" %_ ! "), Ok(None));
        assert_eq!(Search::new("a b c d e f g"), Err(TooMany));
    }

    #[test]
    fn a_quote_is_a_part_of_the_turn_around_the_word() {
        let long = format!(
            "{}нужен договор до пятницы {}",
            "слово ".repeat(100),
            "дальше ".repeat(100)
        );
        let document = serde_json::json!({"turns": [{"i": 1, "text": "Алло."}, {"i": 2, "text": long}]}).to_string();
        let search = Search::new("договоры").expect("few words").expect("a word");
        let found = search.found(&document).expect("found");
        assert_eq!(found.turn, 2);
        assert!(long.contains(&found.quote) && found.quote.contains("нужен договор до пятницы"));
        let length = found.quote.chars().count();
        assert!((150..=QUOTE).contains(&length), "{length}");
        let endless = "я".repeat(500);
        assert_eq!(quote(&endless, &(0..endless.len())).chars().count(), QUOTE);
        assert!(
            Search::new("счёт")
                .expect("few")
                .expect("a word")
                .found(&document)
                .is_none()
        );
    }

    proptest::proptest! {
        #[test]
        fn any_word_of_a_text_is_found_in_it(text in "[a-zа-яё ,.%_]{1,300}", at in 0_usize..100) {
            let places: Vec<_> = words(&text).collect();
            if let Some(place) = places.get(at % places.len().max(1)) {
                let search = Search::new(&text[place.clone()]).expect("one").expect("a word");
                let document = serde_json::json!({"turns": [{"i": 7, "text": text}]}).to_string();
                let found = search.found(&document).expect("found");
                proptest::prop_assert!(text.contains(&found.quote) && found.quote.chars().count() <= QUOTE);
                let [last, ..] = search.whole();
                proptest::prop_assert!(stems(&text).contains(last.trim_matches('%')));
            }
        }
    }
}
