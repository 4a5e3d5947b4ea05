"""The record of tries to log in: what stands in it, and how much of a flood."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import LoginAttempt, LoginMethod
from accounts.services import attempts
from accounts.services.attempts import LoginContext, Outcome, attempt_record, attempts_purge
from accounts.tasks import purge_login_attempts
from tests.kit import at_once

NOW = timezone.now().replace(second=30)


def record(username="li", outcome=Outcome.WRONG, ip="10.0.0.1", device="", now=NOW):
    context = LoginContext(method=LoginMethod.API, ip=ip, device=device, now=now)
    attempt_record(context, outcome=outcome, username=username)


def rows(*names):
    return list(LoginAttempt.objects.order_by("pk").values_list(*names, flat=len(names) == 1))


@pytest.mark.django_db
class TestARow:
    @pytest.mark.parametrize(
        ("typed", "kept"), [("a\x00b\n c\u202e😀", "a b  c 😀"), ("\ud800x", "x"), ("名" * 100, "名" * 64), ("", "")]
    )
    def test_holds_the_name_as_it_was_typed_cut_short_and_printable(self, typed, kept):
        record(typed, device=typed * 10)

        assert rows("username") == [kept]
        assert len(rows("device")[0]) <= 200

    def test_is_shared_by_equal_tries_of_a_minute(self):
        for second in (0, 5, 29):
            record(now=NOW + timedelta(seconds=second))
        record(now=NOW + timedelta(seconds=31))
        record(ip="10.0.0.2")

        assert rows("at", "ip", "times") == [
            (NOW.replace(second=0, microsecond=0), "10.0.0.1", 3),
            (NOW.replace(second=0, microsecond=0) + timedelta(minutes=1), "10.0.0.1", 1),
            (NOW.replace(second=0, microsecond=0), "10.0.0.2", 1),
        ]


@pytest.mark.django_db(transaction=True)
def test_of_tries_at_once_none_is_lost():
    at_once([record] * 24)

    assert rows("times") == [24]


@pytest.mark.django_db
class TestAFlood:
    def test_refused_attempts_of_an_address_share_a_row_and_all_addresses_have_a_limit(self, monkeypatch):
        for number in range(20):
            record(f"name{number}", outcome=Outcome.MANY, ip="2001:db8::1")
        record("other", outcome=Outcome.MANY, ip="2001:db8::2")  # the same /64
        assert rows("username") == ["name0"]

        monkeypatch.setattr(attempts, "MAX_A_MINUTE", 5)
        for number in range(20):
            record(f"name{number}", ip=f"10.0.0.{number}")
        assert len(rows("pk")) == 5

    def test_leaves_the_newest_rows(self, monkeypatch):
        monkeypatch.setattr(attempts, "MAX_KEPT", 3)
        for number in range(7):
            record(f"name{number}")

        assert attempts_purge(now=NOW, batch=2) == 4
        assert rows("username") == ["name4", "name5", "name6"]
        assert attempts_purge(now=NOW) == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("days", "rest"), [(365, ["new"]), (0, ["old", "new"]), (400, ["old", "new"])])
def test_old_rows_go_with_the_login_log(settings, days, rest):
    settings.AUDIT_KEEP_DAYS = days
    record("old", now=timezone.now() - timedelta(days=366))
    record("new", now=timezone.now() - timedelta(days=364))

    purge_login_attempts()

    assert rows("username") == rest
