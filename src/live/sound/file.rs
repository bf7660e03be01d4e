//! The recording of a live call on disk: a WAV that grows.
//!
//! Its head leaves the length open, which players and `ingest` take for "to the end of the file": after a crash it is a
//! recording as it lies there. What has been written survives a crash of the process at once, and of the machine after
//! [`SYNC`].

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::live::Error;
use crate::live::protocol::{AudioFormat, Encoding};

/// Sound that a crash of the machine may take.
pub const SYNC: Duration = Duration::from_secs(1);

/// Bytes before the sound.
const HEAD: u64 = 46;
/// A length that is not known yet.
const OPEN: u32 = u32::MAX;
/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// Writes sound as it comes.
pub struct Recorder {
    file: File,
    /// Bytes of sound in the file.
    length: u64,
    format: AudioFormat,
    synced: Instant,
    dirty: bool,
}

impl Recorder {
    pub fn create(path: &Path, format: AudioFormat) -> Result<Self, Error> {
        format.check()?;
        let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
        file.write_all(&head(format, OPEN, OPEN))?;
        file.sync_all()?;
        Ok(Self {
            file,
            length: 0,
            format,
            synced: Instant::now(),
            dirty: false,
        })
    }

    /// Opens a recording that another process has begun.
    pub fn resume(path: &Path) -> Result<Self, Error> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let format = read_head(&mut file)?;
        let length = file.seek(SeekFrom::End(0))?.saturating_sub(HEAD);
        Ok(Self {
            file,
            length,
            format,
            synced: Instant::now(),
            dirty: false,
        })
    }

    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// Bytes of sound so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Seconds of sound so far.
    pub fn seconds(&self) -> f64 {
        let frames = self.length / self.format.frame().max(1) as u64;
        frames as f64 / f64::from(self.format.sample_rate.max(1))
    }

    pub fn append(&mut self, sound: &[u8]) -> Result<(), Error> {
        self.file.write_all(sound)?;
        self.length += sound.len() as u64;
        self.dirty = true;
        self.sync_if_due()
    }

    /// To be called now and then where no sound comes.
    pub fn sync_if_due(&mut self) -> Result<(), Error> {
        if self.dirty && self.synced.elapsed() >= SYNC {
            self.file.sync_data()?;
            self.synced = Instant::now();
            self.dirty = false;
        }
        Ok(())
    }

    /// Writes the length into the head: the recording is whole.
    pub fn finish(mut self) -> Result<(), Error> {
        // Players stumble over half a sample.
        let whole = self.length - self.length % self.format.frame() as u64;
        self.file.set_len(HEAD + whole)?;
        // What is longer than the head can say stays open.
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(OPEN);
        self.file.seek(SeekFrom::Start(0))?;
        self.file
            .write_all(&head(self.format, size(HEAD - 8 + whole), size(whole)))?;
        self.file.sync_all()?;
        Ok(())
    }
}

/// Reads a recording from its beginning: to hear again what a crashed process had heard.
pub struct Replay {
    file: File,
    format: AudioFormat,
}

impl Replay {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path)?;
        let format = read_head(&mut file)?;
        Ok(Self { file, format })
    }

    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// The next bytes of sound; None at the end.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut self.file).take(PIECE as u64).read_to_end(&mut piece)?;
        Ok((read > 0).then_some(piece))
    }
}

fn head(format: AudioFormat, riff: u32, data: u32) -> Vec<u8> {
    let (tag, bits): (u16, u16) = match format.encoding {
        Encoding::PcmS16le => (1, 16),
        Encoding::Mulaw => (7, 8),
    };
    let frame = format.frame() as u16;
    let mut head = Vec::with_capacity(HEAD as usize);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&riff.to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&18_u32.to_le_bytes());
    head.extend_from_slice(&tag.to_le_bytes());
    head.extend_from_slice(&format.channels.to_le_bytes());
    head.extend_from_slice(&format.sample_rate.to_le_bytes());
    head.extend_from_slice(&(format.sample_rate * u32::from(frame)).to_le_bytes());
    head.extend_from_slice(&frame.to_le_bytes());
    head.extend_from_slice(&bits.to_le_bytes());
    // No bytes follow in this chunk.
    head.extend_from_slice(&0_u16.to_le_bytes());
    head.extend_from_slice(b"data");
    head.extend_from_slice(&data.to_le_bytes());
    head
}

fn read_head(file: &mut File) -> Result<AudioFormat, Error> {
    let mut head = [0; HEAD as usize];
    file.read_exact(&mut head)?;
    let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let encoding = match (short(20), short(34)) {
        (1, 16) => Encoding::PcmS16le,
        (7, 8) => Encoding::Mulaw,
        _ => return Err(Error::Format("the recording on disk is none of a live call".to_owned())),
    };
    let format = AudioFormat {
        encoding,
        sample_rate: u32::from_le_bytes([head[24], head[25], head[26], head[27]]),
        channels: short(22),
        rep: None,
    };
    format.check()?;
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{self, Input};

    fn read(path: &Path) -> crate::domain::Recording {
        match ingest::read(path, &ingest::Options::default()).expect("a recording") {
            Input::Recording(recording) => recording,
            Input::Transcript(_) => panic!("a transcript"),
        }
    }

    #[test]
    fn a_recording_grows_survives_a_crash_and_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        for (encoding, channels) in [
            (Encoding::PcmS16le, 1),
            (Encoding::PcmS16le, 2),
            (Encoding::Mulaw, 1),
            (Encoding::Mulaw, 2),
        ] {
            let path = folder.path().join(format!("{encoding:?}-{channels}.wav"));
            let format = AudioFormat {
                encoding,
                sample_rate: 8_000,
                channels,
                rep: None,
            };
            let second: Vec<u8> = (0..8_000 * format.frame()).map(|n| (n % 251) as u8).collect();
            let mut recorder = Recorder::create(&path, format).expect("created");
            recorder.append(&second).expect("written");
            // The process ends here without a word.
            drop(recorder);
            let crashed = read(&path);
            assert_eq!(
                (crashed.sound.channels(), crashed.duration_s),
                (usize::from(channels), 1.0)
            );

            let mut recorder = Recorder::resume(&path).expect("resumed");
            assert_eq!((recorder.format(), recorder.length()), (format, second.len() as u64));
            recorder.append(&second).expect("written");
            assert_eq!(recorder.seconds(), 2.0);
            recorder.finish().expect("finished");
            let ended = read(&path);
            assert_eq!(ended.duration_s, 2.0);
            let samples = |recording: &crate::domain::Recording| recording.sound.read(0, 0..8_000).expect("read");
            assert_eq!(samples(&ended), samples(&crashed));

            let mut replay = Replay::open(&path).expect("opened");
            let mut all = Vec::new();
            while let Some(piece) = replay.next_piece().expect("read") {
                all.extend(piece);
            }
            assert_eq!(all, second.repeat(2));
        }
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.wav");
        std::fs::write(&path, [7; 100]).expect("written");
        assert!(Recorder::resume(&path).is_err());
        std::fs::write(&path, [7; 10]).expect("written");
        assert!(Replay::open(&path).is_err());
    }
}
