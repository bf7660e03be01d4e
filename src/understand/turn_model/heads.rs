//! The heads: vectors of a call's turns → stage and signals of each turn, what decides the deal, and the speaker's side.
//!
//! Owns the network (two layers of attention over the turns said so far), its file (`heads.safetensors` + `heads.json`)
//! and its forward pass with gradients. Fitting is *not* here, see `learn`, nor is the forward pass as it is used: see `reading`.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::{D, DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::layer::WIDTH;
use crate::domain::{Cue, Role, Signal, Stage, Turn};

/// Width of a turn inside the network.
pub(super) const INNER: usize = 256;
pub(super) const LAYERS: usize = 2;
pub(super) const ATTENTION_HEADS: usize = 8;
/// Turns that a turn looks back on, itself included. No turn looks ahead: a live call has no end yet, and the annotation
/// guide forbids labelling by what comes later.
pub(super) const WINDOW: usize = 24;
const HIDDEN: usize = 384;
const ROLES: usize = 3;
/// Numbers that say where in the call a turn stands.
const PLACE: usize = 4;
pub(super) const EPSILON: f64 = 1e-5;

/// Everything about the heads that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// SHA-256 of the encoder file that the heads were trained on, hex.
    pub encoder_sha256: String,
    /// How many of the encoder's last layers were fitted too, and SHA-256 of the file they are in, hex.
    pub tuned_layers: usize,
    pub tuned_sha256: String,
    pub stages: Vec<Stage>,
    pub signals: Vec<Signal>,
    pub cues: Vec<Cue>,
    /// Divides the logits of stages before the softmax.
    pub stage_temperature: f32,
    /// Divides the logits of signals before the sigmoid.
    pub signal_temperature: f32,
    /// Divides the logits of cues before the sigmoid.
    pub cue_temperature: f32,
    /// Probability from which a signal is said to be there, in the order of `signals`.
    pub thresholds: Vec<f32>,
    /// The same for cues.
    pub cue_thresholds: Vec<f32>,
    /// Natural log of the probability of a stage after another, `[from][to]`, in the order of `stages`.
    pub transitions: Vec<Vec<f32>>,
    /// How much the transitions weigh against the turn's own text.
    pub transition_weight: f32,
    /// Seed of the training, and its data, for the card.
    pub seed: u64,
    pub trained_on: String,
}

/// What drops numbers in training; in use nothing is dropped.
pub type Drop<'a> = &'a mut dyn FnMut(Tensor, f32) -> candle_core::Result<Tensor>;

/// Shares of numbers dropped in training.
const DROP_INPUT: f32 = 0.1;
const DROP_INNER: f32 = 0.25;
const DROP_SIDE: f32 = 0.2;

/// Logits of a call's turns, row by row.
pub struct Logits {
    /// turns × stages
    pub stages: Tensor,
    /// turns × signals
    pub signals: Tensor,
    /// turns × cues
    pub cues: Tensor,
    /// Log odds that the speaker is on the seller's side: turns.
    pub sides: Tensor,
}

/// Weights of the network, in the order of [`Network::shapes`].
#[derive(Clone)]
pub struct Network(Vec<Tensor>);

/// Places of the weights in that order.
pub(super) mod at {
    pub const NORM: usize = 0;
    pub const INPUT: usize = 2;
    pub const ROLE: usize = 4;
    pub const SAME: usize = 5;
    pub const PLACE: usize = 6;
    pub const HIDDEN: usize = 8;
    pub const STAGE: usize = 10;
    pub const SIGNAL: usize = 12;
    pub const CUE: usize = 14;
    pub const SIDE: usize = 16;
    pub const LAYERS: usize = 18;
    /// Weights of one layer.
    pub const LAYER: usize = 13;
}

