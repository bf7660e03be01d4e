//! Sentences of a turn as words with places; phrases in them; the clause that tells.

use std::ops::Range;

use super::super::promises;
use super::super::text::{Token, sentence_around, tokens};

/// Longer sentences are cut to the clause around the telling words.
const LONG: usize = 16;
/// A clause shorter than this says too little alone, so its neighbour goes with it.
const SHORT: usize = 4;

/// What may open a turn without saying anything.
const FILLERS: &[&str] = &[
    "yeah",
    "yes",
    "yep",
    "no",
    "nope",
    "nah",
    "well",
    "so",
    "and",
    "but",
    "um",
    "uh",
    "er",
    "eh",
    "ah",
    "oh",
    "okay",
    "ok",
    "right",
    "look",
    "honestly",
    "like",
    "ha",
    "haha",
    "hmm",
    "mm",
    "sure",
    "anyway",
    "or",
    "plus",
    "also",
    "then",
    "because",
    "да",
    "нет",
    "ну",
    "так",
    "и",
    "а",
    "но",
    "вот",
    "э",
    "эм",
    "ой",
    "ах",
    "ладно",
    "хорошо",
    "значит",
    "слушай",
    "слушайте",
    "короче",
    "честно",
    "говоря",
    "вообще",
    "же",
    "ага",
    "угу",
    "то",
    "есть",
    "или",
    "еще",
    "просто",
    "понимаете",
    "смотрите",
    "потому",
    "что",
    "потом",
    "затем",
    "ох",
    "эх",
    "ведь",
];
/// Words that open a new clause where no mark parts them.
const JOINTS: &[&str] = &[
    "and",
    "but",
    "so",
    "because",
    "which",
    "cause",
    "cos",
    "then",
    "или",
    "и",
    "а",
    "но",
    "потому",
    "поэтому",
    "зато",
    "потом",
    "если",
];

/// One sentence of a turn.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// With their places in the turn's text.
    pub words: Vec<Token>,
    /// It ends with a question mark.
    pub asks: bool,
    /// "If you had", «представьте»: no fact.
    pub supposed: bool,
}

pub fn sentences(text: &str) -> Vec<Sentence> {
    let words = tokens(text);
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let range = sentence_around(text, &word.range);
        let to = at
            + words[at..]
                .iter()
                .take_while(|word| word.range.end <= range.end)
                .count()
                .max(1);
        let lower = text[range.clone()].to_lowercase().replace('ё', "е").replace('’', "'");
        sentences.push(Sentence {
            asks: lower.ends_with(['?']) || lower.trim_end_matches(['"', '»', '”', ')']).ends_with('?'),
            supposed: promises::SUPPOSED.iter().any(|words| lower.contains(words)),
            words: words[at..to].to_vec(),
        });
        at = to;
    }
    sentences
}

/// The places in `words` of the first of `phrases` that is there, in the order of the text. A phrase is words with blanks
/// between; `*` at the end of one stands for any ending, `~` for up to three words. A phrase does not reach over a break.
pub fn spot(words: &[Token], phrases: &[String]) -> Option<Range<usize>> {
    (0..words.len()).find_map(|at| phrases.iter().find_map(|phrase| phrase_at(words, at, phrase)))
}

pub fn says(words: &[Token], phrases: &[String]) -> bool {
    spot(words, phrases).is_some()
}

/// How many places begin one of `phrases`.
pub fn count(words: &[Token], phrases: &[String]) -> usize {
    (0..words.len())
        .filter(|&at| phrases.iter().any(|phrase| phrase_at(words, at, phrase).is_some()))
        .count()
}

fn phrase_at(words: &[Token], at: usize, phrase: &str) -> Option<Range<usize>> {
    const GAP: usize = 3;
    // Nearly every word is another one from its first letter on.
    let (first, word) = (phrase.as_bytes().first()?, words.get(at)?.lower.as_bytes().first());
    if !matches!(first, b'~' | b'*') && Some(first) != word {
        return None;
    }
    let mut end = at;
    let mut parts = phrase.split_whitespace();
    while let Some(part) = parts.next() {
        if part == "~" {
            let rest = parts.next()?;
            end = (end..words.len().min(end + GAP + 1))
                .take_while(|&next| !words[next].break_before)
                .find(|&next| fits(&words[next], rest))?;
        } else if !words
            .get(end)
            .is_some_and(|word| (end == at || !word.break_before) && fits(word, part))
        {
            return None;
        }
        end += 1;
    }
    (end > at).then_some(at..end)
}

