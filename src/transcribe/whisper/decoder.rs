//! What the encoder made of sound, and the tokens so far → how likely each token is next, for several lines of text at once.

use std::sync::Arc;

use rayon::prelude::*;

use super::file::{Error, File};
use super::memory::Memory;
use super::parts::{HEAD, Inner, Reader, SelfAttention};
use crate::matrix::{self, Linear, Norm, Products};

/// An attention head of the decoder: layer and number.
pub type Head = (usize, usize);

pub struct Decoder {
    width: usize,
    /// The rows of the tokens in bytes, and their steps.
    tokens: Vec<i8>,
    steps: Vec<f32>,
    places: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
    /// The rows of the tokens once more: how much what comes next is like each.
    choice: Linear,
    /// Heads that attend to the place where a token is spoken.
    aligning: Vec<Head>,
}

struct Layer {
    attention: SelfAttention,
    sound_norm: Norm,
    sound_query: Linear,
    /// Key and value.
    sound: Linear,
    sound_out: Linear,
    inner: Inner,
}

/// A piece of sound, as each layer attends to it.
pub struct Sound(Vec<Memory>);

/// A line of text while its tokens come.
#[derive(Clone)]
pub struct Line {
    /// Which sound it is heard in.
    pub sound: usize,
    /// Its tokens, as each layer attends to them.
    said: Vec<Memory>,
    /// Of each token that was aligned: how much its heads attend to each place.
    pub aligned: Vec<Arc<Shares>>,
}

/// Of each aligning head: how much it attends to each place.
pub type Shares = Vec<Vec<f32>>;

/// A token that a line reads.
#[derive(Clone, Copy)]
pub struct Token {
    pub line: usize,
    pub id: u32,
    pub align: bool,
    /// Whether the token behind it is wanted.
    pub choose: bool,
}

impl Decoder {
    pub fn new(file: &File, aligning: Vec<Head>) -> Result<Self, Error> {
        let sizes = file.sizes;
        let (width, products) = (sizes.width, Products::default());
        let layer = |at: usize| {
            let reader = Reader::new(file, &products, format!("decoder.blocks.{at}."));
            let (sound_norm, sound_query) = reader.normed("cross_attn_ln", &["cross_attn.query"], width)?;
            Ok(Layer {
                attention: reader.self_attention()?,
                sound_norm,
                sound_query,
                sound: reader.linear(&["cross_attn.key", "cross_attn.value"], width, width)?,
                sound_out: reader.linear(&["cross_attn.out"], width, width)?,
                inner: reader.inner()?,
            })
        };
        let layers = (0..sizes.text_layers)
            .into_par_iter()
            .map(layer)
            .collect::<Result<_, Error>>()?;
        let mut tokens = file.numbers("decoder.token_embedding.weight", &[sizes.vocabulary, width])?;
        let (rounded, steps): (Vec<_>, Vec<_>) = tokens.par_chunks_exact(width).map(matrix::round).unzip();
        let mut norm = Reader::new(file, &products, "decoder.".to_owned()).norm("ln")?;
        norm.smooth(&mut tokens, super::parts::SHARE);
        Ok(Self {
            width,
            tokens: rounded.concat(),
            steps,
            places: file.numbers("decoder.positional_embedding", &[sizes.text_places, width])?,
            layers,
            norm,
            choice: Linear::rounded(&products, &tokens, vec![0.0; sizes.vocabulary]),
            aligning,
        })
    }

    /// Numbers of a choice.
    pub const fn vocabulary(&self) -> usize {
        self.choice.outputs()
    }

    /// `sound` as the encoder made it.
    pub fn sound(&self, products: &mut Products, sound: &[f32]) -> Sound {
        let (width, heads) = (self.width, self.width / HEAD);
        let mut rows = vec![0.0; 2 * sound.len()];
        let hear = |layer: &Layer| {
            layer.sound.set(products, sound, &mut rows);
            let mut memory = Memory::new(heads, sound.len() / width);
            for row in rows.chunks_exact(2 * width) {
                let (keys, values) = row.split_at(width);
                memory.push(keys, values);
            }
            memory
        };
        Sound(self.layers.iter().map(hear).collect())
    }

