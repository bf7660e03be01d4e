#!/usr/bin/env -S python3 -B
"""Live calls against the clock: how soon words, labels and hints come, with sound and with turns.

    benches/live.py --binary target/release/dealstage                       both parts
    benches/live.py … --part audio --seconds 60                             the first minute of each recording
    benches/live.py … --part turns --calls 200 --every 3 --seconds 60

Sound is sent at the speed of a mouth, in pieces of 20 ms, by one call at a time; turns by many calls at once. Service and load
share the machine. Figures are printed beside their aims. Ends with 1 only where something is wrong: a turn lost or doubled,
numbers that do not grow, an end that differs from what was told, a recording that is not what was sent.
"""

import argparse
import asyncio
import base64
import difflib
import http.client
import json
import math
import os
import pathlib
import random
import re
import secrets
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import service as dealstage
from service import ADMIN_KEY, ROOT, Broken, Service

# Reads Opus; numpy comes with it.
SOUNDFILE = ("soundfile==0.13.1", "numpy==2.2.6")
PIECE_S = 0.02
# A frame is speech where it is less than so much under the loud ones of its channel.
UNDER_LOUD_DB = 30


def run():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-live-", dir="/var/tmp"))
    own = {"DEALSTAGE_LIVE_PATIENCE": "600", "DEALSTAGE_METRICS_LISTEN": f"127.0.0.1:{dealstage.free_port()}"}
    server = Service(options.binary, {**dealstage.storage("sqlite", folder), **own})
    server.start()
    try:
        if options.part in ("both", "turns"):
            asyncio.run(turns_part(server, options))
        if options.part in ("both", "audio"):
            asyncio.run(audio_part(server, options, folder))
    except Broken:
        print(f"left for you: {folder}")
        raise
    finally:
        server.kill()
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--part", choices=["both", "audio", "turns"], default="both")
    parser.add_argument("--calls", type=int, default=200, help="calls at once that send turns")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two turns of a call")
    parser.add_argument("--seconds", type=float, help="of each recording (else whole), and of the turns (else 60)")
    parser.add_argument("--sound", default="en/pcm/2,ru/mulaw/2,en/mulaw/1,ru/pcm/1", help="language/encoding/channels,…")
    parser.add_argument("--no-language", action="store_true", help="do not say which language is spoken")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Socket:
    """A WebSocket of a client, as far as it is needed here: messages in one frame, no extensions."""

    async def open(self, server, path="/v1/live"):
        self.reader, self.writer = await asyncio.open_connection(server.host, server.port, limit=1 << 24)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        head = [
            f"GET {path} HTTP/1.1",
            f"Host: {server.host}:{server.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {ADMIN_KEY}",
        ]
        self.writer.write("\r\n".join([*head, "", ""]).encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101"):
            raise Broken(f"GET {path} answers {answer[:40]!r}")
        return self

    def _frame(self, code, body):
        length = len(body)
        if length < 126:
            head = struct.pack("!BB", 0x80 | code, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | code, 0xFE, length)
        else:
            head = struct.pack("!BBQ", 0x80 | code, 0xFF, length)
        mask = secrets.token_bytes(4)
        pad = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(body, "big") ^ int.from_bytes(pad, "big")).to_bytes(length, "big")
        self.writer.write(head + mask + masked)

    def send(self, message):
        self._frame(1, json.dumps(message, ensure_ascii=False).encode())

    def send_bytes(self, body):
        self._frame(2, body)

    async def receive(self):
        """The text of the next message; None when the connection ends."""
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                length = second & 127
                if length == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
                body = await self.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            code = first & 15
            if code == 8:
                return None
            if code == 9:
                self._frame(10, body)
            elif code == 1:
                return body.decode()

    def close(self):
        self.writer.close()


# Read while the clock runs; the rest of a message is parsed afterwards.
HEAD = re.compile(r'\{"seq":(\d+),"type":"(\w+)"')


