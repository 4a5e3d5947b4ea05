"""pytest plugin: throw-away engines for a test session that has no DATABASE_URL or REDIS_URL.

Named by ``-p`` in ``pytest.ini``, so that the variables are set before pytest-django loads the settings.
Under xdist each worker starts its own, since tests empty Valkey and count rows. A PostgreSQL that DATABASE_URL names
is shared: pytest-django gives each worker a database there. A Valkey that REDIS_URL names is for a run without workers.
"""

import atexit
import os
import signal
import sys
from types import FrameType

import pytest

from devstack.engines import Engines
from devstack.errors import StackError

_OURS = "PYTEST_ENGINES"  # tells workers which of the variables name what the controller started
_engines: Engines | None = None


def start() -> None:
    """Set DATABASE_URL and REDIS_URL, starting what is missing. Calling it again does nothing."""
    global _engines  # the session has one pair
    if _engines:
        return
    if "PYTEST_XDIST_WORKER" in os.environ:
        missing = os.environ[_OURS].split()
    else:
        missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
        os.environ[_OURS] = " ".join(missing)
    if not missing:
        return
    try:
        _engines = Engines(wanted=missing, durable=False).start()
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(_engines.urls)
    atexit.register(stop)  # for a session that never gets as far as pytest_unconfigure
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_in_order)


def stop() -> None:
    """Stop what :func:`start` started and take the variables back."""
    global _engines
    if _engines:
        for name in _engines.urls:
            os.environ.pop(name, None)
        _engines.stop()
        _engines = None


def pytest_addoption() -> None:
    # The one hook that runs when `-p` loads us and before pytest-django is there.
    start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    stop()


def _exit_in_order(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
