#!/usr/bin/env -S python3 -B
"""Watches the system calls of `dealstage serve`: a 2xx to an upload leaves only after its bytes and its row were synced to disk.

    benches/durable.py --binary target/release/dealstage         needs strace; SQLite and a folder of blobs

kill -9 cannot show this, for what a dead process wrote is still in the memory of the system. Together with
`crash.py --after-answer`, which shows that the row is written by then at all, this is the promise for a power cut.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import service as dealstage
from service import Broken, Service, Upload

CALLS = "fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg"
# One line of strace -f -y: `PID name(FD<PATH>, …) = RESULT`; a call may be in two parts, of which the second is its end.
LINE = re.compile(r"^(?P<pid>\d+) +(?:(?P<name>\w+)\(\d+<(?P<path>[^>]*)>(?P<rest>.*)|<\.\.\. (?P<resumed>\w+) resumed>.*)$")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if not shutil.which("strace"):
        raise Broken("strace is missing: install it with your package manager")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-durable-", dir="/var/tmp"))
    server = Service(options.binary, dealstage.storage("sqlite", folder), role="api")
    server.start()
    trace = folder / "trace"
    tracer = subprocess.Popen(["strace", "-f", "-y", "-qq", "-s", "16", "-e", f"trace={CALLS}", "-o", trace, "-p", str(server.process.pid)])
    try:
        time.sleep(1)
        uploads = [
            Upload(dealstage.ROOT / "fixtures/calls/en-b01.json", "durable-transcript"),
            Upload(dealstage.ROOT / "fixtures/audio/discovery-en.opus", "durable-small"),
            Upload(long_recording(folder / "long.wav"), "durable-in-parts"),
        ]
        for upload in uploads:
            if not upload.send(server):
                raise Broken("the service takes no upload")
            time.sleep(0.2)
    finally:
        server.kill()
        tracer.wait()
    check(trace.read_text(errors="replace"), str(folder), len(uploads))
    shutil.rmtree(folder)


def long_recording(path):
    """Larger than what is sent to a store in one piece."""
    data = (dealstage.ROOT / "fixtures/audio/formats/pcm-11k-mono.wav").read_bytes()
    path.write_bytes(data[:44] + data[44:] * 120)
    return path


def check(trace, folder, uploads):
    unfinished, unsynced, synced, answers = {}, False, [], []
    for line in trace.splitlines():
        found = LINE.match(line)
        if not found:
            continue
        if found["resumed"]:
            name, path, rest = unfinished.pop(found["pid"], (None, "", ""))
        else:
            name, path, rest = found["name"], found["path"], found["rest"]
            # A write counts from its begin, a sync from its end.
            if line.endswith("<unfinished ...>") and name in ("fsync", "fdatasync"):
                unfinished[found["pid"]] = (name, path, rest)
                continue
        if name in ("fsync", "fdatasync") and path.startswith(folder):
            synced.append(path)
            if path.endswith("-wal"):
                unsynced = False
        elif name in ("write", "pwrite64") and path.endswith("-wal"):
            unsynced = True
        elif name and '"HTTP/1.1 202' in rest:
            answers.append((unsynced, synced))
            synced = []
    if len(answers) != uploads:
        raise Broken(f"{len(answers)} answers seen in the trace, {uploads} uploads")
    for number, (pending, paths) in enumerate(answers):
        log = [path for path in paths if path.endswith("-wal")]
        folders = [path for path in paths if pathlib.Path(path).is_dir()]
        files = [path for path in paths if path not in log and path not in folders]
        if pending or not log:
            raise Broken(f"answer {number}: the row was not synced before it ({len(log)} syncs, unsynced writes: {pending})")
        if not files or not folders:
            raise Broken(f"answer {number}: the bytes were not synced before it: {paths}")
        print(f"answer {number}: after {len(log)} syncs of the log, {len(files)} of files, {len(folders)} of folders")


if __name__ == "__main__":
    dealstage.main(run)