class Heard:
    """All messages of one connection with the moments of their arrival."""

    def __init__(self):
        self.messages = []

    async def read(self, socket, each=None):
        while (text := await socket.receive()) is not None:
            now = time.monotonic()
            seq, kind = HEAD.match(text).groups()
            self.messages.append((now, int(seq), kind, text))
            if each:
                each(now, kind)
            if kind == "final":
                return

    def of(self, kind):
        return [(now, json.loads(text)) for now, _, known, text in self.messages if known == kind]

    def check(self, name, sent=None):
        """Its analysis, if nothing is lost, doubled or otherwise at the end."""
        numbers = [seq for _, seq, _, _ in self.messages]
        if any(a >= b for a, b in zip(numbers, numbers[1:])):
            raise Broken(f"{name}: the numbers of the messages do not grow")
        if errors := self.of("error"):
            raise Broken(f"{name}: {errors[0][1]}")
        final = self.of("final")
        if len(final) != 1:
            raise Broken(f"{name}: {len(final)} messages `final`")
        analysis = final[0][1]["analysis"]
        told = [message["turn"] for _, message in self.of("turn")]
        if [turn["i"] for turn in told] != list(range(1, len(told) + 1)):
            raise Broken(f"{name}: turns lost or doubled: {[turn['i'] for turn in told]}")
        if [turn["text"] for turn in told] != [turn["text"] for turn in analysis["turns"]]:
            raise Broken(f"{name}: the end has other turns than were told")
        if sent is not None and [turn["text"] for turn in told] != sent:
            raise Broken(f"{name}: {len(sent)} turns sent, {len(told)} told, or other words")
        if stage := self.of("deal"):
            if stage[-1][1]["deal"]["stage"] != analysis["deal"]["stage"]:
                raise Broken(f"{name}: the end has another stage than was told last")
        return final[0][1]["call_id"], analysis


def figure(name, values, aim=None, scale=1000, unit="ms"):
    if not values:
        print(f"  {name}: none")
        return
    values = sorted(values)
    at = lambda share: values[min(int(len(values) * share), len(values) - 1)] * scale
    held = "" if aim is None else f"   aim: p95 ≤ {aim:g} {unit}: {'met' if at(0.95) <= aim else 'MISSED'}"
    print(f"  {name}: p50 {at(0.5):.0f}, p95 {at(0.95):.0f}, most {values[-1] * scale:.0f} {unit} of {len(values)}{held}", flush=True)


class Used:
    """Processor time of the service and of this program, and the memory of the service."""

    def __init__(self, server):
        self.pid, self.begun = server.process.pid, time.monotonic()
        self.service, self.own = self._service(), time.process_time()

    def _service(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def print(self):
        wall = time.monotonic() - self.begun
        most = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text())[1]
        print(
            f"  processors: service {(self._service() - self.service) / wall:.2f}, load {(time.process_time() - self.own) / wall:.2f} "
            f"of {os.cpu_count()}; peak memory of the service {int(most) // 1024} MiB; load average {os.getloadavg()[0]:.1f}"
        )


def buckets(server):
    """Seconds → how many words took no longer until they were told with their labels, deal and hints, as the service counts."""
    connection = http.client.HTTPConnection(server.environment["DEALSTAGE_METRICS_LISTEN"])
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(r'dealstage_live_turn_seconds_bucket\{le="([^"]+)"\} (\d+)', text)
    return {float(up_to): int(count) for up_to, count in found}


def told_within(server, before):
    now = buckets(server)
    counts = {up_to: count - before.get(up_to, 0) for up_to, count in now.items()}
    total = counts.pop(math.inf, 0)
    if total:
        shares = ", ".join(f"{count / total:.0%} ≤ {up_to * 1000:g}" for up_to, count in sorted(counts.items()) if 0.02 <= up_to <= 0.5)
        held = "met" if counts[0.1] >= 0.95 * total else "MISSED"
        print(f"  words → labels, deal and hints, in the service: {shares} ms of {total}   aim: 95% ≤ 100 ms: {held}")


# Turns.


