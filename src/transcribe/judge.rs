//! Whether a sound is a voice: a second judge of what `voice` takes for speech, since music, breath and fans pass the first.
//!
//! Owns the forward pass of Silero VAD (16 kHz; a score for each 32 ms). It hears only what the first judge let through, so it
//! costs little. Where speech begins and ends is *not* here.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor, safetensors};

use super::{Error, Failure, Piece, Transcriber};
use crate::domain::{Language, Word};

/// Samples of one score: 32 ms.
pub const FRAME: usize = 512;
/// Score from which a frame is sure to be of a voice. Of 26 minutes without words (the first minute of each sound of
/// benches/hear/noise.py) no frame came to more than 0.4; of 4,032 words of seven calls (benches/hear/corpus.py) all but three
/// have one above this within half a second.
pub const VOICE: f32 = 0.5;

/// Samples of the frame before that each frame is heard with.
const CONTEXT: usize = 64;
/// Samples that are mirrored at the end of a frame.
const MIRRORED: usize = 64;
/// The spectrum: windows of so many samples, so far apart.
const WINDOW: usize = 256;
const STRIDE: usize = 128;
/// Windows of a frame, and numbers in the spectrum of one.
const STEPS: usize = (CONTEXT + FRAME + MIRRORED - WINDOW) / STRIDE + 1;
const BINS: usize = WINDOW / 2 + 1;
/// Width of the recurrent cell.
const STATE: usize = 128;
/// Frames that are heard together: 16 s.
const BATCH: usize = 500;

pub struct Judge {
    spectrum: Tensor,
    convolutions: [Convolution; 4],
    cell_input: Tensor,
    /// Row by row, one for each number of the state.
    cell_state: Vec<f32>,
    cell_bias: Vec<f32>,
    out: Vec<f32>,
    out_bias: f32,
}

/// Over time, three steps wide, with a step of silence on both sides; then what is below zero is cut off.
struct Convolution {
    /// 3 · inputs × outputs.
    weight: Tensor,
    bias: Tensor,
    inputs: usize,
    stride: usize,
}

impl Convolution {
    /// frames × steps × inputs → frames × fewer steps × outputs.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (frames, steps, _) = x.dims3()?;
        let x = x.pad_with_zeros(1, 1, 1)?;
        let after = (steps - 1) / self.stride + 1;
        // What each step sees lies together: the padded steps one behind the other, from every `stride`th on.
        let seen = (0..after)
            .map(|at| x.narrow(1, at * self.stride, 3)?.reshape((frames, 1, 3 * self.inputs)))
            .collect::<candle_core::Result<Vec<_>>>()?;
        let seen = Tensor::cat(&seen, 1)?.reshape((frames * after, 3 * self.inputs))?;
        let out = seen.matmul(&self.weight)?.broadcast_add(&self.bias)?.relu()?;
        let width = out.dim(1)?;
        out.reshape((frames, after, width))
    }
}

/// A recogniser that is given voices only: of anything else it has no words.
pub struct Judged<T> {
    pub judge: Arc<Judge>,
    pub recogniser: T,
}

impl<T: Transcriber> Transcriber for Judged<T> {
    fn at_once(&self) -> usize {
        self.recogniser.at_once()
    }

    fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure> {
        self.recogniser.detect_language(piece)
    }

    fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure> {
        let mut voices = Vec::with_capacity(pieces.len());
        for piece in pieces {
            voices.push(self.judge.scores(piece.samples)?.iter().any(|sure| *sure >= VOICE));
        }
        let with_voice: Vec<Piece<'_>> = (pieces.iter().zip(&voices))
            .filter_map(|(piece, voice)| voice.then_some(*piece))
            .collect();
        let mut heard = self.recogniser.words(&with_voice, language)?.into_iter();
        let words = |voice| {
            if voice {
                heard.next().unwrap_or_default()
            } else {
                Vec::new()
            }
        };
        Ok(voices.into_iter().map(words).collect())
    }
}

