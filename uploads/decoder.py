"""Decode pictures outside the processes that answer requests (ADR 40).

Decoding takes up to seconds and 700 MB, and a hostile file may attack the codec. In a thread of the server the memory
would stay allocated, and an attack would reach the server itself. So each picture has a process of its own
(``uploads.decoder_child``); when it ends, its memory and any damage are gone. Light and heavy pictures have a lane each
(limits and queue), so that photographs never wait for heavy ones.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any, BinaryIO

import structlog
from django.conf import settings

from core.errors import ServiceUnavailable
from uploads import errors
from uploads.limits import CONTENT_TYPES, HEAVY, LIGHT, LIMITS, CleanImage, looks_heavy

log = structlog.get_logger("uploads")

# A class of forty sends its pictures at the same moment, and each waits for those before it. nginx gives up after 60 s.
WAIT_S = 30.0
LOCK_POLL_S = 0.02
# Light pictures that each server process decodes at once. The whole machine decodes one heavy picture at a time.
LIGHT_AT_ONCE = 2
# So many threads of a process may decode or wait. Others are refused at once, since a waiting thread serves no request.
# A server needs more threads than both together (``config.asgi``, ``deploy/systemd/spms-web.service``).
LIGHT_THREADS, HEAVY_THREADS = 40, 8
_light = BoundedSemaphore(LIGHT_AT_ONCE)
_light_threads, _heavy_threads = BoundedSemaphore(LIGHT_THREADS), BoundedSemaphore(HEAVY_THREADS)
_PROGRAM = [sys.executable, "-m", "uploads.decoder_child"]
# It gets no secrets, only what an interpreter in an unusual place may need to find its libraries.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
# A new process gets its memory page by page, which took a third of the time of a photograph: get it in pages of 2 MB.
_ENVIRONMENT["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
_REFUSALS = {kind.__name__: kind for kind in errors.ImageRefused.__subclasses__()} | {
    "ImageRefused": errors.ImageRefused
}
Charge = Callable[[int], None]


def image_decode(file: BinaryIO, *, wait_s: float = WAIT_S, charge: Charge | None = None) -> CleanImage:
    """Decode and re-encode a picture as :func:`uploads.images.image_clean` does, in another process.

    :param wait_s: how long to wait for a free decoder. A caller that waits longer than ``WAIT_S`` (a task) is not
        refused for the number of waiting threads.
    :param charge: is told the processor time in ms that the picture took, also if it is refused.
    :raises ImageRefused: see ``image_clean``; also if the picture took too much processor time or memory.
    :raises DecodersBusy: no decoder was free in time, or the machine was too busy to finish.
    """
    file.seek(0)
    lane = HEAVY if looks_heavy(file) else LIGHT
    file.seek(0)
    # Requests do not wait for a place among the waiting threads; tasks do.
    queue_wait_s = wait_s if wait_s > WAIT_S else 0
    threads, turn = _light_threads, _acquired(_light, wait_s)
    if lane == HEAVY:
        threads, turn = _heavy_threads, _heavy_turn(wait_s)
    with _acquired(threads, queue_wait_s), turn:
        answer = _ask(lane, file.read())
    line, _, content = answer.partition(b"\n")
    head = _head(line)
    if charge:
        # Where the process ended early, nobody knows what the picture took: it may have been all that it is given.
        most_ms = LIMITS[lane].processor_s * 1000
        charge(min(most_ms, head.get("processor_ms", most_ms)))
    if "refused" in head:
        log.info("image refused", refusal=head["refused"], reason=head["reason"])
        raise _REFUSALS[head["refused"]]
    if not head:
        raise errors.ImageTooComplex
    return CleanImage(content, head["extension"], head["width"], head["height"])


@contextmanager
def _acquired(semaphore: BoundedSemaphore, wait_s: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=wait_s):
        raise errors.DecodersBusy
    try:
        yield
    finally:
        semaphore.release()


@contextmanager
def _heavy_turn(wait_s: float) -> Iterator[None]:
    # A file lock works across all processes of the machine, and the kernel releases it if a process dies. flock cannot
    # wait for a limited time, so try again every LOCK_POLL_S.
    ends_at = time.monotonic() + wait_s
    lock_file = os.open(settings.STATE_DIR / "decoder.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        while True:
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > ends_at:
                    raise errors.DecodersBusy from None
                time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(lock_file)  # releases the lock


def _ask(lane: str, content: bytes) -> bytes:
    """Return what a new process answers; "" if the picture ended it.

    :raises DecodersBusy: its time by the clock is over.
    :raises ServiceUnavailable: a fault of ours.
    """
    try:
        process = subprocess.run(  # noqa: S603  (the arguments are fixed)
            [*_PROGRAM, lane],
            input=content,
            stdout=subprocess.PIPE,
            timeout=LIMITS[lane].clock_s,
            cwd=settings.BASE_DIR,
            env=_ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        log.warning("decoder is overdue")
        raise errors.DecodersBusy from None
    except OSError as error:
        log.error("decoder does not start", reason=str(error))
        raise ServiceUnavailable from None
    if process.returncode:
        log.warning("decoder ended early", code=process.returncode)
    if process.returncode > 0:
        raise ServiceUnavailable
    return b"" if process.returncode else process.stdout


def _head(line: bytes) -> dict[str, Any]:
    """Read what a process says of its picture; {} if that makes no sense: a hostile file may have taken it over."""
    with suppress(ValueError):
        match json.loads(line):
            case {"processor_ms": int(), "refused": str(name), "reason": str()} as head if name in _REFUSALS:
                return head
            case {"processor_ms": int(), "extension": str(name), "width": int(), "height": int()} as head:
                return head if name in CONTENT_TYPES else {}
    return {}