async def turns_part(server, options):
    seconds = options.seconds or 60
    choose = random.Random(options.seed)
    print(f"turns: {options.calls} calls at once, a turn every {options.every:g} s of each, {seconds:g} s")
    count = max(1, int(seconds / options.every))
    # The models are loaded with the first call.
    await one_call(server, call_file("en-b01"), 1, 0, 0)
    used = Used(server)
    names = sorted(path.stem for path in (ROOT / "fixtures/calls").glob("*.json"))
    jobs = []
    for at in range(options.calls):
        name = choose.choice(names)
        call = call_file(name)
        jobs.append((name, call, one_call(server, call, count, choose.random() * options.every, options.every)))
    done = await asyncio.gather(*(job for _, _, job in jobs))
    labels, deals, ends = [], [], []
    for (name, call, _), (heard, sent_at, stopped_at) in zip(jobs, done):
        sent = [turn["text"] for turn in call["turns"][:count]]
        heard.check(name, sent)
        turn = 0
        for now, _, kind, text in heard.messages:
            if kind == "turn":
                labels.append(now - sent_at[turn])
                turn += 1
            elif kind in ("deal", "hint"):
                deals.append(now - sent_at[turn - 1])
            elif kind == "final":
                ends.append(now - stopped_at)
    figure("turn sent → labels", labels, aim=150)
    figure("turn sent → deal, hint", deals, aim=150)
    figure("stop → final, all calls at the same time", ends)
    used.print()
    for (name, call, _), (heard, _, _) in choose.sample(list(zip(jobs, done)), min(8, len(jobs))):
        as_upload(server, name, {**call, "turns": call["turns"][:count]}, heard)
    print("  no turn lost or doubled; ends as told; 8 of them compared with uploads of the same turns: the same")


def call_file(name):
    return json.loads((ROOT / f"fixtures/calls/{name}.json").read_text())


