"""pytest plugin: start temporary engines for a test session without DATABASE_URL or REDIS_URL.

``pytest.ini`` loads it with ``-p``, so that the variables are set before pytest-django loads the settings. Under xdist
each worker starts its own engines, because tests empty Valkey and count rows. A PostgreSQL in DATABASE_URL may be
shared, because pytest-django gives each worker a database. Use a Valkey in REDIS_URL only without workers.

Applying all migrations takes 10 s of CPU time, so a data directory with the migrated database is kept below
``.pytest_cache`` until a migration changes, and each PostgreSQL begins with a copy of it.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from devstack.engines import DATABASE, Engines
from devstack.process import StackError

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".pytest_cache" / "postgres"
_OURS = "PYTEST_ENGINES"  # tells workers which of the two variables lead to no engine, so that each starts its own
# A session that is killed needs no care: the watchdog stops its engines.
_engines = ExitStack()
_has_migrated = False


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Set DATABASE_URL and REDIS_URL before pytest-django loads the settings; start the engines that are missing."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        _start(os.environ[_OURS].split())
    else:
        missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
        os.environ[_OURS] = " ".join(missing)
        if not early_config.known_args_namespace.numprocesses:  # else it runs no test itself
            _start(missing)
    yield


def _start(missing: list[str]) -> None:
    if not missing:
        return
    global _has_migrated
    template = migrated_home() if "DATABASE_URL" in missing else None
    _has_migrated = template is not None
    try:
        engines = _engines.enter_context(Engines(missing=missing, durable=False, template=template))
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(engines.urls)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _engines.close()


def database_to_copy() -> dict[str, Any]:
    """Return the settings with which pytest-django copies the migrated database, or applies the migrations itself."""
    return {"TEMPLATE": DATABASE, "MIGRATE": False} if _has_migrated else {}


def migrated_home() -> Path | None:
    """Return the home of engines whose database has all migrations, for others to begin with; make it if need be.

    None where none can be made: then who needs it applies the migrations, and shows what is wrong with one.
    """
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        kept = CACHE / f"{_fingerprint()}-{os.geteuid()}"
        with (CACHE / "lock").open("w") as lock:  # the other workers wait
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                _make(kept)
    except (OSError, StackError, subprocess.CalledProcessError):
        return None
    return kept


def _fingerprint() -> str:
    """Return a hash of all migrations, of what they use, and of how they are kept."""
    files = {Path(__file__), ROOT / "requirements.txt", *ROOT.glob("*/migrations/*.py")}
    for file in sorted(files):
        for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", file.read_text("utf-8"), re.MULTILINE):
            files.add(ROOT / f"{name.replace('.', '/')}.py")
    return sha256(b"".join(file.read_bytes() for file in sorted(files) if file.exists())).hexdigest()[:16]


def _make(kept: Path) -> None:
    for older in [folder for folder in CACHE.iterdir() if folder.is_dir()]:
        shutil.rmtree(older)
    fresh = kept.with_suffix(".new")
    with Engines(home=fresh, missing=["DATABASE_URL"], durable=False) as engines:
        environ = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "REDIS_URL": "redis://127.0.0.1:1"}
        command = [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=os.environ | environ | engines.urls, check=True, capture_output=True)
    fresh.rename(kept)
