"""Bitrix24's own Python client: every method that we call, with the parameters that we send, checked and sent by it."""

import datetime
import inspect
import json
import re

import clients

clients.packages("b24pysdk==1.3.2")

from b24pysdk import BitrixWebhook, Client

# The client takes moments, and leaves it to `json` to write them, which cannot.
json.JSONEncoder.default = lambda _, value: value.isoformat()
CLIENT = Client(BitrixWebhook(domain="portal.example.com", webhook_token="1/secret"))


def ask(request):
    method = request["path"].rsplit("/", 1)[-1].removesuffix(".json").removesuffix(".post")
    at = CLIENT
    for name in method.split("."):
        # A word of Python's has a line behind it, and names of several words are written apart.
        at = getattr(at, spelled(name), None) or getattr(at, spelled(name) + "_", None)
        if at is None:
            raise clients.Unknown
    known = inspect.signature(at).parameters
    said = {}
    for name, value in (request["body"] or {}).items():
        own = "bitrix_id" if name.lower() == "id" and "bitrix_id" in known else spelled(name)
        if own not in known:
            raise clients.Wrong(f"{method} has no parameter {name}; it has {', '.join(known)}")
        said[own] = dated(known[own], value)
    with clients.catching_requests() as caught:
        try:
            # It sends when the result is looked at, and then minds our answer.
            at(**said).response
        except (TypeError, ValueError) as refused:
            if not caught:
                raise clients.Wrong(f"{method}: {refused}") from refused
        except Exception:
            pass
    if not caught:
        raise clients.Wrong(f"{method}: the client sends nothing")
    theirs = caught[0]
    return f"b24pysdk {method}", theirs


def spelled(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def dated(parameter, value):
    """What the client takes as a moment we say as text."""
    if "datetime" in str(parameter.annotation) and isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    return value


def plain(path):
    """The method alone, whatever its case: the address before it is the customer's."""
    return path.rsplit("/", 1)[-1].removesuffix(".json").lower()


clients.judge(ask, plain)
