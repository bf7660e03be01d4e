//! The turn model: what each turn is about and what it says, decided on this machine.
//!
//! Owns candle (training, files of weights) and rten's products (encoder and heads in use). Every turn goes through the
//! encoder once, alone; the heads see its vector, those of the turns before it, and who speaks, and read each turn once. Rules of the sales process are *not* here, nor is training (see `learn`).

mod decode;
pub mod encoder;
pub mod heads;
pub mod layer;
mod packed;
mod reading;
pub mod unigram;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use reading::Reader;
use sha2::{Digest, Sha256};

pub use decode::{best_path, posteriors};
pub use encoder::Encoder;
pub use heads::{Heads, Network};
pub use layer::{Layer, WIDTH};
pub use reading::Read;

use crate::domain::{Cue, DecidedBy, Decision, Role, Signal, Turn, TurnLabels, hex};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: the turn model cannot be read: {cause}; `dealstage models verify` checks the weights")]
    Weights { path: PathBuf, cause: String },
    #[error("turn model {path}: {cause}; `dealstage train --out FOLDER` writes such a folder", path = path.display())]
    Folder { path: PathBuf, cause: String },
    #[error("a turn cannot be cut into tokens: {cause}")]
    Tokenizer { cause: String },
    #[error("the turn model failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// The heads and layers that come with the program; a customer's own lie in a folder.
const OWN_HEADS: &[u8] = include_bytes!("../../../models/turn/heads.safetensors");
const OWN_SETTINGS: &[u8] = include_bytes!("../../../models/turn/heads.json");
const OWN_LAYERS: &[u8] = include_bytes!("../../../models/turn/encoder.safetensors");

pub const HEADS_FILE: &str = "heads.safetensors";
pub const SETTINGS_FILE: &str = "heads.json";
pub const LAYERS_FILE: &str = "encoder.safetensors";

/// Layers as [`layer_tensors`] names them.
fn read_layers(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(|error| error.to_string())?;
    let mut layers = Vec::new();
    while tensors.contains_key(&format!("layer.{}.{}", layers.len(), Layer::PARTS[0].0)) {
        let mut parts = Vec::with_capacity(Layer::PARTS.len());
        for (part, shape) in Layer::PARTS {
            let name = format!("layer.{}.{part}", layers.len());
            parts.push(heads::tensor(&tensors, &name, shape)?);
        }
        let parts: [Tensor; Layer::PARTS.len()] = parts.try_into().map_err(|_| "a layer has other parts".to_owned())?;
        layers.push(Layer::new(parts));
    }
    if layers.len() > encoder::LAYERS || tensors.len() != layers.len() * Layer::PARTS.len() {
        return Err("it holds other tensors than the layers of the encoder".to_owned());
    }
    Ok(layers)
}

/// Tensors by name, as they are stored (f16).
pub fn layer_tensors(layers: &[Layer]) -> candle_core::Result<BTreeMap<String, Tensor>> {
    let mut all = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        for ((part, _), tensor) in Layer::PARTS.iter().zip(layer.tensors()) {
            all.insert(format!("layer.{index}.{part}"), tensor.detach().to_dtype(DType::F16)?);
        }
    }
    Ok(all)
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes))
}

/// What the encoder makes of one turn: [`WIDTH`] numbers of norm 1. It depends on the turn's text alone, not on what was encoded beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Box<[f32]>);

impl Vector {
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }
}

/// What is known of a call that was, in part at least, encoded and read before.
pub struct Known<'a> {
    /// Of all turns.
    pub vectors: &'a [Vector],
    pub read: &'a mut Read,
}

pub struct TurnModel {
    encoder: Encoder,
    heads: Reader,
    settings: heads::Settings,
    name: String,
}

/// Heads as they are stored, and the layers that they were fitted on, if those are not the encoder's own.
pub struct Stored {
    pub heads: Heads,
    pub layers: Vec<Layer>,
    /// Says which heads these are: a short hash of their files.
    pub name: String,
}

impl Stored {
    /// The heads stand on the layers that come with the program.
    pub fn stands_on_own_layers(settings: &heads::Settings) -> bool {
        settings.tuned_layers == 0 || settings.tuned_sha256 == sha256(OWN_LAYERS)
    }

