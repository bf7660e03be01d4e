#!/usr/bin/env -S python3 -B
"""How soon an event leaves the machine, how soon 10,000 that wait do, and what one dead endpoint costs the others.

    benches/hooks.py --binary target/release/dealstage                  all three
    benches/hooks.py … --only latency|recovery|dead

Service, receivers (benches/receiver.py, a process of its own that writes each webhook to the disk before it answers) and this program
share the machine. Events are made by `POST /v1/endpoints/{id}/test`: what it writes and how it is sent is what any event is and
does, without an analysis before it.

An event is committed somewhere between the moment its POST is sent and the moment that is answered, so both are told: from the POST (too
long by the request and its commit) and from the answer (too short where the webhook came first, which counts as 0).

The 10,000 are made by an API without a worker (`--role api`), which is then stopped: nobody has tried them yet. The time runs from
the start of a process of all roles to the arrival of the last one. Ends with 1 where one is lost; aims that are missed are printed.
"""

import argparse
import collections
import http.client
import json
import pathlib
import queue
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import service as dealstage
from service import ADMIN_KEY, Broken, Service

HERE = pathlib.Path(__file__).resolve().parent


def run():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-hooks-", dir="/var/tmp"))
    try:
        for name in ["latency", "recovery", "dead"]:
            if options.only in (None, name):
                with Receivers(folder / name / "received") as receivers:
                    environment = {**dealstage.storage(options.store, folder / name), "DEALSTAGE_ALLOW_PRIVATE": "127.0.0.0/8"}
                    globals()[name](options, environment, receivers)
    except Broken:
        print(f"left for you: {folder}")
        raise
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--only", choices=["latency", "recovery", "dead"])
    parser.add_argument("--seconds", type=int, default=60, help="of events at the rate")
    parser.add_argument("--rate", type=float, default=50, help="events a second")
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--pending", type=int, default=10_000)
    return parser.parse_args()


