#!/usr/bin/env -S python3 -B
"""What leaves the machine arrives, and in the CRM exactly once: cut lines, kill -9 at random moments and at every named one.

    benches/deliver.py --binary target/release/dealstage --cuts 100       the line is cut after the effect, 100 times
    benches/deliver.py … --kills 200                                      SIGKILL at random moments
    benches/deliver.py … --failpoints                                     the process ends once at each named moment
    benches/deliver.py … --faults 100                                     every other fault of the receiver, by chance
    benches/deliver.py … --seed 7                                         the same plan again

Calls of deals are uploaded, what they propose is approved through the API, and once nothing is left to do, the ledger of a CRM without
idempotency keys (benches/receiver.py) is compared with what the service says: no upload lost, one effect for each applied change and
none besides, the stage of the last analysis, every event delivered and signed and in the order of its deal, a line of the audit log
for each effect. Ends with 1 and says what is broken; a folder with data, log and ledger is then left.

A kill comes at a random time, or a random moment after a random number of requests. A seed gives the same plan on any machine; how
far the work is by then depends on the machine.
"""

import argparse
import collections
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time

import receiver as ledger
import service as dealstage
from receiver import Receiver
from service import Broken, Service, Upload

# Our stages, and what they are called in the CRM.
STAGES = {
    "lead": "new", "pain": "problem", "power": "power", "vision": "vision", "value": "value", "control": "control",
    "commit": "signing", "won": "won", "lost": "lost",
}  # fmt: skip
FIELDS = {
    "budget": ("budget", "{{ value.amount }}"),
    "team_size": ("team_size", "{{ value.n }}"),
    "pain": ("problem", "{{ value.text }}"),
    "timeline": ("timeline", "{{ value.date }}"),
    "decision_makers": ("decider", "{{ value.title }}"),
    "competitors": ("competitor", "{{ value.name }}"),
}
SETTINGS = {
    "token": ledger.TOKEN,
    "stages": [{"ours": ours, "crm": crm} for ours, crm in STAGES.items()],
    "closed": ["won", "lost"],
    "fields": [{"ours": ours, "crm": crm, "value": value} for ours, (crm, value) in FIELDS.items()],
    "note": True,
    "tasks": True,
    # Written at once, and after a person's word: both ways are under test.
    "policy": {"stage": "ask", "fields": "ask", "note": "auto", "tasks": "ask", "field": {"team_size": "auto"}, "least_confidence": 0.0},
}
WEBHOOK_TYPES = {
    "call.analyzed", "call.failed", "deal.stage_changed", "deal.updated", "followup.drafted", "followup.approved", "action.due",
    "proposal.created",
}  # fmt: skip
FAILPOINTS = [
    "before_intent", "after_intent", "before_request", "after_request", "before_result", "after_result", "before_ack", "after_ack",
]  # fmt: skip
MARKER = re.compile(r"\[dealstage:(chg_[^\]]+)\]")
# Where a change may be once nothing is left to do, when everything that waits is approved and nobody else writes.
AT_REST = {"applied", "superseded", "withheld", "undone"}
WAITING = {"proposed", "approved", "writing", "undo_approved", "undoing"}


