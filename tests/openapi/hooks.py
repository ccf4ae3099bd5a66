"""Extends schemathesis: NDJSON bodies, the formats of a list, event streams, and a check for undocumented fields."""

import itertools
import json
import re

import schemathesis

from document import parse, resolved, undocumented

FORMATS = itertools.cycle([None, "text/csv", "application/x-ndjson"])
HAS_KEY = itertools.cycle([True, False, False])
HAS_FILTER = itertools.cycle([True, False])
FIRST = last_event_id = "1-0"


@schemathesis.serializer("application/x-ndjson")
def to_lines(ctx, value):
    values = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(value) for value in values).encode()


@schemathesis.deserializer("application/x-ndjson")
def from_lines(ctx, response):
    return parse("application/x-ndjson", response.content.decode())


@schemathesis.hook
def before_call(ctx, case, kwargs):
    is_positive = case.meta and case.meta.generation.mode.is_positive
    if case.operation.label == "GET /api/" and (media_type := next(FORMATS)):
        case.headers["Accept"] = media_type
    # A stream without events does not end: continue after a known event, or provoke a reset.
    if case.operation.label == "GET /api/events" and "Last-Event-ID" not in case.headers:
        if is_positive:
            case.query = {}
            case.headers["Last-Event-ID"] = last_event_id
        else:
            case.headers["Last-Event-ID"] = "none"
    # Filters with generated names match nothing, so half of the reads have no filter.
    if is_positive and case.method == "GET" and not next(HAS_FILTER):
        case.query = {}
    # A used key or an invalid tag fails before the body is processed, so most writes have neither.
    if is_positive and not next(HAS_KEY):
        for name in ("Idempotency-Key", "If-Match"):
            case.headers.pop(name, None)


@schemathesis.hook
def after_call(ctx, case, response):
    global last_event_id
    if response.headers.get("content-type") == ["text/event-stream"] and b"event: reset" not in response.content:
        last_event_id = next(iter(re.findall("^id: (.+)\ndata", response.content.decode(), re.MULTILINE)), FIRST)


@schemathesis.check
def every_field_is_documented(ctx, response, case):
    document = case.operation.schema.raw_schema
    responses = document["paths"][case.operation.path][case.operation.method]["responses"]
    documented = resolved(document, responses.get(str(response.status_code), {}))
    media_type = response.headers.get("content-type", [""])[0].split(";")[0]
    content = documented.get("content", {}).get(media_type)
    if content is not None:
        fields = undocumented(document, content["schema"], parse(media_type, response.content.decode()))
        assert not fields, f"undocumented: {', '.join(fields)}"
