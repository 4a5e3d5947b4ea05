"""Child processes that end when we end, even if we are killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

KILL_WAIT_S = 5.0
# To remove the data of a test session, 90 MB, took more than 5 s on a busy machine.
REMOVE_WAIT_S = 60.0


class StackError(Exception):
    """The stack cannot start or continue; the text is one line for the person at the terminal."""


class Account(NamedTuple):
    """The user and group that a program runs under."""

    uid: int
    gid: int


class Watchdog:
    """The process that ends our children when we are killed, and removes ``scratch``; see ``watchdog.py``."""

    def __init__(self, scratch: Path) -> None:
        # With -S -I it starts in 15 ms; it needs only the standard library.
        command = [sys.executable, "-S", "-I", str(Path(__file__).with_name("watchdog.py")), str(scratch)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True)

    def guard(self, pid: int, stop_signal: int) -> None:
        """End the process group of ``pid`` when we have ended; with the signal 0 no longer."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{pid} {stop_signal}\n")
            self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REMOVE_WAIT_S)


@dataclass(eq=False)
class Child:
    """A program that runs in a process group of its own; it inherits the files ``fds``."""

    name: str
    argv: Sequence[str]
    watchdog: Watchdog
    cwd: Path
    env: Mapping[str, str]
    fds: Sequence[int] = ()
    account: Account | None = None  # None: our own
    stop_signal: int = signal.SIGTERM
    log: Path | None = None  # None: our terminal
    answers: Callable[[], bool] = lambda: True  # whether it can be used
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start the program.

        :raises StackError: it cannot be started.
        """
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if self.log else None
        try:
            self._process = subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                pass_fds=self.fds,
                start_new_session=True,
                **as_account(self.account),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StackError(f"Cannot start {self.name}: {error}") from error
        finally:
            if log is not None:
                os.close(log)
        self.watchdog.guard(self.pid, self.stop_signal)

    def wait_until_it_answers(self, timeout_s: float, idle: Callable[[], None]) -> None:
        """Wait until it can be used; ``idle`` is called between two attempts.

        :raises StackError: it has ended, or does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self.has_ended():
                raise StackError(f"{self.name} did not start: {self.reason()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer within {timeout_s:.0f} s.")
            idle()

    def has_ended(self) -> bool:
        """Tell whether it has ended; what it has started is killed then."""
        if self._process is None or self._process.returncode is not None:
            return True
        if self._process.poll() is None:
            return False
        self._kill_group()
        return True

    def reason(self) -> str:
        """Say why it ended: the last complaint of its log, the signal, or the exit code."""
        code = self._process.returncode if self._process else 0
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        lines = self.log.read_text(errors="replace").splitlines() if self.log and self.log.exists() else []
        return complaint(lines) or f"exit code {code}"

    def ask_to_stop(self) -> None:
        if self._process and not self.has_ended():
            self._process.send_signal(self.stop_signal)

    def wait_or_kill(self, deadline: float) -> None:
        """Wait for its end until ``deadline`` (``time.monotonic``), then kill it."""
        if self._process and self._process.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, deadline - time.monotonic()))
            self._kill_group()
            self._process.wait(KILL_WAIT_S)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.watchdog.guard(self.pid, 0)


def as_account(account: Account | None) -> dict[str, Any]:
    """Return the options that make ``subprocess`` change to ``account``; none for our own."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def complaint(lines: list[str]) -> str:
    """Return the line of a program's output that says why it ended."""
    for mark in ("No space left on device", "Check free disk space", "FATAL:", "error:", "PANIC:", "ERROR:"):
        for line in reversed(lines[-40:]):
            if mark in line:
                return "the disk is full." if "space" in mark else line.strip()
    return lines[-1].strip() if lines else ""


def stop_all(children: Iterable[Child], grace_s: float) -> None:
    """Stop ``children`` at the same time, and kill those that take longer than ``grace_s``."""
    children = list(children)
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + grace_s
    for child in children:
        child.wait_or_kill(deadline)


def file_lock(path: Path, text: str, patience_s: float = 0, idle: Callable[[], None] = lambda: None) -> FileIO:
    """Lock ``path`` until the last process that inherits the file has ended, and write ``text`` into it.

    :param idle: waits a moment; called as long as another process has the lock.
    :raises StackError: another one has it after ``patience_s``; the error has the other one's text.
    """
    file = path.open("ab+", buffering=0)  # with a buffer a full disk is an error twice: at our write, and at the close
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.seek(0)
                with file:
                    raise StackError(
                        f"It is already running here: {file.read().decode() or 'just starting'}."
                    ) from None
            idle()
    file.truncate(0)
    file.write(text.encode())
    return file
