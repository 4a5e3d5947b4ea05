"""Write ``types.d.ts`` for clients out of the OpenAPI document."""

import json
from collections.abc import Mapping
from textwrap import indent
from typing import Any

Schema = dict[str, Any]
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
_HEAD = """\
// Made from /schema/. import type { Failure, Student, StudentsGetstulistAnswer } from "./types"
// A record is an interface, a success is an interface that ends in Answer, and a refusal is a Failure.
"""


def types_file(document: Schema) -> str:
    """Return an interface for each component, and ``paths``: what each call takes and answers."""
    schemas = document["components"]["schemas"]
    interfaces = [f"export interface {name} {_type(schema)}\n" for name, schema in sorted(schemas.items())]
    components = _block({"schemas": _block({name: name for name in sorted(schemas)})})
    calls = {
        json.dumps(path): _block({method: _call(call) for method, call in methods.items()})
        for path, methods in document["paths"].items()
    }
    more = [f"export interface components {components}\n", f"export interface paths {_block(calls)}\n"]
    return "\n".join([_HEAD, *interfaces, *more])


def _call(call: Schema) -> str:
    query = [parameter for parameter in call["parameters"] if parameter["in"] == "query"]
    names = [parameter["name"] for parameter in query if parameter.get("required")]
    fields = _object({parameter["name"]: parameter["schema"] for parameter in query}, names)
    bodies = {
        json.dumps(kind): _type(content["schema"])
        for kind, content in call.get("requestBody", {}).get("content", {}).items()
        if kind != "application/x-www-form-urlencoded"  # the same as JSON
    }
    answers = _block({'"application/json"': _type(call["responses"]["200"]["content"]["application/json"]["schema"])})
    parts = {"responses": _block({"200": _block({"content": answers})})}
    if query:
        parts["parameters"] = _block({"query" if names else "query?": fields})
    if bodies:
        is_required = call["requestBody"].get("required")
        parts["requestBody" if is_required else "requestBody?"] = _block({"content": _block(bodies)})
    return _block(parts)


def _type(schema: Schema) -> str:
    if schema.get("nullable"):
        return f"{_type(schema | {'nullable': False})} | null"
    if reference := schema.get("$ref"):
        return str(reference.rpartition("/")[2])
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        return " | ".join(dict.fromkeys(_type(choice) for choice in choices))
    if values := schema.get("enum"):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)
    match schema.get("type"):
        case "array":
            return f"({_type(schema['items'])})[]"
        case "object" if "properties" in schema:
            return _object(schema["properties"], schema.get("required", []))
        case "object":
            return f"Record<string, {_type(schema.get('additionalProperties') or {})}>"
    return "Blob" if schema.get("format") == "binary" else _PLAIN.get(schema.get("type", ""), "unknown")


def _object(fields: Mapping[str, Schema], required_names: list[str]) -> str:
    rows = {}
    for name, schema in fields.items():
        key = name if name.isidentifier() else json.dumps(name)
        about = " ".join(schema.get("description", "").split())
        rows[f"{key}{'' if name in required_names else '?'}"] = _type(schema) + (f" // {about}" if about else "")
    return _block(rows)


def _block(rows: Mapping[str, str]) -> str:
    return "{\n" + indent("".join(f"{key}: {text}\n" for key, text in rows.items()), "  ") + "}"
