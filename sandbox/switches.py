"""Switches on the caller's own calls: for some minutes they make the calls of one account slow, or let them fail.

A trainee learns with them what a client must do when a server is slow or fails. Each account has its own switch, kept
in Valkey, so other callers see no change. Every answer that a switch has made or delayed carries ``X-Sandbox-Switch``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import redis
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers

from accounts.tokens import token_claims
from core.api.envelope import JSON, error_response
from core.api.request import token_of_head
from core.cache import valkey
from core.errors import DomainError, InternalError, ServiceUnavailable, Throttled, TokenInvalid

HEADER = "X-Sandbox-Switch"
MAX_DELAY_MS = 20_000
MAX_MINUTES = 120
MAX_CALLS = 50
_ERRORS: dict[str, Callable[[], DomainError]] = {
    "500": partial(InternalError, "sandbox-switch"),
    "503": ServiceUnavailable,
    "429": partial(Throttled, 5),
    "expired": TokenInvalid,
}
ANSWERS = (*_ERRORS, "empty", "drop")
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
    calls: Sequence[str] = ()
    is_of_teacher: bool = False  # the account cannot change it

    def applies_to(self, path: str) -> bool:
        is_chosen = not self.calls or path.lower().rstrip("/") in self.calls
        return is_chosen and random.random() < self.rate  # noqa: S311  (a lesson, no secret)


class SwitchFields(serializers.Serializer[Any]):
    """A switch as it is sent, and for how many minutes it is on."""

    minutes = serializers.FloatField(min_value=1, max_value=MAX_MINUTES, default=10)
    delay_ms = serializers.IntegerField(min_value=0, max_value=MAX_DELAY_MS, default=0)
    jitter_ms = serializers.IntegerField(min_value=0, max_value=MAX_DELAY_MS, default=0)
    answer = serializers.ChoiceField(ANSWERS, allow_blank=True, default="")
    rate = serializers.FloatField(min_value=0, max_value=1, default=1)
    calls = serializers.ListField(child=serializers.CharField(), max_length=MAX_CALLS, default=list)


def switch_set(body: dict[str, Any], *, unid: str, is_of_teacher: bool, now: datetime) -> None:
    """Switch the calls of an account as ``body`` says.

    :raises ValueError: with a sentence that names the field.
    """
    fields = SwitchFields(data=body)
    if not fields.is_valid():
        name, errors = next(iter(fields.errors.items()))
        raise ValueError(f"{name}: {errors[0]}")
    values = dict(fields.validated_data)
    ends_at = now + timedelta(minutes=values.pop("minutes"))
    values["calls"] = [call.lower().rstrip("/") for call in values["calls"]]
    switch = Switch(unid, ends_at.isoformat(timespec="seconds"), is_of_teacher=is_of_teacher, **values)
    valkey.client().set(_KEY + unid, orjson.dumps(switch), exat=int(ends_at.timestamp()))


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
    return Switch(**orjson.loads(raw)) if raw else None


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
        if answer in _ERRORS:
            return error_response(_ERRORS[answer]())
        response = self.get_response(request)
        return _emptied(response) if answer == "empty" else response


def _emptied(response: HttpResponse) -> HttpResponse:
    """Return the answer with its list empty; an answer without one stays as it is."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return response
    empty_body = body | {"data": []} | ({"total": 0} if "total" in body else {})
    return HttpResponse(orjson.dumps(empty_body), content_type=JSON, status=response.status_code)


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
