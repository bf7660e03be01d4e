#!/usr/bin/env -S python3 -B
"""Makes sound without words under `target/hear/noise`: over an hour, from seeds, and NAME.json beside each with what it is.

Silence, rooms, music while one holds, tones of the telephone, fax, keyboard, breath and coughs, street, fans, applause; one
channel and two, 8 and 16 kHz, FLAC and Opus.
"""

import json
import shutil
import sys

import places

places.use_speech()
import numpy  # noqa: E402
import soundfile  # noqa: E402

import sound as sounds  # noqa: E402

VERSION = 1
FOLDER = places.HOME / "noise"
A4 = 440.0


def make():
    """All of it; returns the descriptions, {"name", "file", "what", "seconds", "channels"}."""
    stamp = FOLDER / "version"
    if not stamp.exists() or stamp.read_text() != str(VERSION):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        for name, minutes, rate, kind, maker in ALL:
            rng = numpy.random.default_rng(sum(map(ord, name)))
            track = maker(int(minutes * 60 * rate), rate, rng).astype(numpy.float32)
            write(name, track, rate, kind)
        stamp.write_text(str(VERSION))
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def write(name, track, rate, kind):
    track = numpy.clip(track, -1, 1)
    if kind == "opus":
        soundfile.write(str(FOLDER / f"{name}.opus"), track, rate, format="OGG", subtype="OPUS")
    else:
        soundfile.write(str(FOLDER / f"{name}.flac"), track, rate, subtype="PCM_16")
    channels = 1 if track.ndim == 1 else track.shape[1]
    about = {"name": name, "file": f"{name}.{kind}", "seconds": len(track) / rate, "channels": channels}
    (FOLDER / f"{name}.json").write_text(json.dumps(about), encoding="utf-8")
    print(f"{name}: {len(track) / rate:.0f} s", file=sys.stderr)


# Pieces. Each takes a number of samples, their rate and a source of chance, and gives samples.


def silence(length, rate, rng):
    return numpy.zeros(length)


def hiss(length, rate, rng):
    return sounds.white(length, rng) * sounds.decibels(-75)


def shaped(length, rate, rng, *bands):
    """Noise with each (low, high, dB) of `bands`."""
    track = numpy.zeros(length, numpy.float32)
    for low, high, db in bands:
        part = sounds.band(sounds.white(length, rng), rate, low, min(high, rate / 2 - 100), edge=min(low, 60))
        track += part / sounds.rms(part) * sounds.decibels(db)
    return track


def slowly(length, rate, rng, least, most, every=3.0):
    """A level that wanders between `least` and `most` dB."""
    points = rng.uniform(least, most, int(length / rate / every) + 2)
    return sounds.decibels(numpy.interp(numpy.arange(length) / rate / every, numpy.arange(len(points)), points))


def hum(length, rate, db, base=50.0):
    at = numpy.arange(length) / rate
    return sum(numpy.sin(2 * numpy.pi * base * n * at) / n for n in (1, 2, 3, 5)) * sounds.decibels(db)


def room(length, rate, rng):
    return shaped(length, rate, rng, (40, 400, -58), (400, 3000, -68)) * slowly(length, rate, rng, -3, 3, 8) + hum(length, rate, -66)


def office(length, rate, rng):
    """Ventilation, a chair now and then, steps, something put on a table."""
    track = shaped(length, rate, rng, (60, 900, -50), (900, 5000, -64)) * slowly(length, rate, rng, -4, 4, 6)
    for at in numpy.sort(rng.uniform(0, length / rate, int(length / rate / 7))):
        thud(track, rate, rng, at, rng.uniform(60, 250), rng.uniform(0.03, 0.2), rng.uniform(-40, -24))
    return track


def thud(track, rate, rng, at, hertz, fall, db):
    first = int(at * rate)
    length = min(int(fall * 6 * rate), len(track) - first)
    if length > 0:
        time = numpy.arange(length) / rate
        body = numpy.sin(2 * numpy.pi * hertz * time) + 0.5 * sounds.white(length, rng)
        track[first : first + length] += (body * numpy.exp(-time / fall) * sounds.decibels(db)).astype(numpy.float32)


