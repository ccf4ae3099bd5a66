"""What schemathesis does not know: NDJSON, in and out; the forms of a list; that a field which is not told is wrong."""

import itertools
import json

import schemathesis

from document import parse, resolved, untold

FORMS = itertools.cycle([None, "text/csv", "application/x-ndjson"])
HAS_CONDITION = itertools.cycle([True, False, False])


@schemathesis.serializer("application/x-ndjson")
def to_lines(ctx, value):
    values = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(value) for value in values).encode()


@schemathesis.deserializer("application/x-ndjson")
def of_lines(ctx, response):
    return parse("application/x-ndjson", response.content.decode())


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.operation.label == "GET /api/" and (form := next(FORMS)):
        case.headers["Accept"] = form
    # A key that was used or a tag that is none hides what comes of the body.
    if case.meta and case.meta.generation.mode.is_positive and not next(HAS_CONDITION):
        for name in ("Idempotency-Key", "If-Match"):
            case.headers.pop(name, None)


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
