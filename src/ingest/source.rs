//! The bytes of a recording, where they lie, with the head of a WAV put right.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// Bytes that can be read from any place.
pub trait Bytes: Read + Seek + Send + Sync {}
impl<B: Read + Seek + Send + Sync> Bytes for B {}

/// A length that is not known: what recorders write that send their sound on while it comes.
const OPEN: [u8; 4] = [0xff; 4];
/// Bytes before the first chunk of a WAV.
const RIFF_HEAD: u64 = 12;
/// Chunks before the sound; nobody writes as many.
const MOST_CHUNKS: usize = 1000;

pub struct Source<'a> {
    bytes: Box<dyn Bytes + 'a>,
    at: u64,
    end: u64,
    /// Bytes that are read in the place of those of the file.
    patches: Vec<(u64, [u8; 4])>,
    /// Nothing says where the sound ends but the end of the bytes.
    pub is_open: bool,
}

impl<'a> Source<'a> {
    pub fn new(mut bytes: Box<dyn Bytes + 'a>) -> io::Result<Self> {
        let end = bytes.seek(SeekFrom::End(0))?;
        let mut source = Self {
            bytes,
            at: 0,
            end,
            patches: Vec::new(),
            is_open: false,
        };
        source.put_wav_right()?;
        source.seek(SeekFrom::Start(0))?;
        Ok(source)
    }

    /// The first bytes, at most so many; afterwards they are read again.
    pub fn peek(&mut self, most: u64) -> io::Result<Vec<u8>> {
        self.seek(SeekFrom::Start(0))?;
        let mut first = Vec::new();
        self.by_ref().take(most).read_to_end(&mut first)?;
        self.seek(SeekFrom::Start(0))?;
        Ok(first)
    }

    /// The head of a WAV may leave its length open (a pipe), or say it elsewhere (RF64, for more than 4 GiB): then the length is
    /// filled in, or left open where its field is too small.
    fn put_wav_right(&mut self) -> io::Result<()> {
        let mut head = [0; RIFF_HEAD as usize];
        if self.end < RIFF_HEAD {
            return Ok(());
        }
        self.bytes.seek(SeekFrom::Start(0))?;
        self.bytes.read_exact(&mut head)?;
        let is_long = head.starts_with(b"RF64");
        if !(is_long || head.starts_with(b"RIFF")) || &head[8..] != b"WAVE" {
            return Ok(());
        }
        self.patches.push((0, *b"RIFF"));
        // Of use to nobody, and wrong in many files.
        self.patches.push((4, OPEN));
        let mut said = None;
        let mut at = RIFF_HEAD;
        for _ in 0..MOST_CHUNKS {
            if at + 8 > self.end {
                break;
            }
            let mut chunk = [0; 8];
            self.bytes.seek(SeekFrom::Start(at))?;
            self.bytes.read_exact(&mut chunk)?;
            let [.., a, b, c, d] = chunk;
            let size = [a, b, c, d];
            let begin = at + 8;
            if chunk.starts_with(b"data") {
                let left = self.end - begin;
                if size == OPEN || size == [0; 4] {
                    let length = said.unwrap_or(left);
                    self.end = self.end.min(begin.saturating_add(length));
                    let size = u32::try_from(length).map_or(OPEN, u32::to_le_bytes);
                    // Where more is said to come, its end is no end.
                    self.is_open = size == OPEN && length <= left;
                    self.patches.push((at + 4, size));
                }
                return Ok(());
            }
            if is_long && chunk.starts_with(b"ds64") {
                // Length of the file, then of the sound.
                let mut lengths = [0; 16];
                self.bytes.read_exact(&mut lengths)?;
                let [.., a, b, c, d, e, f, g, h] = lengths;
                said = Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            }
            // Chunks begin at even places.
            at = begin + u64::from(u32::from_le_bytes(size)).next_multiple_of(2);
        }
        Ok(())
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = into.len().min(left);
        let read = self.bytes.read(&mut into[..most])?;
        for (place, patch) in &self.patches {
            for (place, byte) in (*place..).zip(patch) {
                if let Some(at) = place.checked_sub(self.at).filter(|at| *at < read as u64) {
                    into[at as usize] = *byte;
                }
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(by) => SeekFrom::Start(self.end.checked_add_signed(by).ok_or_else(before_the_start)?),
            SeekFrom::Current(by) => SeekFrom::Start(self.at.checked_add_signed(by).ok_or_else(before_the_start)?),
            from_start @ SeekFrom::Start(_) => from_start,
        };
        self.at = self.bytes.seek(to)?;
        Ok(self.at)
    }
}

fn before_the_start() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a place before the first byte")
}

impl MediaSource for Source<'_> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: Vec<u8>) -> (Vec<u8>, bool) {
        let mut source = Source::new(Box::new(io::Cursor::new(bytes))).expect("in memory");
        let mut all = Vec::new();
        source.read_to_end(&mut all).expect("in memory");
        (all, source.is_open)
    }

    fn wav(mark: &[u8; 4], chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut bytes = [mark.as_slice(), &[0; 4], b"WAVE"].concat();
        for (name, size, body) in chunks {
            bytes.extend_from_slice(&[name.as_slice(), &size.to_le_bytes(), body].concat());
        }
        bytes
    }

    #[test]
    fn an_open_length_is_filled_in() {
        for open in [0, u32::MAX] {
            let (read, is_open) = read(wav(b"RIFF", &[(b"LIST", 3, b"abc\0"), (b"data", open, b"sound")]));
            let mut expected = wav(b"RIFF", &[(b"LIST", 3, b"abc\0"), (b"data", 5, b"sound")]);
            expected[4..8].fill(0xff);
            assert_eq!((read, is_open), (expected, false));
        }
        let known = wav(b"RIFF", &[(b"data", 5, b"sound"), (b"more", 2, b"xy")]);
        assert_eq!(read(known.clone()).0[8..], known[8..]);
        assert_eq!(read(b"OggS and so on".to_vec()).0, b"OggS and so on");
    }

    #[test]
    fn a_long_wav_says_its_length_elsewhere() {
        let lengths = |sound: u64| [0_u64.to_le_bytes(), sound.to_le_bytes(), [0; 8]].concat();
        let (short, is_open) = read(wav(
            b"RF64",
            &[
                (b"ds64", 24, &lengths(5)),
                (b"data", u32::MAX, b"sound"),
                (b"LIST", 1, b"x\0"),
            ],
        ));
        assert!(short.starts_with(b"RIFF") && short.ends_with(b"data\x05\0\0\0sound") && !is_open);
        let (cut, is_open) = read(wav(
            b"RF64",
            &[(b"ds64", 24, &lengths(1 << 33)), (b"data", u32::MAX, b"sound")],
        ));
        assert!(cut.ends_with(b"data\xff\xff\xff\xffsound") && !is_open);
    }

    #[test]
    fn patches_show_in_reads_of_any_size() {
        let bytes = wav(b"RIFF", &[(b"data", 0, b"sound")]);
        let whole = read(bytes.clone()).0;
        let mut source = Source::new(Box::new(io::Cursor::new(bytes))).expect("in memory");
        for from in 0..whole.len() {
            source.seek(SeekFrom::Start(from as u64)).expect("in memory");
            let mut two = [0; 2];
            let read = source.read(&mut two).expect("in memory");
            assert_eq!(two[..read], whole[from..from + read]);
        }
        assert_eq!(
            source.seek(SeekFrom::End(-5)).expect("in memory"),
            whole.len() as u64 - 5
        );
        assert!(source.seek(SeekFrom::Current(-1000)).is_err());
    }
}
