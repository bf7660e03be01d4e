//! Writing GGUF, version 3: texts as metadata, tensors in the order they were added.
//!
//! Written here rather than by a library: the manifest names the hash of the result, so no update may change a byte.

const MAGIC: &[u8; 4] = b"GGUF";
const VERSION: u32 = 3;
/// Every tensor begins at a multiple of this.
const ALIGNMENT: usize = 32;
/// GGUF's number for a metadata value that is text.
const TEXT: u32 = 8;

/// How a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    /// Blocks of 32 values: a scale in `f16`, then 16 bytes of two 4-bit values.
    Q4_0,
}

impl Kind {
    fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Q4_0 => 2,
        }
    }
}

/// A GGUF file being put together.
#[derive(Debug)]
pub struct Gguf<'a> {
    metadata: Vec<(String, String)>,
    infos: Vec<u8>,
    tensors: Vec<&'a [u8]>,
    /// Where the next tensor begins, from the start of the data.
    offset: usize,
}

impl<'a> Gguf<'a> {
    pub fn new(metadata: &[(&str, &str)]) -> Self {
        let metadata = metadata
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        Self {
            metadata,
            infos: Vec::new(),
            tensors: Vec::new(),
            offset: 0,
        }
    }

    /// Adds a tensor of `shape`, rows first. `data` is as stored.
    pub fn add(&mut self, name: &str, kind: Kind, shape: &[usize], data: &'a [u8]) {
        text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        for size in shape.iter().rev() {
            self.infos.extend((*size as u64).to_le_bytes());
        }
        self.infos.extend(kind.id().to_le_bytes());
        self.infos.extend((self.offset as u64).to_le_bytes());
        self.offset += data.len().next_multiple_of(ALIGNMENT);
        self.tensors.push(data);
    }

    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.infos.len() + self.offset + 1024);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            out.extend(TEXT.to_le_bytes());
            text(&mut out, value);
        }
        out.extend(&self.infos);
        align(&mut out);
        for tensor in &self.tensors {
            out.extend_from_slice(tensor);
            align(&mut out);
        }
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use candle_core::Device;
    use candle_core::quantized::{GgmlDType, gguf_file::Content};

    use super::*;

    #[test]
    fn candle_reads_what_is_written() {
        let floats: Vec<u8> = [1.5_f32, -2.0, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        // Scale 0.5, low nibbles 8 + j / 2, high nibbles 7: values (q - 8) * 0.5.
        let mut block = half::f16::from_f32(0.5).to_le_bytes().to_vec();
        block.extend((0..16_u8).map(|j| (8 + j / 2) | (7 << 4)));
        let mut gguf = Gguf::new(&[("general.architecture", "bert")]);
        gguf.add("bias", Kind::F32, &[3], &floats);
        gguf.add("weight", Kind::Q4_0, &[1, 32], &block);
        let mut file = Cursor::new(gguf.finish());

        let content = Content::read(&mut file).expect("readable");
        assert_eq!(
            content.metadata["general.architecture"].to_string().expect("text"),
            "bert"
        );
        let bias = content.tensor(&mut file, "bias", &Device::Cpu).expect("tensor");
        assert_eq!(
            bias.dequantize(&Device::Cpu).unwrap().to_vec1::<f32>().unwrap(),
            [1.5, -2.0, 0.25]
        );
        let weight = content.tensor(&mut file, "weight", &Device::Cpu).expect("tensor");
        assert_eq!(weight.dtype(), GgmlDType::Q4_0);
        let rows = weight.dequantize(&Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
        let expected: Vec<f32> = (0..16).map(|j| (j / 2) as f32 * 0.5).chain([-0.5; 16]).collect();
        assert_eq!(rows, [expected]);
    }
}
