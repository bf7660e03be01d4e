//! Decoded sound on its way through the program: short sound in memory, longer sound in a temporary file.
//!
//! Samples lie there as they were decoded (32 bits: rounding them moves the edges of speech, and words with them), one of
//! each channel, then the next of each.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::SpooledTempFile;

use crate::domain::Sound;

/// 9 minutes of one channel.
const IN_MEMORY: usize = 32 << 20;
const SAMPLE: usize = size_of::<f32>();
/// Where systems keep large temporary files; `/tmp` is often memory.
const LARGE: &str = "/var/tmp";

/// The folder for temporary files.
pub fn folder() -> PathBuf {
    let large = Path::new(LARGE);
    if std::env::var_os("TMPDIR").is_none() && large.is_dir() {
        return large.to_owned();
    }
    std::env::temp_dir()
}

/// Room for bytes in memory, or in a file where there are many. The file has no name from the start: the system removes it
/// with the process, however that ends, so that nothing of a recording stays behind.
pub fn room() -> SpooledTempFile {
    SpooledTempFile::new_in(IN_MEMORY, folder())
}

#[derive(Debug)]
pub struct Spool {
    bytes: Mutex<SpooledTempFile>,
    channels: usize,
    samples: usize,
}

impl Sound for Spool {
    fn channels(&self) -> usize {
        self.channels
    }

    fn samples(&self) -> usize {
        self.samples
    }

    fn read(&self, channel: usize, range: Range<usize>) -> io::Result<Vec<f32>> {
        let end = range.end.min(self.samples);
        let start = range.start.min(end);
        let frame = self.channels * SAMPLE;
        let mut bytes = vec![0; (end - start) * frame];
        {
            // Every read begins with a seek: one that panicked leaves nothing half done.
            let mut from = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
            from.seek(SeekFrom::Start((start * frame) as u64))?;
            from.read_exact(&mut bytes)?;
        }
        let at = channel * SAMPLE;
        let sample = |frame: &[u8]| f32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        Ok(bytes.chunks_exact(frame).map(sample).collect())
    }
}

/// Writes a [`Spool`].
pub struct Writer {
    bytes: BufWriter<SpooledTempFile>,
    channels: usize,
    samples: usize,
}

impl Writer {
    pub fn new(channels: usize) -> Self {
        Self {
            bytes: BufWriter::with_capacity(1 << 16, room()),
            channels,
            samples: 0,
        }
    }

    /// The next samples of all channels, as many of each.
    pub fn write(&mut self, channels: &[Vec<f32>]) -> io::Result<()> {
        let samples = channels.iter().map(Vec::len).min().unwrap_or(0);
        for at in 0..samples {
            for channel in channels {
                self.bytes.write_all(&channel[at].to_le_bytes())?;
            }
        }
        self.samples += samples;
        Ok(())
    }

    pub fn finish(self) -> io::Result<Spool> {
        let bytes = self.bytes.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Spool {
            bytes: Mutex::new(bytes),
            channels: self.channels,
            samples: self.samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_sound_comes_back_by_channel_and_range() {
        for seconds in [1, 600] {
            let sound = |of: usize, range: Range<usize>| -> Vec<f32> { range.map(|at| (at * 7 + of) as f32).collect() };
            let mut writer = Writer::new(2);
            for from in (0..seconds * 16_000).step_by(16_000) {
                let piece = [0, 1].map(|of| sound(of, from..from + 16_000));
                writer.write(&piece).expect("written");
            }
            let spool = writer.finish().expect("written");
            assert_eq!(spool.bytes.lock().expect("free").is_rolled(), seconds > 500);
            assert_eq!((spool.channels(), spool.samples()), (2, seconds * 16_000));
            for of in [0, 1] {
                let middle = 15_000..15_900;
                assert_eq!(spool.read(of, middle.clone()).expect("read"), sound(of, middle));
            }
            let end = spool.read(1, seconds * 16_000 - 3..usize::MAX).expect("read");
            assert_eq!(end.len(), 3);
        }
    }
}
