"""CRMs as their vendors describe them, as far as a connection needs them: what they answer, and what they say to who asks too often.

Played, not the real thing: what the vendors' own clients and documents say is judged in benches/judge. Every deal that is asked for
exists, in the first stage and with empty fields; everything is kept in memory.
"""

import collections
import json
import re

from receiver import Answer, Receiver, Refused, most_in_window


def deal(number):
    return str(1000 + number)


class Window:
    """At most so many in any so many seconds."""

    def __init__(self, most, seconds, what="requests", only=None):
        self.most, self.seconds, self.what, self.only = most, seconds, what, only
        self.taken, self.all = collections.deque(), []

    def takes(self, at, cost):
        self.all += [at] * cost
        while self.taken and at - self.taken[0][0] >= self.seconds:
            self.taken.popleft()
        if sum(cost for _, cost in self.taken) + cost > self.most:
            return False
        self.taken.append((at, cost))
        return True

    def said(self):
        return f"{self.most} {self.what} in {self.seconds:g} s"

    def reached(self):
        return f"{most_in_window(self.all, self.seconds)} {self.what} in {self.seconds:g} s"


class Leaky:
    """A bucket that a request fills by one and that loses so much a second; full: no."""

    def __init__(self, burst, per_second):
        self.burst, self.per_second, self.only = burst, per_second, None
        self.level, self.at, self.highest = 0.0, 0.0, 0.0

    def takes(self, at, cost):
        self.level = max(0.0, self.level - (at - self.at) * self.per_second)
        self.at = at
        if self.level + cost > self.burst:
            return False
        self.level += cost
        self.highest = max(self.highest, self.level)
        return True

    def said(self):
        return f"{self.per_second:g} a second behind a burst of {self.burst:g}"

    def reached(self):
        return f"{self.highest:.0f} in the bucket"


class Budget:
    """So much altogether: that of a day."""

    def __init__(self, most, what):
        self.most, self.what, self.only, self.spent = most, what, None, 0

    def takes(self, _, cost):
        self.spent += cost
        return self.spent <= self.most

    def said(self):
        return f"{self.most} {self.what} a day"

    def reached(self):
        return f"{self.spent} {self.what}"


class Vendor(Receiver):
    """One account. `over` holds what was refused for its limit; a script says "too many" now and then although it is not so."""

    def windows(self):
        return []

    def __init__(self, folder):
        super().__init__(folder)
        self.counted, self.over = self.windows(), []
        self.deals, self.entries, self.ids = {}, {}, 100
        self.said, self.came = collections.deque(), collections.Counter()

    def crm(self, database, request, fault):
        cost = self.cost(request)
        for limit in self.counted:
            concerned = limit.only is None or re.search(limit.only, request.path)
            if concerned and not limit.takes(request.at, 1 if isinstance(limit, Window) and limit.what == "requests" else cost):
                self.over.append(f"{request.method} {request.path}: over {limit.said()}")
                return self.too_many()
        # Every seventh request until all have been said: never the same again at once.
        if self.said and self.count % 7 == 3:
            what, answer = self.said.popleft()
            self.came[what] += 1
            return answer
        return self.route(request)

    def route(self, request):
        for pattern, answer in self.routes:
            if found := re.fullmatch(pattern, f"{request.method} {request.path}"):
                return answer(self, request, *found.groups())
        raise Refused(404, f"{request.method} {request.path} is not played")

    def cost(self, request):
        return 1

    def script(self, times=3):
        """From now on the vendor's own words for "too many" come, each so many times."""
        self.said.extend([*self.throttles().items()] * times + [*self.slow().items()])

    def scripted(self):
        return dict(self.came)

    def limits(self):
        return "; ".join(limit.said() for limit in self.counted)

    def most(self):
        return "; ".join(limit.reached() for limit in self.counted)

    def deal_of(self, id):
        return self.deals.setdefault(str(id), dict(self.empty))

    def add(self, kind, **entry):
        self.ids += 1
        self.entries[kind, str(self.ids)] = entry
        return self.ids

    def find(self, kind, **same):
        """Entries of a kind with these values, as (id, entry)."""
        for (of, id), entry in self.entries.items():
            if of == kind and all(str(entry.get(name)) == str(value) for name, value in same.items()):
                yield int(id), entry

    def settings(self):
        return {"url": self.url, "token": "token"}

    def maps(self, stages):
        """How our deals become theirs: names, as a person would write them down, which the connection turns into ids."""
        names = {ours: self.stages[name] for ours, name in stages.items()}
        return {
            "stages": [{"ours": ours, "crm": name} for ours, name in names.items()],
            "closed": [names["won"], names["lost"]],
            "fields": [{"ours": ours, "crm": crm, "value": value} for ours, (crm, value) in self.fields.items()],
            "note": True,
            "tasks": True,
            "policy": {"least_confidence": 0.0},
        }

    stages = {name: name for name in ("new", "problem", "power", "vision", "value", "control", "signing", "won", "lost")}
    empty, routes, fields = {}, [], {}

    def throttles(self):
        """What it says of its limits, by what it is."""
        return {}

    def slow(self):
        """The same, where it is waited out for a minute: said once."""
        return {}

    def too_many(self):
        return Answer(429, {})


