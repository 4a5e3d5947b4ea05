"""The cart over HTTP."""

import pytest

from shop.models import CartItem
from shop.tests.factories import make_product
from tests.kit import envelope

pytestmark = pytest.mark.django_db
NO_NUMBER = (10010, "err 传递的count必须是正整数")


def put(client, product, count=1):
    return client.post("/cart/add_to_cart", {"product_id": product.product_id, "count": count})


def test_adds_lists_changes_selects_and_removes(li):
    product = make_product("自行车", price="9.90", stock=9)

    assert envelope(put(li, product, "2")) == (200, True, "添加成功")
    assert envelope(put(li, product, 3)) == (200, True, "添加成功")
    body = li.get("/cart/get_cart").json()
    row = body["data"][0]
    assert (body["status"], body["state"], body["msg"]) == (200, True, "获取成功")
    assert (row["product_id"], row["cart_id"]) == (product.product_id, product.product_id)
    assert (row["title"], row["price"], row["quantity"], row["count"]) == ("自行车", 9.9, 5, 5)
    assert (row["isChecked"], row["imageUrl"]) == (False, product.image_url)
    assert row["create_time"][10] == "," and len(row["_id"]) == 24 and row["__v"] == 0

    change = {"cart_id": row["cart_id"], "quantity": 4}
    assert envelope(li.post("/cart/update_cart", change, format="form")) == (200, True, "修改成功")
    assert envelope(li.post("/cart/update_cart", change)) == (1006, False, "没有做任何修改")
    assert envelope(li.post("/cart/check", {"product_id": row["product_id"]})) == (200, True, "选中成功")
    assert li.get("/cart/get_cart").json()["data"][0]["isChecked"] is True
    for alias in ("/cart/del_product", "/cart/del_cart", "/cart/del_prouct"):
        put(li, product)
        assert envelope(li.get(alias, cart_id=row["product_id"])) == (200, True, "删除成功")
        assert envelope(li.get(alias, product_id=row["product_id"])) == (1004, False, "err 该数据不存在")
    assert li.get("/cart/get_cart").json()["data"] == []


@pytest.mark.parametrize("name", ["count", "quantity"])
def test_a_whole_row_may_be_posted_back_with_another_number(li, name):
    put(li, make_product(stock=9), 3)
    row = li.get("/cart/get_cart").json()["data"][0]

    assert envelope(li.post("/cart/update_cart", row)) == (1006, False, "没有做任何修改")
    assert envelope(li.post("/cart/update_cart", row | {name: 5})) == (200, True, "修改成功")
    assert CartItem.objects.get().quantity == 5
    assert li.post("/cart/update_cart", row | {name: 0}).json()["status"] == 10010


@pytest.mark.parametrize(
    "body",
    [
        "product_id={0}&product_id={1}",
        "product_id[]={0}&product_id[]={1}",
        "product_id[0]={0}&product_id[1]={1}",
        "cart_id[]={0}&cart_id[]={1}",
    ],
)
def test_takes_a_list_however_a_form_writes_it(li, body):
    one, two, three = (make_product() for _ in range(3))
    for product in (one, two, three):
        put(li, product)

    answer = li.post("/cart/check", body.format(one.product_id, two.product_id), format="form")

    assert envelope(answer) == (200, True, "选中成功")
    checked = {row["product_id"] for row in li.get("/cart/get_cart").json()["data"] if row["isChecked"]}
    assert checked == {one.product_id, two.product_id}


def test_a_selection_of_nothing_known_leaves_the_old_one(li, django_assert_max_num_queries):
    product = make_product()
    put(li, product)
    other = make_product()
    put(li, other)
    li.post("/cart/check_cart", {"product_id": other.product_id})
    li.post("/cart/check", {"product_id": f" {product.product_id} ,nope,"})  # exactly these, and no other

    nothing = envelope(li.post("/cart/check", {"product_id": "1198,16843"}))

    assert nothing == (10010, False, "没有选中任何商品,请检查product_id是否传递错误")
    with django_assert_max_num_queries(2):
        rows = li.get("/cart/get_cart", page=1, count=2).json()["data"]
    assert [row["isChecked"] for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({"product_id": "nope", "count": 1}, (10020, "err 添加购物车失败 商品已下架或者不存在")),
        ({"product_id": "P", "count": 6}, (10010, "err 商品库存不足")),
        ({"product_id": "P", "count": str(10**30)}, (10010, "err 商品库存不足")),
        *(({"product_id": "P", "count": c}, NO_NUMBER) for c in (0, -1, "x", 1.5, True, [], "1_0")),
        ({"product_id": ["P"], "count": 1}, (10010, "product_id: 不是有效的字符串。")),
    ],
)
def test_refuses_to_add_and_to_change(li, params, answer):
    product = make_product(stock=5)
    params = {name: product.product_id if value == "P" else value for name, value in params.items()}

    assert envelope(li.post("/cart/add_to_cart", params)) == (answer[0], False, answer[1])
    assert not CartItem.objects.exists()

    put(li, product, 2)
    # What is not in the cart cannot be changed there, whatever is on sale.
    expected = (1005, False, "没有该数据") if answer[0] == 10020 else (answer[0], False, answer[1])
    assert envelope(li.post("/cart/update_cart", params)) == expected
    assert envelope(put(li, product, 4)) == (10010, False, "err 商品库存不足")  # two and four
    assert CartItem.objects.get().quantity == 2


def test_every_user_has_a_cart(li, zhao, lbw):
    product = make_product()
    put(li, product)

    assert zhao.get("/cart/get_cart").json()["data"] == []
    assert envelope(zhao.get("/cart/del_prouct", product_id=product.product_id)) == (1004, False, "err 该数据不存在")
    assert envelope(zhao.post("/cart/update_cart", {"product_id": product.product_id, "count": 2})) == (
        1005,
        False,
        "没有该数据",
    )
    assert zhao.post("/cart/check", {"product_id": product.product_id}).json()["status"] == 10010
    assert CartItem.objects.filter(user=li.user, is_checked=False, quantity=1).exists()

    put(zhao, product)
    zhao.post("/cart/check", {"product_id": product.product_id})
    put(li, other := make_product())
    assert envelope(li.post("/cart/check", {"product_id": other.product_id})) == (200, True, "选中成功")
    assert zhao.get("/cart/get_cart").json()["data"][0]["isChecked"] is True

    # What is taken off sale stays visible, in its number.
    lbw.get("/product/del_product", product_id=product.product_id)
    assert li.get("/cart/get_cart").json()["data"][0]["isOnSale"] is False
    more = li.post("/cart/update_cart", {"product_id": product.product_id, "count": 2})
    assert envelope(more) == (10010, False, "err 商品库存不足")
    assert envelope(put(li, product))[0] == 10020
