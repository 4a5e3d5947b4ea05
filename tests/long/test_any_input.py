"""Whatever is sent as any parameter of any call: an answer in the envelope, never a 500."""

import pytest

from accounts.models import User
from core.api.routing import endpoints
from shop.tests.factories import make_order, make_product
from students.tests.factories import student

CALLS = endpoints()
VALUES = [
    *("", "null", "-1", "1.5", "1e400", "NaN", "a\x00b", "\ud800", "%_\\", "'\";--", "１", "http://[", "2026-13-45"),
    *("x" * 600, "9" * 600, "龘" * 6_000, 10**40, -(10**40), 2**63, 1.5, True, None),
    *([], [[]], ["x" * 600], [None], {"x" * 600: 1}, {"a": {"b": "c\x00"}}),
]


@pytest.fixture
def records(root, wechat):
    """Ids of records that exist, so that a request reaches the columns."""
    product, order, pupil = make_product(), make_order(root.user), student()
    pupil.save()
    return {
        "product_id": product.product_id, "category_id": product.category.category_id, "cart_id": product.product_id,
        "order_id": order.order_id, "sId": pupil.sid, "unid": root.user.unid, "uId": root.user.unid,
        "username": "root", "roleid": "200", "trade_type": "JSAPI", "openid": "oUpF8uMuAJO", "page": 1, "count": 5,
        "appid": "", "mch_id": "", "mchid": "",
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("call", [call for call in CALLS if call.docs], ids=lambda call: call.path)
def test_any_value_of_any_parameter_gets_an_answer(call, root, login, records):
    docs = call.docs
    kinds = [kind for kind in (docs.params, docs.query, *docs.others) if kind]
    names = {name for kind in kinds for name in kind().fields}
    base = {**(docs.send or {}), **{name: value for name, value in records.items() if name in names}}
    path = call.path.replace("<str:out_trade_no>", records["order_id"])

    for name in names:
        for value in VALUES:
            headers = {"authorization": login(User.objects.get(pk=root.user.pk))}  # signing out ends one
            if "GET" in call.methods:
                text = str(value).encode("utf-8", "surrogatepass")
                answer = root.http.get(path, {**base, name: text}, headers=headers)
            else:
                answer = root.http.post(path, {**base, name: value}, content_type="application/json", headers=headers)
            assert answer.status_code not in {500, 501}, answer.content
            if answer.headers["Content-Type"].startswith("application/json"):
                body = answer.json()
                assert isinstance(body["status"], int) and isinstance(body["state"], bool)
                assert isinstance(body.get("code", ""), str) and "Traceback" not in answer.content.decode()
