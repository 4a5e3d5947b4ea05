"""Who is calling: where the token is looked for, which tokens count, how they are refreshed, and when they end."""

import base64
import json
import subprocess
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts import tokens
from accounts.models import RefreshFamily, RevokedToken, User
from accounts.services.users import password_set, users_disable
from accounts.tasks import purge_expired_tokens
from accounts.tokens import family_begin, token_issue, tokens_end, tokens_purge, tokens_refresh
from core import times
from core.errors import TokenInvalid
from tests.kit import at_once, logged_in, meeting
from tests.needs import ROOT

pytestmark = pytest.mark.django_db
NO_TOKEN = {"status": 403, "state": False, "code": "10022", "msg": "请登入"}
BAD_TOKEN = {"status": 0, "state": False, "code": "1004", "msg": "校验失败"}


def verify(client, token):
    return client.get("/verify", headers={"authorization": token}).json()


class TestWhereTheTokenIs:
    def test_in_the_header_raw_or_bearer_in_the_query_or_a_body_of_any_format_as_text(self, api, lbw):
        for form in ("{}", "Bearer {}", "bearer {}", " {} ", "Bearer   {}"):
            body = verify(api, form.format(lbw.token))
            assert body["state"] is True and body["decode"]["exp"] - body["decode"]["iat"] == 12 * 3600
            assert not {"password", "epoch", "jti", "openid"} & set(body["decode"])
            assert api.get("/verify", token=form.format(lbw.token)).json()["state"] is True
        for format in ("json", "form", "multipart"):
            assert api.post("/verify", {"token": lbw.token}, format=format).json()["state"] is True
        for odd in (["a"], {"a": 1}, 1, True, None):
            assert api.post("/verify", {"token": odd}).json() == NO_TOKEN

    def test_the_header_comes_first_then_the_query_and_no_token_is_none(self, api, lbw, zhuguan):
        header = {"authorization": lbw.token}

        assert api.get("/verify", headers=header, token="bad").json()["decode"]["username"] == "lbw"
        url = f"/verify?token={zhuguan.token}"
        assert api.post(url, {"token": "bad"}).json()["decode"]["username"] == "zhuguan"

        for nothing in ("", " ", "null", "undefined", "Bearer", "Bearer ", "Bearer null"):  # as axios sends it
            assert verify(api, nothing) == NO_TOKEN
            assert api.get("/verify", token=nothing).json() == NO_TOKEN
            assert api.get("/verify", token=lbw.token, headers={"authorization": nothing}).json()["state"] is True


class TestWhichTokensCount:
    def forged(self, user, key, algorithm, **changes):
        claims = AccessToken(token_issue(user)).payload | changes
        return jwt.encode(claims, key, algorithm=algorithm)

    @pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
    @pytest.mark.parametrize("name", ["none", "NONE", "nOnE"])
    def test_one_with_another_key_or_algorithm_or_claim_or_no_signature_is_refused(
        self, api, lbw, root, settings, name
    ):
        def encoded(part):
            return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for key, algorithm in (("x" * 64, "HS256"), (settings.SECRET_KEY, "HS512"), (private, "RS256")):
            assert verify(api, self.forged(lbw.user, key, algorithm)) == BAD_TOKEN
        head, body, signature = lbw.token.split(".")
        unsigned = encoded({"alg": name, "typ": "JWT"})
        changed = encoded(AccessToken(lbw.token).payload | {"unid": root.user.unid})
        for forged in (f"{unsigned}.{body}.", f"{unsigned}.{body}.{signature}", f"{head}.{changed}.{signature}"):
            assert verify(api, forged) == BAD_TOKEN

    def test_one_under_a_key_that_is_being_replaced(self, api, lbw, settings):
        old_key = "the-key-before-this-one" * 3
        old_token = self.forged(lbw.user, old_key, "HS256")
        assert verify(api, old_token) == BAD_TOKEN

        settings.SECRET_KEY_FALLBACKS = [old_key]
        assert verify(api, old_token)["state"] is True
        assert verify(api, lbw.token)["state"] is True

        settings.SECRET_KEY_FALLBACKS = []
        assert verify(api, old_token) == BAD_TOKEN

    def test_one_that_is_over_also_if_it_ends_while_it_is_known(self, api, lbw, monkeypatch):
        token = AccessToken(lbw.token)
        token.set_exp(lifetime=-timedelta(seconds=1))
        assert verify(api, str(token)) == BAD_TOKEN
        assert verify(api, lbw.token)["state"] is True

        monkeypatch.setattr("core.times.now", lambda: timezone.now() + timedelta(hours=12, seconds=1))

        assert verify(api, lbw.token) == BAD_TOKEN

    def test_what_is_no_token_is_refused(self, api):
        for junk in ("x", "a.b.c", "..", "é.é.é", "{}", "x" * 7000, "Basic bGJ3OjU1NQ==", "%00", "1.2"):
            assert verify(api, junk) == BAD_TOKEN
            assert api.get("/verify", token=junk).json() == BAD_TOKEN
            assert api.post("/verify", {"token": junk}).json() == BAD_TOKEN
            assert api.get("/users/getCaptcha", headers={"authorization": junk}).json()["state"] is True, "open"


