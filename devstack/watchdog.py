"""Stops what a dead supervisor left behind, and removes its temporary directory.

Run as a script by :class:`devstack.process.Watchdog`, with the supervisor's pipe as standard input:
``+PID SIGNAL`` takes a process group into care, ``-PID`` lets it go. The end of the input means that the
supervisor is gone, for whatever reason.
"""

import os
import signal
import sys
import time

GRACE_S = 8.0


def _send(pid: int, signum: int) -> bool:
    """Signal the group of ``pid``; False when nobody is left in it."""
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(groups: dict[int, int]) -> None:
    for pid, signum in groups.items():
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            _send(pid, signal.SIGKILL)  # the leader is gone, what it started is not
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(_send(pid, 0) for pid in groups):
        time.sleep(0.05)
    for pid in groups:
        _send(pid, signal.SIGKILL)


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        words = line.split()
        if line.startswith("+"):
            groups[int(words[0])] = int(words[1])
        else:
            groups.pop(-int(words[0]), None)
    _end(groups)

    import shutil  # costs 15 ms that a start need not wait for

    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
