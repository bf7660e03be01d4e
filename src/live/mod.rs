//! A call while it goes on: what is said is labelled at once, and the deal and the hints that changed are told.
//!
//! Owns the messages of the wire ([`protocol`], and [`twilio`] for telephony), the sound as it comes ([`sound`]), the
//! growing call ([`Talk`]), which words are shown before their turn has ended ([`SoFar`]), and the models that many calls
//! share ([`Engine`]). What labels mean is decided by `pipeline`, for a live call as for a stored one. Sockets, accounts and
//! storage are *not* here.

mod engine;
pub mod protocol;
mod so_far;
pub mod sound;
mod talk;
#[cfg(test)]
mod tests;
pub mod twilio;

pub use engine::{Engine, Load, Recognisers, Utterance, Words};
pub use so_far::SoFar;
pub use talk::Talk;

use crate::{ingest, pipeline};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the message is not understood: {0}")]
    Message(String),
    #[error(transparent)]
    Call(#[from] ingest::Error),
    #[error("turn {0} has come before with other words; number the turns of a call")]
    OtherTurn(u32),
    #[error("nothing was said, so there is nothing to analyse")]
    NoTurns,
    #[error("the sound is not understood: {0}")]
    Format(String),
    #[error("the recording cannot be written or read: {0}; check the disk")]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    #[error("the recogniser failed: {0}")]
    Recogniser(String),
    #[error("this server hears no live sound; send turns, or start it with a recogniser of its own (--asr local)")]
    NoRecogniser,
    #[error("the work on this call broke off; resume it")]
    Broken,
    #[error("the server shuts down; resume the call later")]
    Stopped,
}
