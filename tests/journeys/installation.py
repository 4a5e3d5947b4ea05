"""A whole installation with engines of its own, as `make up` runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.processes import Service

_OWN = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
_SHELL = """
import json, sys, django
django.setup()
for line in sys.stdin:
    exec(json.loads(line), {})
    print("done", flush=True)
"""


@contextmanager
def installation(home: Path, port: int, *, ends_by: int = signal.SIGTERM, **environment: str) -> Iterator[str]:
    """Start one below ``home``, answer its address once it is ready, stop it at the end."""
    inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
    places = {"STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "PORT": str(port)}
    base = f"http://127.0.0.1:{port}"
    up = Service([sys.executable, "manage.py", "up"], inherited | environment | places, home / "up.log")
    try:
        up.wait_until(lambda: requests.get(base + "/health/ready", timeout=5).ok)
        yield base
    finally:
        up.process.send_signal(ends_by)
        up.process.wait(30)


@contextmanager
def shell(home: Path) -> Iterator[Callable[[str], None]]:
    """Run code in the Django of the installation below ``home``. One process, because each takes a second to start."""
    environment = {name: value for name, value in os.environ.items() if name not in _OWN}
    environment |= {"STATE_DIR": str(home), "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    command, pipe = [sys.executable, "-c", _SHELL], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:

        def run(code: str) -> None:
            assert process.stdin and process.stdout
            print(json.dumps(code), file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n", "it failed; see its traceback"

        yield run
