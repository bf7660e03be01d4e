//! Resemblyzer's checkpoint of the GE2E voice encoder → safetensors, with the mel filters that it listens through.
//!
//! The checkpoint holds the state of its training too, twice the size of the encoder; that is left out.

use super::torch::{Checkpoint, Tensor, lstm, write};
use super::{Error, mel};

const WHAT: &str = "pretrained.pt";
/// Bands that the encoder hears.
const MELS: usize = 40;
/// Width of its layers and of its vectors.
const WIDTH: usize = 256;
const LAYERS: usize = 3;

/// One file, from `pretrained.pt`.
pub fn to_safetensors(checkpoint: &[u8]) -> Result<Vec<u8>, Error> {
    let checkpoint = Checkpoint::read(WHAT, checkpoint)?;
    let mut expected = vec![
        ("linear.weight".to_owned(), vec![WIDTH, WIDTH]),
        ("linear.bias".to_owned(), vec![WIDTH]),
    ];
    for layer in 0..LAYERS {
        let inputs = if layer == 0 { MELS } else { WIDTH };
        expected.extend(lstm(&layer.to_string(), inputs, WIDTH));
    }
    let mut tensors = vec![(
        "mel.filters".to_owned(),
        Tensor {
            shape: vec![MELS, mel::BINS],
            values: mel::filters(MELS),
        },
    )];
    tensors.extend(checkpoint.tensors("model_state", expected)?);
    write(WHAT, &tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_checkpoint_is_refused() {
        let error = to_safetensors(&super::super::torch::tests::checkpoint()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pretrained.pt: tensor `linear.weight` has the shape [2, 3] instead of [256, 256]"
        );
    }
}
