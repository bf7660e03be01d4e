//! Fitting: the network of heads, alone or together with layers of the encoder, call by call; then calibration on dev.
//!
//! The layers below those that are fitted are used as they are, so what they make of every turn is computed once. After
//! each pass everything is written down, so that a stopped training goes on where it was.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

use super::Error;
use super::corpus::{LabelledCall, Split};
use super::optimizer::Optimizer;
use crate::domain::{Cue, Role, Signal, Stage, Turn, hex};
use crate::understand::turn_model::encoder::LAYERS;
use crate::understand::turn_model::heads::{Heads, Logits, Network, Settings};
use crate::understand::turn_model::layer::{Below, Layer};
use crate::understand::turn_model::{Encoder, WIDTH, layer_tensors, log_softmax, posteriors, sigmoid};

#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    /// Passes over the training calls.
    pub epochs: usize,
    /// SHA-256 of the encoder file, hex: heads fit no other.
    pub encoder_sha256: String,
    /// Layers above the encoder's own that the heads will stand on, and SHA-256 of their file.
    pub tuned_layers: usize,
    pub tuned_sha256: String,
    /// Said in the settings file, and in errors.
    pub trained_on: String,
    /// Name of the model to go on from.
    pub start: String,
    /// File that keeps an unfinished training.
    pub unfinished: PathBuf,
}

/// Calls in one step.
const CALLS: usize = 4;
/// Learning rate of the last layer at its height, and of each layer below it by this factor less.
const LAYER_RATE: f64 = 2e-4;
const LAYER_DECAY: f64 = 0.95;
/// Of the network.
const NETWORK_RATE: f64 = 1.5e-3;
/// Of the rates, where a model is only adapted: what it knows must not be lost.
const ADAPT: f64 = 0.2;
const WEIGHT_DECAY: f32 = 0.02;
/// Share of the steps in which the rates grow.
const WARM_UP: f64 = 0.1;
/// Share of numbers dropped inside the encoder.
const DROP_LAYERS: f32 = 0.1;
/// Signals are 35 losses beside the one of the stage, most of them near nothing: their mean is brought to its size.
const SIGNAL_WEIGHT: f64 = 10.0;
const CUE_WEIGHT: f64 = 10.0;
const SIDE_WEIGHT: f64 = 0.3;
/// Share of calls shown without capitals and punctuation, as hasty recognisers write.
const PLAIN: f32 = 0.3;
/// Share of words left out in training: no label may hang on one.
const DROP_WORDS: f32 = 0.07;
/// Power of a stage's frequency by which its turns weigh less: rare stages count too.
const STAGE_BALANCE: f32 = 0.3;
/// Share of the stage's certainty given to the other stages: people do not always agree.
const SMOOTHING: f32 = 0.05;
/// Part of the fingerprint of an unfinished training: to be raised when the numbers above change.
const RECIPE: u32 = 1;
/// Count added to every transition.
const UNSEEN: f32 = 0.5;
/// Turns that the transitions of the model before count for.
const KNOWN_TURNS: f32 = 20.0;
/// Dev turns that must carry a signal before it gets a threshold of its own.
const OWN_THRESHOLD: usize = 10;

/// A fitted model with what its fitting showed.
pub struct Fitted {
    pub heads: Heads,
    /// The fitted layers; empty where only the heads were.
    pub layers: Vec<Layer>,
    pub train_turns: usize,
    pub dev_turns: usize,
    /// Loss on the dev calls before and after, each at its best temperatures; before is None where the network began at
    /// random.
    pub dev_loss: (Option<f32>, f32),
}

/// What a call looks like to the layers that are fitted.
enum Input {
    /// All layers are fitted: the tokens.
    Tokens(Vec<Vec<u32>>),
    /// What the layers below make of them.
    Below(Below),
    /// Nothing of the encoder is fitted: its vectors.
    Vectors(Tensor),
}

