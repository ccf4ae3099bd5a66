"""What schemathesis does not know: NDJSON, in and out; the forms of a list; that a field which is not told is wrong."""

import itertools
import json
import re

import schemathesis

from document import parse, resolved, untold

FORMS = itertools.cycle([None, "text/csv", "application/x-ndjson"])
HAS_KEY = itertools.cycle([True, False, False])
HAS_FILTER = itertools.cycle([True, False])
FIRST = told = "1-0"


@schemathesis.serializer("application/x-ndjson")
def to_lines(ctx, value):
    values = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(value) for value in values).encode()


@schemathesis.deserializer("application/x-ndjson")
def of_lines(ctx, response):
    return parse("application/x-ndjson", response.content.decode())


@schemathesis.hook
def before_call(ctx, case, kwargs):
    is_positive = case.meta and case.meta.generation.mode.is_positive
    if case.operation.label == "GET /api/" and (form := next(FORMS)):
        case.headers["Accept"] = form
    # A stream that has nothing to tell does not end: let there be more after what was told last, or a reset.
    if case.operation.label == "GET /api/events" and "Last-Event-ID" not in case.headers:
        if is_positive:
            case.query = {}
            case.headers["Last-Event-ID"] = told
        else:
            case.headers["Last-Event-ID"] = "none"
    # What is filtered by made-up names is empty.
    if is_positive and case.method == "GET" and not next(HAS_FILTER):
        case.query = {}
    # A key that was used or a tag that is none hides what comes of the body.
    if is_positive and not next(HAS_KEY):
        for name in ("Idempotency-Key", "If-Match"):
            case.headers.pop(name, None)


@schemathesis.hook
def after_call(ctx, case, response):
    global told
    if response.headers.get("content-type") == ["text/event-stream"] and b"event: reset" not in response.content:
        told = next(iter(re.findall("^id: (.+)\ndata", response.content.decode(), re.MULTILINE)), FIRST)


@schemathesis.check
def every_field_is_told(ctx, response, case):
    document = case.operation.schema.raw_schema
    responses = document["paths"][case.operation.path][case.operation.method]["responses"]
    answer = resolved(document, responses.get(str(response.status_code), {}))
    media_type = response.headers.get("content-type", [""])[0].split(";")[0]
    content = answer.get("content", {}).get(media_type)
    if content is not None:
        fields = untold(document, content["schema"], parse(media_type, response.content.decode()))
        assert not fields, f"not told: {', '.join(fields)}"