class TestWhenTheyEnd:
    @pytest.mark.parametrize(
        "end",
        [
            User.delete,
            lambda user: users_disable(user_pks=[user.pk]),
            lambda user: tokens_end(user_pks=[user.pk]),
            lambda user: password_set(user=user, new_password="another-Password-7"),
            lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        ],
        ids=["deleted", "disabled", "signed out", "a new password", "by a statement"],
    )
    def test_at_once_with_refresh_tokens_and_sessions_of_that_user_alone(self, person, end):
        li, wang = person("li", is_staff=True), person("wang")
        refresh, office = family_begin(user=li.user, access_s=None).refresh, logged_in(li.user)
        assert li.get("/verify").json()["state"] is True and office.get("/admin/").status_code == 200

        end(li.user)

        assert li.get("/verify").json() == BAD_TOKEN
        assert li.post("/users/refresh", {"refresh": refresh}).json() == BAD_TOKEN
        assert office.get("/admin/").status_code == 302
        assert wang.get("/verify").json()["state"] is True

    def test_notes_on_dead_tokens_go_when_they_ran_out_anyway(self, person):
        person("li").get("/users/sigout")

        assert tokens_purge(now=timezone.now()) == 0
        purge_expired_tokens()
        assert RevokedToken.objects.count() == 1
        assert tokens_purge(now=timezone.now() + timedelta(hours=13)) == 1


def test_a_change_of_role_counts_at_once(person, roles):
    li = person("li", "200")
    assert li.get("/permission/getrole").json()["code"] == "10026"

    User.objects.filter(pk=li.user.pk).update(role=roles["102"])

    assert li.get("/permission/getrole").json()["state"] is True


class TestWithoutValkey:
    """The database answers instead, or the answer says 503; nothing hangs past 5 s."""

    def test_callers_are_known_and_dead_tokens_stay_dead(self, person, valkey_down):
        li, wang = person("li", "103"), person("wang", "103")

        assert li.get("/getloginlog").json()["state"] is True
        assert li.get("/permission/getrole").json()["code"] == "10026"
        assert li.get("/users/sigout").json()["state"] is True
        assert li.get("/getloginlog").json() == BAD_TOKEN
        assert wang.get("/getloginlog").json()["state"] is True
        assert not valkey_down

    def test_people_log_in_and_change_their_password(self, person, valkey_down):
        li = person("li", password="old-secret")
        body = li.post("/users/login", {"username": "li", "password": "old-secret"}).json()
        assert body["state"] is True
        assert len(valkey_down) == 1

        passwords = {"username": "li", "oldPassword": "old-secret", "newPassword": "new-secret"}
        assert li.post("/users/updatePassword", passwords).json()["state"] is True
        assert verify(li, body["token"]) == BAD_TOKEN
        captcha = li.get("/users/getCaptcha")
        assert captcha.json() == {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"}
        assert captcha.status_code == 503


# --- Refreshing ---


@pytest.fixture
def li(person):
    return person("li")


def log_in(api, **fields):
    return api.post("/users/login", {"username": "li", "password": "a-password"} | fields).json()


def refresh(api, token):
    return api.post("/users/refresh", {"refresh": token}).json()


class TestRefresh:
    @pytest.mark.parametrize(("fields", "seconds"), [({}, 43200), ({"access_s": 30}, 30), ({"access_s": "600"}, 600)])
    def test_a_login_that_asks_gets_a_refresh_token_and_each_gives_the_next(self, api, li, fields, seconds):
        first = log_in(api, refresh=1, **fields)
        second = refresh(api, first["refresh"])

        assert first["expires_in"] == seconds
        claims = tokens.token_claims(second["token"])
        assert claims["exp"] - claims["iat"] == seconds
        assert second["expires_in"] == seconds
        assert verify(api, first["token"])["state"] and verify(api, second["token"])["state"]
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

    def test_a_token_that_comes_again_ends_all_tokens_of_the_login_and_of_no_other(self, api, li):
        first, other = log_in(api, refresh=1), log_in(api, refresh=1)
        second = refresh(api, first["refresh"])

        assert refresh(api, first["refresh"]) == BAD_TOKEN

        assert refresh(api, second["refresh"]) == BAD_TOKEN
        tokens_purge(now=times.now() + timedelta(hours=11))  # these tokens would live longer
        assert not verify(api, first["token"])["state"] and not verify(api, second["token"])["state"]
        assert refresh(api, other["refresh"])["state"] is True

    def test_signing_out_ends_the_login(self, api, li):
        first, other = log_in(api, refresh=1), log_in(api)
        second = refresh(api, first["refresh"])

        api.get("/users/sigout", headers={"authorization": first["token"]})

        assert verify(api, other["token"])["state"]
        assert refresh(api, second["refresh"]) == BAD_TOKEN
        assert not verify(api, second["token"])["state"]

    def test_neither_token_takes_the_place_of_the_other_and_both_end(self, api, li, settings):
        first = log_in(api, refresh=1)

        for odd in (first["token"], "x", ["x"], {"x": 1}, "é" * 9, "a.b.c"):
            assert refresh(api, odd) == BAD_TOKEN
        assert not verify(api, first["refresh"])["state"]
        assert refresh(api, first["refresh"])["state"] is True
        assert not log_in(api, access_s=30).keys() & {"refresh", "expires_in"}, "only who asks gets one"
        settings.JWT_REFRESH_LIFETIME = timedelta(seconds=-1)
        assert refresh(api, log_in(api, refresh=1)["refresh"]) == BAD_TOKEN
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