struct Example<'a> {
    turns: &'a [Turn],
    /// As written, and (for training) without capitals and punctuation.
    inputs: Vec<Input>,
    stages: Vec<usize>,
    /// turns × signals, 0 or 1
    signals: Tensor,
    /// turns × signals: 1 where the speaker can give the signal
    able: Tensor,
    /// turns × cues, 0 or 1; None where nobody named the deciding turns.
    cues: Option<Tensor>,
    /// turns × 1: 1 for buyers
    buyers: Tensor,
    sides: Tensor,
    known: Tensor,
}

/// Small letters and no marks.
fn without_punctuation(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || c.is_whitespace() || *c == '\'' || *c == '-')
        .collect();
    if kept.trim().is_empty() { text.to_owned() } else { kept }
}

fn number(set: bool) -> f32 {
    f32::from(u8::from(set))
}

fn table(rows: usize, columns: usize, set: impl Fn(usize, usize) -> bool) -> candle_core::Result<Tensor> {
    let values: Vec<f32> = (0..rows * columns)
        .map(|at| number(set(at / columns, at % columns)))
        .collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

impl<'a> Example<'a> {
    fn new(encoder: &Encoder, labelled: &'a LabelledCall, layers: usize, kinds: usize) -> Result<Self, Error> {
        let turns = &labelled.call.turns;
        let gold = &labelled.gold;
        let kind = |change: &dyn Fn(&str) -> String| turns.iter().map(|turn| change(&turn.text)).collect::<Vec<_>>();
        let texts = [kind(&str::to_owned), kind(&without_punctuation)];
        let mut inputs = Vec::new();
        for texts in &texts[..kinds] {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            inputs.push(match layers {
                0 => {
                    let vectors = encoder.encode(&texts)?;
                    Input::Vectors(Tensor::from_vec(vectors, (texts.len(), WIDTH), &Device::Cpu)?)
                }
                LAYERS => Input::Tokens(encoder.cut(&texts)?),
                _ => Input::Below(encoder.below(&encoder.cut(&texts)?, layers)?),
            });
        }
        let stages: Vec<usize> = gold.turns.iter().map(|gold| gold.stage.index()).collect();
        let rows = turns.len();
        let column = |set: &dyn Fn(&Turn) -> bool| {
            let values: Vec<f32> = turns.iter().map(|turn| number(set(turn))).collect();
            Tensor::new(values, &Device::Cpu)
        };
        let sides = |set: &dyn Fn(Role) -> bool| {
            let truth = turns
                .iter()
                .zip(&gold.turns)
                .map(|(turn, gold)| gold.role.unwrap_or(turn.role));
            let values: Vec<f32> = truth.map(|role| number(set(role))).collect();
            Tensor::new(values, &Device::Cpu)
        };
        Ok(Self {
            turns,
            inputs,
            stages,
            signals: table(rows, Signal::ALL.len(), |row, at| {
                gold.turns[row].signals.contains(&Signal::ALL[at])
            })?,
            able: table(rows, Signal::ALL.len(), |row, at| {
                Signal::ALL[at].speaker() == turns[row].role
            })?,
            cues: match gold.has_cues() {
                true => Some(table(rows, Cue::ALL.len(), |row, at| {
                    gold.cue(turns[row].i, Cue::ALL[at])
                })?),
                false => None,
            },
            buyers: column(&|turn| turn.role == Role::Buyer)?.unsqueeze(1)?,
            // Who speaks in truth, whatever the recorder wrote.
            sides: sides(&|role| role == Role::Rep)?,
            known: sides(&|role| role != Role::Unknown)?,
        })
    }
}

/// Everything that is fitted: the layers' weights, then the network's.
struct Weights<'a> {
    encoder: &'a Encoder,
    vars: Vec<Var>,
    layers: usize,
}

