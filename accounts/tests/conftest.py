"""What tests of logins share."""

from collections import Counter
from collections.abc import Callable

import pytest

from accounts.services import login, login_records


@pytest.fixture
def few_guesses(monkeypatch):
    """Limits of wrong passwords that a test reaches soon: a tenth of the real ones."""
    for name in ("PAIR_LIMIT", "DEVICES_LIMIT", "ACCOUNT_LIMIT"):
        monkeypatch.setattr(login, name, getattr(login, name) // 10)


@pytest.fixture
def refusals() -> Callable[[], Counter[tuple[str, str]]]:
    """The refused logins since the test began, by method and outcome."""

    def counts() -> Counter[tuple[str, str]]:
        [metric] = login_records.REFUSED.collect()
        samples = [sample for sample in metric.samples if sample.name.endswith("_total")]
        return Counter({(one.labels["method"], one.labels["outcome"]): int(one.value) for one in samples})

    before = counts()
    return lambda: counts() - before
