//! Sound as it comes: bytes → speech of each channel, and the recording on disk.
//!
//! Owns the codings of the wire, the ear that finds who speaks, and the file. Which words were said is *not* here: the
//! engine asks the recogniser.

mod ear;
mod file;
mod mulaw;

pub use ear::{Ear, Heard};
pub use file::{Recorder, Replay};
pub use mulaw::SILENCE;
