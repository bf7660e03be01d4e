//! Plain words of a letter: tokens, stems, and what is said in quotation marks or left as a blank.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Words or groups of words that are looked for.
pub type List = LazyLock<Vec<&'static str>>;

/// Entries between strokes; blanks at their ends belong to them.
pub fn list(entries: &'static str) -> Vec<&'static str> {
    entries.split('|').collect()
}

/// Letters by which two forms of a word are told to be one.
const STEM: usize = 5;
/// Shorter words carry no content.
const CONTENT: usize = 4;

/// Runs of letters and of digits; marks that join the parts of one word or number stay inside.
pub fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inner = |c: char| matches!(c, '\'' | '’' | '-' | ':' | '.' | ',' | '@' | '/');
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(char::is_alphanumeric)?;
        let mut end = start;
        let mut rest = text[start..].char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            let joins = inner(c) && rest.peek().is_some_and(|(_, next)| next.is_alphanumeric());
            if !(c.is_alphanumeric() || joins) {
                break;
            }
            end = start + at + c.len_utf8();
        }
        from = end;
        Some((start, &text[start..end]))
    })
}

/// Words in small letters, with ё as е and a straight apostrophe.
pub fn words(text: &str) -> Vec<String> {
    tokens(text).map(|(_, word)| plain(word)).collect()
}

pub fn plain(word: &str) -> String {
    word.to_lowercase().replace('ё', "е").replace('’', "'")
}

/// The beginning that the forms of a word share.
pub fn stem(word: &str) -> String {
    plain(word).chars().take(STEM).collect()
}

/// A name as it is written, also where it was heard in small letters.
pub fn capital(name: &str) -> String {
    let mut begins = true;
    let letters = name.chars().flat_map(|letter| {
        let first = std::mem::replace(&mut begins, letter.is_whitespace());
        let (upper, same) = if first {
            (Some(letter.to_uppercase()), None)
        } else {
            (None, Some(letter))
        };
        upper.into_iter().flatten().chain(same)
    });
    letters.collect()
}

/// What the forms of a name share.
pub fn beginning(word: &str) -> String {
    let letters = word.chars().count();
    word.chars().take(letters.saturating_sub(2).max(3)).collect()
}

/// Stems of the words that say something.
pub fn content(text: &str) -> BTreeSet<String> {
    tokens(text)
        .filter(|(_, word)| word.chars().count() >= CONTENT)
        .map(|(_, word)| stem(word))
        .collect()
}

/// Whether a word or several stand in a text in small letters, not inside of other words.
pub fn has_words(lower: &str, wanted: &str) -> bool {
    lower.match_indices(wanted).any(|(at, found)| {
        !lower[..at].ends_with(char::is_alphanumeric) && !lower[at + found.len()..].starts_with(char::is_alphanumeric)
    })
}

/// A text without its quotes and blanks, and those.
pub struct Parts {
    /// Quotes and blanks are a ◦ here.
    pub own: String,
    /// Without their marks.
    pub quotes: Vec<String>,
    /// With their brackets.
    pub blanks: Vec<String>,
}

pub fn parts(text: &str) -> Parts {
    let mut parts = Parts {
        own: String::new(),
        quotes: Vec::new(),
        blanks: Vec::new(),
    };
    let mut rest = text;
    while let Some(at) = rest.find(['“', '«', '"', '[']) {
        parts.own.push_str(&rest[..at]);
        let open = rest[at..].chars().next().unwrap_or('"');
        let close = match open {
            '“' => '”',
            '«' => '»',
            '[' => ']',
            other => other,
        };
        let inside = &rest[at + open.len_utf8()..];
        let Some(end) = inside.find(close) else {
            // Never closed: plain words.
            parts.own.push(open);
            rest = inside;
            continue;
        };
        if open == '[' {
            parts.blanks.push(format!("[{}]", &inside[..end]));
        } else {
            parts.quotes.push(inside[..end].to_owned());
        }
        parts.own.push('◦');
        rest = &inside[end + close.len_utf8()..];
    }
    parts.own.push_str(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        assert_eq!(
            words("I’ll pay 12,000 at 10:00, Пётр — х@я.рф."),
            ["i'll", "pay", "12,000", "at", "10:00", "петр", "х@я.рф"]
        );
        assert!(has_words("we lose orders", "lose") && !has_words("we close", "lose"));
    }

    #[test]
    fn quotes_and_blanks_are_told_apart() {
        let parts = parts("You said “we lose”: [date], «так» and “open");
        assert_eq!(parts.quotes, ["we lose", "так"]);
        assert_eq!(parts.blanks, ["[date]"]);
        assert_eq!(parts.own, "You said ◦: ◦, ◦ and “open");
    }

    proptest::proptest! {
        #[test]
        fn any_text(text in r#"([A-Za-zА-Яа-я0-9 .,:'’“”«»"\[\]@-]){0,40}"#) {
            for (at, word) in tokens(&text) {
                proptest::prop_assert!(text[at..].starts_with(word) && !word.is_empty());
            }
            parts(&text);
        }
    }
}
