//! The sound of one live call: its file, and the ear that finds the speech in it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::domain::{Role, SAMPLE_RATE, Turn};
use crate::live::Error;
use crate::live::protocol::{AudioFormat, Side};
use crate::live::sound::{Ear, Recorder, Replay};
use crate::transcribe::Speech;

/// Whose speech it is.
#[derive(Debug, Clone, Copy)]
pub struct Voices {
    channels: u16,
    rep: Option<Side>,
}

pub struct Sound {
    pub path: PathBuf,
    recorder: Recorder,
    ear: Ear,
    /// Speech of an earlier process that is no turn yet.
    pub unheard: Vec<Speech>,
}

impl Sound {
    /// Begins a recording, or goes on with it: then it is heard again, without what `turns` have of it.
    pub fn open(path: &Path, format: AudioFormat, turns: &[Turn]) -> Result<Self, Error> {
        let mut ear = Ear::new(format)?;
        let mut unheard = Vec::new();
        let recorder = if path.exists() {
            let mut replay = Replay::open(path)?;
            while let Some(piece) = replay.next_piece()? {
                unheard.extend(ear.push(&piece)?.into_iter().filter(|speech| speech.ended()));
            }
            Recorder::resume(path)?
        } else {
            Recorder::create(path, format)?
        };
        let known: HashSet<(String, u64)> = turns
            .iter()
            .map(|turn| (turn.speaker.clone(), turn.start_s.unwrap_or(0.0).to_bits()))
            .collect();
        let voices = Voices::of(format);
        unheard.retain(|speech| {
            let (start_s, _) = times(speech);
            !known.contains(&(voices.speaker(speech.channel).to_owned(), start_s.to_bits()))
        });
        Ok(Self {
            path: path.to_owned(),
            recorder,
            ear,
            unheard,
        })
    }

    /// Writes the next bytes, then hears them.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Speech>, Error> {
        self.recorder.append(bytes)?;
        self.ear.push(bytes)
    }

    pub fn sync_if_due(&mut self) -> Result<(), Error> {
        self.recorder.sync_if_due()
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.recorder.length()
    }

    pub fn seconds(&self) -> f64 {
        self.recorder.seconds()
    }

    pub fn channels(&self) -> u8 {
        u8::try_from(self.recorder.format().channels).unwrap_or(1)
    }

    /// The call has ended: the rest of the speech.
    pub fn finish(self) -> Result<Vec<Speech>, Error> {
        self.recorder.finish()?;
        self.ear.finish()
    }
}

impl Voices {
    pub const fn of(format: AudioFormat) -> Self {
        Self {
            channels: format.channels,
            rep: format.rep,
        }
    }

    pub const fn speaker(self, channel: usize) -> &'static str {
        match (self.channels, channel) {
            (1, _) => "S1",
            (_, 0) => "left",
            _ => "right",
        }
    }

    pub fn role(self, channel: usize) -> Role {
        let side = if channel == 0 { Side::Left } else { Side::Right };
        match self.rep {
            Some(rep) if self.channels == 2 && rep == side => Role::Rep,
            Some(_) if self.channels == 2 => Role::Buyer,
            _ => Role::Unknown,
        }
    }
}

/// Where the turn of speech begins and where the speech ends, in seconds from the start of the call.
pub fn times(speech: &Speech) -> (f64, f64) {
    (seconds(speech.turn_from), seconds(speech.to()))
}

/// To the millisecond.
pub fn seconds(samples: u64) -> f64 {
    (samples as f64 * 1000.0 / f64::from(SAMPLE_RATE)).round() / 1000.0
}
