//! Which words of somebody who still speaks are shown.
//!
//! The end of open speech is heard otherwise a moment later, so a word is shown once two hearings agree on it and on all before it;
//! what was shown stays until two agree on something else. Where the hearing before has nothing else, only the last words are held
//! back: a slow machine hears seldom. Words of a turn that has ended are *not* held back.

use crate::domain::{Word, letters};

/// Last words that a second hearing must confirm in any case.
const UNSURE: usize = 5;

/// Hearings of one speaker.
#[derive(Debug, Default)]
pub struct SoFar {
    /// Which speech was heard last: its first sample.
    from: u64,
    /// Its words, as they count.
    heard: Vec<String>,
    shown: Vec<Word>,
}

impl SoFar {
    /// The words to be shown of speech from sample `from` on, which was heard as `words`.
    pub fn shown(&mut self, from: u64, words: &[Word]) -> &[Word] {
        let heard: Vec<String> = words.iter().map(|word| letters(&word.text)).collect();
        if self.from != from {
            self.heard.clear();
            self.shown.clear();
        }
        let both = heard.iter().zip(&self.heard);
        let agreed = both.take_while(|(now, before)| now == before).count();
        let sure = if agreed == self.heard.len() {
            agreed.max(words.len().saturating_sub(UNSURE))
        } else {
            agreed
        };
        if sure >= self.shown.len() {
            self.shown = words[..sure].to_vec();
        }
        (self.from, self.heard) = (from, heard);
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let word = |text: &str| Word {
            start_s: 0.0,
            end_s: 0.1,
            text: text.to_owned(),
        };
        text.split(' ').map(word).collect()
    }

    fn shown(so_far: &mut SoFar, from: u64, heard: &str) -> String {
        crate::transcribe::text_of(so_far.shown(from, &words(heard)))
    }

    #[test]
    fn words_are_shown_once_two_hearings_agree() {
        let mut so_far = SoFar::default();
        assert_eq!(shown(&mut so_far, 0, "We have"), "");
        assert_eq!(shown(&mut so_far, 0, "We have four"), "We have");
        assert_eq!(shown(&mut so_far, 0, "We have forty people."), "We have");
        assert_eq!(
            shown(&mut so_far, 0, "We have forty people, and"),
            "We have forty people,"
        );
        // What was shown stays while one hearing has it otherwise.
        assert_eq!(
            shown(&mut so_far, 0, "We have 40 people and a"),
            "We have forty people,"
        );
        assert_eq!(
            shown(&mut so_far, 0, "We have 40 people and a plan."),
            "We have 40 people and a"
        );
    }

    #[test]
    fn of_long_speech_that_is_heard_once_only_the_last_words_are_held_back() {
        let mut so_far = SoFar::default();
        assert_eq!(shown(&mut so_far, 0, "We have 40 people in four cities"), "We have");
        assert_eq!(shown(&mut so_far, 0, "We had forty"), "We have");
    }

    #[test]
    fn other_speech_begins_anew() {
        let mut so_far = SoFar::default();
        shown(&mut so_far, 0, "One two three four");
        assert_eq!(shown(&mut so_far, 9, "One two three four"), "");
        assert_eq!(shown(&mut so_far, 9, "One"), "One");
    }
}
