"""What a vendor's own client sends for the same operation, and how that differs from what we send. Shared by the judges beside this file.

A judge is a program: requests of ours come in as JSON, a verdict for each goes out. `ask` calls the client with what our request
holds; what the client then sends is caught before it leaves and compared.
"""

import contextlib
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import service as dealstage


class Unknown(Exception):
    """The client has nothing for this request: it is not judged."""


class Wrong(Exception):
    """The client refuses what we send; the message says why."""


class Caught(http.server.ThreadingHTTPServer):
    """Takes requests of a client and answers all with `answer`."""

    daemon_threads = True

    def __init__(self, answer=b"{}"):
        self.requests, self.answer = [], answer
        super().__init__(("127.0.0.1", 0), Catch)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Catch(http.server.BaseHTTPRequestHandler):
    def do(self):
        length = int(self.headers.get("content-length") or 0)
        note(self.server.requests, self.command, self.path, self.rfile.read(length), dict(self.headers))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def log_message(self, *_):
        pass


def note(requests, method, url, body, headers):
    """Writes down a request in the form in which ours are compared."""
    parts = urllib.parse.urlsplit(url)
    query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    requests.append({
        "method": method,
        "path": urllib.parse.unquote(parts.path),
        "query": query,
        "body": content(body, headers),
        "headers": {name.lower(): value for name, value in headers.items()},
    })  # fmt: skip


def content(body, headers):
    if not body:
        return None
    if isinstance(body, bytes):
        body = body.decode()
    try:
        return json.loads(body)
    except ValueError:
        return body


@contextlib.contextmanager
def catching_requests():
    """Catches what the package `requests` would send, where a client leaves no other way."""
    import requests
    from requests.adapters import HTTPAdapter

    caught, before = [], HTTPAdapter.send

    def send(_, request, **__):
        note(caught, request.method, request.url, request.body, request.headers)
        answer = requests.Response()
        answer.status_code, answer.request, answer.url = 200, request, request.url
        answer._content, answer.headers["content-type"] = b'{"result": {}}', "application/json"
        return answer

    HTTPAdapter.send = send
    try:
        yield caught
    finally:
        HTTPAdapter.send = before


def differences(ours, theirs, same_path=lambda path: path):
    """What is another in the two requests, for people."""
    found = []
    for name, of in (("method", lambda one: one["method"]), ("path", lambda one: same_path(one["path"]))):
        if of(ours) != of(theirs):
            found.append(f"{name}: {of(ours)!r}, theirs {of(theirs)!r}")
    if (mine := query(ours)) != (other := query(theirs)):
        found.append(f"query: {mine}, theirs {other}")
    return found + different(ours["body"], theirs["body"], "body")


def query(request):
    """Lists may be written with commas or by repeating; order does not matter."""
    return sorted((name, part) for name, value in request["query"] for part in value.split(","))


def different(ours, theirs, where):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = sorted(ours.keys() | theirs.keys())
        return [one for name in names for one in different(ours.get(name), theirs.get(name), f"{where}.{name}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = zip(ours, theirs, strict=True)
        return [one for at, (mine, other) in enumerate(pairs) for one in different(mine, other, f"{where}[{at}]")]
    # 1 and "1" are not the same here, and neither are 1 and true.
    same = ours == theirs and type(ours) is type(theirs)
    return [] if same else [f"{where}: {ours!r}, theirs {theirs!r}"]


def judge(ask, same_path=lambda path: path, prepare=None):
    """Reads our requests, asks for each, and prints the verdicts: null, or what judged it and what is wrong."""
    requests, verdicts = json.load(sys.stdin), []
    if prepare:
        prepare(requests)
    for request in requests:
        try:
            by, theirs = ask(request)
            verdicts.append({"by": by, "wrong": differences(request, theirs, same_path)})
        except Unknown:
            verdicts.append(None)
        except Wrong as wrong:
            verdicts.append({"by": "", "wrong": [str(wrong)]})
    json.dump(verdicts, sys.stdout)


packages, node_packages = dealstage.packages, dealstage.node_packages