async def one_call(server, call, count, wait, every):
    await asyncio.sleep(wait)
    socket = await Socket().open(server)
    socket.send({"type": "start", "call": {key: value for key, value in call.items() if key != "turns"}})
    heard = Heard()
    ready = asyncio.Event()
    reading = asyncio.create_task(heard.read(socket, lambda _, kind: ready.set() if kind == "ready" else None))
    await asyncio.wait([reading, waiting := asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        raise Broken(f"the call was not opened: {[text for *_, text in heard.messages]}")
    begun, sent_at = time.monotonic(), []
    for at, turn in enumerate(call["turns"][:count]):
        await asyncio.sleep(max(0, begun + at * every - time.monotonic()))
        sent_at.append(time.monotonic())
        socket.send({"type": "turn", "turn": turn})
    await asyncio.sleep(every)
    stopped_at = time.monotonic()
    socket.send({"type": "stop"})
    await reading
    socket.close()
    return heard, sent_at, stopped_at


def as_upload(server, name, call, heard):
    """The same turns as a stored call come to the same analysis."""
    body = json.dumps(call).encode()
    status, _, answer = server.request("POST", "/v1/calls", body, {"Content-Type": "application/json"})
    if status != 202:
        raise Broken(f"POST /v1/calls answers {status}: {answer[:300]!r}")
    call_id = json.loads(answer)["id"]
    dealstage.wait_until_terminal(server, [call_id], 60)
    stored, live = server.get(f"/v1/calls/{call_id}/analysis"), heard.of("final")[0][1]["analysis"]
    for analysis in (stored, live):
        for part, keys in (("call", ("source", "id")), ("provenance", ("timings_ms", "result_hash"))):
            for key in keys:
                analysis[part].pop(key, None)
    if stored != live:
        wrong = [key for key in stored if stored[key] != live.get(key)]
        raise Broken(f"{name}: the end differs from the upload of the same turns in {wrong}")


# Sound.


def load_numpy():
    """Installs the reader of Opus beside the build, once."""
    folder = ROOT / "target/bench-sound"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--target", str(part), *SOUNDFILE]
        subprocess.run(command, check=True)
        part.rename(folder)
    sys.path.insert(0, str(folder))
    import numpy
    import soundfile

    return numpy, soundfile


def sound_of(language, rate, channels, seconds):
    """The recording as 16-bit samples, frames × channels."""
    numpy, soundfile = load_numpy()
    sound, from_rate = soundfile.read(str(ROOT / f"fixtures/audio/discovery-{language}.opus"), always_2d=True)
    if seconds:
        sound = sound[: int(seconds * from_rate)]
    if channels == 1:
        sound = sound.mean(axis=1, keepdims=True)
    step = from_rate // rate
    taps = numpy.arange(-16 * step, 16 * step + 1)
    kernel = numpy.sinc(taps / step * 0.95) * numpy.hamming(len(taps))
    kernel /= kernel.sum()
    low = [numpy.convolve(sound[:, at], kernel, mode="same")[::step] for at in range(channels)]
    return numpy.clip(numpy.stack(low, axis=1) * 32768, -32768, 32767).astype("<i2")


def mulaw(samples):
    """G.711."""
    numpy, _ = load_numpy()
    values = samples.astype(int)
    sign = numpy.where(values < 0, 0x80, 0)
    size = numpy.minimum(numpy.abs(values), 32635) + 132
    exponent = numpy.floor(numpy.log2(size)).astype(int) - 7
    mantissa = (size >> (exponent + 3)) & 15
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(numpy.uint8)


def voiced(samples, rate):
    """Of each channel: for each 20 ms, is there a voice?"""
    numpy, _ = load_numpy()
    size = int(rate * PIECE_S)
    frames = samples[: len(samples) // size * size].astype(float).reshape(-1, size, samples.shape[1])
    energy = (frames**2).mean(axis=1)
    loud = numpy.quantile(energy, 0.98, axis=0)
    return energy > loud * 10 ** (-UNDER_LOUD_DB / 10)


async def audio_part(server, options, folder):
    ends, firsts, gaps = [], [], []
    stable = (0, 0, 0)
    for case in options.sound.split(","):
        language, encoding, channels = case.split("/")
        rate = 16_000 if encoding == "pcm" else 8_000
        samples = sound_of(language, rate, int(channels), options.seconds)
        print(f"sound: {case}, {rate} Hz, {len(samples) / rate:.0f} s")
        used, before = Used(server), buckets(server)
        told = None if options.no_language else language
        heard, sent_at, body = await speak(server, samples, rate, encoding, told)
        call_id, analysis = heard.check(case)
        case_ends, case_firsts, case_gaps = delays(heard, sent_at, voiced(samples, rate))
        figure("end of speech → turn", case_ends, aim=1500)
        figure("beginning of speech → first words", case_firsts)
        figure("between two partial texts of a speaker", case_gaps, aim=1000)
        own = stability(heard)
        stable = tuple(map(sum, zip(stable, own)))
        print_stability(*own)
        figure("stop → final", [heard.messages[-1][0] - sent_at[-1]])
        told_within(server, before)
        used.print()
        agree(server, options, folder, call_id, analysis, body, int(channels))
        ends += case_ends
        firsts += case_firsts
        gaps += case_gaps
    print("sound, all:")
    figure("end of speech → turn", ends, aim=1500)
    figure("beginning of speech → first words", firsts)
    figure("between two partial texts of a speaker", gaps, aim=1000)
    print_stability(*stable)


async def speak(server, samples, rate, encoding, language):
    """What was told, when each piece of 20 ms was sent, and the bytes that were sent. `language`: None to have it found out."""
    body = (samples if encoding == "pcm" else mulaw(samples)).tobytes()
    frame = len(body) // len(samples)
    piece = int(rate * PIECE_S) * frame
    socket = await Socket().open(server)
    form = {"encoding": "pcm_s16le" if encoding == "pcm" else "mulaw", "sample_rate": rate, "channels": samples.shape[1]}
    call = {"lang": language} if language else {}
    socket.send({"type": "start", "call": call, "audio": form})
    heard, ready = Heard(), asyncio.Event()
    reading = asyncio.create_task(heard.read(socket, lambda _, kind: ready.set() if kind == "ready" else None))
    await asyncio.wait([reading, waiting := asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        raise Broken(f"the call was not opened: {[text for *_, text in heard.messages]}")
    begun, sent_at = time.monotonic(), []
    for at in range(0, len(body), piece):
        # A piece has been spoken when its last sample has.
        await asyncio.sleep(max(0, begun + (len(sent_at) + 1) * PIECE_S - time.monotonic()))
        sent_at.append(time.monotonic())
        socket.send_bytes(body[at : at + piece])
    socket.send({"type": "stop"})
    await reading
    socket.close()
    return heard, sent_at, body


def delays(heard, sent_at, voices):
    """Seconds: end of speech → turn; its beginning → first words; between two partial texts."""
    partials = heard.of("partial")
    ends, firsts, gaps = [], [], []
    stopped = sent_at[-1]
    for arrived, message in heard.of("turn"):
        turn = message["turn"]
        channel = 1 if turn["speaker"] == "right" else 0
        first, last = int(turn["start_s"] / PIECE_S), int(turn["end_s"] / PIECE_S)
        frames = [at for at in range(first, min(last + 1, len(voices))) if voices[at][channel]]
        if not frames:
            continue
        # What the end of the call cut off did not wait for a pause.
        if arrived < stopped:
            ends.append(arrived - sent_at[frames[-1]])
        moments = [now for now, m in partials if (m["speaker"], m["start_s"]) == (turn["speaker"], turn["start_s"])]
        if moments:
            firsts.append(moments[0] - sent_at[frames[0]])
        gaps += [b - a for a, b in zip(moments, moments[1:])]
    return ends, firsts, gaps


def stability(heard):
    """Words that partial texts showed, and those of them that a later text of the same turn, or the turn itself, has otherwise: by
    their place in the turn, and as somebody sees it who reads, to whom words that only move are the same. Case and marks do not count.
    """
    texts = {}
    for _, message in heard.of("partial"):
        texts.setdefault((message["speaker"], message["start_s"]), []).append(plain(message["text"]))
    shown = changed = replaced = 0
    for _, message in heard.of("turn"):
        turn = message["turn"]
        versions = [*texts.get((turn["speaker"], turn["start_s"]), []), plain(turn["text"])]
        replaced += sum(replacements(versions))
        for place in range(max(map(len, versions[:-1]), default=0)):
            seen = [version[place : place + 1] for version in versions]
            first = next(at for at, word in enumerate(seen) if word)
            shown += 1
            changed += any(word != seen[first] for word in seen[first:])
    return shown, changed, replaced


def replacements(versions):
    """Of each version but the last: how many of its words the next has not, words beside each other aligned."""
    for now, then in zip(versions, versions[1:]):
        same = difflib.SequenceMatcher(None, now, then, autojunk=False).get_matching_blocks()
        yield len(now) - sum(block.size for block in same)


def print_stability(shown, changed, replaced):
    by_place, read = (100 * count / max(shown, 1) for count in (changed, replaced))
    print(
        f"  words shown before their turn: {shown}, otherwise later: {replaced} ({read:.1f} %)   aim: 5 %: {'met' if read <= 5 else 'MISSED'};"
        f" {changed} ({by_place:.1f} %) with those that only move"
    )


def agree(server, options, folder, call_id, analysis, sent, channels):
    """The recording is what was sent; how far the words are those that `analyze` hears in it."""
    status, _, recording = server.request("GET", f"/v1/calls/{call_id}/audio")
    if status != 200 or not recording.startswith(b"RIFF") or recording[46:] != sent:
        raise Broken(f"the recording is not what was sent ({status}, {len(recording)} bytes for {len(sent)})")
    path = folder / "heard.wav"
    path.write_bytes(recording)
    command = [str(options.binary), "analyze", str(path), "--json", "--quiet", "--language", analysis["call"]["language"]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Broken(f"analyze of the recording: {done.stderr.strip()}")
    stored = json.loads(done.stdout)
    # Live nobody tells the speakers of one channel apart.
    speakers = [None] if channels == 1 else ["left", "right"]
    wrong = count = 0
    for speaker in speakers:
        mine, theirs = words(analysis, speaker), words(stored, speaker)
        same = sum(block.size for block in difflib.SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks())
        wrong += max(len(mine), len(theirs)) - same
        count += len(theirs)
    print(
        f"  {len(analysis['turns'])} turns ({len(stored['turns'])} by analyze); {count} words by analyze of the recording, "
        f"{wrong} ({100 * wrong / max(count, 1):.1f} %) otherwise live; stage {analysis['deal']['stage']} ({stored['deal']['stage']})"
    )


def words(analysis, speaker):
    """Of one speaker, or (None) of all."""
    return plain(" ".join(turn["text"] for turn in analysis["turns"] if speaker in (None, turn["speaker"])))


def plain(text):
    return re.findall(r"\w+", text.lower())


if __name__ == "__main__":
    dealstage.main(run)
