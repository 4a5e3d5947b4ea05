"""``make up``: start engines, web, workers and beat, after preparing the database, and keep them running."""

import errno
import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from core import bootstrap
from devstack import preflight
from devstack.engines import Engines
from devstack.errors import StackError
from devstack.process import Child, Program, stop_all, try_lock
from operations import units

ROOT = Path(__file__).resolve().parents[1]
URLS = ("DATABASE_URL", "REDIS_URL")
DEPLOYED = ("config.settings.practice", "config.settings.production")
TICK_S = 0.05
STOP_GRACE_S = 8.0
READY_TIMEOUT_S = 120.0
# A child that has run this long is restarted at once if it ends; one that keeps ending waits longer each time.
SOUND_LIFE_S = 5.0
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
WORKERS = {"money": 4, "now": 2, "bulk": 2}  # each queue of the settings, and the threads of its worker


class Stopped(Exception):
    """A signal has asked us to stop."""


class Keeper:
    """Restart one child whenever it ends."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.failures = 0
        self._started_at = 0.0
        self._due_at: float | None = None

    def start(self, now: float) -> None:
        self._due_at = None
        self._started_at = now
        self.child.start()

    def look_after(self, now: float) -> None:
        """Check whether the child has ended, and start it again when it is time."""
        if self._due_at is None:
            if (code := self.child.exit_code()) is None:
                return
            self.failures = 0 if now - self._started_at > SOUND_LIFE_S else self.failures + 1
            wait_s = BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
            when = f"in {wait_s:g} s" if wait_s else "now"
            say(f"{self.child.name} ended ({self.child.reason(code)}); starting it again {when}")
            self._due_at = now + wait_s
        if now >= self._due_at:
            try:
                self.start(now)
            except StackError as error:
                self.failures += 1
                self._due_at = now + BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
                say(str(error))


class Supervisor:
    """One run of the stack. Children get ``environ`` and the URLs of the embedded engines."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.state_dir = preflight.state_directory(environ, ROOT)
        self.host = environ.get("BIND") or "127.0.0.1"
        self.port = preflight.read_port(environ.get("PORT") or "8000")
        self.keepers: list[Keeper] = []
        self._parent = os.getppid() if environ.get("UP_ENDS_WITH_PARENT") else None
        self._stop = False

    @property
    def base_url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104  (compared, not bound)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def run(self, *, engines_alone: bool = False) -> None:
        """Start everything, keep it running, and stop it all on a signal.

        :param engines_alone: start only the engines, so that a backup can be restored.
        :raises StackError: it cannot start; nothing is left running.
        """
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Keep an ignored SIGHUP ignored, because that is how nohup works. A shell may have set SIGINT to be ignored
            # (a job in the background), but Ctrl-C must still stop us.
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
                signal.signal(signum, self._ask_to_stop)
        with ExitStack() as stack, suppress(Stopped):
            lock = stack.enter_context(self._only_one())
            self._check()
            # Each process leaves a file of metrics behind, and a scrape would read the old ones too.
            shutil.rmtree(self.state_dir / "metrics", ignore_errors=True)
            engines = self._start_engines(stack)
            if engines_alone:
                say("The engines run, and nothing else. Ctrl-C stops them.")
                self._look_after_for_ever(engines)
            accounts = self._prepare(engines)
            web, *background = self._services(stack, engines, lock)
            # Start the others only when the web server answers: their imports would delay it.
            self._start(web)
            self._wait_until_it_answers()
            self._start(*background)
            say(self._welcome(accounts))
            self._look_after_for_ever(engines)

    def _only_one(self) -> IO[str]:
        """Take the lock of this state directory, so that a second supervisor refuses to start.

        Our services inherit it. So it shows also that those of a killed supervisor have not ended yet: wait for them.

        :raises StackError: another supervisor is running here.
        """
        lock = (self.state_dir / "up.lock").open("a+")
        deadline = time.monotonic() + STOP_GRACE_S + 2
        while not try_lock(lock):
            lock.seek(0)
            text = lock.read().strip()
            owner = re.search(r"process (\d+)", text)
            if not owner or runs(int(owner[1])) or time.monotonic() > deadline:
                raise StackError(f"It is already running here: {text or 'just starting'}.")
            self._pause()
        lock.truncate(0)
        lock.write(f"{self.base_url} (process {os.getpid()})")
        lock.flush()
        return lock

    def _check(self) -> None:
        if self.environ.get("DJANGO_SETTINGS_MODULE") in DEPLOYED:
            for name in URLS:
                if not self.environ.get(name):
                    raise StackError(f"{name} is not set: production has no embedded engines.")
        preflight.check_port_free(self.host, self.port)

    def _start_engines(self, stack: ExitStack) -> Engines:
        missing = [name for name in URLS if not self.environ.get(name)]
        if missing:
            say("Starting " + " and ".join({"DATABASE_URL": "PostgreSQL", "REDIS_URL": "Valkey"}[m] for m in missing))
        engines = stack.enter_context(Engines(self.state_dir, missing=missing, idle=self._pause))
        self.environ |= engines.urls
        note = self.state_dir / "engines.json"
        stack.callback(note.unlink, missing_ok=True)
        leave_note(note, json.dumps(engines.urls | {"PORT": str(self.port)}), engines.run_dir)
        self.keepers += map(Keeper, engines.engines)
        return engines

    def _prepare(self, engines: Engines) -> str:
        """Bring the database up to date with `manage.py prepare`. Return its output, which names the accounts.

        :raises StackError: it failed; the text says why.
        """
        say("Preparing the database")
        log = self.state_dir / "prepare.log"
        log.unlink(missing_ok=True)
        argv = (sys.executable, str(ROOT / "manage.py"), "prepare")
        environ = self.environ | {"PYTHONIOENCODING": "utf-8"}
        child = Child(Program("prepare", argv, cwd=ROOT, env=environ, log=log), engines.watchdog)
        try:
            child.start()
            while (code := child.exit_code()) is None:
                self._pause()
            text = log.read_text("utf-8", errors="replace").strip()
        finally:
            stop_all([child], STOP_GRACE_S)
            log.unlink(missing_ok=True)  # it holds passwords
        if code:
            # An error that the command reports itself is its last line; a traceback is shown whole.
            reason = re.search(r"^(?:Command)?Error: (.+)\Z", text, re.MULTILINE)
            raise StackError(reason[1] if reason else f"The database cannot be prepared:\n{text}")
        return text

    def _services(self, stack: ExitStack, engines: Engines, lock: IO[str]) -> list[Keeper]:
        children = [Child(program, engines.watchdog, [lock.fileno()]) for program in self._programs()]
        stack.callback(stop_all, children, STOP_GRACE_S)
        stack.callback(say, "Stopping")
        return [Keeper(child) for child in children]

    def _start(self, *keepers: Keeper) -> None:
        for keeper in keepers:
            keeper.start(time.monotonic())
            self.keepers.append(keeper)

    def _programs(self) -> list[Program]:
        """Return the programs to run, as the units of ``deploy/`` have them: the web server first, then the others."""
        # Hide Celery's long warning about running as root, which does not matter on a developer's machine.
        calm = {"PYTHONWARNINGS": "ignore:You're running the worker"}
        # WARNING, because beat would log a line every few seconds and bury the others.
        level = ("--loglevel", self.environ.get("LOG_LEVEL") or "WARNING")
        commands = {"web": one_server("--host", self.host, "--port", str(self.port))}
        for queue, threads in WORKERS.items():
            # Threads, because tasks mostly wait for others, and one process is easier to watch and to kill.
            pool = ("--pool", "threads", "--concurrency", str(threads))
            commands[f"worker@{queue}"] = units.command(f"worker@{queue}", *level, *pool)
        commands["beat"] = units.command("beat", *level)
        return [
            Program(name.replace("@", " "), argv, cwd=ROOT, env=units.environment(name) | calm | self.environ)
            for name, argv in commands.items()
        ]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not answers(f"{self.base_url}/health/live"):
            for keeper in self.keepers:
                keeper.look_after(time.monotonic())
                if keeper.failures > 2:
                    raise StackError(f"{keeper.child.name} does not stay up; the reason is above.")
            if time.monotonic() > deadline:
                raise StackError(f"The server did not answer within {READY_TIMEOUT_S:.0f} s.")
            self._pause()

    def _look_after_for_ever(self, engines: Engines) -> NoReturn:
        while True:
            if engines.watchdog.revive():
                say("watchdog ended; started it again")
            for keeper in self.keepers:
                keeper.look_after(time.monotonic())
            self._pause()

    def _pause(self) -> None:
        """Wait a moment.

        :raises Stopped: a signal has asked us to stop, or our parent has ended (UP_ENDS_WITH_PARENT).
        """
        if self._stop or (self._parent is not None and os.getppid() != self._parent):
            raise Stopped
        time.sleep(TICK_S)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stop = True

    def _welcome(self, accounts: str) -> str:
        base = self.environ.get("PUBLIC_BASE_URL") or self.base_url
        addresses = f"API    {base}/\nDocs   {base}/docs/\nAdmin  {base}/admin/"
        return f"\n{addresses}\n\n{accounts}\n\nCtrl-C stops everything."