def number(text):
    """Whose number is in what is searched by: the last four digits."""
    return re.findall(r"\d{4}(?!\d)", str(text))[-1]


class HubSpot(Vendor):
    name = "hubspot"
    fields = {"team_size": ("Amount", "{{ value.n }}"), "pain": ("Problem", "{{ value.text }}")}
    empty = {"dealstage": "new", "pipeline": "default"}

    def windows(self):
        return [Window(100, 10), Window(5, 1, only="/search$")]

    def too_many(self):
        body = {"status": "error", "message": "You have reached your ten_secondly_rolling limit.", "category": "RATE_LIMITS"}
        return Answer(429, {**body, "policyName": "TEN_SECONDLY_ROLLING", "correlationId": "1"})

    def throttles(self):
        return {"429 TEN_SECONDLY_ROLLING": self.too_many(), "429 with Retry-After": Answer(429, {}, None, {"retry-after": "2"})}

    def read(self, request, id):
        names = request.query.get("properties", "").split(",")
        body = {"id": id, "properties": {name: self.deal_of(id).get(name) for name in names}}
        if kind := request.query.get("associations"):
            found = [{"id": str(of), "type": f"deal_to_{kind}"} for of, _ in self.find(kind, deal=id)]
            body |= {"associations": {kind: {"results": found}}} if found else {}
        return Answer(200, body)

    def write(self, request, id):
        self.deal_of(id).update(request.json()["properties"])
        return Answer(200, {"id": id, "properties": self.deal_of(id)})

    def create(self, request, kind):
        said = request.json()
        return Answer(201, {"id": str(self.add(kind, deal=said["associations"][0]["to"]["id"], **said["properties"]))})

    def batch(self, request, kind):
        wanted = [one["id"] for one in request.json()["inputs"]]
        found = [{"id": id, "properties": self.entries[kind, id]} for id in wanted if (kind, id) in self.entries]
        return Answer(200, {"status": "COMPLETE", "results": found})

    def delete(self, _, kind, id):
        self.entries.pop((kind, id), None)
        return Answer(204)

    def search(self, request, _):
        return Answer(200, {"total": 1, "results": [{"id": number(request.body.decode()), "properties": {}}]})

    def pipelines(self, _):
        stages = [{"id": id, "label": label} for id, label in self.stages.items()]
        return Answer(200, {"results": [{"id": "default", "label": "Sales", "stages": stages}]})

    def properties(self, _):
        names = {"amount": "Amount", "problem": "Problem", "dealstage": "Deal Stage"}
        return Answer(200, {"results": [{"name": name, "label": label} for name, label in names.items()]})

    routes = [
        (r"GET /crm/objects/2026-09/deals/(\d+)", read),
        (r"PATCH /crm/objects/2026-09/deals/(\d+)", write),
        (r"POST /crm/objects/2026-09/(notes|tasks)", create),
        (r"POST /crm/objects/2026-09/(notes|tasks)/batch/read", batch),
        (r"DELETE /crm/objects/2026-09/(notes|tasks)/(\d+)", delete),
        (r"POST /crm/objects/2026-09/(contacts|deals)/search", search),
        (r"GET /crm/pipelines/2026-09/deals", pipelines),
        (r"GET /crm/properties/2026-09/deals", properties),
    ]


