#!/usr/bin/env -S python3 -B
"""Requests per second, their p95, and the memory of the service at rest and under load.

    benches/load.py --binary target/release/dealstage [--store sqlite|postgres] [--connections 16] [--seconds 5]

The client shares the machine with the service: on two cores it takes up to one of them, and the figures are a lower bound.
Broken is: an answer that is not the expected one; an upload that is held in memory instead of going to disk as it comes.
"""

import argparse
import json
import pathlib
import random
import selectors
import shutil
import socket
import struct
import tempfile
import threading
import time

import service as dealstage
from service import ADMIN_KEY, Broken, Service, Upload

BIG_MIB = 300
# An upload may take buffers, not a share of the file.
ALLOWED_GROWTH_MIB = 64


def run():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-load-", dir="/var/tmp"))
    environment = dealstage.storage(options.store, folder)
    print(f"{options.store}, {options.connections} connections, {options.seconds:.0f} s each", flush=True)
    fill(options, environment)
    routes(options, environment)
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--calls", type=int, default=50, help="analysed calls that the reads find")
    parser.add_argument("--recording", type=pathlib.Path, default=dealstage.ROOT / "fixtures/audio/discovery-en.opus")
    return parser.parse_args()


def fill(options, environment):
    """The whole service with calls to work on: its memory at rest, at work on transcripts, at work on a recording."""
    server = Service(options.binary, environment)
    try:
        server.start()
        time.sleep(3)
        print(f"memory (RSS), whole service: at rest after start {memory(server)} MiB", end="", flush=True)
        uploads = [Upload(path, f"load-{at}") for at, path in enumerate(dealstage.transcripts(options.calls, random.Random(1)))]
        analyse(server, uploads)
        print(f"; {len(uploads)} transcripts: peak {memory(server, peak=True)} MiB", end="", flush=True)
        analyse(server, [Upload(options.recording, "load-recording")])
        print(f"; a recording: peak {memory(server, peak=True)} MiB; then {memory(server)} MiB", flush=True)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def analyse(server, uploads):
    for upload in uploads:
        while not upload.send(server):
            time.sleep(0.05)
    ended = dealstage.wait_until_terminal(server, [upload.id for upload in uploads], 600)
    if any(shown["status"] == "failed" for shown in ended.values()):
        raise Broken(f"a call failed: {ended}")


def routes(options, environment):
    """The API alone, so that no analysis takes the cores from it."""
    server = Service(options.binary, environment, role="api")
    try:
        server.start()
        time.sleep(2)
        print(f"memory (RSS), API alone: at rest {memory(server)} MiB", flush=True)
        call = server.get("/v1/calls?limit=1")["items"][0]["id"]
        for path in ["/healthz", f"/v1/calls/{call}", "/v1/calls?limit=50", f"/v1/calls/{call}/analysis", "/v1/deals?limit=50"]:
            if server.request("GET", path)[0] != 200:
                print(f"GET {path.replace(call, '{id}'):30} not served")
                continue
            show(f"GET {path.replace(call, '{id}')}", *hammer(server, options, lambda _: ("GET", path, b""), 200))
        body = (dealstage.ROOT / "fixtures/calls/en-b01.json").read_bytes()
        show("POST /v1/calls (transcript)", *hammer(server, options, lambda _: ("POST", "/v1/calls", body), 202))
        print(f"memory (RSS), API alone: after that {memory(server)} MiB", flush=True)
        big_upload(server)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()


def show(name, times, seconds):
    times.sort()
    pick = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000
    print(f"{name:36} {len(times) / seconds:7.0f}/s   p50 {pick(0.5):6.1f} ms   p95 {pick(0.95):6.1f} ms", flush=True)


def hammer(server, options, make, expected):
    """Sends requests over kept connections, the next as soon as the last is answered; (durations, seconds)."""
    ready, times = selectors.DefaultSelector(), []
    number = 0

    def send(connection):
        nonlocal number
        number += 1
        method, path, body = make(number)
        head = f"{method} {path} HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection.setblocking(True)
        connection.sendall(head.encode() + b"\r\n" + body)
        connection.setblocking(False)
        return [time.perf_counter(), b""]

    for _ in range(options.connections):
        connection = socket.create_connection((server.host, server.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ready.register(connection, selectors.EVENT_READ, send(connection))
    begun = time.perf_counter()
    while (now := time.perf_counter()) - begun < options.seconds:
        for key, _ in ready.select(1):
            state = key.data
            got = key.fileobj.recv(1 << 18)
            if not got:
                raise Broken("the service closed a kept connection")
            state[1] += got
            if (answer := whole(state[1])) is None:
                continue
            status, body = answer
            if status != expected:
                raise Broken(f"an answer under load is {status}: {body[:300]!r}")
            times.append(time.perf_counter() - state[0])
            state[:] = send(key.fileobj)
    for key in list(ready.get_map().values()):
        key.fileobj.close()
    return times, now - begun


def whole(data):
    """(status, body) when the answer with its Content-Length is all there."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
            return (int(head.split(b" ", 2)[1]), body) if len(body) >= length else None
    raise Broken(f"an answer without Content-Length: {head!r}")


def big_upload(server):
    """A recording of hundreds of MiB through the front door, with the memory watched."""
    before, highest, done = memory(server), 0, threading.Event()

    def watch():
        nonlocal highest
        while not done.wait(0.02):
            highest = max(highest, memory(server))

    size = BIG_MIB << 20
    wav = b"RIFF" + struct.pack("<I", size - 8) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 16000, 64000, 4, 16)
    wav += b"data" + struct.pack("<I", size - 44)
    kind, body = dealstage.multipart("big.wav", wav + random.Random(2).randbytes(1 << 20) * BIG_MIB)
    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.monotonic()
    status, _, answer = server.request("POST", "/v1/calls", body, {"Content-Type": kind}, timeout=120)
    took = time.monotonic() - begun
    done.set()
    watching.join()
    if status != 202:
        raise Broken(f"an upload of {BIG_MIB} MiB answers {status}: {answer[:300]!r}")
    print(f"upload of {BIG_MIB} MiB: {BIG_MIB / took:.0f} MiB/s, memory {before} → {highest} MiB", flush=True)
    if highest - before > ALLOWED_GROWTH_MIB:
        raise Broken(f"the upload took {highest - before} MiB of memory, more than {ALLOWED_GROWTH_MIB}")
    server.request("DELETE", f"/v1/calls/{json.loads(answer)['id']}")


def memory(server, peak=False):
    """Resident MiB of the process, now or at its highest so far."""
    field = "VmHWM:" if peak else "VmRSS:"
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) // 1024
    raise Broken("the service has ended")


if __name__ == "__main__":
    dealstage.main(run)