impl Network {
    /// Names and shapes of the weights. Matrices are inputs × outputs.
    pub fn shapes() -> Vec<(String, Vec<usize>)> {
        let mut all: Vec<(String, Vec<usize>)> = [
            ("norm.weight", vec![WIDTH]),
            ("norm.bias", vec![WIDTH]),
            ("input.weight", vec![WIDTH, INNER]),
            ("input.bias", vec![INNER]),
            ("role", vec![ROLES, INNER]),
            ("same", vec![2, INNER]),
            ("place.weight", vec![PLACE, INNER]),
            ("place.bias", vec![INNER]),
            ("hidden.weight", vec![INNER + WIDTH + ROLES, HIDDEN]),
            ("hidden.bias", vec![HIDDEN]),
            ("stage.weight", vec![HIDDEN, Stage::ALL.len()]),
            ("stage.bias", vec![Stage::ALL.len()]),
            ("signal.weight", vec![HIDDEN, Signal::ALL.len()]),
            ("signal.bias", vec![Signal::ALL.len()]),
            ("cue.weight", vec![HIDDEN, Cue::ALL.len()]),
            ("cue.bias", vec![Cue::ALL.len()]),
            ("side.weight", vec![2 * WIDTH, 1]),
            ("side.bias", vec![1]),
        ]
        .map(|(name, shape)| (name.to_owned(), shape))
        .to_vec();
        for layer in 0..LAYERS {
            let parts = [
                ("norm1.weight", vec![INNER]),
                ("norm1.bias", vec![INNER]),
                ("qkv.weight", vec![INNER, 3 * INNER]),
                ("qkv.bias", vec![3 * INNER]),
                ("distance", vec![ATTENTION_HEADS, WINDOW]),
                ("out.weight", vec![INNER, INNER]),
                ("out.bias", vec![INNER]),
                ("norm2.weight", vec![INNER]),
                ("norm2.bias", vec![INNER]),
                ("up.weight", vec![INNER, 2 * INNER]),
                ("up.bias", vec![2 * INNER]),
                ("down.weight", vec![2 * INNER, INNER]),
                ("down.bias", vec![INNER]),
            ];
            all.extend(parts.map(|(name, shape)| (format!("layer.{layer}.{name}"), shape)));
        }
        all
    }

    /// From tensors in the order of [`Self::shapes`].
    pub fn new(weights: Vec<Tensor>) -> Self {
        Self(weights)
    }

    pub fn weights(&self) -> &[Tensor] {
        &self.0
    }

    fn linear(&self, x: &Tensor, at: usize) -> candle_core::Result<Tensor> {
        x.matmul(&self.0[at])?.broadcast_add(&self.0[at + 1])
    }

    /// By operations that have a gradient; a call has few turns, so the fused one would save nothing.
    fn norm(&self, x: &Tensor, at: usize) -> candle_core::Result<Tensor> {
        candle_nn::ops::layer_norm_slow(x, &self.0[at], &self.0[at + 1], EPSILON as f32)
    }

