//! Names that a recogniser is told before it hears, and the trace that they leave.
//!
//! Names of products and competitors are not in a recogniser's own words; told them, it writes them right where it hears something
//! like them. Over noise it may read out what it was told instead of hearing. Where the names come from is *not* here: see
//! `process`.

use crate::domain::{Word, letters};

/// What a recogniser is told.
#[derive(Clone, Copy)]
pub struct Prompt<'n>(&'n [String]);

/// So many names and nothing else, one behind the other as they were told or one and the same, nobody says.
const READ_OUT: usize = 3;

/// A name as it is told: Whisper takes what it is told for what was said before, and goes on in its way; behind a list with commas it
/// hardly writes a full stop any more.
pub fn sentence(name: &str) -> String {
    format!("{name}.")
}

impl<'n> Prompt<'n> {
    pub const fn new(names: &'n [String]) -> Self {
        Self(names)
    }

    /// Empty where there are no names.
    pub fn text(&self) -> String {
        let sentences: Vec<String> = self.0.iter().map(|name| sentence(name)).collect();
        sentences.join(" ")
    }

    /// The words only read out what was told: other words, or none, were said.
    pub fn is_read_out(&self, words: &[Word]) -> bool {
        let heard: String = words.iter().map(|word| letters(&word.text)).collect();
        let told: Vec<String> = self
            .0
            .iter()
            .map(|name| letters(name))
            .filter(|name| !name.is_empty())
            .collect();
        let all_of = |names: &mut dyn Iterator<Item = &String>| {
            let mut rest = heard.as_str();
            let row = names.take_while(|name| match rest.strip_prefix(name.as_str()) {
                Some(behind) => {
                    rest = behind;
                    true
                }
                None => false,
            });
            row.count() >= READ_OUT && rest.is_empty()
        };
        (0..told.len()).any(|at| all_of(&mut told[at..].iter()) || all_of(&mut std::iter::repeat(&told[at])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["FieldWise", "Route One", "ПланСервис", "Jobber"]
            .map(str::to_owned)
            .to_vec()
    }

    fn is_read_out(said: &str, names: &[String]) -> bool {
        let words = said.split_whitespace().map(|text| Word {
            start_s: 0.0,
            end_s: 0.1,
            text: text.to_owned(),
        });
        Prompt::new(names).is_read_out(&words.collect::<Vec<_>>())
    }

    #[test]
    fn names_are_told_as_sentences() {
        assert_eq!(Prompt::new(&names()[..2]).text(), "FieldWise. Route One.");
        assert_eq!(Prompt::new(&[]).text(), "");
    }

    #[test]
    fn what_only_reads_out_the_names_was_not_said() {
        for echo in [
            "FieldWise. Route One. ПланСервис. Jobber.",
            "Route One, план сервис, Jobber.",
            "Jobber. Jobber. Jobber. Jobber.",
        ] {
            assert!(is_read_out(echo, &names()), "{echo}");
            assert!(!is_read_out(echo, &[]), "{echo}");
        }
        for said in [
            "FieldWise.",
            "FieldWise. Route One.",
            "Jobber, Jobber!",
            "",
            "Jobber, FieldWise, Route One.",
            "We looked at FieldWise, Route One and Jobber.",
            "FieldWise, Route One, ПланСервис, yes.",
        ] {
            assert!(!is_read_out(said, &names()), "{said}");
        }
    }
}
