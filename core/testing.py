"""Holding real answers against the documented ones. The API client of ``conftest.py`` does it for every answer."""

from typing import Any


def check_documented(response: Any) -> None:
    """Fail if a success answer lacks a key, has another type or another text than its documentation shows.

    Extra keys are allowed; so is anything where the example holds ``null``.
    """
    if response.status_code != 200:
        return
    endpoint = getattr(getattr(response.resolver_match, "func", None), "endpoint", None)
    docs = getattr(endpoint, "docs", None)
    if endpoint is None or not docs or "application/json" not in response.headers.get("Content-Type", ""):
        return
    body = response.json()
    if body.get("state") is not True:
        return
    complaints = [list(_differences(example, body, "")) for example in docs.successes]
    if all(complaints):
        raise AssertionError(f"{endpoint.path} answers unlike its documentation: {min(complaints, key=len)}")


def _differences(example: Any, real: Any, where: str) -> Any:
    if where in {".status", ".msg"} and example != real:
        yield f"{where}: {example!r} is documented, {real!r} came"
    elif example is None:
        return
    elif _kind(example) != _kind(real):
        yield f"{where}: {_kind(example)} is documented, {_kind(real)} came"
    elif isinstance(example, dict):
        for name, inner in example.items():
            if name in real:
                yield from _differences(inner, real[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is missing"
    elif isinstance(example, list) and example:
        for entry in real:
            yield from _differences(example[0], entry, f"{where}[]")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "number", float: "number", str: "text", dict: "object", list: "list"}.get(type(value), "null")
