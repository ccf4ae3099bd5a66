"""Reads the OpenAPI document from standard input and checks each example against its schema."""

import json
import sys

import jsonschema_rs

from document import resolved, undocumented

document = json.load(sys.stdin)
checked = 0


def check(at, schema, value):
    global checked
    checked += 1
    root = {"$ref": "#/schema", "schema": schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(root, validate_formats=True)
    errors = [error.message for error in validator.iter_errors(value)] + undocumented(document, schema, value)
    if errors:
        sys.exit(f"{at}: {'; '.join(errors)}")


def walk(at, value):
    value = resolved(document, value)
    if isinstance(value, list):
        for index, element in enumerate(value):
            walk(f"{at}/{index}", element)
    if isinstance(value, dict):
        if "schema" in value:
            for example in value.get("examples", {}).values():
                check(at, value["schema"], example["value"])
            if "example" in value:
                check(at, value["schema"], value["example"])
        for name, member in value.items():
            if name not in ("schema", "example", "examples"):
                walk(f"{at}/{name}", member)


walk("", document["paths"])
print(f"{checked} examples match their schemas")
