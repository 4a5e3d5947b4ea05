"""Catalogue, carts and orders after the move, through the calls of their buyers and staff."""

import pytest
from bson import Decimal128, Int64, ObjectId

from accounts.models import User
from accounts.tokens import token_issue
from conftest import ApiClient
from shop.models import Category, Order, OrderLog, Product

CATEGORY = {"category_id": "20201231130613123", "categoryName": "自行车", "createTime": "2020-12-31,01:06:13"}
PRODUCT = {
    "product_id": "20210101090000001", "category_id": CATEGORY["category_id"], "productName": "山地车", "price": 19.99,
    "description": "说明", "inventory": 5, "imageUrl": "https://pictures.example/1.png", "color": "红",
}  # fmt: skip
BUYER = {"unid": "buyer", "username": "li", "password": "x", "nickname": "李"}
ORDER = {
    "order_id": "20210827165510715abcdefghijklm", "unid": "buyer", "order_status": 1, "pay_status": 1,
    "shiping_status": 1, "user_nickname": "李", "user_phone": "13800000000", "address": "南京", "total_fee": 3998,
    "create_time": "2021-08-27,04:55:10",
}  # fmt: skip
DETAIL = {
    "order_id": ORDER["order_id"], "product_id": PRODUCT["product_id"], "productName": "山地车", "description": "说明",
    "price": 19.99, "quantity": 2, "imageUrl": "https://pictures.example/1.png",
}  # fmt: skip


def one(whole, **fields):
    return {"_id": ObjectId()} | whole | fields


@pytest.fixture
def shop(move):
    """Move a shop in, with an order as named; ``details`` replaces its rows. Answer the buyer's client."""

    def run(details=None, products=None, **fields):
        rows = [one(DETAIL)] if details is None else details
        move({
            "users": [one(BUYER)], "product_categorys": [one(CATEGORY)],
            "products": [one(PRODUCT)] if products is None else products,
            "order_masters": [one(ORDER, **fields)], "order_details": rows,
        })  # fmt: skip
        user = User.objects.get(username="li")
        return ApiClient(token_issue(user), user)

    return run


def the_order(buyer):
    return buyer.post("/order/get_order", {"order_id": ORDER["order_id"]}).json()["data"]


# --- Catalogue ---
def test_the_catalogue_is_as_it_was_and_an_afternoon_is_one_again(move, lbw):
    move({"product_categorys": [one(CATEGORY, updateTime="2020-12-31,02:00:00")], "products": [one(PRODUCT)]})

    [category] = lbw.get("/category/getCategory").json()["data"]
    [product] = lbw.get("/product/get_product").json()["data"]

    assert (category["category_id"], category["createTime"]) == (CATEGORY["category_id"], "2020-12-31,13:06:13")
    assert category["updateTime"] == "2020-12-31,14:00:00"
    lbw.post("/category/addCategory", {"categoryName": "汽车"})
    first, second = lbw.get("/category/getCategory").json()["data"]
    assert first["category_id"] < second["category_id"]  # new ids do not collide with old ones
    same = ("product_id", "category_id", "productName", "price", "description", "inventory", "imageUrl")
    assert {name: product[name] for name in same} == {name: PRODUCT[name] for name in same}


PRICES = [(0.1 + 0.2, 0.3), ("9.9", 9.9), (Int64(7), 7), (Decimal128("8.88"), 8.88), (1.005, 1.0), (2.346, 2.35)]
NO_PRICES = [0, -1, "免费", None, float("inf"), 10**12, 0.001]


def test_reads_a_price_in_each_form_and_refuses_a_product_without(move):
    prices = [price for price, _ in PRICES] + NO_PRICES
    products = [one(PRODUCT, product_id=f"2021010109000{at:04}", price=price) for at, price in enumerate(prices)]

    move({"product_categorys": [one(CATEGORY)], "products": products}, form="bson")

    amounts = [float(product.price) for product in Product.objects.order_by("product_id")]
    assert amounts == [expected for _, expected in PRICES]
    assert move.reasons().count("价格不是 0.01 到 99999999 之间的数") == len(NO_PRICES)