    /// Vectors of one call as the encoder gives them, turns × WIDTH, and who speaks.
    pub fn forward(&self, vectors: &Tensor, turns: &[Turn], drop: Option<Drop<'_>>) -> candle_core::Result<Logits> {
        let count = turns.len();
        let mut same_numbers = |x: Tensor, _: f32| Ok(x);
        let drop = drop.unwrap_or(&mut same_numbers);
        let vectors = self.norm(vectors, at::NORM)?;

        let roles: Vec<u32> = turns.iter().map(|turn| role_index(turn.role)).collect();
        let roles = Tensor::new(roles, &Device::Cpu)?;
        let same: Vec<u32> = (0..count)
            .map(|at| u32::from(at > 0 && turns[at].role == turns[at - 1].role))
            .collect();
        let same = Tensor::new(same, &Device::Cpu)?;
        let place: Vec<f32> = (0..count).flat_map(place).collect();
        let place = Tensor::from_vec(place, (count, PLACE), &Device::Cpu)?;
        let mut x = self.linear(&drop(vectors.clone(), DROP_INPUT)?, at::INPUT)?;
        x = (x + self.0[at::ROLE].index_select(&roles, 0)?)?;
        x = (x + self.0[at::SAME].index_select(&same, 0)?)?;
        x = (x + self.linear(&place, at::PLACE)?)?;

        let views = looking_back(count)?;
        for layer in 0..LAYERS {
            let at = at::LAYERS + layer * at::LAYER;
            let attended = self.attend(&self.norm(&x, at)?, at + 2, &views)?;
            x = (x + drop(self.linear(&attended, at + 5)?, DROP_INNER)?)?;
            let up = self.linear(&self.norm(&x, at + 7)?, at + 9)?.gelu_erf()?;
            x = (x + drop(self.linear(&up, at + 11)?, DROP_INNER)?)?;
        }

        let sides: Vec<f32> = turns.iter().flat_map(|turn| one_of_three(turn.role)).collect();
        let sides = Tensor::from_vec(sides, (count, ROLES), &Device::Cpu)?;
        let hidden = Tensor::cat(&[&x, &vectors, &sides], 1)?;
        let hidden = self.linear(&drop(hidden, DROP_INPUT)?, at::HIDDEN)?.gelu_erf()?;
        let hidden = drop(hidden, DROP_INNER)?;

        let pairs = drop(with_the_one_before(&vectors)?, DROP_SIDE)?;
        Ok(Logits {
            stages: self.linear(&hidden, at::STAGE)?,
            signals: self.linear(&hidden, at::SIGNAL)?,
            cues: self.linear(&hidden, at::CUE)?,
            sides: self.linear(&pairs, at::SIDE)?.squeeze(1)?,
        })
    }

    /// `at`: place of the layer's `qkv`.
    fn attend(&self, x: &Tensor, at: usize, views: &[View]) -> candle_core::Result<Tensor> {
        let count = x.dim(0)?;
        let head = INNER / ATTENTION_HEADS;
        let qkv = self.linear(x, at)?.reshape((count, 3, ATTENTION_HEADS, head))?;
        let qkv = qkv.permute((1, 2, 0, 3))?.contiguous()?;
        let part = |index: usize, turns: &Range<usize>| {
            let part = qkv.narrow(0, index, 1)?.squeeze(0)?;
            part.narrow(1, turns.start, turns.len())?.contiguous()
        };
        let mut outputs = Vec::with_capacity(views.len());
        for View {
            now,
            seen,
            distance,
            mask,
        } in views
        {
            let bias = self.0[at + 2]
                .index_select(distance, 1)?
                .reshape((ATTENTION_HEADS, now.len(), seen.len()))?;
            let scores = (part(0, now)? / (head as f64).sqrt())?.matmul(&part(1, seen)?.t()?)?;
            let weights = candle_nn::ops::softmax(&(scores + bias)?.broadcast_add(mask)?, D::Minus1)?;
            outputs.push(weights.matmul(&part(2, seen)?)?);
        }
        Tensor::cat(&outputs, 1)?.transpose(0, 1)?.reshape((count, INNER))
    }
}

/// turns × WIDTH → turns × 2 · WIDTH; before the first are zeros.
fn with_the_one_before(vectors: &Tensor) -> candle_core::Result<Tensor> {
    let count = vectors.dim(0)?;
    let pad = Tensor::zeros((count.min(1), WIDTH), DType::F32, &Device::Cpu)?;
    let before = Tensor::cat(&[&pad, &vectors.narrow(0, 0, count.saturating_sub(1))?], 0)?;
    Tensor::cat(&[vectors, &before], 1)
}

pub(super) fn role_index(role: Role) -> u32 {
    match role {
        Role::Rep => 0,
        Role::Buyer => 1,
        Role::Unknown => 2,
    }
}

pub(super) fn one_of_three(role: Role) -> [f32; ROLES] {
    let mut all = [0.0; ROLES];
    all[role_index(role) as usize] = 1.0;
    all
}

