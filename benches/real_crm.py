#!/usr/bin/env -S python3 -B
"""Whole changes in real CRMs that are none of those that come along, over connection files written from the README.

    benches/real_crm.py --binary target/release/dealstage --crm tryton        JSON-RPC, SQLite
    .ci/with-servers benches/real_crm.py … --crm bottlecrm                    REST, PostgreSQL

The CRM is installed from its packages into `target/`, the first time; it starts empty, and stages, fields, people and deals are made
through its own API, so that no id is known before. Then, in English and Russian: a call is uploaded, its deal is found by e-mail and by
telephone number, what the call says is approved, and stage, two fields, note and task are looked for by the CRM's API and in its
database. The same upload, approval and a restart double nothing. Undo brings the old values back; where somebody has changed one
meanwhile it is a conflict, and theirs stays. Ends with 1 and says what is broken.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import deliver
import service as dealstage
from service import Broken, Service, Upload

# A call of each language that says when they begin and what the trouble costs.
CALLS = {"en": "en-b06", "ru": "ru-b01"}
# Our names of the two fields, and what of their value a CRM gets.
FIELDS = {"timeline": "{{ value.date }}", "pain_impact": "{{ value.amount }}"}


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--crm", choices=CRMS, required=True)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-real-", dir="/var/tmp"))
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as ends:
            crm = CRMS[options.crm](folder / "crm")
            ends.callback(crm.stop)
            crm.start()
            print(f"{crm.title} {crm.version}: ready after {time.monotonic() - began:.0f} s", flush=True)
            server = Service(options.binary, {
                "DEALSTAGE_DATA": str(folder / "data"),
                "DEALSTAGE_PROCESS": str(deliver.process(options.binary, folder)),
                "DEALSTAGE_ALLOW_PRIVATE": "127.0.0.0/8",
            })  # fmt: skip
            server.start()
            ends.callback(server.kill)
            endpoint = connect(server, crm)
            for language, name in CALLS.items():
                one_language(server, crm, language, name)
            check_kept_secret(server, crm, endpoint)
    except Broken:
        print(f"left for you: {folder}")
        raise
    shutil.rmtree(folder)


def connect(server, crm):
    settings = {
        **crm.settings(), "stages": crm.stages(), "closed": crm.closed(), "note": True, "tasks": True,
        "fields": [{"ours": ours, "crm": crm.fields[ours], "value": value} for ours, value in FIELDS.items()],
        "policy": {"least_confidence": 0.0},
    }  # fmt: skip
    file = dealstage.ROOT / "fixtures/crm" / f"{crm.name}.toml"
    return post(server, "/v1/endpoints", {"crm_file": file.read_text(), "settings": settings}, 201)


def post(server, path, said, expected=200):
    status, _, body = server.request("POST", path, json.dumps(said), {"Content-Type": "application/json"})
    if status != expected:
        raise Broken(f"POST {path} answers {status}: {body[:600]!r}")
    return json.loads(body)


def one_language(server, crm, language, name):
    # One deal is told by an address in other capitals than the CRM's, the other by a number written in another way.
    person = {"name": {"en": "Anna Marsh", "ru": "Анна Маркова"}[language], "email": f"Anna.{language}@Example.COM", "phone": "+7 916 123-45-67"}
    keys = {"email": {"email": person["email"].lower()}, "phone": {"phone": "8 (916) 123-45-67"}}
    for at, (by, contact) in enumerate(keys.items()):
        unlike = {**person, "phone": f"+7 916 000-00-0{at}"} if by == "email" else {**person, "email": f"other.{language}@example.com"}
        deal = crm.add_deal({"en": "Windows", "ru": "Окна"}[language] + f" {by} {secrets.token_hex(3)}", unlike)
        before = crm.read(deal)
        call = json.loads((dealstage.ROOT / f"fixtures/calls/{name}.json").read_text())
        said = json.dumps({**call, "meta": {"call_date": "2026-11-20", "deal": {"name": f"{by} {deal}"}, "contact": contact}}).encode()
        upload = Upload(dealstage.ROOT / f"fixtures/calls/{name}.json", f"{crm.name}-{deal}")
        upload.body = said
        while not upload.send(server):
            time.sleep(0.1)
        dealstage.wait_until_terminal(server, [upload.id], 120)
        proposal = proposed(server, upload.id)
        if crm.read(deal) != before or crm.entries(deal) != {"notes": [], "tasks": []}:
            raise Broken("something was written before anybody approved it")
        check_proposed(proposal, before)
        post(server, f"/v1/proposals/{proposal['id']}/approve", {})
        done = settled(server, proposal["id"], {"applied"})
        written = check_written(crm, deal, done, before)
        once_more(server, crm, deal, upload, proposal["id"], written)
        changed_by_somebody(server, crm, deal, proposal["id"], before, written)
        crm.close(deal)
        print(f"{language}, found by {by}: {len(done['changes'])} changes written, seen by API and in the database, not doubled, undone; one conflict", flush=True)


def proposed(server, call):
    """The change-set of a call, once it is there."""
    deal = server.get(f"/v1/calls/{call}")["deal_id"]
    end = time.monotonic() + 60
    while not (found := server.pages(f"/v1/deals/{deal}/proposals")):
        if time.monotonic() > end:
            told = [(one["state"], one.get("error")) for one in server.pages("/v1/deliveries")]
            raise Broken(f"no change-set after a minute; deliveries: {told}")
        time.sleep(0.2)
    return found[-1]


def check_proposed(proposal, before):
    kinds = [change["kind"] for change in proposal["changes"]]
    if sorted(set(kinds)) != ["field", "note", "stage", "task"] or kinds.count("field") != 2:
        raise Broken(f"proposed are {kinds}, not a stage, two fields, a note and tasks")
    for change in proposal["changes"]:
        if change["kind"] in ("stage", "field") and not change["evidence"]:
            raise Broken(f"{change['kind']} {change['name']} is without the words behind it")
        if change["state"] != "proposed":
            raise Broken(f"{change['kind']} {change['name']} is {change['state']} before anybody has decided")


def settled(server, proposal, wanted, within=60):
    """The change-set once every change is in one of these states."""
    end = time.monotonic() + within
    while True:
        shown = server.get(f"/v1/proposals/{proposal}")
        if {change["state"] for change in shown["changes"]} <= wanted:
            return shown
        if time.monotonic() > end:
            states = [(change["kind"], change["name"], change["state"], change.get("error")) for change in shown["changes"]]
            raise Broken(f"not all changes are {wanted} after {within} s: {states}")
        time.sleep(0.2)


def check_written(crm, deal, proposal, before):
    """By the CRM's API and in its database: the same, and what was proposed."""
    now, stored = crm.read(deal), crm.stored(deal)
    for change in proposal["changes"]:
        if change["kind"] in ("stage", "field"):
            at = "stage" if change["kind"] == "stage" else change["name"]
            if not same(now[at], change["new"]) or same(now[at], before[at]):
                raise Broken(f"{at} is {now[at]!r} by the API, proposed was {change['new']!r}, before {before[at]!r}")
    if any(not same(now[at], stored[at]) for at in now):
        raise Broken(f"the API says {now}, the database {stored}")
    entries, rows = crm.entries(deal), crm.stored_entries(deal)
    tasks = [change["new"] for change in proposal["changes"] if change["kind"] == "task"]
    if len(entries["notes"]) != 1 or sorted(one["title"] for one in entries["tasks"]) != sorted(one["title"] for one in tasks):
        raise Broken(f"the CRM has {entries}")
    if {kind: len(found) for kind, found in entries.items()} != rows:
        raise Broken(f"the API shows {entries}, the database has {rows}")
    note = next(change["new"]["text"] for change in proposal["changes"] if change["kind"] == "note")
    if note not in entries["notes"][0]:
        raise Broken(f"the note is {entries['notes'][0]!r}, proposed was {note!r}")
    return now, entries


