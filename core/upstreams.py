"""Other people's servers: how long somebody waits for them, how many at once, and whether asking makes sense.

A person who waits (``answer_within``) is refused at once where too many wait already, or where the server is dead. What
runs by itself is never refused: it has a pace of its own, and its threads are nobody else's. See docs/adr/0034.
"""

import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition
from typing import Any

import redis
import structlog
from django.conf import settings

from core.cache import valkey
from core.observe import metrics
from core.observe.metrics import Sample

log = structlog.get_logger("core.upstreams")

FAILURES = 5  # in a row: then the server counts as dead
PAUSE_S, LONGEST_PAUSE_S = 5.0, 20.0  # until one call tries it again; less by chance, so that hosts differ
QUEUE_S = 1.0  # for room beside the others
SILENT_S = 1.0  # without any answer: then it looks dead, and few may queue for it
BUSY_S, COME_BACK_S = 2, 5  # what those who are refused are told at least
_KEY = "spms:upstream:"
_NOTE_S = 60  # longer than pause and probe together: what nobody renews is over, or its process is gone

ANSWERS = metrics.counter("spms_upstream_answers_total", "Calls that somebody waited for", ["upstream", "outcome"])

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class OutgoingError(Exception):
    """The other side did not give a usable answer. The text names no URL: it may hold a secret."""


class UpstreamRefused(OutgoingError):
    """Nothing was sent: too many wait for this server, or it is dead. ``wait_s`` is when to come back."""

    def __init__(self, why: str, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = max(1, round(wait_s))

    def answer(self) -> dict[str, Any]:
        """What makes a 503 of an answer: arguments of a ``DomainError``."""
        return {"status": 503, "http_status": 503, "headers": {"Retry-After": str(self.wait_s)}}


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Somebody waits: whatever is asked of others inside, one thing after the other, ends within ``seconds``."""
    token = _ends_at.set(time.monotonic() + min(seconds, time_left(seconds)))
    try:
        yield
    finally:
        _ends_at.reset(token)


def is_awaited() -> bool:
    return _ends_at.get() is not None


def time_left(most_s: float) -> float:
    """How long the next call may take: ``most_s``, or less where somebody waits; never below 0."""
    ends_at = _ends_at.get()
    return most_s if ends_at is None else max(0.0, min(most_s, ends_at - time.monotonic()))


class Upstream:
    """One server, as this process knows it: a budget and a breaker. Safe between threads."""

    known: dict[str, "Upstream"] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = Condition()
        self.forget()
        # Whether the caller has room already, and then whether it is the one that tries a dead server again.
        self._mine: ContextVar[str] = ContextVar(f"room_{name}", default="")
        self.known[name] = self

    def forget(self) -> None:
        """Begin anew, as a fresh process would."""
        self._inside = self._queued = self._failures = 0
        self._silent_since = 0.0  # the latest answer, or the first call after a pause
        self._pause_s, self.rests_until = PAUSE_S, 0.0
        self._probed_at: int | None = None  # the number of failures when the probe went out

    @contextmanager
    def room(self) -> Iterator[None]:
        """Have room for one call after the other. Inside it, asking for room again gives the same.

        :raises UpstreamRefused: at once, or after ``QUEUE_S``.
        """
        if self._mine.get() or not is_awaited():
            yield
            return
        token = self._mine.set(self._enter())
        try:
            yield
        finally:
            self._leave(self._mine.get())
            self._mine.reset(token)

    def refuse_if_dead(self) -> None:
        """:raises UpstreamRefused: whoever asked for room now would not get any, for the server is dead."""
        with self._changed:
            if is_awaited() and self._is_dead:
                self._require_turn()

    def report(self, *, works: bool) -> None:
        """Take note of a call's outcome; any answer but a failure of the server's own counts as working."""
        if not is_awaited():
            return
        ANSWERS.labels(self.name, "answered" if works else "failed").inc()
        with self._changed:
            was_dead = self._is_dead
            self._failures = 0 if works else self._failures + 1
            if works:
                self._pause_s, self._silent_since = PAUSE_S, time.monotonic()
            elif self._failures == FAILURES:
                self._rest()
            is_dead = self._is_dead
        if is_dead != was_dead:
            log.warning("upstream", name=self.name, is_dead=is_dead)
            self._note(is_dead)

    @property
    def _is_dead(self) -> bool:
        return self._failures >= FAILURES

    def _rest(self) -> None:
        self.rests_until = time.monotonic() + self._pause_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _enter(self) -> str:
        with self._changed:
            role = self._admitted()
            if role == "probe":
                return role
            if self._inside >= settings.UPSTREAM_CALLS:
                self._queue_up()
                role = self._admitted()
            if not self._inside:
                self._silent_since = time.monotonic()
            self._inside += 1
            return role

    def _admitted(self) -> str:
        """:raises UpstreamRefused: the server is dead, and it is not the caller's turn to try it again."""
        if not self._is_dead:
            return "call"
        self._require_turn()
        self._probed_at = self._failures
        return "probe"

    def _require_turn(self) -> None:
        wait_s = self.rests_until - time.monotonic()
        if self._probed_at is not None or wait_s > 0:
            raise self._refusal("dead", max(wait_s, COME_BACK_S))

    def _queue_up(self) -> None:
        # A class that clicks in the same second may queue for a server that answers: its turn comes in no time.
        is_silent = time.monotonic() - self._silent_since > SILENT_S
        if is_silent and self._queued >= settings.UPSTREAM_CALLS // 2:
            raise self._refusal("busy", BUSY_S)
        self._queued += 1
        try:
            if not self._changed.wait_for(lambda: self._inside < settings.UPSTREAM_CALLS, QUEUE_S):
                raise self._refusal("busy", BUSY_S)
        finally:
            self._queued -= 1

    def _refusal(self, why: str, wait_s: float) -> UpstreamRefused:
        ANSWERS.labels(self.name, f"refused_{why}").inc()
        return UpstreamRefused(why, wait_s)

    def _leave(self, role: str) -> None:
        with self._changed:
            has_failed = False
            if role == "probe":
                has_failed = self._is_dead and self._failures != self._probed_at  # or it asked nothing after all
                self._probed_at = None
            else:
                self._inside -= 1
                self._changed.notify()
            if has_failed:
                self._rest()
        if has_failed:
            self._note(True)

    def _note(self, is_dead: bool) -> None:
        """Tell the other processes, for doctor and /metrics."""
        key = f"{_KEY}{self.name}:{socket.gethostname()}:{os.getpid()}"
        try:
            if is_dead:
                valkey.client().set(key, 1, ex=_NOTE_S)
            else:
                valkey.client().delete(key)
        except redis.RedisError:
            pass  # they will not know; calls go on


def resting() -> dict[str, int]:
    """In how many processes, of all hosts, each server counts as dead."""
    found = dict.fromkeys(Upstream.known, 0)
    for key in valkey.client().scan_iter(f"{_KEY}*", count=1000):
        name = key.decode().removeprefix(_KEY).split(":")[0]
        found[name] = found.get(name, 0) + 1
    return found


@metrics.register
def dead_upstreams() -> Iterator[Sample]:
    for name, number in resting().items():
        yield "spms_upstream_dead", "Processes that refuse calls to it", {"upstream": name}, number
