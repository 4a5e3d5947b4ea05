"""``hint``: what a beginner has probably done wrong, in development only."""

import json
from datetime import timedelta

import jwt
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework_simplejwt.tokens import AccessToken

from tests.kit import encoded, posted

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
    get = api.http.generic("GET", "/users/verifyCaptcha", b"captcha=abcde", content_type=FORM)
    assert hint(get).startswith("GET 的参数放在查询串里")


def test_is_given_for_a_missing_or_dead_token(api, lbw, hint):
    get, header = api.http.get, "authorization"

    assert "authorization" in hint(get("/verify"))
    assert "叫 token" in hint(get("/verify", headers={"token": lbw.token}))
    assert "过期" in hint(get("/verify", headers={header: outdated(lbw.token)}))
    assert "截断" in hint(get("/verify", headers={header: lbw.token[:40]}))
    lbw.get("/users/sigout")
    assert "注销" in hint(get("/verify", headers={header: lbw.token}))


def test_knows_a_dead_token_under_a_key_that_was_replaced(api, lbw, hint, settings):
    token = jwt.encode(AccessToken(outdated(lbw.token), verify=False).payload, "the-key-before" * 3, "HS256")
    headers = {"authorization": token}
    assert "另一台服务器" in hint(api.http.get("/verify", headers=headers))

    settings.SECRET_KEY_FALLBACKS = ["the-key-before" * 3]
    assert "过期" in hint(api.http.get("/verify", headers=headers))


def test_is_given_for_a_wrong_method_role_parameter_cookie_or_id(api, lbw, yuangong, hint):
    assert hint(lbw.get("/users/login")).startswith("这个接口用 POST")
    for path in ("/permission/getrole", "/order/ship?order_id=x&action=1"):
        assert "这个角色没有该接口" in hint(yuangong.get(path))
    assert "count" in hint(yuangong.get("/students/getstulist", page=2))
    assert hint(yuangong.get("/students/getstulist", page=2, count=5)) == ""
    assert "key" in hint(api.get("/users/verifyCaptcha", captcha="abcde"))
    assert "uId" in hint(lbw.http.post("/users/uploadAvatar", {"x": "1"}, headers={"authorization": lbw.token}))
    assert hint(lbw.get("/students/getstulist", **{"class": "undefined"})).startswith("参数 class 的值是文本 undefined")
    assert "username 的文字不是 UTF-8" in hint(api.http.post("/users/login", b"username=%D5%C5", content_type=FORM))
    assert "UTF-8" not in hint(api.post("/users/login", {"username": "\ufffd"}))


def test_of_a_token_says_what_is_wrong_with_this_one_wherever_it_stands(api, lbw, root, hint):
    body = {"token": lbw.token}
    tokens = api.post("/users/login", {"username": "lbw", "password": "a-password", "refresh": 1}).json()
    lbw.get("/users/sigout")

    assert "注销" in hint(api.post("/verify", body)) and "注销" in hint(api.get("/verify", **body))
    assert "引号" in hint(api.get("/verify", headers={"authorization": json.dumps(lbw.token)}))
    assert "改动" in hint(api.get("/verify", headers={"authorization": root.token[:-5] + "xxxxx"}))
    assert "这是 refresh" in hint(api.get("/verify", headers={"authorization": tokens["refresh"]}))
    used = [api.post("/users/refresh", {"refresh": tokens["refresh"]}) for _ in range(2)][1]
    assert hint(used).startswith("这个 refresh 不能再用")


def test_says_nothing_false_about_a_valid_request_that_is_refused(api, lbw, root, hint):
    text, name = SimpleUploadedFile("a.txt", b"text"), {"headimgurl": "text"}
    refused = [
        lbw.post("/pay/payment", {"order_id": "x", "appid": "wx1"}),
        lbw.post("/pay/payment", {"order_id": "x", "trade_type": "XX"}),
        lbw.get("/pay/transactions/out-trade-no/20201231103338122jnvk4na61h", mchid="1"),
        root.get("/weather/updateWeatherCount", appid="1", appsecret="2", version="v1"),
        lbw.post("/upload/uploadImg", {"img": text}, format="multipart"),
        root.post("/users/uploadAvatar", {"uId": "nobody", "headimgurl": posted(encoded())}, format="multipart"),
        lbw.post("/students/updatestu", {"sId": "AAAA00000000"} | name),
        root.post("/users/updateUser", {"unid": root.user.unid} | name),
        api.post("/users/login?type=sms", {}),
        lbw.post("/dorm/addRoom", {"building": "1\0", "room": "101", "beds": 4}),
        lbw.get("/attendance/getRecords", attendance_id="1\0"),
    ]

    assert [(hint(answer), answer.json()["state"]) for answer in refused] == [("", False)] * len(refused)


def test_is_given_for_other_names_a_missing_field_and_a_prefix(api, lbw, hint, settings):
    form = {"headers": {"authorization": lbw.token}, "content_type": FORM}
    product = {
        "category_id": "1",
        "productName": "书",
        "price": 1,
        "description": "x",
        "imageUrl": "https://a.cn/1.png",
    }

    assert (
        hint(api.post("/users/login", {"user": "lbw", "pass": "555"}))
        == "缺少参数 username、password;收到的是 user、pass"
    )
    assert hint(lbw.post("/product/add_product", product)) == "缺少参数 inventory"
    assert "Content-Type 却是表单" in hint(api.http.post("/users/login", json.dumps({"username": "lbw"}), **form))
    wrong_name = {"file": posted(encoded()), "sId": "AAAA00000000"}
    assert hint(lbw.post("/students/updatestu", wrong_name, format="multipart")).endswith("这个接口的是 headimgurl")
    assert "斜杠" in hint(api.get("/students//getstulist/")) and "斜杠" not in hint(api.get("/students//nothing"))
    assert "前缀 /api" in hint(api.get("/api/users/login/")) and "前缀" not in hint(api.get("/api/nothing"))
    settings.HINTS = False  # as in production
    assert "hint" not in api.get("/api/users/login").json() and "hint" not in api.get("/verify").json()
