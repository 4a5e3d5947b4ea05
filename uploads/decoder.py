"""Decode pictures outside the processes that answer requests (ADR 40).

Problem: decoding takes up to seconds and 700 MB, and a hostile file may attack the codec. In a thread of the server the
memory would stay allocated, and an attack would reach the server itself. So each picture gets a process of its own
(``uploads.decoder_child``), which costs 50 ms; when it ends, its memory and any damage are gone.

Photographs and screenshots are light; a picture that may take seconds and hundreds of megabytes is heavy. Each kind has
its own lane (limits and queue), so that light pictures never wait for heavy ones.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import BoundedSemaphore
from typing import BinaryIO

import structlog
from django.conf import settings

from core.errors import DomainError, ServiceUnavailable
from uploads import errors
from uploads.formats import MAX_BYTES, CleanImage, looks_heavy

log = structlog.get_logger("uploads")

WAIT_S = 0.5
LOCK_POLL_S = 0.02
# Light pictures that each server process decodes at once. The whole machine decodes one heavy picture at a time.
LIGHT_AT_ONCE = 2
# So many threads of a process may decode or wait. Others are refused at once, since a waiting thread serves no request.
LIGHT_THREADS, HEAVY_THREADS = 8, 3
_light = BoundedSemaphore(LIGHT_AT_ONCE)
_light_threads, _heavy_threads = BoundedSemaphore(LIGHT_THREADS), BoundedSemaphore(HEAVY_THREADS)

_PROGRAM = [sys.executable, "-m", "uploads.decoder_child"]
# The program gets no secrets, only what an interpreter in an unusual place may need to find its libraries.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
_LONGEST_LINE = 1000
# The processor's time that the latest picture of this thread took, and what one counts as that was stopped.
processor_s: ContextVar[float] = ContextVar("processor_s", default=0.0)
KILLED_S = 8.0
_STOPPED = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


def image_decode(file: BinaryIO, *, wait_s: float = WAIT_S) -> CleanImage:
    """Decode and re-encode a picture as :func:`uploads.images.image_clean` does, in another process.

    :param wait_s: how long to wait for a free decoder. A caller that waits longer than ``WAIT_S`` (a task) is not
        refused for the number of waiting threads.
    :raises ImageRefused: see ``image_clean``; also if the picture took too much time or memory.
    :raises DecodersBusy: no decoder was free in time.
    """
    file.seek(0)
    is_heavy = looks_heavy(file)
    file.seek(0)
    with _heavy_lane(wait_s) if is_heavy else _light_lane(wait_s):
        return _decoded("heavy" if is_heavy else "light", file.read())


@contextmanager
def _light_lane(wait_s: float) -> Iterator[None]:
    with _acquired(_light_threads, _queue_wait_s(wait_s)), _acquired(_light, wait_s):
        yield


@contextmanager
def _heavy_lane(wait_s: float) -> Iterator[None]:
    # A file lock works across all processes of the machine, and the kernel releases it if a process dies. flock cannot
    # wait for a limited time, so try again every LOCK_POLL_S.
    ends_at = time.monotonic() + wait_s
    lock_file = os.open(settings.STATE_DIR / "decoder.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        with _acquired(_heavy_threads, _queue_wait_s(wait_s)):
            while not _try_lock(lock_file):
                if time.monotonic() > ends_at:
                    raise errors.DecodersBusy
                time.sleep(LOCK_POLL_S)
            yield
    finally:
        os.close(lock_file)  # releases the lock


@contextmanager
def _acquired(semaphore: BoundedSemaphore, wait_s: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=wait_s):
        raise errors.DecodersBusy
    try:
        yield
    finally:
        semaphore.release()


def _queue_wait_s(wait_s: float) -> float:
    # Requests do not wait for a place among the waiting threads; tasks do.
    return wait_s if wait_s > WAIT_S else 0


def _try_lock(lock_file: int) -> bool:
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _decoded(lane: str, content: bytes) -> CleanImage:
    try:
        process = subprocess.Popen(  # noqa: S603  (the arguments are fixed; the picture is sent through the pipe)
            [*_PROGRAM, lane],
            cwd=settings.BASE_DIR,
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        log.error("decoder does not start", reason=str(error))
        raise ServiceUnavailable from None
    with process:
        try:
            return _exchange(process, content)
        finally:
            process.kill()


def _exchange(process: "subprocess.Popen[bytes]", content: bytes) -> CleanImage:
    assert process.stdin and process.stdout
    try:
        with process.stdin as pipe:
            pipe.write(content)
    except BrokenPipeError:
        pass  # the program has ended; its exit code is examined below
    line = process.stdout.readline(_LONGEST_LINE)
    clean = process.stdout.read(MAX_BYTES + 1)
    facts = json.loads(line) if line.endswith(b"\n") else {}
    processor_s.set(facts.get("processor_s", KILLED_S))
    if "refused" in facts:
        log.info("image refused", refusal=facts["refused"], reason=facts["reason"])
        raise getattr(errors, facts["refused"])
    if facts and facts["size"] == len(clean):
        return CleanImage(clean, facts["extension"], facts["width"], facts["height"])
    raise _error_of_exit(process.wait())


def _error_of_exit(code: int) -> DomainError:
    """Return the error for a decoder that ended without an answer. A ``code`` below 0 is the signal that ended it."""
    log.warning("decoder ended early", code=code)
    if code == -signal.SIGALRM:  # the machine is busy: a picture that is too complex uses up its processor's time first
        return errors.DecodersBusy()
    if code >= 0 or code in _STOPPED:  # a fault of ours, or the server is being stopped
        return ServiceUnavailable()
    return errors.ImageTooComplex()
