#!/usr/bin/env -S python3 -B
"""Never a request more than a CRM allows, and what it says of its limits is waited out.

    benches/rates.py --binary target/release/dealstage                         all CRMs, 250 changes each
    benches/rates.py … --only bitrix24 --changes 5000                          the long run

Plays the CRMs (benches/vendors.py) with the limits they publish: it counts every request, and refuses what is over as they do. A
call of one deal is uploaded, so that the service makes its own change-set of it; that change-set is then copied in the database, while the service is down,
for as many other deals as make up the changes, all approved. So the writing is the service's own; only the analyses are
saved.

Ends with 1 where a request was over a limit, a change was not applied, or (second part) an answer that says "too many" was not waited out.
"""

import argparse
import collections
import json
import pathlib
import secrets
import shutil
import sqlite3
import tempfile
import time

import service as dealstage
import vendors
from deliver import STAGES, process, proposals, what_is_left
from service import Broken, Service

# Of its change-set everything is there: stage, fields, note and tasks.
CALL = dealstage.ROOT / "fixtures/calls/en-b01.json"


def run():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-rates-", dir="/var/tmp"))
    try:
        for name in vendors.LIMITED:
            if options.only in (None, name):
                one(options, name, vendors.ALL[name], folder / name)
    except Broken:
        print(f"left for you: {folder}")
        raise
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=vendors.LIMITED)
    parser.add_argument("--changes", type=int, default=250)
    parser.add_argument("--call", type=pathlib.Path, default=CALL)
    parser.add_argument("--within", type=float, default=3600)
    return parser.parse_args()


def one(options, name, kind, folder):
    vendor = kind(folder / "crm").start()
    server = Service(options.binary, environment(options, folder))
    server.start()
    try:
        first = first_changes(options, server, vendor)
        server.stop()
        added = copy(folder / "data/dealstage.db", options.changes)
        vendor.script()
        began = time.monotonic()
        server.start()
        wait(server, options.within)
        took = time.monotonic() - began
        check(server, vendor, first + added)
    finally:
        if server.process.poll() is None:
            server.kill()
        vendor.stop()
    told = ", ".join(f"{came} {what}" for what, came in vendor.scripted().items()) or "none"
    print(
        f"{name}: {added} changes, {vendor.count} requests in {took:.0f} s, 0 over ({vendor.limits()}; most: {vendor.most()}); waited out: {told}",
        flush=True,
    )


def environment(options, folder):
    own = {"DEALSTAGE_ALLOW_PRIVATE": "127.0.0.0/8", "DEALSTAGE_PROCESS": str(process(options.binary, folder))}
    return {**dealstage.storage("sqlite", folder / "data"), **own}


def first_changes(options, server, vendor):
    """The change-set that the service makes of a call, approved and applied; how many changes it has."""
    said = {"crm": vendor.name, "settings": {**vendor.settings(), **vendor.maps(STAGES)}}
    status, _, body = server.request("POST", "/v1/endpoints", json.dumps(said), {"Content-Type": "application/json"})
    if status != 201:
        raise Broken(f"POST /v1/endpoints answers {status}: {body[:600]!r}")
    call = {**json.loads(options.call.read_text()), "meta": {"deal": {"crm_id": vendors.deal(0), "name": "Firm"}}}
    status, _, body = server.request("POST", "/v1/calls", json.dumps(call), {"Content-Type": "application/json"})
    if status != 202:
        raise Broken(f"POST /v1/calls answers {status}: {body[:300]!r}")
    dealstage.check_none_failed(dealstage.wait_until_terminal(server, [json.loads(body)["id"]], 120))
    end = time.monotonic() + 60
    while not (made := proposals(server)):
        if time.monotonic() > end:
            raise Broken(f"{vendor.name}: no proposal after a minute: {what_is_left(server)}")
        time.sleep(0.2)
    server.request("POST", f"/v1/proposals/{made[0]['id']}/approve", "{}", {"Content-Type": "application/json"})
    wait(server, 300)
    check(server, vendor, len(made[0]["changes"]))
    return len(made[0]["changes"])


def wait(server, within):
    end = time.monotonic() + within
    while left := what_is_left(server):
        if time.monotonic() > end:
            raise Broken(f"not done after {within} s: {left}")
        time.sleep(0.5)


def copy(path, count):
    """Copies the change-set for other deals until there are so many changes more; how many there are."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        proposal = dict(database.execute("select * from proposals").fetchone())
        changes = [dict(row) for row in database.execute("select * from changes order by position")]
        added = number = 0
        while added < count:
            number += 1
            own = {**proposal, "id": other(proposal["id"]), "crm_deal": vendors.deal(number), "delivery": other(proposal["delivery"])}
            add(database, "proposals", own)
            for change in changes:
                fresh = {"state": "approved", "attempt": 0, "tries": 0, "next_at": 0, "crm_id": None, "message": None}
                add(database, "changes", {**change, **fresh, "id": other(change["id"]), "proposal": own["id"]})
                added += 1
    return added


def other(id):
    """Another id of the same kind and length."""
    kind, _, rest = id.partition("_")
    return f"{kind}_{rest[: len(rest) // 2]}{secrets.token_hex(len(rest))[: len(rest) - len(rest) // 2]}"


def add(database, table, row):
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    database.execute(f"insert into {table} ({names}) values ({marks})", list(row.values()))


def check(server, vendor, count):
    states = collections.Counter(change["state"] for proposal in proposals(server) for change in proposal["changes"])
    if states != {"applied": count}:
        messages = {change.get("message") for proposal in proposals(server) for change in proposal["changes"]}
        raise Broken(f"{vendor.name}: {count} changes are {dict(states)}: {messages}")
    if vendor.over:
        raise Broken(f"{vendor.name}: {len(vendor.over)} requests over the limit ({vendor.limits()}), the first: {vendor.over[0]}")


if __name__ == "__main__":
    dealstage.main(run)
