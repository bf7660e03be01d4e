//! Fitting the heads: a few small networks from different seeds, averaged, then calibrated on the dev calls.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::Error;
use super::corpus::{LabelledCall, Split};
use crate::domain::{Role, Signal, Stage};
use crate::understand::turn_model::heads::{HIDDEN, Heads, Inputs, Member, ROLE_INPUT, Settings, inputs, role_inputs};
use crate::understand::turn_model::{Encoder, Layer, WIDTH, features, layer_tensors, log_softmax, posteriors, sigmoid};

#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// Networks to average: each sees the same calls from another start.
    pub members: usize,
    /// Passes over the training calls, at most; it stops earlier when dev no longer improves.
    pub epochs: usize,
    /// SHA-256 of the encoder file, hex: heads fit no other.
    pub encoder_sha256: String,
    /// Layers of the encoder that were fitted before, and SHA-256 of their file.
    pub tuned_layers: usize,
    pub tuned_sha256: String,
    /// Said in the settings file.
    pub trained_on: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            members: 5,
            epochs: 60,
            encoder_sha256: String::new(),
            tuned_layers: 0,
            tuned_sha256: String::new(),
            trained_on: String::new(),
        }
    }
}

/// Turns in one step.
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 1e-3;
const WEIGHT_DECAY: f64 = 0.05;
/// Share of hidden units dropped in training: 30 calls are few for 160,000 weights.
const DROPOUT: f32 = 0.4;
/// Share of the numbers of a vector dropped in training.
const INPUT_DROPOUT: f32 = 0.15;
/// Signals are 35 losses beside the one of the stage; their mean is brought to its size.
pub const SIGNAL_WEIGHT: f64 = 12.0;
/// Epochs without a better dev loss before it stops.
const PATIENCE: usize = 8;
/// Count added to every transition.
const UNSEEN: f32 = 0.5;
/// Dev turns that must carry a signal before it gets a threshold of its own.
const OWN_THRESHOLD: usize = 10;

/// Heads with what their fitting showed.
pub struct Fitted {
    pub heads: Heads,
    pub train_turns: usize,
    pub dev_turns: usize,
}

/// Turns of many calls behind each other.
pub struct Data {
    inputs: Inputs,
    role_inputs: Tensor,
    stages: Vec<usize>,
    /// turns × signals, 0 or 1
    signals: Vec<Vec<f32>>,
    /// turns × signals: 1 where the speaker can give the signal
    mask: Vec<Vec<f32>>,
    roles: Vec<Role>,
    /// Turns of each call.
    lengths: Vec<usize>,
}