fn fits(word: &Token, part: &str) -> bool {
    match part.strip_suffix('*') {
        Some(stem) => word.lower.starts_with(stem),
        None => word.lower == part,
    }
}

/// A sentence cut before each of `openings`, if something was said before it.
pub fn parts(sentence: &Sentence, openings: &[String]) -> Vec<Sentence> {
    let words = &sentence.words;
    let mut cuts = vec![0];
    for at in 1..words.len() {
        let last = cuts.last().copied().unwrap_or(0);
        let opens = openings.iter().any(|phrase| phrase_at(words, at, phrase).is_some());
        if opens && at - last >= SHORT {
            cuts.push(at);
        }
    }
    cuts.push(words.len());
    cuts.windows(2)
        .filter(|cut| cut[0] < cut[1])
        .map(|cut| Sentence {
            words: words[cut[0]..cut[1]].to_vec(),
            ..sentence.clone()
        })
        .collect()
}

/// The clause around the words `around` of a sentence, without fillers before it and marks behind it.
pub fn clause(sentence: &Sentence, around: &Range<usize>) -> Option<Range<usize>> {
    let words = &sentence.words;
    let (mut from, mut to) = (0, words.len());
    if words.len() > LONG {
        let opens = |at: usize| words[at].break_before || JOINTS.contains(&words[at].lower.as_str());
        let opened = (0..=around.start).rev().find(|&at| at == 0 || opens(at)).unwrap_or(0);
        let closed = (around.end..words.len()).find(|&at| opens(at)).unwrap_or(words.len());
        (from, to) = (opened, closed);
        while to - from < SHORT && (from > 0 || to < words.len()) {
            if to < words.len() {
                to = (to + 1..words.len()).find(|&at| opens(at)).unwrap_or(words.len());
            } else {
                from = (0..from).rev().find(|&at| at == 0 || opens(at)).unwrap_or(0);
            }
        }
    }
    trimmed(&words[from..to.min(from + 2 * LONG)])
}

/// The whole sentence, cut where it grows too long.
pub fn whole(sentence: &Sentence) -> Option<Range<usize>> {
    trimmed(&sentence.words[..sentence.words.len().min(2 * LONG)])
}

fn trimmed(words: &[Token]) -> Option<Range<usize>> {
    let first = words.iter().find(|word| !FILLERS.contains(&word.lower.as_str()))?;
    Some(first.range.start..words.last()?.range.end)
}

/// Words that bear meaning, cut to their stems: for telling whether two texts are of one thing.
pub fn stems(text: &str) -> Vec<String> {
    const EMPTY: &[&str] = &[
        "that",
        "this",
        "they",
        "them",
        "with",
        "have",
        "from",
        "what",
        "when",
        "just",
        "like",
        "it's",
        "don't",
        "there",
        "were",
        "been",
        "would",
        "your",
        "will",
        "then",
        "than",
        "because",
        "это",
        "этот",
        "если",
        "чтобы",
        "когда",
        "потом",
        "только",
        "есть",
        "меня",
        "тоже",
        "надо",
        "очень",
        "была",
        "было",
        "были",
        "сейчас",
    ];
    let mut stems: Vec<String> = tokens(text)
        .into_iter()
        .filter(|word| word.lower.chars().count() > 3 && !EMPTY.contains(&word.lower.as_str()))
        .map(|word| word.lower.chars().take(5).collect())
        .collect();
    stems.sort();
    stems.dedup();
    stems
}

/// Two texts of one thing: half the words of the shorter are in the other.
pub fn alike(one: &[String], other: &[String]) -> bool {
    let shorter = one.len().min(other.len());
    let common = one.iter().filter(|stem| other.contains(stem)).count();
    shorter > 0 && common * 2 >= shorter && common > 0
}