# --- Carts ---
def test_a_cart_waits_for_its_owner(move):
    cart = {"cart_id": "20210827165510715", "unid": "buyer", "product_id": PRODUCT["product_id"], "quantity": 2,
            "isChecked": True}  # fmt: skip
    move({
        "users": [one(BUYER)], "product_categorys": [one(CATEGORY)], "products": [one(PRODUCT)],
        "carts": [one(cart), one(cart, quantity=9), one(cart, unid="gone"), one(cart, product_id="gone")],
    })  # fmt: skip
    buyer = ApiClient(token_issue(User.objects.get(username="li")))
    [row] = buyer.get("/cart/get_cart").json()["data"]
    assert (row["quantity"], row["isChecked"], row["create_time"]) == (2, True, "2021-08-27,16:55:10")
    assert move.reasons() == ["与前面的文档重复：user_id、product_id 相同", "用户不存在", "商品不存在，或已下架"]
    assert buyer.post("/pay/pre_order", {}).json()["state"] is True


# --- Orders ---
def test_a_paid_order_is_history_its_buyer_finds(shop):
    order = the_order(shop())

    expected = ORDER | {"total_fee": 39.98, "create_time": "2021-08-27,16:55:10"}
    assert {name: order[name] for name in expected} == expected
    [row] = order["orderDetail"]
    assert (row["title"], row["price"], row["count"], row["description"]) == ("山地车", 19.99, 2, "说明")
    log = OrderLog.objects.get()
    assert (log.actor, log.event, log.to_state) == ("迁入", "迁入", "shipped")


NUMBERS = {  # order_status, pay_status and shiping_status of the old server: our state, and what clients see
    (1, 1, 0): ("paid", (1, 1, 0)), (1, 1, 3): ("preparing", (1, 1, 3)), (1, 1, 1): ("shipped", (1, 1, 1)),
    (1, 1, 2): ("received", (1, 1, 2)), (0, 1, 0): ("paid", (1, 1, 0)), (5, 1, 0): ("refunded", (5, 1, 0)),
    (5, 1, 2): ("refunded", (5, 1, 2)), (4, 1, 0): ("refunded", (4, 1, 0)), (2, 1, 0): ("refunded", (2, 1, 0)),
    (1, 0, 0): ("closed", (4, 0, 0)), (0, 0, 0): ("closed", (4, 0, 0)), (2, 0, 0): ("cancelled", (2, 0, 0)),
    (3, 0, 0): ("invalid", (3, 0, 0)), (4, 0, 0): ("closed", (4, 0, 0)), (5, 0, 1): ("closed", (4, 0, 0)),
    (9, "ja", None): ("closed", (4, 0, 0)),
}  # fmt: skip


def test_an_orders_three_numbers_become_one_state(move):
    names = ("order_status", "pay_status", "shiping_status")
    orders = [
        one(ORDER, order_id=f"order{at}", **dict(zip(names, numbers, strict=True)))
        for at, numbers in enumerate(NUMBERS)
    ]

    move({"users": [one(BUYER)], "order_masters": orders})

    user = User.objects.get(username="li")
    rows = ApiClient(token_issue(user), user).post("/order/get_order").json()["data"]
    shown = {row["order_id"]: tuple(row[name] for name in names) for row in rows}
    states = dict(Order.objects.values_list("order_id", "state"))
    assert [(states[f"order{at}"], shown[f"order{at}"]) for at in range(len(orders))] == [*NUMBERS.values()]
    unknown = [reason for reason in move.reasons() if "status 不是" in reason]
    bounds = {"order_status": 5, "shiping_status": 3, "pay_status": 1}
    assert unknown == [f"{name} 不是 0 到 {most} 之间的整数，记为 0" for name, most in bounds.items()]


def test_a_paid_order_is_sent_and_received_but_its_money_is_not_ours_to_return(shop, lbw, office):
    buyer = shop(shiping_status=0)

    answer = buyer.post("/order/returns", {"order_id": ORDER["order_id"]}).json()
    assert (answer["state"], answer["msg"]) == (False, "本系统没有这个订单的付款记录,请在微信商户平台退款")
    assert lbw.get("/order/ship", order_id=ORDER["order_id"], action=1).json()["msg"] == "修改成功"
    assert buyer.get("/order/ship", order_id=ORDER["order_id"], action=2).json()["msg"] == "修改成功"
    assert ORDER["order_id"] in office.get(f"/admin/shop/order/{Order.objects.get().pk}/change/").content.decode()


def test_an_unpaid_order_cannot_be_paid_any_more(shop):
    buyer = shop(pay_status=0, shiping_status=0)

    assert buyer.post("/pay/payment", {"order_id": ORDER["order_id"]}).json()["msg"] == "err 订单已经关闭"
    assert the_order(buyer)["note"] == "迁入时尚未付款,已关闭"


