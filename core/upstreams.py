"""Calls to other people's servers: how long a request waits, how many wait at once, when a dead server is left alone.

A request in which a person waits (``answer_within``) is refused at once if too many wait for the server already, or if
it is dead. Background tasks are never refused: they come at their own pace and hold no thread that a person needs. See
docs/adr/0034.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition

import structlog
from django.conf import settings

from core.errors import DomainError
from core.observe import metrics

log = structlog.get_logger("core.upstreams")

FAILURES = 5  # a server counts as dead after so many failed calls in a row
PAUSE_S = 5.0  # then one call tries it again; at random up to half less, so that hosts differ
TRY_S = 10.0  # and if nothing is heard of that call for so long, the next one does
MAX_QUEUE_S = 4.0  # a request waits this long for a place, while the server answers other calls
SILENT_S = 1.0  # without an answer for so long, the server may be dead: nobody waits for a place any more
BUSY_S, COME_BACK_S = 2, 5  # the Retry-After of a request that is refused: busy, dead

ANSWERS = metrics.Counter("spms_upstream_answers_total", "Awaited calls", ["upstream", "outcome"])

_left_s: ContextVar[float | None] = ContextVar("left_s", default=None)  # what the calls of a request may still take


class OutgoingError(Exception):
    """The server gave no usable answer. The error's text never names the URL, which may hold a secret."""


class UpstreamRefused(OutgoingError):
    """Nothing was sent: too many wait for this server, or it is dead. ``headers`` tell a client when to come back."""

    def __init__(self, why: str, wait_s: int) -> None:
        super().__init__(why)
        self.headers = {"Retry-After": str(wait_s)}


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Say that a person waits for the block: all outgoing calls inside it together take ``seconds`` at most.

    What the block does between them, such as waiting for the database, is not counted.
    """
    token = _left_s.set(seconds)
    try:
        yield
    finally:
        _left_s.reset(token)


def is_awaited() -> bool:
    """Tell whether a person waits for the present work (``answer_within``)."""
    return _left_s.get() is not None


def time_left(max_s: float) -> float:
    """Return how many seconds the next call may take: ``max_s``, or less if a person waits; never below 0."""
    left_s = _left_s.get()
    return max_s if left_s is None else min(max_s, left_s)


@contextmanager
def spending() -> Iterator[None]:
    """Count the block's time as a call's, if a person waits."""
    began = time.monotonic()
    try:
        yield
    finally:
        left_s = _left_s.get()
        if left_s is not None:
            _left_s.set(max(0.0, left_s - (time.monotonic() - began)))


class Upstream:
    """One server as this process knows it: how many calls run, and whether it is dead. Safe between threads."""

    registry: dict[str, "Upstream"] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = Condition()
        self._has_slot: ContextVar[bool] = ContextVar(f"slot_{name}", default=False)  # the present request or task
        self.forget()
        self.registry[name] = self

    def forget(self) -> None:
        """Forget all that was seen of the server, as a new process would. For tests."""
        self._inside = self._failures = 0
        self._silent_since = 0.0  # when the latest answer came, or when the first call began after there was none
        self.rests_until = 0.0  # of a dead server: when the next call may try it

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place for the block, in which calls follow one another. A nested ``slot`` uses the same place.

        :raises UpstreamRefused: the server is dead or silent, or no place was free within ``MAX_QUEUE_S``.
        """
        if self._has_slot.get() or not is_awaited():
            yield
            return
        try_ends_at = self._enter()
        token = self._has_slot.set(True)
        try:
            yield
        finally:
            self._has_slot.reset(token)
            self._leave(try_ends_at)

    @contextmanager
    def room(self, error: Callable[..., DomainError]) -> Iterator[None]:
        """Hold a place for the block, as ``slot`` does, before a limit of the caller's is counted.

        Otherwise a call that is refused for lack of room would have used up one of the few that the caller may make.

        :raises DomainError: what ``error`` makes, where ``slot`` refuses.
        """
        try:
            with self.slot():
                yield
        except UpstreamRefused as refused:
            raise error(headers=refused.headers) from None

    def refuse_if_dead(self) -> None:
        """Stop early, before other work is done, where ``slot`` would refuse because the server is dead.

        :raises UpstreamRefused: the server is dead, and it is not yet time to try it again.
        """
        if is_awaited() and self._is_dead and time.monotonic() < self.rests_until:
            raise self._refusal("dead", COME_BACK_S)

    def report(self, *, works: bool) -> None:
        """Note a call's outcome. Any answer counts as working, a refusal too; only no answer or HTTP 5xx does not."""
        if not is_awaited():
            return
        ANSWERS.labels(self.name, "answered" if works else "failed").inc()
        with self._changed:
            was_dead = self._is_dead
            self._failures = 0 if works else self._failures + 1
            if works:
                self._silent_since = time.monotonic()
            elif self._is_dead:
                self.rests_until = time.monotonic() + PAUSE_S * random.uniform(0.5, 1)  # noqa: S311 - no secret
            is_dead = self._is_dead
        if is_dead != was_dead:
            log.warning("upstream", name=self.name, is_dead=is_dead)

    @property
    def _is_dead(self) -> bool:
        return self._failures >= FAILURES

    def _enter(self) -> float:
        """Take a place; of a dead server that this call tries, return when the try ends, else 0.

        :raises UpstreamRefused: as ``slot``.
        """
        with self._changed:
            if not self._is_dead and self._inside >= settings.UPSTREAM_CALLS:
                with spending():
                    self._queue_up()
            self.refuse_if_dead()
            if self._is_dead:
                self.rests_until = time.monotonic() + TRY_S
            elif not self._inside:
                self._silent_since = time.monotonic()
            self._inside += 1
            return self.rests_until if self._is_dead else 0.0

    def _queue_up(self) -> None:
        # While the server answers, a whole class may wait that clicked in the same second. Nobody waits for a silent
        # one: the threads belong to other requests.
        ends_at = time.monotonic() + time_left(MAX_QUEUE_S)
        while self._inside >= settings.UPSTREAM_CALLS:
            now = time.monotonic()
            if now > ends_at or now > self._silent_since + SILENT_S:
                raise self._refusal("busy", BUSY_S)
            self._changed.wait(0.05)

    def _refusal(self, why: str, wait_s: int) -> UpstreamRefused:
        ANSWERS.labels(self.name, f"refused_{why}").inc()
        return UpstreamRefused(why, wait_s)

    def _leave(self, try_ends_at: float) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()
            # If nothing was reported, the try made no call, which says nothing of the server: the next one is free.
            if self.rests_until == try_ends_at:
                self.rests_until = 0.0
