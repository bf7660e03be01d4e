#!/usr/bin/env -S python3 -B
"""Memory that `dealstage analyze` takes for a long recording.

    benches/memory.py --binary target/release/dealstage [--hours 3] [--limit 700] [--only opus|mulaw|wav]

Makes recordings of that length from the fixtures, over and over: Opus; µ-law, 8 kHz, two channels; PCM, 48 kHz, two channels (2 GB
for three hours). Each is analysed by a process of its own, whose highest resident memory counts. Broken is more than the limit.

Nothing but the length grows: with --hours 0.25 and --hours 1 the slope shows in minutes instead of an hour.
"""

import argparse
import array
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

import service as dealstage
from service import Broken

FIXTURES = dealstage.ROOT / "fixtures/audio"
RATE = 48_000


def run():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-memory-", dir="/var/tmp"))
    highest = 0
    try:
        for name, make in {"opus": opus, "mulaw": mulaw, "wav": wav}.items():
            if options.only in (None, name):
                path = folder / (name + (".opus" if name == "opus" else ".wav"))
                make(path, options.hours * 3600)
                highest = max(highest, analyse(options, path, folder / "temporary"))
                path.unlink()
    finally:
        shutil.rmtree(folder)
    if highest > options.limit:
        raise Broken(f"{highest} MiB are more than {options.limit}")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--limit", type=int, default=700, help="MiB")
    parser.add_argument("--only", choices=["opus", "mulaw", "wav"])
    return parser.parse_args()


def analyse(options, path, temporary):
    """The peak of one process in MiB."""
    temporary.mkdir(exist_ok=True)
    command = [options.binary, "analyze", path, "--json", "--quiet", "--call-date", "2025-03-12", "--out", path.with_suffix(".json")]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(temporary)})
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - begun
    if status != 0:
        raise Broken(f"{path.name}: status {status}")
    if left := list(temporary.iterdir()):
        raise Broken(f"{path.name}: left behind in the folder for temporary files: {left}")
    document = json.loads(path.with_suffix(".json").read_text())
    peak = usage.ru_maxrss // 1024
    print(
        f"{path.name}: {document['call']['duration_s'] / 3600:.2f} h, {path.stat().st_size >> 20} MiB, "
        f"{len(document['turns'])} turns: peak {peak} MiB, in {took:.0f} s",
        flush=True,
    )
    return peak


def mulaw(path, seconds):
    head, sound = parts(FIXTURES / "formats/ulaw-8k-stereo.wav")
    repeat(path, head, sound, int(seconds * 16_000))


def wav(path, seconds):
    """The same at 48 kHz: each sample six times."""
    _, sound = parts(FIXTURES / "formats/ulaw-8k-stereo.wav")
    linear = [expand(code) for code in range(256)]
    samples = array.array("h")
    for at in range(0, len(sound), 2):
        samples.extend([linear[sound[at]], linear[sound[at + 1]]] * (RATE // 8_000))
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, RATE, RATE * 4, 4, 16)
    repeat(path, head, samples.tobytes(), int(seconds * RATE) * 4)


def parts(path):
    """What stands before the chunk of samples, and the samples."""
    whole = path.read_bytes()
    at = whole.index(b"data")
    size = struct.unpack("<I", whole[at + 4 : at + 8])[0]
    return whole[8:at], whole[at + 8 : at + 8 + size]


def repeat(path, head, sound, size):
    size -= size % 4
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 4 + len(head) + size) + head + b"data" + struct.pack("<I", size))
        while size > 0:
            size -= file.write(sound[:size])


def expand(code):
    """µ-law to 16 bits (ITU-T G.711)."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -size if code & 0x80 else size


def opus(path, seconds):
    """One Ogg stream: pages repeated with new places, numbers and checksums (RFC 3533, 6)."""
    pages = list(ogg_pages((FIXTURES / "discovery-en.opus").read_bytes()))
    heads, sound = pages[:2], pages[2:]
    # How long a packet is, as the first page of sound says.
    packet = granule(sound[0]) // packets(sound[0])
    number, at = len(heads), 0
    with path.open("wb") as file:
        file.writelines(heads)
        while at < seconds * RATE:
            for page in sound:
                at += packets(page) * packet
                is_last = at >= seconds * RATE
                file.write(numbered(page, number, at, is_last))
                number += 1
                if is_last:
                    break


def ogg_pages(whole):
    at = 0
    while at < len(whole):
        segments = whole[at + 26]
        size = 27 + segments + sum(whole[at + 27 : at + 27 + segments])
        yield whole[at : at + size]
        at += size


def granule(page):
    return struct.unpack("<q", page[6:14])[0]


def packets(page):
    return sum(length < 255 for length in page[27 : 27 + page[26]])


def numbered(page, number, at, is_last):
    flags = page[5] & ~4 | (4 if is_last else 0)
    page = page[:5] + struct.pack("<Bq", flags, at) + page[14:18] + struct.pack("<II", number, 0) + page[26:]
    return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def checksum(page):
    """That of Ogg is zlib's with all bits the other way round, from 0 and without the last inversion."""
    mirrored = zlib.crc32(page.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


if __name__ == "__main__":
    dealstage.main(run)