    /// `folder`: with the heads, and the layers if they were fitted too; None for those that come with the program.
    pub fn read(folder: Option<&Path>) -> Result<Self, Error> {
        let damaged = |file: &str, cause: String| match folder {
            Some(folder) => Error::Folder {
                path: folder.join(file),
                cause,
            },
            None => Error::Weights {
                path: Path::new("models/turn").join(file),
                cause,
            },
        };
        let read = |file: &str, own: &'static [u8]| match folder {
            None => Ok(own.to_vec()),
            Some(folder) => std::fs::read(folder.join(file)).map_err(|error| damaged(file, error.to_string())),
        };
        let weights = read(HEADS_FILE, OWN_HEADS)?;
        let settings = read(SETTINGS_FILE, OWN_SETTINGS)?;
        let heads = Heads::read(&weights, &settings).map_err(|cause| damaged(SETTINGS_FILE, cause))?;
        let layers = if heads.settings.tuned_layers == 0 {
            Vec::new()
        } else {
            // Heads that were fitted on the program's own layers come without them. That the two that come with the
            // program fit each other is a test, not work for every start.
            let file = if folder.is_none() || Self::stands_on_own_layers(&heads.settings) {
                Cow::Borrowed(OWN_LAYERS)
            } else {
                let file = read(LAYERS_FILE, OWN_LAYERS)?;
                if heads.settings.tuned_sha256 != sha256(&file) {
                    return Err(damaged(
                        LAYERS_FILE,
                        "the heads were fitted on other layers; train again".to_owned(),
                    ));
                }
                Cow::Owned(file)
            };
            read_layers(&file).map_err(|cause| damaged(LAYERS_FILE, cause))?
        };
        let digest = Sha256::new().chain_update(&weights).chain_update(&settings).finalize();
        let name = format!("turn-{}", hex(&digest[..4]));
        Ok(Self { heads, layers, name })
    }
}

impl TurnModel {
    /// On the encoder of these files, `model.gguf` and `tokenizer.json`.
    pub fn load(model: &Path, tokenizer: &Path, stored: Stored) -> Result<Self, Error> {
        Ok(Self {
            encoder: Encoder::load(model, tokenizer, stored.layers)?,
            heads: Reader::new(&stored.heads.network)?,
            settings: stored.heads.settings,
            name: stored.name,
        })
    }

