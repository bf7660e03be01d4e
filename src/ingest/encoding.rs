//! Bytes of a text file → text, whatever wrote it.

/// Why bytes give no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoText {
    Binary,
    /// Text, in an encoding that is not read.
    Encoding,
}

pub fn to_text(bytes: &[u8]) -> Result<String, NoText> {
    if let Some((encoding, skip)) = encoding_rs::Encoding::for_bom(bytes) {
        return decoded(encoding, &bytes[skip..]).ok_or(NoText::Encoding);
    }
    if let Some(text) = decoded(encoding_rs::UTF_8, bytes) {
        return Ok(text);
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return decoded(encoding, bytes).ok_or(NoText::Encoding);
    }
    // Older Russian programs write windows-1251: most bytes over 127 must then be Russian letters.
    if bytes.iter().any(|byte| *byte < b' ' && !byte.is_ascii_whitespace()) {
        return Err(NoText::Binary);
    }
    let text = decoded(encoding_rs::WINDOWS_1251, bytes).ok_or(NoText::Encoding)?;
    let high = bytes.iter().filter(|byte| **byte > 127).count();
    let russian = text.chars().filter(|c| is_russian(*c)).count();
    if russian * 10 >= high * 9 && russian > 2 && !is_koi8(&text) {
        return Ok(text);
    }
    Err(NoText::Encoding)
}

/// None where the bytes do not fit the encoding, or give no text.
fn decoded(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> Option<String> {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    (!damaged && is_text(&text)).then(|| text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// UTF-16 of Latin or Russian text: one byte of nearly every pair is 0, 4 or 0x20 (dashes and quotes).
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let pairs = bytes.len() / 2;
    if pairs < 4 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let plain = |from: usize| {
        let page = bytes.iter().skip(from).step_by(2);
        page.filter(|byte| matches!(byte, 0 | 4 | 0x20)).count() * 20 >= pairs * 19
    };
    match (plain(1), plain(0)) {
        (true, false) => Some(encoding_rs::UTF_16LE),
        (false, true) => Some(encoding_rs::UTF_16BE),
        _ => None,
    }
}

fn is_russian(c: char) -> bool {
    matches!(c, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё')
}

/// Letters that a measure of frequency needs.
const ENOUGH_LETTERS: usize = 40;

/// KOI8-R read as windows-1251: letters all the same, with the case turned round and frequent letters rare.
fn is_koi8(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| is_russian(*c)).collect();
    let turned_round = |word: &&str| {
        let mut chars = word.chars();
        chars.next().is_some_and(char::is_lowercase) && chars.next().is_some_and(char::is_uppercase)
    };
    let words = text.split_whitespace().filter(|word| word.contains(is_russian));
    let (turned, all) = words.fold((0, 0), |(turned, all), word| {
        (turned + usize::from(turned_round(&word)), all + 1)
    });
    let frequent = letters.iter().filter(|c| "оеаинтОЕАИНТ".contains(**c)).count();
    let rare = letters.len() >= ENOUGH_LETTERS && frequent * 3 < letters.len();
    turned * 4 > all || rare
}

fn is_text(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{85}'))
        && text.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::{NoText, to_text};

    #[test]
    fn what_programs_write() {
        assert_eq!(to_text("\u{feff}Да: нет".as_bytes()).as_deref(), Ok("Да: нет"));
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("Да\r\nнет".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(to_text(&utf16).as_deref(), Ok("Да\nнет"));
        let (cp1251, ..) = encoding_rs::WINDOWS_1251.encode("Анна: сколько это стоит?");
        assert_eq!(to_text(&cp1251).as_deref(), Ok("Анна: сколько это стоит?"));
        assert_eq!(to_text(&[0, 159, 146, 150, 1, 2]), Err(NoText::Binary));
    }

    const TALK: &str = "Анна: Сколько это стоит?\nОлег: Сто тысяч — в месяц, на всех.\n";

    #[test]
    fn utf16_without_a_mark() {
        for text in [TALK, "Anna: How much?\nOleg: Nine hundred.\n"] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(to_text(&little).as_deref(), Ok(text));
            assert_eq!(to_text(&big).as_deref(), Ok(text));
        }
    }

    #[test]
    fn other_encodings_are_said_to_be_unknown() {
        let (koi8, ..) = encoding_rs::KOI8_R.encode(TALK);
        let small = TALK.to_lowercase();
        let (small, ..) = encoding_rs::KOI8_R.encode(&small);
        // The code page 866: letters in two runs.
        let cp866: Vec<u8> = TALK
            .chars()
            .filter_map(|c| match c as u32 {
                code @ 0..=127 => Some(code as u8),
                code @ 0x410..=0x43f => Some((code - 0x410 + 0x80) as u8),
                code @ 0x440..=0x44f => Some((code - 0x440 + 0xe0) as u8),
                _ => None,
            })
            .collect();
        for bytes in [&koi8[..], &small[..], &cp866] {
            assert_eq!(to_text(bytes), Err(NoText::Encoding));
        }
        let loud = TALK.to_uppercase();
        let (loud_bytes, ..) = encoding_rs::WINDOWS_1251.encode(&loud);
        assert_eq!(to_text(&loud_bytes).as_deref(), Ok(loud.as_str()));
    }
}
