//! The heads: vectors of a turn and of the three before it → stage, signals, and the side of the speaker.
//!
//! Owns the shape of the network, its file (`heads.safetensors` + `heads.json`) and its forward pass, for use and for
//! training. Fitting is *not* here: see `learn`.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::encoder::WIDTH;
use super::features::{MARKS, TEXT_MARKS};
use crate::domain::{Signal, Stage};

/// Turns before the present one that the heads see.
pub const CONTEXT: usize = 3;
/// Width that the vectors of earlier turns are narrowed to: they say what is being answered, no more.
pub const CONTEXT_WIDTH: usize = 48;
pub const HIDDEN: usize = 256;
pub const INPUT: usize = WIDTH + CONTEXT * CONTEXT_WIDTH + (1 + CONTEXT) * MARKS;
/// The side of a speaker is told from the turn, its marks and the turn before, without any role.
pub const ROLE_INPUT: usize = 2 * (WIDTH + TEXT_MARKS);

/// Everything about the heads that is not a weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Networks whose answers are averaged.
    pub members: usize,
    /// SHA-256 of the encoder file that the heads were trained on, hex.
    pub encoder_sha256: String,
    /// How many of the encoder's last layers were fitted too, and SHA-256 of the file they are in, hex.
    pub tuned_layers: usize,
    pub tuned_sha256: String,
    pub stages: Vec<Stage>,
    pub signals: Vec<Signal>,
    /// Divides the logits of stages before the softmax.
    pub stage_temperature: f32,
    /// Divides the logits of signals before the sigmoid.
    pub signal_temperature: f32,
    /// Probability from which a signal is said to be there, in the order of `signals`.
    pub thresholds: Vec<f32>,
    /// Natural log of the probability of a stage after another, `[from][to]`, in the order of `stages`.
    pub transitions: Vec<Vec<f32>>,
    /// How much the transitions weigh against the turn's own text.
    pub transition_weight: f32,
    /// Seed of the training, and its data, for the card.
    pub seed: u64,
    pub trained_on: String,
}

/// One list of numbers for each turn.
type Rows = Vec<Vec<f32>>;

/// One network of the ensemble.
#[derive(Debug, Clone)]
pub struct Member {
    pub context: Tensor,
    pub hidden: Tensor,
    pub hidden_bias: Tensor,
    pub stage: Tensor,
    pub stage_bias: Tensor,
    pub signal: Tensor,
    pub signal_bias: Tensor,
}

/// Inputs of one call (or of many turns behind each other): rows are turns.
pub struct Inputs {
    /// turns × WIDTH, standardised.
    pub now: Tensor,
    /// CONTEXT tensors of turns × WIDTH; zeros before the first turn.
    pub before: Vec<Tensor>,
    /// turns × ((1 + CONTEXT) · MARKS)
    pub marks: Tensor,
}

impl Member {
    /// Names and shapes of the weights, in a fixed order.
    pub const SHAPES: [(&'static str, &'static [usize]); 7] = [
        ("context", &[WIDTH, CONTEXT_WIDTH]),
        ("hidden", &[INPUT, HIDDEN]),
        ("hidden_bias", &[HIDDEN]),
        ("stage", &[HIDDEN, Stage::ALL.len()]),
        ("stage_bias", &[Stage::ALL.len()]),
        ("signal", &[HIDDEN, Signal::ALL.len()]),
        ("signal_bias", &[Signal::ALL.len()]),
    ];

    /// From tensors in the order of [`Self::SHAPES`].
    pub fn new(weights: [Tensor; 7]) -> Self {
        let [context, hidden, hidden_bias, stage, stage_bias, signal, signal_bias] = weights;
        Self {
            context,
            hidden,
            hidden_bias,
            stage,
            stage_bias,
            signal,
            signal_bias,
        }
    }

