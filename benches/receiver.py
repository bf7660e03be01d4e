#!/usr/bin/env -S python3 -B
"""A receiver of webhooks and a small CRM without idempotency keys, on real sockets, with faults on demand.

    benches/receiver.py --port 8099 --folder /tmp/ledger         alone; prints its address, ends with Ctrl-C

The CRM ("ledger CRM", a plain JSON API under /api, bearer token `ledger`) makes a second note where it is told twice. Every request
is on the disk (SQLite, synchronous=FULL) with its effect before its answer leaves: what it says happened is what happened,
whoever died meanwhile. Webhooks go to /hooks/NAME and are checked with the PyPI package `standardwebhooks`.

| request | does |
|---|---|
| `GET /api/me`, `/api/stages`, `/api/fields` | who asks; names and ids of stages (ids are numbers); names of fields |
| `GET /api/contacts?email=\\|phone=\\|name=` | contacts with the ids of their deals |
| `POST /api/contacts` | `{name, email, phone, deals}` |
| `GET /api/deals?name=\\|email=\\|phone=` | deals of that name, or of contacts with that name, address or number |
| `POST /api/deals` | `{id, name, stage, fields}` |
| `GET`, `PATCH /api/deals/ID` | `{id, name, stage, fields}`; `stage` and any of `fields` are set |
| `GET`, `POST /api/deals/ID/notes` | `{id, text}`; of a list `?containing=` leaves those with such a text |
| `GET`, `POST /api/deals/ID/tasks` | `{id, title, text, due, owner}`; the same |
| `DELETE /api/notes/ID`, `/api/tasks/ID` | 204, or 404 |

Faults are rules, the first that fits and whose turn it is: `PUT /control/faults {"seed": 7, "rules": [{"match": "^POST /api/",
"fault": "cut", "times": 3, "chance": 0.5, "skip": 0}]}`. `match` is a pattern for "METHOD /path"; with `"once": true` what had a
fault before (the same webhook-id, or the same request to the CRM) has no other.

| fault | does |
|---|---|
| `status` | answers `status` with `headers` and `body` (500, 302 with `location`, 410 …), without effect |
| `throttle` | 429 with Retry-After of `seconds`, as a number or with `"form": "date"` as a date |
| `hang` | says nothing for `seconds`, then closes; `"effect": true`: after the effect |
| `cut` | has the effect, then closes without an answer, or after the first `bytes` of it |
| `reset` | closes with RST; `"effect": true`: after the effect |
| `drip` | has the effect and answers a byte every `seconds` |
| `malformed` | has the effect and answers 200 with half a JSON text |
| `ignore` | has the effect without `field` (`stage`, or the name of a field), and answers success |
| `slow` | waits `seconds` between the effect and its answer |

`GET /control/faults` tells how often each rule came; `GET /control/ledger?after=SEQ` what was stored; `PUT /control/hooks
{"NAME": ["whsec_…"]}` names the secrets of webhooks; `GET /control/busiest?seconds=1` the most requests in any such window, by client.
"""

import argparse
import asyncio
import base64
import collections
import concurrent.futures
import dataclasses
import email.utils
import json
import pathlib
import queue
import random
import re
import socket
import sqlite3
import struct
import sys
import tempfile
import threading
import time
import urllib.parse

import service as dealstage

TOKEN = "ledger"
STAGES = {"new": 1, "problem": 2, "power": 3, "vision": 4, "value": 5, "control": 6, "signing": 7, "won": 8, "lost": 9, "paused": 10}
FIELDS = ["budget", "timeline", "decider", "competitor", "team_size", "problem"]

SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists ledger (
    seq integer primary key autoincrement,
    at real not null,
    client text not null,
    method text not null,
    path text not null,
    headers text not null,
    body blob not null,
    fault text,
    status integer,
    effect text
);
create trigger if not exists only_added before update on ledger begin select raise(abort, 'the ledger is only added to'); end;
create trigger if not exists not_removed before delete on ledger begin select raise(abort, 'the ledger is only added to'); end;
create table if not exists deals (id text primary key, name text not null, stage integer, fields text not null);
create table if not exists contacts (id integer primary key, name text, email text, phone text);
create table if not exists contact_deals (contact integer not null, deal text not null);
create table if not exists entries (id integer primary key autoincrement, kind text not null, deal text not null, body text not null);
"""


@dataclasses.dataclass
class Request:
    at: float
    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    client: str

    def json(self):
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Refused(400, f"not JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refused(400, "a JSON object is needed")
        return value


@dataclasses.dataclass
class Answer:
    status: int
    body: object = None
    effect: object = None
    headers: dict = dataclasses.field(default_factory=dict)

    def bytes(self, version="HTTP/1.1"):
        content = b""
        headers = dict(self.headers)
        if isinstance(self.body, bytes):
            content = self.body
        elif self.body is not None:
            content = json.dumps(self.body, ensure_ascii=False).encode()
            headers.setdefault("content-type", "application/json")
        if self.status != 204:
            headers["content-length"] = str(len(content))
        lines = [f"{version} {self.status} {self.status}"] + [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.answer = Answer(status, {"error": message})


class Ledger(threading.Thread):
    """The one that writes. Requests that wait while a transaction is flushed to the disk share the next one."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.queue = path, queue.SimpleQueue()

    def run(self):
        database = sqlite3.connect(self.path, isolation_level=None)
        database.row_factory = sqlite3.Row
        database.executescript(SCHEMA)
        while True:
            batch = [self.queue.get()]
            while len(batch) < 500 and not self.queue.empty():
                batch.append(self.queue.get())
            done = []
            database.execute("begin immediate")
            for job, future in batch:
                if job is None:
                    continue
                try:
                    done.append((future, job(database), None))
                except Exception as error:  # goes to whoever asked
                    done.append((future, None, error))
            database.execute("commit")
            for future, result, error in done:
                future.set_exception(error) if error else future.set_result(result)
            if any(job is None for job, _ in batch):
                database.close()
                return

    def do(self, job):
        """A future of `job(database)`, done once that is on the disk."""
        future = concurrent.futures.Future()
        self.queue.put((job, future))
        return future

    def stop(self):
        self.queue.put((None, None))
        self.join()


class Faults:
    """Rules, and whose turn it is. The same seed gives the same faults to the same sequence of requests."""

    def __init__(self, rules=(), seed=0):
        self.rules = [{**rule, "fits": re.compile(rule["match"]), "seen": 0, "came": 0} for rule in rules]
        self.choose, self.hit = random.Random(seed), set()
        unknown = {rule["fault"] for rule in self.rules} - {
            "status", "throttle", "hang", "cut", "reset", "drip", "malformed", "ignore", "slow",
        }  # fmt: skip
        if unknown:
            raise Refused(422, f"there is no such fault: {', '.join(sorted(unknown))}")

    def pick(self, request):
        key = request.headers.get("webhook-id") or (request.method, request.path, request.body)
        for rule in self.rules:
            if not rule["fits"].search(f"{request.method} {request.path}") or (rule.get("once") and key in self.hit):
                continue
            rule["seen"] += 1
            if rule["seen"] <= rule.get("skip", 0) or rule["came"] >= rule.get("times", float("inf")):
                continue
            if self.choose.random() < rule.get("chance", 1):
                rule["came"] += 1
                self.hit.add(key)
                return rule
        return None

    def came(self, fault=None):
        return sum(rule["came"] for rule in self.rules if fault in (None, rule["fault"]))


def has_effect(fault):
    if fault is None:
        return True
    return fault.get("effect", fault["fault"] in ("cut", "drip", "malformed", "ignore", "slow"))


def instead(fault, answer):
    """The answer that a fault gives, where it gives one."""
    match fault["fault"]:
        case "status":
            return Answer(fault["status"], fault.get("body"), None, fault.get("headers", {}))
        case "throttle":
            after = fault.get("seconds", 1)
            if fault.get("form") == "date":
                # A date has whole seconds: the next one, so that who obeys is never too early.
                after = email.utils.formatdate(int(time.time() + after) + 1, usegmt=True)
            return Answer(429, {"error": "too many requests"}, None, {"retry-after": after})
        case "malformed":
            return Answer(200, b'{"id": "', answer.effect, {"content-type": "application/json"})
        case _:
            return answer


