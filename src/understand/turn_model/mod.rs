//! The turn model: what each turn is about and what it says, decided on this machine.
//!
//! Owns candle. Every turn goes through the encoder once, alone; the heads see its vector, those of the three turns
//! before it, roles and a few exact marks. Rules of the sales process are *not* here, nor is training (see `learn`).

mod decode;
pub mod encoder;
pub mod features;
pub mod heads;

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use sha2::{Digest, Sha256};

pub use decode::{best_path, posteriors};
pub use encoder::{Encoder, WIDTH};
pub use heads::Heads;

use crate::domain::{DecidedBy, Decision, Signal, Stage, Turn, TurnLabels};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: the turn model cannot be read: {cause}; `dealstage models verify` checks the weights")]
    Weights { path: PathBuf, cause: String },
    #[error("a turn cannot be cut into tokens: {cause}")]
    Tokenizer { cause: String },
    #[error("the turn model failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// Heads that come with the program; a customer's own lie in a folder.
const OWN_WEIGHTS: &[u8] = include_bytes!("../../../models/turn/heads.safetensors");
const OWN_SETTINGS: &[u8] = include_bytes!("../../../models/turn/heads.json");

pub struct TurnModel {
    encoder: Encoder,
    heads: Heads,
    name: String,
}

impl TurnModel {
    /// `heads`: folder with `heads.safetensors` and `heads.json`; None for those that come with the program.
    pub fn load(encoder: Encoder, heads: Option<&Path>) -> Result<Self, Error> {
        let (path, weights, settings) = match heads {
            None => (
                PathBuf::from("models/turn"),
                OWN_WEIGHTS.to_vec(),
                OWN_SETTINGS.to_vec(),
            ),
            Some(folder) => {
                let read = |name: &str| {
                    std::fs::read(folder.join(name)).map_err(|error| Error::Weights {
                        path: folder.join(name),
                        cause: error.to_string(),
                    })
                };
                (folder.to_owned(), read("heads.safetensors")?, read("heads.json")?)
            }
        };
        let heads = Heads::read(&weights, &settings).map_err(|cause| Error::Weights { path, cause })?;
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
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let inputs = heads::inputs(vectors, &features::marks(turns))?;
        let (stages, signals) = self.heads.logits(&inputs)?;
        Ok(self.decide(turns, &stages, &signals))
    }

    fn decide(&self, turns: &[Turn], stages: &[Vec<f32>], signals: &[Vec<f32>]) -> Vec<TurnLabels> {
        let settings = &self.heads.settings;
        let emissions: Vec<Vec<f32>> = stages.iter().map(|logits| log_softmax(logits)).collect();
        let path = best_path(&emissions, &settings.transitions, settings.transition_weight);
        let sure = posteriors(&emissions, &settings.transitions, settings.transition_weight);
        turns
            .iter()
            .enumerate()
            .map(|(at, turn)| TurnLabels {
                stage: Decision {
                    id: path[at],
                    confidence: sure[at][path[at].index()],
                    decided_by: DecidedBy::Local,
                },
                signals: Signal::ALL
                    .iter()
                    .filter(|signal| signal.speaker() == turn.role)
                    .filter_map(|&id| {
                        let confidence = sigmoid(signals[at][id.index()]);
                        (confidence >= settings.thresholds[id.index()]).then_some(Decision {
                            id,
                            confidence,
                            decided_by: DecidedBy::Local,
                        })
                    })
                    .collect(),
            })
            .collect()
    }
}

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
