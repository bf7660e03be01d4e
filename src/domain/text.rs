//! Cuts and prints of plain text that several steps share.

/// A text cut after each sentence, without losing a letter: parts keep the blanks before them.
pub fn cut_sentences(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut marked = false;
    for (at, c) in text.char_indices() {
        // "2.5" is no end: a blank must follow.
        if marked && c.is_whitespace() {
            parts.push(&text[from..at]);
            from = at;
        }
        marked = matches!(c, '.' | '?' | '!' | '…');
    }
    parts.push(&text[from..]);
    parts
}

/// The sentences of a text, trimmed.
pub fn sentences(text: &str) -> Vec<&str> {
    let parts = cut_sentences(text).into_iter().map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// Small letters and digits alone: case and marks come and go with what stands beside a word.
pub fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Bytes as small hexadecimal digits.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first twenty, as days are named.
pub const EN_ORDINALS: [&str; 20] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_no_ends() {
        assert_eq!(
            sentences("Fine.  It costs 2.5 K. Okay?"),
            ["Fine.", "It costs 2.5 K.", "Okay?"]
        );
        assert!(sentences("  ").is_empty());
    }

    proptest! {
        #[test]
        fn no_letter_is_lost(text in ".{0,60}") {
            prop_assert_eq!(cut_sentences(&text).concat(), text);
        }
    }
}
