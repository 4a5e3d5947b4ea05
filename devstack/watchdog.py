"""Stop the processes that a dead supervisor has left behind, and remove its temporary directory.

:class:`devstack.process.Watchdog` runs this as a script, with a pipe as standard input. ``+PID SIGNAL`` adds a process
group to the list, ``-PID`` removes it. When the input ends, the supervisor has ended, for whatever reason.
"""

import os
import signal
import sys
import time

GRACE_S = 8.0


def _send(pid: int, signum: int) -> bool:
    """Send a signal to the process group of ``pid``. Return False if no process is left in it."""
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
            _send(pid, signal.SIGKILL)  # the first process has ended, but what it started may still run
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

    import shutil  # here, because it takes 15 ms, by which every start would be slower

    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
