"""Refused logins are counted and logged without the name; what the last release recorded ends with the login log."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import LoginAttempt, LoginMethod
from accounts.services.attempts import LoginContext, Outcome, attempt_record
from accounts.tasks import purge_login_attempts

pytestmark = pytest.mark.django_db


def test_a_refusal_is_counted_and_logged_without_what_was_typed(refusals, caplog):
    caplog.set_level("INFO")
    context = LoginContext(method=LoginMethod.API, ip="10.0.0.1", now=timezone.now())
    for outcome in (Outcome.WRONG, Outcome.DONE):
        for typed in ("a-typed-password", "a\x00b\n", "\ud800x", ""):
            attempt_record(context, outcome=outcome, username=typed)

    assert refusals() == {("api", "wrong"): 4} and not LoginAttempt.objects.exists()
    assert caplog.text.count("login refused") == 4 and "10.0.0.1" in caplog.text
    assert "a-typed-password" not in caplog.text


@pytest.mark.parametrize(("days", "rest"), [(365, ["new"]), (0, ["old", "new"]), (400, ["old", "new"])])
def test_rows_of_the_last_release_go_with_the_login_log(settings, days, rest):
    settings.AUDIT_KEEP_DAYS, now = days, timezone.now()
    for name, age in (("old", 366), ("new", 364)):
        LoginAttempt.objects.create(at=now - timedelta(days=age), door="api", outcome="wrong", username=name)

    purge_login_attempts()

    assert list(LoginAttempt.objects.order_by("pk").values_list("username", flat=True)) == rest