/// Fits heads on the calls of split train, choosing on split dev. `progress` is told the share done, 0–1.
pub fn fit(
    encoder: &Encoder,
    calls: &[LabelledCall],
    options: &Options,
    progress: &mut dyn FnMut(f32),
) -> Result<Fitted, Error> {
    let of = |split: Split| calls.iter().filter(|call| call.split == split).collect::<Vec<_>>();
    let (train_calls, dev_calls) = (of(Split::Train), of(Split::Dev));
    for (split, part) in [(Split::Train, &train_calls), (Split::Dev, &dev_calls)] {
        if part.is_empty() {
            return Err(Error::Empty {
                folder: options.trained_on.clone(),
                split: split.as_str(),
            });
        }
    }
    // Encoding is about four fifths of the time on a corpus of this size.
    let all = train_calls.len() + dev_calls.len();
    let mut encode = |part: &[&LabelledCall], before: usize| -> Result<Vec<Tensor>, Error> {
        let mut vectors = Vec::new();
        for (at, call) in part.iter().enumerate() {
            let texts: Vec<&str> = call.call.turns.iter().map(|turn| turn.text.as_str()).collect();
            vectors.push(encoder.encode(&texts)?);
            progress(0.8 * (before + at + 1) as f32 / all as f32);
        }
        Ok(vectors)
    };
    let train_vectors = encode(&train_calls, 0)?;
    let dev_vectors = encode(&dev_calls, train_calls.len())?;
    let stacked = Tensor::cat(&train_vectors, 0)?;
    let mean = stacked.mean(0)?;
    let deviation = (stacked.broadcast_sub(&mean)?.sqr()?.mean(0)?.sqrt()? + 1e-6)?;
    let train = data(&train_calls, &train_vectors, &mean, &deviation)?;
    let dev = data(&dev_calls, &dev_vectors, &mean, &deviation)?;

    let mut members = Vec::new();
    for index in 0..options.members {
        let mut rng = StdRng::seed_from_u64(options.seed.wrapping_add(index as u64));
        members.push(fit_member(&train, &dev, options.epochs, &mut rng)?);
        progress(0.8 + 0.18 * (index + 1) as f32 / options.members as f32);
    }
    let (role, role_bias) = fit_role(&train, options.seed)?;
    let settings = Settings {
        members: options.members,
        encoder_sha256: options.encoder_sha256.clone(),
        tuned_layers: options.tuned_layers,
        tuned_sha256: options.tuned_sha256.clone(),
        stages: Stage::ALL.to_vec(),
        signals: Signal::ALL.to_vec(),
        stage_temperature: 1.0,
        signal_temperature: 1.0,
        thresholds: vec![0.5; Signal::ALL.len()],
        transitions: transitions(&train),
        transition_weight: 0.0,
        seed: options.seed,
        trained_on: options.trained_on.clone(),
    };
    let mut heads = Heads {
        settings,
        mean,
        deviation,
        members,
        role,
        role_bias,
    };
    calibrate(&mut heads, &dev)?;
    progress(1.0);
    Ok(Fitted {
        heads,
        train_turns: train.stages.len(),
        dev_turns: dev.stages.len(),
    })
}

pub fn data(calls: &[&LabelledCall], vectors: &[Tensor], mean: &Tensor, deviation: &Tensor) -> Result<Data, Error> {
    let mut now = Vec::new();
    let mut before: Vec<Vec<Tensor>> = Vec::new();
    let mut marks = Vec::new();
    let mut role_parts = Vec::new();
    let mut data = Data {
        inputs: Inputs {
            now: mean.clone(),
            before: Vec::new(),
            marks: mean.clone(),
        },
        role_inputs: mean.clone(),
        stages: Vec::new(),
        signals: Vec::new(),
        mask: Vec::new(),
        roles: Vec::new(),
        lengths: Vec::new(),
    };
    for (call, vectors) in calls.iter().zip(vectors) {
        let vectors = vectors.broadcast_sub(mean)?.broadcast_div(deviation)?;
        let turns = &call.call.turns;
        let call_marks = features::marks(turns);
        let call_inputs = inputs(&vectors, &call_marks)?;
        role_parts.push(role_inputs(&vectors, &call_marks)?);
        now.push(call_inputs.now);
        before.resize(call_inputs.before.len(), Vec::new());
        for (all, one) in before.iter_mut().zip(call_inputs.before) {
            all.push(one);
        }
        marks.push(call_inputs.marks);
        data.lengths.push(turns.len());
        for (turn, gold) in turns.iter().zip(&call.gold.turns) {
            data.stages.push(gold.stage.index());
            data.roles.push(turn.role);
            let of = |test: &dyn Fn(Signal) -> bool| {
                Signal::ALL
                    .iter()
                    .map(|&signal| f32::from(u8::from(test(signal))))
                    .collect::<Vec<f32>>()
            };
            data.signals.push(of(&|signal| gold.signals.contains(&signal)));
            data.mask.push(of(&|signal| signal.speaker() == turn.role));
        }
    }
    data.inputs = Inputs {
        now: Tensor::cat(&now, 0)?,
        before: before
            .iter()
            .map(|parts| Tensor::cat(parts, 0))
            .collect::<Result<_, _>>()?,
        marks: Tensor::cat(&marks, 0)?,
    };
    data.role_inputs = Tensor::cat(&role_parts, 0)?;
    Ok(data)
}

