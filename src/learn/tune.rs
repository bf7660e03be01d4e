//! Fine-tuning: the last layers of the encoder are fitted together with one network of heads, call by call.
//!
//! The layers below are used as they are, so what they make of every turn is computed once. Choosing thresholds and
//! calibrating is *not* here: `fit` does that afterwards, with heads of its own on the tuned vectors.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::Error;
use super::corpus::{LabelledCall, Split};
use super::fit::{self, SIGNAL_WEIGHT, binary, dropout, member_of};
use crate::domain::{Role, Signal};
use crate::understand::turn_model::encoder::{Below, Layer};
use crate::understand::turn_model::heads::{HIDDEN, inputs, role_inputs};
use crate::understand::turn_model::{Encoder, features};

#[derive(Debug, Clone)]
pub struct TuneOptions {
    pub seed: u64,
    /// Layers of the encoder to fit, from the last one down.
    pub layers: usize,
    pub epochs: usize,
    /// Named in errors.
    pub trained_on: String,
}

/// Calls in one step.
const CALLS: usize = 2;
/// Passes over the calls for the heads before the layers move.
const FIRST_EPOCHS: usize = 40;
const ENCODER_RATE: f64 = 1.2e-4;
const HEADS_RATE: f64 = 5e-4;
const WEIGHT_DECAY: f32 = 0.02;
/// Share of the steps in which the rate grows.
const WARM_UP: f64 = 0.1;
const DROPOUT: f32 = 0.1;
const HEADS_DROPOUT: f32 = 0.3;
const ROLE_WEIGHT: f64 = 0.3;
/// Gradients longer than this are cut to it.
const LONGEST_GRADIENT: f64 = 1.0;

struct Example {
    /// As written, and as a recogniser without punctuation would write it.
    below: Vec<Below>,
    marks: Vec<Vec<[f32; features::MARKS]>>,
    stages: Tensor,
    signals: Tensor,
    mask: Tensor,
    roles: Tensor,
    role_mask: Tensor,
}

/// Small letters and no marks: what hasty recognisers write.
pub fn without_punctuation(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || c.is_whitespace() || *c == '\'' || *c == '-')
        .collect();
    if kept.trim().is_empty() { text.to_owned() } else { kept }
}

fn example(encoder: &Encoder, labelled: &LabelledCall, layers: usize, plain_too: bool) -> Result<Example, Error> {
    let mut call = labelled.call.clone();
    let mut below = Vec::new();
    let mut marks = Vec::new();
    for plain in [false, true] {
        if plain && !plain_too {
            break;
        }
        if plain {
            for turn in &mut call.turns {
                turn.text = without_punctuation(&turn.text);
            }
        }
        let texts: Vec<&str> = call.turns.iter().map(|turn| turn.text.as_str()).collect();
        below.push(encoder.below(&texts, layers)?);
        marks.push(features::marks(&call.turns));
    }
    let turns = call.turns.len();
    let number = |set: bool| f32::from(u8::from(set));
    let mut signals = Vec::with_capacity(turns * Signal::ALL.len());
    let mut mask = Vec::with_capacity(turns * Signal::ALL.len());
    for (turn, gold) in call.turns.iter().zip(&labelled.gold.turns) {
        for signal in Signal::ALL {
            signals.push(number(gold.signals.contains(signal)));
            mask.push(number(signal.speaker() == turn.role));
        }
    }
    let stages: Vec<u32> = labelled
        .gold
        .turns
        .iter()
        .map(|gold| gold.stage.index() as u32)
        .collect();
    let roles: Vec<f32> = call.turns.iter().map(|turn| number(turn.role == Role::Rep)).collect();
    let known: Vec<f32> = call
        .turns
        .iter()
        .map(|turn| number(turn.role != Role::Unknown))
        .collect();
    Ok(Example {
        below,
        marks,
        stages: Tensor::new(stages, &Device::Cpu)?,
        signals: Tensor::from_vec(signals, (turns, Signal::ALL.len()), &Device::Cpu)?,
        mask: Tensor::from_vec(mask, (turns, Signal::ALL.len()), &Device::Cpu)?,
        roles: Tensor::new(roles, &Device::Cpu)?,
        role_mask: Tensor::new(known, &Device::Cpu)?,
    })
}

/// Everything that is fitted.
struct Weights {
    layer_vars: Vec<Var>,
    head_vars: Vec<Var>,
    role: Var,
    role_bias: Var,
    mean: Tensor,
    deviation: Tensor,
}

struct Losses {
    stage: Tensor,
    signal: Tensor,
    role: Tensor,
}

