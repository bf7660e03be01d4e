//! A turn's text as words with their places.

use std::ops::Range;

/// A word, a number in digits, or a mark such as `$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// In lower case, `ё` as `е`, «миллион» as it is spelled.
    pub lower: String,
    /// What stands between this token and the one before is a hyphen or a dash alone.
    pub hyphen_before: bool,
    /// A mark that ends a sentence or a clause stands before this token.
    pub break_before: bool,
    pub capital: bool,
}

/// «милллона», «милиона» → «миллиона»: recognisers write the word as they hear it, and a sum hangs on it.
fn spelled(lower: String) -> String {
    let ending = lower
        .strip_prefix("мил")
        .map(|rest| rest.trim_start_matches(['л', 'и']));
    match ending.and_then(|ending| ending.strip_prefix("он")) {
        Some(ending) => format!("миллион{ending}"),
        None => lower,
    }
}

/// A value with the bytes of the text that carry it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    pub range: Range<usize>,
    pub value: T,
}

pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut at = 0;
    let mut last_end = 0;
    while at < chars.len() {
        let (start, c) = chars[at];
        let mut next = at + 1;
        if c.is_alphanumeric() {
            while next < chars.len() {
                let c = chars[next].1;
                let inside = chars.get(next + 1).is_some_and(|(_, after)| after.is_alphanumeric());
                let digits = chars[next - 1].1.is_ascii_digit()
                    && chars.get(next + 1).is_some_and(|(_, after)| after.is_ascii_digit());
                let joined = matches!(c, '\'' | '’') && inside || matches!(c, '.' | ',' | ':') && digits;
                // "9am", "15k": a number ends where letters begin.
                let turn = c.is_alphabetic() && chars[next - 1].1.is_ascii_digit();
                if !(c.is_alphanumeric() && !turn || joined) {
                    break;
                }
                next += 1;
            }
        } else if !matches!(c, '$' | '€' | '£' | '₽' | '%' | '№') {
            at += 1;
            continue;
        }
        let end = chars.get(next).map_or(text.len(), |(end, _)| *end);
        let between = text[last_end..start].trim();
        tokens.push(Token {
            range: start..end,
            lower: spelled(text[start..end].to_lowercase().replace('ё', "е").replace('’', "'")),
            hyphen_before: !tokens.is_empty()
                && matches!(between, "-" | "–" | "—")
                && start == last_end + between.len(),
            break_before: between.contains(['.', ',', ';', '!', '?', ':', '…'])
                && !(between == "."
                    && !c.is_uppercase()
                    && tokens.last().is_some_and(|token| is_abbreviation(&token.lower))),
            capital: c.is_uppercase(),
        });
        last_end = end;
        at = next;
    }
    tokens
}

/// A word of the text is one of `words`, or begins a phrase of it.
pub fn says(lower: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        lower
            .match_indices(word)
            .any(|(at, _)| !lower[..at].ends_with(|c: char| c.is_alphanumeric()))
    })
}

/// One of `words` is there, whole.
pub fn has_word(lower: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| {
            !lower[..at].ends_with(|c: char| c.is_alphanumeric())
                && !lower[at + word.len()..].starts_with(|c: char| c.is_alphanumeric())
        })
    })
}

/// The full stop behind it ends no sentence if the next word is small: «1,2 млн руб. в год».
fn is_abbreviation(word: &str) -> bool {
    matches!(word, "руб" | "р" | "тыс" | "млн" | "млрд")
}

fn goes_on(before: &str, behind: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    is_abbreviation(&word.to_lowercase()) && behind.trim_start().starts_with(char::is_lowercase)
}

/// Endings of nouns and adjectives in both languages: what may stand behind a stem in the same word.
const ENDINGS: &[&str] = &[
    "", "s", "es", "а", "у", "о", "е", "и", "ы", "ь", "я", "ю", "й", "ом", "ем", "ам", "ям", "ов", "ев", "ей", "ий",
    "ый", "ой", "ая", "ое", "ую", "ые", "ие", "ых", "ым", "им", "ого", "его", "ому", "ему", "ыми", "ими", "ами", "ями",
    "ах", "ях", "ием", "ия", "ию", "ью", "ец", "ца", "цу", "цем", "цы", "цев", "цам", "цами", "ьца", "ьцу", "ьцем",
    "ьцы", "ьцев", "ьцам", "ок", "ка", "ке", "ки", "ку", "кой", "ков", "кам", "ками", "ках",
];

/// A word is a stem with nothing but an ending: «мужем» is of «муж», «мужской» is not.
pub fn is_form_of(word: &str, stem: &str) -> bool {
    let word = word.strip_suffix("'s").unwrap_or(word);
    word.strip_prefix(stem).is_some_and(|rest| ENDINGS.contains(&rest))
}

/// The sentence (or clause of a long one) around a place.
pub fn sentence_around(text: &str, range: &Range<usize>) -> Range<usize> {
    let is_end = |at: usize, c: char| {
        let behind = &text[at + c.len_utf8()..];
        matches!(c, '.' | '!' | '?' | '…' | '\n')
            && behind.chars().next().is_none_or(char::is_whitespace)
            && !(c == '.' && goes_on(&text[..at], behind))
    };
    let start = text[..range.start]
        .char_indices()
        .rev()
        .find(|&(at, c)| is_end(at, c))
        .map_or(0, |(at, c)| at + c.len_utf8());
    let end = text[range.end..]
        .char_indices()
        .find(|&(at, c)| is_end(range.end + at, c))
        .map_or(text.len(), |(at, c)| range.end + at + c.len_utf8());
    let blank = text[start..end].len() - text[start..end].trim_start().len();
    start + blank..end - (text[start..end].len() - text[start..end].trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.lower).collect()
    }

    #[test]
    fn numbers_marks_and_words_part() {
        assert_eq!(
            words("$1,200.50 a month, 15k"),
            ["$", "1,200.50", "a", "month", "15", "k"]
        );
        assert_eq!(words("Ещё «Ёлка» — I'll"), ["еще", "елка", "i'll"]);
        assert!(tokens("триста-четыреста")[1].hyphen_before);
        assert!(!tokens("триста - четыреста")[1].hyphen_before);
    }

    #[test]
    fn stems_take_endings_alone() {
        for (word, stem) in [
            ("мужем", "муж"),
            ("жена", "жен"),
            ("владельца", "владел"),
            ("owners", "owner"),
        ] {
            assert!(is_form_of(word, stem), "{word}");
        }
        for (word, stem) in [
            ("мужской", "муж"),
            ("женщины", "жен"),
            ("ропот", "роп"),
            ("ownership", "owner"),
            ("directory", "director"),
        ] {
            assert!(!is_form_of(word, stem), "{word}");
        }
    }

    #[test]
    fn an_abbreviation_ends_no_clause() {
        assert!(!tokens("500 тыс. руб. в год").iter().any(|token| token.break_before));
        assert!(tokens("500 руб. Потом")[2].break_before);
    }

    #[test]
    fn sentences() {
        let text = "Fine. It costs 2.5 K a month. Okay?";
        let at = text.find("2.5").expect("there");
        assert_eq!(&text[sentence_around(text, &(at..at + 3))], "It costs 2.5 K a month.");
        let text = "По 40 руб. за штуку. Да.";
        assert_eq!(&text[sentence_around(text, &(0..4))], "По 40 руб. за штуку.");
    }
}
