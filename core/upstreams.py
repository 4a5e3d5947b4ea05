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
QUEUE_S = 1.0  # a request waits this long for one of the places, while the server is silent
MAX_QUEUE_S = 4.0  # and this long while the server answers other calls
SILENT_S = 1.0  # a server without an answer for so long may be dead: only few requests may wait for it
BUSY_S, COME_BACK_S = 2, 5  # the least Retry-After of a request that is refused: busy, dead

ANSWERS = metrics.Counter("spms_upstream_answers_total", "Awaited calls", ["upstream", "outcome"])

_left_s: ContextVar[float | None] = ContextVar("left_s", default=None)  # what the calls of a request may still take


class OutgoingError(Exception):
    """The server gave no usable answer. The error's text never names the URL, which may hold a secret."""


class UpstreamRefused(OutgoingError):
    """Nothing was sent: too many wait for this server, or it is dead. ``wait_s`` says after how long to try again."""

    def __init__(self, why: str, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = max(1, round(wait_s))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer to a client."""
        return {"Retry-After": str(self.wait_s)}


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Say that a person waits for the block: all outgoing calls inside it together take ``seconds`` at most.

    What the block does between them, as to wait for the database, is not counted.
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
    """One server as this process knows it: how many calls run, and whether it is dead. Safe between threads.

    Each call has a role: a "call" takes one of ``UPSTREAM_CALLS`` places; a "probe" is the single call that tries a
    dead server again, and takes none.
    """

    registry: dict[str, "Upstream"] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._changed = Condition()
        self.forget()
        # The role of the present request or task; "" while it has no slot.
        self._role: ContextVar[str] = ContextVar(f"slot_{name}", default="")
        self.registry[name] = self

    def forget(self) -> None:
        """Forget all that was seen of the server, as a new process would. For tests."""
        self._inside = self._queued = self._failures = 0
        self._silent_since = 0.0  # when the latest answer came, or when the first call began after there was none
        self.rests_until = 0.0
        self._probed_at: int | None = None  # the number of failures when the probe went out

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place for the block, in which calls follow one another. A nested ``slot`` uses the same place.

        :raises UpstreamRefused: at once where the server is dead or the queue is full, else after ``QUEUE_S``.
        """
        if self._role.get() or not is_awaited():
            yield
            return
        token = self._role.set(self._enter())
        try:
            yield
        finally:
            self._leave(self._role.get())
            self._role.reset(token)

    @contextmanager
    def room(self, error: Callable[..., DomainError]) -> Iterator[None]:
        """Hold a place for the block, as ``slot`` does, before a limit of the caller's is counted.

        Otherwise a call that is refused for lack of room would have used up one of the few that the caller may make.

        :raises DomainError: what ``error`` makes; at once where the server is dead or the queue is full.
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
        with self._changed:
            if is_awaited() and self._is_dead:
                self._require_turn()

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
            elif self._failures == FAILURES:
                self._open_circuit()
            is_dead = self._is_dead
        if is_dead != was_dead:
            log.warning("upstream", name=self.name, is_dead=is_dead)

    @property
    def _is_dead(self) -> bool:
        return self._failures >= FAILURES

    def _open_circuit(self) -> None:
        self.rests_until = time.monotonic() + PAUSE_S * random.uniform(0.5, 1)  # noqa: S311 - no secret

    def _enter(self) -> str:
        """Return the caller's role: "call", or "probe" where it is the one to try a dead server again.

        :raises UpstreamRefused: too many wait; or the server is dead, and it is not this caller's turn to try it.
        """
        with self._changed:
            if not self._is_dead and self._inside >= settings.UPSTREAM_CALLS:
                with spending():
                    self._queue_up()
            if self._is_dead:
                self._require_turn()
                self._probed_at = self._failures
                return "probe"
            if not self._inside:
                self._silent_since = time.monotonic()
            self._inside += 1
            return "call"

    def _require_turn(self) -> None:
        """Refuse the caller unless it may be the probe: the pause is over, and no other call tries the server now."""
        wait_s = self.rests_until - time.monotonic()
        if self._probed_at is not None or wait_s > 0:
            raise self._refusal("dead", max(wait_s, COME_BACK_S))

    def _queue_up(self) -> None:
        # While the server answers, a whole class may wait that clicked in the same second. Once it is silent,
        # a call that has waited for QUEUE_S is refused: the threads belong to other requests.
        if self._is_silent and self._queued >= settings.UPSTREAM_CALLS // 2:
            raise self._refusal("busy", BUSY_S)
        self._queued += 1
        began, max_wait_s = time.monotonic(), time_left(MAX_QUEUE_S)
        try:
            while self._inside >= settings.UPSTREAM_CALLS:
                waited_s = time.monotonic() - began
                if waited_s > max_wait_s or (self._is_silent and waited_s > QUEUE_S):
                    raise self._refusal("busy", BUSY_S)
                self._changed.wait(0.05)
        finally:
            self._queued -= 1

    @property
    def _is_silent(self) -> bool:
        return time.monotonic() - self._silent_since > SILENT_S

    def _refusal(self, why: str, wait_s: float) -> UpstreamRefused:
        ANSWERS.labels(self.name, f"refused_{why}").inc()
        return UpstreamRefused(why, wait_s)

    def _leave(self, role: str) -> None:
        with self._changed:
            if role != "probe":
                self._inside -= 1
                self._changed.notify()
                return
            # If the number of failures has not changed, the probe made no call: that says nothing of the server.
            if self._is_dead and self._failures != self._probed_at:
                self._open_circuit()
            self._probed_at = None
