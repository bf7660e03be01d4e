//! The words that tell fields, and the lists of kinds. All of them are data: `words.toml`, `lists.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::super::text::Token;
use super::clause;
use crate::domain::{ContactChannel, CustomerKind, Language, LeadSource, ObjectionKind, PaperKind};

/// Phrases as [`clause::spot`] reads them.
pub type Phrases = Vec<String>;

/// One kind with the words that tell it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    pub id: String,
    en: Phrases,
    ru: Phrases,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    pub pain: Vec<Kind>,
    pub industry: Vec<Kind>,
}

/// The words of a value of a closed list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tells<T> {
    pub kind: T,
    pub words: Phrases,
}

/// The words of a kind of objection, and the chances of its signal at which they are believed, and at which no words are
/// needed. The model hears need and delay badly: there words decide.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellsObjection {
    pub kind: ObjectionKind,
    pub with_words: f32,
    pub alone: f32,
    pub words: Phrases,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllWords {
    pub needs: NeedsWords,
    pub process: ProcessWords,
    pub objections: ObjectionsWords,
    pub requests: RequestsWords,
    pub contact: ContactWords,
    pub talk: TalkWords,
    pub objection: Vec<TellsObjection>,
    pub paper: Vec<Tells<PaperKind>>,
    pub source: Vec<Tells<LeadSource>>,
    pub customer: Vec<Tells<CustomerKind>>,
    pub channel: Vec<Tells<ContactChannel>>,
}

/// What each list is for stands beside it in the file.
macro_rules! words {
    ($($section:ident { $($list:ident),* })*) => {
        $(
            #[derive(Debug, Clone, Default, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $section { $(pub $list: Phrases),* }
        )*
    };
}

words! {
    NeedsWords { trouble, wishes, musts, demands, so_that, indifferent, and_that, ifs, then_i, nice, goals }
    ProcessWords { then, steps, sure_steps, alone, paper_work, no_paper, events }
    ObjectionsWords { accepts, yes, but }
    RequestsWords { send, not_send, offers, takes, refuses, artefacts, finds_out, idle, senders }
    ContactWords { not_ours, we_are, not_channel, no }
    TalkWords { yes }
}

/// Tests hold the files to be right; were they not, nothing would be found.
pub static LISTS: LazyLock<Lists> = LazyLock::new(|| toml::from_str(LISTS_TEXT).unwrap_or_default());
pub static WORDS: LazyLock<AllWords> = LazyLock::new(|| toml::from_str(WORDS_TEXT).unwrap_or_default());

const LISTS_TEXT: &str = include_str!("lists.toml");
const WORDS_TEXT: &str = include_str!("words.toml");

impl Kind {
    pub fn phrases(&self, language: Language) -> &[String] {
        match language {
            Language::En => &self.en,
            Language::Ru => &self.ru,
        }
    }
}

/// The kind with the most words in `words`, the first among equals; None without any.
pub fn closest<'a>(kinds: &'a [Kind], words: &[Token], language: Language) -> Option<&'a Kind> {
    let mut best: Option<(usize, &Kind)> = None;
    for kind in kinds {
        let said = clause::count(words, kind.phrases(language));
        if said > best.map_or(0, |(most, _)| most) {
            best = Some((said, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_right() {
        let lists: Lists = toml::from_str(LISTS_TEXT).expect("lists");
        for kinds in [&lists.pain, &lists.industry] {
            let mut ids: Vec<&str> = kinds.iter().map(|kind| kind.id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), kinds.len());
            for kind in kinds {
                for language in [Language::En, Language::Ru] {
                    assert!(!kind.phrases(language).is_empty(), "{}", kind.id);
                }
            }
        }
    }

    #[test]
    fn the_words_are_right() {
        let words: AllWords = toml::from_str(WORDS_TEXT).expect("words");
        assert_eq!(words.objection.len(), 4);
        // Phrases meet words as they are cut: small letters, ё as е, no marks but the apostrophe.
        let allowed = |c: char| c.is_lowercase() && c != 'ё' || c.is_ascii_digit() || " *~'".contains(c);
        for line in [LISTS_TEXT, WORDS_TEXT].iter().flat_map(|text| text.lines()) {
            let (_, lists) = line.split_once('[').unwrap_or(("", line));
            let quoted = lists.split('"').skip(1).step_by(2);
            let phrases = quoted.filter(|_| !line.contains("id = ") && !line.contains("kind = "));
            for phrase in phrases {
                assert!(!phrase.is_empty() && phrase.chars().all(allowed), "{line}");
            }
        }
    }
}
