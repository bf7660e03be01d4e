//! Names that a recogniser is told before it hears, and the trace that they leave.
//!
//! Names of products and competitors are not in a recogniser's own words; told them, it writes them right where it hears something
//! like them. Over noise it may read out what it was told instead of hearing. Where the names come from is *not* here: see
//! `process`.

use crate::domain::{Language, Word};

/// What a recogniser is told.
pub struct Prompt<'n> {
    names: &'n [String],
    language: Language,
}

/// So many names, one behind the other as they were told and with nothing else, nobody says.
const READ_OUT: usize = 3;

impl<'n> Prompt<'n> {
    pub const fn new(names: &'n [String], language: Language) -> Self {
        Self { names, language }
    }

    /// The words before the names. Whisper takes what it is told for what was said before, in the language of the talk.
    const fn head(&self) -> &'static str {
        match self.language {
            Language::En => "Names: ",
            Language::Ru => "Названия: ",
        }
    }

    /// Empty where there are no names.
    pub fn text(&self) -> String {
        if self.names.is_empty() {
            return String::new();
        }
        format!("{}{}.", self.head(), self.names.join(", "))
    }

    /// The words that were heard; none where they only read out what was told.
    pub fn without_echo(&self, words: Vec<Word>) -> Vec<Word> {
        if self.is_echo(&words) { Vec::new() } else { words }
    }

    fn is_echo(&self, words: &[Word]) -> bool {
        let heard: String = words.iter().map(|word| plain(&word.text)).collect();
        if self.names.is_empty() || heard.is_empty() {
            return false;
        }
        // Behind its head any of the names are read out; without it only a row of them.
        let (said, fewest) = match heard.strip_prefix(&plain(self.head())) {
            Some("") => return true,
            Some(said) => (said, 1),
            None => (heard.as_str(), READ_OUT),
        };
        let told: Vec<String> = self.names.iter().map(|name| plain(name)).collect();
        (0..told.len()).any(|from| {
            let mut rest = said;
            let row = told[from..]
                .iter()
                .take_while(|name| match rest.strip_prefix(name.as_str()) {
                    Some(behind) => {
                        rest = behind;
                        true
                    }
                    None => false,
                });
            let row = row.count();
            row >= fewest && rest.is_empty()
        })
    }
}

/// Small letters and digits alone.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["FieldWise", "Route One", "ПланСервис", "Jobber"]
            .map(str::to_owned)
            .to_vec()
    }

    fn kept(said: &str, names: &[String], language: Language) -> String {
        let words = said.split_whitespace().map(|text| Word {
            start_s: 0.0,
            end_s: 0.1,
            text: text.to_owned(),
        });
        super::super::text_of(&Prompt::new(names, language).without_echo(words.collect()))
    }

    #[test]
    fn names_are_told_in_the_language_of_the_talk() {
        assert_eq!(
            Prompt::new(&names(), Language::En).text(),
            "Names: FieldWise, Route One, ПланСервис, Jobber."
        );
        assert_eq!(
            Prompt::new(&names()[2..], Language::Ru).text(),
            "Названия: ПланСервис, Jobber."
        );
        assert_eq!(Prompt::new(&[], Language::Ru).text(), "");
    }

    #[test]
    fn what_only_reads_out_the_names_was_not_said() {
        for echo in [
            "Names: FieldWise, Route One, ПланСервис, Jobber.",
            "Names:",
            "Names: Jobber.",
            "Route One, ПланСервис, Jobber.",
        ] {
            assert_eq!(kept(echo, &names(), Language::En), "", "{echo}");
        }
        let said = [
            "FieldWise.",
            "Route One.",
            "Jobber, FieldWise, Route One.",
            "We looked at FieldWise, Route One and Jobber.",
            "Names",
        ];
        for said in &said[..4] {
            assert_eq!(kept(said, &names(), Language::En), *said);
        }
        for said in said {
            assert_eq!(kept(said, &[], Language::En), said);
        }
    }
}
