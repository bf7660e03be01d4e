//! The ggml file of a Whisper model: sizes, mel filters, tokens, weights.
//!
//! All numbers are little-endian; tensors lie one behind the other, with their names. What the weights do is *not* here.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::Path;

use half::f16;

const MAGIC: u32 = 0x6767_6d6c;
/// No size and no count in a file of any model is larger; of another file they may be anything.
const MOST: usize = 1 << 24;
/// Values of a block.
const BLOCK: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("it is no ggml file of Whisper")]
    NoModel,
    #[error("it ends too early")]
    Short,
    #[error("`{name}` is stored as type {kind}, which is not read; f16, q8_0, q5_1, q5_0, q4_1 and q4_0 are")]
    Kind { name: String, kind: u32 },
    #[error("its {what} is {found}, which no model of Whisper has")]
    Size { what: &'static str, found: usize },
    #[error("it lacks `{0}`")]
    Missing(String),
    #[error("`{name}` is {found:?}, not {wanted:?}")]
    Shape {
        name: String,
        found: Vec<usize>,
        wanted: Vec<usize>,
    },
}

/// How large a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub vocabulary: usize,
    /// Places of the encoder's window.
    pub places: usize,
    pub width: usize,
    pub sound_layers: usize,
    /// Tokens that the decoder reads and writes.
    pub text_places: usize,
    pub text_layers: usize,
    /// Bands of a frame.
    pub bands: usize,
}

pub struct File {
    pub sizes: Sizes,
    /// Of each band the weight of each frequency.
    pub filters: Vec<f32>,
    /// The bytes of each token. Those with a meaning of their own are not in the file.
    pub tokens: Vec<Vec<u8>>,
    tensors: HashMap<String, Stored>,
    bytes: Vec<u8>,
}

struct Stored {
    shape: Vec<usize>,
    kind: Kind,
    data: Range<usize>,
}

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    /// Blocks of 32 with one scale: bits of a number, and whether the least number is stored too.
    Blocks {
        bits: usize,
        least: bool,
    },
}

impl Kind {
    fn of(number: u32) -> Option<Self> {
        let blocks = |bits, least| Some(Self::Blocks { bits, least });
        match number {
            0 => Some(Self::F32),
            1 => Some(Self::F16),
            2 => blocks(4, false),
            3 => blocks(4, true),
            6 => blocks(5, false),
            7 => blocks(5, true),
            8 => blocks(8, false),
            _ => None,
        }
    }

    /// Bytes of so many numbers, which are whole blocks.
    fn size(self, numbers: usize) -> Option<usize> {
        match self {
            Self::F32 => numbers.checked_mul(4),
            Self::F16 => numbers.checked_mul(2),
            Self::Blocks { .. } => (numbers / BLOCK).checked_mul(self.block()),
        }
    }

    /// Bytes of a block.
    const fn block(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Blocks { bits, least } => 2 + if least { 2 } else { 0 } + BLOCK * bits / 8,
        }
    }

    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|four| f32::from_le_bytes(*four))
                .collect(),
            Self::F16 => (bytes.as_chunks().0.iter())
                .map(|two| f16::from_le_bytes(*two).to_f32())
                .collect(),
            Self::Blocks { bits, least } => {
                let blocks = bytes.chunks_exact(self.block());
                blocks.flat_map(|block| unpacked(block, bits, least)).collect()
            }
        }
    }
}

/// The numbers of a block: its scale, the least number where it is stored, the fifth bits where there are any, then the numbers. Two
/// of four bits share a byte: of the first half of the block and of the second.
fn unpacked(block: &[u8], bits: usize, least: bool) -> [f32; BLOCK] {
    let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    let scale = half(0);
    if bits == 8 {
        return std::array::from_fn(|at| scale * f32::from(block[2 + at].cast_signed()));
    }
    let least_number = if least {
        half(2)
    } else {
        -scale * (1 << (bits - 1)) as f32
    };
    let packed = &block[block.len() - BLOCK / 2..];
    let fifth = &block[if least { 4 } else { 2 }..block.len() - BLOCK / 2];
    std::array::from_fn(|at| {
        let byte = packed[at % (BLOCK / 2)];
        let low = if at < BLOCK / 2 { byte & 15 } else { byte >> 4 };
        let high = fifth.get(at / 8).map_or(0, |bits| (bits >> (at % 8) & 1) << 4);
        scale.mul_add(f32::from(low | high), least_number)
    })
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Error> {
        let taken = self.bytes[self.at..].get(..count).ok_or(Error::Short)?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Error> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(number))
    }

    fn count(&mut self) -> Result<usize, Error> {
        let count = self.number()? as usize;
        if count > MOST { Err(Error::NoModel) } else { Ok(count) }
    }

    fn sizes(&mut self) -> Result<Sizes, Error> {
        let mut numbers = [0; 11];
        for number in &mut numbers {
            *number = self.count()?;
        }
        // Heads are told by the width; text is as wide as sound.
        let [
            vocabulary,
            places,
            width,
            _,
            sound_layers,
            text_places,
            _,
            _,
            text_layers,
            bands,
            _,
        ] = numbers;
        Ok(Sizes {
            vocabulary,
            places,
            width,
            sound_layers,
            text_places,
            text_layers,
            bands,
        })
    }

    fn tensor(&mut self) -> Result<(String, Stored), Error> {
        let (dimensions, length, kind) = (self.count()?, self.count()?, self.number()?);
        let shape: Result<Vec<usize>, Error> = (0..dimensions.min(4)).map(|_| self.count()).collect();
        let shape: Vec<usize> = shape?.into_iter().rev().collect();
        let name = String::from_utf8_lossy(self.take(length)?).into_owned();
        let kind = match Kind::of(kind) {
            Some(read) => read,
            None => return Err(Error::Kind { name, kind }),
        };
        let count = shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let size = count.and_then(|count| kind.size(count)).ok_or(Error::NoModel)?;
        let from = self.at;
        self.take(size)?;
        let data = from..self.at;
        Ok((name, Stored { shape, kind, data }))
    }
}

