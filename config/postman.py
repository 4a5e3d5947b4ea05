"""Write the Postman collection out of the OpenAPI document: a journey whose every answer is checked."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_PAY_IN_SANDBOX = {"summary": "在沙箱里付款"}  # the only step that is no documented call


class Step(NamedTuple):
    """A line of ``journey.txt``, which explains the columns; ``send`` is None for the documented example."""

    method: str
    path: str
    send: dict[str, Any] | None = None
    outcome: str = "either"
    keep: str = ""


@cache
def _journey() -> list[Step]:
    steps = []
    for line in (Path(__file__).parent / "journey.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            request, send, outcome, keep = [*(column.strip() for column in line.split("|")), "", "", ""][:4]
            method, path = request.split()
            steps.append(Step(method.lower(), path, json.loads(send) if send else None, outcome or "ok", keep))
    return steps


def collection(document: dict[str, Any], *, variables: dict[str, str], has_sandbox: bool) -> dict[str, Any]:
    """Return the collection. A documented call without a step comes before the last one, and may end either way.

    :param variables: the server's ``baseUrl``, and the ``username`` and ``password`` of who logs in.
    """
    calls = {(path, method): call for path, methods in document["paths"].items() for method, call in methods.items()}
    *steps, last = [step for step in _journey() if has_sandbox or not step.path.startswith("/sandbox/")]
    paths = {step.path for step in [*steps, last]}
    rest = [Step(method, path) for path, method in calls if path not in paths]
    return {
        "info": {
            "name": document["info"]["title"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [_pair(name, value) for name, value in (variables | {"token": ""}).items()],
        "auth": {
            "type": "apikey",
            "apikey": [_pair("key", "authorization"), _pair("value", "{{token}}"), _pair("in", "header")],
        },
        "item": [_item(step, calls.get((step.path, step.method), _PAY_IN_SANDBOX)) for step in [*steps, *rest, last]],
    }


def _item(step: Step, call: dict[str, Any]) -> dict[str, Any]:
    query = [parameter for parameter in call.get("parameters", []) if parameter["in"] == "query"]
    send = step.send
    if send is None and step.method == "get":
        send = {entry["name"]: _example(entry) for entry in query if entry.get("examples")}
    elif send is None:
        send = _example(call.get("requestBody", {}).get("content", {}).get("application/json", {}))
    path = step.path.strip("/").replace("{out_trade_no}", "{{order_id}}").split("/")
    names = [entry["name"] for entry in query] if step.method == "get" else []
    rows = [_pair(name, str(send.get(name, ""))) | {"disabled": name not in send} for name in names]
    # Postman reads the parts of the address, several other programs only the whole.
    pairs = "&".join(f"{name}={send[name]}" for name in names if name in send)
    address = "/".join(["{{baseUrl}}", *path]) + (f"?{pairs}" if pairs else "")
    request: dict[str, Any] = {
        "method": step.method.upper(),
        "description": call.get("description", ""),
        "url": {"raw": address, "host": ["{{baseUrl}}"], "path": path, "query": rows},
    }
    if any(str(value).startswith("@") for value in send.values()):
        fields = [
            {"key": name, "type": "file", "src": value[1:]}
            if value.startswith("@")
            else _pair(name, value) | {"type": "text"}
            for name, value in send.items()
        ]
        request["body"] = {"mode": "formdata", "formdata": fields}
    elif step.method == "post":
        request["header"] = [_pair("Content-Type", "application/json")]
        raw = json.dumps(send, ensure_ascii=False, indent=2)
        request["body"] = {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    script = {"type": "text/javascript", "exec": list(_script(step))}
    return {"name": call["summary"], "request": request, "event": [{"listen": "test", "script": script}]}


def _script(step: Step) -> Iterator[str]:
    """Yield the lines that check the answer and keep what later steps need."""
    outcome, _, msg = step.outcome.partition(": ")
    if outcome == "either":
        yield _test("不是服务器的错误", "pm.response.code", ".below(500)")
        return
    yield _test("HTTP 200", "pm.response.code", ".equal(200)")
    yield "const body = pm.response.json()"
    match outcome:
        case "refused":
            yield _test("按文档拒绝", "body", f'.include({{ state: false, msg: "{msg}" }})')
        case "paid":
            yield _test("付款成功", "body.trade_state", '.equal("SUCCESS")')
        case _ if msg:
            yield _test("成功,或没有选图片", "body.state ? null : body.msg", f'.be.oneOf([null, "{msg}"])')
        case _:
            yield _test("成功", "body.state, body.msg", ".equal(true)")
    for variable in step.keep.split():
        name, _, place = variable.partition("=")
        yield f'pm.collectionVariables.set("{name}", body.{place})'


def _test(title: str, value: str, expectation: str) -> str:
    return f'pm.test("{title}", () => pm.expect({value}).to{expectation})'


def _example(schema: dict[str, Any]) -> Any:
    return next((example["value"] for example in schema.get("examples", {}).values()), {})


def _pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}
