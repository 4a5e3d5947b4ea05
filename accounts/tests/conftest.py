"""What tests of logins share."""

from collections import Counter
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from accounts.models import LoginMethod
from accounts.services import login
from accounts.services.attempts import Outcome


@pytest.fixture
def few_guesses(monkeypatch):
    """Limits of wrong passwords that a test reaches soon: a tenth of the real ones."""
    for name in ("PAIR_LIMIT", "DEVICES_LIMIT", "ACCOUNT_LIMIT"):
        monkeypatch.setattr(login, name, getattr(login, name) // 10)


@pytest.fixture
def refusals() -> Callable[[], Counter[tuple[str, str]]]:
    """The refused logins since the test began, by method and outcome."""

    def counts() -> Counter[tuple[str, str]]:
        pairs = [(method, outcome) for method in LoginMethod.values for outcome in Outcome.values]
        value = lambda pair: REGISTRY.get_sample_value(  # noqa: E731
            "spms_logins_refused_total", dict(zip(("method", "outcome"), pair, strict=True))
        )
        return Counter({pair: int(value(pair) or 0) for pair in pairs})

    before = counts()
    return lambda: counts() - before
