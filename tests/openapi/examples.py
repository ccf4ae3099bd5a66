"""Checks every example of the OpenAPI document on standard input against its schema, to the last field."""

import json
import sys

import jsonschema_rs

from document import resolved, untold

document = json.load(sys.stdin)
count = 0


def check(at, schema, value):
    global count
    count += 1
    whole = {"$ref": "#/schema", "schema": schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    wrong = [error.message for error in validator.iter_errors(value)] + untold(document, schema, value)
    if wrong:
        sys.exit(f"{at}: {'; '.join(wrong)}")


def walk(at, value):
    value = resolved(document, value)
    if isinstance(value, list):
        for index, each in enumerate(value):
            walk(f"{at}/{index}", each)
    if isinstance(value, dict):
        if "schema" in value:
            for each in value.get("examples", {}).values():
                check(at, value["schema"], each["value"])
            if "example" in value:
                check(at, value["schema"], value["example"])
        for name, each in value.items():
            if name not in ("schema", "example", "examples"):
                walk(f"{at}/{name}", each)


walk("", document["paths"])
print(f"{count} examples are as their schemas say")
