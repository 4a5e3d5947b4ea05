"""pytest plugin: start temporary engines for a test session without DATABASE_URL or REDIS_URL.

``pytest.ini`` loads it with ``-p``, so that the variables are set before pytest-django loads the settings. Under xdist
each worker starts its own engines, because tests empty Valkey and count rows. A PostgreSQL in DATABASE_URL may be
shared, because pytest-django gives each worker a database. Use a Valkey in REDIS_URL only without workers.
"""

import os
from collections.abc import Iterator

import pytest

from devstack.engines import Engines
from devstack.errors import StackError

_OURS = "PYTEST_ENGINES"  # tells workers which of the two variables lead to no engine, so that each starts its own
# A session that is killed needs no care: the watchdog stops its engines.
_engines: list[Engines] = []


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
    try:
        _engines.append(Engines(missing=missing, durable=False).start())
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ.update(_engines[0].urls)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    for engines in _engines:
        engines.stop()