class Salesforce(Vendor):
    name = "salesforce"
    fields = {"team_size": ("Amount", "{{ value.n }}"), "pain": ("Problem__c", "{{ value.text }}")}
    empty = {"StageName": "new"}

    def settings(self):
        return {"url": self.url, "client_id": "id", "client_secret": "secret"}

    def windows(self):
        return [Budget(100_000, "requests")]

    def too_many(self):
        return Answer(403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}])

    def throttles(self):
        # Not REQUEST_LIMIT_EXCEEDED here: it is waited out for a quarter of an hour.
        locked = [{"message": "unable to obtain exclusive access to this record", "errorCode": "UNABLE_TO_LOCK_ROW", "fields": []}]
        return {"400 UNABLE_TO_LOCK_ROW": Answer(400, locked)}

    def token(self, _):
        return Answer(200, {"access_token": "session", "token_type": "Bearer"})

    def query(self, request):
        said = request.query["q"]
        if "FROM Task" in said:
            found = [{"Id": str(id), "Description": entry["Description"]} for id, entry in self.find("Task", WhatId=number(said.split("WHERE")[1]))]
            return Answer(200, {"done": True, "records": found[::-1]})
        column = said.split()[1]
        return Answer(200, {"done": True, "records": [{column: number(said)}] if "WHERE" in said else []})

    def search(self, request):
        return Answer(200, {"searchRecords": [{"Id": number(request.query["q"])}]})

    def read(self, request, id):
        return Answer(200, {name: self.deal_of(id).get(name) for name in request.query["fields"].split(",")})

    def write(self, request, id):
        self.deal_of(id).update(request.json())
        return Answer(204)

    def describe(self, _):
        values = [{"value": name, "label": name, "active": True} for name in self.stages]
        fields = [{"name": "StageName", "label": "Stage", "picklistValues": values}, {"name": "Amount", "label": "Amount"}]
        return Answer(200, {"fields": [*fields, {"name": "Problem__c", "label": "Problem"}]})

    def create(self, request):
        return Answer(201, {"id": str(self.add("Task", **request.json())), "success": True, "errors": []})

    def delete(self, _, id):
        self.entries.pop(("Task", id), None)
        return Answer(204)

    data = r"/services/data/v[\d.]+"
    routes = [
        (r"POST /services/oauth2/token", token),
        (rf"GET {data}/query", query),
        (rf"GET {data}/parameterizedSearch", search),
        (rf"GET {data}/sobjects/Opportunity/describe", describe),
        (rf"GET {data}/sobjects/Opportunity/(\d+)", read),
        (rf"PATCH {data}/sobjects/Opportunity/(\d+)", write),
        (rf"POST {data}/sobjects/Task", create),
        (rf"DELETE {data}/sobjects/Task/(\d+)", delete),
    ]


class Pipedrive(Vendor):
    name = "pipedrive"
    own = "d4de1c1518b4531717c676029a45911c340390a6"
    # Won and lost are no stages.
    stages = {**Vendor.stages, "won": "won", "lost": "lost"}
    fields = {"team_size": ("Value", "{{ value.n }}"), "pain": ("Problem", "{{ value.text }}")}
    empty = {"status": "open", "stage_id": 1}

    def windows(self):
        return [Window(20, 2), Budget(30_000, "tokens")]

    def cost(self, request):
        kind = "DELETE" if request.method == "DELETE" else request.method
        single = re.search(r"/\d+$", request.path)
        if "/notes" in request.path:
            return {"GET": 20, "POST": 10, "DELETE": 6}[kind]
        if kind == "GET":
            return 20 if "search" in request.path else 1 if single else 5 if "stages" in request.path else 10
        return 3 if kind == "DELETE" else 5

    def too_many(self):
        return Answer(429, {"success": False, "error": "rate limit exceeded", "code": 429}, None, {"x-ratelimit-reset": "2"})

    def throttles(self):
        spent = Answer(429, {"success": False, "error": "Daily API token limit exceeded"}, None, {"retry-after": "3"})
        return {"429 x-ratelimit-reset": self.too_many(), "429 tokens spent": spent}

    def data(self, data, status=200, **more):
        return Answer(status, {"success": True, "data": data, "additional_data": {"next_cursor": None, **more}})

    def read(self, _, id):
        return self.data({"id": int(id), "custom_fields": {self.own: None}, "value": None, **self.deal_of(id)})

    def write(self, request, id):
        said, before = request.json(), self.deal_of(id)
        own = {**before.get("custom_fields", {}), **said.pop("custom_fields", {})}
        before.update(said, custom_fields={self.own: None, **own})
        return self.read(request, id)

    def stage_list(self, _):
        open_ones = [name for name in self.stages if name not in ("won", "lost")]
        return self.data([{"id": at + 1, "name": name, "pipeline_id": 1} for at, name in enumerate(open_ones)])

    def field_list(self, _):
        return self.data([{"field_code": "value", "field_name": "Value"}, {"field_code": self.own, "field_name": "Problem"}])

    def create(self, request, kind):
        return self.data({"id": self.add(kind, **request.json())}, 201)

    def list(self, request, kind):
        found = [{"id": id, **entry} for id, entry in self.find(kind, deal_id=request.query["deal_id"])]
        return self.data(found[::-1], pagination={"start": 0, "limit": 100, "more_items_in_collection": False})

    def delete(self, _, kind, id):
        self.entries.pop((kind, id), None)
        return self.data({"id": int(id)})

    def search(self, request, _):
        return self.data({"items": [{"item": {"id": int(number(request.query["term"]))}, "result_score": 1}]})

    def of_person(self, request):
        return self.data([{"id": int(request.query["person_id"])}])

    routes = [
        (r"GET /api/v2/deals/(\d+)", read),
        (r"PATCH /api/v2/deals/(\d+)", write),
        (r"GET /api/v2/deals", of_person),
        (r"GET /api/v2/(deals|persons)/search", search),
        (r"GET /api/v2/stages", stage_list),
        (r"GET /api/v2/dealFields", field_list),
        (r"POST /(?:api/)?v[12]/(notes|activities)", create),
        (r"GET /(?:api/)?v[12]/(notes|activities)", list),
        (r"DELETE /(?:api/)?v[12]/(notes|activities)/(\d+)", delete),
    ]