/// A normal number, by Box and Muller.
fn normal(rng: &mut StdRng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

/// Ones scaled so that the mean stays, and zeros.
pub fn dropout(rng: &mut StdRng, rows: usize, columns: usize, share: f32) -> candle_core::Result<Tensor> {
    let keep = 1.0 / (1.0 - share);
    let values: Vec<f32> = (0..rows * columns)
        .map(|_| if rng.random::<f32>() < share { 0.0 } else { keep })
        .collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

fn select(inputs: &Inputs, rows: &Tensor) -> candle_core::Result<Inputs> {
    Ok(Inputs {
        now: inputs.now.index_select(rows, 0)?,
        before: inputs
            .before
            .iter()
            .map(|part| part.index_select(rows, 0))
            .collect::<Result<_, _>>()?,
        marks: inputs.marks.index_select(rows, 0)?,
    })
}

fn rows_of(matrix: &[Vec<f32>], rows: &[u32]) -> candle_core::Result<Tensor> {
    let width = matrix.first().map_or(0, Vec::len);
    let values: Vec<f32> = rows
        .iter()
        .flat_map(|&row| matrix[row as usize].iter().copied())
        .collect();
    Tensor::from_vec(values, (rows.len(), width), &Device::Cpu)
}

/// Binary cross-entropy from logits, in the form that does not overflow.
pub fn binary(logits: &Tensor, gold: &Tensor) -> candle_core::Result<Tensor> {
    (logits.relu()? - (logits * gold)?)? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?
}

fn loss(member: &Member, data: &Data, rows: &[u32], rng: Option<&mut StdRng>) -> candle_core::Result<Tensor> {
    let index = Tensor::new(rows, &Device::Cpu)?;
    let mut inputs = select(&data.inputs, &index)?;
    let mask = match rng {
        Some(rng) => {
            inputs.now = inputs.now.mul(&dropout(rng, rows.len(), WIDTH, INPUT_DROPOUT)?)?;
            Some(dropout(rng, rows.len(), HIDDEN, DROPOUT)?)
        }
        None => None,
    };
    let (stage, signal) = member.forward(&inputs, mask.as_ref())?;
    let targets: Vec<u32> = rows.iter().map(|&row| data.stages[row as usize] as u32).collect();
    let stage_loss = candle_nn::loss::cross_entropy(&stage, &Tensor::new(targets, &Device::Cpu)?)?;
    let gold = rows_of(&data.signals, rows)?;
    let able = rows_of(&data.mask, rows)?;
    let each = binary(&signal, &gold)?;
    let signal_loss = (each.mul(&able)?.sum_all()? / able.sum_all()?.to_scalar::<f32>()?.max(1.0) as f64)?;
    stage_loss + (signal_loss * SIGNAL_WEIGHT)?
}

/// Weights of a member before any training, in the order of [`Member::SHAPES`].
fn new_member(rng: &mut StdRng) -> candle_core::Result<Vec<Var>> {
    let mut vars = Vec::new();
    for (_, shape) in Member::SHAPES {
        let scale = if shape.len() == 2 {
            (1.0 / shape[0] as f32).sqrt()
        } else {
            0.0
        };
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|_| scale * normal(rng)).collect();
        vars.push(Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?);
    }
    Ok(vars)
}

/// The member whose weights are these variables.
pub fn member_of(vars: &[Var]) -> Member {
    let tensor = |at: usize| vars[at].as_tensor().clone();
    Member::new(std::array::from_fn(tensor))
}

pub fn fit_member(train: &Data, dev: &Data, epochs: usize, rng: &mut StdRng) -> Result<Member, Error> {
    let vars = new_member(rng)?;
    let mut optimizer = AdamW::new(
        vars.clone(),
        ParamsAdamW {
            lr: LEARNING_RATE,
            weight_decay: WEIGHT_DECAY,
            ..ParamsAdamW::default()
        },
    )?;
    let mut order: Vec<u32> = (0..train.stages.len() as u32).collect();
    let dev_rows: Vec<u32> = (0..dev.stages.len() as u32).collect();
    let mut best: Option<(f32, Vec<Tensor>)> = None;
    let mut worse = 0;
    for epoch in 0..epochs {
        order.shuffle(rng);
        for rows in order.chunks(BATCH) {
            let loss = loss(&member_of(&vars), train, rows, Some(rng))?;
            optimizer.backward_step(&loss)?;
        }
        let dev_loss = loss(&member_of(&vars), dev, &dev_rows, None)?.to_scalar::<f32>()?;
        tracing::debug!(epoch, dev_loss, "epoch done");
        if best.as_ref().is_none_or(|(least, _)| dev_loss < *least) {
            let kept = vars
                .iter()
                .map(|var| var.as_tensor().copy())
                .collect::<Result<Vec<_>, _>>()?;
            best = Some((dev_loss, kept));
            worse = 0;
        } else {
            worse += 1;
            if worse == PATIENCE {
                break;
            }
        }
        optimizer.set_learning_rate(LEARNING_RATE * (1.0 - 0.9 * (epoch + 1) as f64 / epochs as f64));
    }
    let kept = best.map_or_else(
        || vars.iter().map(|var| var.as_tensor().clone()).collect(),
        |(_, kept)| kept,
    );
    let kept: [Tensor; 7] = kept
        .try_into()
        .map_err(|_| candle_core::Error::Msg("a member has other than 7 weights".to_owned()))?;
    Ok(Member::new(kept))
}

/// Logistic regression: rep (1) or buyer (0).
pub fn fit_role(train: &Data, seed: u64) -> Result<(Tensor, Tensor), Error> {
    const STEPS: usize = 300;
    let rows: Vec<u32> = (0..train.roles.len())
        .filter(|&at| train.roles[at] != Role::Unknown)
        .map(|at| at as u32)
        .collect();
    let targets: Vec<f32> = rows
        .iter()
        .map(|&at| f32::from(u8::from(train.roles[at as usize] == Role::Rep)))
        .collect();
    let mut rng = StdRng::seed_from_u64(seed);
    let weight: Vec<f32> = (0..ROLE_INPUT).map(|_| 0.01 * normal(&mut rng)).collect();
    let weight = Var::from_tensor(&Tensor::from_vec(weight, (ROLE_INPUT, 1), &Device::Cpu)?)?;
    let bias = Var::from_tensor(&Tensor::zeros(1, DType::F32, &Device::Cpu)?)?;
    let x = train
        .role_inputs
        .index_select(&Tensor::new(rows.as_slice(), &Device::Cpu)?, 0)?;
    let y = Tensor::from_vec(targets, (rows.len(), 1), &Device::Cpu)?;
    let mut optimizer = AdamW::new(
        vec![weight.clone(), bias.clone()],
        ParamsAdamW {
            lr: 3e-3,
            weight_decay: 1.0,
            ..ParamsAdamW::default()
        },
    )?;
    for _ in 0..STEPS {
        let drop = dropout(&mut rng, rows.len(), ROLE_INPUT, 0.3)?;
        let logits = x
            .mul(&drop)?
            .matmul(weight.as_tensor())?
            .broadcast_add(bias.as_tensor())?;
        optimizer.backward_step(&binary(&logits, &y)?.mean_all()?)?;
    }
    Ok((weight.as_tensor().copy()?, bias.as_tensor().copy()?))
}

fn transitions(train: &Data) -> Vec<Vec<f32>> {
    let mut counts = vec![vec![UNSEEN; Stage::ALL.len()]; Stage::ALL.len()];
    let mut from = 0;
    for &length in &train.lengths {
        for pair in train.stages[from..from + length].windows(2) {
            counts[pair[0]][pair[1]] += 1.0;
        }
        from += length;
    }
    for row in &mut counts {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|count| *count = (*count / sum).ln());
    }
    counts
}