def keyboard(length, rate, rng):
    track = room(length, rate, rng)
    at = 0.5
    while at < length / rate:
        thud(track, rate, rng, at, rng.uniform(1500, 3200), rng.uniform(0.003, 0.012), rng.uniform(-32, -18))
        thud(track, rate, rng, at + rng.uniform(0.05, 0.09), rng.uniform(1200, 2500), 0.004, rng.uniform(-40, -28))
        at += rng.uniform(0.09, 0.3) if rng.random() < 0.9 else rng.uniform(1, 5)
    return track


def bodies(length, rate, rng):
    """Breath, coughs, a throat: noise in the bands of a mouth, with the falls and rises of lungs, none of it a word."""
    track = room(length, rate, rng)
    at = 1.0
    while at < length / rate - 3:
        if rng.random() < 0.7:
            seconds, db = rng.uniform(0.5, 1.3), rng.uniform(-46, -34)
            shape = numpy.sin(numpy.linspace(0, numpy.pi, int(seconds * rate))) ** 1.5
            burst = shaped(len(shape), rate, rng, (300, 900, -6), (900, 2800, -3)) * shape
            place(track, burst / sounds.rms(burst) * sounds.decibels(db), int(at * rate))
        else:
            for n in range(int(rng.integers(1, 4))):
                seconds = rng.uniform(0.12, 0.3)
                shape = numpy.exp(-numpy.arange(int(seconds * rate)) / rate / rng.uniform(0.04, 0.09))
                burst = shaped(len(shape), rate, rng, (200, 800, 0), (800, 3300, -4)) * shape
                place(track, burst / sounds.rms(burst) * sounds.decibels(rng.uniform(-26, -16)), int((at + 0.4 * n) * rate))
        at += rng.uniform(1.5, 5)
    return track


def place(track, piece, first):
    length = max(0, min(len(piece), len(track) - first))
    track[first : first + length] += piece[:length]


def street(length, rate, rng):
    """Traffic that comes and goes, and horns."""
    track = shaped(length, rate, rng, (30, 300, -30), (300, 2000, -40), (2000, 6000, -52)) * slowly(length, rate, rng, -12, 4, 4)
    for at in rng.uniform(0, length / rate, int(length / rate / 25)):
        seconds = rng.uniform(0.2, 0.8)
        time = numpy.arange(int(seconds * rate)) / rate
        base = rng.uniform(350, 500)
        horn = numpy.sign(numpy.sin(2 * numpy.pi * base * time)) + numpy.sign(numpy.sin(2 * numpy.pi * base * 1.26 * time))
        place(track, sounds.band(horn.astype(numpy.float32), rate, 250, 3000) * sounds.decibels(rng.uniform(-36, -26)), int(at * rate))
    return track


def fan(length, rate, rng):
    at = numpy.arange(length) / rate
    return shaped(length, rate, rng, (80, 1500, -34), (1500, 6000, -50)) * (1 + 0.3 * numpy.sin(2 * numpy.pi * 11 * at)) + hum(length, rate, -40, 60.0)


def applause(length, rate, rng):
    track = numpy.zeros(length, numpy.float32)
    clap = [sounds.band(sounds.white(int(0.02 * rate), rng), rate, 500, 3500) for _ in range(20)]
    fall = numpy.exp(-numpy.arange(int(0.02 * rate)) / rate / 0.004)
    for at in rng.uniform(0, length / rate, int(length / rate * 60)):
        place(track, clap[int(rng.integers(20))] * fall * rng.uniform(0.05, 0.2), int(at * rate))
    return track * slowly(length, rate, rng, -10, 0, 5)


def tone(hertz, seconds, rate, db=-14.0):
    at = numpy.arange(int(seconds * rate)) / rate
    return sum(numpy.sin(2 * numpy.pi * f * at) for f in numpy.atleast_1d(hertz)) * sounds.decibels(db)


