"""Decoding pictures outside the processes that answer requests (ADR 40).

Each picture gets a process of its own (``uploads.decoder_child``), which costs 50 ms and takes its memory with it when
it ends, and whatever a hostile file did to a codec. There are two lanes, and the one never waits for the other:
photographs and screenshots are light, what may take seconds and hundreds of megabytes is heavy.
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
from threading import BoundedSemaphore
from typing import BinaryIO

import structlog
from django.conf import settings

from core.errors import DomainError, ServiceUnavailable
from uploads import errors
from uploads.images import MAX_BYTES, CleanImage, looks_heavy

log = structlog.get_logger("uploads")

WAIT_S = 0.5
LOCK_POLL_S = 0.02
# In each of our processes. Of heavy pictures the whole machine decodes one at a time.
LIGHT_AT_ONCE = 2
# So many threads decode or wait. Others are refused at once: a thread that waits answers nobody.
LIGHT_THREADS, HEAVY_THREADS = 8, 3
_light = BoundedSemaphore(LIGHT_AT_ONCE)
_light_threads, _heavy_threads = BoundedSemaphore(LIGHT_THREADS), BoundedSemaphore(HEAVY_THREADS)

_PROGRAM = [sys.executable, "-m", "uploads.decoder_child"]
# No secrets; what an interpreter in an unusual place may need to find its libraries.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
_LONGEST_LINE = 1000
_STOPPED = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}


def image_decode(file: BinaryIO, *, wait_s: float = WAIT_S) -> CleanImage:
    """Do what :func:`uploads.images.image_clean` does, in another process.

    :param wait_s: how long to wait for a free decoder. Whoever waits longer than a request may is never refused for
        the number of those who wait.
    :raises ImageRefused: as there, or it took too much time or memory.
    :raises DecodersBusy: none was free in time.
    """
    file.seek(0)
    is_heavy = looks_heavy(file)
    file.seek(0)
    with _heavy_turn(wait_s) if is_heavy else _light_turn(wait_s):
        return _decoded("heavy" if is_heavy else "light", file.read())


@contextmanager
def _light_turn(wait_s: float) -> Iterator[None]:
    with _place(_light_threads, _patience(wait_s)), _place(_light, wait_s):
        yield


@contextmanager
def _heavy_turn(wait_s: float) -> Iterator[None]:
    until = time.monotonic() + wait_s
    lock_file = os.open(settings.STATE_DIR / "decoder.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        with _place(_heavy_threads, _patience(wait_s)):
            while not _locks(lock_file):
                if time.monotonic() > until:
                    raise errors.DecodersBusy
                time.sleep(LOCK_POLL_S)
            yield
    finally:
        os.close(lock_file)  # which ends the lock


@contextmanager
def _place(places: BoundedSemaphore, wait_s: float) -> Iterator[None]:
    if not places.acquire(timeout=wait_s):
        raise errors.DecodersBusy
    try:
        yield
    finally:
        places.release()


def _patience(wait_s: float) -> float:
    return wait_s if wait_s > WAIT_S else 0


def _locks(lock_file: int) -> bool:
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _decoded(lane: str, content: bytes) -> CleanImage:
    try:
        process = subprocess.Popen(  # noqa: S603  (the picture goes in by the pipe alone)
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
            return _converse(process, content)
        finally:
            process.kill()


def _converse(process: "subprocess.Popen[bytes]", content: bytes) -> CleanImage:
    assert process.stdin and process.stdout
    try:
        with process.stdin as there:
            there.write(content)
    except BrokenPipeError:
        pass  # it has ended: how, is looked at below
    line = process.stdout.readline(_LONGEST_LINE)
    clean = process.stdout.read(MAX_BYTES + 1)
    facts = json.loads(line) if line.endswith(b"\n") else {}
    if "refused" in facts:
        log.info("image refused", refusal=facts["refused"], reason=facts["reason"])
        raise getattr(errors, facts["refused"])
    if facts and facts["size"] == len(clean):
        return CleanImage(clean, facts["extension"], facts["width"], facts["height"])
    raise _end(process.wait())


def _end(code: int) -> DomainError:
    """What it means for the sender that a decoder ended without an answer; ``code`` below 0 is a signal."""
    log.warning("decoder ended early", code=code)
    if code >= 0 or code in _STOPPED:  # our own fault, or our own end
        return ServiceUnavailable()
    return errors.ImageTooComplex()