/// Temperatures, weight of the transitions and thresholds, all on the dev calls.
fn calibrate(heads: &mut Heads, dev: &Data) -> Result<(), Error> {
    let (stages, signals) = heads.logits(&dev.inputs)?;
    let steps = |from: i32, to: i32| (from..=to).map(|step| step as f32 * 0.05);

    let mut best = f32::INFINITY;
    for temperature in steps(8, 60) {
        for weight in steps(0, 20) {
            let mut loss = 0.0;
            let mut from = 0;
            for &length in &dev.lengths {
                let emissions: Vec<Vec<f32>> = stages[from..from + length]
                    .iter()
                    .map(|logits| log_softmax(&logits.iter().map(|logit| logit / temperature).collect::<Vec<_>>()))
                    .collect();
                let sure = posteriors(&emissions, &heads.settings.transitions, weight);
                for (row, &gold) in sure.iter().zip(&dev.stages[from..from + length]) {
                    loss -= row[gold].max(1e-6).ln();
                }
                from += length;
            }
            if loss < best {
                best = loss;
                heads.settings.stage_temperature = temperature;
                heads.settings.transition_weight = weight;
            }
        }
    }

    let mut best = f32::INFINITY;
    for temperature in steps(8, 60) {
        let mut loss = 0.0;
        for ((logits, gold), mask) in signals.iter().zip(&dev.signals).zip(&dev.mask) {
            for ((logit, gold), _) in logits.iter().zip(gold).zip(mask).filter(|(_, mask)| **mask > 0.0) {
                let p = sigmoid(logit / temperature).clamp(1e-6, 1.0 - 1e-6);
                loss -= if *gold > 0.5 { p.ln() } else { (1.0 - p).ln() };
            }
        }
        if loss < best {
            best = loss;
            heads.settings.signal_temperature = temperature;
        }
    }

    let temperature = heads.settings.signal_temperature;
    let scored: Vec<Vec<(f32, bool)>> = (0..Signal::ALL.len())
        .map(|at| {
            (0..signals.len())
                .filter(|&row| dev.mask[row][at] > 0.0)
                .map(|row| (sigmoid(signals[row][at] / temperature), dev.signals[row][at] > 0.5))
                .collect()
        })
        .collect();
    let everything: Vec<(f32, bool)> = scored.iter().flatten().copied().collect();
    let common = best_threshold(&everything);
    for (at, scored) in scored.iter().enumerate() {
        let positives = scored.iter().filter(|(_, gold)| *gold).count();
        // With few examples the best threshold of dev is luck: stay half way to the common one.
        heads.settings.thresholds[at] = if positives >= OWN_THRESHOLD {
            (best_threshold(scored) + common) / 2.0
        } else {
            common
        };
    }
    Ok(())
}