def in_turn(length, rate, steps, low=-62.0, rng=None):
    """`steps` (Hz or None, seconds) again and again, over a line's hiss."""
    track = sounds.white(length, rng) * sounds.decibels(low)
    at = 0
    while at < length:
        for hertz, seconds in steps:
            if hertz is not None:
                place(track, tone(hertz, seconds, rate), at)
            at += int(seconds * rate)
    return track


def ringback(length, rate, rng):
    return in_turn(length, rate, [((440, 480), 2.0), (None, 4.0)], rng=rng)


def ringback_ru(length, rate, rng):
    return in_turn(length, rate, [(425, 1.0), (None, 4.0)], rng=rng)


def busy(length, rate, rng):
    return in_turn(length, rate, [((480, 620), 0.5), (None, 0.5)], rng=rng)


def dial_and_sit(length, rate, rng):
    steps = [((350, 440), 3.0), (None, 0.5)]
    for _ in range(10):
        steps += [((float(rng.choice([697, 770, 852, 941])), float(rng.choice([1209, 1336, 1477]))), 0.12), (None, 0.1)]
    steps += [(None, 1.0), (950, 0.33), (1400, 0.33), (1800, 0.33), (None, 2.0)]
    return in_turn(length, rate, steps, rng=rng)


def fax(length, rate, rng):
    """Calling tone, answer tone, then data: two frequencies in quick turns, and noise of a faster modem."""
    track = in_turn(length, rate, [(1100, 0.5), (None, 3.0), (1100, 0.5), (None, 3.0), (2100, 3.0), (None, 0.1)], rng=rng)
    first = int(12 * rate)
    bits = rng.integers(0, 2, int((length - first) / rate * 300) + 2)
    frequency = numpy.where(bits, 1650, 1850)[(numpy.arange(length - first) / rate * 300).astype(int)]
    track[first:] += numpy.sin(2 * numpy.pi * numpy.cumsum(frequency) / rate) * 0.15
    fast = shaped(length, rate, rng, (600, 3000, -18))
    half = length // 2
    track[half:] = fast[half:]
    return track


# Music.

MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def note(semitones, seconds, rate, parts, rise, fall):
    at = numpy.arange(int(seconds * rate)) / rate
    hertz = A4 * 2 ** (semitones / 12)
    body = sum(amount * numpy.sin(2 * numpy.pi * hertz * n * at) for n, amount in parts if hertz * n < rate / 2)
    envelope = numpy.minimum(at / rise, 1) * numpy.exp(-at / fall) * numpy.minimum((seconds - at) / 0.03, 1)
    return body * envelope


def song(length, rate, rng, beat, parts, rise, fall, drums, bass):
    """Chords, a melody over them, and where wanted drums and bass; four chords again and again, the melody never twice."""
    track = numpy.zeros(length, numpy.float32)
    chords = [(-9, MAJOR), (-14, MINOR), (-16, MAJOR), (-11, MAJOR)]
    at, bar = 0.0, 0
    while at < length / rate:
        root, chord = chords[bar % 4]
        first = int(at * rate)
        for step in chord:
            place(track, note(root + step, 4 * beat, rate, parts, rise, fall * 4) * 0.06, first)
        if bass:
            for n in range(4):
                place(track, note(root - 24, beat, rate, ((1, 1.0), (2, 0.3)), 0.01, 0.4) * 0.12, int((at + n * beat) * rate))
        moment = 0.0
        while moment < 4 * beat:
            seconds = beat * float(rng.choice([0.5, 0.5, 1.0, 1.5]))
            if rng.random() < 0.85:
                step = root + 12 + int(rng.choice(chord)) + 12 * int(rng.integers(0, 2))
                place(track, note(step, seconds, rate, parts, rise, fall) * 0.13, int((at + moment) * rate))
            moment += seconds
        if drums:
            for n in range(8):
                when = at + n * beat / 2
                thud(track, rate, rng, when, 6000 if rate > 12000 else 3400, 0.012, -24)
                if n % 4 == 0:
                    thud(track, rate, rng, when, 60, 0.08, -10)
                if n % 4 == 2:
                    thud(track, rate, rng, when, 190, 0.05, -14)
        at += 4 * beat
        bar += 1
    return track


