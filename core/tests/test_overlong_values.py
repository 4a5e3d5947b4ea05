"""Every parameter of every call, too long for any column: an answer, never a 500."""

import pytest

from accounts.models import User
from core.api.routing import endpoints
from core.tests.test_any_input import assert_is_an_answer
from shop.tests.factories import make_order, make_product
from students.tests.factories import student

pytestmark = pytest.mark.django_db
OVERLONG = ["x" * 600, "9" * 600, 10**40, -(10**40), 2**63, "龘" * 6_000, "a\x00b", ["x" * 600], {"x" * 600: 1}]
PROVIDERS_FORM = {"/pay/notify", "/pay/payResult"}
CALLS = [call for call in endpoints() if call.docs and call.path not in PROVIDERS_FORM]


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


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_is_answered(call, root, login, known):
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
                text = value if isinstance(value, str) else str(value)
                answer = root.http.get(path, {**base, name: text}, headers=headers)
            else:
                body = {**base, name: value}
                answer = root.http.post(path, body, content_type="application/json", headers=headers)
            assert_is_an_answer(call, answer)