class Receivers:
    """The receiver as a process of its own, and its ledger."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        command = [sys.executable, "-B", str(HERE / "receiver.py"), "--folder", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise Broken("the receiver did not start")
        self.database = sqlite3.connect(f"file:{self.folder / 'ledger.db'}?mode=ro", uri=True)
        return self

    def __exit__(self, *_):
        self.database.close()
        self.process.kill()
        self.process.wait()

    def faults(self, *rules):
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        connection.request("PUT", "/control/faults", json.dumps({"rules": rules}))
        if connection.getresponse().status != 200:
            raise Broken("the receiver takes no faults")
        connection.close()

    def seen(self):
        """How many webhooks came so far."""
        return self.database.execute("select max(seq) from ledger").fetchone()[0] or 0

    def first(self):
        """When each id first came, by endpoint."""
        first = collections.defaultdict(dict)
        for path, headers, at in self.database.execute("select path, headers, at from ledger order by seq"):
            first[path.removeprefix("/hooks/")].setdefault(json.loads(headers)["webhook-id"], at)
        return first


def latency(options, environment, receivers):
    server = Service(options.binary, environment)
    server.start()
    try:
        endpoints = connect(server, receivers, 10)
        made = at_rate(server, endpoints, options.rate, options.seconds)
        from_post, from_answer = latencies(server, made, receivers)
        print(f"event → first attempt, {options.rate:.0f} events/s for {options.seconds} s, 10 endpoints ({len(made)} events):")
        told("from its POST", from_post, 0.1, 1.0)
        told("from the answer to it", from_answer, 0.1, 1.0)
    finally:
        server.kill()


def recovery(options, environment, receivers):
    server = Service(options.binary, environment, role="api")
    server.start()
    try:
        endpoints = connect(server, receivers, options.endpoints)
        made = as_fast_as_possible(server, endpoints, options.pending)
        server.stop()
    except BaseException:
        server.kill()
        raise
    if receivers.seen():
        raise Broken(f"{receivers.seen()} webhooks came from an API without a worker")
    server = Service(options.binary, environment)
    begun = time.time()
    ready = server.start()
    try:
        ids = event_ids(server, made)
        wait(lambda: receivers.seen() >= len(ids), 300, lambda: f"{receivers.seen()} of {len(ids)} webhooks came within 300 s")
        came = {id: at for of in receivers.first().values() for id, at in of.items()}
        if missing := set(ids) - came.keys():
            raise Broken(f"{len(missing)} of {len(ids)} events never came")
        took = max(came.values()) - begun
        print(
            f"{len(ids)} pending deliveries to {len(endpoints)} endpoints: serving after {ready:.2f} s, the last one delivered after {took:.1f} s "
            f"({aim(took, 10)})"
        )
    finally:
        server.kill()


def dead(options, environment, receivers):
    server = Service(options.binary, environment)
    server.start()
    try:
        endpoints = connect(server, receivers, options.endpoints)
        figures = collections.defaultdict(list)
        # In turns, so that what else the machine does falls on both.
        for turn in range(4):
            silent = [endpoints[0][1]] if turn % 2 else []
            receivers.faults(*({"match": f"^POST /hooks/{name}$", "fault": "hang", "seconds": 120} for name in silent))
            made = at_rate(server, endpoints, options.rate, options.seconds / 2)
            others = [one for one in made if one[0] != endpoints[0]]
            figures[bool(silent)] += latencies(server, others, receivers)[0]
        print(f"one endpoint of {len(endpoints)} takes connections and says nothing; the other {len(endpoints) - 1}, from the POST:")
        told("without it", figures[False])
        told("with it", figures[True])
        more = at(figures[True], 0.99) / at(figures[False], 0.99) - 1
        print(f"  99 %: {more:+.0%} ({aim(more, 0.1, '+10 %')})")
    finally:
        server.kill()


def connect(server, receivers, count):
    """Endpoints, as (id, name)."""
    made = []
    for at in range(count):
        body = json.dumps({"url": f"{receivers.url}/hooks/e{at}", "types": ["call.failed"]})
        status, _, answer = server.request("POST", "/v1/endpoints", body, {"Content-Type": "application/json"})
        if status != 201:
            raise Broken(f"POST /v1/endpoints answers {status}: {answer[:300]!r}")
        made.append((json.loads(answer)["id"], f"e{at}"))
    return made


class Clients:
    """Threads that each keep a connection and make events: (endpoint, when to) in, (endpoint, delivery, sent, answered) out."""

    def __init__(self, server, count=8):
        self.server, self.asked, self.made, self.wrong = server, queue.SimpleQueue(), [], []
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        while asked := self.asked.get():
            endpoint, when = asked
            time.sleep(max(0, when - time.time()))
            sent = time.time()
            try:
                connection.request("POST", f"/v1/endpoints/{endpoint[0]}/test", b"", {"Authorization": f"Bearer {ADMIN_KEY}"})
                answer = connection.getresponse()
                body = answer.read()
            except OSError as error:
                self.wrong.append(repr(error))
                return
            if answer.status != 202:
                self.wrong.append(f"{answer.status} {body[:200]!r}")
                return
            self.made.append((endpoint, json.loads(body), sent, time.time()))
        connection.close()

    def finish(self):
        for _ in self.threads:
            self.asked.put(None)
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise Broken(f"POST /v1/endpoints/…/test: {self.wrong[0]}")
        return self.made


def at_rate(server, endpoints, rate, seconds):
    clients, begun = Clients(server), time.time() + 0.5
    for number in range(int(rate * seconds)):
        clients.asked.put((endpoints[number % len(endpoints)], begun + number / rate))
    return clients.finish()


def as_fast_as_possible(server, endpoints, count):
    clients = Clients(server, 16)
    for number in range(count):
        clients.asked.put((endpoints[number % len(endpoints)], 0))
    return clients.finish()


def event_ids(server, made):
    """The event of each delivery: its id is that of the webhook."""
    event = {delivery["id"]: delivery["event_id"] for delivery in server.pages("/v1/deliveries")}
    return [event[answer["delivery_id"]] for _, answer, _, _ in made]


def latencies(server, made, receivers):
    """Seconds from POST and from its answer to the first arrival; every one must have come."""
    ids = event_ids(server, made)
    came = {}

    def all_came():
        came.update({id: at for of in receivers.first().values() for id, at in of.items()})
        return set(ids) <= came.keys()

    wait(all_came, 60, lambda: f"{len(set(ids) - came.keys())} of {len(ids)} events did not come within a minute")
    times = [(came[id] - sent, max(0, came[id] - answered)) for id, (_, _, sent, answered) in zip(ids, made, strict=True)]
    return [one for one, _ in times], [one for _, one in times]


def wait(until, within, why):
    end = time.monotonic() + within
    while not until():
        if time.monotonic() > end:
            raise Broken(why())
        time.sleep(0.05)


def at(figures, share):
    figures = sorted(figures)
    return figures[min(len(figures) - 1, int(len(figures) * share))]


def aim(figure, most, said=None):
    return f"aim {said or f'{most:g} s'}{'' if figure <= most else ': MISSED'}"


def told(what, figures, half=None, most=None):
    p50, p99 = at(figures, 0.5), at(figures, 0.99)
    aims = ("", "") if half is None else (f" ({aim(p50, half)})", f" ({aim(p99, most)})")
    print(f"  {what}: half {p50 * 1000:.1f} ms{aims[0]}, 99 % {p99 * 1000:.1f} ms{aims[1]}, longest {max(figures) * 1000:.1f} ms")


if __name__ == "__main__":
    dealstage.main(run)
