"""Turn the ``TypedDict`` of an answer's record into its OpenAPI schema.

``OrderJson`` becomes the component ``Order``. It stands beside the code that builds the record: mypy checks that code
against it, and the tests check every real answer against it.
"""

import types
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

Schema = dict[str, Any]
_PLAIN: dict[Any, Schema] = {Any: {}} | {
    kind: {"type": name} for kind, name in ((str, "string"), (int, "integer"), (float, "number"), (bool, "boolean"))
}


def schema_of(hint: Any, refer: Callable[[type], Schema]) -> Schema:
    """Write a type as an OpenAPI 3.0 schema.

    :param refer: returns the reference (``$ref``) to the component of a ``TypedDict``.
    :raises TypeError: JSON has no such type.
    """
    if is_typeddict(hint):
        return refer(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return schema_of(inner[0], refer) | {"description": inner[1]}
    if origin in (NotRequired, Required):
        return schema_of(inner[0], refer)
    if origin is Literal:
        return _PLAIN[type(inner[0])] | {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0], refer)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1], refer)}
    if origin in (Union, types.UnionType):
        return _either(inner, refer)
    raise TypeError(f"{hint} has no place in an answer")


def record_schema(record: type, refer: Callable[[type], Schema]) -> Schema:
    """Write a ``TypedDict`` as the schema of its component."""
    hints = get_type_hints(record, include_extras=True)
    return {
        "type": "object",
        "properties": {name: schema_of(hint, refer) for name, hint in hints.items()},
        "required": sorted(record.__required_keys__),  # type: ignore[attr-defined]
    }


def record_name(record: type) -> str:
    """Return the component's name: ``Order`` for ``OrderJson``."""
    return record.__name__.removesuffix("Json")


def fitting(hint: Any, value: Any) -> Any:
    """Return the member of a union "one record or a list of them" that fits ``value``; any other hint unchanged."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next((inner for inner in get_args(hint) if (get_origin(inner) is list) is isinstance(value, list)), hint)


def _either(hints: tuple[Any, ...], refer: Callable[[type], Schema]) -> Schema:
    real = [hint for hint in hints if hint is not type(None)]
    # JSON has one type of number: a price is 9 in one record and 9.9 in the next.
    if set(real) == {int, float}:
        real = [float]
    schemas = [schema_of(hint, refer) for hint in real]
    schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    if len(real) == len(hints):
        return schema
    return {"allOf": [schema], "nullable": True} if "$ref" in schema else schema | {"nullable": True}
