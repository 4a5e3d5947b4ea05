"""pytest plugin: start temporary engines for a test session without DATABASE_URL or REDIS_URL.

``pytest.ini`` loads it with ``-p``, so that the variables are set before pytest-django loads the settings. Under xdist
each worker starts its own engines, because tests empty Valkey and count rows. A PostgreSQL in DATABASE_URL may be
shared, because pytest-django gives each worker a database. Use a Valkey in REDIS_URL only without workers.
"""

import atexit
import os
import signal
import sys
from types import FrameType

import pytest

from devstack.engines import Engines
from devstack.errors import StackError

_OURS = "PYTEST_ENGINES"  # tells workers which of the two variables lead to engines that the controller has started
_engines: Engines | None = None


def start() -> None:
    """Set DATABASE_URL and REDIS_URL, and start the engines that are missing. A second call does nothing."""
    global _engines  # one pair for the whole session
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
        _engines = Engines(missing=missing, durable=False).start()
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(_engines.urls)
    atexit.register(stop)  # for a session that ends before pytest_unconfigure
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_in_order)


def stop() -> None:
    """Stop the engines that :func:`start` has started, and remove the variables."""
    global _engines
    if _engines:
        for name in _engines.urls:
            os.environ.pop(name, None)
        _engines.stop()
        _engines = None


def pytest_addoption() -> None:
    # The only hook that runs after `-p` has loaded us and before pytest-django loads the settings.
    start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    stop()


def _exit_in_order(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)
