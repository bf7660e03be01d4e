//! Bytes as the client sends them → speech of each channel at 16 kHz.

use super::mulaw;
use crate::ingest::Resampler;
use crate::live::Error;
use crate::live::protocol::{AudioFormat, Encoding};
use crate::transcribe::{Listener, Speech};

/// Rates that telephones and computers send.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Speech that was found, in the order of its end.
pub type Heard = Vec<Speech>;

pub struct Ear {
    format: AudioFormat,
    resamplers: Vec<Resampler>,
    listener: Listener,
    /// Bytes of a frame that has not arrived whole.
    rest: Vec<u8>,
}

impl AudioFormat {
    /// Bytes of one sample of all channels.
    pub const fn frame(self) -> usize {
        let sample = match self.encoding {
            Encoding::PcmS16le => 2,
            Encoding::Mulaw => 1,
        };
        sample * self.channels as usize
    }

    pub fn check(self) -> Result<(), Error> {
        if !RATES.contains(&self.sample_rate) {
            return Err(Error::Format(format!(
                "{} samples per second are outside 8,000–48,000",
                self.sample_rate
            )));
        }
        if !(1..=2).contains(&self.channels) {
            return Err(Error::Format(format!(
                "{} channels; one, or two with a speaker on each, are heard",
                self.channels
            )));
        }
        Ok(())
    }
}

impl Ear {
    pub fn new(format: AudioFormat) -> Result<Self, Error> {
        format.check()?;
        let channels = usize::from(format.channels);
        let resamplers = (0..channels)
            .map(|_| Resampler::new(format.sample_rate))
            .collect::<Result<_, _>>()
            .map_err(Error::Format)?;
        Ok(Self {
            format,
            resamplers,
            listener: Listener::new(channels),
            rest: Vec::new(),
        })
    }

    /// Takes the next bytes, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / self.format.frame() * self.format.frame();
        let samples: Vec<f32> = match self.format.encoding {
            Encoding::PcmS16le => self.rest[..whole]
                .chunks_exact(2)
                .map(|pair| sample(i16::from_le_bytes([pair[0], pair[1]])))
                .collect(),
            Encoding::Mulaw => self.rest[..whole]
                .iter()
                .map(|&byte| sample(mulaw::decode(byte)))
                .collect(),
        };
        self.rest.drain(..whole);
        let mut heard = Vec::new();
        let channels = self.resamplers.len();
        for (at, resampler) in self.resamplers.iter_mut().enumerate() {
            let plane: Vec<f32> = samples.iter().skip(at).step_by(channels).copied().collect();
            resampler.push(&plane).map_err(Error::Format)?;
            heard.extend(self.listener.push(at, &resampler.take()));
        }
        Ok(heard)
    }

    /// The call has ended.
    pub fn finish(mut self) -> Result<Heard, Error> {
        let mut heard = Vec::new();
        for (at, resampler) in self.resamplers.into_iter().enumerate() {
            let samples = resampler.finish().map_err(Error::Format)?;
            heard.extend(self.listener.push(at, &samples));
        }
        heard.extend(self.listener.finish());
        Ok(heard)
    }
}

fn sample(value: i16) -> f32 {
    f32::from(value) / 32_768.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(encoding: Encoding, sample_rate: u32, channels: u16) -> AudioFormat {
        AudioFormat {
            encoding,
            sample_rate,
            channels,
            rep: None,
        }
    }

    #[test]
    fn what_nobody_sends_is_refused() {
        assert!(Ear::new(format(Encoding::Mulaw, 4_000, 1)).is_err());
        assert!(Ear::new(format(Encoding::Mulaw, 96_000, 1)).is_err());
        assert!(Ear::new(format(Encoding::Mulaw, 8_000, 0)).is_err());
        assert!(Ear::new(format(Encoding::Mulaw, 8_000, 3)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// Sound that is cut at any byte is the same sound.
        #[test]
        fn cuts_do_not_matter(
            cuts in proptest::collection::vec(1_usize..2000, 1..30),
            encoding in prop_oneof![Just(Encoding::PcmS16le), Just(Encoding::Mulaw)],
            rate in prop_oneof![Just(8_000_u32), Just(16_000), Just(44_100)],
            channels in 1_u16..=2,
        ) {
            let format = format(encoding, rate, channels);
            let frames = rate as usize * 2;
            let bytes: Vec<u8> = (0..frames)
                .flat_map(|n| {
                    let voiced = n > frames / 8 && n < frames / 2;
                    let square = if (n as f32 * 140.0 / rate as f32).fract() < 0.5 { 9_000_i16 } else { -9_000 };
                    let pcm = if voiced { square.to_le_bytes() } else { [0, 0] };
                    let byte = if !voiced { mulaw::SILENCE } else if square > 0 { 0x9a } else { 0x1a };
                    (0..channels).flat_map(move |_| match encoding {
                        Encoding::PcmS16le => pcm.to_vec(),
                        Encoding::Mulaw => vec![byte],
                    })
                })
                .collect();
            let mut whole = Ear::new(format).expect("an ear");
            let mut expected = whole.push(&bytes).expect("heard");
            expected.extend(whole.finish().expect("heard"));
            let mut ear = Ear::new(format).expect("an ear");
            let mut heard = Vec::new();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                let to = (at + cut).min(bytes.len());
                heard.extend(ear.push(&bytes[at..to]).expect("heard"));
                at = to;
                if at == bytes.len() { break; }
            }
            heard.extend(ear.finish().expect("heard"));
            // Both channels are judged together, so only the order between them may differ.
            let by_channel = |mut heard: Heard| { heard.sort_by_key(|speech| speech.channel); heard };
            prop_assert_eq!(by_channel(heard), by_channel(expected));
        }
    }
}