impl Weights<'_> {
    /// Without `gradient` cut off from the variables: else every result would keep all that led to it.
    fn tensor(&self, at: usize, gradient: bool) -> Tensor {
        let tensor = self.vars[at].as_tensor();
        if gradient { tensor.clone() } else { tensor.detach() }
    }

    fn layers(&self, gradient: bool) -> Vec<Layer> {
        let parts = Layer::PARTS.len();
        let layer = |layer: usize| Layer::new(std::array::from_fn(|part| self.tensor(layer * parts + part, gradient)));
        (0..self.layers).map(layer).collect()
    }

    fn network(&self, gradient: bool) -> Network {
        let first = self.layers * Layer::PARTS.len();
        Network::new((first..self.vars.len()).map(|at| self.tensor(at, gradient)).collect())
    }

    fn rates(&self, adapt: bool) -> Vec<f64> {
        let share = if adapt { ADAPT } else { 1.0 };
        let inside = self.layers * Layer::PARTS.len();
        (0..self.vars.len())
            .map(|at| match at < inside {
                true => LAYER_RATE * LAYER_DECAY.powi((self.layers - 1 - at / Layer::PARTS.len()) as i32),
                false => NETWORK_RATE,
            })
            .map(|rate| rate * share)
            .collect()
    }
}

/// Ones scaled so that the mean stays, and zeros.
fn dropout(rng: &mut StdRng, x: &Tensor, share: f32) -> candle_core::Result<Tensor> {
    let keep = 1.0 / (1.0 - share);
    let values: Vec<f32> = (0..x.elem_count())
        .map(|_| if rng.random::<f32>() < share { 0.0 } else { keep })
        .collect();
    x.mul(&Tensor::from_vec(values, x.dims(), &Device::Cpu)?)
}

/// Some words left out; the marks at both ends stay.
fn thinned(tokens: &[Vec<u32>], rng: &mut StdRng) -> Vec<Vec<u32>> {
    let mut thin = |text: &Vec<u32>| {
        let last = text.len().saturating_sub(1);
        let words = text.iter().enumerate();
        let kept = words.filter(|(at, _)| *at == 0 || *at == last || rng.random::<f32>() >= DROP_WORDS);
        kept.map(|(_, &token)| token).collect()
    };
    tokens.iter().map(&mut thin).collect()
}

/// For training, with numbers and words dropped.
fn forward(weights: &Weights<'_>, example: &Example<'_>, version: usize, rng: &mut StdRng) -> Result<Logits, Error> {
    let layers = weights.layers(true);
    let vectors = match &example.inputs[version] {
        Input::Vectors(vectors) => vectors.clone(),
        Input::Below(below) => below.above(&layers, &mut |x| dropout(rng, &x, DROP_LAYERS))?,
        Input::Tokens(tokens) => {
            let below = weights.encoder.below(&thinned(tokens, rng), weights.layers)?;
            below.above(&layers, &mut |x| dropout(rng, &x, DROP_LAYERS))?
        }
    };
    let network = weights.network(true);
    Ok(network.forward(&vectors, example.turns, Some(&mut |x, share| dropout(rng, &x, share)))?)
}

/// As in use.
fn logits(weights: &Weights<'_>, example: &Example<'_>) -> Result<Logits, Error> {
    let layers = weights.layers(false);
    let vectors = match &example.inputs[0] {
        Input::Vectors(vectors) => vectors.clone(),
        Input::Below(below) => below.above(&layers, &mut Ok)?,
        Input::Tokens(tokens) => weights.encoder.below(tokens, weights.layers)?.above(&layers, &mut Ok)?,
    };
    Ok(weights.network(false).forward(&vectors, example.turns, None)?)
}

