"""Orders over HTTP: placing, reading, cancelling, shipping, returning, deleting."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from payments.errors import RefundNotPossible
from payments.models import Refund
from permissions.models import Role
from shop.errors import OrdersPaused, OrdersTooFast, TooManyOpenOrders
from shop.models import CartItem, Order, Product
from shop.order_states import Event
from shop.services import order_create
from shop.services.order_close import order_close, orders_sweep
from shop.services.order_refund import order_refund
from shop.tests.factories import (
    fill_cart,
    make_order,
    make_paid,
    make_product,
    phone_pays,
    run_refunds,
    ship,
    start_payment,
    stock_of,
)
from tests.kit import at_once, envelope, meet_at

pytestmark = pytest.mark.django_db

UNKNOWN = (1004, False, "err 该数据不存在")
NO_NUMBER = (10010, "err 传递的quantity必须是数字")


def ask(client, call, order, **more):
    """Make a call about an order, and say what is answered."""
    return envelope(client.get(f"/order/{call}", order_id=order.order_id, **more))


def read(client, order):
    return client.get("/order/get_order", order_id=order.order_id).json()["data"]


# --- Placing -------------------------------------------------------------------------------------
def test_orders_one_product_and_takes_its_stock(li):
    product = make_product("自行车", price="9.90", stock=5)

    wish = {"product_id": product.product_id, "quantity": "3", "phone": "1380", "address": "南京"}
    answer = li.post("/pay/pre_order", wish).json()

    assert (answer["status"], answer["state"], answer["msg"]) == (200, True, "订单提交成功")
    assert 28 <= len(answer["order_id"]) <= 32 and answer["order_id"].isalnum() and answer["order_id"][:17].isdigit()
    assert stock_of(product) == 2
    row = li.post("/order/get_order", {"order_id": answer["order_id"]}).json()["data"]
    line = row["orderDetail"][0]
    assert (row["order_status"], row["pay_status"], row["shiping_status"]) == (1, 0, 0)
    assert (row["total_fee"], row["phone"], row["user_phone"], row["address"]) == (29.7, "1380", "1380", "南京")
    assert (row["unid"], row["user_nickname"]) == (li.user.unid, li.user.username)
    assert row["create_time"][10] == "," and len(row["_id"]) == 24 and row["__v"] == 0
    assert (line["product_id"], line["title"], line["price"]) == (product.product_id, "自行车", 9.9)
    assert (line["quantity"], line["subtotal"], line["description"]) == (3, 29.7, product.description)
    # Clients merge a line into its order, which must not change the order.
    assert row | line | {"_id": row["_id"]} == line | row


def test_orders_what_is_checked_and_leaves_the_rest_in_the_cart(li):
    one, two, rest = (make_product(stock=5, price="0.10") for _ in range(3))
    fill_cart(li, one, two, rest, count=2)
    li.post("/cart/check", {"product_id": f"{one.product_id},{two.product_id}"})

    order_id = li.post("/pay/pre_order").json()["order_id"]

    assert [stock_of(product) for product in (one, two, rest)] == [3, 3, 5]
    assert [item.product for item in CartItem.objects.all()] == [rest]
    assert li.get("/order/get_order", order_id=order_id).json()["data"]["total_fee"] == 0.4


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({}, (10010, "未选中商品")),
        ({"product_id": "nope"}, (10020, "err商品已下架或者不存在")),
        ({"product_id": "P", "quantity": 6}, (10010, "自行车库存不足")),
        ({"product_id": "P", "recipient": "x" * 65}, (10010, "recipient: 请确保这个字段不能超过 64 个字符。")),
        ({"product_id": "DEAR"}, (10010, "订单金额过大,请分多次下单")),  # more than one payment carries
        ({"product_id": "P", "quantity": str(10**30)}, (10010, "自行车库存不足")),
        *(({"product_id": "P", "quantity": q}, NO_NUMBER) for q in (0, -1, "x", 1.5, True, [], "1_0")),
        *(({"quantity": q}, NO_NUMBER) for q in (0, "x")),
    ],
)
def test_refuses_an_order_without_goods_stock_or_a_plain_number(li, params, answer):
    product, dear = make_product("自行车", stock=5), make_product(price="99999999.99", stock=5)
    numbers = {"P": product.product_id, "DEAR": dear.product_id}
    params = {name: numbers.get(str(value), value) for name, value in params.items()}

    assert envelope(li.post("/pay/pre_order", params)) == (answer[0], False, answer[1])
    assert stock_of(product) == stock_of(dear) == 5 and not Order.objects.exists()


def test_all_or_nothing_when_one_line_is_short_or_gone_or_one_too_many(li, lbw, monkeypatch):
    plenty, short = make_product(stock=5), make_product("头盔", stock=5)
    fill_cart(li, plenty, short, count=3)
    Product.objects.filter(pk=short.pk).update(stock=2)

    assert envelope(li.post("/pay/pre_order")) == (10010, False, "头盔库存不足")
    lbw.get("/product/del_product", product_id=short.product_id)
    assert envelope(li.post("/pay/pre_order")) == (10020, False, "err商品已下架或者不存在")
    assert envelope(li.post("/pay/pre_order", {"product_id": short.product_id}))[0] == 10020
    monkeypatch.setattr("shop.services.order_create.MAX_LINES", 1)
    assert envelope(li.post("/pay/pre_order")) == (10010, False, "一次最多结算1种商品")
    assert (stock_of(plenty), stock_of(short)) == (5, 2)
    assert CartItem.objects.filter(is_checked=True).count() == 2


def test_an_order_keeps_name_price_and_picture_of_its_day(li, lbw):
    product = make_product("自行车", price="9.90")
    order = make_order(li.user, product)
    changes = {"price": 1, "productName": "三轮车", "description": "20寸"}
    lbw.post("/product/update_product", {"product_id": product.product_id, **changes})
    lbw.get("/product/del_product", product_id=product.product_id)
    lbw.get("/category/delCategory", category_id=product.category.category_id, force=1)

    line = read(li, order)["orderDetail"][0]

    assert (line["title"], line["price"], line["imageUrl"]) == ("自行车", 9.9, product.image_url)
    assert line["description"] == "说明"


# --- Reading -------------------------------------------------------------------------------------
def test_lists_ones_orders_newest_first_and_pages(li, django_assert_num_queries):
    nothing = {"status": 200, "state": True, "msg": "订单获取成功", "total": 0, "data": []}
    assert li.post("/order/get_order").json() == nothing
    orders = [make_order(li.user) for _ in range(3)]

    with django_assert_num_queries(3):  # who calls, the page with its total, the lines
        everything = li.post("/order/get_order").json()
    page = li.get("/order/get_order", page=2, count=2).json()

    assert [row["order_id"] for row in everything["data"]] == [order.order_id for order in reversed(orders)]
    assert [row["order_id"] for row in page["data"]] == [orders[0].order_id]
    assert (everything["total"], page["total"]) == (3, 3)


@pytest.mark.parametrize(
    ("state", "numbers", "answer"),
    [
        ("open", {}, (3005, False, "尚未支付")),
        ("cancelled", {"order_status": 2}, (3002, False, "订单已取消")),
        ("invalid", {"order_status": 3}, (3003, False, "无效订单")),
        ("closed", {"order_status": 4}, (3004, False, "交易关闭")),
        ("paid", {"pay_status": 1}, (200, True, "支付成功")),
        ("received", {"pay_status": 1, "shiping_status": 2}, (200, True, "支付成功")),
        ("refunded", {"pay_status": 1, "order_status": 5}, (200, True, "支付成功")),
        ("refunding", {"pay_status": 1, "order_status": 4}, (3004, False, "交易关闭")),
        ("refunded", {"pay_status": 1, "order_status": 2}, (3002, False, "订单已取消")),
    ],
)
def test_polling_tells_what_became_of_the_order(li, state, numbers, answer):
    order = make_order(li.user)
    if state != "open":
        Order.objects.filter(pk=order.pk).update(state=state, sweep_at=None, **numbers)

    assert ask(li, "query_order_status", order) == answer


def test_an_overdue_order_reads_as_closed_however_late_the_sweep_is_but_holds_its_stock_once_a_payment_was_started(
    li, wechat
):
    product, shown = make_product(stock=3), make_product(stock=3)
    untouched = make_order(li.user, shown, now=timezone.now() - settings.ORDER_TTL)
    answer = li.get("/order/get_order").json()["data"][0]
    assert (answer["order_status"], answer["expire_time"]) == (4, None)
    assert ask(li, "query_order_status", untouched) == (3004, False, "交易关闭")
    assert stock_of(shown) == 3  # looking at it closed it
    order = make_order(li.user, product)
    start_payment(order)
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    wechat.is_down = True

    assert read(li, order)["order_status"] == 4
    assert ask(li, "query_order_status", order) == (3004, False, "交易关闭")
    assert ask(li, "cancel", order) == (1004, False, "订单已经关闭,不能取消")
    assert stock_of(product) == 2


# --- Whose order it is ---------------------------------------------------------------------------
@pytest.mark.parametrize("order_id", ["theirs", "nope", "' OR 1=1 --", "x" * 300])
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("post", "/order/get_order", {}),
        ("get", "/order/get_order", {}),
        ("get", "/order/query_order_status", {}),
        ("get", "/order/del_order", {}),
        ("get", "/order/cancel", {}),
        ("get", "/order/ship", {"action": 2}),
        ("post", "/order/returns", {}),
    ],
)
def test_anothers_order_answers_like_an_unknown_one(li, zhao, root, order_id, method, path, more):
    theirs = make_order(li.user)
    number = theirs.order_id if order_id == "theirs" else order_id
    before = Order.objects.values().get(pk=theirs.pk)

    body = {"order_id": number, **more}
    answer = zhao.post(path, body) if method == "post" else zhao.get(path, **body)

    assert envelope(answer) == envelope(root.post("/order/get_order", {"order_id": number})) == UNKNOWN  # not even root
    assert Order.objects.values().get(pk=theirs.pk) == before
    assert theirs.logs.count() == 1


# --- Shipping ------------------------------------------------------------------------------------
def test_goes_from_prepared_to_received_and_is_deleted_then(li, lbw, wechat):
    order = make_order(li.user)

    def ship(client, action):
        return ask(client, "ship", order, action=action)

    assert ship(lbw, 1) == (1004, False, "订单尚未付款,不能发货")
    start_payment(order)
    phone_pays(wechat, order.order_id)
    for action in ("", "x", "9", "-1", "99999999999999999999"):
        assert ship(lbw, action) == (1004, False, "action: 必须是0、1、2、3之一")
    for action in (0, 1, 3, 7, -1):  # a buyer without the right only receives
        answer = li.get("/order/ship", order_id=order.order_id, action=action).json()
        assert answer == {"status": 403, "state": False, "code": "10026", "msg": "not permitted 没有权限"}
    for action in (3, 0, 3):
        assert ship(lbw, action) == (200, True, "修改成功")
    assert ask(li, "del_order", order) == (1004, False, "订单正在备货,不能删除")
    assert ship(li, 2) == (1004, False, "订单正在备货,不能确认收货")
    assert ship(lbw, 1) == (200, True, "修改成功")
    assert ship(lbw, 1) == (1004, False, "订单已经发货,不能重复发货")
    assert ship(lbw, 0)[0] == 1004
    assert ship(li, 2) == (200, True, "修改成功")
    assert ship(li, 2) == (1004, False, "订单已收货,不能重复确认收货")
    assert read(li, order)["shiping_status"] == 2
    assert ask(li, "del_order", order) == (200, True, "删除成功")


@pytest.mark.parametrize("scope", ["own", "change_own"])
def test_a_narrowed_role_ships_its_own_orders_and_no_others(li, lbw, wechat, scope):
    theirs, own = make_paid(wechat, li.user), make_paid(wechat, lbw.user)
    Role.objects.filter(pk=lbw.user.role_id).update(data_scope=scope)

    for action in (3, 1, 2, 0):
        assert ask(lbw, "ship", theirs, action=action) == UNKNOWN
        assert envelope(lbw.get("/order/ship", order_id="1" * 30, action=action)) == UNKNOWN
    assert [ask(lbw, "ship", own, action=action)[2] for action in (1, 2)] == ["修改成功"] * 2

    theirs.refresh_from_db()
    assert (theirs.state, theirs.logs.filter(actor="lbw").count()) == ("paid", 0)


# --- Returning -----------------------------------------------------------------------------------
def test_an_unshipped_order_is_refunded_at_once_and_its_stock_returns(li, wechat):
    product = make_product(stock=5, price="9.90")
    order = make_paid(wechat, li.user, product, 2)
    unpaid = make_order(li.user)

    assert envelope(li.post("/order/returns", {"order_id": unpaid.order_id})) == (1004, False, "订单尚未付款,不能退货")
    assert envelope(li.post("/order/returns", {"order_id": order.order_id, "reason": "买错了"})) == (
        200,
        True,
        "退货申请成功",
    )
    assert stock_of(product) == 5
    run_refunds()

    row = read(li, order)
    assert (row["order_status"], row["pay_status"], row["state_text"], row["note"]) == (5, 1, "已退款", "买错了")
    assert [refund["amount"]["refund"] for refund in wechat.refunds.values()] == [1980]
    assert envelope(li.post("/order/returns", {"order_id": order.order_id})) == (1004, False, "订单已退款,不能退货")


def test_a_merchant_who_cannot_refund_promises_no_refund(li, wechat, settings):
    unshipped, shipped = make_paid(wechat, li.user), make_paid(wechat, li.user)
    ship(shipped)
    settings.WECHAT_PAY_V3_KEY = ""

    for order, state in ((unshipped, "paid"), (shipped, "shipped")):
        status, ok, msg = envelope(li.post("/order/returns", {"order_id": order.order_id}))
        assert (status, ok) == (1004, False) and "APIv3" in msg
        order.refresh_from_db()
        assert order.state == state
    with pytest.raises(RefundNotPossible, match="APIv3"):
        order_refund(order_id=shipped.order_id, actor="wang", now=timezone.now())
    assert not Refund.objects.exists()


# --- Deleting ------------------------------------------------------------------------------------
@pytest.mark.parametrize("is_cancelled", [True, False])
def test_deleting_an_unpaid_order_cancels_it_hides_it_and_keeps_the_record(li, is_cancelled):
    product = make_product(stock=5)
    order = make_order(li.user, product)
    if is_cancelled:
        assert ask(li, "cancel", order) == (200, True, "取消成功")
        assert ask(li, "cancel", order) == (1004, False, "订单已取消,不能取消")
        assert stock_of(product) == 5

    assert ask(li, "del_order", order) == (200, True, "删除成功")
    assert ask(li, "del_order", order) == ask(li, "cancel", order) == UNKNOWN
    assert envelope(li.post("/order/get_order", {"order_id": order.order_id})) == UNKNOWN
    assert li.post("/order/get_order").json()["data"] == []
    assert Order.objects.filter(pk=order.pk, state="cancelled", hidden_at__isnull=False).exists()
    assert stock_of(product) == 5


def test_an_open_order_stays_while_it_is_unknown_whether_it_was_paid(li, wechat):
    order = make_order(li.user)
    start_payment(order)
    wechat.is_down = True

    status, state, _ = ask(li, "del_order", order)

    assert (status, state) == (1004, False)
    assert Order.objects.filter(pk=order.pk, state="open", hidden_at=None).exists()

    wechat.is_down = False  # what is overdue can be deleted at once
    Order.objects.filter(pk=order.pk).update(closing="", expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(li, "del_order", order) == (200, True, "删除成功")


# --- One buyer cannot hold the whole shelf with orders that are never paid -------------------------
@pytest.fixture
def limits(settings):
    settings.ORDERS_OPEN_MAX, settings.ORDERS_EXPIRED_MAX, settings.ORDERS_MINUTE_MAX = 3, 4, 5


def buy(client, product, quantity=1):
    status, _, text = envelope(client.post("/pay/pre_order", {"product_id": product.product_id, "quantity": quantity}))
    return status, text


def test_so_many_orders_may_wait_for_payment(limits, person):
    li, zhao, product = person("li"), person("zhao"), make_product(stock=9)

    answers = [buy(li, product) for _ in range(4)]

    assert answers[2:] == [(200, "订单提交成功"), (10010, "未支付的订单最多3个,请先支付或取消")]
    assert stock_of(product) == 6
    assert buy(zhao, product, 6)[0] == 200  # the last pieces, in one order
    first = Order.objects.filter(user=li.user).earliest("pk")
    order_close(event=Event.CANCEL, order_id=first.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now())
    assert buy(li, product)[0] == 200


def test_who_lets_orders_expire_has_to_wait(limits, person):
    li, product, now = person("li"), make_product(), timezone.now()
    for number in range(4):
        began = now - timedelta(minutes=20 - 4 * number)
        make_order(li.user, product, now=began)
        orders_sweep(now=began + timedelta(minutes=3))

    # The last one expired 6 minutes ago.
    assert buy(li, product) == (10010, "一小时内有4个订单超时未支付或取消,请4分钟后再下单")
    assert buy(person("zhao"), product)[0] == 200
    assert make_order(li.user, product, now=now + timedelta(minutes=4))
    assert make_order(li.user, product, now=now + timedelta(hours=2))


def test_who_orders_and_cancels_in_turn_has_to_wait_as_well(limits, person):
    li, product, now = person("li"), make_product(stock=7), timezone.now()

    def round_at(began):
        order = make_order(li.user, product, 7, now=began)
        order_close(event=Event.CANCEL, order_id=order.order_id, buyer_pk=li.user.pk, actor="li", now=began)

    for number in range(5):  # one is free, four count
        round_at(now - timedelta(minutes=15 - 3 * number))

    assert buy(li, product) == (10010, "一小时内有5个订单超时未支付或取消,请7分钟后再下单")
    assert buy(person("zhao"), product, 7)[0] == 200 and stock_of(product) == 0
    orders_sweep(now=now + timedelta(minutes=3))
    round_at(now + timedelta(minutes=7))
    with pytest.raises(OrdersPaused):
        round_at(now + timedelta(minutes=16))
    round_at(now + timedelta(hours=2))


def test_so_many_orders_may_be_placed_within_a_minute(limits, person, settings):
    settings.ORDERS_OPEN_MAX = 9
    li, product, now = person("li"), make_product(stock=9), timezone.now()
    for _ in range(5):
        make_order(li.user, product, now=now - timedelta(seconds=30))

    assert buy(li, product) == (10010, "一分钟最多下5个订单,请稍后再下单")
    assert stock_of(product) == 4 and buy(person("zhao"), product)[0] == 200
    assert make_order(li.user, product, now=now + timedelta(seconds=30))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
@pytest.mark.parametrize(("open_max", "minute_max"), [(3, 99), (99, 3)], ids=["open", "within a minute"])
def test_orders_at_the_same_instant_are_counted(person, settings, monkeypatch, open_max, minute_max, is_locked):
    settings.ORDERS_OPEN_MAX, settings.ORDERS_MINUTE_MAX = open_max, minute_max
    li, product = person("li").user, make_product(stock=50)
    if not is_locked:
        monkeypatch.setattr(order_create, "_lock_buyer", lambda buyer_pk: None)
    meet_at(monkeypatch, "shop.services.order_create._require_room", count=6, is_after=True)

    at_once([lambda: make_order(li, product)] * 6, refusals=(TooManyOpenOrders, OrdersTooFast))

    placed = Order.objects.count()
    assert placed == (3 if is_locked else 6) and stock_of(product) == 50 - placed
