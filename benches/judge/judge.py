#!/usr/bin/env -S python3 -B
"""What we send to a CRM, judged by those who know it: its vendor's own client, or one in wide use, and its OpenAPI documents.

    benches/judge/judge.py --binary target/release/dealstage                      by the clients, which are packages
    benches/judge/judge.py … --documents FOLDER                                   by the documents too

The requests are those that `dealstage crm try` really sends: it finds deals in every way, reads them, writes stage, fields, note and
task and deletes these again, against the vendor as played in benches/vendors.py. Requests that differ only in their ids and texts are judged once.

A client is called with what our request holds, and must send the same: method, path, query and body, name by name and type by
type. What it has no call for is listed as not judged. The documents are served by Prism, which checks each request against them; they
are not part of this repository. FOLDER holds, as far as there, `hubspot-*.json` (HubSpot's public API spec collection, version
2026-09) and `pipedrive-v1.yml`, `pipedrive-v2.yml`.

Ends with 1 where a judge says that something is wrong.
"""

import argparse
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import service as dealstage
import vendors
from service import Broken

PRISM = "@stoplight/prism-cli@5.16.0"

# Every way to name a deal; none tests the connection.
WAYS = [["--deal", "1000"], ["--email", "buyer1001@firm.example"], ["--phone", "+12025551002"], ["--name", "Firm 1003"], []]


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=list(vendors.ALL))
    parser.add_argument("--documents", type=pathlib.Path)
    options = parser.parse_args()
    folder, wrong = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-judge-", dir="/var/tmp")), []
    for name, kind in vendors.ALL.items():
        if options.only in (None, name):
            requests = really_sent(options, kind, folder / name)
            wrong += told(name, requests, by_client(name, requests))
            if options.documents and (documents := sorted(options.documents.glob(f"{name}-*"))):
                wrong += told(name, requests, by_documents(documents, requests))
    shutil.rmtree(folder)
    if wrong:
        raise Broken(f"{len(wrong)} requests are not as a judge wants them")


def really_sent(options, kind, folder):
    """The different requests of `dealstage crm try` against the vendor as played."""
    vendor = kind(folder).start()
    settings = folder / "settings.json"
    settings.write_text(json.dumps(vendor.settings()))
    try:
        for way in WAYS:
            command = [options.binary, "crm", "try", vendor.name, "--settings", settings, "--allow-private", "127.0.0.0/8"]
            done = subprocess.run([*command, *way, *writes(vendor, way)], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Broken(f"dealstage crm try {vendor.name} {' '.join(way)} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
        rows = vendor.rows()
    finally:
        vendor.stop()
    requests = {}
    for row in rows:
        path, _, query = row["path"].partition("?")
        request = {
            "method": row["method"],
            "path": urllib.parse.unquote(path),
            "query": urllib.parse.parse_qsl(query, keep_blank_values=True),
            "body": content(row["body"]),
            "headers": row["headers"],
        }
        requests.setdefault(form(request), request)
    return list(requests.values())


def writes(vendor, way):
    """Everything once; a second stage closes the deal, which is another request with some."""
    if not way:
        return []
    if way[0] == "--name":
        return ["--stage", vendor.stages["lost"]]
    if way[0] != "--deal":
        return []
    number, text = (crm for crm, _ in vendor.fields.values())
    fields = ["--field", f"{number}=640", "--field", f"{text}=Каждая вторая заявка теряется"]
    return ["--stage", vendor.stages["value"], *fields, "--note", "Звонок: <b>demo</b> & next steps", "--task", "Send the offer", "--remove"]


def content(text):
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def form(request):
    """What makes a request another kind of request: not its ids and texts."""
    path = re.sub(r"(?<=/)[^/]*\d[^/]*(?=/|$)", "#", request["path"].removeprefix("/api/v4").removeprefix("/api/v2"))
    return request["method"], path, tuple(sorted(name for name, _ in request["query"])), names(request["body"])


def names(value):
    if isinstance(value, dict):
        return tuple(sorted((name, names(part)) for name, part in value.items()))
    return tuple(map(names, value)) if isinstance(value, list) else type(value).__name__


def by_client(name, requests):
    program = HERE / f"{name}.py"
    if not program.is_file():
        return [None] * len(requests)
    command = [sys.executable, "-B", str(program)]
    done = subprocess.run(command, input=json.dumps(requests), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"the judge of {name} ends with {done.returncode}")
    return json.loads(done.stdout)


def by_documents(documents, requests):
    """The verdict of the first document that has the path."""
    verdicts = [None] * len(requests)
    for document in documents:
        with prism(document) as port:
            for at, request in enumerate(requests):
                verdicts[at] = verdicts[at] or checked(port, document, request)
    return verdicts


@contextlib.contextmanager
def prism(document):
    port = dealstage.free_port()
    packages = dealstage.node_packages(PRISM)
    command = [str(packages / "node_modules/.bin/prism"), "mock", "--errors", "--port", str(port), str(document)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise Broken(f"Prism does not start with {document}") from None
                time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait()


def checked(port, document, request):
    path = re.sub(r"^/(api/)?v[12](?=/)", "", request["path"])
    version = re.search(r"-(v[12])\.", document.name)
    if version and f"/{version[1]}/" not in request["path"]:
        return None
    query = urllib.parse.urlencode(request["query"])
    body = None if request["body"] is None else json.dumps(request["body"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {name: value for name, value in request["headers"].items() if name not in ("host", "content-length", "accept-encoding")}
    connection.request(request["method"], urllib.parse.quote(path) + (f"?{query}" if query else ""), body, headers)
    answer = connection.getresponse()
    said = content(answer.read().decode())
    # What it makes up as an answer is judged there too, and not ours.
    violations = json.loads(answer.headers.get("sl-violations", "[]"))
    connection.close()
    by = f"Prism, {document.name}"
    problem = said.get("type", "").rpartition("#")[2] if isinstance(said, dict) and "stoplight.io/prism" in said.get("type", "") else ""
    if problem in ("NO_PATH_MATCHED_ERROR", "NO_SERVER_MATCHED_ERROR"):
        return None
    if problem == "UNPROCESSABLE_ENTITY":
        violations += said.get("validation", [])
    ours = [one for one in violations if one["location"][0] in ("request", "body", "query", "path", "header")]
    wrong = [f"{'.'.join(map(str, one['location']))}: {one['message']}" for one in ours]
    if problem not in ("", "VIOLATIONS", "NO_RESPONSE_DEFINED", "UNKNOWN") and not wrong:
        wrong = [f"{problem}: {said.get('title')}"]
    return {"by": by, "wrong": wrong}


def told(name, requests, verdicts):
    """Prints what was judged by what; what is wrong."""
    judged = [(request, verdict) for request, verdict in zip(requests, verdicts, strict=True) if verdict]
    wrong = [(request, verdict) for request, verdict in judged if verdict["wrong"]]
    left = [request for request, verdict in zip(requests, verdicts, strict=True) if not verdict]
    by = sorted({verdict["by"].split(" ")[0].rstrip(",") for _, verdict in judged if verdict["by"]})
    print(f"{name}: {len(judged)} of {len(requests)} kinds of request judged by {', '.join(by) or 'nobody'}, {len(wrong)} wrong", flush=True)
    for request, verdict in wrong:
        print(f"  WRONG {request['method']} {request['path']} ({verdict['by']}):")
        for one in verdict["wrong"]:
            print(f"    {one}")
    for request in left:
        print(f"  not judged: {request['method']} {request['path']}")
    return wrong


if __name__ == "__main__":
    dealstage.main(run)