def most_in_window(times, seconds):
    """The most of the times that lie in any window of so many seconds: [t, t + seconds)."""
    times, first, most = sorted(times), 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


class Receiver:
    """The server, in a thread of its own. `crm()` answers what is not a webhook: subclasses play other CRMs."""

    def __init__(self, folder, port=0, host="127.0.0.1"):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "ledger.db"
        self.ledger = Ledger(self.path)
        self.faults, self.secrets, self.arrivals = Faults(), {}, collections.defaultdict(list)
        self.arrived = threading.Condition()
        self.count = 0
        self.host, self.port = host, port

    def start(self):
        self.ledger.start()
        listening = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(listening)), daemon=True)
        self.thread.start()
        if not listening.wait(10):
            raise dealstage.Broken("the receiver does not listen")
        return self

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join()
        self.ledger.stop()

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    async def serve(self, listening):
        self.loop, self.stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self.connection, self.host, self.port, backlog=1024, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        await self.stopped.wait()
        server.close()

    async def connection(self, reader, writer):
        try:
            while await self.exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def exchange(self, reader, writer):
        """One request and its answer; false: the connection is over."""
        request = await read(reader)
        if request is None:
            return False
        if request.path.startswith("/control/"):
            answer = await self.control(request)
            writer.write(answer.bytes())
            await writer.drain()
            return True
        fault = self.faults.pick(request)
        answer = await asyncio.wrap_future(self.ledger.do(lambda database: self.store(database, request, fault)))
        self.arrivals[request.client].append(request.at)
        with self.arrived:
            self.count += 1
            self.arrived.notify_all()
        return await give(writer, answer, fault)

    def store(self, database, request, fault):
        answer = Answer(0)
        if has_effect(fault):
            try:
                answer = self.answer(database, request, fault)
            except Refused as refused:
                answer = refused.answer
        if fault:
            answer = instead(fault, answer)
        effect = None if answer.effect is None else json.dumps(answer.effect, ensure_ascii=False)
        whole = request.path + ("?" + urllib.parse.urlencode(request.query) if request.query else "")
        row = (request.at, request.client, request.method, whole, json.dumps(request.headers), request.body)
        database.execute(
            "insert into ledger (at, client, method, path, headers, body, fault, status, effect) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, fault and fault["fault"], answer.status, effect),
        )
        return answer

    def answer(self, database, request, fault):
        if request.path.startswith("/hooks/"):
            return self.hook(request)
        return self.crm(database, request, fault)

    def hook(self, request):
        name = request.path.removeprefix("/hooks/")
        effect = {"hook": name, "id": request.headers.get("webhook-id")}
        if name in self.secrets:
            effect["wrong"] = verify(request, self.secrets[name])
        return Answer(200, {}, effect)

    def crm(self, database, request, fault):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "the token is not known")
        parts = [urllib.parse.unquote(part) for part in request.path.split("/")[1:]]
        ignored = fault.get("field") if fault and fault["fault"] == "ignore" else None
        match request.method, parts:
            case "GET", ["api", "me"]:
                return Answer(200, {"name": "ledger CRM"})
            case "GET", ["api", "stages"]:
                return Answer(200, {"items": [{"id": number, "title": name} for name, number in STAGES.items()]})
            case "GET", ["api", "fields"]:
                return Answer(200, {"items": [{"name": name} for name in FIELDS]})
            case "GET", ["api", "contacts"]:
                return Answer(200, {"items": contacts(database, request.query)})
            case "POST", ["api", "contacts"]:
                return add_contact(database, request.json())
            case "GET", ["api", "deals"]:
                return Answer(200, {"items": deals(database, request.query)})
            case "POST", ["api", "deals"]:
                return add_deal(database, request.json())
            case "GET", ["api", "deals", id]:
                return Answer(200, deal(database, id))
            case "PATCH", ["api", "deals", id]:
                return change_deal(database, deal(database, id), request.json(), ignored)
            case "GET", ["api", "deals", id, "notes" | "tasks" as kind]:
                deal(database, id)
                return Answer(200, {"items": entries(database, id, kind, request.query.get("containing", ""))})
            case "POST", ["api", "deals", id, "notes" | "tasks" as kind]:
                return add_entry(database, deal(database, id), kind, request.json(), ignored)
            case "DELETE", ["api", "notes" | "tasks" as kind, id]:
                gone = database.execute("delete from entries where id = ? and kind = ?", (id, kind)).rowcount
                return Answer(204, None, {"deleted": kind, "id": id}) if gone else Answer(404, {"error": "there is none"})
        raise Refused(404, "there is no such route")

    async def control(self, request):
        try:
            match request.method, request.path.removeprefix("/control/"):
                case "GET", "faults":
                    rules = [{name: value for name, value in rule.items() if name != "fits"} for rule in self.faults.rules]
                    return Answer(200, {"rules": rules})
                case "PUT", "faults":
                    said = request.json()
                    self.faults = Faults(said.get("rules", []), said.get("seed", 0))
                    return Answer(200, {})
                case "PUT", "hooks":
                    self.secrets = request.json()
                    return Answer(200, {})
                case "GET", "ledger":
                    rows = await asyncio.wrap_future(self.ledger.do(lambda db: rows_after(db, int(request.query.get("after", 0)))))
                    return Answer(200, {"items": rows})
                case "GET", "busiest":
                    seconds = float(request.query.get("seconds", 1))
                    return Answer(200, {client: most_in_window(at, seconds) for client, at in self.arrivals.items()})
        except Refused as refused:
            return refused.answer
        return Answer(404, {"error": "there is no such route"})

    def wait_for(self, requests, within):
        """Until so many requests have come since the start; false: they did not."""
        with self.arrived:
            return self.arrived.wait_for(lambda: self.count >= requests, within)

    def rows(self, after=0):
        """What is in the ledger, read from its file."""
        return self.ledger.do(lambda database: rows_after(database, after)).result()

    def query(self, statement, *values):
        return self.ledger.do(lambda database: [dict(row) for row in database.execute(statement, values)]).result()