def one_server(*more: str) -> list[str]:
    """Return the command of the unit ``web``, changed to serve sockets too, and to wait less before it gives up."""
    changes = (
        # A waiting poll counts as a request: by Granian's default some hundred of them would block all others.
        *("--interface", "asgi", "--ws", "--backlog", "4096", "--backpressure", "20000", "--log-level", "warning"),
        *("--respawn-interval", "0.1", "--workers-kill-timeout", "3"),
    )
    words = units.command("web", *changes, *more, without=("--log-config", "--blocking-threads"))
    return ["config.asgi:application" if word == "config.wsgi:application" else word for word in words]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH  # another account's
    return True


def answers(url: str) -> bool:
    """Tell whether ``url`` gives any HTTP response."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def say(text: str) -> None:
    # If the terminal is gone (a closed window, `| head`), go on without it.
    with suppress(OSError):
        print(text, flush=True)


def leave_note(note: Path, text: str, run_dir: Path) -> None:
    """Make the file ``note`` with ``text``, readable for our account only, as a link into ``run_dir``.

    When the engines end, for whatever reason, ``run_dir`` is removed, and the note cannot be read any more.
    """
    target = run_dir / note.name
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    note.unlink(missing_ok=True)
    note.symlink_to(target)


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
    except (StackError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {'the disk is full.' if error.errno == errno.ENOSPC else error}", file=sys.stderr)
        return 1
    return 0