impl File {
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(std::fs::read(path)?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let mut reader = Reader { bytes: &bytes, at: 0 };
        if reader.number()? != MAGIC {
            return Err(Error::NoModel);
        }
        let sizes = reader.sizes()?;
        let filters = reader.count()?.checked_mul(reader.count()?).ok_or(Error::NoModel)?;
        let filters = Kind::F32.size(filters).ok_or(Error::NoModel)?;
        let filters = Kind::F32.read(reader.take(filters)?);
        let count = reader.count()?;
        let token = |_| {
            let length = reader.count()?;
            Ok(reader.take(length)?.to_vec())
        };
        let tokens = (0..count).map(token).collect::<Result<_, Error>>()?;
        let mut tensors = HashMap::new();
        while reader.at < bytes.len() {
            tensors.extend([reader.tensor()?]);
        }
        Ok(Self {
            sizes,
            filters,
            tokens,
            tensors,
            bytes,
        })
    }

    /// The numbers of a tensor of this shape; dimensions of 1 do not count.
    pub fn numbers(&self, name: &str, wanted: &[usize]) -> Result<Vec<f32>, Error> {
        let missing = || Error::Missing(name.to_owned());
        let stored = self.tensors.get(name).ok_or_else(missing)?;
        let told = |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|size| *size != 1).collect() };
        if told(&stored.shape) == told(wanted) {
            return Ok(stored.kind.read(&self.bytes[stored.data.clone()]));
        }
        Err(Error::Shape {
            name: name.to_owned(),
            found: stored.shape.clone(),
            wanted: wanted.to_vec(),
        })
    }
}

#[cfg(test)]
impl File {
    /// Without weights.
    pub fn of(sizes: Sizes, tokens: Vec<Vec<u8>>) -> Self {
        Self {
            sizes,
            filters: Vec::new(),
            tokens,
            tensors: HashMap::new(),
            bytes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file without tokens and with one tensor of 2 × 32 numbers.
    fn file(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let numbers = [MAGIC, 10, 1500, 64, 1, 2, 448, 64, 1, 2, 1, 1, 1, 1];
        bytes.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(1.5_f32.to_le_bytes());
        bytes.extend([1_u32, 2].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(b"no");
        bytes.extend([2_u32, 4, kind, 32, 2].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(b"name");
        bytes.extend(data);
        bytes
    }

    #[test]
    fn blocks_of_all_kinds_are_read() {
        let scale = f16::from_f32(0.5).to_le_bytes();
        let least = f16::from_f32(-3.0).to_le_bytes();
        // The number of each place is its place, or as much of it as its bits take.
        let eight: Vec<u8> = (0..32).collect();
        let four: Vec<u8> = (0..16).map(|at| at | (at << 4)).collect();
        let fifth = 0xffff_0000_u32.to_le_bytes();
        let expected = |number: &dyn Fn(u8) -> f32| -> Vec<f32> { (0..32).chain(0..32).map(number).collect() };
        let block = |parts: &[&[u8]]| parts.concat().repeat(2);
        for (kind, data, wanted) in [
            (8, block(&[&scale, &eight]), expected(&|at| f32::from(at) * 0.5)),
            (
                2,
                block(&[&scale, &four]),
                expected(&|at| (f32::from(at % 16) - 8.0) * 0.5),
            ),
            (
                3,
                block(&[&scale, &least, &four]),
                expected(&|at| f32::from(at % 16).mul_add(0.5, -3.0)),
            ),
            (
                6,
                block(&[&scale, &fifth, &four]),
                expected(&|at| (f32::from(at) - 16.0) * 0.5),
            ),
            (
                7,
                block(&[&scale, &least, &fifth, &four]),
                expected(&|at| f32::from(at).mul_add(0.5, -3.0)),
            ),
        ] {
            let read = File::parse(file(kind, &data)).expect("read");
            assert_eq!(read.numbers("name", &[2, 32]).expect("numbers"), wanted, "{kind}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let data = 1.0_f32.to_le_bytes().repeat(64);
        let read = File::parse(file(0, &data)).expect("read");
        assert_eq!(
            (read.filters.as_slice(), read.tokens[0].as_slice()),
            (&[1.5][..], &b"no"[..])
        );
        assert_eq!((read.sizes.places, read.sizes.text_places), (1500, 448));
        let said = |result: Result<Vec<f32>, Error>| result.expect_err("an error").to_string();
        assert_eq!(said(read.numbers("other", &[1])), "it lacks `other`");
        assert_eq!(said(read.numbers("name", &[64])), "`name` is [2, 32], not [64]");
        let said = |bytes: Vec<u8>| File::parse(bytes).map(|_| ()).expect_err("an error").to_string();
        assert_eq!(said(file(0, &data[1..])), "it ends too early");
        assert!(said(file(14, &data)).starts_with("`name` is stored as type 14"));
        assert_eq!(said(b"RIFF....".to_vec()), "it is no ggml file of Whisper");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(cut in 0_usize..400, at in 0_usize..300, byte: u8) {
            let mut bytes = file(0, &1.0_f32.to_le_bytes().repeat(64));
            let place = at % bytes.len();
            bytes[place] = byte;
            bytes.truncate(cut);
            if let Ok(file) = File::parse(bytes) {
                let _ = file.numbers("name", &[2, 32]);
            }
        }
    }
}
