"""Helpers that read the OpenAPI document."""

import json


def resolved(document, value):
    """Follows the references of a value."""
    while isinstance(value, dict) and "$ref" in value:
        target = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name.replace("~1", "/")]
        value = target
    return value


def parse(media_type, text):
    """Parses JSON and NDJSON; returns any other text unchanged."""
    if media_type == "application/x-ndjson":
        return [json.loads(line) for line in text.split("\n") if line]
    return json.loads(text) if media_type.endswith("json") else text


def undocumented(document, schema, value, at=""):
    """Lists the fields of a value that its schema does not name. The schemas allow them, but the service must not send any."""
    schemas = list(_parts(document, schema))
    if isinstance(value, list):
        items = [schema["items"] for schema in schemas if "items" in schema]
        return [name for element in value for item in items for name in undocumented(document, item, element, at)]
    properties = {}
    for schema in schemas:
        properties |= schema.get("properties", {})
    if not isinstance(value, dict) or not properties:
        return []
    names = []
    for name, field in value.items():
        path = f"{at}/{name}"
        names += undocumented(document, properties[name], field, path) if name in properties else [path]
    return names


def _parts(document, schema):
    schema = resolved(document, schema)
    if isinstance(schema, dict):
        yield schema
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(keyword, []):
                yield from _parts(document, part)
