//! Which words of somebody who still speaks are shown.
//!
//! The end of open speech is heard otherwise a moment later: a sound that is cut off, or one sentence twice. So a word is shown once
//! two hearings agree on it and on all before it, and some speech lies behind it; what was shown stays until two agree on something
//! else. Where nothing is shown yet, or the hearing before has nothing else, much speech behind a word is enough: a slow machine hears
//! seldom. Words of a turn that has ended are *not* held back.

use crate::domain::{Word, letters};

/// Speech behind a word on which two hearings agree, and behind one that was heard once, in seconds.
const BEHIND_S: f64 = 0.8;
const BEHIND_ONCE_S: f64 = 2.0;

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
    /// The words to be shown of speech from sample `from` on to `end_s`, which was heard as `words`.
    pub fn shown(&mut self, from: u64, end_s: f64, words: &[Word]) -> &[Word] {
        let heard: Vec<String> = words.iter().map(|word| letters(&word.text)).collect();
        if self.from != from {
            self.heard.clear();
            self.shown.clear();
        }
        let both = heard.iter().zip(&self.heard);
        let agreed = both.take_while(|(now, before)| now == before).count();
        let followed = |by_s: f64| words.iter().take_while(|word| word.end_s + by_s <= end_s).count();
        let mut sure = agreed.min(followed(BEHIND_S));
        if agreed == self.heard.len() || self.shown.is_empty() {
            sure = sure.max(followed(BEHIND_ONCE_S));
        }
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

    /// What is shown of speech from this sample on in which a word takes 0.3 s, with so much speech behind the last.
    fn shown(so_far: &mut SoFar, from: u64, heard: &str, behind_s: f64) -> String {
        let words: Vec<Word> = (heard.split(' ').enumerate())
            .map(|(at, text)| Word {
                start_s: 0.3 * at as f64,
                end_s: 0.3 * (at + 1) as f64,
                text: text.to_owned(),
            })
            .collect();
        let end_s = 0.3 * words.len() as f64 + behind_s;
        crate::transcribe::text_of(so_far.shown(from, end_s, &words))
    }

    #[test]
    fn words_are_shown_once_two_hearings_agree() {
        let mut so_far = SoFar::default();
        let mut shown = |heard: &str| shown(&mut so_far, 0, heard, 1.0);
        assert_eq!(shown("We have"), "");
        assert_eq!(shown("We have four"), "We have");
        assert_eq!(shown("We have forty people."), "We have");
        assert_eq!(shown("We have forty people, and"), "We have forty people,");
        // What was shown stays while one hearing has it otherwise.
        assert_eq!(shown("We have 40 people and a"), "We have forty people,");
        assert_eq!(shown("We have 40 people and a plan."), "We have 40 people and a");
    }

    #[test]
    fn the_last_words_wait_for_speech_behind_them() {
        let mut so_far = SoFar::default();
        shown(&mut so_far, 0, "We have forty people", 0.1);
        assert_eq!(shown(&mut so_far, 0, "We have forty people", 0.1), "We");
        assert_eq!(shown(&mut so_far, 0, "We have forty people", 0.4), "We have");
        assert_eq!(
            shown(&mut so_far, 0, "We have forty people", 0.9),
            "We have forty people"
        );
    }

    #[test]
    fn long_speech_is_shown_though_it_was_heard_once() {
        let mut so_far = SoFar::default();
        assert_eq!(shown(&mut so_far, 0, "We have 40 people in four big cities", 0.1), "We");
        assert_eq!(shown(&mut so_far, 0, "She had forty", 2.0), "We");
        let mut so_far = SoFar::default();
        assert_eq!(shown(&mut so_far, 0, "Remus", 0.1), "");
        assert_eq!(
            shown(&mut so_far, 0, "We miss about 15 visits a week", 0.9),
            "We miss about"
        );
    }

    #[test]
    fn other_speech_begins_anew() {
        let mut so_far = SoFar::default();
        shown(&mut so_far, 0, "One two three four", 1.0);
        assert_eq!(shown(&mut so_far, 9, "One two three four", 1.0), "");
        assert_eq!(shown(&mut so_far, 9, "One", 1.0), "One");
    }
}
