"""Decode pictures outside the processes that answer requests (ADR 40).

Decoding takes up to seconds and 700 MB, and a hostile file may attack the codec. In a thread of the server the memory
would stay allocated, and an attack would reach the server itself. So each process that takes pictures starts a program
(``uploads.decoder_child``) that forks a child for each; when the child ends, its memory and any damage are gone. Light
and heavy pictures have a lane each (limits and queue), so that photographs never wait for heavy ones.
"""

import atexit
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore, Lock
from typing import BinaryIO

import structlog
from django.conf import settings

from core.errors import ServiceUnavailable
from uploads import errors
from uploads.formats import CONTENT_TYPES, END, END_MARK, HEAVY, LIGHT, LIMITS, OVERDUE, CleanImage, looks_heavy

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
# The program gets no secrets, only what an interpreter in an unusual place may need to find its libraries.
_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
# A new process gets its memory page by page, which took a third of the time of a photograph: get it in pages of 2 MB.
_ENVIRONMENT["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
_SPARE_S = 3  # beyond a lane's limit by the clock; then the program itself does not answer
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
        answer, code, processor_ms = _program.ask(lane, file.read())
    if charge:
        charge(processor_ms)
    return _picture(answer, code)


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


def _picture(answer: bytes, code: int) -> CleanImage:
    """Read what a child has answered. ``code`` says how it ended; below 0 it is the signal that ended it."""
    line, _, content = answer.partition(b"\n")
    if code == 0:
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a hostile file may have taken the child over
            head = json.loads(line)
            if "refused" in head:
                log.info("image refused", refusal=head["refused"], reason=head["reason"])
                raise getattr(errors, head["refused"])
            if head["extension"] in CONTENT_TYPES:
                return CleanImage(content, head["extension"], head["width"], head["height"])
    log.warning("decoder ended early", code=code)
    if code == OVERDUE:
        raise errors.DecodersBusy
    if code >= 0:
        raise ServiceUnavailable  # a fault of ours
    raise errors.ImageTooComplex


class _Program:
    """The program that decodes for this process. It is started when it is needed, and anew when it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control = socket.socket()

    def ask(self, lane: bytes, content: bytes) -> tuple[bytes, int, int]:
        """Return what a child answered, its exit code and its processor time in ms.

        :raises ServiceUnavailable: the program cannot be started, or was ended meanwhile.
        :raises DecodersBusy: the program does not answer.
        """
        for _ in range(2):  # the program may have ended just now, since no picture came
            connection, process = self._connection(lane)
            with connection:
                connection.settimeout(LIMITS[lane].clock_s + _SPARE_S)
                try:
                    answer = _exchange(connection, content)
                except TimeoutError:
                    log.error("decoder does not answer")
                    self.stop(process)
                    raise errors.DecodersBusy from None
            answer, end = answer[: -END.size], answer[-END.size :]
            if end.startswith(END_MARK):
                _, code, processor_ms = END.unpack(end)
                return answer, code, processor_ms
        raise ServiceUnavailable

    def _connection(self, lane: bytes) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
        """Return a connection to a new child, and the program that has made it."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            try:
                # It has ended if no picture came for a while; of a process that was forked off us it is no child.
                if self._process is None or self._process.poll() is not None:
                    self._process = self._start()
                socket.send_fds(self._control, [lane], [theirs.fileno()])
            except OSError as error:
                log.error("decoder does not start", reason=str(error))
                ours.close()
                raise ServiceUnavailable from None
            return ours, self._process

    def _start(self) -> "subprocess.Popen[bytes]":
        self._control.close()
        self._control, theirs = socket.socketpair()
        with theirs:
            return subprocess.Popen(  # noqa: S603  (the arguments are fixed)
                _PROGRAM,
                cwd=settings.BASE_DIR,
                env=_ENVIRONMENT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # so that `stop` reaches its children as well
            )

    def stop(self, process: "subprocess.Popen[bytes]") -> None:
        """End a program and its children at once; the next picture starts another."""
        with self._lock:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def close(self) -> None:
        if self._process:
            self.stop(self._process)
        self._control.close()


def _exchange(connection: socket.socket, content: bytes) -> bytes:
    with suppress(BrokenPipeError, ConnectionResetError):  # the child has ended; END says how
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
    parts = []
    with suppress(ConnectionResetError):  # the end of a child that has not read the whole picture
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


_program = _Program()
atexit.register(_program.close)
