"""Run PostgreSQL and Valkey from their wheels' programs, as children of this process.

    with Engines(home=Path(".dev")) as engines:
        engines.urls  # {"DATABASE_URL": ..., "REDIS_URL": ...}

The wheels' Python helpers are not used: they change modes of directories and lose track of servers. Both engines listen
on Unix sockets in a private temporary directory, and on no port.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from devstack.binaries import Binaries, reachable_binaries
from devstack.errors import StackError
from devstack.process import Child, Program, Watchdog, stop_all, try_lock
from devstack.system_user import ENGINES, Account, account_for, account_with_a_name, run_as

MAX_CONNECTIONS = 300
# Long, because recovery after a power cut may take a while. An engine that ends is reported at once.
START_TIMEOUT_S = 60.0
LEFTOVER_TIMEOUT_S = 15.0
STOP_GRACE_S = 10.0
# A socket path holds 107 bytes on Linux, 103 on macOS; ours adds about 30 to the temporary directory.
MAX_TEMP_LENGTH = 70
DATABASE = "app"
ROLE = "app"
QUICK_BUT_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
PLAIN_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Engine(Child):
    """A server whose data directory only one server may use at a time."""

    kind = ""
    url_name = ""
    stop_signal = signal.SIGTERM

    def __init__(
        self, home: Path, sockets: Path, watchdog: Watchdog, binaries: Binaries, account: Account | None, durable: bool
    ) -> None:
        self.data, self.sockets, self.binaries = home / self.kind, sockets, binaries
        program = Program(
            name=self.kind,
            argv=self.argv(account, durable),
            cwd=self.data,
            env=PLAIN_ENV,
            account=account,
            stop_signal=self.stop_signal,
            log=home / f"{self.kind}.log",
        )
        super().__init__(program, watchdog)

    def argv(self, account: Account | None, durable: bool) -> list[str]:
        """Return the command; ``durable`` False is faster, and may lose data when the machine crashes."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server once nothing uses its data any more.

        :raises StackError: something still does, or the server cannot be started.
        """
        # The server and its helper processes inherit the lock, which is free only when the last of them has ended. So
        # with the lock we know that a pid file in the directory is stale; a pid alone may be another program's by now.
        with self.data.with_name(f"{self.data.name}.lock").open("w") as lock:
            self._acquire(lock)
            self._prepare()
            self._fds = [lock.fileno()]
            super().start()

    def wait_ready(self, idle: Callable[[], None], timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the server answers; ``idle`` is called between two attempts.

        :raises StackError: it ended or did not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if (code := self.exit_code()) is not None:
                raise StackError(f"{self.name} did not start: {self.reason(code)}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer within {timeout_s:.0f} s; see {self.program.log}")
            idle()

    def reason(self, code: int) -> str:
        """Return why it ended, from its log; after a signal the log says nothing, so name the signal."""
        log = self.program.log
        lines = log.read_text(errors="replace").splitlines() if log and log.exists() and code >= 0 else []
        return explain(lines) or f"{super().reason(code)}; see {log}"

    def is_ready(self) -> bool:
        raise NotImplementedError

    @property
    def url(self) -> str:
        raise NotImplementedError

    def _acquire(self, lock: IO[str]) -> None:
        deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
        while not try_lock(lock):
            if time.monotonic() > deadline:
                raise StackError(f"Another process still uses {self.data}; stop it first.")
            time.sleep(0.05)

    def _prepare(self) -> None:
        own_directory(self.data, self.program.account)


class Postgres(Engine):
    kind = "postgres"
    url_name = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    _database_exists = False

    def argv(self, account: Account | None, durable: bool) -> list[str]:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.sockets}",
            f"max_connections={MAX_CONNECTIONS}",
            "timezone=UTC",
            "log_timezone=UTC",
            *(() if durable else QUICK_BUT_FORGETFUL),
        ]
        command = [str(self.binaries.postgres), "-D", _pgdata(self.data, account)]
        return command + [f"--{setting}" for setting in settings]

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"

    def is_ready(self) -> bool:
        import psycopg  # here, because it takes 60 ms, in which the server starts

        try:
            if not self._database_exists:
                self._create_database()
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        import psycopg  # here for the reason that is_ready gives

        with psycopg.connect(self.url, dbname="postgres", connect_timeout=5, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        self._database_exists = True

    def _prepare(self) -> None:
        if not self.data.exists():
            self._initialise()
        super()._prepare()
        # Both are stale (we hold the lock), but PostgreSQL would not start if another program had the pid in them.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data directory under another name and rename it, so that a half-made one is never used."""
        account = account_with_a_name() if self.program.account == ENGINES else self.program.account
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        own_directory(fresh, account)
        result = subprocess.run(
            [
                *(str(self.binaries.initdb), "-D", _pgdata(fresh, account), "-U", ROLE, "-A", "trust", "-E", "UTF8"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"),
                # Faster. The kernel writes the files within half a minute; only a power cut before that loses them.
                "--no-sync",
            ],
            cwd=fresh,
            env=PLAIN_ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **run_as(account),
        )
        if result.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StackError(f"PostgreSQL's data directory cannot be made: {explain(result.stdout.splitlines())}")
        fresh.rename(self.data)


class Valkey(Engine):
    kind = "valkey"
    url_name = "REDIS_URL"

    def argv(self, account: Account | None, durable: bool) -> list[str]:
        keep = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "300 10")
        return [
            *(str(self.binaries.valkey), "--port", "0", "--unixsocket", str(self.sockets / "vk.sock")),
            *("--unixsocketperm", "700", *(keep if durable else ("--appendonly", "no", "--save", ""))),
        ]

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.sockets / 'vk.sock'), safe='/')}?db=0"

    def is_ready(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.sockets / "vk.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")  # it answers "-LOADING" while it reads its data
        return False


