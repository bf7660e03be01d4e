//! Bytes of a text file → text, whatever wrote it.

/// None for what is no text.
pub fn to_text(bytes: &[u8]) -> Option<String> {
    let (encoding, skip) = encoding_rs::Encoding::for_bom(bytes).unwrap_or((encoding_rs::UTF_8, 0));
    let (text, damaged) = encoding.decode_without_bom_handling(&bytes[skip..]);
    if !damaged {
        return is_text(&text).then(|| text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    // Older Russian programs write windows-1251: most bytes over 127 must then be Russian letters.
    let (text, _) = encoding_rs::WINDOWS_1251.decode_without_bom_handling(bytes);
    let high = bytes.iter().filter(|byte| **byte > 127).count();
    let russian = text
        .chars()
        .filter(|c| matches!(c, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё'))
        .count();
    (is_text(&text) && russian * 10 >= high * 9 && russian > 2).then(|| text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn is_text(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{85}'))
        && text.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn what_programs_write() {
        assert_eq!(to_text("\u{feff}Да: нет".as_bytes()).as_deref(), Some("Да: нет"));
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("Да\r\nнет".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(to_text(&utf16).as_deref(), Some("Да\nнет"));
        let (cp1251, ..) = encoding_rs::WINDOWS_1251.encode("Анна: сколько это стоит?");
        assert_eq!(to_text(&cp1251).as_deref(), Some("Анна: сколько это стоит?"));
        assert_eq!(to_text(&[0, 159, 146, 150, 1, 2]), None);
    }
}
