"""A widely used Python client of Salesforce: the same records, queries and composites to the same addresses.

It knows no fields: whether a field is there is for the customer's `describe` to say. The version in the address is ours.
"""

import re

import clients

clients.packages("simple-salesforce==1.12.10")

from simple_salesforce import Salesforce


def ask(request):
    version = re.search(r"/services/data/v([\d.]+)/", request["path"])
    if not version:
        raise clients.Unknown
    with clients.catching_requests() as caught:
        client = Salesforce(session_id="token", instance_url="https://acme.my.salesforce.com", version=version[1])
        behind = request["path"].split(version[0], 1)[1]
        body = request["body"]
        match request["method"], behind.split("/"):
            case "PATCH", ["sobjects", kind, id]:
                by = "update"
                attempt(getattr(client, kind).update, id, body)
            case "PATCH", ["sobjects", kind, field, value]:
                by = "upsert"
                attempt(getattr(client, kind).upsert, f"{field}/{value}", body)
            case "POST", ["sobjects", kind]:
                by = "create"
                attempt(getattr(client, kind).create, body)
            case "GET", ["sobjects", kind, "describe"]:
                by = "describe"
                attempt(getattr(client, kind).describe)
            case "GET", ["sobjects", kind, id]:
                by = "get"
                attempt(getattr(client, kind).get, id, params=dict(request["query"]))
            case "DELETE", ["sobjects", kind, id]:
                by = "delete"
                attempt(getattr(client, kind).delete, id)
            case "GET", ["query"]:
                by = "query"
                attempt(client.query, dict(request["query"])["q"])
            case _:
                raise clients.Unknown
    if not caught:
        raise clients.Wrong("the client sends nothing")
    return f"simple-salesforce {by}", caught[0]


def attempt(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except Exception:
        # It minds our answer, after it has sent.
        pass


clients.judge(ask, lambda path: path.rstrip("/"))
