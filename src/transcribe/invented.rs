//! Words that a recogniser made up: credits of films over silence, text that goes round in circles, more letters than a mouth
//! can make.
//!
//! The phrases are data (`invented.toml`). Whether there is speech at all is *not* asked here: see `voice`.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::Word;

/// A word, and how sure the recogniser is of it, 0–1.
pub struct Heard {
    pub word: Word,
    pub probability: f32,
}

/// Nobody speaks this many letters a second for long; repeated text does.
const MOST_LETTERS_PER_S: f64 = 35.0;
/// Words of the longest phrase whose repetition is looked for.
const LONGEST_LOOP: usize = 12;
/// So often people say a single word in a row ("no, no, no, no"), and a phrase.
const MOST_WORDS_IN_A_ROW: usize = 6;
const MOST_PHRASES_IN_A_ROW: usize = 3;
/// A doubtful sentence whose words are less sure than this, on average, was not said.
const SURE: f32 = 0.6;

/// Both limits are whisper's own for a segment that is no speech.
const NO_SPEECH: f32 = 0.6;
const WEAK_LOG_PROBABILITY: f32 = -1.0;

/// Whether a segment is no speech: by the probability that it is none, and the mean of its tokens' logarithms.
pub fn is_no_speech(no_speech: f32, log_probability: f32) -> bool {
    no_speech > NO_SPEECH && log_probability < WEAK_LOG_PROBABILITY
}

#[derive(Deserialize)]
struct Phrases {
    always: HashSet<String>,
    doubtful: HashSet<String>,
}

static PHRASES: LazyLock<Phrases> =
    LazyLock::new(|| toml::from_str(include_str!("invented.toml")).unwrap_or_else(|error| unreachable!("{error}")));

/// What was said: without marks of noise, phrases that nobody said, and circles. `seconds` is the length of the speech.
pub fn without(heard: Vec<Heard>, seconds: f64) -> Vec<Word> {
    let mut kept = Vec::with_capacity(heard.len());
    let ends = |heard: &Heard| heard.word.text.ends_with(['.', '?', '!', '…', ']', ')', '*', '♪']);
    for sentence in heard.chunk_by(|one, _| !ends(one)) {
        if !is_invented(sentence) {
            kept.extend(sentence.iter().map(|heard| heard.word.clone()));
        }
    }
    let kept = without_circles(kept);
    let letters: usize = kept.iter().map(|word| word.text.chars().count()).sum();
    if letters as f64 > MOST_LETTERS_PER_S * seconds.max(1.0) {
        return Vec::new();
    }
    kept
}

fn is_invented(sentence: &[Heard]) -> bool {
    let texts: Vec<&str> = sentence.iter().map(|heard| heard.word.text.as_str()).collect();
    let text = texts.join(" ");
    let in_marks = |open, close| text.starts_with(open) && text.ends_with(close);
    if in_marks('[', ']') || in_marks('(', ')') || in_marks('*', '*') || in_marks('♪', '♪') {
        return true;
    }
    let plain = plain(&text);
    if plain.is_empty() {
        return true;
    }
    let sure = sentence.iter().map(|heard| heard.probability).sum::<f32>() / sentence.len() as f32;
    // One sound after another is as doubtful as one.
    let mut words: Vec<&str> = plain.split(' ').collect();
    words.dedup();
    let is_doubtful =
        PHRASES.doubtful.contains(&plain) || matches!(words[..], [word] if PHRASES.doubtful.contains(word));
    PHRASES.always.contains(&plain) || (sure < SURE && is_doubtful)
}

/// Small letters, one blank between words, no marks; a letter that is drawn out counts once.
fn plain(text: &str) -> String {
    let marks = |c: char| if c.is_alphanumeric() { c } else { ' ' };
    let spaced: String = text
        .replace(['\'', '’'], "")
        .to_lowercase()
        .chars()
        .map(marks)
        .collect();
    let words: Vec<String> = spaced.split_whitespace().map(not_drawn_out).collect();
    words.join(" ")
}

/// A letter more than twice in a row stands in no word of either language.
fn not_drawn_out(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let runs = letters.chunk_by(|one, next| one == next && one.is_alphabetic());
    runs.flat_map(|run| if run.len() > 2 { &run[..1] } else { run })
        .collect()
}