/// Binary cross-entropy from logits, in the form that does not overflow.
fn binary(logits: &Tensor, gold: &Tensor) -> candle_core::Result<Tensor> {
    (logits.relu()? - (logits * gold)?)? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Mean over the places where `counts` is 1.
fn mean_where(each: &Tensor, counts: &Tensor) -> candle_core::Result<Tensor> {
    let counts = counts.broadcast_as(each.shape())?;
    let count = counts.sum_all()?.to_scalar::<f32>()?.max(1.0);
    each.mul(&counts)?.sum_all()? / f64::from(count)
}

/// For each turn how much each stage is to be wanted; all sum to 1.
fn stage_goals(train: &[Example<'_>]) -> candle_core::Result<Vec<Tensor>> {
    let mut counts = vec![0.0_f32; Stage::ALL.len()];
    for &stage in train.iter().flat_map(|example| &example.stages) {
        counts[stage] += 1.0;
    }
    let weights: Vec<f32> = counts.iter().map(|count| count.max(1.0).powf(-STAGE_BALANCE)).collect();
    let goal = |example: &Example<'_>| {
        let sum: f32 = example.stages.iter().map(|&stage| weights[stage]).sum();
        let share = SMOOTHING / weights.len() as f32;
        let row = |&gold: &usize| {
            let weights = weights.iter().enumerate();
            let wanted =
                weights.map(move |(at, weight)| weight * (share + (1.0 - SMOOTHING) * number(at == gold)) / sum);
            wanted.collect::<Vec<f32>>()
        };
        let values: Vec<f32> = example.stages.iter().flat_map(row).collect();
        Tensor::from_vec(values, (example.stages.len(), Stage::ALL.len()), &Device::Cpu)
    };
    train.iter().map(goal).collect()
}

fn loss(logits: &Logits, example: &Example<'_>, goal: &Tensor) -> candle_core::Result<Tensor> {
    let stages = candle_nn::ops::log_softmax(&logits.stages, D::Minus1)?;
    let stage = (stages * goal)?.sum_all()?.neg()?;
    let signal = mean_where(&binary(&logits.signals, &example.signals)?, &example.able)?;
    let side = mean_where(&binary(&logits.sides, &example.sides)?, &example.known)?;
    let mut all = ((stage + (signal * SIGNAL_WEIGHT)?)? + (side * SIDE_WEIGHT)?)?;
    if let Some(cues) = &example.cues {
        let cue = mean_where(&binary(&logits.cues, cues)?, &example.buyers)?;
        all = (all + (cue * CUE_WEIGHT)?)?;
    }
    Ok(all)
}

/// A network from random numbers.
fn new_network(seed: u64) -> candle_core::Result<Network> {
    let mut rng = StdRng::seed_from_u64(seed);
    // A normal number, by Box and Muller.
    let mut normal = || {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
    };
    let mut weights = Vec::new();
    for (name, shape) in Network::shapes() {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = match shape.as_slice() {
            _ if name.contains("norm") && name.ends_with("weight") => vec![1.0; count],
            [inputs, _] if name.ends_with("weight") => {
                let scale = (1.0 / *inputs as f32).sqrt() * 0.58;
                (0..count).map(|_| scale * normal()).collect()
            }
            [_, _] if !name.ends_with("distance") => (0..count).map(|_| normal()).collect(),
            _ => vec![0.0; count],
        };
        weights.push(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?);
    }
    Ok(Network::new(weights))
}

/// Fits on the calls of split train, choosing on split dev. `layers`: the last ones of the encoder, which are fitted too.
/// `start`: the heads to go on from; None: new ones. `progress` is told the share done, 0–1.
pub fn fit(
    encoder: &Encoder,
    layers: &[Layer],
    calls: &[LabelledCall],
    start: Option<&Heads>,
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
    // Encoding is most of the time where only the heads are fitted.
    let encoding = if layers.is_empty() { 0.6 } else { 0.05 };
    let all = train_calls.len() + dev_calls.len();
    let mut count = 0;
    let mut done = || {
        count += 1;
        progress(encoding * count as f32 / all as f32);
    };
    let (mut train, mut dev) = (Vec::new(), Vec::new());
    // Without a pass nothing of the training calls is looked at but how stages follow each other.
    let kinds = match (options.epochs, layers.len()) {
        (0, _) => 0,
        (_, 0) => 1,
        _ => 2,
    };
    for call in train_calls {
        train.push(Example::new(encoder, call, layers.len(), kinds)?);
        done();
    }
    for call in dev_calls {
        dev.push(Example::new(encoder, call, layers.len(), 1)?);
        done();
    }
    let fresh;
    let network = match start {
        Some(start) => &start.network,
        None => {
            fresh = new_network(options.seed)?;
            &fresh
        }
    };
    let tensors = layers.iter().flat_map(|layer| layer.tensors()).chain(network.weights());
    let weights = Weights {
        encoder,
        vars: tensors
            .map(|tensor| Var::from_tensor(&tensor.copy()?))
            .collect::<candle_core::Result<_>>()?,
        layers: layers.len(),
    };
    let all_logits = || {
        dev.iter()
            .map(|example| logits(&weights, example))
            .collect::<Result<Vec<_>, _>>()
    };
    let before = match start {
        Some(_) => Some(dev_loss(&dev, &all_logits()?)?),
        None => None,
    };
    let mut training = Training::new(&weights, start.is_some(), options, calls)?;
    training.run(&weights, &train, &mut |done| {
        progress(encoding + (0.98 - encoding) * done)
    })?;
    // As they are stored, so that what is calibrated is what will be loaded.
    for var in &weights.vars {
        var.set(&var.to_dtype(DType::F16)?.to_dtype(DType::F32)?)?;
    }
    let known = start.map(|start| &start.settings);
    let mut settings = Settings {
        encoder_sha256: options.encoder_sha256.clone(),
        tuned_layers: options.tuned_layers,
        tuned_sha256: options.tuned_sha256.clone(),
        stages: Stage::ALL.to_vec(),
        signals: Signal::ALL.to_vec(),
        cues: Cue::ALL.to_vec(),
        stage_temperature: 1.0,
        signal_temperature: 1.0,
        cue_temperature: known.map_or(1.0, |known| known.cue_temperature),
        thresholds: vec![0.5; Signal::ALL.len()],
        cue_thresholds: known.map_or_else(|| vec![0.5; Cue::ALL.len()], |known| known.cue_thresholds.clone()),
        transitions: transitions(&train, known),
        transition_weight: 0.0,
        seed: options.seed,
        trained_on: options.trained_on.clone(),
    };
    let dev_logits = all_logits()?;
    calibrate(&mut settings, &dev, &dev_logits)?;
    progress(1.0);
    let turns = |examples: &[Example<'_>]| examples.iter().map(|example| example.turns.len()).sum();
    Ok(Fitted {
        train_turns: turns(&train),
        dev_turns: turns(&dev),
        layers: weights.layers(false),
        heads: Heads {
            settings,
            network: weights.network(false),
        },
        dev_loss: (before, dev_loss(&dev, &dev_logits)?),
    })
}

/// The passes over the calls.
struct Training<'a> {
    options: &'a Options,
    optimizer: Optimizer,
    /// Names what is being fitted on what: an unfinished training of another kind is not gone on with.
    fingerprint: String,
    epoch: usize,
}

impl<'a> Training<'a> {
    fn new(weights: &Weights<'_>, adapt: bool, options: &'a Options, calls: &[LabelledCall]) -> Result<Self, Error> {
        let mut hash = Sha256::new();
        hash.update(format!(
            "{RECIPE} {} {} {} {} {adapt} {} {} {}",
            env!("CARGO_PKG_VERSION"),
            options.seed,
            weights.layers,
            options.epochs,
            options.encoder_sha256,
            options.tuned_sha256,
            options.start,
        ));
        for call in calls {
            hash.update(format!("{} {:?} {:?}", call.call.id, call.split, call.gold));
            for turn in &call.call.turns {
                hash.update(format!("{} {} {}", turn.i, turn.role.as_str(), turn.text));
            }
        }
        let mut training = Self {
            options,
            optimizer: Optimizer::new(weights.vars.clone(), weights.rates(adapt), WEIGHT_DECAY),
            fingerprint: hex(hash.finalize()),
            epoch: 0,
        };
        training.resume(weights)?;
        Ok(training)
    }

    /// The last pass is kept: by then the rate has fallen to nothing.
    fn run(
        &mut self,
        weights: &Weights<'_>,
        train: &[Example<'_>],
        progress: &mut dyn FnMut(f32),
    ) -> Result<(), Error> {
        let goals = stage_goals(train)?;
        let steps_of_epoch = train.len().div_ceil(CALLS);
        let steps = (steps_of_epoch * self.options.epochs).max(1);
        while self.epoch < self.options.epochs {
            // A seed for each pass: what comes after a stop is what would have come without it.
            let seed = self.options.seed.wrapping_mul(1000).wrapping_add(self.epoch as u64);
            let mut rng = StdRng::seed_from_u64(seed);
            let mut order: Vec<usize> = (0..train.len()).collect();
            order.shuffle(&mut rng);
            let mut sum = 0.0;
            for (step, calls) in order.chunks(CALLS).enumerate() {
                let step = self.epoch * steps_of_epoch + step;
                let at = step as f64 / steps as f64;
                let rate = if at < WARM_UP {
                    (at + 1.0 / steps as f64) / WARM_UP
                } else {
                    (1.0 - at) / (1.0 - WARM_UP)
                };
                let mut grads: Vec<GradStore> = Vec::new();
                for &call in calls {
                    let plain = train[call].inputs.len() > 1 && rng.random::<f32>() < PLAIN;
                    let logits = forward(weights, &train[call], usize::from(plain), &mut rng)?;
                    let loss = loss(&logits, &train[call], &goals[call])?;
                    sum += loss.to_scalar::<f32>()?;
                    grads.push(loss.backward()?);
                }
                self.optimizer.step(&grads, rate.min(1.0))?;
                progress((step + 1) as f32 / steps as f32);
            }
            tracing::info!(pass = self.epoch + 1, loss = sum / train.len() as f32, "pass done");
            self.epoch += 1;
            self.write_down(weights)?;
        }
        Ok(())
    }

    fn failed(&self, cause: &dyn std::fmt::Display) -> Error {
        Error::Unfinished {
            path: self.options.unfinished.display().to_string(),
            cause: cause.to_string(),
        }
    }

    /// Everything that the next pass needs.
    fn write_down(&self, weights: &Weights<'_>) -> Result<(), Error> {
        let mut all = self.optimizer.state()?;
        for (at, var) in weights.vars.iter().enumerate() {
            all.insert(format!("now.{at}"), var.as_tensor().clone());
        }
        let about = HashMap::from([
            ("fingerprint".to_owned(), self.fingerprint.clone()),
            ("pass".to_owned(), self.epoch.to_string()),
        ]);
        let partial = self.options.unfinished.with_extension("partial");
        safetensors::serialize_to_file(&all, Some(about), &partial).map_err(|error| self.failed(&error))?;
        std::fs::rename(&partial, &self.options.unfinished).map_err(|error| self.failed(&error))
    }

    /// Goes on with an unfinished training of the same calls and options, if there is one; another is replaced.
    fn resume(&mut self, weights: &Weights<'_>) -> Result<(), Error> {
        let bytes = match std::fs::read(&self.options.unfinished) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed(&error)),
        };
        let read = safetensors::SafeTensors::read_metadata(&bytes);
        let (_, about) = read.map_err(|error| self.failed(&error))?;
        let about = about.metadata().clone().unwrap_or_default();
        if about.get("fingerprint") != Some(&self.fingerprint) {
            tracing::warn!(path = %self.options.unfinished.display(), "an unfinished training of another kind is replaced");
            return Ok(());
        }
        let pass = about.get("pass").and_then(|pass| pass.parse().ok());
        self.epoch = pass.ok_or_else(|| self.failed(&"it names no pass"))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
        for (at, var) in weights.vars.iter().enumerate() {
            let name = format!("now.{at}");
            let tensor = tensors
                .get(&name)
                .ok_or_else(|| self.failed(&format!("`{name}` is missing")))?;
            var.set(tensor)?;
        }
        self.optimizer.restore(&tensors)?;
        tracing::info!(pass = self.epoch, path = %self.options.unfinished.display(), "going on");
        Ok(())
    }
}