fn forward(
    weights: &Weights,
    example: &Example,
    version: usize,
    rng: Option<&mut StdRng>,
) -> candle_core::Result<(Losses, Tensor, Tensor)> {
    let below = &example.below[version];
    let turns = below.texts();
    let mut rng = rng;
    let vectors = below.above(&layers_of(&weights.layer_vars)?, &mut |x| match &mut rng {
        Some(rng) => {
            let (rows, columns) = x.dims2()?;
            x.mul(&dropout(rng, rows, columns, DROPOUT)?)
        }
        None => Ok(x),
    })?;
    let vectors = vectors
        .broadcast_sub(&weights.mean)?
        .broadcast_div(&weights.deviation)?;
    let marks = &example.marks[version];
    let role = role_inputs(&vectors, marks)?
        .matmul(weights.role.as_tensor())?
        .broadcast_add(weights.role_bias.as_tensor())?
        .squeeze(1)?;
    let known = example.role_mask.sum_all()?.to_scalar::<f32>()?.max(1.0);
    let role = (binary(&role, &example.roles)?.mul(&example.role_mask)?.sum_all()? / f64::from(known))?;
    let drop = match &mut rng {
        Some(rng) => Some(dropout(rng, turns, HIDDEN, HEADS_DROPOUT)?),
        None => None,
    };
    let (stages, signals) = member_of(&weights.head_vars).forward(&inputs(&vectors, marks)?, drop.as_ref())?;
    let able = example.mask.sum_all()?.to_scalar::<f32>()?.max(1.0);
    let signal = (binary(&signals, &example.signals)?.mul(&example.mask)?.sum_all()? / f64::from(able))?;
    let stage = candle_nn::loss::cross_entropy(&stages, &example.stages)?;
    Ok((Losses { stage, signal, role }, stages, signals))
}

fn total(losses: &Losses) -> candle_core::Result<Tensor> {
    (&losses.stage + (&losses.signal * SIGNAL_WEIGHT)?)? + (&losses.role * ROLE_WEIGHT)?
}

/// Fits the layers. `progress` is told the share done, 0–1; `save` gets the best layers so far after each epoch.
pub fn tune(
    encoder: &Encoder,
    calls: &[LabelledCall],
    options: &TuneOptions,
    progress: &mut dyn FnMut(f32),
    save: &mut dyn FnMut(&[Layer]),
) -> Result<Vec<Layer>, Error> {
    let of = |split: Split| calls.iter().filter(move |call| call.split == split).collect::<Vec<_>>();
    let (train_calls, dev_calls) = (of(Split::Train), of(Split::Dev));
    for (split, part) in [(Split::Train, &train_calls), (Split::Dev, &dev_calls)] {
        if part.is_empty() {
            return Err(Error::Empty {
                folder: options.trained_on.clone(),
                split: split.as_str(),
            });
        }
    }
    let examples = |part: &[&LabelledCall], plain_too| {
        part.iter()
            .map(|call| example(encoder, call, options.layers, plain_too))
            .collect::<Result<Vec<_>, _>>()
    };
    let (train, dev) = (examples(&train_calls, true)?, examples(&dev_calls, false)?);
    tracing::info!(train = train.len(), dev = dev.len(), "lower layers done");
    let weights = initial(encoder, (&train_calls, &train), (&dev_calls, &dev), options)?;
    let (loss, accuracy, f1) = measure(&weights, &dev)?;
    tracing::info!(
        dev_loss = loss,
        dev_stage_accuracy = accuracy,
        dev_signal_f1 = f1,
        "heads begin here"
    );
    let mut vars = weights.layer_vars.clone();
    let mut rates = vec![ENCODER_RATE; vars.len()];
    vars.extend(
        weights
            .head_vars
            .iter()
            .chain([&weights.role, &weights.role_bias])
            .cloned(),
    );
    rates.resize(vars.len(), HEADS_RATE);
    let mut optimizer = Optimizer::new(vars, rates);
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let steps_of_epoch = train.len().div_ceil(CALLS);
    let steps = steps_of_epoch * options.epochs;
    let mut step = 0;
    let mut best: Option<(f32, Vec<Tensor>)> = None;
    for epoch in 0..options.epochs {
        order.shuffle(&mut rng);
        let mut sums = [0.0_f32; 3];
        for calls in order.chunks(CALLS) {
            let at = step as f64 / steps as f64;
            let rate = if at < WARM_UP {
                at / WARM_UP
            } else {
                (1.0 - at) / (1.0 - WARM_UP)
            };
            let jobs: Vec<(usize, usize, u64)> = calls
                .iter()
                .map(|&call| (call, usize::from(rng.random::<f32>() < 0.3), rng.random()))
                .collect();
            let (grads, losses) = gradients(&weights, &train, &jobs)?;
            for (sum, loss) in sums.iter_mut().zip(losses) {
                *sum += loss;
            }
            optimizer.step(&grads, rate)?;
            step += 1;
            progress(step as f32 / steps as f32);
        }
        let (loss, accuracy, f1) = measure(&weights, &dev)?;
        let mean = sums.map(|sum| sum / train.len() as f32);
        tracing::info!(
            epoch,
            stage = mean[0],
            signal = mean[1],
            role = mean[2],
            dev_loss = loss,
            dev_stage_accuracy = accuracy,
            dev_signal_f1 = f1,
            "epoch done"
        );
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            let kept = weights
                .layer_vars
                .iter()
                .map(|var| var.as_tensor().copy())
                .collect::<Result<Vec<_>, _>>()?;
            save(&layers_from(kept.clone())?);
            best = Some((loss, kept));
        }
    }
    // As they are stored, so that the heads are fitted on what will be loaded.
    let kept = best
        .map(|(_, kept)| kept)
        .unwrap_or_default()
        .iter()
        .map(|tensor| tensor.to_dtype(DType::F16)?.to_dtype(DType::F32))
        .collect::<candle_core::Result<_>>()?;
    Ok(layers_from(kept)?)
}

