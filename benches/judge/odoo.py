"""Odoo's own Python client, over JSON-2: the same model, method and named parameters."""

import re

import clients

clients.packages("odoo-client-lib==2.0.1")

import odoolib

SERVER = clients.Caught(b"[]")


def ask(request):
    found = re.fullmatch(r"/json/2/([a-z0-9_.]+)/([a-z_]+)", request["path"])
    if not found:
        raise clients.Unknown
    model, method = found.groups()
    connector = odoolib.get_connector(hostname="127.0.0.1", port=SERVER.server_port, protocol="json2")
    connection = odoolib.json2.Json2Connection(connector, "db", "key")
    getattr(connection.get_model(model), "__getattr__")(method)(**(request["body"] or {}))
    theirs = SERVER.requests[-1]
    for name in ("x-odoo-database", "authorization"):
        if name not in request["headers"]:
            raise clients.Wrong(f"{model}/{method}: the header {name} is missing")
    return f"odoo-client-lib {model}/{method}", theirs


clients.judge(ask)
