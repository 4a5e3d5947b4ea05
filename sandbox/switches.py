"""Switches on the caller's own calls: for some minutes they make the calls of one account slow, or let them fail.

A trainee learns with them what a client must do when a server is slow or fails. Each account has its own switch, kept
in Valkey, so other callers see no change. A demo account is used by many, so there a switch belongs to the token that
set it. Every answer that a switch has made or delayed carries ``X-Sandbox-Switch``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import redis
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.authentication import Principal
from accounts.demo_users import is_demo_account
from core.api.access import Access
from core.api.endpoint import Endpoint
from core.api.envelope import JSON
from core.api.routing import call_find
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
    """What happens to the calls of one account, or with ``jti`` of one of its tokens.

    :param calls: documented paths, none for all of them.
    :param since: when it was set; "expired" ends the tokens that were issued before.
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
    since: float = 0.0
    jti: str = ""
    name: str = ""  # of a preset

    @property
    def effect(self) -> str:
        """Return what it does, for people."""
        delay = f"延迟 {self.delay_ms}–{self.delay_ms + self.jitter_ms} 毫秒" if self.delay_ms + self.jitter_ms else ""
        share = f"{self.rate:.0%} 的调用" if self.rate < 1 else ""
        return "；".join(part for part in (delay, self.answer, share, "、".join(self.calls)) if part)

    @property
    def ends(self) -> datetime:
        return datetime.fromisoformat(self.ends_at)

    def applies_to(self, endpoint: Endpoint, claims: dict[str, Any]) -> bool:
        if self.calls and endpoint.path not in self.calls:
            return False
        if self.answer == "expired":
            # As with any ended token: a call that needs no login goes on, so the login can cure it.
            issued_at = claims["iat"] + claims.get("iat_ms", 0) / 1000
            if endpoint.access is Access.OPEN or issued_at >= self.since:
                return False
        return random.random() < self.rate  # noqa: S311  (a lesson, no secret)


class SwitchFields(serializers.Serializer[Any]):
    """A switch as it is sent, and for how many minutes it is on."""

    minutes = serializers.FloatField(min_value=1, max_value=MAX_MINUTES, default=10)
    delay_ms = serializers.IntegerField(min_value=0, max_value=MAX_DELAY_MS, default=0)
    jitter_ms = serializers.IntegerField(min_value=0, max_value=MAX_DELAY_MS, default=0)
    answer = serializers.ChoiceField(ANSWERS, allow_blank=True, default="")
    rate = serializers.FloatField(min_value=0, max_value=1, default=1)
    calls = serializers.ListField(child=serializers.CharField(), max_length=MAX_CALLS, default=list)


def switch_set(
    body: dict[str, Any], *, unid: str, jti: str = "", is_of_teacher: bool, now: datetime, name: str = ""
) -> None:
    """Switch the calls of an account, or with ``jti`` of one of its tokens, as ``body`` says.

    :raises ValueError: with a sentence that names the field, or a path that is no call.
    """
    fields = SwitchFields(data=body)
    if not fields.is_valid():
        name, errors = next(iter(fields.errors.items()))
        first = errors[0] if isinstance(errors, list) else next(iter(errors.values()))[0]  # of a list: by its places
        raise ValueError(f"{name}: {first}")
    values = dict(fields.validated_data)
    ends_at = now + timedelta(minutes=values.pop("minutes"))
    values["calls"] = [_path(call) for call in values["calls"]]
    since, until = int(now.timestamp() * 1000) / 1000, ends_at.isoformat(timespec="seconds")
    switch = Switch(unid, until, jti=jti, name=name, is_of_teacher=is_of_teacher, since=since, **values)
    valkey.client().set(_key(unid, jti), orjson.dumps(switch), exat=int(ends_at.timestamp()))


def _path(call: str) -> str:
    """Return the documented path of a call: it stands for its aliases, letter case, and parameter as well."""
    match = call_find(call)
    if match is None:
        raise ValueError(f"calls: {call[:100]!r} is no call of this server; write it as /students/getstulist")
    endpoint: Endpoint = match.func.endpoint  # type: ignore[attr-defined]  # CallTable's views have one
    return endpoint.path


def switch_clear(unid: str, jti: str = "") -> None:
    valkey.client().delete(_key(unid, jti))


def switch_at(unid: str, jti: str = "") -> Switch | None:
    """Return the switch of the account, else that of its token."""
    keys = [_key(unid), _key(unid, jti)]  # the same one twice where switches belong to the account
    return next(_switches(valkey.client().mget(keys)), None)


def switch_of(claims: dict[str, Any]) -> Switch | None:
    """Return the switch of a token's owner; None if there is none, or Valkey does not answer."""
    try:
        return switch_at(claims["unid"], own_jti(claims))
    except redis.RedisError:
        return None


def own_jti(claims: dict[str, Any]) -> str:
    """Return the id of the token where switches belong to tokens, "" where they belong to the account.

    All tokens that were refreshed from one login have the same.
    """
    return claims["jti"] if is_demo_account(claims["username"]) else ""


def _key(unid: str, jti: str = "") -> str:
    return f"{_KEY}{unid}:{jti}" if jti else _KEY + unid


def switches_on() -> list[Switch]:
    """Return all switches that are on, in the order of the accounts' numbers."""
    client = valkey.client()
    keys = sorted(client.scan_iter(match=f"{_KEY}*", count=1000))
    return list(_switches(client.mget(keys))) if keys else []


def _switches(rows: Iterable[bytes | None]) -> Iterator[Switch]:
    """Read what ``switch_set`` has stored; a key without a value has ended."""
    for raw in rows:
        if raw is not None:
            values = orjson.loads(raw)
            yield Switch(**values | {"calls": tuple(values["calls"])})


def switch_check(request: Request, caller: Principal) -> None:
    """Note the caller's switch for the middleware, and answer the call if the switch does.

    It is called when the caller is known, so it does not matter whether the token came in the header, query or body.
    """
    endpoint: Endpoint = request.parser_context["view"].endpoint
    switch = switch_of(caller.claims)
    if switch is None or not switch.applies_to(endpoint, caller.claims):
        return
    request._request.switch = switch  # type: ignore[attr-defined]
    if switch.answer in _ERRORS:
        raise _ERRORS[switch.answer]()


class SwitchMiddleware:
    """Mark and change the answers of calls that ``switch_check`` has noted. It is there only with the sandbox."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        switch: Switch | None = getattr(request, "switch", None)
        if switch is None:
            return response
        if switch.answer == "empty":
            response = _emptied(response)
        delay_ms = switch.delay_ms + random.randint(0, switch.jitter_ms)  # noqa: S311
        response[HEADER] = f"delay_ms={delay_ms}; answer={switch.answer or 'real'}"
        return response


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