def once_more(server, crm, deal, upload, proposal, written):
    """The same upload and the same yes again, and a restart in between."""
    first = upload.id
    while not upload.send(server):
        time.sleep(0.1)
    server.kill()
    server.start()
    status, _, body = server.request("POST", f"/v1/proposals/{proposal}/approve", "{}", {"Content-Type": "application/json"})
    if status not in (200, 409) or upload.id != first:
        raise Broken(f"the same again answers {status}: {body[:300]!r}")
    time.sleep(2)
    if (crm.read(deal), crm.entries(deal)) != written:
        raise Broken(f"after the same again the CRM has {crm.read(deal)}, {crm.entries(deal)}")


def changed_by_somebody(server, crm, deal, proposal, before, written):
    """Somebody sets one field by hand; undo brings back everything else, and leaves that."""
    theirs = "2030-01-31"
    crm.change(deal, theirs)
    post(server, f"/v1/proposals/{proposal}/undo", {})
    shown = settled(server, proposal, {"undone", "undo_conflict"})
    conflicts = [change["name"] for change in shown["changes"] if change["state"] == "undo_conflict"]
    wanted = {**before, "timeline": theirs}
    now = crm.read(deal)
    if conflicts != ["timeline"] or any(not same(now[at], wanted[at]) for at in now):
        raise Broken(f"undo left {now}, conflicts {conflicts}; before was {before}, somebody wrote {theirs}")
    if crm.entries(deal) != {"notes": [], "tasks": []} or any(crm.stored_entries(deal).values()):
        raise Broken(f"undo left {crm.entries(deal)}")
    if any(not same(value, crm.stored(deal)[at]) for at, value in now.items()):
        raise Broken("API and database differ after undo")


