"""What tests of logins share."""

import pytest

from accounts.services import login_captcha


@pytest.fixture
def few_guesses(monkeypatch):
    """Limits of wrong passwords that a test reaches soon: a tenth of the real ones."""
    for name in ("PAIR_LIMIT", "DEVICES_LIMIT", "ACCOUNT_LIMIT"):
        monkeypatch.setattr(login_captcha, name, getattr(login_captcha, name) // 10)