fn layers_of(vars: &[Var]) -> candle_core::Result<Vec<Layer>> {
    layers_from(vars.iter().map(|var| var.as_tensor().clone()).collect())
}

fn layers_from(tensors: Vec<Tensor>) -> candle_core::Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for part in tensors.chunks_exact(Layer::PARTS.len()) {
        let part: [Tensor; Layer::PARTS.len()] = part
            .to_vec()
            .try_into()
            .map_err(|_| candle_core::Error::Msg("a layer has other parts".to_owned()))?;
        layers.push(Layer::new(part));
    }
    Ok(layers)
}

/// Layers as they are, and heads fitted on them: random heads would first of all spoil the layers.
fn initial(
    encoder: &Encoder,
    train: (&[&LabelledCall], &[Example]),
    dev: (&[&LabelledCall], &[Example]),
    options: &TuneOptions,
) -> Result<Weights, Error> {
    let layers = encoder.top(options.layers);
    let vectors = |examples: &[Example]| {
        examples
            .iter()
            .map(|example| example.below[0].above(layers, &mut Ok))
            .collect::<candle_core::Result<Vec<_>>>()
    };
    let (train_vectors, dev_vectors) = (vectors(train.1)?, vectors(dev.1)?);
    let stacked = Tensor::cat(&train_vectors, 0)?;
    let mean = stacked.mean(0)?;
    let deviation = (stacked.broadcast_sub(&mean)?.sqr()?.mean(0)?.sqrt()? + 1e-6)?;
    let train_data = fit::data(train.0, &train_vectors, &mean, &deviation)?;
    let dev_data = fit::data(dev.0, &dev_vectors, &mean, &deviation)?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let member = fit::fit_member(&train_data, &dev_data, FIRST_EPOCHS, &mut rng)?;
    let (role, role_bias) = fit::fit_role(&train_data, options.seed)?;
    let var = |tensor: &Tensor| Var::from_tensor(&tensor.copy()?);
    let layer_vars = layers
        .iter()
        .flat_map(|layer| layer.tensors())
        .map(var)
        .collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Weights {
        layer_vars,
        head_vars: member
            .weights()
            .into_iter()
            .map(var)
            .collect::<candle_core::Result<_>>()?,
        role: var(&role)?,
        role_bias: var(&role_bias)?,
        mean,
        deviation,
    })
}

/// Gradients over some calls, one call after the other: the tensor library uses all cores within each, and calls side
/// by side would wait for its one pool of threads.
fn gradients(
    weights: &Weights,
    train: &[Example],
    jobs: &[(usize, usize, u64)],
) -> candle_core::Result<(Vec<GradStore>, [f32; 3])> {
    let mut grads = Vec::new();
    let mut sums = [0.0; 3];
    for &(call, version, seed) in jobs {
        let mut rng = StdRng::seed_from_u64(seed);
        let (losses, ..) = forward(weights, &train[call], version, Some(&mut rng))?;
        grads.push(total(&losses)?.backward()?);
        for (sum, loss) in sums.iter_mut().zip([&losses.stage, &losses.signal, &losses.role]) {
            *sum += loss.to_scalar::<f32>()?;
        }
    }
    Ok((grads, sums))
}

