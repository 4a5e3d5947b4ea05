"""The program that decodes pictures for one of our processes; ``uploads.decoder`` starts it and talks to it.

    python -m uploads.decoder_child < socket

Each message on the socket is a lane and a connection. The program forks a child that decodes the one picture which
comes over the connection, and ends; so the kernel bounds its time, memory and files, and a picture that misleads a
codec harms nothing else. A child answers with a line of JSON that describes the picture, or says why it is refused, and
the picture's bytes. When it has ended, the program adds ``END``: how it ended, and its processor time.

Python and Pillow are loaded once, which took 50 ms for each picture; a fork takes 1 to 2.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn

from core.errors import DomainError
from uploads.decoder_protocol import END, END_MARK, HEAVY, LIMITS, OVERDUE, Limits
from uploads.images import image_clean

NICENESS = 5  # server processes get three times as much; with 10 a busy machine finished no picture in time
IDLE_S = 300.0  # then it ends, and is started again when it is needed


@dataclass
class Child:
    connection: socket.socket
    ends_at: float
    is_overdue: bool = False


def main() -> None:
    os.nice(NICENESS)
    # A stop of the service signals all its processes; pictures under way are finished. The closed socket ends us.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # The thread that started this program may have blocked signals, and we inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    gc.freeze()  # else a collection in a child would copy every page that it shares with us
    children: dict[int, Child] = {}
    try:
        _serve(socket.socket(fileno=sys.stdin.fileno()), woken, children)
    finally:
        for pid in children:  # whoever asked is gone
            os.kill(pid, signal.SIGKILL)


def _serve(control: socket.socket, woken: int, children: dict[int, Child]) -> None:
    while True:
        now = time.monotonic()
        pause_s = min(
            (max(0.0, child.ends_at - now) for child in children.values() if not child.is_overdue), default=IDLE_S
        )
        ready, _, _ = select.select([control.fileno(), woken], [], [], pause_s)
        if woken in ready:
            os.read(woken, 1024)
        _reap(children)
        _kill_overdue(children)
        if control.fileno() in ready:
            lane, connections, _, _ = socket.recv_fds(control, 1, 1)
            if not lane:
                return
            _start(lane, socket.socket(fileno=connections[0]), children)
        elif not ready and not children:
            return


def _start(lane: bytes, connection: socket.socket, children: dict[int, Child]) -> None:
    try:
        pid = os.fork()
    except OSError:
        _end(connection, 1, 0)
        return
    if pid == 0:
        _decode(lane, connection)
    children[pid] = Child(connection, time.monotonic() + LIMITS[lane].clock_s)


def _reap(children: dict[int, Child]) -> None:
    while children:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        child = children.pop(pid)
        code = OVERDUE if child.is_overdue else os.waitstatus_to_exitcode(status)
        _end(child.connection, code, int(1000 * (used.ru_utime + used.ru_stime)))


def _kill_overdue(children: dict[int, Child]) -> None:
    for pid, child in children.items():
        if child.ends_at <= time.monotonic() and not child.is_overdue:
            child.is_overdue = True
            os.kill(pid, signal.SIGKILL)


def _end(connection: socket.socket, code: int, processor_ms: int) -> None:
    # Never wait here: a child that sends without end, while its asker does not read, would hold up everybody.
    with connection, contextlib.suppress(OSError):
        connection.send(END.pack(END_MARK, code, processor_ms), socket.MSG_DONTWAIT)


def _decode(lane: bytes, connection: socket.socket) -> NoReturn:
    """Answer one picture in the child, which ends here."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        # Keep standard output and errors; what belongs to the program and to other children must be out of reach.
        os.close(0)
        os.closerange(3, connection.fileno())
        os.closerange(connection.fileno() + 1, 256)
        _limit_everything(LIMITS[lane])
        with connection.makefile("rb") as stream:
            content = stream.read()
        connection.sendall(_answer(content, may_be_heavy=lane == HEAVY))
        code = 0
    finally:
        os._exit(code)


def _answer(picture: bytes, *, may_be_heavy: bool) -> bytes:
    try:
        clean = image_clean(BytesIO(picture), may_be_heavy=may_be_heavy)
    except DomainError as refusal:
        facts: dict[str, Any] = {"refused": type(refusal).__name__, "reason": repr(refusal.__cause__)[:200]}
        return json.dumps(facts).encode() + b"\n"
    facts = {"extension": clean.extension, "width": clean.width, "height": clean.height}
    return json.dumps(facts).encode() + b"\n" + clean.content


def _limit_everything(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_s, limits.processor_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No new files, sockets or processes, nothing written to a file: code that takes over a codec cannot read data or
    # send anything.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":  # macOS has this limit, but refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))


if __name__ == "__main__":
    main()
