"""Switches on one's own calls: for some minutes they make the calls of one account slow, or let them fail.

A trainee learns with them what a client must do when a server is slow or fails. Each account has its own switch, kept
in Valkey, so nobody else's calls change. Every answer that a switch has made or delayed carries ``X-Sandbox-Switch``.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import redis
from django.http import HttpRequest, HttpResponse

from accounts.tokens import token_claims
from core.api.envelope import JSON, error_response
from core.api.request import token_of_head
from core.cache import valkey
from core.errors import InternalError, ServiceUnavailable, Throttled, TokenInvalid

HEADER = "X-Sandbox-Switch"
MAX_DELAY_MS = 20_000
MAX_MINUTES = 120
MAX_CALLS = 50
ANSWERS = ("500", "503", "429", "empty", "expired", "drop")
_KEY = "spms:switch:"

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Switch:
    """What happens to the calls of one account. ``calls`` are paths in lower case, none for all of them.

    :param delay_ms: the answer comes this much later, and up to ``jitter_ms`` more.
    :param answer: one of ``ANSWERS`` instead of the real answer, or "".
    :param rate: the share of the calls, from 0 to 1.
    """

    unid: str
    ends_at: str
    delay_ms: int = 0
    jitter_ms: int = 0
    answer: str = ""
    rate: float = 1.0
    calls: tuple[str, ...] = ()
    is_of_teacher: bool = False  # the account cannot change it

    def applies_to(self, path: str) -> bool:
        is_chosen = not self.calls or path.lower().rstrip("/") in self.calls
        return is_chosen and random.random() < self.rate  # noqa: S311  (a lesson, no secret)


def switch_read(body: dict[str, Any], *, unid: str, is_of_teacher: bool, now: datetime) -> tuple[Switch, int]:
    """Read a switch as it was sent, and for how many seconds it is on.

    :raises ValueError: with a sentence that names the field.
    """
    minutes = _number(body, "minutes", 10, 1, MAX_MINUTES)
    calls = body.get("calls", [])
    if not isinstance(calls, list) or len(calls) > MAX_CALLS or not all(isinstance(call, str) for call in calls):
        raise ValueError(f"calls: a list of up to {MAX_CALLS} paths")
    answer = str(body.get("answer") or "")
    if answer and answer not in ANSWERS:
        raise ValueError(f"answer: one of {', '.join(ANSWERS)}")
    switch = Switch(
        unid=unid,
        ends_at=(now + timedelta(minutes=minutes)).isoformat(timespec="seconds"),
        delay_ms=int(_number(body, "delay_ms", 0, 0, MAX_DELAY_MS)),
        jitter_ms=int(_number(body, "jitter_ms", 0, 0, MAX_DELAY_MS)),
        answer=answer,
        rate=_number(body, "rate", 1, 0, 1),
        calls=tuple(call.lower().rstrip("/") for call in calls),
        is_of_teacher=is_of_teacher,
    )
    return switch, int(minutes * 60)


def _number(body: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name}: a number from {least} to {most}")
    return value


def switch_set(switch: Switch, *, seconds: int) -> None:
    valkey.client().set(_KEY + switch.unid, orjson.dumps(asdict(switch)), ex=seconds)


def switch_clear(unid: str) -> None:
    valkey.client().delete(_KEY + unid)


def switch_of(unid: str) -> Switch | None:
    """Return the account's switch; None if it has none, or Valkey does not answer."""
    try:
        return _switch(valkey.client().get(_KEY + unid))
    except redis.RedisError:
        return None


def switches_on() -> list[Switch]:
    """Return all switches that are on, in the order of the accounts' numbers."""
    client = valkey.client()
    keys = sorted(client.scan_iter(match=f"{_KEY}*", count=1000))
    return [switch for raw in (client.mget(keys) if keys else []) if (switch := _switch(raw))]


def _switch(raw: bytes | None) -> Switch | None:
    if not raw:
        return None
    fields = json.loads(raw)
    return Switch(**fields | {"calls": tuple(fields["calls"])})


class SwitchMiddleware:
    """Change the answers of calls whose account has a switch. It is there only while the sandbox is on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        claims = token_claims(raw) if (raw := token_of_head(request)) else None
        switch = switch_of(claims["unid"]) if claims else None
        if switch is None or not switch.applies_to(request.path_info):
            return self.get_response(request)
        response = self._answer(request, switch.answer)
        delay_ms = switch.delay_ms + random.randint(0, switch.jitter_ms)  # noqa: S311
        response[HEADER] = f"delay_ms={delay_ms}; answer={switch.answer or 'real'}"
        return response

    def _answer(self, request: HttpRequest, answer: str) -> HttpResponse:
        match answer:
            case "500":
                return error_response(InternalError("sandbox-switch"))
            case "503":
                return error_response(ServiceUnavailable())
            case "429":
                return error_response(Throttled(5))
            case "expired":
                return error_response(TokenInvalid())
            case "empty":
                return _emptied(self.get_response(request))
        return self.get_response(request)


def _emptied(response: HttpResponse) -> HttpResponse:
    """Return the answer with its list empty; an answer without one stays as it is."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return response
    emptied = body | {"data": []} | ({"total": 0} if "total" in body else {})
    return HttpResponse(orjson.dumps(emptied), content_type=JSON, status=response.status_code)


def with_switches(application: Asgi) -> Asgi:
    """Return the ASGI application that delays and drops the answers whose switch says so.

    Here and not in the middleware, because there a delay would hold one of the threads that all callers share.
    """

    async def switched(scope: dict[str, Any], receive: Any, send: Any) -> None:
        is_dropped = False

        async def send_switched(message: dict[str, Any]) -> None:
            nonlocal is_dropped
            if message["type"] == "http.response.start" and (text := _header(message["headers"])):
                delay_ms, answer = (part.partition("=")[2] for part in text.split("; "))
                await asyncio.sleep(int(delay_ms) / 1000)
                is_dropped = answer == "drop"
            if is_dropped and message["type"] == "http.response.body":
                # Less than the announced length: the server can only close the connection.
                message = {"type": "http.response.body", "body": message.get("body", b"")[:1]}
            await send(message)

        await application(scope, receive, send_switched if scope["type"] == "http" else send)

    return switched


def _header(headers: list[tuple[bytes, bytes]]) -> str:
    return next((value.decode() for name, value in headers if name.lower() == HEADER.lower().encode()), "")