/// The threshold with the best F1.
fn best_threshold(scored: &[(f32, bool)]) -> f32 {
    let f1 = |threshold: f32| {
        let (mut hit, mut missed, mut wrong) = (0.0_f32, 0.0_f32, 0.0_f32);
        for &(p, gold) in scored {
            match (p >= threshold, gold) {
                (true, true) => hit += 1.0,
                (true, false) => wrong += 1.0,
                (false, true) => missed += 1.0,
                (false, false) => {}
            }
        }
        2.0 * hit / (2.0 * hit + missed + wrong).max(1.0)
    };
    let mut best = (0.5, f1(0.5));
    for step in 3..=16 {
        let threshold = step as f32 * 0.05;
        let value = f1(threshold);
        if value > best.1 {
            best = (threshold, value);
        }
    }
    best.0
}

/// Tensors in the order of their names, so the same weights are the same bytes.
fn to_safetensors(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>, Error> {
    safetensors::serialize(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), None)
        .map_err(|error| Error::Tensor(candle_core::Error::Msg(error.to_string())))
}

/// The file `heads.safetensors`.
pub fn heads_file(heads: &Heads) -> Result<Vec<u8>, Error> {
    to_safetensors(&heads.tensors()?.into_iter().collect())
}

/// The file `encoder.safetensors`.
pub fn layers_file(layers: &[Layer]) -> Result<Vec<u8>, Error> {
    to_safetensors(&layer_tensors(layers)?)
}

#[cfg(test)]
mod tests {
    use super::best_threshold;

    #[test]
    fn the_threshold_parts_the_two_kinds() {
        let scored = [(0.1, false), (0.2, false), (0.32, true), (0.6, true)];
        let threshold = best_threshold(&scored);
        assert!(threshold > 0.2 && threshold <= 0.32, "{threshold}");
    }
}