impl Judge {
    pub fn load(path: &Path) -> Result<Self, Error> {
        let read = || -> candle_core::Result<Self> {
            let tensors = safetensors::load(path, &Device::Cpu)?;
            let tensor = |name: &str| {
                let lacking = || candle_core::Error::Msg(format!("it lacks `{name}`"));
                tensors.get(name).ok_or_else(lacking)
            };
            let convolution = |at: usize, inputs: usize, outputs: usize, stride| {
                let weight = tensor(&format!("conv{at}.weight"))?;
                Ok::<_, candle_core::Error>(Convolution {
                    // Stored as outputs × inputs × 3.
                    weight: weight.permute((2, 1, 0))?.reshape((3 * inputs, outputs))?,
                    bias: tensor(&format!("conv{at}.bias"))?.clone(),
                    inputs,
                    stride,
                })
            };
            Ok(Self {
                spectrum: tensor("stft_conv.weight")?
                    .reshape((2 * BINS, WINDOW))?
                    .t()?
                    .contiguous()?,
                convolutions: [
                    convolution(1, BINS, 128, 1)?,
                    convolution(2, 128, 64, 2)?,
                    convolution(3, 64, 64, 2)?,
                    convolution(4, 64, STATE, 1)?,
                ],
                cell_input: tensor("lstm_cell.weight_ih")?
                    .reshape((4 * STATE, STATE))?
                    .t()?
                    .contiguous()?,
                cell_state: tensor("lstm_cell.weight_hh")?
                    .reshape((4 * STATE, STATE))?
                    .t()?
                    .flatten_all()?
                    .to_vec1()?,
                cell_bias: (tensor("lstm_cell.bias_ih")? + tensor("lstm_cell.bias_hh")?)?.to_vec1()?,
                out: tensor("final_conv.weight")?.reshape(STATE)?.to_vec1()?,
                out_bias: tensor("final_conv.bias")?.reshape(())?.to_scalar()?,
            })
        };
        read().map_err(|cause| Error::Weights {
            path: path.display().to_string(),
            cause: cause.to_string(),
        })
    }

    /// How sure it is of a voice in each whole frame of a sound (16 kHz), 0–1.
    pub fn scores(&self, sound: &[f32]) -> Result<Vec<f32>, String> {
        let frames = sound.len() / FRAME;
        let mut cell = Cell::default();
        let mut scores = Vec::with_capacity(frames);
        for from in (0..frames).step_by(BATCH) {
            let heard = self.heard(sound, from..(from + BATCH).min(frames));
            for input in heard.map_err(|cause| cause.to_string())? {
                scores.push(self.next(&mut cell, &input));
            }
        }
        Ok(scores)
    }

    /// What goes into the cell, frame by frame.
    fn heard(&self, sound: &[f32], frames: std::ops::Range<usize>) -> candle_core::Result<Vec<Vec<f32>>> {
        let count = frames.len();
        let mut windows = Vec::with_capacity(count * STEPS * WINDOW);
        for frame in frames {
            let (from, to) = (frame * FRAME, (frame + 1) * FRAME);
            let mut samples = [0.0; CONTEXT + FRAME + MIRRORED];
            if from > 0 {
                samples[..CONTEXT].copy_from_slice(&sound[from - CONTEXT..from]);
            }
            samples[CONTEXT..CONTEXT + FRAME].copy_from_slice(&sound[from..to]);
            for at in 0..MIRRORED {
                samples[CONTEXT + FRAME + at] = sound[to - 2 - at];
            }
            for step in 0..STEPS {
                windows.extend_from_slice(&samples[step * STRIDE..step * STRIDE + WINDOW]);
            }
        }
        let parts = Tensor::from_vec(windows, (count * STEPS, WINDOW), &Device::Cpu)?.matmul(&self.spectrum)?;
        let (real, imaginary) = (parts.narrow(1, 0, BINS)?, parts.narrow(1, BINS, BINS)?);
        let mut x = (real.sqr()? + imaginary.sqr()?)?
            .sqrt()?
            .reshape((count, STEPS, BINS))?;
        for convolution in &self.convolutions {
            x = convolution.forward(&x)?;
        }
        x.reshape((count, STATE))?.matmul(&self.cell_input)?.to_vec2()
    }