/// AdamW in one pass over the weights; the one of candle makes a dozen.
struct Optimizer {
    vars: Vec<Var>,
    /// Learning rate of each variable at its height.
    rates: Vec<f64>,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    step: i32,
}

impl Optimizer {
    fn new(vars: Vec<Var>, rates: Vec<f64>) -> Self {
        let zeros: Vec<Vec<f32>> = vars.iter().map(|var| vec![0.0; var.elem_count()]).collect();
        Self {
            vars,
            rates,
            first: zeros.clone(),
            second: zeros,
            step: 0,
        }
    }

    /// One step along the mean of the gradients, cut to [`LONGEST_GRADIENT`]; `share` of the rates.
    fn step(&mut self, grads: &[GradStore], share: f64) -> candle_core::Result<()> {
        let mut means = Vec::with_capacity(self.vars.len());
        let mut squares = 0.0_f64;
        for var in &self.vars {
            let mut sum: Option<Vec<f32>> = None;
            for grad in grads.iter().filter_map(|store| store.get(var)) {
                let grad = grad.flatten_all()?.to_vec1::<f32>()?;
                match &mut sum {
                    None => sum = Some(grad),
                    Some(sum) => sum.iter_mut().zip(grad).for_each(|(sum, one)| *sum += one),
                }
            }
            if let Some(sum) = &mut sum {
                let count = grads.len() as f32;
                for value in sum.iter_mut() {
                    *value /= count;
                    squares += f64::from(*value) * f64::from(*value);
                }
            }
            means.push(sum);
        }
        let cut = (LONGEST_GRADIENT / squares.sqrt()).min(1.0) as f32;
        self.step += 1;
        const BETA1: f32 = 0.9;
        const BETA2: f32 = 0.98;
        let scale1 = 1.0 / (1.0 - BETA1.powi(self.step));
        let scale2 = 1.0 / (1.0 - BETA2.powi(self.step));
        for (at, mean) in means.into_iter().enumerate() {
            let Some(mean) = mean else { continue };
            let rate = (self.rates[at] * share) as f32;
            let mut values = self.vars[at].flatten_all()?.to_vec1::<f32>()?;
            // Biases and norms are not pulled to zero.
            let decay = if self.vars[at].rank() > 1 {
                1.0 - rate * WEIGHT_DECAY
            } else {
                1.0
            };
            let moments = self.first[at].iter_mut().zip(&mut self.second[at]);
            for ((value, gradient), (first, second)) in values.iter_mut().zip(mean).zip(moments) {
                let gradient = gradient * cut;
                *first = BETA1 * *first + (1.0 - BETA1) * gradient;
                *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
                *value = *value * decay - rate * (*first * scale1) / ((*second * scale2).sqrt() + 1e-8);
            }
            let shape = self.vars[at].shape().clone();
            self.vars[at].set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
        }
        Ok(())
    }
}

/// Loss, accuracy of stages and F1 of signals (at 0.35) on the dev calls.
fn measure(weights: &Weights, dev: &[Example]) -> candle_core::Result<(f32, f32, f32)> {
    let (mut loss, mut right, mut turns) = (0.0, 0, 0);
    let (mut hit, mut wrong, mut missed) = (0.0_f32, 0.0_f32, 0.0_f32);
    for example in dev {
        let (losses, stages, signals) = forward(weights, example, 0, None)?;
        let n = example.below[0].texts();
        loss += total(&losses)?.to_scalar::<f32>()? * n as f32;
        let said = stages.argmax(1)?.to_vec1::<u32>()?;
        right += said
            .iter()
            .zip(example.stages.to_vec1::<u32>()?)
            .filter(|(said, gold)| **said == *gold)
            .count();
        turns += n;
        let probabilities = candle_nn::ops::sigmoid(&signals)?
            .mul(&example.mask)?
            .to_vec2::<f32>()?;
        for (said, gold) in probabilities
            .iter()
            .flatten()
            .zip(example.signals.to_vec2::<f32>()?.iter().flatten())
        {
            match (*said > 0.35, *gold > 0.5) {
                (true, true) => hit += 1.0,
                (true, false) => wrong += 1.0,
                (false, true) => missed += 1.0,
                (false, false) => {}
            }
        }
    }
    Ok((
        loss / turns.max(1) as f32,
        right as f32 / turns.max(1) as f32,
        2.0 * hit / (2.0 * hit + wrong + missed).max(1.0),
    ))
}
