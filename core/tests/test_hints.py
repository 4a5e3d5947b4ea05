"""``hint``: what a beginner has probably done wrong, in development only."""

from datetime import timedelta

import pytest
from rest_framework_simplejwt.tokens import AccessToken

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def hint(settings):
    settings.HINTS = True

    def of(answer):
        body = answer.json()
        assert body["msg"] or "total" in body
        return body.get("hint", "")

    return of


def outdated(token):
    old = AccessToken(token)
    old.set_exp(lifetime=-timedelta(days=1))
    return str(old)


def test_is_given_for_what_is_wrong_with_a_body(api, hint):
    post = api.http.post

    assert "boundary" in hint(post("/upload/uploadImg", b"x", content_type="multipart/form-data"))
    assert "Content-Type" in hint(post("/users/login", b"a=b", content_type="text/plain"))
    assert "JSON.stringify" in hint(post("/users/login", b"[object Object]", content_type="application/json"))
    assert "请求体" in hint(post("/users/login?username=li", b"", content_type=FORM))
    assert "没有文件" in hint(post("/upload/uploadImg", {"img": "x"}))


def test_is_given_for_a_missing_or_dead_token(api, lbw, hint):
    get, header = api.http.get, "authorization"

    assert "authorization" in hint(get("/verify"))
    assert "叫 token" in hint(get("/verify", headers={"token": lbw.token}))
    assert "过期" in hint(get("/verify", headers={header: outdated(lbw.token)}))
    assert "截断" in hint(get("/verify", headers={header: lbw.token[:40]}))
    lbw.get("/users/sigout")
    assert "注销" in hint(get("/verify", headers={header: lbw.token}))


def test_is_given_for_a_wrong_method_role_parameter_cookie_or_id(api, lbw, yuangong, hint):
    assert hint(lbw.get("/users/login")).startswith("这个接口用 POST")
    assert "角色" in hint(yuangong.get("/permission/getrole"))
    assert "count" in hint(yuangong.get("/students/getstulist", page=2))
    assert "key" in hint(api.get("/users/verifyCaptcha", captcha="abcde"))
    assert "uId" in hint(lbw.http.post("/users/uploadAvatar", {"x": "1"}, headers={"authorization": lbw.token}))


def test_is_given_only_where_there_is_a_mistake_and_never_in_production(api, yuangong, hint, settings):
    assert hint(yuangong.get("/students/getstulist", page=2, count=5)) == ""
    settings.HINTS = False
    assert "hint" not in api.get("/verify").json()
