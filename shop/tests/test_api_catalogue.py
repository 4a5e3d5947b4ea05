"""Categories and products over HTTP: the contract's texts, and what attackers and old clients send."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from shop.errors import ProductCategoryUnknown, ProductInvalid
from shop.models import Product
from shop.models.catalogue import MAX_STOCK
from shop.services.catalogue import category_remove, product_update
from shop.tests.factories import make_category, make_order, make_product, stock_of
from tests.kit import during, encoded, envelope, posted
from uploads.models import Upload

pytestmark = pytest.mark.django_db

PRODUCT = {
    "productName": "自行车",
    "price": 99.5,
    "description": "好",
    "inventory": 3,
    "imageUrl": "http://a.example/b.png",
}


# --- Categories ----------------------------------------------------------------------------------
def test_adds_lists_changes_and_removes_a_category(lbw, yuangong):
    assert envelope(lbw.post("/category/addCategory", {"categoryName": "车辆"})) == (200, True, "添加成功")

    body = yuangong.get("/category/getCategory").json()
    row = body["data"][0]
    assert (body["status"], body["state"], body["msg"], body["total"]) == (200, True, "获取成功", 1)
    assert (row["categoryName"], row["creator"], row["updateTime"], row["updator"]) == ("车辆", "lbw", None, None)
    assert len(row["category_id"]) == 17 and len(row["_id"]) == 24 and row["__v"] == 0
    assert len(row["createTime"]) == len("2020-12-31,12:59:59") and row["createTime"][10] == ","

    make_category("化妆品")
    renamed = {"category_id": row["category_id"], "categoryName": "汽车"}
    twin = renamed | {"categoryName": "化妆品"}
    assert envelope(lbw.post("/category/updateCategory", twin)) == (1004, False, "已经存在该类目,请不要重复添加")
    assert envelope(lbw.post("/category/updateCategory", twin | {"category_id": "nope"})) == (1005, False, "没有该数据")
    assert envelope(lbw.post("/category/updateCategory", renamed, format="form")) == (200, True, "修改成功")
    assert envelope(lbw.post("/category/updateCategory", renamed)) == (1006, False, "没有做任何修改")
    again = yuangong.get("/category/getcategory/").json()["data"][0]
    assert (again["updator"], again["_id"], bool(again["updateTime"])) == ("lbw", row["_id"], True)

    assert envelope(lbw.get("/category/delCategory", category_id=row["category_id"])) == (200, True, "删除成功")
    rows = yuangong.get("/category/getCategory").json()["data"]
    assert [row["categoryName"] for row in rows] == ["化妆品"]
    assert envelope(lbw.post("/category/addCategory", {"categoryName": "汽车"}))[0] == 200  # its name is free again


def test_a_category_with_products_goes_only_when_forced_and_harms_no_product(lbw):
    product = make_product()
    category_id = product.category.category_id

    answer = lbw.get("/category/delCategory", category_id=category_id).json()
    forced = lbw.get("/category/delCategory", category_id=category_id, force=1)

    assert (answer["status"], answer["state"]) == (1004, False) and "商品" in answer["msg"]
    assert envelope(forced) == (200, True, "删除成功")
    (row,) = lbw.get("/product/get_product", category_id=category_id).json()["data"]
    assert row["category_id"] == category_id
    assert envelope(lbw.post("/product/update_product", row | {"price": "1.23"})) == (200, True, "修改成功")


# --- Products ------------------------------------------------------------------------------------
def test_adds_lists_changes_and_removes_a_product(lbw, yuangong):
    category = make_category("车辆")
    params = PRODUCT | {"category_id": category.category_id}

    assert envelope(lbw.post("/product/add_product", params)) == (200, True, "添加成功")
    body = yuangong.get("/product/get_product").json()
    row = body["data"][0]
    assert (body["msg"], body["total"]) == ("获取成功", 1)
    assert {name: row[name] for name in params} == params
    assert isinstance(row["product_id"], str) and len(row["_id"]) == 24 and row["__v"] == 0

    assert envelope(lbw.post("/product/update_product", row | {"price": "88"})) == (200, True, "修改成功")
    assert envelope(lbw.post("/product/update_product", row | {"price": 88})) == (1006, False, "没有做任何修改")
    assert yuangong.get("/product/get_product", product_id=row["product_id"]).json()["data"][0]["price"] == 88

    assert envelope(lbw.get("/product/del_product", product_id=row["product_id"])) == (200, True, "删除成功")
    assert envelope(lbw.get("/product/del_product", product_id=row["product_id"])) == (1004, False, "err 该数据不存在")
    assert envelope(lbw.post("/product/update_product", row | {"price": 1})) == (1005, False, "没有该数据")
    assert yuangong.get("/product/get_product").json()["data"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("price", value) for value in (0, -1, "0.00", 9.999, "abc", True, "NaN", "Infinity", 1e20, [], {}, "9" * 50)),
        ("price", "1_0"),
        *(("inventory", value) for value in (-1, 1.5, "x", True, 10**30, [], "1e3", "1_0")),
        ("productName", "长" * 101),
        ("category_id", "nope"),
        ("category_id", None),
    ],
)
def test_names_the_bad_parameter(lbw, name, value):
    params = PRODUCT | {"category_id": make_category().category_id}

    body = lbw.post("/product/add_product", params | {name: value}).json()

    assert (body["status"], body["state"]) == (1005, False) and name in body["msg"]
    assert not Product.objects.exists()


def test_posting_a_row_back_changes_no_id_and_no_time_and_sets_what_can_be_ordered(lbw, li):
    product = make_product()
    row = lbw.get("/product/get_product").json()["data"][0]
    other = make_category()
    make_order(li.user, product, 2)

    odd = {"_id": "0" * 24, "createTime": "x", "__v": 9, "creator": "x"}
    lbw.post("/product/update_product", row | odd | {"price": 1, "category_id": other.category_id})

    after = lbw.get("/product/get_product").json()["data"][0]
    assert {name: after[name] for name in odd} == {name: row[name] for name in odd}
    assert (after["product_id"], after["category_id"]) == (product.product_id, other.category_id)
    assert stock_of(product) == row["inventory"]


def test_takes_a_picture_as_file_and_keeps_the_one_an_order_shows(lbw, li):
    body = PRODUCT | {"category_id": make_category().category_id, "imageUrl": posted(encoded())}
    no_picture = body | {"imageUrl": SimpleUploadedFile("a.png", b"<?php")}
    assert lbw.post("/product/add_product", no_picture, format="multipart").json()["state"] is False
    lbw.post("/product/add_product", body, format="multipart")
    product = Product.objects.get()
    order = make_order(li.user, product)

    lbw.post(
        "/product/update_product", {"product_id": product.product_id, "imageUrl": posted(encoded())}, format="multipart"
    )

    assert "/media/" in product.image_url
    assert order.lines.get().image_url == product.image_url != Product.objects.get().image_url
    assert not Upload.objects.filter(idle_since__isnull=False).exists()


@pytest.mark.parametrize("blank", ["", None])
def test_a_blank_in_an_update_empties_what_may_be_empty(lbw, blank):
    body = PRODUCT | {"category_id": make_category().category_id}
    body |= {"product_id": lbw.post("/product/add_product", body).json()["product_id"]}
    row = lbw.get("/product/get_product").json()["data"][0]
    group = {"categoryName": "书", "categoryImgurl": "https://a.example/1.png"}
    group |= {"category_id": lbw.post("/category/addCategory", group).json()["category_id"]}
    blanks = dict.fromkeys(PRODUCT, blank) | {"category_id": blank, "product_id": body["product_id"]}

    products = [lbw.post("/product/update_product", blanks).json()["status"] for _ in range(2)]
    without = [lbw.post("/category/updateCategory", group | {"categoryImgurl": blank}).json() for _ in range(2)]

    assert products == [200, 1006] and [answer["status"] for answer in without] == [200, 1006]
    after = lbw.get("/product/get_product").json()["data"][0]
    times = {name: after[name] for name in ("updateTime", "updator")}
    assert after == row | {"description": "", "imageUrl": ""} | times
    assert lbw.get("/category/getCategory").json()["data"][-1]["categoryImgurl"] == ""
    assert lbw.post("/category/updateCategory", group | {"categoryName": blank}).json()["status"] == 1004


def test_filters_by_category_and_pages(yuangong, django_assert_max_num_queries):
    category = make_category()
    products = [make_product(category=category) for _ in range(3)]
    make_product()

    with django_assert_max_num_queries(2):
        body = yuangong.get("/product/get_product", category_id=category.category_id, page=2, count=2).json()
    blank = yuangong.get("/product/get_product", page="", count="", category_id="").json()

    assert body["total"] == 3 and [row["product_id"] for row in body["data"]] == [products[2].product_id]
    assert len(blank["data"]) == 4


def test_stock_is_adjusted_within_its_bounds():
    product = make_product(stock=5)
    facts = {"product_id": product.product_id, "actor": "wang", "now": timezone.now()}

    for pieces, stock in ((-5, 0), (8, 8), (MAX_STOCK - 8, MAX_STOCK)):
        product_update(pieces=pieces, **facts)
        for beyond in (-stock - 1, MAX_STOCK - stock + 1):
            with pytest.raises(ProductInvalid, match=f"库存现有{stock}件，不能调整"):
                product_update(pieces=beyond, **facts)
        assert stock_of(product) == stock


@pytest.mark.django_db(transaction=True)
def test_no_product_gets_into_a_category_while_it_is_removed():
    category = make_category()

    with pytest.raises(ProductCategoryUnknown):
        during(
            lambda: category_remove(category_id=category.category_id, now=timezone.now()),
            lambda: make_product(category=category),
        )
    assert not Product.objects.exists()