    /// The weights in the order of [`Self::SHAPES`].
    pub fn weights(&self) -> [&Tensor; 7] {
        [
            &self.context,
            &self.hidden,
            &self.hidden_bias,
            &self.stage,
            &self.stage_bias,
            &self.signal,
            &self.signal_bias,
        ]
    }

    /// Logits of stages and of signals. `mask` drops hidden units while training.
    pub fn forward(&self, inputs: &Inputs, mask: Option<&Tensor>) -> candle_core::Result<(Tensor, Tensor)> {
        let mut parts = vec![inputs.now.clone()];
        for before in &inputs.before {
            parts.push(before.matmul(&self.context)?);
        }
        parts.push(inputs.marks.clone());
        let x = Tensor::cat(&parts, 1)?;
        let mut x = x.matmul(&self.hidden)?.broadcast_add(&self.hidden_bias)?.gelu()?;
        if let Some(mask) = mask {
            x = x.mul(mask)?;
        }
        let stage = x.matmul(&self.stage)?.broadcast_add(&self.stage_bias)?;
        let signal = x.matmul(&self.signal)?.broadcast_add(&self.signal_bias)?;
        Ok((stage, signal))
    }
}

/// The tensor of this name and shape, as f32.
pub fn tensor(tensors: &HashMap<String, Tensor>, name: &str, shape: &[usize]) -> Result<Tensor, String> {
    let tensor = tensors.get(name).ok_or_else(|| format!("tensor `{name}` is missing"))?;
    if tensor.dims() != shape {
        return Err(format!("tensor `{name}` has shape {:?}, not {shape:?}", tensor.dims()));
    }
    tensor.to_dtype(DType::F32).map_err(|error| error.to_string())
}

/// The whole set of weights.
pub struct Heads {
    pub settings: Settings,
    /// Mean and deviation of each number of the vector on the training calls: the encoder's vectors all point nearly
    /// the same way, and without this the heads would see mostly that.
    pub mean: Tensor,
    pub deviation: Tensor,
    pub members: Vec<Member>,
    pub role: Tensor,
    pub role_bias: Tensor,
}

impl Heads {
    pub fn read(weights: &[u8], settings: &[u8]) -> Result<Self, String> {
        let settings: Settings = serde_json::from_slice(settings).map_err(|error| error.to_string())?;
        if settings.stages != Stage::ALL || settings.signals != Signal::ALL {
            return Err("its stages or signals are not those of this version; train it again".to_owned());
        }
        if settings.thresholds.len() != Signal::ALL.len()
            || settings.transitions.len() != Stage::ALL.len()
            || settings.transitions.iter().any(|row| row.len() != Stage::ALL.len())
        {
            return Err("a list of thresholds or transitions has the wrong length".to_owned());
        }
        let tensors =
            candle_core::safetensors::load_buffer(weights, &Device::Cpu).map_err(|error| error.to_string())?;
        let tensor = |name: &str, shape: &[usize]| tensor(&tensors, name, shape);
        let mut members = Vec::new();
        for index in 0..settings.members {
            let mut weights = Vec::with_capacity(Member::SHAPES.len());
            for (name, shape) in Member::SHAPES {
                weights.push(tensor(&format!("{index}.{name}"), shape)?);
            }
            let weights: [Tensor; 7] = weights
                .try_into()
                .map_err(|_| "weights of a member are missing".to_owned())?;
            members.push(Member::new(weights));
        }
        Ok(Self {
            mean: tensor("mean", &[WIDTH])?,
            deviation: tensor("deviation", &[WIDTH])?,
            role: tensor("role", &[ROLE_INPUT, 1])?,
            role_bias: tensor("role_bias", &[1])?,
            members,
            settings,
        })
    }