/// Counted, on top of what the model before knew of them.
fn transitions(train: &[Example<'_>], known: Option<&Settings>) -> Vec<Vec<f32>> {
    let mut counts = vec![vec![UNSEEN; Stage::ALL.len()]; Stage::ALL.len()];
    for (row, known) in counts.iter_mut().zip(known.iter().flat_map(|known| &known.transitions)) {
        row.iter_mut()
            .zip(known)
            .for_each(|(count, log)| *count += KNOWN_TURNS * log.exp());
    }
    for example in train {
        for pair in example.stages.windows(2) {
            counts[pair[0]][pair[1]] += 1.0;
        }
    }
    for row in &mut counts {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|count| *count = (*count / sum).ln());
    }
    counts
}

/// Logit and truth of every place that could carry a label, for each label.
type Scored = Vec<Vec<(f32, bool)>>;

fn scored(logits: &[Tensor], gold: &[Tensor], able: &[Tensor]) -> Result<Scored, Error> {
    let mut all: Scored = Vec::new();
    for ((logits, gold), able) in logits.iter().zip(gold).zip(able) {
        let able = able.broadcast_as(logits.shape())?.to_vec2::<f32>()?;
        let rows = logits
            .to_vec2::<f32>()?
            .into_iter()
            .zip(gold.to_vec2::<f32>()?)
            .zip(able);
        for ((logits, gold), able) in rows {
            all.resize(logits.len(), Vec::new());
            for (at, ((logit, gold), able)) in logits.into_iter().zip(gold).zip(able).enumerate() {
                if able > 0.5 {
                    all[at].push((logit, gold > 0.5));
                }
            }
        }
    }
    Ok(all)
}

