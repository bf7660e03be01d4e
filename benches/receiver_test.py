#!/usr/bin/env -S python3 -B
"""The receiver does what it says, and what is compared with it is compared: they would otherwise be worth nothing. Run by `make test`."""

import base64
import datetime
import email.utils
import http.client
import json
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import deliver
import receiver
import service as dealstage
import vendors
from receiver import Receiver, most_in_window

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


class TheReceiver(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.receiver = Receiver(self.folder.name).start()
        self.ask("POST", "/api/deals", {"id": "D-1", "name": "Dental", "stage": 2})
        self.before = len(self.receiver.rows())

    def tearDown(self):
        self.receiver.stop()
        self.folder.cleanup()

    def ask(self, method, path, body=None, timeout=10, token=receiver.TOKEN):
        connection = http.client.HTTPConnection(self.receiver.host, self.receiver.port, timeout=timeout)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, path, content, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def faulty(self, **rule):
        self.assertEqual(self.ask("PUT", "/control/faults", {"rules": [rule]})[0], 200)

    def effects(self):
        return [row["effect"] for row in self.receiver.rows()[self.before :] if row["effect"]]

    def notes(self):
        return json.loads(self.ask("GET", "/api/deals/D-1/notes")[2])["items"]

    def test_a_deal_is_read_and_changed_and_each_write_is_an_effect(self):
        self.assertEqual(self.ask("PATCH", "/api/deals/D-1", {"stage": 3, "fields": {"budget": "5"}})[0], 200)
        shown = json.loads(self.ask("GET", "/api/deals/D-1")[2])
        self.assertEqual((shown["stage"], shown["fields"]["budget"]), (3, "5"))
        self.assertEqual(self.effects(), [{"deal": "D-1", "fields": {"budget": [None, "5"]}, "stage": [2, 3]}])
        self.assertEqual(self.ask("PATCH", "/api/deals/D-1", {"stage": 77})[0], 422)
        self.assertEqual(self.ask("PATCH", "/api/deals/D-1", {"fields": {"color": 1}})[0], 422)
        self.assertEqual(self.ask("GET", "/api/deals/D-2")[0], 404)
        self.assertEqual(self.ask("GET", "/api/me", token="other")[0], 401)

    def test_told_twice_it_makes_two_notes_and_tasks_and_deletes_them(self):
        for _ in range(2):
            self.assertEqual(self.ask("POST", "/api/deals/D-1/notes", {"text": "привет"})[0], 201)
            self.assertEqual(self.ask("POST", "/api/deals/D-1/tasks", {"title": "a", "text": "b", "due": "2026-01-01"})[0], 201)
        for containing, count in (("%D0%B2%D0%B5%D1%82", 2), ("other", 0)):
            found = json.loads(self.ask("GET", f"/api/deals/D-1/notes?containing={containing}")[2])["items"]
            self.assertEqual(len(found), count)
        notes = self.notes()
        self.assertEqual([note["text"] for note in notes], ["привет", "привет"])
        self.assertEqual(self.ask("DELETE", f"/api/notes/{notes[0]['id']}")[0], 204)
        self.assertEqual(self.ask("DELETE", f"/api/notes/{notes[0]['id']}")[0], 404)
        self.assertEqual(len(self.notes()), 1)

    def test_contacts_are_found_by_address_number_and_name(self):
        self.ask("POST", "/api/contacts", {"name": "Dana", "email": "Dana@clinic.example", "phone": "+1 202-555-0100", "deals": ["D-1"]})
        for query in ("email=dana@CLINIC.example", "phone=12025550100", "name=Dana"):
            found = json.loads(self.ask("GET", f"/api/contacts?{query}")[2])["items"]
            self.assertEqual([one["deals"] for one in found], [["D-1"]], query)
            deals = json.loads(self.ask("GET", f"/api/deals?{query}")[2])["items"]
            self.assertEqual([deal["id"] for deal in deals], ["D-1"], query)
        self.assertEqual(len(json.loads(self.ask("GET", "/api/deals?name=Dental")[2])["items"]), 1)
        self.assertEqual(json.loads(self.ask("GET", "/api/contacts?name=Nobody")[2])["items"], [])
        self.assertEqual(json.loads(self.ask("GET", "/api/contacts")[2])["items"], [])

    def test_a_cut_comes_after_the_effect(self):
        self.faulty(match="^POST /api/", fault="cut", times=1)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask("POST", "/api/deals/D-1/notes", {"text": "once"})
        self.assertEqual([note["text"] for note in self.notes()], ["once"])
        self.assertEqual(self.ask("POST", "/api/deals/D-1/notes", {"text": "twice"})[0], 201)
        self.faulty(match="^POST /api/", fault="cut", bytes=80)
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.ask("POST", "/api/deals/D-1/notes", {"text": "half an answer"})

    def test_reset_and_hang_have_no_effect_unless_told(self):
        self.faulty(match="^POST /api/", fault="reset")
        with self.assertRaises(ConnectionResetError):
            self.ask("POST", "/api/deals/D-1/notes", {"text": "reset"})
        self.faulty(match="^POST /api/", fault="hang", seconds=2)
        with self.assertRaises(TimeoutError):
            self.ask("POST", "/api/deals/D-1/notes", {"text": "hang"}, timeout=0.3)
        self.assertEqual(self.effects(), [])
        self.faulty(match="^POST /api/", fault="hang", seconds=2, effect=True)
        with self.assertRaises(TimeoutError):
            self.ask("POST", "/api/deals/D-1/notes", {"text": "hang"}, timeout=0.3)
        self.assertEqual(len(self.effects()), 1)

    def test_answers_that_are_no_success(self):
        self.faulty(match="^POST /hooks/", fault="status", status=302, headers={"location": "http://127.0.0.1:1/"})
        status, headers, _ = self.ask("POST", "/hooks/a", {})
        self.assertEqual((status, headers["location"]), (302, "http://127.0.0.1:1/"))
        self.faulty(match="^POST /hooks/", fault="throttle", seconds=7)
        self.assertEqual(self.ask("POST", "/hooks/a", {})[1]["retry-after"], "7")
        self.faulty(match="^POST /hooks/", fault="throttle", seconds=7, form="date")
        status, headers, _ = self.ask("POST", "/hooks/a", {})
        wait = email.utils.parsedate_to_datetime(headers["retry-after"]) - datetime.datetime.now(datetime.UTC)
        self.assertEqual(status, 429)
        self.assertTrue(6 < wait.total_seconds() <= 8, wait)
        self.faulty(match="^POST /hooks/", fault="malformed")
        status, _, body = self.ask("POST", "/hooks/a", {})
        self.assertEqual(status, 200)
        self.assertRaises(ValueError, json.loads, body)

    def test_an_ignored_field_is_answered_as_success(self):
        self.faulty(match="^PATCH /api/", fault="ignore", field="budget")
        self.assertEqual(self.ask("PATCH", "/api/deals/D-1", {"fields": {"budget": "5", "timeline": "soon"}})[0], 200)
        fields = json.loads(self.ask("GET", "/api/deals/D-1")[2])["fields"]
        self.assertEqual((fields["budget"], fields["timeline"]), (None, "soon"))
        self.faulty(match="^PATCH /api/", fault="ignore", field="stage")
        self.assertEqual(self.ask("PATCH", "/api/deals/D-1", {"stage": 5})[0], 200)
        self.assertEqual(json.loads(self.ask("GET", "/api/deals/D-1")[2])["stage"], 2)

    def test_drip_and_slow_take_their_time(self):
        self.faulty(match="^POST /api/", fault="slow", seconds=0.3)
        begun = time.monotonic()
        self.assertEqual(self.ask("POST", "/api/deals/D-1/notes", {"text": "slow"})[0], 201)
        self.assertGreaterEqual(time.monotonic() - begun, 0.3)
        self.faulty(match="^POST /api/", fault="drip", seconds=0.01)
        begun = time.monotonic()
        self.assertEqual(self.ask("POST", "/api/deals/D-1/notes", {"text": "drip"})[0], 201)
        self.assertGreaterEqual(time.monotonic() - begun, 0.5)

    def test_rules_come_in_their_turn_and_by_their_seed(self):
        self.faulty(match="^POST /hooks/", fault="status", status=500, skip=1, times=2)
        self.assertEqual([self.ask("POST", "/hooks/a", {})[0] for _ in range(4)], [200, 500, 500, 200])
        runs = []
        for _ in range(2):
            rules = [{"match": "^POST /hooks/", "fault": "status", "status": 500, "chance": 0.5}]
            self.ask("PUT", "/control/faults", {"seed": 7, "rules": rules})
            runs.append([self.ask("POST", "/hooks/a", {})[0] for _ in range(12)])
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(set(runs[0]), {200, 500})
        self.assertEqual(self.ask("PUT", "/control/faults", {"rules": [{"match": "", "fault": "sulk"}]})[0], 422)

    def test_a_rule_may_spare_what_had_its_fault(self):
        self.faulty(match="^POST /api/", fault="status", status=500, once=True)
        texts = ["a", "a", "b", "b", "b"]
        answers = [self.ask("POST", "/api/deals/D-1/notes", {"text": text})[0] for text in texts]
        self.assertEqual(answers, [500, 201, 500, 201, 201])

    def test_webhooks_are_checked(self):
        from standardwebhooks.webhooks import Webhook

        self.ask("PUT", "/control/hooks", {"a": [SECRET]})
        body = json.dumps({"type": "endpoint.test", "data": {"name": "Ёлка"}}, ensure_ascii=False)
        now = datetime.datetime.now(datetime.UTC)
        connection = http.client.HTTPConnection(self.receiver.host, self.receiver.port, timeout=10)
        for sent, skew in ((body, 0), (body + " ", 0), (body, 310), (body, 290)):
            at = now - datetime.timedelta(seconds=skew)
            signature = Webhook(SECRET).sign("evt_1", at, body)
            headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
            connection.request("POST", "/hooks/a", sent.encode(), headers)
            connection.getresponse().read()
        connection.close()
        wrong = [effect["wrong"] for effect in self.effects()]
        self.assertEqual([why is None for why in wrong], [True, False, False, True], wrong)

    def test_requests_in_windows_are_counted(self):
        self.assertEqual(most_in_window([0, 0.5, 1.0, 1.4], 1), 3)
        self.assertEqual(most_in_window([0, 1, 2, 3], 1), 1)
        self.assertEqual(most_in_window([], 1), 0)
        for _ in range(3):
            self.ask("POST", "/hooks/b", {})
        self.assertGreaterEqual(json.loads(self.ask("GET", "/control/busiest?seconds=60")[2])["ledger"], 1)

    def test_the_ledger_is_only_added_to(self):
        self.assertRaises(Exception, self.receiver.query, "update ledger set status = 1")
        self.assertRaises(Exception, self.receiver.query, "delete from ledger")


class TheLimits(unittest.TestCase):
    def test_a_window_refuses_what_is_over_and_only_that(self):
        window = vendors.Window(2, 1.0)
        self.assertEqual([window.takes(at, 1) for at in (0, 0.5, 0.9, 1.0, 1.4, 1.5)], [True, True, False, True, False, True])
        self.assertEqual(window.reached(), "4 requests in 1 s")

    def test_a_bucket_leaks(self):
        bucket = vendors.Leaky(3, 2)
        self.assertEqual([bucket.takes(0, 1) for _ in range(4)], [True, True, True, False])
        self.assertEqual([bucket.takes(0.5, 1), bucket.takes(0.5, 1)], [True, False])

    def test_what_is_over_is_refused_as_the_vendor_does_it(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            bitrix = vendors.Bitrix24(folder).start()
            url = f"{bitrix.settings()['webhook']}/crm.item.get.json"
            answers = []
            for _ in range(53):
                try:
                    answers.append(urllib.request.urlopen(url, b'{"entityTypeId": 2, "id": 1001}').status)
                except urllib.error.HTTPError as refused:
                    answers.append((refused.code, json.load(refused)["error"]))
                    refused.close()
            bitrix.stop()
        self.assertEqual(answers[:50], [200] * 50)
        self.assertEqual(answers[-1], (503, "QUERY_LIMIT_EXCEEDED"))
        self.assertEqual(len(bitrix.over), sum(answer != 200 for answer in answers))


class TheComparison(unittest.TestCase):
    """Of deliver.py: what is lost, doubled or made up is found."""

    NOTE = {"id": "chg_1", "kind": "note", "state": "applied", "target": "", "old": None, "new": {"text": "x"}, "crm_id": "7"}
    STAGE = {"id": "chg_2", "kind": "stage", "state": "applied", "target": "value", "old": 1, "new": 5, "crm_id": None}
    WROTE_NOTE = {"deal": "D-1", "notes": 7, "text": "x\n\n[dealstage:chg_1]"}
    WROTE_STAGE = {"deal": "D-1", "fields": {}, "stage": [1, 5]}

    def compare(self, changes, effects):
        proposal = {"crm_deal_id": "D-1"}
        return deliver.check_effects([{"effect": effect} for effect in effects], [(proposal, change) for change in changes])

    def test_one_effect_for_each_applied_change(self):
        changes, effects = [self.NOTE, self.STAGE], [self.WROTE_NOTE, self.WROTE_STAGE]
        self.assertEqual(len(self.compare(changes, effects)), 2)
        wrong = {
            "a note twice": (changes, [*effects, self.WROTE_NOTE]),
            "a stage twice": (changes, [*effects, self.WROTE_STAGE]),
            "a note lost": (changes, effects[1:]),
            "a stage lost": (changes, effects[:1]),
            "another stage": (changes, [self.WROTE_NOTE, {**self.WROTE_STAGE, "stage": [1, 6]}]),
            "a note of nobody": (changes, [*effects, {"deal": "D-1", "notes": 8, "text": "hello"}]),
            "written although superseded": ([self.NOTE, {**self.STAGE, "state": "superseded"}], effects),
            "a change that failed": ([self.NOTE, {**self.STAGE, "state": "failed"}], effects[:1]),
        }
        for what, (told, had) in wrong.items():
            with self.subTest(what):
                self.assertRaises(dealstage.Broken, self.compare, told, had)

    def test_what_is_undone_is_taken_back_once(self):
        changes = [{**self.NOTE, "state": "undone"}, {**self.STAGE, "state": "undone"}]
        effects = [self.WROTE_NOTE, self.WROTE_STAGE, {"deleted": "notes", "id": "7"}, {**self.WROTE_STAGE, "stage": [5, 1]}]
        self.assertEqual(len(self.compare(changes, effects)), 2)
        self.assertRaises(dealstage.Broken, self.compare, changes, effects[:3])
        self.assertRaises(dealstage.Broken, self.compare, changes, [*effects, effects[2]])


if __name__ == "__main__":
    dealstage.packages("standardwebhooks==1.1.0")
    unittest.main()