    /// An empty line in a sound. At most `most` tokens are read.
    pub fn line(&self, sound: usize, most: usize) -> Line {
        let memory = |_: &Layer| Memory::new(self.width / HEAD, most);
        Line {
            sound,
            said: self.layers.iter().map(memory).collect(),
            aligned: Vec::new(),
        }
    }

    /// Reads tokens, those of each line in their order. For each that chooses: how likely every token is behind it, before softmax.
    pub fn read(&self, products: &mut Products, sounds: &[Sound], lines: &mut [Line], tokens: &[Token]) -> Vec<f32> {
        let width = self.width;
        let mut next: Vec<usize> = lines.iter().map(|line| line.said[0].count()).collect();
        let mut places = Vec::with_capacity(tokens.len());
        let mut rows = Vec::with_capacity(tokens.len() * width);
        for token in tokens {
            let place = next[token.line];
            next[token.line] += 1;
            places.push(place);
            let id = token.id as usize;
            let step = self.steps[id];
            let own = self.tokens[id * width..].iter().zip(&self.places[place * width..]);
            rows.extend(
                own.take(width)
                    .map(|(byte, place)| f32::from(*byte).mul_add(step, *place)),
            );
        }
        let mut aligned: Vec<Shares> = vec![vec![Vec::new(); self.aligning.len()]; tokens.len()];
        let mut normed = rows.clone();
        let mut queries = vec![0.0; 3 * rows.len()];
        let mut shares = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            normed.copy_from_slice(&rows);
            layer.attention.norm.apply(&mut normed);
            layer.attention.qkv.set(products, &normed, &mut queries);
            for (token, qkv) in tokens.iter().zip(queries.chunks_exact_mut(3 * width)) {
                let (query, rest) = qkv.split_at_mut(width);
                let (keys, values) = rest.split_at(width);
                lines[token.line].said[at].push(keys, values);
                scale(query);
            }
            let to = tokens.iter().zip(&places).zip(normed.chunks_exact_mut(width));
            for (((token, place), to), qkv) in to.zip(queries.chunks_exact(3 * width)) {
                let said = &lines[token.line].said[at];
                for (head, to) in to.chunks_exact_mut(HEAD).enumerate() {
                    said.attend(head, &qkv[head * HEAD..(head + 1) * HEAD], place + 1, &mut shares, to);
                }
            }
            layer.attention.out.add(products, &normed, &mut rows);

            normed.copy_from_slice(&rows);
            layer.sound_norm.apply(&mut normed);
            let queries = &mut queries[..rows.len()];
            layer.sound_query.set(products, &normed, queries);
            scale(queries);
            // Tokens of one sound head by head: what they attend to stays in the cache.
            let mut from = 0;
            for own in tokens.chunk_by(|one, next| lines[one.line].sound == lines[next.line].sound) {
                let sound = &sounds[lines[own[0].line].sound].0[at];
                for head in 0..width / HEAD {
                    let aligns = self.aligning.iter().position(|aligning| *aligning == (at, head));
                    for (row, token) in (from..).zip(own) {
                        let here = row * width + head * HEAD..row * width + (head + 1) * HEAD;
                        sound.attend(
                            head,
                            &queries[here.clone()],
                            sound.count(),
                            &mut shares,
                            &mut normed[here],
                        );
                        if let Some(aligning) = aligns.filter(|_| token.align) {
                            aligned[row][aligning].clone_from(&shares);
                        }
                    }
                }
                from += own.len();
            }
            layer.sound_out.add(products, &normed, &mut rows);
            layer.inner.add(products, &mut rows);
        }
        for (token, aligned) in tokens.iter().zip(aligned).filter(|(token, _)| token.align) {
            lines[token.line].aligned.push(Arc::new(aligned));
        }
        let choosing = tokens
            .iter()
            .zip(rows.chunks_exact(width))
            .filter(|(token, _)| token.choose);
        let mut last: Vec<f32> = choosing.flat_map(|(_, row)| row).copied().collect();
        self.norm.apply(&mut last);
        let mut choice = vec![0.0; last.len() / width * self.vocabulary()];
        self.choice.set(products, &last, &mut choice);
        choice
    }
}

fn scale(queries: &mut [f32]) {
    queries.iter_mut().for_each(|number| *number /= (HEAD as f32).sqrt());
}