class AmoCrm(Vendor):
    name = "amocrm"
    fields = {"team_size": ("price", "{{ value.n }}"), "pain": ("Problem", "{{ value.text }}")}
    empty = {"status_id": 11, "pipeline_id": 1, "price": 0, "custom_fields_values": None, "closed_at": None}
    ids_of = {name: 11 + at for at, name in enumerate(Vendor.stages)} | {"won": 142, "lost": 143}

    def windows(self):
        return [Window(7, 1)]

    def too_many(self):
        # No JSON, as the vendor's own client expects.
        return Answer(429, b"<html><body>429 Too Many Requests</body></html>", None, {"content-type": "text/html"})

    def throttles(self):
        return {"429 in HTML": self.too_many()}

    def embedded(self, kind, items, status=200):
        """Where nothing is found there is nothing, not an empty list."""
        return Answer(status, {"_links": {}, "_embedded": {kind: items}}) if items else Answer(204)

    def read(self, _, id):
        return Answer(200, {"id": int(id), "name": f"Firm {id}", **self.deal_of(id)})

    def write(self, request, id):
        said, before = request.json(), self.deal_of(id)
        own = {one["field_id"]: one for one in (before["custom_fields_values"] or []) + said.pop("custom_fields_values", [])}
        before.update(said, custom_fields_values=[one for one in own.values() if one["values"]] or None)
        return Answer(200, {"id": int(id), "updated_at": 1})

    def pipelines(self, _):
        statuses = [{"id": id, "name": name} for name, id in self.ids_of.items()]
        return self.embedded("pipelines", [{"id": 1, "name": "Sales", "_embedded": {"statuses": statuses}}])

    def custom_fields(self, _):
        return self.embedded("custom_fields", [{"id": 501, "name": "Problem", "code": None, "type": "textarea"}])

    def create_note(self, request, id):
        made = [{"id": self.add("notes", lead=id, **one), "request_id": str(at)} for at, one in enumerate(json.loads(request.body))]
        return self.embedded("notes", made)

    def notes(self, _, id):
        return self.embedded("notes", [{"id": of, **entry} for of, entry in self.find("notes", lead=id)][::-1])

    def create_task(self, request):
        made = [{"id": self.add("tasks", **one), "request_id": str(at)} for at, one in enumerate(json.loads(request.body))]
        return self.embedded("tasks", made)

    def tasks(self, request):
        found = self.find("tasks", entity_id=request.query["filter[entity_id]"])
        return self.embedded("tasks", [{"id": of, **entry} for of, entry in found][::-1])

    def contacts(self, request):
        of = number(request.query["query"])
        has = [{"values": [{"value": request.query["query"]}]}]
        return self.embedded("contacts", [{"id": int(of), "custom_fields_values": has, "_embedded": {"leads": [{"id": int(of)}]}}])

    def leads(self, request):
        said = request.query.get("query") or f"Firm {request.query['filter[id][]']}"
        return self.embedded("leads", [{"id": int(number(said)), "name": said, "closed_at": None}])

    def account(self, _):
        return Answer(200, {"id": 1, "name": "Acme"})

    routes = [
        (r"GET /api/v4/account", account),
        (r"GET /api/v4/leads/pipelines", pipelines),
        (r"GET /api/v4/leads/custom_fields", custom_fields),
        (r"GET /api/v4/leads/(\d+)", read),
        (r"PATCH /api/v4/leads/(\d+)", write),
        (r"POST /api/v4/leads/(\d+)/notes", create_note),
        (r"GET /api/v4/leads/(\d+)/notes", notes),
        (r"POST /api/v4/tasks", create_task),
        (r"GET /api/v4/tasks", tasks),
        (r"GET /api/v4/contacts", contacts),
        (r"GET /api/v4/leads", leads),
    ]


