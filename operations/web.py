"""Run Granian on the socket that systemd holds (``spms-web.socket``), so that a restart refuses no request.

    python -m operations.web --interface wsgi ... config.wsgi:application    # the options are Granian's own

Problem: Granian opens its sockets itself, so nginx answers 502 until a new process is there: 12 s on a busy machine.
On systems other than Linux all its workers use one socket; with a socket of systemd they do so here. To be removed when
Granian knows LISTEN_FDS.

Problem: during a reload (a minute) Granian heeds no SIGTERM. It starts another worker, and systemd kills all of them
after 30 s, in which nobody is answered. To be removed when Granian's reload ends at a SIGTERM.
"""

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

from granian.cli import entrypoint
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.common import AbstractServer

FIRST_FD = 3  # sd_listen_fds(3)


def _take_socket(server: Any) -> None:
    # Granian's types know no arguments: the file, whether it is a Unix socket, the length of the queue.
    server._shd = SocketHolder(FIRST_FD, False, server.backlog)  # type: ignore[call-arg]
    server._sfd = FIRST_FD


class _Stopped(SystemExit):
    """Ends also a worker that was forked a moment ago, which has no signal handlers of its own yet."""


def _stop(server: Any, signum: int, frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped(0)


def _serve(server: Any, *arguments: Any) -> None:
    with suppress(_Stopped):
        server.startup(*arguments)
        server._serve_loop(*arguments)
    try:
        server.shutdown()
    finally:
        for worker in multiprocessing.active_children():  # which a reload was about to replace
            worker.terminate()


def _with_switches(words: list[str]) -> list[str]:
    """Return the command for a practice server, whose trainees make their own calls slow: so no thread waits."""
    place = words.index("--blocking-threads")
    names = {"wsgi": "asgi", "config.wsgi:application": "config.asgi:application"}
    return [names.get(word, word) for word in words[:place] + words[place + 2 :]]


def main() -> None:
    if os.environ.get("DJANGO_SETTINGS_MODULE") == "config.settings.practice" and "--blocking-threads" in sys.argv:
        sys.argv[1:] = _with_switches(sys.argv[1:])
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        AbstractServer._init_shared_socket = _take_socket  # type: ignore[method-assign]
    AbstractServer.signal_handler_interrupt = _stop  # type: ignore[method-assign]
    AbstractServer._serve = _serve  # type: ignore[method-assign]
    entrypoint()


if __name__ == "__main__":
    main()
