"""Sound as arrays of floats: rate, band, companding, noise. Everything from seeds; `places.use_speech()` comes first."""

import numpy

RATE = 16000


def resampled(sound, rate, to):
    """By the spectrum: nothing above half of the lower rate is left."""
    if rate == to or not len(sound):
        return sound.astype(numpy.float32)
    length = round(len(sound) * to / rate)
    return (numpy.fft.irfft(numpy.fft.rfft(sound)[: length // 2 + 1], length) * (length / len(sound))).astype(numpy.float32)


def band(sound, rate, low=300.0, high=3400.0, edge=60.0):
    """Only what lies between `low` and `high` (Hz)."""
    hertz = numpy.fft.rfftfreq(len(sound), 1 / rate)
    up = numpy.clip((hertz - low + edge) / edge, 0, 1)
    down = numpy.clip((high + edge - hertz) / edge, 0, 1)
    return numpy.fft.irfft(numpy.fft.rfft(sound) * up * down, len(sound)).astype(numpy.float32)


def mu_law(sound):
    """To 8 bits and back, as a telephone line does."""
    sound = numpy.clip(sound, -1, 1)
    small = numpy.sign(sound) * numpy.log1p(255 * numpy.abs(sound)) / numpy.log(256)
    small = numpy.round(small * 127) / 127
    return (numpy.sign(small) * numpy.expm1(numpy.abs(small) * numpy.log(256)) / 255).astype(numpy.float32)


def white(length, rng):
    return rng.standard_normal(length).astype(numpy.float32)


def pink(length, rng):
    """Noise whose power falls with the frequency; RMS 1."""
    spectrum = numpy.fft.rfft(white(length, rng))
    spectrum /= numpy.sqrt(numpy.maximum(numpy.arange(len(spectrum)), 20))
    sound = numpy.fft.irfft(spectrum, length)
    return (sound / rms(sound)).astype(numpy.float32)


def rms(sound):
    return float(numpy.sqrt(numpy.mean(numpy.square(sound, dtype=numpy.float64)))) or 1e-9


def decibels(db):
    return 10 ** (db / 20)


def trimmed(sound, rate, under=40.0, margin=0.0):
    """First and last sample that is less than `under` dB below the loudest frame of 10 ms."""
    frame = rate // 100
    count = len(sound) // frame
    loud = numpy.sqrt(numpy.mean(sound[: count * frame].reshape(count, frame) ** 2, axis=1))
    above = numpy.nonzero(loud > loud.max() * decibels(-under))[0]
    return max(0, above[0] * frame - int(margin * rate)), min(len(sound), (above[-1] + 1) * frame + int(margin * rate))