async def read(reader):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    at = time.time()
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    target = urllib.parse.urlsplit(target)
    query = dict(urllib.parse.parse_qsl(target.query, keep_blank_values=True))
    client = headers.get("authorization", "").removeprefix("Bearer ") or target.path
    return Request(at, method, target.path, query, headers, body, client)


async def give(writer, answer, fault):
    kind, seconds = (fault["fault"], fault.get("seconds", 0)) if fault else (None, 0)
    if kind == "hang":
        await asyncio.sleep(seconds)
        return False
    if kind == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    content = answer.bytes()
    if kind == "cut":
        writer.write(content[: fault.get("bytes", 0)])
        await writer.drain()
        return False
    if kind == "slow":
        await asyncio.sleep(seconds)
    if kind == "drip":
        for at in range(len(content)):
            writer.write(content[at : at + 1])
            await writer.drain()
            await asyncio.sleep(seconds)
        return True
    writer.write(content)
    await writer.drain()
    return True


def verify(request, secrets):
    """What is wrong with a webhook; None: it is signed with one of the secrets."""
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

    why = "there is no secret"
    for secret in secrets:
        try:
            Webhook(secret).verify(request.body, request.headers)
            return None
        except WebhookVerificationError as wrong:
            why = str(wrong)
    return why


def rows_after(database, seq):
    rows = []
    for row in database.execute("select * from ledger where seq > ? order by seq", (seq,)):
        body = row["body"]
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = "base64:" + base64.b64encode(body).decode()
        effect = json.loads(row["effect"]) if row["effect"] else None
        rows.append({**dict(row), "headers": json.loads(row["headers"]), "body": text, "effect": effect})
    return rows


def deal(database, id):
    row = database.execute("select * from deals where id = ?", (id,)).fetchone()
    if row is None:
        raise Refused(404, f"there is no deal {id}")
    return {"id": row["id"], "name": row["name"], "stage": row["stage"], "fields": json.loads(row["fields"])}


def deals(database, query):
    named = database.execute("select id from deals where name = ? collate nocase", (query.get("name"),)).fetchall()
    ids = [row["id"] for row in named] + [id for contact in contacts(database, query) for id in contact["deals"]]
    return [deal(database, id) for id in dict.fromkeys(ids)]


