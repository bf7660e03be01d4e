//! Which words of somebody who still speaks are shown.
//!
//! The end of open speech is heard otherwise a moment later, so its last words are shown once two hearings agree on them; what was
//! shown stays. Words of a turn that has ended are *not* held back.

use crate::domain::{Word, letters};

/// Last words that are held back until a second hearing agrees.
const UNSURE: usize = 3;

/// Hearings of one speaker.
#[derive(Debug, Default)]
pub struct SoFar {
    /// Which speech was heard last: its first sample.
    from: u64,
    /// Its words, as they count.
    heard: Vec<String>,
    shown: usize,
}

impl SoFar {
    /// How many of the words of speech from sample `from` on are to be shown. `paused`: its speaker may have ended.
    pub fn shown(&mut self, from: u64, words: &[Word], paused: bool) -> usize {
        let words: Vec<String> = words.iter().map(|word| letters(&word.text)).collect();
        if self.from != from {
            self.heard.clear();
            self.shown = 0;
        }
        let agreed = words.iter().zip(&self.heard).take_while(|(now, before)| now == before);
        let sure = if paused {
            words.len()
        } else {
            agreed.count().max(words.len().saturating_sub(UNSURE))
        };
        self.shown = sure.max(self.shown).min(words.len());
        (self.from, self.heard) = (from, words);
        self.shown
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

    #[test]
    fn words_are_shown_once_two_hearings_agree() {
        let mut so_far = SoFar::default();
        assert_eq!(so_far.shown(0, &words("We have"), false), 0);
        assert_eq!(so_far.shown(0, &words("We have four"), false), 2);
        assert_eq!(so_far.shown(0, &words("We have forty people."), false), 2);
        assert_eq!(so_far.shown(0, &words("We have forty people, and"), false), 4);
        // Words further back are shown however they are heard, and what was shown stays.
        assert_eq!(so_far.shown(0, &words("We have 40 people and a"), false), 4);
        assert_eq!(so_far.shown(0, &words("We have 40 people and a plan."), true), 7);
    }

    #[test]
    fn other_speech_begins_anew() {
        let mut so_far = SoFar::default();
        so_far.shown(0, &words("One two three four"), true);
        assert_eq!(so_far.shown(9, &words("One two three four"), false), 1);
        assert_eq!(so_far.shown(9, &words("One"), false), 1);
    }
}
