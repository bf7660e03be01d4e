//! CTranslate2 Whisper → the ggml file of whisper.cpp, matrices in 8-bit blocks.
//!
//! Same rules as whisper.cpp's own tools: one-dimensional tensors, positional tables and convolution biases stay
//! `f32`, convolutions are `f16`, all other matrices are Q8_0. Matrices pass through `f16` first, so that weights
//! published in wider or narrower types give the file that converting and then quantising would give.

use std::collections::HashMap;

use half::f16;

use super::Error;
use super::ctranslate2::Model;
use super::mel;

const MAGIC: u32 = 0x6767_6d6c;
/// whisper.cpp's number for "mostly Q8_0", with its version 2 of quantised files.
const FILE_TYPE_Q8_0: usize = 2007;
const TYPE_F32: u32 = 0;
const TYPE_F16: u32 = 1;
const TYPE_Q8_0: u32 = 8;
/// Values in a quantised block.
const BLOCK: usize = 32;
/// whisper.cpp adds the special tokens itself: the vocabulary ends before this one.
const FIRST_SPECIAL: &str = "<|endoftext|>";

/// The ggml file of a CTranslate2 `model.bin` and its `vocabulary.txt`.
pub fn to_ggml_q8(model: &[u8], vocabulary: &[u8]) -> Result<Vec<u8>, Error> {
    let model = Model::read(model)?;
    let mut file = Ggml {
        model: &model,
        out: Vec::with_capacity(96 << 20),
    };
    file.header()?;
    file.vocabulary(vocabulary)?;
    file.outer_tensors()?;
    for (side, cross) in [("encoder", false), ("decoder", true)] {
        for layer in 0..model.layers(&format!("{side}/layer_")) {
            file.layer(side, layer, cross)?;
        }
    }
    Ok(file.out)
}

struct Ggml<'a> {
    model: &'a Model<'a>,
    out: Vec<u8>,
}

impl Ggml<'_> {
    fn number(&mut self, number: usize) {
        // Every number here is a length or count read from 32 bits, or smaller.
        self.out.extend((number as u32).to_le_bytes());
    }

    fn floats(&mut self, values: impl IntoIterator<Item = f32>) {
        self.out.extend(values.into_iter().flat_map(f32::to_le_bytes));
    }

    fn header(&mut self) -> Result<(), Error> {
        let model = self.model;
        let [width, mels, _] = model.shape("encoder/conv1/weight")?;
        let [words, _] = model.shape("decoder/embeddings/weight")?;
        let [text_length, _] = model.shape("decoder/position_encodings/encodings")?;
        let [audio_length, _] = model.shape("encoder/position_encodings/encodings")?;
        if mels > 1024 {
            return Err(Error::Format {
                what: "model.bin",
                why: format!("{mels} mel bands"),
            });
        }
        // A Whisper head is 64 wide in every size.
        let heads = model.integer("encoder/num_heads").unwrap_or(width / 64);
        let (encoder, decoder) = (model.layers("encoder/layer_"), model.layers("decoder/layer_"));

        self.out.extend(MAGIC.to_le_bytes());
        let numbers = [
            words,
            audio_length,
            width,
            heads,
            encoder,
            text_length,
            width,
            heads,
            decoder,
            mels,
        ];
        for number in numbers.into_iter().chain([FILE_TYPE_Q8_0, mels, mel::BINS]) {
            self.number(number);
        }
        self.floats(mel::filters(mels));
        Ok(())
    }

    fn vocabulary(&mut self, text: &[u8]) -> Result<(), Error> {
        let tokens = tokens(text)?;
        self.number(tokens.len());
        for token in tokens {
            self.number(token.len());
            self.out.extend(token);
        }
        Ok(())
    }

    /// Everything outside the layers, in the order of the original checkpoint.
    fn outer_tensors(&mut self) -> Result<(), Error> {
        self.whole("encoder.positional_embedding", "encoder/position_encodings/encodings")?;
        for conv in ["conv1", "conv2"] {
            self.whole(&format!("encoder.{conv}.weight"), &format!("encoder/{conv}/weight"))?;
            let bias = self.model.values(&format!("encoder/{conv}/bias"))?;
            self.tensor(&format!("encoder.{conv}.bias"), &[bias.len(), 1], &bias)?;
        }
        self.norm("encoder.ln_post", "encoder/layer_norm")?;
        self.whole("decoder.positional_embedding", "decoder/position_encodings/encodings")?;
        self.whole("decoder.token_embedding.weight", "decoder/embeddings/weight")?;
        self.norm("decoder.ln", "decoder/layer_norm")
    }

    fn layer(&mut self, side: &str, layer: usize, cross: bool) -> Result<(), Error> {
        let from = format!("{side}/layer_{layer}");
        let to = format!("{side}.blocks.{layer}");
        self.self_attention(&format!("{to}.attn"), &format!("{from}/self_attention"))?;
        if cross {
            self.cross_attention(&format!("{to}.cross_attn"), &format!("{from}/attention"))?;
        }
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"))?;
        for (to_part, from_part) in [("mlp.0", "linear_0"), ("mlp.2", "linear_1")] {
            self.linear(&format!("{to}.{to_part}"), &format!("{from}/ffn/{from_part}"))?;
        }
        Ok(())
    }

    /// `linear_0` holds query, key and value one under another, `linear_1` the output. Keys have no bias in Whisper.
    fn self_attention(&mut self, to: &str, from: &str) -> Result<(), Error> {
        self.norm(&format!("{to}_ln"), &format!("{from}/layer_norm"))?;
        let (weight, bias) = (format!("{from}/linear_0/weight"), format!("{from}/linear_0/bias"));
        self.part(&format!("{to}.query.weight"), &weight, 0, 3)?;
        self.part(&format!("{to}.query.bias"), &bias, 0, 3)?;
        self.part(&format!("{to}.key.weight"), &weight, 1, 3)?;
        self.part(&format!("{to}.value.weight"), &weight, 2, 3)?;
        self.part(&format!("{to}.value.bias"), &bias, 2, 3)?;
        self.linear(&format!("{to}.out"), &format!("{from}/linear_1"))
    }

    /// `linear_0` is the query, `linear_1` key and value, `linear_2` the output.
    fn cross_attention(&mut self, to: &str, from: &str) -> Result<(), Error> {
        self.norm(&format!("{to}_ln"), &format!("{from}/layer_norm"))?;
        self.linear(&format!("{to}.query"), &format!("{from}/linear_0"))?;
        let (weight, bias) = (format!("{from}/linear_1/weight"), format!("{from}/linear_1/bias"));
        self.part(&format!("{to}.key.weight"), &weight, 0, 2)?;
        self.part(&format!("{to}.value.weight"), &weight, 1, 2)?;
        self.part(&format!("{to}.value.bias"), &bias, 1, 2)?;
        self.linear(&format!("{to}.out"), &format!("{from}/linear_2"))
    }

    fn norm(&mut self, to: &str, from: &str) -> Result<(), Error> {
        self.whole(&format!("{to}.weight"), &format!("{from}/gamma"))?;
        self.whole(&format!("{to}.bias"), &format!("{from}/beta"))
    }

    fn linear(&mut self, to: &str, from: &str) -> Result<(), Error> {
        self.whole(&format!("{to}.weight"), &format!("{from}/weight"))?;
        self.whole(&format!("{to}.bias"), &format!("{from}/bias"))
    }

    fn whole(&mut self, to: &str, from: &str) -> Result<(), Error> {
        self.part(to, from, 0, 1)
    }

    /// Part `index` of `parts` equal groups of rows of the tensor `from`.
    fn part(&mut self, to: &str, from: &str, index: usize, parts: usize) -> Result<(), Error> {
        let mut shape = self.model.any_shape(from)?.to_vec();
        let values = self.model.values(from)?;
        let wrong = |why: String| Error::Tensor {
            what: "model.bin",
            name: from.into(),
            why,
        };
        let Some(rows) = shape.first_mut() else {
            return Err(wrong("is a single number".into()));
        };
        if *rows % parts != 0 {
            return Err(wrong(format!("has {rows} rows, which {parts} cannot share")));
        }
        *rows /= parts;
        let length = values.len() / parts;
        self.tensor(to, &shape, &values[index * length..(index + 1) * length])
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<(), Error> {
        let kind = kind(name, shape.len());
        for number in [shape.len(), name.len(), kind as usize] {
            self.number(number);
        }
        for size in shape.iter().rev() {
            self.number(*size);
        }
        self.out.extend(name.as_bytes());
        match kind {
            TYPE_F32 => self.floats(values.iter().copied()),
            TYPE_F16 => self
                .out
                .extend(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes())),
            _ => {
                let width = shape.last().copied().unwrap_or(0);
                if width % BLOCK != 0 {
                    let why = format!("has rows of {width} values, which blocks of {BLOCK} do not fill");
                    return Err(Error::Tensor {
                        what: "model.bin",
                        name: name.into(),
                        why,
                    });
                }
                for block in values.as_chunks::<BLOCK>().0 {
                    q8_0(block, &mut self.out);
                }
            }
        }
        Ok(())
    }
}

