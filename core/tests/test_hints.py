"""``hint``: what a beginner has probably done wrong, in development only."""

import json
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from rest_framework.serializers import FileField
from rest_framework_simplejwt.tokens import AccessToken

from core.api.endpoint import ApiViewSet
from core.api.envelope import error_response
from core.api.hints import Case, hint_for
from core.api.params import Picture
from core.api.routing import endpoints
from core.errors import BodyTooLarge, ServiceUnavailable, Throttled
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
    for path in ("/permission/getrole", "/order/ship?order_id=x&action=1"):
        assert "这个角色没有该接口" in hint(yuangong.get(path))
    assert "count" in hint(yuangong.get("/students/getstulist", page=2))
    assert "key" in hint(api.get("/users/verifyCaptcha", captcha="abcde"))
    assert "uId" in hint(lbw.http.post("/users/uploadAvatar", {"x": "1"}, headers={"authorization": lbw.token}))
    assert hint(lbw.get("/students/getstulist", **{"class": "undefined"})).startswith("参数 class 的值是文本 undefined")


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
    assert "前缀 /api" in hint(api.get("/api/users/login/")) and "前缀" not in hint(api.get("/api/nothing"))
    settings.HINTS = False
    assert "hint" not in api.get("/api/users/login").json()


# --- Every refusal of the document, with each cause and without -------------------------------------


def failures_of(endpoint):
    documented = endpoint.docs.failures if endpoint.docs else ()
    for failure in (*documented, Throttled(1), ServiceUnavailable(), BodyTooLarge()):
        yield failure() if isinstance(failure, type) else failure


class Draft:
    """A request with all that the call needs, until a cause takes something away from it."""

    def __init__(self, endpoint):
        docs = endpoint.docs
        self.fields = docs.params().fields if docs and docs.params else {}
        self.pictures = [name for name, field in self.fields.items() if isinstance(field, (FileField, Picture))]
        texts = {name: "1" for name in self.fields if name not in self.pictures}
        self.values = texts | {name: posted(encoded()) for name in self.pictures}
        self.method, self.query, self.body = endpoint.methods[0], {}, None
        self.required = [name for name in texts if self.fields[name].required]

    def request(self):
        make, path = getattr(RequestFactory(), self.method.lower()), "/x?" + urlencode(self.query)
        if self.body is not None:
            http = make(path, self.body, content_type=FORM) if self.method == "POST" else make(path)
            http.META["CONTENT_LENGTH"] = str(len(self.body))
        else:
            http = make(path, self.values)
        request = ApiViewSet(action_map={}).initialize_request(http)
        request.user = SimpleNamespace(role=SimpleNamespace(may_call=lambda *_: False))
        return request


def undefined(draft):
    name = next((name for name in draft.values if name not in draft.pictures), None)
    draft.values |= {name: "undefined"} if name else {}
    return name and f"参数 {name} 的值是文本 undefined"


def without_one(draft):
    if not draft.required:
        return None
    del draft.values[draft.required[-1]]
    return f"缺少参数 {draft.required[-1]}"


def json_as_form(draft):
    draft.body = json.dumps({"a": "1"})
    return "请求体是 JSON,Content-Type 却是表单" if draft.method == "POST" else None


def in_the_query(draft):
    names = [name for name in draft.values if name not in draft.pictures]
    draft.query, draft.values = dict.fromkeys(names, "1"), {}
    return "POST 的参数放在请求体里" if draft.method == "POST" and names else None


def in_the_body(draft):
    draft.body = "a=1"
    return "GET 的参数放在查询串里" if draft.method == "GET" and draft.fields else None


def file_elsewhere(draft):
    for name in draft.pictures:
        draft.values["file"] = draft.values.pop(name)
    return "收到的文件字段名是 file" if draft.pictures else None


CAUSES = [undefined, without_one, json_as_form, in_the_query, in_the_body, file_elsewhere]
LOGIN_CODES = {"10022", "1004", "10026"}


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.path)
def test_each_refusal_gets_a_hint_with_its_cause_alone(endpoint):
    for failure in failures_of(endpoint):
        if failure.code in LOGIN_CODES:
            continue  # these name what is wrong with the login, see above
        answer = error_response(failure)
        facts = endpoint, answer.status_code, answer.data
        clean = hint_for(Case(Draft(endpoint).request(), *facts))
        assert clean is None, (failure.msg, clean)
        for cause in CAUSES:
            draft = Draft(endpoint)
            start = cause(draft)
            is_unseen = cause is without_one and (failure.http_status != 200 or failure.code)
            if start is None or is_unseen:
                continue
            sentence = hint_for(Case(draft.request(), *facts))
            assert sentence and sentence.startswith(start), (failure.msg, cause.__name__)


def test_is_given_only_where_there_is_a_mistake_and_never_in_production(api, yuangong, hint, settings):
    assert hint(yuangong.get("/students/getstulist", page=2, count=5)) == ""
    settings.HINTS = False
    assert "hint" not in api.get("/verify").json()
