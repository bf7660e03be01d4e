"""A running `dealstage serve` as seen from outside: starting, killing, uploading, reading. Used by the programs beside this file.

Knows the public contract, and of the database the table of jobs; not here: what any of the programs promises.
"""

import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADMIN_KEY = "dsk_" + secrets.token_hex(32)


class Broken(Exception):
    """A promise does not hold; the message says which."""


def main(run):
    """Runs the program and makes a broken promise its exit code. Asked to end, it ends its services first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run()
    except Broken as broken:
        print(f"BROKEN: {broken}", file=sys.stderr)
        sys.exit(1)


def packages(*wanted):
    """Makes PyPI packages importable, from a folder in `target/`; the first time it installs them."""
    folder = ROOT / "target/python" / "+".join(wanted)
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-conflicts", "--root-user-action=ignore"]
        subprocess.run([*pip, "--target", str(part), *wanted], check=True)
        try:
            part.rename(folder)
        except OSError:
            # Another program was quicker.
            shutil.rmtree(part)
    sys.path.insert(0, str(folder))
    return folder


def node_packages(*wanted):
    """The folder with npm packages, in `target/`; the first time it installs them."""
    folder = ROOT / "target/node" / "+".join(one.replace("/", "-") for one in wanted)
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        part.mkdir(parents=True)
        (part / "package.json").write_text("{}")
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(part)]
        subprocess.run([*npm, *wanted], check=True)
        try:
            part.rename(folder)
        except OSError:
            shutil.rmtree(part)
    return folder


def free_port(host="127.0.0.1"):
    with socket.create_server((host, 0)) as server:
        return server.getsockname()[1]


def storage(kind, folder):
    """The environment that puts the service on `sqlite` or on `postgres` (with the blobs in S3), empty."""
    if kind == "sqlite":
        return {"DEALSTAGE_DATA": str(folder)}
    name = "bench_" + secrets.token_hex(6)
    server = os.environ.get("TEST_DATABASE_URL")
    bucket = os.environ.get("TEST_BLOB_URL")
    if not server or not bucket:
        sys.exit("TEST_DATABASE_URL and TEST_BLOB_URL are not set: run this in .ci/with-servers")
    psql(server, f"create database {name}")
    return {
        "DEALSTAGE_DATA": str(folder),
        # Without a folder that all share, the key of what is encrypted must be told.
        "DEALSTAGE_SECRET_KEY": secrets.token_hex(32),
        "DEALSTAGE_DATABASE_URL": server.rsplit("/", 1)[0] + "/" + name,
        "DEALSTAGE_BLOB_URL": f"{bucket}/{name}",
    }


def psql(url, statement):
    done = subprocess.run(["psql", url, "-AtqXc", statement], capture_output=True, text=True)
    if done.returncode != 0:
        raise Broken(f"psql: {done.stderr.strip()}")
    return [line.split("|") for line in done.stdout.splitlines()]


class Service:
    """One process of the service; it can be killed and started again on the same port and data."""

    def __init__(self, binary, environment, role="all", host="127.0.0.1", inside=()):
        self.host, self.port = host, free_port(host) if host == "127.0.0.1" else 8787
        self.command = [*inside, str(binary), "serve", "--role", role, "--listen", f"{host}:{self.port}"]
        own = {"DEALSTAGE_ADMIN_KEY": ADMIN_KEY, "DEALSTAGE_METRICS_LISTEN": "off", "DEALSTAGE_RATE": "100000000"}
        self.environment = {**os.environ, **own, **environment}
        folder = pathlib.Path(environment["DEALSTAGE_DATA"])
        folder.mkdir(parents=True, exist_ok=True)
        self.log = (folder / "serve.log").open("ab")
        self.process = None

    def start(self, ready=True, more=None):
        """Starts the process, with more environment if wanted; seconds until /readyz answers 200."""
        begun = time.monotonic()
        environment = {**self.environment, **(more or {})}
        self.process = subprocess.Popen(
            self.command, env=environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        while ready:
            if self.process.poll() is not None:
                raise Broken(f"serve ended with {self.process.returncode}; its log: {self.log.name}")
            try:
                if self.request("GET", "/readyz", timeout=2)[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() - begun > 60:
                raise Broken(f"serve is not ready after a minute; its log: {self.log.name}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def kill(self):
        """SIGKILL to the process and all its children: nothing gets to clean up."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def jobs(self):
        """How many jobs are in which state, as the database has it."""
        query = "select state, count(*) from jobs group by state"
        url = self.environment.get("DEALSTAGE_DATABASE_URL")
        if url:
            return {state: int(count) for state, count in psql(url, query)}
        path = pathlib.Path(self.environment["DEALSTAGE_DATA"]) / "dealstage.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return dict(database.execute(query).fetchall())

    def stop(self, within=30):
        """SIGTERM, as an operator does it."""
        self.process.terminate()
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken(f"serve did not stop within {within} s of SIGTERM; its log: {self.log.name}") from None
        if code not in (0, -signal.SIGTERM):
            raise Broken(f"serve ended with {code} after SIGTERM; its log: {self.log.name}")

    def request(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, body) of one request on a connection of its own; OSError where the connection broke."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {ADMIN_KEY}", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except http.client.HTTPException as cut:
            raise ConnectionError(f"answer cut short: {cut!r}") from cut
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.request("GET", path)
        if status != 200:
            raise Broken(f"GET {path} answers {status}: {body[:300]!r}")
        return json.loads(body)

    def pages(self, path):
        """All items of a list, over its pages."""
        cursor, items = None, []
        while True:
            query = ("&" if "?" in path else "?") + "limit=100" + (f"&cursor={cursor}" if cursor else "")
            page = self.get(path + query)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def events(self, quiet=1.5):
        """All stored events, as (seq, type, data); reads the stream until it is quiet for so many seconds."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=quiet)
        connection.request("GET", "/v1/events?after=0", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise Broken(f"GET /v1/events answers {answer.status}")
        events, fields, last = [], {}, time.monotonic()
        try:
            while line := answer.readline():
                line = line.decode().rstrip("\r\n")
                if line.startswith(":"):
                    if time.monotonic() - last > quiet:
                        break
                    continue
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif fields:
                    events.append((int(fields.get("id", 0)), fields.get("event"), json.loads(fields.get("data", "null"))))
                    fields = {}
                last = time.monotonic()
        except TimeoutError:
            pass
        finally:
            connection.close()
        return events


class Upload:
    """One call to send: bytes, how they are sent, and what became of it."""

    def __init__(self, path, key):
        self.path, self.key, self.bytes = path, key, path.read_bytes()
        self.is_recording = path.suffix != ".json"
        self.id, self.attempts = None, 0
        if self.is_recording:
            self.kind, self.body = multipart(path.name, self.bytes)
        else:
            self.kind, self.body = "application/json", self.bytes

    def send(self, service):
        """One try. True when the service has answered 2xx; a broken connection or a 503 is worth another try."""
        self.attempts += 1
        try:
            status, _, body = service.request(
                "POST", "/v1/calls", self.body, {"Content-Type": self.kind, "Idempotency-Key": self.key}
            )
        except OSError:
            return False
        # 409: the try that the kill cut is still being worked off; 429, 503: come again later.
        if status in (409, 429, 503):
            return False
        if status != 202:
            raise Broken(f"POST /v1/calls of {self.path.name} answers {status}: {body[:300]!r}")
        answered = json.loads(body)["id"]
        if self.id not in (None, answered):
            raise Broken(f"one idempotency key, two calls: {self.id} and {answered}")
        self.id = answered
        return True

    def send_until_answered(self, service):
        try:
            while not self.send(service):
                time.sleep(0.05)
        except Broken as broken:
            # The upload stays without an id, which the check reports; this line says why.
            print(f"upload {self.path.name}: {broken}", flush=True)


def multipart(name, data):
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"multipart/form-data; boundary={mark}", head.encode() + data + f"\r\n--{mark}--\r\n".encode()


def transcripts(count, choose):
    """Call files of the fixtures, by a random source; more than there are come round again."""
    files = sorted((ROOT / "fixtures/calls").glob("*.json"))
    picked = choose.sample(files, min(count, len(files)))
    return [picked[at % len(picked)] for at in range(count)]


def recordings(count, choose):
    """Recordings of 9.6 s, in all formats."""
    files = sorted((ROOT / "fixtures/audio/formats").iterdir())
    return [choose.choice(files) for _ in range(count)]


def wait_until_terminal(service, ids, within):
    """Statuses of the calls once each is done or failed."""
    end = time.monotonic() + within
    waiting, ended = set(ids), {}
    while waiting:
        for call in sorted(waiting):
            shown = service.get(f"/v1/calls/{call}")
            if shown["status"] in ("done", "failed"):
                ended[call] = shown
        waiting -= ended.keys()
        if waiting and time.monotonic() > end:
            raise Broken(f"{len(waiting)} of {len(ids)} calls have not ended after {within} s: {sorted(waiting)[:3]}…")
        time.sleep(0.1)
    return ended


def check_none_failed(ended):
    failed = {call: shown.get("error") for call, shown in ended.items() if shown["status"] == "failed"}
    if failed:
        raise Broken(f"{len(failed)} calls failed: {failed}")


def check_all_there_once(service, uploads):
    """No call lost, none double, none failed; one job, analysis and `call.analyzed` each; recordings as they were sent."""
    ids = [upload.id for upload in uploads]
    if None in ids:
        raise Broken(f"{ids.count(None)} uploads never got an answer")
    if len(set(ids)) != len(ids):
        raise Broken("two uploads got one call")
    listed = [call["id"] for call in service.pages("/v1/calls")]
    if sorted(listed) != sorted(ids):
        raise Broken(f"{len(ids)} uploads, {len(listed)} calls: lost {set(ids) - set(listed)}, extra {set(listed) - set(ids)}")
    if (jobs := service.jobs()) != {"done": len(ids)}:
        raise Broken(f"{len(ids)} uploads, but jobs are {jobs}")
    for upload in uploads:
        analysis = service.get(f"/v1/calls/{upload.id}/analysis")
        if analysis["schema"] != "dealstage.analysis/v1" or not analysis["turns"]:
            raise Broken(f"call {upload.id} has no analysis")
        if upload.is_recording:
            status, _, body = service.request("GET", f"/v1/calls/{upload.id}/audio")
            if status != 200 or body != upload.bytes:
                raise Broken(f"the recording of {upload.id} is not what was sent ({status}, {len(body)} bytes)")
    count = {}
    for _, kind, event in service.events():
        if kind in ("call.analyzed", "call.failed"):
            call = event["data"]["call_id"]
            count[kind, call] = count.get((kind, call), 0) + 1
    wrong = {key: n for key, n in count.items() if n != 1 or key[0] == "call.failed"}
    if wrong or len(count) != len(ids):
        raise Broken(f"events: {len(count)} calls of {len(ids)} have one; wrong: {wrong}")
