"""The program that decodes pictures for one of our processes; ``uploads.decoder`` starts it and talks to it.

    python -m uploads.decoder_child < socket

Each message on the socket is a lane and a connection. The program forks a watcher, which forks a child that decodes
the one picture which comes over the connection. The child answers with a line of JSON that describes the picture, or
says why it is refused, and the picture's bytes. When it has ended, its watcher adds ``END``.

Python and Pillow are loaded once, which took 50 ms for each picture; a fork takes 1 to 2.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
from io import BytesIO
from typing import Any, NoReturn

from core.errors import DomainError
from uploads.formats import END, END_MARK, HEAVY, LIMITS, OVERDUE, Limits
from uploads.images import image_clean

NICENESS = 5  # server processes get three times as much; with 10 a busy machine finished no picture in time
IDLE_S = 300.0  # then it ends, and is started again when it is needed


def main() -> None:
    os.nice(NICENESS)
    # A stop of the service signals all its processes; pictures under way are finished. The closed socket ends us.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    # The thread that started this program may have blocked signals, and we inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    gc.freeze()  # else a collection in a child would copy every page that it shares with us
    control = socket.socket(fileno=sys.stdin.fileno())
    control.settimeout(IDLE_S)
    with contextlib.suppress(TimeoutError):
        while True:
            lane, connections, _, _ = socket.recv_fds(control, 1, 1)
            if not lane:
                return
            with socket.socket(fileno=connections[0]) as connection:
                if os.fork() == 0:
                    _watch(lane, connection)


def _watch(lane: bytes, connection: socket.socket) -> NoReturn:
    """Let a child answer one picture, end it when its time by the clock is over, and say how it ended."""
    is_overdue = False

    def kill(*_: Any) -> None:
        nonlocal is_overdue
        is_overdue = True
        os.kill(pid, signal.SIGKILL)

    try:
        os.close(0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the kernel would not keep how the child ended
        pid = os.fork()
        if pid == 0:
            _decode(lane, connection)
        signal.signal(signal.SIGALRM, kill)
        signal.alarm(LIMITS[lane].clock_s)
        _, status, usage = os.wait4(pid, 0)
        code = OVERDUE if is_overdue else os.waitstatus_to_exitcode(status)
        connection.sendall(END.pack(END_MARK, code, int(1000 * (usage.ru_utime + usage.ru_stime))))
    finally:
        os._exit(0)


def _decode(lane: bytes, connection: socket.socket) -> NoReturn:
    """Answer one picture in the child, which ends here."""
    code = 1
    try:
        # Keep standard output and errors; what belongs to the program and to other children must be out of reach.
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
        head: dict[str, Any] = {"refused": type(refusal).__name__, "reason": repr(refusal.__cause__)[:200]}
        return json.dumps(head).encode() + b"\n"
    head = {"extension": clean.extension, "width": clean.width, "height": clean.height}
    return json.dumps(head).encode() + b"\n" + clean.content


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