/// How a tensor is stored in the file.
fn kind(name: &str, dimensions: usize) -> u32 {
    let conv_bias = name.ends_with("conv1.bias") || name.ends_with("conv2.bias");
    match dimensions {
        0 | 1 => TYPE_F32,
        _ if conv_bias || name.ends_with("positional_embedding") => TYPE_F32,
        2 => TYPE_Q8_0,
        _ => TYPE_F16,
    }
}

/// One block: the scale as `f16`, then 32 signed bytes. Halves round to even, as the reference does.
fn q8_0(values: &[f32; BLOCK], out: &mut Vec<u8>) {
    let halved = values.map(|v| f16::from_f32(v).to_f32());
    let largest = halved.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(
        halved
            .map(|v| (v * inverse).round_ties_even() as i8)
            .map(i8::cast_unsigned),
    );
}

/// The byte strings of the ordinary tokens.
fn tokens(vocabulary: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let wrong = |why: String| Error::Format {
        what: "vocabulary.txt",
        why,
    };
    let text = std::str::from_utf8(vocabulary).map_err(|e| wrong(e.to_string()))?;
    let bytes = byte_of_char();
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line == FIRST_SPECIAL {
            return Ok(tokens);
        }
        let token: Option<Vec<u8>> = line.chars().map(|c| bytes.get(&c).copied()).collect();
        tokens.push(token.ok_or_else(|| wrong(format!("line {} is not a byte-level token", number + 1)))?);
    }
    Err(wrong(format!("it has no `{FIRST_SPECIAL}`")))
}

/// The table of GPT-2: every byte is written as a visible character, most as themselves.
fn byte_of_char() -> HashMap<char, u8> {
    let visible = |b: u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
    let mut table: HashMap<char, u8> = (0..=255).filter(|b| visible(*b)).map(|b| (char::from(b), b)).collect();
    let moved = (0..=255_u8).filter(|b| !visible(*b));
    table.extend(('\u{100}'..).zip(moved));
    table
}
