"""HubSpot's own Python client, made from its OpenAPI documents: bodies go through its models and must come out as they went in.

A model knows the names and types of what it has: a name that it does not know is lost on the way, a number where it wants a text
becomes one. The client speaks version 3 and 4 of the paths; version 2026-09 has the same behind another beginning.
"""

import re
import types

import clients

clients.packages("hubspot-api-client==12.0.0")

from hubspot.crm import objects, pipelines, properties
from hubspot.crm.associations import v4 as associations

SERVER = clients.Caught()


def api(module, kind):
    return getattr(module, kind)(module.ApiClient(module.Configuration(host=SERVER.url)))


def model(module, name, body):
    """Our body as the client's model of it."""
    text = types.SimpleNamespace(data=clients.json.dumps(body))
    try:
        return module.ApiClient(module.Configuration()).deserialize(text, name)
    except (ValueError, TypeError) as refused:
        raise clients.Wrong(f"{name}: {refused}") from refused


def asked(request, *lists):
    """The query as the client's arguments; those that it takes as lists as such."""
    said = {}
    for name, value in request["query"]:
        own = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
        if name in lists:
            said.setdefault(own, []).extend(value.split(","))
        else:
            said[own] = {"true": True, "false": False}.get(value, value)
    return said


def update(request, kind, id):
    body = model(objects, "SimplePublicObjectInput", request["body"])
    return api(objects, "BasicApi").update(kind, id, body, **asked(request))


def create(request, kind):
    return api(objects, "BasicApi").create(kind, model(objects, "SimplePublicObjectInputForCreate", request["body"]))


def read(request, kind, id):
    return api(objects, "BasicApi").get_by_id(kind, id, **asked(request, "properties", "propertiesWithHistory", "associations"))


def search(request, kind):
    return api(objects, "SearchApi").do_search(kind, model(objects, "PublicObjectSearchRequest", request["body"]))


def archive(_, kind, id):
    return api(objects, "BasicApi").archive(kind, id)


def read_many(request, kind):
    body = model(objects, "BatchReadInputSimplePublicObjectId", request["body"])
    return api(objects, "BatchApi").read(kind, body, **asked(request))


def associate(_, kind, id, to, other):
    return api(associations, "BasicApi").create_default(kind, id, to, other)


def associated(request, kind, id, to):
    return api(associations, "BasicApi").get_page(kind, id, to, **asked(request))


def stages(_, kind):
    return api(pipelines, "PipelinesApi").get_all(kind)


def stages_of(_, kind, id):
    return api(pipelines, "PipelinesApi").get_by_id(kind, id)


def fields(request, kind):
    return api(properties, "CoreApi").get_all(kind, **asked(request))


ROUTES = [
    (r"PATCH /crm/objects/(\w[\w-]*)/([^/]+)", update),
    (r"POST /crm/objects/(\w[\w-]*)", create),
    (r"GET /crm/objects/(\w[\w-]*)/([^/]+)", read),
    (r"DELETE /crm/objects/(\w[\w-]*)/([^/]+)", archive),
    (r"POST /crm/objects/(\w[\w-]*)/search", search),
    (r"POST /crm/objects/(\w[\w-]*)/batch/read", read_many),
    (r"PUT /crm/objects/(\w[\w-]*)/([^/]+)/associations/default/(\w+)/([^/]+)", associate),
    (r"GET /crm/objects/(\w[\w-]*)/([^/]+)/associations/(\w+)", associated),
    (r"GET /crm/pipelines/(\w+)", stages),
    (r"GET /crm/pipelines/(\w+)/([^/]+)", stages_of),
    (r"GET /crm/properties/(\w+)", fields),
]


def plain(path):
    """The path without the version, which stands in two places."""
    return re.sub(r"^/crm/(?:v[34]/(\w+)|(\w+)/(?:v[34]|20\d\d-\d\d))(?=/)", lambda found: f"/crm/{found[1] or found[2]}", path)


def ask(request):
    for pattern, call in ROUTES:
        if found := re.fullmatch(pattern, f"{request['method']} {plain(request['path'])}"):
            before = len(SERVER.requests)
            try:
                call(request, *found.groups())
            except TypeError as refused:
                raise clients.Wrong(str(refused)) from refused
            except Exception as error:
                # It minds our empty answer, after it has sent.
                if len(SERVER.requests) == before:
                    raise clients.Wrong(str(error)) from error
            return f"hubspot-api-client {call.__name__}", SERVER.requests[-1]
    raise clients.Unknown


clients.judge(ask, plain)