    /// Tensors by name, as they are stored (f16: half the size, and the third digit of a probability stays).
    pub fn tensors(&self) -> candle_core::Result<HashMap<String, Tensor>> {
        let mut all = HashMap::new();
        let mut put = |name: String, tensor: &Tensor| -> candle_core::Result<()> {
            all.insert(name, tensor.detach().to_dtype(DType::F16)?);
            Ok(())
        };
        put("mean".to_owned(), &self.mean)?;
        put("deviation".to_owned(), &self.deviation)?;
        put("role".to_owned(), &self.role)?;
        put("role_bias".to_owned(), &self.role_bias)?;
        for (index, member) in self.members.iter().enumerate() {
            for ((name, _), tensor) in Member::SHAPES.iter().zip(member.weights()) {
                put(format!("{index}.{name}"), tensor)?;
            }
        }
        Ok(all)
    }

    /// Vectors as the encoder gives them → as the heads take them.
    pub fn standardise(&self, vectors: &Tensor) -> candle_core::Result<Tensor> {
        vectors.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)
    }

    /// Mean over the members of the logits, divided by the temperatures: stages and signals, row by row.
    pub fn logits(&self, inputs: &Inputs) -> candle_core::Result<(Rows, Rows)> {
        let mut stages = Vec::new();
        let mut signals = Vec::new();
        for member in &self.members {
            let (stage, signal) = member.forward(inputs, None)?;
            stages.push(stage);
            signals.push(signal);
        }
        let mean = |parts: Vec<Tensor>, temperature: f32| {
            (Tensor::stack(&parts, 0)?.mean(0)? / f64::from(temperature))?.to_vec2::<f32>()
        };
        Ok((
            mean(stages, self.settings.stage_temperature)?,
            mean(signals, self.settings.signal_temperature)?,
        ))
    }

    /// For each turn the log odds that its speaker is on the seller's side.
    pub fn role_logits(&self, inputs: &Tensor) -> candle_core::Result<Vec<f32>> {
        inputs
            .matmul(&self.role)?
            .broadcast_add(&self.role_bias)?
            .squeeze(1)?
            .to_vec1()
    }
}

/// Lays out the inputs of one call: standardised vectors and marks, with those of the turns before.
pub fn inputs(vectors: &Tensor, marks: &[[f32; MARKS]]) -> candle_core::Result<Inputs> {
    let turns = marks.len();
    let mut before = Vec::with_capacity(CONTEXT);
    let mut all_marks = vec![0.0_f32; turns * (1 + CONTEXT) * MARKS];
    for back in 0..=CONTEXT {
        for at in back..turns {
            let to = at * (1 + CONTEXT) * MARKS + back * MARKS;
            all_marks[to..to + MARKS].copy_from_slice(&marks[at - back]);
        }
        if back > 0 {
            let pad = Tensor::zeros((back.min(turns), WIDTH), DType::F32, &Device::Cpu)?;
            let rest = turns.saturating_sub(back);
            before.push(if rest == 0 {
                pad
            } else {
                Tensor::cat(&[&pad, &vectors.narrow(0, 0, rest)?], 0)?
            });
        }
    }
    Ok(Inputs {
        now: vectors.clone(),
        before,
        marks: Tensor::from_vec(all_marks, (turns, (1 + CONTEXT) * MARKS), &Device::Cpu)?,
    })
}

/// Inputs for telling the side of each speaker.
pub fn role_inputs(vectors: &Tensor, marks: &[[f32; MARKS]]) -> candle_core::Result<Tensor> {
    let turns = marks.len();
    let text: Vec<f32> = marks.iter().flat_map(|marks| marks[..TEXT_MARKS].to_vec()).collect();
    let now = Tensor::cat(
        &[vectors, &Tensor::from_vec(text, (turns, TEXT_MARKS), &Device::Cpu)?],
        1,
    )?;
    let pad = Tensor::zeros((1.min(turns), WIDTH + TEXT_MARKS), DType::F32, &Device::Cpu)?;
    let before = Tensor::cat(&[&pad, &now.narrow(0, 0, turns.saturating_sub(1))?], 0)?;
    Tensor::cat(&[&now, &before], 1)
}