def piano(length, rate, rng):
    return song(length, rate, rng, 0.5, ((1, 1.0), (2, 0.5), (3, 0.25), (4, 0.12)), 0.005, 0.5, False, False)


def strings(length, rate, rng):
    slow = song(length, rate, rng, 0.9, tuple((n, 1 / n) for n in range(1, 9)), 0.15, 3.0, False, True)
    return slow * (1 + 0.1 * numpy.sin(2 * numpy.pi * 5.5 * numpy.arange(length) / rate))


def pop(length, rate, rng):
    return song(length, rate, rng, 0.42, ((1, 1.0), (2, 0.4), (5, 0.1)), 0.01, 0.35, True, True)


def lead(length, rate, rng):
    """A reed over a band: its formants and vibrato come near to a voice that sings."""
    band = song(length, rate, rng, 0.55, ((1, 1.0), (2, 0.6), (3, 0.2)), 0.02, 0.6, True, True) * 0.7
    at = 0.0
    while at < length / rate:
        seconds = float(rng.uniform(0.3, 1.2))
        reed = note(int(rng.choice([-9, -7, -5, -2, 0, 3])), seconds, rate, tuple((n, 1 / n**0.7) for n in range(1, 14)), 0.06, 2.0)
        place(band, sounds.band(reed.astype(numpy.float32), rate, 500, 2600) * 0.15, int(at * rate))
        at += seconds + float(rng.uniform(0, 0.5))
    return band


def on_the_line(maker):
    """The same, as a telephone passes it."""
    return lambda length, rate, rng: sounds.mu_law(sounds.band(maker(length, rate, rng), rate))


def two(left, right):
    return lambda length, rate, rng: numpy.stack([left(length, rate, rng), right(length, rate, rng)], axis=1)


# Name, minutes, rate, container, maker.
ALL = [
    ("silence-digital", 2, 16000, "flac", silence),
    ("silence-hiss", 2, 16000, "flac", hiss),
    ("silence-two-channels", 2, 8000, "flac", two(silence, hiss)),
    ("room-1", 10, 16000, "flac", room),
    ("room-office", 10, 16000, "opus", office),
    ("room-phone", 5, 8000, "flac", on_the_line(room)),
    ("room-two-channels", 5, 16000, "opus", two(room, office)),
    ("music-piano", 3, 16000, "flac", piano),
    ("music-strings", 3, 16000, "opus", strings),
    ("music-pop", 3, 16000, "flac", pop),
    ("music-pop-phone", 3, 8000, "flac", on_the_line(pop)),
    ("music-lead-phone", 3, 8000, "flac", on_the_line(lead)),
    ("music-two-channels", 3, 8000, "flac", two(on_the_line(strings), on_the_line(room))),
    ("tones-ringback", 2, 8000, "flac", ringback),
    ("tones-ringback-ru", 1, 8000, "flac", ringback_ru),
    ("tones-busy", 1, 8000, "flac", busy),
    ("tones-dial-dtmf-sit", 2, 8000, "flac", dial_and_sit),
    ("tones-two-channels", 2, 8000, "flac", two(ringback, on_the_line(bodies))),
    ("fax", 1, 8000, "flac", fax),
    ("keyboard", 3, 16000, "flac", keyboard),
    ("breath-cough", 3, 16000, "flac", bodies),
    ("breath-cough-phone", 2, 8000, "flac", on_the_line(bodies)),
    ("street", 3, 16000, "opus", street),
    ("street-phone", 2, 8000, "flac", on_the_line(street)),
    ("fan", 2, 16000, "flac", fan),
    ("applause", 2, 16000, "flac", applause),
]


if __name__ == "__main__":
    make()
