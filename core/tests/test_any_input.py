"""Whatever is sent to whatever call: an answer in the envelope, never a 500."""

import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from core.api.routing import Endpoint, endpoints
from shop.tests.factories import make_order, make_product
from students.tests.factories import student

CALLS = endpoints()
PROVIDERS_FORM = {"/pay/notify", "/pay/payResult"}  # WeChat Pay reads its own form, not the envelope
COMMON = ["page", "count", "key", "class", "token", "_id", "__v", "roleid", "product_id", "order_id", "sId", "city"]
NASTY = [
    "", " ", "null", "undefined", "0", "-1", "1.5", "1e400", "9" * 400, "NaN", "abc", "很老", "\x00", "a\x00b",
    "😀" * 30, "\ud800", "%", "_", "\\", "'", '"', "';--", "$where", "<script>", ".*", "[", "(", "../../x", "１",
    "\u202e",
    "x" * 5000, "1,2,,3", "http://", "http://[", "//", "data:,", "2026-13-45",
]  # fmt: skip
OVERLONG = ["x" * 600, "9" * 600, 10**40, -(10**40), 2**63, "龘" * 6_000, "a\x00b", ["x" * 600], {"x" * 600: 1}]
JUNK = st.sampled_from(NASTY) | st.text(max_size=20)
VALUES = st.recursive(
    JUNK | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JUNK, inner, max_size=3),
    max_leaves=5,
)
IN_TEST = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def names(call: Endpoint) -> st.SearchStrategy[str]:
    params = call.docs and call.docs.params
    own = list(params().fields) if params else []
    # Its own parameters three times as often as any others: those are where the rules are.
    return st.sampled_from(own * 3 + COMMON)


def address(call: Endpoint, tail: str = "unknown1") -> str:
    return call.path.replace("<str:out_trade_no>", tail)


def assert_is_an_answer(call: Endpoint, answer) -> None:
    assert answer.status_code not in {500, 501}, answer.content
    if answer.headers["Content-Type"].startswith("application/json") and call.path not in PROVIDERS_FORM:
        body = answer.json()
        assert isinstance(body["status"], int) and isinstance(body["state"], bool)
        assert isinstance(body.get("code", ""), str)
        assert "Traceback" not in answer.content.decode()


def encoded(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"))


@pytest.mark.django_db
@pytest.mark.parametrize("call", [c for c in CALLS if "GET" in c.methods], ids=lambda c: c.path)
def test_any_query_gets_an_answer(call, root, login):
    @IN_TEST
    @given(st.dictionaries(names(call), JUNK, max_size=5))
    def holds(params):
        query = "&".join(f"{name}={encoded(text)}" for name, text in params.items() if name != "token")
        token = login(root.user)  # a new one each time: signing out ends it
        assert_is_an_answer(call, root.http.get(f"{address(call)}?{query}", headers={"authorization": token}))

    holds()


@pytest.mark.django_db
@pytest.mark.parametrize("call", [c for c in CALLS if "POST" in c.methods], ids=lambda c: c.path)
def test_any_body_gets_an_answer(call, root):
    @IN_TEST
    @given(st.dictionaries(names(call), VALUES, max_size=6), st.dictionaries(names(call), JUNK, max_size=6))
    def holds(body, fields):
        assert_is_an_answer(call, root.post(address(call), json.dumps(body)))
        form = "&".join(f"{name}={encoded(text)}" for name, text in fields.items())
        assert_is_an_answer(call, root.post(address(call), form, format="form"))

    holds()


@pytest.fixture
def known(root, wechat):
    """Ids of records that exist, so that a request reaches the columns."""
    product, order, someone = make_product(), make_order(root.user), student()
    someone.save()
    return {
        "product_id": product.product_id, "category_id": product.category.category_id, "cart_id": product.product_id,
        "order_id": order.order_id, "sId": someone.sid, "unid": root.user.unid, "uId": root.user.unid,
        "username": "root", "roleid": "200", "trade_type": "JSAPI", "openid": "oUpF8uMuAJO", "page": 1, "count": 5,
        "appid": "", "mch_id": "", "mchid": "",
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    "call", [c for c in CALLS if c.docs and c.path not in PROVIDERS_FORM], ids=lambda call: call.path
)
def test_a_value_too_long_for_any_column_gets_an_answer(call, root, login, known):
    docs = call.docs
    kinds = [kind for kind in (docs.params, docs.query, *docs.others) if kind]
    names = {name for kind in kinds for name in kind().fields}
    base = {**(docs.send or {}), **{name: value for name, value in known.items() if name in names}}
    path = call.path.replace("<str:out_trade_no>", known["order_id"])

    for name in names:
        for value in OVERLONG:
            token = login(User.objects.get(pk=root.user.pk))  # a new one each time: signing out ends it
            headers = {"authorization": token}
            if "GET" in call.methods:
                answer = root.http.get(path, {**base, name: str(value)}, headers=headers)
            else:
                answer = root.http.post(path, {**base, name: value}, content_type="application/json", headers=headers)
            assert_is_an_answer(call, answer)