NO_FEE = "total_fee 不是大于 0 的数，取明细之和"
FEES = [
    (3998.0000000000005, 39.98, None), ("3998", 39.98, None), (0, 39.98, NO_FEE), ("免费", 39.98, NO_FEE),
    (100, 1, "total_fee 与明细之和不同，以 total_fee 为准"),
]  # fmt: skip


def test_the_total_is_in_fen(move):
    orders = [one(ORDER, order_id=f"order{at}", total_fee=fee) for at, (fee, _, _) in enumerate(FEES)]

    move({"order_masters": orders, "order_details": [one(DETAIL, order_id=old["order_id"]) for old in orders]})

    totals = [float(order.total) for order in Order.objects.order_by("order_id")]
    assert totals == [expected for _, expected, _ in FEES]
    fixes = [reason for reason in move.reasons() if "total_fee" in reason]
    assert fixes == [fix for _, _, fix in FEES if fix]


def test_an_order_without_rows_or_buyer_is_kept(shop, move):
    buyer = shop(details=[], unid="gone")

    assert buyer.post("/order/get_order").json()["data"] == []
    order = Order.objects.get()
    assert (order.user, order.username, order.lines.count()) == (None, "李", 0)
    assert move.reasons() == ["订单没有明细", "买家已不存在，订单只记下名字"]


NO_ORDERS = [
    ({"total_fee": None, "order_id": "20210101"}, "没有金额，也没有明细可以相加"),
    ({"order_id": ""}, "没有 order_id"),
    ({"order_id": "x" * 33}, "order_id 超过 32 个字符"),
]


def test_orders_without_an_amount_or_a_number_are_refused_with_their_rows(move):
    orders = [one(ORDER, **fields) for fields, _ in NO_ORDERS]

    move({"order_masters": orders, "order_details": [one(DETAIL)]})

    assert not Order.objects.exists()
    assert sorted(move.reasons()) == sorted(["没有这个订单，或订单没有带入", *(reason for _, reason in NO_ORDERS)])


def test_an_order_that_comes_twice_comes_once_and_so_do_its_rows(move):
    table = move({"order_masters": [one(ORDER), one(ORDER)], "order_details": [one(DETAIL)]})

    assert "order_details：文档 1，带入 1" in table and "与前面的文档重复：order_id 相同" in move.reasons()


def test_products_that_are_gone_come_back_off_sale_for_their_orders_and_a_gone_category_for_products(shop, lbw):
    gone = "20200101000000001"
    products = [one(PRODUCT, category_id="20191231000000000")]

    buyer = shop(products=products, details=[one(DETAIL), one(DETAIL, product_id=gone, price=5)])

    assert [row["product_id"] for row in the_order(buyer)["orderDetail"]] == [PRODUCT["product_id"], gone]
    [product] = lbw.get("/product/get_product").json()["data"]
    assert (product["product_id"], product["category_id"]) == (PRODUCT["product_id"], "20191231000000000")
    assert [row["category_id"] for row in lbw.get("/category/getCategory").json()["data"]] == [CATEGORY["category_id"]]
    assert Category.objects.get(category_id="20191231000000000").created_at.year == 2019


def test_rows_of_one_product_become_one(shop, move):
    order = the_order(shop(details=[one(DETAIL), one(DETAIL), one(DETAIL, price=1)], total_fee=7996))

    assert [row["count"] for row in order["orderDetail"]] == [4]
    assert sorted(move.reasons()) == ["同一商品有几条价格不同的明细，只保留第一条", "同一商品有几条明细，数量相加"]


NO_ROWS = [
    ({"quantity": 0}, "quantity 不是 1 到 2000000000 之间的整数"),
    ({"quantity": 10**10}, "quantity 不是 1 到 2000000000 之间的整数"),
    ({"quantity": 1.5}, "quantity 不是 1 到 2000000000 之间的整数"),
    ({"price": 0}, "价格不是 0.01 到 99999999 之间的数"),
    ({"product_id": ""}, "没有 product_id"),
    ({"order_id": None}, "没有 order_id"),
    ({"product_id": "1" * 18}, "product_id 超过 17 个字符"),
]


def test_rows_that_say_nothing_are_refused_and_their_order_comes(shop, move):
    buyer = shop(details=[one(DETAIL), *(one(DETAIL, **fields) for fields, _ in NO_ROWS)])

    assert [row["count"] for row in the_order(buyer)["orderDetail"]] == [2]
    assert move.reasons() == [reason for _, reason in NO_ROWS]
