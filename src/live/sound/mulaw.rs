//! µ-law (G.711): eight bits with the range of fourteen.

/// The byte of a sample of zero.
pub const SILENCE: u8 = 0xff;

/// The sample that a byte stands for, of 16 bits.
pub const fn decode(byte: u8) -> i16 {
    // Sent upside down, so that a silent line is not all zeros.
    let bits = !byte;
    let exponent = (bits >> 4) & 0x07;
    let magnitude = (((((bits & 0x0f) as i16) << 3) + 0x84) << exponent) - 0x84;
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of G.711: ends of the segments, with our sign of each byte.
    #[test]
    fn the_table_of_the_standard() {
        let known = [
            (0x00, -32124),
            (0x0f, -16764),
            (0x10, -15996),
            (0x1f, -8316),
            (0x20, -7932),
            (0x3f, -1980),
            (0x40, -1884),
            (0x50, -876),
            (0x60, -372),
            (0x70, -120),
            (0x7e, -8),
            (0x7f, 0),
            (0x80, 32124),
            (0x8f, 16764),
            (0x90, 15996),
            (0xa0, 7932),
            (0xc0, 1884),
            (0xf0, 120),
            (0xfe, 8),
            (SILENCE, 0),
        ];
        for (byte, sample) in known {
            assert_eq!(decode(byte), sample, "{byte:#04x}");
        }
        // The louder, the smaller the byte; and the lower half is the upper one below zero.
        for byte in 0x80..SILENCE {
            assert!(decode(byte) > decode(byte + 1));
            assert_eq!(decode(byte), -decode(byte & 0x7f));
        }
    }
}