    /// Says which heads these are: a short hash of their files.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    pub fn settings(&self) -> &heads::Settings {
        &self.settings
    }

    /// Vectors of the turns.
    pub fn vectors(&self, turns: &[Turn]) -> Result<Vec<Vector>, Error> {
        let texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
        self.encode(&texts)
    }

    /// The same of turns of many calls at once: each is encoded by itself.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Vector>, Error> {
        let numbers = self.encoder.encode(texts)?;
        Ok(numbers.chunks_exact(WIDTH).map(|row| Vector(row.into())).collect())
    }

    /// For each turn the log odds that its speaker is on the seller's side.
    pub fn role_logits(&self, vectors: &[Vector]) -> Vec<f32> {
        self.heads.sides(vectors)
    }

    /// Stage, signals and cues of every turn. Roles must be set: a signal of one side never fires on the other. What has been read of
    /// the call before is not read again.
    pub fn label(&self, read: &mut Read, vectors: &[Vector], turns: &[Turn]) -> Vec<TurnLabels> {
        self.label_with_probabilities(read, vectors, turns).0
    }

    /// As [`Self::label`], and for each turn the probability of every signal, in their order, were its speaker able.
    pub fn label_with_probabilities(
        &self,
        read: &mut Read,
        vectors: &[Vector],
        turns: &[Turn],
    ) -> (Vec<TurnLabels>, Vec<Vec<f32>>) {
        let settings = &self.settings;
        let logits = self.heads.go_on(read, vectors, turns);
        let cooled = |logits: &[f32], temperature: f32| logits.iter().map(|logit| logit / temperature).collect();
        let chances = |logits: &[f32], temperature: f32| -> Vec<f32> {
            logits.iter().map(|logit| sigmoid(logit / temperature)).collect()
        };
        let stages: Vec<Vec<f32>> = logits
            .iter()
            .map(|turn| cooled(&turn.stages, settings.stage_temperature))
            .collect();
        let signals: Vec<_> = logits
            .iter()
            .map(|turn| chances(&turn.signals, settings.signal_temperature))
            .collect();
        let cues: Vec<_> = logits
            .iter()
            .map(|turn| chances(&turn.cues, settings.cue_temperature))
            .collect();
        (self.decide(turns, &stages, &signals, &cues), signals)
    }

    fn decide(&self, turns: &[Turn], stages: &[Vec<f32>], signals: &[Vec<f32>], cues: &[Vec<f32>]) -> Vec<TurnLabels> {
        let settings = &self.settings;
        let emissions: Vec<Vec<f32>> = stages.iter().map(|logits| log_softmax(logits)).collect();
        let path = best_path(&emissions, &settings.transitions, settings.transition_weight);
        let sure = posteriors(&emissions, &settings.transitions, settings.transition_weight);
        turns
            .iter()
            .enumerate()
            .map(|(at, turn)| {
                // A signal of one side is there if the words say so and the side said them.
                let speaker = turn.speaker_confidence.unwrap_or(1.0);
                // The stage is read off the words and off who says them, where that is known.
                let stage_sure = if turn.role == Role::Unknown { 1.0 } else { speaker };
                let able = Signal::ALL.iter().filter(|signal| signal.speaker() == turn.role);
                let chance = |id: &Signal| (*id, speaker * signals[at][id.index()], settings.thresholds[id.index()]);
                let (signals, doubts) = part(able.map(chance));
                let able = Cue::ALL.iter().filter(|_| turn.role == Role::Buyer);
                let chance = |id: &Cue| (*id, speaker * cues[at][id.index()], settings.cue_thresholds[id.index()]);
                let (cues, cue_doubts) = part(able.map(chance));
                TurnLabels {
                    stage: Decision {
                        id: path[at],
                        confidence: stage_sure * sure[at][path[at].index()],
                        decided_by: DecidedBy::Local,
                    },
                    signals,
                    cues,
                    doubts,
                    cue_doubts,
                }
            })
            .collect()
    }
}

/// A call that grows: each turn is encoded once, when it is said.
pub struct Running<'a> {
    model: &'a TurnModel,
    turns: Vec<Turn>,
    vectors: Vec<Vector>,
    read: Read,
}

impl<'a> Running<'a> {
    pub fn new(model: &'a TurnModel) -> Self {
        Self {
            model,
            turns: Vec::new(),
            vectors: Vec::new(),
            read: Read::default(),
        }
    }

    /// Takes the next turn, with its role, and labels it by what was said so far.
    pub fn push(&mut self, turn: Turn) -> Result<Option<TurnLabels>, Error> {
        self.vectors.extend(self.model.encode(&[&turn.text])?);
        self.turns.push(turn);
        Ok(self.model.label(&mut self.read, &self.vectors, &self.turns).pop())
    }
}

/// What is said to be there, and what may be there all the same. Each with its probability and its threshold.
fn part<T: Copy>(chances: impl Iterator<Item = (T, f32, f32)>) -> (Vec<Decision<T>>, Vec<(T, f32)>) {
    let (mut said, mut doubts) = (Vec::new(), Vec::new());
    for (id, confidence, threshold) in chances {
        if confidence >= threshold {
            said.push(Decision {
                id,
                confidence,
                decided_by: DecidedBy::Local,
            });
        } else if confidence >= DOUBT {
            doubts.push((id, confidence));
        }
    }
    (said, doubts)
}

/// Less probable signals are not worth a doubt.
const DOUBT: f32 = 0.02;

/// Natural logs of the probabilities that logits stand for.
pub fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - top).exp()).sum();
    logits.iter().map(|logit| logit - top - sum.ln()).collect()
}

pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heads_and_layers_of_the_program_fit_each_other() {
        let heads = Heads::read(OWN_HEADS, OWN_SETTINGS).expect("heads");
        assert_eq!(heads.settings.tuned_sha256, sha256(OWN_LAYERS));
        assert_eq!(
            heads.settings.tuned_layers,
            read_layers(OWN_LAYERS).expect("layers").len()
        );
    }
}