fn steps(from: i32, to: i32) -> impl Iterator<Item = f32> {
    (from..=to).map(|step| step as f32 * 0.05)
}

/// Temperatures, weight of the transitions and thresholds, all on the dev calls.
fn calibrate(settings: &mut Settings, dev: &[Example<'_>], logits: &[Logits]) -> Result<(), Error> {
    let mut stages = Vec::new();
    for logits in logits {
        stages.push(logits.stages.to_vec2::<f32>()?);
    }
    let mut best = f32::INFINITY;
    for temperature in steps(8, 60) {
        for weight in steps(0, 20) {
            let mut loss = 0.0;
            for (rows, example) in stages.iter().zip(dev) {
                let emissions: Vec<Vec<f32>> = rows
                    .iter()
                    .map(|logits| log_softmax(&logits.iter().map(|logit| logit / temperature).collect::<Vec<_>>()))
                    .collect();
                let sure = posteriors(&emissions, &settings.transitions, weight);
                for (row, &gold) in sure.iter().zip(&example.stages) {
                    loss -= row[gold].max(1e-6).ln();
                }
            }
            if loss < best {
                best = loss;
                settings.stage_temperature = temperature;
                settings.transition_weight = weight;
            }
        }
    }
    let signals: Vec<Tensor> = logits.iter().map(|logits| logits.signals.clone()).collect();
    let gold: Vec<Tensor> = dev.iter().map(|example| example.signals.clone()).collect();
    let able: Vec<Tensor> = dev.iter().map(|example| example.able.clone()).collect();
    let found = scored(&signals, &gold, &able)?;
    settings.signal_temperature = temperature(&found);
    settings.thresholds = thresholds(&found, settings.signal_temperature, Signal::ALL.len());

    let with_cues = || {
        dev.iter()
            .zip(logits)
            .filter_map(|(example, logits)| Some((example, logits, example.cues.as_ref()?)))
    };
    let cues: Vec<Tensor> = with_cues().map(|(_, logits, _)| logits.cues.clone()).collect();
    let gold: Vec<Tensor> = with_cues().map(|(_, _, gold)| gold.clone()).collect();
    let buyers: Vec<Tensor> = with_cues().map(|(example, ..)| example.buyers.clone()).collect();
    let found = scored(&cues, &gold, &buyers)?;
    // A customer need not name deciding turns.
    if !found.is_empty() {
        settings.cue_temperature = temperature(&found);
        settings.cue_thresholds = thresholds(&found, settings.cue_temperature, Cue::ALL.len());
    }
    Ok(())
}

/// Loss of stages, signals and cues, each at its best temperature: being less sure is no merit by itself.
fn dev_loss(dev: &[Example<'_>], logits: &[Logits]) -> Result<f32, Error> {
    let mut best = f32::INFINITY;
    for temperature in steps(8, 60) {
        let (mut sum, mut turns) = (0.0, 0);
        for (logits, example) in logits.iter().zip(dev) {
            let rows = (&logits.stages / f64::from(temperature))?.to_vec2::<f32>()?;
            for (row, &gold) in rows.iter().zip(&example.stages) {
                sum -= log_softmax(row)[gold];
                turns += 1;
            }
        }
        best = best.min(sum / turns.max(1) as f32);
    }
    let signals: Vec<Tensor> = logits.iter().map(|logits| logits.signals.clone()).collect();
    let gold: Vec<Tensor> = dev.iter().map(|example| example.signals.clone()).collect();
    let able: Vec<Tensor> = dev.iter().map(|example| example.able.clone()).collect();
    let signal = least_loss(&scored(&signals, &gold, &able)?).0;
    Ok(best + SIGNAL_WEIGHT as f32 * signal)
}

/// The temperature under which the probabilities fit best what is there.
fn temperature(scored: &Scored) -> f32 {
    least_loss(scored).1
}

/// Mean loss at the best temperature, and that temperature.
fn least_loss(scored: &Scored) -> (f32, f32) {
    let count = scored.iter().map(Vec::len).sum::<usize>().max(1) as f32;
    let mut best = (f32::INFINITY, 1.0);
    for temperature in steps(8, 60) {
        let mut loss = 0.0;
        for (logit, gold) in scored.iter().flatten() {
            let p = sigmoid(logit / temperature).clamp(1e-6, 1.0 - 1e-6);
            loss -= if *gold { p.ln() } else { (1.0 - p).ln() };
        }
        if loss / count < best.0 {
            best = (loss / count, temperature);
        }
    }
    best
}

fn thresholds(scored: &Scored, temperature: f32, count: usize) -> Vec<f32> {
    let chances: Vec<Vec<(f32, bool)>> = scored
        .iter()
        .map(|all| {
            all.iter()
                .map(|(logit, gold)| (sigmoid(logit / temperature), *gold))
                .collect()
        })
        .collect();
    let everything: Vec<(f32, bool)> = chances.iter().flatten().copied().collect();
    let common = best_threshold(&everything);
    (0..count)
        .map(|at| {
            let chances = chances.get(at).map(Vec::as_slice).unwrap_or_default();
            let positives = chances.iter().filter(|(_, gold)| *gold).count();
            // With few examples the best threshold of dev is luck: stay half way to the common one.
            if positives >= OWN_THRESHOLD {
                (best_threshold(chances) + common) / 2.0
            } else {
                common
            }
        })
        .collect()
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
    use super::*;

    #[test]
    fn the_threshold_parts_the_two_kinds() {
        let scored = [(0.1, false), (0.2, false), (0.32, true), (0.6, true)];
        let threshold = best_threshold(&scored);
        assert!(threshold > 0.2 && threshold <= 0.32, "{threshold}");
    }

    #[test]
    fn a_temperature_cools_what_is_too_sure() {
        let half_right: Scored = vec![(0..40).map(|at| (4.0, at % 4 != 0)).collect()];
        assert!(temperature(&half_right) > 2.0);
    }
}
