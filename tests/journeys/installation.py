"""A whole installation with engines of its own, as `make up` runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

_OWN = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
START_S = 150
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
    with (home / "up.log").open("w") as log:
        command = [sys.executable, "manage.py", "up"]
        up = subprocess.Popen(command, env=inherited | environment | places, stdout=log, stderr=log)
    try:
        is_ready = until(lambda: requests.get(base + "/health/ready", timeout=5).status_code == 200, START_S)
        assert is_ready, (home / "up.log").read_text()[-4000:]
        yield base
    finally:
        up.send_signal(ends_by)
        up.wait(30)


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


def until(true: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again, also while nobody answers; None when it never came true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if found := true():
                return found
        except requests.RequestException:
            pass  # not up yet, or between two lives
        time.sleep(0.2)
    return None
