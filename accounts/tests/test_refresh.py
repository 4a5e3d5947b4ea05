"""Tokens that are refreshed: what clients read, and when a login and all its tokens end."""

import subprocess
from datetime import timedelta

import pytest

from accounts import tokens
from accounts.models import RefreshFamily
from accounts.services.users import tokens_purge
from accounts.tokens import family_begin, tokens_refresh
from core import times
from core.errors import TokenInvalid
from tests.kit import at_once, meeting
from tests.needs import ROOT

pytestmark = pytest.mark.django_db
DEAD = {"status": 0, "state": False, "code": "1004", "msg": "校验失败"}


@pytest.fixture
def li(person):
    return person("li")


def log_in(api, **fields):
    return api.post("/users/login", {"username": "li", "password": "a-password"} | fields).json()


def refresh(api, token):
    return api.post("/users/refresh", {"refresh": token}).json()


def is_valid(api, token):
    return api.get("/verify", headers={"authorization": token}).json()["state"]


class TestAnswers:
    @pytest.mark.parametrize(("fields", "seconds"), [({}, 43200), ({"access_s": 30}, 30), ({"access_s": "600"}, 600)])
    def test_a_login_that_asks_gets_a_refresh_token_and_each_gives_the_next(self, api, li, fields, seconds):
        first = log_in(api, refresh=1, **fields)
        second = refresh(api, first["refresh"])

        assert first["expires_in"] == seconds
        claims = tokens.token_claims(second["token"])
        assert claims["exp"] - claims["iat"] == seconds
        assert second["expires_in"] == seconds
        assert is_valid(api, first["token"]) and is_valid(api, second["token"])
        assert refresh(api, second["refresh"])["state"] is True

    @pytest.mark.parametrize("seconds", [29, 43201, "x", 10**30])
    def test_a_lifetime_outside_the_bounds_is_named_and_a_login_by_message_can_be_refreshed(
        self, api, li, monkeypatch, seconds
    ):
        body = log_in(api, refresh=1, access_s=seconds)
        assert (body["state"], body["msg"]) == (False, "access_s: 必须是30到43200之间的整数")
        assert api.post("/users/refresh", {"access_s": seconds}).json()["msg"] == "缺少参数: refresh"

        monkeypatch.setattr("accounts.api.views.sms_verify", lambda **_: li.user)
        first = api.post("/users/login?type=sms", {"code": "12345", "refresh": 1}).json()
        assert refresh(api, first["refresh"])["state"]


class TestEnds:
    def test_a_token_that_comes_again_ends_all_tokens_of_the_login_and_of_no_other(self, api, li):
        first, other = log_in(api, refresh=1), log_in(api, refresh=1)
        second = refresh(api, first["refresh"])

        assert refresh(api, first["refresh"]) == DEAD

        assert refresh(api, second["refresh"]) == DEAD
        tokens_purge(now=times.now() + timedelta(hours=11))  # these tokens would live longer
        assert not is_valid(api, first["token"]) and not is_valid(api, second["token"])
        assert refresh(api, other["refresh"])["state"] is True

    def test_signing_out_ends_the_login(self, api, li):
        first, other = log_in(api, refresh=1), log_in(api)
        second = refresh(api, first["refresh"])

        api.get("/users/sigout", headers={"authorization": first["token"]})

        assert is_valid(api, other["token"])
        assert refresh(api, second["refresh"]) == DEAD
        assert not is_valid(api, second["token"])

    def test_neither_token_takes_the_place_of_the_other_and_both_end(self, api, li, settings):
        first = log_in(api, refresh=1)

        for odd in (first["token"], "x", ["x"], {"x": 1}, "é" * 9, "a.b.c"):
            assert refresh(api, odd) == DEAD
        assert not is_valid(api, first["refresh"])
        assert refresh(api, first["refresh"])["state"] is True
        assert not log_in(api, access_s=30).keys() & {"refresh", "expires_in"}, "only who asks gets one"
        settings.JWT_REFRESH_LIFETIME = timedelta(seconds=-1)
        assert refresh(api, log_in(api, refresh=1)["refresh"]) == DEAD
        assert tokens_purge(now=times.now()) == 1


@pytest.mark.node
@pytest.mark.django_db(transaction=True)
def test_the_documented_interceptor_refreshes_once_for_forty_calls(live_server, li):
    command = ["node", str(ROOT / "tests/clients/refresh.js"), live_server.url, "li", "a-password"]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_compared", [True, False], ids=["compared", "twin"])
def test_one_token_gives_one_next_and_the_others_end_the_login(li, monkeypatch, is_compared):
    """The twin: a look before, and a write that does not compare."""
    token, have_looked = family_begin(user=li.user, access_s=None).refresh, meeting(4)

    def look_then_write(self, **wanted):
        rows = self.all()
        chain = rows._chain().complex_filter(wanted)
        if "current" in wanted and chain.exists():
            have_looked()
            return rows.complex_filter({"jti": wanted["jti"]})
        return chain

    if not is_compared:
        monkeypatch.setattr(type(RefreshFamily.objects), "filter", look_then_write)

    outcomes = at_once([lambda: tokens_refresh(token, now=times.now())] * 4, refusals=(TokenInvalid,))

    assert sum(not isinstance(one, TokenInvalid) for one in outcomes) == (1 if is_compared else 4)
    assert not is_compared or not RefreshFamily.objects.exists()
