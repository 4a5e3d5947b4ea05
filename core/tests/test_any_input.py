"""Whatever is sent to whatever call: an answer in the envelope, never a 500."""

import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.api.routing import Endpoint, endpoints

CALLS = endpoints()
PROVIDERS_FORM = {"/pay/notify", "/pay/payResult"}  # WeChat Pay reads its own form, not the envelope
COMMON = ["page", "count", "key", "class", "token", "_id", "__v", "roleid", "product_id", "order_id", "sId", "city"]
NASTY = [
    "", " ", "null", "undefined", "0", "-1", "1.5", "1e400", "9" * 400, "NaN", "abc", "很老", "\x00", "a\x00b",
    "😀" * 30, "\ud800", "%", "_", "\\", "'", '"', "';--", "$where", "<script>", ".*", "[", "(", "../../x", "１",
    "\u202e",
    "x" * 5000, "1,2,,3", "http://", "http://[", "//", "data:,", "2026-13-45",
]  # fmt: skip
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
def test_any_json_gets_an_answer(call, root):
    @IN_TEST
    @given(st.dictionaries(names(call), VALUES, max_size=6))
    def holds(body):
        assert_is_an_answer(call, root.post(address(call), json.dumps(body)))

    holds()


@pytest.mark.django_db
@pytest.mark.parametrize("call", [c for c in CALLS if "POST" in c.methods], ids=lambda c: c.path)
def test_any_form_gets_an_answer(call, root):
    @settings(IN_TEST, max_examples=4)
    @given(st.dictionaries(names(call), JUNK, max_size=6))
    def holds(body):
        form = "&".join(f"{name}={encoded(text)}" for name, text in body.items())
        assert_is_an_answer(call, root.post(address(call), form, format="form"))

    holds()