class Engines:
    """The engines whose URLs are named in ``missing``, with their data in ``home``.

    :param home: None keeps the data in the temporary directory, which is removed when the engines stop.
    :param durable: False is faster, and may lose data when the machine crashes.
    :param idle: waits a moment while an engine starts; it may raise an exception to abandon the start.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        missing: Collection[str] = ("DATABASE_URL", "REDIS_URL"),
        durable: bool = True,
        idle: Callable[[], None] = lambda: time.sleep(0.01),
    ) -> None:
        self._home = home
        self._idle = idle
        self._missing = missing
        self._durable = durable
        self.engines: list[Engine] = []
        self.watchdog: Watchdog
        self.run_dir: Path

    @property
    def urls(self) -> dict[str, str]:
        """Return the environment variables that lead to the engines."""
        return {engine.url_name: engine.url for engine in self.engines}

    def start(self) -> "Engines":
        """Start the engines and wait until they answer.

        :raises StackError: one does not start; nothing is left running.
        """
        self.run_dir = temporary_directory()
        self.watchdog = Watchdog(self.run_dir)
        try:
            self._start(self.run_dir, self.watchdog)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> list[str]:
        """Stop the engines and return the names of those that had to be killed."""
        names = stop_all(self.engines, STOP_GRACE_S)
        self.engines = []
        self.watchdog.close()
        return names

    def __enter__(self) -> "Engines":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, run: Path, watchdog: Watchdog) -> None:
        if not self._missing:
            return
        home = self._home or run / "data"
        home.mkdir(parents=True, exist_ok=True)
        account = account_for(home / "postgres")
        binaries = reachable_binaries(account, run)
        sockets = run / "s"
        own_directory(sockets, account)
        kinds: tuple[type[Postgres | Valkey], ...] = (Postgres, Valkey)
        self.engines = [
            kind(home, sockets, watchdog, binaries, account, self._durable)
            for kind in kinds
            if kind.url_name in self._missing
        ]
        for engine in self.engines:
            engine.start()
        for engine in self.engines:
            engine.wait_ready(self._idle)


def temporary_directory() -> Path:
    """Make a directory for sockets, with a short path, that every account can pass through.

    :raises StackError: no place on this system is suitable.
    """
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/run")):  # noqa: S108
        if _suits(parent):
            run = Path(tempfile.mkdtemp(prefix="desk-", dir=parent))
            # Others may pass through but not list it; only the engines may enter their own directory inside.
            run.chmod(0o711)
            return run
    raise StackError("No usable temporary directory: /tmp must be writable and allow programs to run.")


def own_directory(path: Path, account: Account | None) -> None:
    """Make ``path`` a directory that only the engines' account may enter, and give that account its content.

    :raises StackError: it belongs to another account, and we are not root.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.stat()
    if account and status.st_uid != account.uid:
        # First make it root's, which shuts the previous owner out. Give it to the account only after its content: if we
        # are interrupted, the next start sees the wrong owner and does this again.
        os.chown(path, 0, 0)
        path.chmod(0o700)
        for entry in (*path.rglob("*"), path):
            os.chown(entry, account.uid, account.gid, follow_symlinks=False)
    elif not account and status.st_uid != os.geteuid():
        raise StackError(f"{path} belongs to another account: start as that one, or `make reset` as root.")


def explain(lines: list[str]) -> str:
    """Return the line of a server's output that says why it ended."""
    for mark in ("No space left on device", "FATAL:", "error:", "PANIC:", "ERROR:"):
        for line in reversed(lines[-40:]):
            if mark in line:
                return "the disk is full." if mark.startswith("No space") else line.strip()
    return lines[-1].strip() if lines else ""


def _suits(parent: Path) -> bool:
    if len(os.fsencode(parent)) > MAX_TEMP_LENGTH or not os.access(parent, os.W_OK | os.X_OK):
        return False
    if os.geteuid() != 0:
        return True
    # If we are root, the unprivileged engines must be able to pass through, and to run programs copied there.
    everyone_may_pass = all(path.stat().st_mode & stat.S_IXOTH for path in (parent, *parent.resolve().parents))
    return everyone_may_pass and not os.statvfs(parent).f_flag & os.ST_NOEXEC


def _pgdata(data: Path, account: Account | None) -> str:
    # The data may be below a directory that the account cannot enter (a home of mode 0700). As root we start the server
    # in its data directory; from there this is the only absolute path to it that the account can use.
    return "/proc/self/cwd" if account and sys.platform == "linux" else str(data)
