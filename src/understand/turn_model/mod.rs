//! The turn model: what each turn is about and what it says, decided on this machine.
//!
//! Owns candle. Every turn goes through the encoder once, alone; the heads see its vector, those of the three turns
//! before it, roles and a few exact marks. Rules of the sales process are *not* here, nor is training (see `learn`).

mod decode;
pub mod encoder;
pub mod features;
pub mod heads;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

pub use decode::{best_path, posteriors};
pub use encoder::{Encoder, Layer, WIDTH};
pub use heads::Heads;

use crate::domain::{DecidedBy, Decision, Signal, Stage, Turn, TurnLabels};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: the turn model cannot be read: {cause}; `dealstage models verify` checks the weights")]
    Weights { path: PathBuf, cause: String },
    #[error("--turn-model {path}: {cause}; `dealstage train --out FOLDER` writes such a folder", path = path.display())]
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

/// The layers that come with the program, in the place of the encoder's last ones; gives their number and SHA-256.
pub fn with_own_layers(encoder: &mut Encoder) -> Result<(usize, String), Error> {
    let layers = read_layers(OWN_LAYERS).map_err(|cause| Error::Weights {
        path: Path::new("models/turn").join(LAYERS_FILE),
        cause,
    })?;
    let count = layers.len();
    encoder.replace_top(layers);
    Ok((count, sha256(OWN_LAYERS)))
}

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
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub struct TurnModel {
    encoder: Encoder,
    heads: Heads,
    name: String,
}

impl TurnModel {
    /// `folder`: with the heads, and the layers if they were fitted too; None for those that come with the program.
    pub fn load(mut encoder: Encoder, folder: Option<&Path>) -> Result<Self, Error> {
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
        if heads.settings.tuned_layers > 0 {
            // Heads that were fitted on the program's own layers come without them. That the two that come with the program
            // fit each other is a test, not work for every start.
            let layers = if folder.is_none() || heads.settings.tuned_sha256 == sha256(OWN_LAYERS) {
                Cow::Borrowed(OWN_LAYERS)
            } else {
                let layers = read(LAYERS_FILE, OWN_LAYERS)?;
                if heads.settings.tuned_sha256 != sha256(&layers) {
                    return Err(damaged(
                        LAYERS_FILE,
                        "the heads were fitted on other layers; train again".to_owned(),
                    ));
                }
                Cow::Owned(layers)
            };
            encoder.replace_top(read_layers(&layers).map_err(|cause| damaged(LAYERS_FILE, cause))?);
        }
        let digest = Sha256::new().chain_update(&weights).chain_update(&settings).finalize();
        let name = format!(
            "turn-{}",
            digest[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        );
        Ok(Self { encoder, heads, name })
    }

    /// Says which heads these are: a short hash of their files.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    pub fn settings(&self) -> &heads::Settings {
        &self.heads.settings
    }

    /// Vectors of the turns, standardised: turns × [`WIDTH`].
    pub fn vectors(&self, turns: &[Turn]) -> Result<Tensor, Error> {
        let texts: Vec<&str> = turns.iter().map(|turn| turn.text.as_str()).collect();
        Ok(self.heads.standardise(&self.encoder.encode(&texts)?)?)
    }

    /// For each turn the log odds that its speaker is on the seller's side.
    pub fn role_logits(&self, vectors: &Tensor, turns: &[Turn]) -> Result<Vec<f32>, Error> {
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self
            .heads
            .role_logits(&heads::role_inputs(vectors, &features::marks(turns))?)?)
    }

    /// Stage and signals of every turn. Roles must be set: a signal of one side never fires on the other.
    pub fn label(&self, vectors: &Tensor, turns: &[Turn]) -> Result<Vec<TurnLabels>, Error> {
        Ok(self.label_with_probabilities(vectors, turns)?.0)
    }

    /// As [`Self::label`], and for each turn the probability of every signal, in their order, were its speaker able.
    pub fn label_with_probabilities(
        &self,
        vectors: &Tensor,
        turns: &[Turn],
    ) -> Result<(Vec<TurnLabels>, Vec<Vec<f32>>), Error> {
        if turns.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let inputs = heads::inputs(vectors, &features::marks(turns))?;
        let (stages, signals) = self.heads.logits(&inputs)?;
        let labels = self.decide(turns, &stages, &signals);
        let probabilities = signals
            .into_iter()
            .map(|logits| logits.into_iter().map(sigmoid).collect());
        Ok((labels, probabilities.collect()))
    }

    fn decide(&self, turns: &[Turn], stages: &[Vec<f32>], signals: &[Vec<f32>]) -> Vec<TurnLabels> {
        let settings = &self.heads.settings;
        let emissions: Vec<Vec<f32>> = stages.iter().map(|logits| log_softmax(logits)).collect();
        let path = best_path(&emissions, &settings.transitions, settings.transition_weight);
        let sure = posteriors(&emissions, &settings.transitions, settings.transition_weight);
        turns
            .iter()
            .enumerate()
            .map(|(at, turn)| {
                let able = Signal::ALL.iter().filter(|signal| signal.speaker() == turn.role);
                let mut labels = TurnLabels {
                    stage: Decision {
                        id: path[at],
                        confidence: sure[at][path[at].index()],
                        decided_by: DecidedBy::Local,
                    },
                    signals: Vec::new(),
                    doubts: Vec::new(),
                };
                for &id in able {
                    let confidence = sigmoid(signals[at][id.index()]);
                    if confidence >= settings.thresholds[id.index()] {
                        labels.signals.push(Decision {
                            id,
                            confidence,
                            decided_by: DecidedBy::Local,
                        });
                    } else if confidence >= DOUBT {
                        labels.doubts.push((id, confidence));
                    }
                }
                labels
            })
            .collect()
    }
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

/// All stages, for those who lay out tables.
pub const STAGES: usize = Stage::ALL.len();

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