class Bitrix24(Vendor):
    name = "bitrix24"
    fields = {"team_size": ("Amount", "{{ value.n }}"), "pain": ("Problem", "{{ value.text }}")}
    empty = {"stageId": "NEW", "opportunity": 0, "ufCrmProblem": None}

    def settings(self):
        return {"webhook": f"{self.url}/rest/1/secret"}

    def windows(self):
        return [Leaky(50, 2)]

    def too_many(self):
        return Answer(503, {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"})

    def throttles(self):
        # Not 429 OPERATION_TIME_LIMIT here: it is waited out for a minute. `slow` has it.
        return {"503 QUERY_LIMIT_EXCEEDED": self.too_many()}

    def slow(self):
        said = {"error": "OPERATION_TIME_LIMIT", "error_description": "Method is blocked due to operation time limit."}
        return {"429 OPERATION_TIME_LIMIT": Answer(429, said)}

    def result(self, result):
        return Answer(200, {"result": result, "time": {"operating": 0.1}})

    def call(self, request, method):
        said = request.json()
        match method:
            case "crm.item.get":
                return self.result({"item": {"id": said["id"], **self.deal_of(said["id"])}})
            case "crm.item.update":
                self.deal_of(said["id"]).update(said["fields"])
                return self.result({"item": {"id": said["id"], **self.deal_of(said["id"])}})
            case "crm.item.list":
                by = said["filter"].get("contactId") or said["filter"].get("title")
                return self.result({"items": [{"id": int(number(by))}]})
            case "crm.item.fields":
                names = {"opportunity": ("Amount", "OPPORTUNITY"), "ufCrmProblem": ("Problem", "UF_CRM_PROBLEM"), "stageId": ("Stage", "STAGE_ID")}
                return self.result({"fields": {name: {"title": title, "upperName": upper} for name, (title, upper) in names.items()}})
            case "crm.category.list":
                return self.result({"categories": [{"id": 0, "name": "Sales"}]})
            case "crm.status.list":
                return self.result([{"STATUS_ID": name.upper(), "NAME": name} for name in self.stages])
            case "crm.duplicate.findbycomm":
                return self.result({"CONTACT": [int(number(said["values"][0]))]})
            case "crm.timeline.comment.add":
                return self.result(self.add("comment", **said["fields"]))
            case "crm.timeline.comment.list":
                found = self.find("comment", ENTITY_ID=said["filter"]["ENTITY_ID"])
                return self.result([{"ID": str(id), "COMMENT": entry["COMMENT"]} for id, entry in found][::-1])
            case "crm.activity.todo.add":
                return self.result({"id": self.add("activity", **said)})
            case "crm.activity.list":
                found = self.find("activity", ownerId=said["filter"]["OWNER_ID"])
                return self.result([{"ID": str(id), "DESCRIPTION": entry["description"]} for id, entry in found][::-1])
            case "crm.timeline.comment.delete" | "crm.activity.delete":
                self.entries.pop(("comment" if "comment" in method else "activity", str(said["id"])), None)
                return self.result(True)
        raise Refused(404, f"{method} is not played")

    routes = [(r"POST /rest/1/secret/([a-z.]+)\.json", call)]


class Odoo(Vendor):
    name = "odoo"
    stages = {**Vendor.stages, "lost": "lost"}
    fields = {"team_size": ("expected_revenue", "{{ value.n }}"), "pain": ("x_problem", "{{ value.text }}")}
    empty = {"stage_id": 1, "active": True, "expected_revenue": 0.0, "x_problem": False}

    def settings(self):
        return {"url": self.url, "token": "token", "database": "acme"}

    def named(self, id):
        names = [name for name in self.stages if name != "lost"]
        return [id, names[id - 1]]

    def call(self, request, model, method):
        said = request.json()
        match model, method:
            case "crm.lead", "read":
                id = said["ids"][0]
                shown = {**self.deal_of(id), "stage_id": self.named(self.deal_of(id)["stage_id"])}
                return Answer(200, [{"id": id, **{name: shown.get(name, False) for name in said["fields"]}}])
            case "crm.lead", "write":
                self.deal_of(said["ids"][0]).update(said["vals"])
                return Answer(200, True)
            case "crm.lead", "action_set_lost" | "action_unarchive":
                self.deal_of(said["ids"][0])["active"] = method == "action_unarchive"
                return Answer(200, True)
            case "crm.lead", "search_read":
                return Answer(200, [{"id": int(number(said["domain"][1][2]))}])
            case "crm.lead", "fields_get":
                return Answer(200, {"expected_revenue": {"string": "Expected Revenue"}, "x_problem": {"string": "Problem"}})
            case "crm.stage", "search_read":
                return Answer(200, [{"id": at + 1, "name": name} for at, name in enumerate(self.stages) if name != "lost"])
            case "crm.lead", "message_post":
                return Answer(200, self.add("mail.message", deal=said["ids"][0], text=said["body"]))
            case "crm.lead", "activity_schedule":
                return Answer(200, [self.add("mail.activity", deal=said["ids"][0], text=said["note"])])
            case "mail.message" | "mail.activity", "search_read":
                (_, _, deal), (_, _, marker) = said["domain"][1:]
                found = [{"id": id} for id, entry in self.find(model, deal=deal) if marker in entry["text"]]
                return Answer(200, found[: said["limit"]])
            case "mail.message" | "mail.activity", "unlink":
                self.entries.pop((model, str(said["ids"][0])), None)
                return Answer(200, True)
        raise Refused(404, f"{model}/{method} is not played")

    routes = [(r"POST /json/2/([a-z.]+)/([a-z_]+)", call)]


class EspoCrm(Vendor):
    name = "espocrm"
    fields = {"team_size": ("amount", "{{ value.n }}"), "pain": ("cProblem", "{{ value.text }}")}
    empty = {"stage": "new", "amount": None, "cProblem": None}

    def read(self, _, id):
        return Answer(200, {"id": id, **self.deal_of(id)})

    def write(self, request, id):
        self.deal_of(id).update(request.json())
        return self.read(request, id)

    def list(self, request):
        return Answer(200, {"total": 1, "list": [{"id": number(request.query["where[0][value]"])}] if "where[0][value]" in request.query else []})

    def of_contact(self, _, id):
        return Answer(200, {"total": 1, "list": [{"id": id, "stage": "new"}]})

    def metadata(self, request):
        if request.query["key"].endswith("stage.options"):
            return Answer(200, [*self.stages])
        return Answer(200, {name: {"type": "varchar"} for name in self.empty})

    def create(self, request, kind):
        return Answer(200, {"id": str(self.add(kind, **request.json()))})

    def stream(self, _, id):
        found = [{"id": str(of), **entry} for of, entry in self.find("Note", parentId=id)]
        return Answer(200, {"total": len(found), "list": found[::-1]})

    def tasks(self, request):
        deal, marker = request.query["where[0][value]"], request.query["where[1][value]"]
        found = [{"id": str(id)} for id, entry in self.find("Task", parentId=deal) if marker in entry["description"]]
        return Answer(200, {"total": len(found), "list": found})

    def delete(self, _, kind, id):
        self.entries.pop((kind, id), None)
        return Answer(200, True)

    routes = [
        (r"GET /api/v1/Opportunity/(\d+)", read),
        (r"PUT /api/v1/Opportunity/(\d+)", write),
        (r"GET /api/v1/(?:Opportunity|Contact)", list),
        (r"GET /api/v1/Contact/(\d+)/opportunities", of_contact),
        (r"GET /api/v1/Metadata", metadata),
        (r"POST /api/v1/(Note|Task)", create),
        (r"GET /api/v1/Opportunity/(\d+)/stream", stream),
        (r"GET /api/v1/Task", tasks),
        (r"DELETE /api/v1/(Note|Task)/(\d+)", delete),
    ]


ALL = {kind.name: kind for kind in (HubSpot, Salesforce, Pipedrive, AmoCrm, Bitrix24, Odoo, EspoCrm)}
# Those that publish a limit.
LIMITED = [name for name, kind in ALL.items() if kind.windows is not Vendor.windows]