pub(super) fn place(at: usize) -> [f32; PLACE] {
    let turn = at as f32;
    [
        (-turn / 4.0).exp(),
        (-turn / 16.0).exp(),
        // Fitted on calls of up to 112 turns.
        (turn / 100.0).min(1.2),
        f32::from(u8::from(at < 2)),
    ]
}

/// Turns that look back together: all of an ordinary call, and no more memory for a call of any length.
pub(super) const BLOCK: usize = 256;

/// What some turns of a call see.
struct View {
    now: Range<usize>,
    /// The turns that any of them sees.
    seen: Range<usize>,
    /// For each pair of them how far back, flat.
    distance: Tensor,
    /// now × seen
    mask: Tensor,
}

fn looking_back(count: usize) -> candle_core::Result<Vec<View>> {
    let view = |start: usize| {
        let now = start..count.min(start + BLOCK);
        let seen = start.saturating_sub(WINDOW - 1)..now.end;
        let mut distance = Vec::with_capacity(now.len() * seen.len());
        let mut mask = Vec::with_capacity(now.len() * seen.len());
        for at in now.clone() {
            for then in seen.clone() {
                let is_seen = then <= at && at - then < WINDOW;
                distance.push(at.saturating_sub(then).min(WINDOW - 1) as u32);
                mask.push(if is_seen { 0.0_f32 } else { -1e4 });
            }
        }
        Ok(View {
            distance: Tensor::new(distance, &Device::Cpu)?,
            mask: Tensor::from_vec(mask, (now.len(), seen.len()), &Device::Cpu)?,
            now,
            seen,
        })
    };
    (0..count).step_by(BLOCK).map(view).collect()
}

/// The tensor of this name and shape, as f32.
pub fn tensor(tensors: &HashMap<String, Tensor>, name: &str, shape: &[usize]) -> Result<Tensor, String> {
    let tensor = tensors.get(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
    if tensor.dims() != shape {
        return Err(format!("tensor `{name}` has shape {:?}, not {shape:?}", tensor.dims()));
    }
    tensor.to_dtype(DType::F32).map_err(|error| error.to_string())
}

/// The network with its settings.
pub struct Heads {
    pub settings: Settings,
    pub network: Network,
}

impl Heads {
    pub fn read(weights: &[u8], settings: &[u8]) -> Result<Self, String> {
        let settings: Settings = serde_json::from_slice(settings).map_err(|error| error.to_string())?;
        if settings.stages != Stage::ALL || settings.signals != Signal::ALL || settings.cues != Cue::ALL {
            return Err("its stages, signals or cues are not those of this version; train it again".to_owned());
        }
        if settings.thresholds.len() != Signal::ALL.len()
            || settings.cue_thresholds.len() != Cue::ALL.len()
            || settings.transitions.len() != Stage::ALL.len()
            || settings.transitions.iter().any(|row| row.len() != Stage::ALL.len())
        {
            return Err("a list of thresholds or transitions has the wrong length".to_owned());
        }
        let tensors =
            candle_core::safetensors::load_buffer(weights, &Device::Cpu).map_err(|error| error.to_string())?;
        let shapes = Network::shapes();
        if tensors.len() != shapes.len() {
            return Err("it holds other tensors than those of the heads".to_owned());
        }
        let weights = shapes
            .iter()
            .map(|(name, shape)| tensor(&tensors, name, shape))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            network: Network::new(weights),
            settings,
        })
    }

    /// Tensors by name, as they are stored (f16: half the size, and the third digit of a probability stays).
    pub fn tensors(&self) -> candle_core::Result<HashMap<String, Tensor>> {
        let mut all = HashMap::new();
        for ((name, _), tensor) in Network::shapes().into_iter().zip(self.network.weights()) {
            all.insert(name, tensor.detach().to_dtype(DType::F16)?);
        }
        Ok(all)
    }
}
