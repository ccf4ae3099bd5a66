"""The OpenAPI document as the tests here read it."""

import json


def resolved(document, value):
    """The value, or what its reference leads to."""
    while isinstance(value, dict) and "$ref" in value:
        target = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/")]
        value = target
    return value


def parse(media_type, text):
    """What a text of this type says, where it is JSON."""
    if media_type == "application/x-ndjson":
        return [json.loads(line) for line in text.split("\n") if line]
    return json.loads(text) if media_type.endswith("json") else text


def untold(document, schema, value, at=""):
    """The fields of a value that its schema does not name: a schema allows them, the service has none."""
    schemas = list(_parts(document, schema))
    if isinstance(value, list):
        items = [schema["items"] for schema in schemas if "items" in schema]
        return [name for each in value for item in items for name in untold(document, item, each, at)]
    properties = {}
    for schema in schemas:
        properties |= schema.get("properties", {})
    if not isinstance(value, dict) or not properties:
        return []
    names = []
    for name, each in value.items():
        path = f"{at}/{name}"
        names += untold(document, properties[name], each, path) if name in properties else [path]
    return names


def _parts(document, schema):
    schema = resolved(document, schema)
    if isinstance(schema, dict):
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(keyword, []):
                yield from _parts(document, part)
