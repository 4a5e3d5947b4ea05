"""``make up``: start engines, web, workers and beat, after preparing the database, and keep them running."""

import errno
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from core import bootstrap
from devstack.engines import Engines
from devstack.process import Child, StackError, file_lock, stop_all
from operations import units

ROOT = Path(__file__).resolve().parents[1]
URLS = {"DATABASE_URL": "PostgreSQL", "REDIS_URL": "Valkey"}
DEPLOYED = ("config.settings.practice", "config.settings.production")
TICK_S = 0.05
STOP_GRACE_S = 8.0
READY_TIMEOUT_S = 120.0
RESTART_AFTER_S = 1.0  # or what ends at its start would keep a core busy
WORKERS = {"money": 4, "now": 2, "bulk": 2}  # each queue of the settings, and the threads of its worker


class Stopped(Exception):
    """A signal has asked us to stop."""


class Supervisor:
    """One run of the stack. Children get ``environ`` and the URLs of the embedded engines."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.state_dir = state_directory(environ)
        self.host = environ.get("BIND") or "127.0.0.1"
        self.port = port_number(environ.get("PORT") or "8000")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104  (compared, not bound)
        self.base_url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        self.children: list[Child] = []
        self._parent = os.getppid() if environ.get("UP_ENDS_WITH_PARENT") else None
        self._stop = False

    def run(self, *, engines_alone: bool = False) -> None:
        """Start everything, keep it running, and stop it all on a signal.

        :param engines_alone: start only the engines, so that a backup can be restored.
        :raises StackError: it cannot start; nothing is left running.
        """
        # A shell may have set SIGINT to be ignored (a job in the background), but Ctrl-C must still stop us. An ignored
        # SIGHUP stays so, because that is how nohup works.
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._ask_to_stop)
        with ExitStack() as stack, suppress(Stopped):
            owner = f"{self.base_url} (process {os.getpid()})"
            stack.enter_context(file_lock(self.state_dir / "up.lock", owner))
            check_port_free(self.host, self.port)
            # Each process leaves a file of metrics behind, and a scrape would read the old ones too.
            shutil.rmtree(self.state_dir / "metrics", ignore_errors=True)
            engines = self._start_engines(stack)
            if engines_alone:
                say("The engines run, and nothing else. Ctrl-C stops them.")
                self._look_after_for_ever()
            accounts = self._prepare()
            web, *background = self._services(engines)
            stack.callback(stop_all, [web, *background], STOP_GRACE_S)
            stack.callback(say, "Stopping")
            # Start the others only when the web server answers: their imports would delay it.
            web.start()
            web.wait_until_it_answers(READY_TIMEOUT_S, self._pause)
            for child in background:
                child.start()
            self.children += [web, *background]
            base = self.environ.get("PUBLIC_BASE_URL") or self.base_url
            addresses = f"API    {base}/\nDocs   {base}/docs/\nAdmin  {base}/admin/"
            say(f"\n{addresses}\n\n{accounts}\n\nCtrl-C stops everything.")
            self._look_after_for_ever()

    def _start_engines(self, stack: ExitStack) -> Engines:
        missing = [name for name in URLS if not self.environ.get(name)]
        if missing and self.environ.get("DJANGO_SETTINGS_MODULE") in DEPLOYED:
            raise StackError(f"{missing[0]} is not set: production has no embedded engines.")
        if missing:
            say("Starting " + " and ".join(URLS[name] for name in missing))
        engines = stack.enter_context(Engines(self.state_dir, missing=missing, idle=self._pause))
        self.environ |= engines.urls
        self.children += engines.children.values()
        # By this file commands in another terminal find the engines (config/settings/readers.py).
        note = self.state_dir / "engines.json"
        stack.callback(note.unlink, missing_ok=True)
        note.touch(0o600)
        note.write_text(json.dumps(engines.urls | {"PORT": str(self.port)}), "utf-8")
        return engines

    def _prepare(self) -> str:
        """Bring the database up to date with `manage.py prepare`. Return its output, which names the accounts.

        :raises StackError: it failed; the text says why.
        """
        say("Preparing the database")
        result = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "prepare"],
            cwd=ROOT,
            env=self.environ | {"PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._pause()  # Ctrl-C has ended it, too
        text = result.stdout.strip()
        if result.returncode:
            # An error that the command reports itself is its last line; a traceback is shown whole.
            reason = re.search(r"^(?:Command)?Error: (.+)\Z", text, re.MULTILINE)
            raise StackError(reason[1] if reason else f"The database cannot be prepared:\n{text}")
        return text

    def _services(self, engines: Engines) -> list[Child]:
        """Return what to run, as the units of ``deploy/`` have it: the web server first, then the others."""
        # Hide Celery's long warning about running as root, which does not matter on a developer's machine.
        calm = {"PYTHONWARNINGS": "ignore:You're running the worker"}
        commands = {"web": one_server("--host", self.host, "--port", str(self.port))}
        for queue, threads in WORKERS.items():
            # Threads, because tasks mostly wait for others, and one process is easier to watch and to kill.
            pool = ("--pool", "threads", "--concurrency", str(threads))
            commands[f"worker@{queue}"] = units.command(f"worker@{queue}", *pool)
        commands["beat"] = units.command("beat")
        return [
            Child(
                name=name.replace("@", " "),
                argv=argv,
                watchdog=engines.watchdog,
                cwd=ROOT,
                env=units.environment(name) | calm | self.environ,
                fds=[engines.lock.fileno()],
                answers=lambda: answers(self.base_url),
            )
            for name, argv in commands.items()
        ]

    def _look_after_for_ever(self) -> NoReturn:
        """Start again whatever has ended."""
        due_at: dict[Child, float] = {}
        while True:
            now = time.monotonic()
            for child in self.children:
                if child not in due_at and child.has_ended():
                    say(f"{child.name} ended ({child.reason()}); starting it again")
                    due_at[child] = now + RESTART_AFTER_S
                elif due_at.get(child, now + 1) <= now:
                    del due_at[child]
                    try:
                        child.start()
                    except StackError as error:  # it is tried again
                        say(str(error))
            self._pause()

    def _pause(self) -> None:
        """Wait a moment.

        :raises Stopped: a signal has asked us to stop, or our parent has ended (UP_ENDS_WITH_PARENT).
        """
        if self._stop or (self._parent is not None and os.getppid() != self._parent):
            raise Stopped
        time.sleep(TICK_S)

    def _ask_to_stop(self, *_: Any) -> None:
        self._stop = True


def one_server(*more: str) -> list[str]:
    """Return the command of the unit ``web``, changed to serve sockets too, and to wait less before it gives up."""
    changes = (
        # A waiting poll counts as a request: by Granian's default some hundred of them would block all others.
        *("--interface", "asgi", "--ws", "--backlog", "4096", "--backpressure", "20000", "--log-level", "warning"),
        *("--respawn-interval", "0.1", "--workers-kill-timeout", "3"),
    )
    words = units.command("web", *changes, *more, without=("--log-config", "--blocking-threads"))
    return ["config.asgi:application" if word == "config.wsgi:application" else word for word in words]


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of the stack's data, STATE_DIR or ``.dev`` in the project. Make it if it is missing."""
    path = Path(environ.get("STATE_DIR") or ROOT / ".dev").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def port_number(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StackError(f"PORT has a bad value ({text!r}): a number from 1 to 65535 is needed.")


def check_port_free(host: str, port: int) -> None:
    """Check that we can listen on ``host`` and ``port``.

    :raises StackError: another program uses the port, we may not, or ``host`` is none of this machine's addresses.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", 0) in (errno.EADDRINUSE, errno.EACCES):
            text = f"Port {port} is taken by another program, or not free to us: set PORT to another one ({error})."
        else:
            text = f"BIND has a bad value ({host!r}): an address of this machine is needed ({error})."
        raise StackError(text) from error


def answers(base_url: str) -> bool:
    """Tell whether the server gives any HTTP response."""
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=2)
        connection.request("GET", "/health/live")
        connection.getresponse()
        connection.close()
        return True
    return False


def say(text: str) -> None:
    # If the terminal is gone (a closed window, `| head`), go on without it.
    with suppress(OSError):
        print(text, flush=True)


def main(words: list[str]) -> int:
    """Run the stack as ``manage.py up`` with these options, and return the exit code for the shell."""
    parser = ArgumentParser("manage.py up", description="Start everything and keep it running until Ctrl-C.")
    parser.add_argument("--engines", action="store_true", help="start only PostgreSQL and Valkey, for `restore`")
    options = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # on a terminal without Chinese, print "?" instead of failing
            stream.reconfigure(errors="replace")
    try:
        bootstrap.load_dotenv(ROOT / ".env")
        Supervisor(os.environ).run(engines_alone=options.engines)
    except (StackError, OSError, ValueError) as error:
        print(f"Error: {in_words(error)}", file=sys.stderr)
        return 1
    return 0


def in_words(error: Exception) -> str:
    """Return one line for the person at the terminal."""
    match error:
        case OSError(errno=errno.ENOSPC):
            return "the disk is full."
        case OSError(errno=errno.EROFS):
            return f"{error.filename} is on a disk that takes no writes: set STATE_DIR to a folder on another one."
        case PermissionError():
            return f"{error.filename} belongs to another account: start as that one, or `make reset` as root."
    return str(error)