def contacts(database, query):
    """By e-mail address and name without regard to case, by the last ten digits of a phone number: with or without its country."""
    found = []
    for row in database.execute("select * from contacts order by id"):
        same = {
            "email": lambda asked: (row["email"] or "").lower() == asked.lower(),
            "phone": lambda asked: digits(row["phone"] or "")[-10:] == digits(asked)[-10:],
            "name": lambda asked: (row["name"] or "").lower() == asked.lower(),
        }
        if query and all(name in same and same[name](asked) for name, asked in query.items()):
            deals = database.execute("select deal from contact_deals where contact = ?", (row["id"],))
            found.append({**dict(row), "deals": [one["deal"] for one in deals]})
    return found


def digits(text):
    return re.sub(r"\D", "", text)


def add_contact(database, said):
    row = (said.get("name"), said.get("email"), said.get("phone"))
    id = database.execute("insert into contacts (name, email, phone) values (?, ?, ?)", row).lastrowid
    for one in said.get("deals", []):
        database.execute("insert into contact_deals values (?, ?)", (id, one))
    return Answer(201, {"id": id}, {"contact": id})


def add_deal(database, said):
    fields = {**dict.fromkeys(FIELDS), **said.get("fields", {})}
    id = str(said.get("id") or f"D-{database.execute('select count(*) from deals').fetchone()[0] + 1}")
    row = (id, said.get("name", id), said.get("stage"), json.dumps(fields, ensure_ascii=False))
    try:
        database.execute("insert into deals values (?, ?, ?, ?)", row)
    except sqlite3.IntegrityError:
        raise Refused(409, f"there is a deal {id}") from None
    return Answer(201, deal(database, id), {"made": id})


def change_deal(database, before, said, ignored):
    """Sets what is said; each is an effect, also where nothing is changed by it."""
    fields = said.get("fields", {})
    if unknown := (set(said) - {"stage", "fields"}) | (set(fields) - set(before["fields"])):
        raise Refused(422, f"there is no {', '.join(sorted(unknown))}")
    if "stage" in said and said["stage"] not in STAGES.values():
        raise Refused(422, f"there is no stage {said['stage']!r}")
    effect = {"deal": before["id"], "fields": {name: [before["fields"][name], to] for name, to in fields.items() if name != ignored}}
    stage = before["stage"]
    if "stage" in said and ignored != "stage":
        effect["stage"] = [stage, said["stage"]]
        stage = said["stage"]
    after = {**before["fields"], **{name: to for name, to in fields.items() if name != ignored}}
    row = (stage, json.dumps(after, ensure_ascii=False), before["id"])
    database.execute("update deals set stage = ?, fields = ? where id = ?", row)
    return Answer(200, deal(database, before["id"]), effect)


def entries(database, of, kind, containing):
    rows = database.execute("select id, body from entries where deal = ? and kind = ? order by id", (of, kind))
    items = [{"id": row["id"], **json.loads(row["body"])} for row in rows]
    return [item for item in items if containing in str(item.get("text"))]


def add_entry(database, of, kind, said, ignored):
    body = {name: value for name, value in said.items() if name != ignored}
    row = (kind, of["id"], json.dumps(body, ensure_ascii=False))
    id = database.execute("insert into entries (kind, deal, body) values (?, ?, ?)", row).lastrowid
    return Answer(201, {"id": id, **body}, {"deal": of["id"], kind: id, **body})


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--folder", type=pathlib.Path, help="of the ledger; without it a new one, which stays")
    options = parser.parse_args()
    dealstage.packages("standardwebhooks==1.1.0")
    folder = options.folder or tempfile.mkdtemp(prefix="dealstage-ledger-", dir="/var/tmp")
    receiver = Receiver(folder, options.port, options.host).start()
    print(receiver.url, flush=True)
    print(f"ledger: {receiver.path}", file=sys.stderr, flush=True)
    try:
        receiver.thread.join()
    except KeyboardInterrupt:
        receiver.stop()


if __name__ == "__main__":
    dealstage.main(run)