    /// One step of the cell (LSTM), and the score that it comes to.
    fn next(&self, cell: &mut Cell, input: &[f32]) -> f32 {
        let mut gates: Vec<f32> = input
            .iter()
            .zip(&self.cell_bias)
            .map(|(input, bias)| input + bias)
            .collect();
        for (row, state) in self.cell_state.chunks_exact(4 * STATE).zip(&cell.state) {
            for (gate, weight) in gates.iter_mut().zip(row) {
                *gate += weight * state;
            }
        }
        let mut logit = self.out_bias;
        for at in 0..STATE {
            let gate = |number: usize| gates[number * STATE + at];
            let kept = sigmoid(gate(1)) * cell.memory[at] + sigmoid(gate(0)) * gate(2).tanh();
            cell.memory[at] = kept;
            cell.state[at] = sigmoid(gate(3)) * kept.tanh();
            logit += self.out[at] * cell.state[at].max(0.0);
        }
        sigmoid(logit)
    }
}

struct Cell {
    state: [f32; STATE],
    memory: [f32; STATE],
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            state: [0.0; STATE],
            memory: [0.0; STATE],
        }
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::weights;

    fn judge() -> Judge {
        Judge::load(&weights::locate("silero-vad", "silero_vad_16k.safetensors").expect("fetched")).expect("loaded")
    }

    /// Two seconds of a vowel that begins and ends: pulses through two resonances.
    fn vowel() -> Vec<f32> {
        let resonance = |hertz: f64, state: &mut [f64; 2], x: f64| {
            let y = x + 2.0 * 0.97 * (TAU * hertz / 16_000.0).cos() * state[0] - 0.97 * 0.97 * state[1];
            *state = [y, state[0]];
            y
        };
        let (mut first, mut second) = ([0.0; 2], [0.0; 2]);
        let sound = (0..32_000).map(|at| {
            let pulse = if at / 6_000 % 2 == 0 && at % 128 == 0 { 0.5 } else { 0.0 };
            let y = resonance(700.0, &mut first, pulse);
            (resonance(1_220.0, &mut second, y) * 0.05) as f32
        });
        sound.collect()
    }

    /// The scores that its publisher's definition of the network comes to, computed by another program.
    #[test]
    fn scores_are_those_of_the_published_network() {
        let scores = judge().scores(&vowel()).expect("scores");
        assert_eq!(scores.len(), 62);
        for (score, expected) in scores.iter().zip([0.7898, 0.8844, 0.8571, 0.7536, 0.6186, 0.5068]) {
            assert!((score - expected).abs() < 1e-3, "{score} {expected}");
        }
    }

    #[test]
    fn frames_are_scored_alike_however_many_follow() {
        let judge = judge();
        let sound: Vec<f32> = vowel().into_iter().cycle().take((BATCH + 40) * FRAME + 100).collect();
        let scores = judge.scores(&sound).expect("scores");
        assert_eq!(scores.len(), BATCH + 40);
        for frames in [1, 70, BATCH + 1] {
            let fewer = judge.scores(&sound[..frames * FRAME]).expect("scores");
            assert_eq!(fewer.len(), frames);
            assert!(fewer.iter().zip(&scores).all(|(one, other)| (one - other).abs() < 1e-4));
        }
    }

    /// Speaks whatever it hears.
    struct Talkative;

    impl Transcriber for Talkative {
        fn detect_language(&mut self, _: &Piece<'_>) -> Result<Language, Failure> {
            Ok(Language::En)
        }

        fn words(&mut self, pieces: &[Piece<'_>], _: Language) -> Result<Vec<Vec<Word>>, Failure> {
            let word = Word {
                start_s: 0.0,
                end_s: 0.1,
                text: "Hm.".to_owned(),
            };
            Ok(vec![vec![word]; pieces.len()])
        }
    }

    #[test]
    fn no_words_are_heard_where_there_is_no_voice() {
        let mut judged = Judged {
            judge: Arc::new(judge()),
            recogniser: Talkative,
        };
        let hum: Vec<f32> = (0..32_000).map(|at| (at as f32 * 0.05).sin() * 0.2).collect();
        let vowel = vowel();
        let pieces = [&hum, &vowel, &hum].map(|samples| Piece {
            samples,
            at_s: 0.0,
            names: &[],
        });
        let heard = judged.words(&pieces, Language::En).expect("heard");
        assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0]);
    }

    #[test]
    fn other_weights_are_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), b"none").expect("written");
        assert!(matches!(Judge::load(file.path()), Err(Error::Weights { .. })));
    }
}
