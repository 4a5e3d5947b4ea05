"""pytest plugin: throw-away engines for a test session that has no DATABASE_URL or REDIS_URL.

Named by ``-p`` in ``pytest.ini``, so that the variables are set before pytest-django loads the settings.
Under xdist the controller starts the engines; its workers inherit the variables.
"""

import atexit
import os
import signal
import sys
from types import FrameType

import pytest

from core.devstack.engines import Engines
from core.devstack.errors import StackError

_engines: Engines | None = None


def start() -> None:
    """Set DATABASE_URL and REDIS_URL, starting what is missing. Calling it again does nothing."""
    global _engines  # the session has one pair
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if not missing or _engines:
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
