"""Child processes that end when we end, even if we are killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devstack.errors import StackError
from devstack.system_user import Account, run_as

KILL_WAIT_S = 5.0
# To remove the data of a test session, 90 MB, took more than 5 s on a busy machine.
REMOVE_WAIT_S = 60.0
MAX_LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """A program with the way to run and to end it."""

    name: str
    argv: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    account: Account | None = None
    stop_signal: int = signal.SIGTERM
    log: Path | None = None


class Watchdog:
    """The process that ends our children when we are killed; see ``watchdog.py``."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._groups: dict[int, int] = {}
        self._popen = self._spawn()

    def guard(self, pid: int, signum: int) -> None:
        self._groups[pid] = signum
        self._tell(f"+{pid} {signum}\n")

    def release(self, pid: int) -> None:
        self._groups.pop(pid, None)
        self._tell(f"-{pid}\n")

    def revive(self) -> bool:
        """Start the watchdog again if it was killed. Return whether it was."""
        if self._popen.poll() is None:
            return False
        self._popen = self._spawn()
        for pid, signum in self._groups.items():
            self._tell(f"+{pid} {signum}\n")
        return True

    def close(self) -> None:
        """Let the watchdog remove the temporary directory and end."""
        if self._popen.stdin:
            with suppress(BrokenPipeError):
                self._popen.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(REMOVE_WAIT_S)

    def _spawn(self) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("watchdog.py")
        return subprocess.Popen(
            # With -S -I it starts in 15 ms; it needs only the standard library.
            [sys.executable, "-S", "-I", str(script), str(self._run_dir)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def _tell(self, line: str) -> None:
        assert self._popen.stdin
        with suppress(BrokenPipeError):  # it was killed: revive() repeats everything to the next one
            self._popen.stdin.write(line)
            self._popen.stdin.flush()


def try_lock(file: IO[str]) -> bool:
    """Lock ``file`` until the last process that inherits it ends. Return False if another process has the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Child:
    """One program that we start and stop; it inherits the files ``fds``."""

    def __init__(self, program: Program, watchdog: Watchdog, fds: Sequence[int] = ()) -> None:
        self.program, self._watchdog, self._fds = program, watchdog, fds
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen else None

    def start(self) -> None:
        """Start the program in a process group of its own.

        :raises StackError: it cannot be started.
        """
        program = self.program
        log = _open_log(program.log) if program.log else None
        try:
            self._popen = subprocess.Popen(
                program.argv,
                cwd=program.cwd,
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log is not None else None,
                pass_fds=self._fds,
                start_new_session=True,
                **run_as(program.account),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StackError(f"Cannot start {program.name}: {error}") from error
        finally:
            if log is not None:
                os.close(log)
        self._watchdog.guard(self._popen.pid, program.stop_signal)

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs. If it has ended, kill what is left of its process group."""
        if self._popen is None:
            return 0
        code = self._popen.poll()
        if code is not None:
            self._forget(self._popen.pid)
        return code

    def reason(self, code: int) -> str:
        """Return in a few words why it ended with ``code``."""
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def ask_to_stop(self) -> None:
        if self._popen and self._popen.poll() is None:
            self._popen.send_signal(self.program.stop_signal)

    def wait_or_kill(self, deadline: float) -> bool:
        """Wait for its end until ``deadline`` (``time.monotonic``), then kill it. Return False if it was killed."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(max(0.0, deadline - time.monotonic()))
            in_time = True
        except subprocess.TimeoutExpired:
            in_time = False
        self._forget(self._popen.pid)
        self._popen.wait(KILL_WAIT_S)
        self._popen = None
        return in_time

    def _forget(self, pid: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        self._watchdog.release(pid)


def _open_log(path: Path) -> int:
    """Open a log for appending, readable for its owner only. A log above ``MAX_LOG_BYTES`` is emptied first."""
    too_large = path.exists() and path.stat().st_size > MAX_LOG_BYTES
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_large else 0), 0o600)


def stop_all(children: Iterable[Child], grace_s: float) -> list[str]:
    """Stop ``children`` at the same time and return the names of those that had to be killed."""
    children = list(children)
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + grace_s
    return [child.name for child in children if not child.wait_or_kill(deadline)]
