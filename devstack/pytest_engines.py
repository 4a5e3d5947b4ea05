"""pytest plugin: start temporary engines for a test session without DATABASE_URL or REDIS_URL.

``pytest.ini`` loads it with ``-p``, so that the variables are set before pytest-django loads the settings. Under xdist
each worker starts its own engines, because tests empty Valkey and count rows. A PostgreSQL in DATABASE_URL may be
shared, because pytest-django gives each worker a database. Use a Valkey in REDIS_URL only without workers.
"""

import os

import pytest

from devstack.engines import Engines
from devstack.errors import StackError

_OURS = "PYTEST_ENGINES"  # tells workers which of the two variables lead to engines that the controller has started
# A session that is killed needs no care: the watchdog stops its engines.
_engines: list[Engines] = []


def pytest_addoption() -> None:
    """Set DATABASE_URL and REDIS_URL, and start the engines that are missing.

    This is the only hook that runs after `-p` has loaded us and before pytest-django loads the settings.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        missing = os.environ[_OURS].split()
    else:
        missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
        os.environ[_OURS] = " ".join(missing)
    if not missing:
        return
    try:
        _engines.append(Engines(missing=missing, durable=False).start())
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(_engines[0].urls)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    for engines in _engines:
        engines.stop()
