"""Categories and products over HTTP: the contract's texts, and what attackers and old clients send."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from shop.models import Category, Product
from shop.tests.factories import make_category, make_order, make_product, stock_of
from tests.kit import encoded, posted, said

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
    assert said(lbw.post("/category/addCategory", {"categoryName": "车辆"})) == (200, True, "添加成功")

    body = yuangong.get("/category/getCategory").json()
    row = body["data"][0]
    assert (body["status"], body["state"], body["msg"], body["total"]) == (200, True, "获取成功", 1)
    assert (row["categoryName"], row["creator"], row["updateTime"], row["updator"]) == ("车辆", "lbw", None, None)
    assert len(row["category_id"]) == 17 and len(row["_id"]) == 24 and row["__v"] == 0
    assert len(row["createTime"]) == len("2020-12-31,12:59:59") and row["createTime"][10] == ","

    renamed = {"category_id": row["category_id"], "categoryName": "汽车"}
    assert said(lbw.post("/category/updateCategory", renamed, format="form")) == (200, True, "修改成功")
    assert said(lbw.post("/category/updateCategory", renamed)) == (1006, False, "没有做任何修改")
    again = yuangong.get("/category/getcategory/").json()["data"][0]
    assert (again["updator"], again["_id"], bool(again["updateTime"])) == ("lbw", row["_id"], True)

    assert said(lbw.get("/category/delCategory", category_id=row["category_id"])) == (200, True, "删除成功")
    assert yuangong.get("/category/getCategory").json()["data"] == []


@pytest.mark.parametrize(
    ("call", "given", "answer"),
    [
        ("add", {}, (1004, "err 请传入categoryName")),
        ("add", {"categoryName": "  "}, (1004, "err 请传入categoryName")),
        ("add", {"categoryName": "车辆"}, (1004, "已经存在该类目,请不要重复添加")),
        ("del", {}, (1004, "err 请传入category_id")),
        ("del", {"category_id": "nope"}, (1004, "err 该数据不存在")),
        ("update", {"categoryName": "x"}, (1004, "缺少categoryName或者category_id")),
        ("update", {"category_id": "x"}, (1004, "缺少categoryName或者category_id")),
        ("update", {"category_id": "nope", "categoryName": "x"}, (1005, "没有该数据")),
    ],
)
def test_refuses_categories(lbw, call, given, answer):
    make_category("车辆")
    path = f"/category/{call}Category"

    body = (lbw.get(path, **given) if call == "del" else lbw.post(path, given)).json()

    assert (body["status"], body["state"], body["msg"]) == (answer[0], False, answer[1])
    assert Category.objects.count() == 1


def test_a_taken_name_is_refused_when_renaming(lbw):
    make_category("车辆")
    other = make_category("化妆品")

    answer = lbw.post("/category/updateCategory", {"category_id": other.category_id, "categoryName": "车辆"})

    assert said(answer) == (1004, False, "已经存在该类目,请不要重复添加")


def test_a_removed_category_frees_its_name(lbw):
    category = make_category("车辆")
    lbw.get("/category/delCategory", category_id=category.category_id)

    assert said(lbw.post("/category/addCategory", {"categoryName": "车辆"}))[0] == 200


def test_a_category_with_products_goes_only_when_forced_and_harms_no_product(lbw):
    product = make_product()
    category_id = product.category.category_id

    refused = lbw.get("/category/delCategory", category_id=category_id).json()
    forced = lbw.get("/category/delCategory", category_id=category_id, force=1)

    assert (refused["status"], refused["state"]) == (1004, False) and "商品" in refused["msg"]
    assert said(forced) == (200, True, "删除成功")
    rows = lbw.get("/product/get_product", category_id=category_id).json()["data"]
    assert [row["category_id"] for row in rows] == [category_id]


def test_a_product_of_a_gone_category_can_still_be_edited(lbw):
    product = make_product()
    row = lbw.get("/product/get_product").json()["data"][0]
    lbw.get("/category/delCategory", category_id=product.category.category_id, force=1)

    assert said(lbw.post("/product/update_product", row | {"price": "1.23"})) == (200, True, "修改成功")


def test_a_category_takes_a_picture_as_file(lbw):
    lbw.post("/category/addCategory", {"categoryName": "车辆", "categoryImgurl": posted(encoded())}, format="multipart")

    assert "/media/" in lbw.get("/category/getCategory").json()["data"][0]["categoryImgurl"]


# --- Products ------------------------------------------------------------------------------------
def test_adds_lists_changes_and_removes_a_product(lbw, yuangong):
    category = make_category("车辆")
    given = PRODUCT | {"category_id": category.category_id}

    assert said(lbw.post("/product/add_product", given)) == (200, True, "添加成功")
    body = yuangong.get("/product/get_product").json()
    row = body["data"][0]
    assert (body["msg"], body["total"]) == ("获取成功", 1)
    assert {name: row[name] for name in given} == given
    assert isinstance(row["product_id"], str) and len(row["_id"]) == 24 and row["__v"] == 0

    assert said(lbw.post("/product/update_product", row | {"price": "88"})) == (200, True, "修改成功")
    assert said(lbw.post("/product/update_product", row | {"price": 88})) == (1006, False, "没有做任何修改")
    assert yuangong.get("/product/get_product", product_id=row["product_id"]).json()["data"][0]["price"] == 88

    assert said(lbw.get("/product/del_product", product_id=row["product_id"])) == (200, True, "删除成功")
    assert said(lbw.get("/product/del_product", product_id=row["product_id"])) == (1004, False, "err 该数据不存在")
    assert yuangong.get("/product/get_product").json()["data"] == []


@pytest.mark.parametrize("missing", ["category_id", "productName", "price", "description", "inventory", "imageUrl"])
def test_a_product_needs_all_of_its_parameters(lbw, missing):
    given = PRODUCT | {"category_id": make_category().category_id}
    text = "请传入category_id" if missing == "category_id" else "添加失败,检查必传参数是否少传递了"

    answer = lbw.post("/product/add_product", given | {missing: ""})

    assert said(answer) == (1005, False, text) and not Product.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("price", value) for value in (0, -1, "0.00", 9.999, "abc", True, "NaN", "Infinity", 1e20, [], {}, "9" * 50)),
        ("price", "1_0"),
        *(("inventory", value) for value in (-1, 1.5, "x", True, 10**30, [], "1e3", "1_0")),
        ("productName", "长" * 101),
    ],
)
def test_names_the_bad_parameter(lbw, name, value):
    given = PRODUCT | {"category_id": make_category().category_id}

    body = lbw.post("/product/add_product", given | {name: value}).json()

    assert (body["status"], body["state"]) == (1005, False) and name in body["msg"]
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("path", "given", "answer"),
    [
        ("/product/update_product", {"price": 1}, (1004, "缺少product_id")),
        ("/product/update_product", {"product_id": "nope", "price": 1}, (1005, "没有该数据")),
        ("/product/del_product", {}, (1004, "err 请传入product_id")),
    ],
)
def test_refuses_products(lbw, path, given, answer):
    ask = lbw.get if "del" in path else lambda path, **given: lbw.post(path, given)

    assert said(ask(path, **given)) == (answer[0], False, answer[1])


def test_an_unknown_category_is_refused(lbw):
    body = lbw.post("/product/add_product", PRODUCT | {"category_id": "nope"}).json()

    assert (body["status"], body["state"]) == (1005, False) and "category_id" in body["msg"]


def test_moves_a_product_to_another_category(lbw):
    product, other = make_product(), make_category()

    lbw.post("/product/update_product", {"product_id": product.product_id, "category_id": other.category_id})

    assert Product.objects.get(pk=product.pk).category == other


def test_posting_a_row_back_changes_no_id_and_no_time(lbw):
    product = make_product()
    row = lbw.get("/product/get_product").json()["data"][0]

    lbw.post(
        "/product/update_product", row | {"price": 1, "_id": "0" * 24, "createTime": "x", "__v": 9, "creator": "x"}
    )

    after = lbw.get("/product/get_product").json()["data"][0]
    assert {n: after[n] for n in ("_id", "__v", "createTime", "creator")} == {
        n: row[n] for n in ("_id", "__v", "createTime", "creator")
    }
    assert after["product_id"] == product.product_id


def test_takes_a_picture_as_file_and_keeps_the_one_an_order_shows(lbw, li):
    given = PRODUCT | {"category_id": make_category().category_id, "imageUrl": posted(encoded())}
    lbw.post("/product/add_product", given, format="multipart")
    product = Product.objects.get()
    order = make_order(li.user, product)

    lbw.post(
        "/product/update_product", {"product_id": product.product_id, "imageUrl": posted(encoded())}, format="multipart"
    )

    from uploads.models import Upload

    assert "/media/" in product.image_url
    assert order.lines.get().image_url == product.image_url != Product.objects.get().image_url
    assert not Upload.objects.filter(idle_since__isnull=False).exists()


def test_a_file_that_is_no_picture_is_refused(lbw):
    given = PRODUCT | {"category_id": make_category().category_id}

    body = lbw.post(
        "/product/add_product", given | {"imageUrl": SimpleUploadedFile("a.png", b"<?php")}, format="multipart"
    )

    assert body.json()["state"] is False and not Product.objects.exists()


def test_filters_by_category_and_pages(yuangong):
    category = make_category()
    wanted = [make_product(category=category) for _ in range(3)]
    make_product()

    body = yuangong.get("/product/get_product", category_id=category.category_id, page=2, count=2).json()

    assert body["total"] == 3 and [row["product_id"] for row in body["data"]] == [wanted[2].product_id]


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "99999999999999999999"])
def test_an_odd_page_is_no_500(yuangong, page):
    answer = yuangong.get("/product/get_product", page=page, count="1")

    assert answer.status_code == 200 and answer.json()["state"] is (page.isdigit() and int(page) > 0)


def test_a_blank_page_counts_as_not_given(yuangong):
    make_product()

    assert len(yuangong.get("/product/get_product", page="", count="", category_id="").json()["data"]) == 1


@pytest.mark.parametrize("path", ["/product/get_product", "/category/getCategory"])
def test_lists_ask_at_most_two_queries(yuangong, path, django_assert_max_num_queries):
    for _ in range(5):
        make_product()
    yuangong.get(path)

    with django_assert_max_num_queries(2):
        yuangong.get(path, page=1, count=2)


def test_ids_made_in_one_millisecond_differ(lbw):
    from django.utils import timezone

    from shop.services.catalogue import category_create

    now = timezone.now()
    ids = [category_create(name=f"n{i}", actor="root", now=now).category_id for i in range(20)]

    assert len(set(ids)) == 20 and all(len(one) == 17 and one.isdigit() for one in ids)


def test_the_api_sets_the_number_that_can_be_ordered(lbw, li):
    product = make_product(stock=5)
    make_order(li.user, product, 2)

    lbw.post("/product/update_product", {"product_id": product.product_id, "inventory": 0})

    assert stock_of(product) == 0
