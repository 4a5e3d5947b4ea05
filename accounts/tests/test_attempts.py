"""Refused logins are counted and logged without the name; what hosts of the last release record is emptied."""

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import LoginMethod
from accounts.services.attempts import LoginContext, Outcome, attempt_record
from accounts.tasks import purge_login_attempts

pytestmark = pytest.mark.django_db


def test_a_refusal_is_counted_and_logged_without_what_was_typed(refusals, caplog):
    caplog.set_level("INFO")
    context = LoginContext(method=LoginMethod.API, ip="10.0.0.1", now=timezone.now())
    for outcome in (Outcome.WRONG, Outcome.DONE):
        for typed in ("a-typed-password", "a\x00b\n", "\ud800x", ""):
            attempt_record(context, outcome=outcome, username=typed)

    assert refusals() == {("api", "wrong"): 4}
    assert caplog.text.count("login refused") == 4 and "10.0.0.1" in caplog.text
    assert "a-typed-password" not in caplog.text


def test_what_hosts_of_the_last_release_record_is_emptied():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_loginattempt (at, door, outcome, username, ip, device, times)"
            " VALUES (now(), 'sms', 'code', '13800000002', '', '', 1)"
        )

        purge_login_attempts()

        cursor.execute("SELECT count(*) FROM accounts_loginattempt")
        assert cursor.fetchone() == (0,)
