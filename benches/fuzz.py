#!/usr/bin/env -S python3 -B
"""Schemathesis against /openapi.json of a running service: no generated request may be answered 5xx.

    benches/fuzz.py --binary target/release/dealstage [--store sqlite|postgres] [--seconds 300] [--checks all]

Everything else it finds (answers that the document does not describe, bad data taken) is printed and is for a person to judge;
only 5xx and a dead service fail the program, unless `--checks` asks for more.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import service as dealstage
from service import ADMIN_KEY, Broken, Service, Upload

VERSION = "4.32.5"


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--checks", default="not_a_server_error")
    options = parser.parse_args()
    packages = dealstage.packages(f"schemathesis=={VERSION}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-fuzz-", dir="/var/tmp"))
    server = Service(options.binary, dealstage.storage(options.store, folder))
    server.start()
    try:
        # One call that exists, so that not every generated id is unknown.
        upload = Upload(dealstage.ROOT / "fixtures/calls/en-b01.json", "fuzz")
        if not upload.send(server):
            raise Broken("the service takes no upload")
        dealstage.wait_until_terminal(server, [upload.id], 120)
        # Each operation by itself, then several in a row. Links are guessed from names, and a wrong guess about /v1/process, which
        # has no id, would end the second.
        code = fuzz(packages, server, options, 0.7, ["--phases", "examples,coverage,fuzzing"])
        code = fuzz(packages, server, options, 0.3, ["--phases", "stateful", "--exclude-path", "/v1/process"]) or code
        if server.process.poll() is not None:
            raise Broken(f"the service died with {server.process.returncode}; its log: {server.log.name}")
        server.get("/v1/calls")
    finally:
        if server.process.poll() is None:
            server.kill()
    if code != 0:
        raise Broken(f"schemathesis ends with {code}; the log of the service: {server.log.name}")
    shutil.rmtree(folder)


def fuzz(packages, server, options, share, more):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://{server.host}:{server.port}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {ADMIN_KEY}", "--checks", options.checks, "--continue-on-failure"]
    # The event stream never ends by itself, and a WebSocket is no request.
    command += ["--exclude-path-regex", "^/v1/(events|live)", "--request-timeout", "20"]
    command += ["--max-time", str(int(options.seconds * share)), *more]
    command += ["--suppress-health-check", "all", "--output-sanitize", "true"]
    hooks = f"{packages}:{dealstage.ROOT}/benches"
    environment = {**os.environ, "PYTHONPATH": hooks, "SCHEMATHESIS_HOOKS": "fuzz_hooks"}
    return subprocess.run(command, env=environment, cwd=tempfile.gettempdir(), check=False).returncode


if __name__ == "__main__":
    dealstage.main(run)
