"""Stop the processes that a dead supervisor has left behind, and remove its temporary directory.

:class:`devstack.process.Watchdog` runs this as a script, with a pipe as standard input. A line ``PID SIGNAL`` adds a
process group to the list, ``PID 0`` removes it. When the input ends, the supervisor has ended, for whatever reason.
"""

import os
import shutil
import signal
import sys
import time

GRACE_S = 8.0


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        pid, stop_signal = map(int, line.split())
        groups[pid] = stop_signal
        if not stop_signal:
            del groups[pid]
    for pid, stop_signal in groups.items():
        try:
            os.kill(pid, stop_signal)
        except ProcessLookupError:
            reaches(pid, signal.SIGKILL)  # the first process has ended, but what it started may still run
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(reaches(pid, 0) for pid in groups):
        time.sleep(0.05)
    for pid in groups:
        reaches(pid, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def reaches(pid: int, signum: int) -> bool:
    """Send a signal to the process group of ``pid``. Return False if no process is left in it."""
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