/// Of a phrase that comes again and again, only its first time.
fn without_circles(words: Vec<Word>) -> Vec<Word> {
    let plain: Vec<String> = words.iter().map(|word| plain(&word.text)).collect();
    let mut keep = vec![true; words.len()];
    let mut at = 0;
    while at < words.len() {
        let circle = (1..=LONGEST_LOOP).find_map(|length| {
            let phrase = plain.get(at..at + length)?;
            let times = plain[at..]
                .chunks_exact(length)
                .take_while(|next| *next == phrase)
                .count();
            let most = if length == 1 {
                MOST_WORDS_IN_A_ROW
            } else {
                MOST_PHRASES_IN_A_ROW
            };
            (times > most).then_some((length, times))
        });
        match circle {
            Some((length, times)) => {
                keep[at + length..at + length * times].fill(false);
                at += length * times;
            }
            None => at += 1,
        }
    }
    words
        .into_iter()
        .zip(keep)
        .filter(|(_, keep)| *keep)
        .map(|(word, _)| word)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str, probability: f32) -> Vec<Heard> {
        let words = text.split(' ').enumerate();
        words
            .map(|(at, text)| Heard {
                word: Word {
                    start_s: at as f64,
                    end_s: at as f64 + 0.5,
                    text: text.to_owned(),
                },
                probability,
            })
            .collect()
    }

    fn said(text: &str, probability: f32, seconds: f64) -> String {
        super::super::text_of(&without(heard(text, probability), seconds))
    }

    #[test]
    fn marks_of_noise_are_dropped() {
        assert_eq!(said("[BLANK_AUDIO]", 0.9, 2.0), "");
        assert_eq!(said("(sad music)", 0.9, 2.0), "");
        assert_eq!(said("...", 0.9, 2.0), "");
        assert_eq!(said("*музыка*", 0.9, 2.0), "");
        assert_eq!(said("Да, слушаю.", 0.9, 0.4), "Да, слушаю.");
    }

    #[test]
    fn closing_phrases_of_films_are_dropped_and_thanks_are_kept() {
        assert_eq!(
            said("Спасибо, до вторника. Субтитры сделал DimaTorzok", 0.9, 9.0),
            "Спасибо, до вторника."
        );
        assert_eq!(said("Let's do that. Thanks for watching!", 0.9, 9.0), "Let's do that.");
        assert_eq!(said("Редактор субтитров А.Семкин Корректор А.Егорова", 0.9, 9.0), "");
        assert_eq!(said("Thank you.", 0.9, 2.0), "Thank you.");
        assert_eq!(said("Thank you.", 0.3, 2.0), "");
        assert_eq!(said("Спасибо.", 0.9, 2.0), "Спасибо.");
    }

    #[test]
    fn a_doubtful_sound_is_no_word() {
        for sound in ["Uh.", "uh uh", "Ooooh", "Hmmm.", "Эм…", "Мммм."] {
            assert_eq!(said(sound, 0.3, 1.0), "", "{sound}");
            assert_eq!(said(sound, 0.9, 1.0), sound);
        }
        assert_eq!(said("Uh, we do.", 0.3, 1.0), "Uh, we do.");
    }

    #[test]
    fn circles_are_cut() {
        let round = format!("So we {}and then we stop.", "will see what happens, ".repeat(9));
        assert_eq!(
            said(&round, 0.9, 20.0),
            "So we will see what happens, and then we stop."
        );
        assert_eq!(said("да ".repeat(200).trim_end(), 0.9, 20.0), "да");
        assert_eq!(
            said("No, no, no, no, not that.", 0.9, 20.0),
            "No, no, no, no, not that."
        );
        // Numbers that are told digit by digit are no circle.
        assert_eq!(said("8 800 200 00 00 200", 0.9, 20.0), "8 800 200 00 00 200");
    }

    #[test]
    fn more_than_a_mouth_can_say_is_dropped() {
        let fast: Vec<String> = (0..60).map(|at| format!("word{at}")).collect();
        assert_eq!(said(&fast.join(" "), 0.9, 2.0), "");
    }
}