def run():
    options = arguments()
    dealstage.packages("standardwebhooks==1.1.0")
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}: {options.store}, {options.binary}", flush=True)
    choose = random.Random(seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dealstage-deliver-", dir="/var/tmp"))
    receiver = Receiver(folder / "crm").start()
    environment = {
        **dealstage.storage(options.store, folder / "data"),
        "DEALSTAGE_PROCESS": str(process(options.binary, folder)),
        "DEALSTAGE_ALLOW_PRIVATE": "127.0.0.0/8",
        # A call is not given up for the kills, and another process gets soon what a dead one held.
        "DEALSTAGE_MOST_TRIES": "100",
        "DEALSTAGE_LEASE": "2",
    }
    server = Service(options.binary, environment)
    server.start()
    try:
        work = Work(server, receiver, options, choose)
        if options.cuts:
            cut(work, options)
            undo(work, options)
        if options.faults:
            faulty(work, options, seed)
        if options.kills:
            kill(work, options, choose)
        if options.failpoints is not None:
            end_at(work, options.failpoints or [f"{name}:{choose.randint(1, 2)}" for name in FAILPOINTS], options)
        work.approver.stop()
    except Broken:
        print(f"left for you: {folder}")
        raise
    finally:
        if server.process.poll() is None:
            server.kill()
        receiver.stop()
    shutil.rmtree(folder)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cuts", type=int, metavar="N", help="cut the line after N effects")
    parser.add_argument("--faults", type=int, metavar="N", help="N faults of all other kinds")
    parser.add_argument("--kills", type=int, metavar="N", help="kill N times, during --calls uploads")
    parser.add_argument("--failpoints", nargs="*", metavar="NAME", help="end once at each, or at those that are named (NAME:3: the third time)")
    parser.add_argument("--calls", type=int, default=40, help="uploads for the kills")
    parser.add_argument("--each", type=int, default=3, help="calls of a deal")
    parser.add_argument("--longest", type=float, default=4.0, help="a kill comes within so many seconds of serving")
    parser.add_argument("--within", type=float, default=600, help="seconds for the work that is left at the end")
    return parser.parse_args()


def process(binary, folder):
    """The usual process, with every stage decided: else most calls would propose none, and it is not they that are under test."""
    text = subprocess.run([binary, "process", "show", "ppvvc"], capture_output=True, text=True, check=True).stdout
    text, count = re.subn(r"(?m)^(decided|ended) = .*$", r"\1 = 0.01", text)
    if count != 2:
        raise Broken("the process has other thresholds than this program knows")
    path = folder / "process.toml"
    path.write_text(text)
    return path


class Work:
    """The deals in the CRM, the calls to upload, and who approves."""

    def __init__(self, server, receiver, options, choose):
        self.server, self.receiver, self.options, self.choose = server, receiver, options, choose
        self.uploads, self.deals = [], []
        self.crm = self.connect({
            "crm_file": (dealstage.ROOT / "fixtures/crm/ledger.toml").read_text(),
            "settings": {"url": receiver.url, **SETTINGS},
        })["id"]  # fmt: skip
        hook = self.connect({"url": f"{receiver.url}/hooks/all", "types": []})
        receiver.secrets = {"all": [hook["secret"]]}
        self.approver = Approver(server)
        self.approver.start()

    def connect(self, said):
        status, _, body = self.server.request("POST", "/v1/endpoints", json.dumps(said), {"Content-Type": "application/json"})
        if status != 201:
            raise Broken(f"POST /v1/endpoints answers {status}: {body[:600]!r}")
        return json.loads(body)

    def calls(self, count):
        """Uploads not yet sent: the calls of a deal lie days apart. A deal is told by its id in the CRM, or found by its people."""
        added = []
        for path in dealstage.transcripts(count, self.choose):
            if not self.deals or self.deals[-1]["calls"] == self.options.each:
                self.deals.append(self.add_deal(len(self.deals) + 1))
            deal = self.deals[-1]
            deal["calls"] += 1
            meta = {**deal["meta"], "call_date": f"2026-{1 + len(self.deals) % 12:02}-{2 + 7 * (deal['calls'] - 1):02}"}
            added.append(Call(path, f"deliver-{len(self.uploads) + len(added)}", meta))
        self.uploads += added
        return added

    def add_deal(self, number):
        id, name = f"D-{number}", f"Deal {number}"
        email, phone = f"buyer{number}@firm{number}.example", f"+1 202 555 {number:04}"
        self.receiver.ledger.do(
            lambda database: (
                # Its name in the CRM is another one: it is found by what is said, or not at all.
                ledger.add_deal(database, {"id": id, "name": f"Firm {number}", "stage": ledger.STAGES["new"]}),
                ledger.add_contact(database, {"name": f"Buyer {number}", "email": email, "phone": phone, "deals": [id]}),
            )
        ).result()
        ways = [
            {"deal": {"crm_id": id, "name": name}},
            {"deal": {"name": name}, "contact": {"email": email}},
            {"deal": {"name": name}, "contact": {"phone": phone}},
        ]
        return {"id": id, "calls": 0, "meta": ways[number % 3]}

    def finish(self, began):
        """Waits until nothing is left to do, and compares."""
        rest(self.server, [upload.id for upload in self.uploads], self.options.within)
        took = time.monotonic() - began
        self.approver.check()
        return check(self), took


class Call(Upload):
    def __init__(self, path, key, meta):
        super().__init__(path, key)
        self.body = json.dumps({**json.loads(self.bytes), "meta": meta}, ensure_ascii=False).encode()


class Approver(threading.Thread):
    """A person who says yes to everything, as soon as it is there."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ended, self.broken = server, threading.Event(), None

    def run(self):
        while not self.ended.wait(0.1):
            try:
                for proposal in self.server.pages("/v1/proposals?open=true"):
                    self.approve(proposal["id"])
            except OSError:
                # The service is being killed.
                pass
            except Broken as broken:
                self.broken = broken

    def approve(self, id):
        path, kind = f"/v1/proposals/{id}/approve", {"Content-Type": "application/json"}
        status, _, body = self.server.request("POST", path, "{}", kind)
        # 409: a later call has superseded it since it was read.
        if status not in (200, 409):
            raise Broken(f"POST {path} answers {status}: {body[:300]!r}")

    def check(self):
        if self.broken:
            raise self.broken

    def stop(self):
        self.ended.set()
        self.join()


def proposals(server):
    """Every proposal of every deal, the oldest first."""
    found = []
    for deal in server.pages("/v1/deals"):
        found += server.pages(f"/v1/deals/{deal['id']}/proposals")
    return sorted(found, key=lambda proposal: proposal["id"])


def cut(work, options):
    """The effect is stored, the answer is lost: whoever then sends again doubles it."""
    began = time.monotonic()
    faults = ledger.Faults([
        {"match": "^(POST|PATCH|DELETE) /api/", "fault": "cut", "chance": 0.6, "times": options.cuts},
        # Once each: the second try of a webhook comes after 5 s, the third after 5 minutes.
        {"match": "^POST /hooks/", "fault": "cut", "chance": 0.2, "once": True},
    ], work.choose.randrange(1 << 32))  # fmt: skip
    work.receiver.faults = faults
    crm = faults.rules[0]
    end = began + options.within
    while crm["came"] < options.cuts:
        if time.monotonic() > end:
            raise Broken(f"only {crm['came']} of {options.cuts} cuts came within {options.within} s")
        for upload in work.calls(min(options.each * 2, 6)):
            upload.send_until_answered(work.server)
        before = time.monotonic()
        while crm["came"] < options.cuts and time.monotonic() < before + 60 and not at_rest(work.server, work.uploads):
            time.sleep(0.2)
    found, took = work.finish(began)
    print(f"{crm['came']} cuts after an effect in the CRM and {faults.rules[1]['came']} after a webhook, {took:.0f} s: {found}", flush=True)


def undo(work, options):
    """Takes back the last change-set of every second deal, while lines are cut as before."""
    began = time.monotonic()
    last = {proposal["deal_id"]: proposal for proposal in proposals(work.server)}
    cuts = ledger.Faults([{"match": "^(PATCH|DELETE) /api/", "fault": "cut", "chance": 0.3, "once": True}], work.choose.randrange(1 << 32))
    work.receiver.faults = cuts
    taken = [proposal for proposal in last.values() if any(change["state"] == "applied" for change in proposal["changes"])][::2]
    for proposal in taken:
        path = f"/v1/proposals/{proposal['id']}/undo"
        status, _, body = work.server.request("POST", path, "{}", {"Content-Type": "application/json"})
        if status != 200:
            raise Broken(f"POST {path} answers {status}: {body[:300]!r}")
    rest(work.server, [upload.id for upload in work.uploads], options.within)
    changes = [(proposal, change) for proposal in proposals(work.server) for change in proposal["changes"]]
    applied = check_effects(work.receiver.rows(), changes)
    check_audit(work.server, applied)
    undone = sum(change["state"] == "undone" for change in applied)
    if undone == 0:
        raise Broken("nothing was undone")
    print(f"{undone} changes of {len(taken)} change-sets undone, {cuts.came()} cuts, {time.monotonic() - began:.0f} s: each taken back once", flush=True)


def faulty(work, options, seed):
    """What a receiver does wrong otherwise; each of it is worth another try."""
    began = time.monotonic()
    every = "^(GET|POST|PATCH) /(api|hooks)/"
    kinds = [
        {"fault": "status", "status": 500}, {"fault": "status", "status": 503, "headers": {"retry-after": "1"}},
        {"fault": "throttle", "seconds": 1}, {"fault": "throttle", "seconds": 1, "form": "date"},
        {"fault": "reset"}, {"fault": "reset", "effect": True}, {"fault": "malformed"}, {"fault": "cut", "bytes": 80},
        {"fault": "hang", "seconds": 8}, {"fault": "hang", "seconds": 8, "effect": True}, {"fault": "drip", "seconds": 1},
    ]  # fmt: skip
    share = max(1, options.faults // len(kinds))
    faults = ledger.Faults([{"match": every, "chance": 0.02, "times": share, "once": True, **kind} for kind in kinds], seed)
    work.receiver.faults = faults
    while faults.came() < share * len(kinds):
        if time.monotonic() > began + options.within:
            raise Broken(f"only {faults.came()} of {share * len(kinds)} faults came within {options.within} s")
        for upload in work.calls(options.each):
            upload.send_until_answered(work.server)
        dealstage.wait_until_terminal(work.server, [upload.id for upload in work.uploads], options.within)
    found, took = work.finish(began)
    print(f"{faults.came()} faults of {len(kinds)} kinds, {took:.0f} s: {found}", flush=True)


def kill(work, options, choose):
    """Each life ends at a random moment: after a time, or after so many requests of the service."""
    began = time.monotonic()
    # Slow answers: more of a life is spent waiting for one, which is when it matters most.
    work.receiver.faults = ledger.Faults([{"match": "^", "fault": "slow", "chance": 0.3, "seconds": 0.03}], choose.randrange(1 << 32))
    lives = [
        {"longest": choose.uniform(0, options.longest), "requests": choose.choice([None, choose.randint(1, 12)]), "then": choose.uniform(0, 0.02)}
        for _ in range(options.kills)
    ]  # fmt: skip
    begins = collections.defaultdict(list)
    for at, upload in enumerate(work.calls(options.calls)):
        begins[at * options.kills // options.calls].append(upload)
    clients, restarts, by_request = [], [], 0
    for at, life in enumerate(lives):
        for upload in begins[at]:
            client = threading.Thread(target=upload.send_until_answered, args=(work.server,), daemon=True)
            client.start()
            clients.append(client)
        if life["requests"] is None:
            time.sleep(life["longest"])
        elif work.receiver.wait_for(work.receiver.count + life["requests"], options.longest):
            by_request += 1
            time.sleep(life["then"])
        work.server.kill()
        restarts.append(work.server.start())
    for client in clients:
        client.join(60)
    found, took = work.finish(began)
    restarts.sort()
    print(
        f"{options.kills} kills ({by_request} right after a request), {took:.0f} s: {found}; start to serving after a kill: median "
        f"{restarts[len(restarts) // 2]:.2f} s, slowest {restarts[-1]:.2f} s",
        flush=True,
    )


def end_at(work, names, options):
    """The process ends by itself at a named moment of a delivery, and is started again without the name."""
    began = time.monotonic()
    for name in names:
        work.server.kill()
        work.server.start(more={"DEALSTAGE_FAILPOINT": name})
        for upload in work.calls(2):
            threading.Thread(target=upload.send_until_answered, args=(work.server,), daemon=True).start()
        try:
            work.server.process.wait(60)
        except Exception:
            raise Broken(f"the service did not end at {name} within 60 s") from None
        work.server.start()
        rest(work.server, [upload.id for upload in sent(work.uploads)], options.within)
    found, took = work.finish(began)
    print(f"ended at each of {', '.join(names)}, {took:.0f} s: {found}", flush=True)


def sent(uploads):
    end = time.monotonic() + 60
    while any(upload.id is None for upload in uploads):
        if time.monotonic() > end:
            raise Broken("an upload gets no answer")
        time.sleep(0.05)
    return uploads


def what_is_left(server):
    """Why it is not at rest yet; None: it is."""
    pending = server.get("/v1/deliveries?state=pending&limit=100")["items"]
    if pending:
        return f"{len(pending)} deliveries pending, the first: {pending[0]}"
    for proposal in proposals(server):
        for change in proposal["changes"]:
            if change["state"] in WAITING:
                return f"change {change['id']} is {change['state']}: {change.get('message')}"
    return None


def at_rest(server, uploads):
    calls = server.pages("/v1/calls")
    done = sum(call["status"] in ("done", "failed") for call in calls)
    return done == len(uploads) and what_is_left(server) is None


def rest(server, ids, within):
    """Waits until every call is done, everything is sent and nothing new has come of it."""
    end = time.monotonic() + within
    ended = dealstage.wait_until_terminal(server, ids, within)
    dealstage.check_none_failed(ended)
    quiet = 0
    while quiet < 3:
        left = what_is_left(server)
        quiet = 0 if left else quiet + 1
        if time.monotonic() > end:
            raise Broken(f"not at rest after {within} s: {left}")
        time.sleep(0.3)


def check(work):
    """Compares what the service says with what the CRM and the receiver wrote down; what was found, for people."""
    server, receiver = work.server, work.receiver
    check_uploads(server, work.uploads)
    if failed := server.get("/v1/deliveries?state=failed&limit=100")["items"]:
        raise Broken(f"{len(failed)} deliveries failed, the first: {failed[0]}")
    rows = receiver.rows()
    changes = [(proposal, change) for proposal in proposals(server) for change in proposal["changes"]]
    applied = check_effects(rows, changes)
    stages = check_stages(server, receiver, work.deals, changes)
    events = check_webhooks(server, rows)
    check_audit(server, applied)
    return (
        f"{len(work.uploads)} calls of {len(work.deals)} deals, {len(changes)} changes, {len(applied)} applied with one effect each "
        f"(0 doubled, 0 lost), {stages} stages right, {events} events delivered"
    )


def check_uploads(server, uploads):
    """None lost, none double, each analysed (again where an earlier call of its deal came in later)."""
    ids = [upload.id for upload in uploads]
    listed = [call["id"] for call in server.pages("/v1/calls")]
    if None in ids or sorted(listed) != sorted(ids):
        raise Broken(f"{len(ids)} uploads, {ids.count(None)} without an answer, {len(listed)} calls")
    analysed = {event["data"]["call_id"] for _, kind, event in server.events() if kind == "call.analyzed"}
    if missing := set(ids) - analysed:
        raise Broken(f"{len(missing)} calls have no call.analyzed: {sorted(missing)[:5]}")


def check_effects(rows, changes):
    """One effect for each applied change, and no other effect."""
    odd = [change for _, change in changes if change["state"] not in AT_REST]
    if odd:
        raise Broken(f"{len(odd)} changes are neither applied nor superseded, the first: {odd[0]}")
    had = collections.Counter()
    for row in rows:
        effect = row["effect"] or {}
        if "stage" in effect:
            had["stage", effect["deal"], plain(effect["stage"][1])] += 1
        for name, (_, value) in effect.get("fields", {}).items():
            had["field", effect["deal"], name, plain(value)] += 1
        for kind in ("notes", "tasks"):
            if kind in effect:
                marker = MARKER.search(str(effect.get("text")))
                had[kind, marker and marker[1]] += 1
        if "deleted" in effect:
            had["deleted", effect["deleted"], effect["id"]] += 1
    wanted, applied = collections.Counter(), []
    for proposal, change in changes:
        if change["state"] not in ("applied", "undone"):
            continue
        applied.append(change)
        # What was undone was made once and taken back once.
        undone = change["state"] == "undone"
        for value in [change["new"], change["old"]] if undone else [change["new"]]:
            if change["kind"] == "stage":
                wanted["stage", proposal["crm_deal_id"], plain(value)] += 1
            elif change["kind"] == "field":
                wanted["field", proposal["crm_deal_id"], change["target"], plain(value)] += 1
        if change["kind"] in ("note", "task"):
            wanted[f"{change['kind']}s", change["id"]] += 1
            if undone:
                wanted["deleted", f"{change['kind']}s", change["crm_id"]] += 1
    if lost := wanted - had:
        raise Broken(f"{lost.total()} applied changes have no effect in the CRM: {sorted(lost, key=str)[:5]}")
    if doubled := had - wanted:
        raise Broken(f"{doubled.total()} effects in the CRM too many: {sorted(doubled, key=str)[:5]}")
    return applied


def plain(value):
    """640 and 640.0 are one number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def check_stages(server, receiver, deals, changes):
    """In the CRM a deal stands where its last analysis put it."""
    crm = {row["id"]: row["stage"] for row in receiver.query("select id, stage from deals")}
    names = {number: name for name, number in ledger.STAGES.items()}
    known, right = {deal["id"] for deal in deals}, 0
    ours = {proposal["crm_deal_id"]: proposal["deal_id"] for proposal, _ in changes}
    for id in sorted(known & ours.keys()):
        deal = server.get(f"/v1/deals/{ours[id]}")
        # Where the last call was too short to decide, nothing is proposed: the stage of before stays.
        if deal["abstained"]:
            continue
        stage = deal["stage"]
        if stage is not None and names[crm[id]] != STAGES[stage]:
            raise Broken(f"deal {id} is in {names[crm[id]]} in the CRM, and in {stage} here")
        right += stage is not None
    if missing := known - ours.keys():
        raise Broken(f"no proposal for {len(missing)} deals of {len(known)}: {sorted(missing)}")
    return right


def check_webhooks(server, rows):
    """Each event came at least once, signed, with an id of its own; those of a deal first came in their order."""
    wanted = {event["id"]: (seq, kind, event) for seq, kind, event in server.events() if kind in WEBHOOK_TYPES}
    first, last_of_deal = {}, {}
    for row in rows:
        effect = row["effect"] or {}
        if not row["path"].startswith("/hooks/"):
            continue
        if effect.get("wrong"):
            raise Broken(f"webhook {effect['id']} is not signed: {effect['wrong']}")
        if not effect:
            continue
        id, body = effect["id"], json.loads(row["body"])
        if id not in wanted:
            raise Broken(f"webhook {id} ({body['type']}) is of no event")
        seq, kind, event = wanted[id]
        if body["type"] != kind or len(row["body"].encode()) > 20 * 1024:
            raise Broken(f"webhook {id} is a {body['type']} of {len(row['body'])} characters; the event is a {kind}")
        deal = event["data"].get("deal_id")
        if id not in first and deal:
            if last_of_deal.get(deal, 0) > seq:
                raise Broken(f"event {seq} of deal {deal} came after {last_of_deal[deal]}")
            last_of_deal[deal] = seq
        first.setdefault(id, row["seq"])
    if missing := wanted.keys() - first.keys():
        raise Broken(f"{len(missing)} of {len(wanted)} events never came: {[wanted[id][1] for id in sorted(missing)[:5]]}")
    return len(wanted)


def check_audit(server, applied):
    """One line for each effect."""
    lines = server.pages("/v1/audit")
    for action, changes in (("change.applied", applied), ("change.undone", [one for one in applied if one["state"] == "undone"])):
        had = collections.Counter(line["subject"] for line in lines if line["action"] == action)
        wanted = collections.Counter(change["id"] for change in changes)
        if had != wanted:
            raise Broken(f"{action} in the audit log: missing {list(wanted - had)[:5]}, too many {list(had - wanted)[:5]}")
    if not server.get("/v1/audit/verify")["intact"]:
        raise Broken("the audit log is not intact")


if __name__ == "__main__":
    dealstage.main(run)