def check_kept_secret(server, crm, endpoint):
    for path in [pathlib.Path(server.log.name), *pathlib.Path(server.log.name).parent.glob("dealstage.db*")]:
        if crm.secret.encode() in path.read_bytes():
            raise Broken(f"{path.name} holds the secret of the connection")
    if crm.secret in json.dumps(server.get(f"/v1/endpoints/{endpoint['id']}")):
        raise Broken("the API tells the secret of the connection")


def same(one, other):
    """Numbers by value: a CRM may say "94000.00"."""
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return one == other


def http_json(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise Broken(f"the CRM answers {answer.status} to {method} {path}: {text[:600]!r}")
    return json.loads(text)


class Crm:
    """A CRM as a process of its own. `fields`: our name → the CRM's. `secret` must be seen nowhere."""

    python = "3.9"

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, dealstage.free_port(), None
        folder.mkdir(parents=True)
        self.log = (folder / "crm.log").open("ab")
        self.home = self.installed()
        self.secret = "canary-" + secrets.token_hex(12)

    def installed(self):
        """Its packages, in a virtual environment of its own."""
        home = dealstage.ROOT / "target/real-crm" / f"{self.name}-{self.version}"
        if not (home / "bin/ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            subprocess.run([python_of(self.python), "-m", "venv", str(home)], check=True)
            subprocess.run([str(home / "bin/pip"), "install", "--quiet", *self.packages], check=True)
            (home / "bin/ready").touch()
        return home

    def command(self, *arguments, environment=None, said=None):
        done = subprocess.run(
            [str(self.home / "bin" / arguments[0]), *arguments[1:]], env={**os.environ, **(environment or {})}, input=said,
            stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=self.folder,
        )  # fmt: skip
        if done.returncode != 0:
            raise Broken(f"{arguments[0]} of {self.title} ended with {done.returncode}; its log: {self.log.name}")
        return done.stdout

    def serve(self, *arguments, environment=None):
        command = [str(self.home / "bin" / arguments[0]), *arguments[1:]]
        environment = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log, cwd=self.folder, start_new_session=True)
        end = time.monotonic() + 60
        while True:
            try:
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=5).connect()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Broken(f"{self.title} does not start; its log: {self.log.name}") from None
                time.sleep(0.1)

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def python_of(least):
    """A Python of at least this version; `PYTHON` names another one."""
    pyenv = sorted(pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    known = [os.environ.get("PYTHON"), "python3", "python3.12", "python3.13", "python3.14", *map(str, pyenv)]
    check = f"import sys; sys.exit(sys.version_info[:2] < {tuple(map(int, least.split('.')))})"
    for name in filter(None, known):
        if shutil.which(name) and subprocess.run([name, "-c", check], stderr=subprocess.DEVNULL).returncode == 0:
            return name
    raise Broken(f"no Python {least} or later is there: name one with PYTHON=…")


class Tryton(Crm):
    """Its sales opportunities: stages are fixed and entered by a method each; it has no custom fields, so two of its own serve."""

    name, title, version = "tryton", "Tryton", "8.2.1"
    packages = ["trytond==8.2.1", "trytond-sale-opportunity==8.2.0", "trytond-project==8.2.0"]
    fields = {"timeline": "End Date", "pain_impact": "Amount"}

    def start(self):
        (self.folder / "crm.sqlite").touch()
        config, password = self.folder / "trytond.conf", self.folder / "password"
        config.write_text(f"[database]\nuri = sqlite://\npath = {self.folder}\n[web]\nlisten = 127.0.0.1:{self.port}\n")
        password.write_text(self.secret)
        self.command(
            "trytond-admin", "-c", str(config), "-d", "crm", "-u", "sale_opportunity", "project", "--activate-dependencies",
            "--email", "admin@example.com", environment={"TRYTONPASSFILE": str(password)},
        )  # fmt: skip
        self.serve("trytond", "-c", str(config), "-d", "crm")
        self.session = None
        user, key, _ = self.call("common.db.login", "admin", {"password": self.secret}, "en")
        self.session = base64.b64encode(f"admin:{user}:{key}".encode()).decode()
        self.set_up(user)

    def call(self, method, *params):
        headers = {"Authorization": f"Session {self.session}"} if self.session else {}
        answer = http_json(self.port, "POST", "/crm/rpc/", {"id": 1, "method": method, "params": params}, headers)
        if "error" in answer:
            raise Broken(f"{method} answers {json.dumps(answer['error'])[:600]}")
        return answer["result"]

    def set_up(self, user):
        currency = self.call("model.currency.currency.create", [{"name": "Euro", "code": "EUR", "symbol": "€"}], {})[0]
        party = self.call("model.party.party.create", [{"name": "Our company"}], {})[0]
        self.company = self.call("model.company.company.create", [{"party": party, "currency": currency}], {})[0]
        employee = self.call("model.company.employee.create", [{"party": party, "company": self.company}], {})[0]
        self.employee, self.currency = employee, currency
        self.call("model.res.user.write", [user], {
            "companies": [["add", [self.company]]], "company": self.company, "employees": [["add", [employee]]], "employee": employee,
        }, {})  # fmt: skip
        selection = self.call("model.sale.opportunity.fields_get", ["state"], 0, {})["state"]["selection"]
        self.names = dict(selection)

    def settings(self):
        return {"url": f"http://127.0.0.1:{self.port}/crm", "user": "admin", "password": self.secret}

    def stages(self):
        later = self.names["opportunity"]
        return [{"ours": "lead", "crm": self.names["lead"]}] + [
            {"ours": ours, "crm": later} for ours in ["pain", "power", "vision", "value", "control", "commit"]
        ]

    def closed(self):
        return [self.names[one] for one in ["won", "lost", "cancelled"]]

    def add_deal(self, name, person):
        ways = [{"type": "email", "value": person["email"]}, {"type": "phone", "value": person["phone"]}]
        party = self.call("model.party.party.create", [
            {"name": person["name"], "contact_mechanisms": [["create", ways]], "addresses": [["create", [{}]]]}
        ], {})[0]  # fmt: skip
        return self.call("model.sale.opportunity.create", [{
            "description": name, "party": party, "company": self.company, "currency": self.currency, "employee": self.employee,
        }], {})[0]  # fmt: skip

    def read(self, deal):
        row = self.call("model.sale.opportunity.read", [deal], ["state", "amount", "end_date"], {})[0]
        day = row["end_date"]
        return {
            "stage": row["state"],
            "timeline": day and f"{day['year']:04}-{day['month']:02}-{day['day']:02}",
            "pain_impact": row["amount"] and row["amount"]["decimal"],
        }

    def entries(self, deal):
        of = [["resource", "=", f"sale.opportunity,{deal}"]]
        notes = self.call("model.ir.note.search_read", of, 0, 100, None, ["message"], {})
        party = self.call("model.sale.opportunity.read", [deal], ["party"], {})[0]["party"]
        tasks = self.call("model.project.work.search_read", [["party", "=", party]], 0, 100, None, ["name"], {})
        return {"notes": [note["message"] for note in notes], "tasks": [{"title": task["name"]} for task in tasks]}

    def sql(self, query, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'crm.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def stored(self, deal):
        stage, amount, day = self.sql("select state, amount, end_date from sale_opportunity where id = ?", deal)[0]
        return {"stage": stage, "timeline": day, "pain_impact": amount}

    def stored_entries(self, deal):
        notes = self.sql("select count(*) from ir_note where resource = ?", f"sale.opportunity,{deal}")[0][0]
        tasks = self.sql("select count(*) from project_work join sale_opportunity using (party) where sale_opportunity.id = ?", deal)[0][0]
        return {"notes": notes, "tasks": tasks}

    def change(self, deal, day):
        year, month, of_month = map(int, day.split("-"))
        self.call("model.sale.opportunity.write", [deal], {"end_date": {"__class__": "date", "year": year, "month": month, "day": of_month}}, {})

    def close(self, deal):
        self.call("model.sale.opportunity.cancel", [deal], {})


class BottleCrm(Crm):
    """Pipelines with stages of their own, custom fields in a JSON column; a task that was made is not named in the answer."""

    name, title, version = "bottlecrm", "BottleCRM", "1.35.0"
    python = "3.12"
    packages = ["django-crm==1.35.0"]

    def start(self):
        server = os.environ.get("TEST_DATABASE_URL")
        if not server:
            raise Broken("TEST_DATABASE_URL is not set: run this in .ci/with-servers")
        own = "crm_" + secrets.token_hex(6)
        dealstage.psql(server, f"create role {own} login superuser")
        dealstage.psql(server, f"create database {own} owner {own}")
        self.database = server.rsplit("/", 1)[0] + "/" + own
        environment = {
            "DBNAME": own, "DBUSER": own, "DBPASSWORD": "", "DBHOST": os.environ["PGHOST"], "DBPORT": os.environ["PGPORT"],
            "SECRET_KEY": secrets.token_hex(32), "CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://",
            "DJANGO_SETTINGS_MODULE": "crm.settings",
        }  # fmt: skip
        self.command("django-admin", "migrate", environment=environment)
        # What a person does in its pages: sign up, and make a token for a program.
        self.secret = self.command("python", "-", environment=environment, said="""
import django
django.setup()
from common.models import Org, PersonalAccessToken, Profile, User
user = User.objects.create_superuser(email="bot@example.com", password=None)
profile = Profile.objects.create(user=user, org=Org.objects.create(name="Acme"), role="ADMIN", is_active=True, is_organization_admin=True)
print(PersonalAccessToken.generate(profile, "dealstage")[0])
""").split()[-1]
        self.serve("gunicorn", "crm.wsgi:application", "-b", f"127.0.0.1:{self.port}", "--threads", "4", environment=environment)
        self.set_up()

    def call(self, method, path, body=None):
        return http_json(self.port, method, f"/api{path}", body, {"Authorization": f"Bearer {self.secret}"})

    def set_up(self):
        own = secrets.token_hex(3)
        pipeline = self.call("POST", "/opportunities/pipelines/", {"name": f"Calls {own}"})
        self.pipeline = pipeline["id"]
        self.labels = {ours: f"{ours.title()} {own}" for ours in ["lead", "pain", "power", "vision", "value", "control", "commit"]}
        for label in self.labels.values():
            made = self.call("POST", f"/opportunities/pipelines/{self.pipeline}/stages/", {"label": label, "kind": "open"})
        self.codes = {stage["label"]: stage["code"] for stage in made["stages"]}
        self.kinds = {stage["label"]: stage["kind"] for stage in made["stages"]}
        self.fields, self.keys = {}, {}
        for ours, kind in {"timeline": "date", "pain_impact": "number"}.items():
            self.fields[ours], self.keys[ours] = f"{ours.title()} {own}", f"{ours}_{own}"
            said = {"target_model": "Opportunity", "key": self.keys[ours], "label": self.fields[ours], "field_type": kind}
            self.call("POST", "/custom-fields/", said)

    def settings(self):
        return {"url": f"http://127.0.0.1:{self.port}", "token": self.secret}

    def stages(self):
        return [{"ours": ours, "crm": label} for ours, label in self.labels.items()]

    def closed(self):
        return [f"Sales / {label}" for label, kind in self.kinds.items() if kind != "open"]

    def add_deal(self, name, person):
        first, last = person["name"].split()
        contact = self.call("POST", "/contacts/", {"first_name": first, "last_name": last, "email": person["email"], "phone": person["phone"]})["id"]
        said = {"name": name, "pipeline": self.pipeline, "stage": self.codes[self.labels["lead"]], "contacts": [contact]}
        return self.call("POST", "/opportunities/", said)["id"]

    def seen(self, row):
        return {"stage": row["stage"], **{ours: row["custom_fields"].get(key) for ours, key in self.keys.items()}}

    def read(self, deal):
        return self.seen(self.call("GET", f"/opportunities/{deal}/")["opportunity_obj"])

    def entries(self, deal):
        notes = self.call("GET", f"/opportunities/{deal}/")["comments"]
        tasks = self.call("GET", f"/tasks/?opportunity={deal}&limit=100&slim=true")["tasks"]
        return {"notes": [note["comment"] for note in notes], "tasks": [{"title": task["title"]} for task in tasks]}

    def sql(self, query):
        return dealstage.psql(self.database, query)

    def stored(self, deal):
        stage, *fields = self.sql(f"select stage, custom_fields from opportunity where id = '{deal}'")[0]
        return self.seen({"stage": stage, "custom_fields": json.loads("|".join(fields))})

    def stored_entries(self, deal):
        counts = [self.sql(f"select count(*) from {table} = '{deal}'")[0][0] for table in ["comment where object_id", "task where opportunity_id"]]
        return {"notes": int(counts[0]), "tasks": int(counts[1])}

    def change(self, deal, day):
        fields = self.call("GET", f"/opportunities/{deal}/")["opportunity_obj"]["custom_fields"]
        self.call("PATCH", f"/opportunities/{deal}/", {"custom_fields": {**fields, self.keys["timeline"]: day}})

    def close(self, deal):
        lost = next(label for label, kind in self.kinds.items() if kind == "lost")
        self.call("PATCH", f"/opportunities/{deal}/", {"stage": self.codes[lost], "closed_on": "2026-11-26"})


CRMS = {"tryton": Tryton, "bottlecrm": BottleCrm}


if __name__ == "__main__":
    dealstage.main(run)
