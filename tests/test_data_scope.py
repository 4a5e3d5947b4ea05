"""Data scope: what a role sees and changes of the students, products and categories that Li and Wang have entered."""

from urllib.parse import urlencode

import pytest
from django.utils import timezone

from permissions.models import DataScope, Role
from permissions.services.roles import role_add
from shop.models import Category, Product
from students.models import Student
from students.services import student_add
from students.tests.factories import FIELDS as STUDENT
from tests.kit import logged_in, save_page

pytestmark = pytest.mark.django_db

ALL, CHANGE_OWN, OWN = DataScope.ALL, DataScope.CHANGE_OWN, DataScope.OWN
NOT_OWN = {"status": 403, "state": False, "code": "10026", "msg": "not permitted 没有权限"}
PICTURE = "http://pictures.example/p.png"


@pytest.fixture
def people(person, roles):
    """Return two users whose role may make every call, with a scope: ``li, wang = people(OWN)``."""

    def make(scope):
        roles["300"] = role_add(roleid="300", name="讲师", rows=["*"])
        Role.objects.filter(roleid="300").update(data_scope=scope)
        return person("li", "300", is_staff=True), person("wang", "300", is_staff=True)

    return make


def enter(who, name):
    """Let somebody enter a student, a category and a product of it; return their numbers as the calls name them."""
    sid = who.post("/students/addstu", STUDENT | {"name": name, "class": f"{name}班"}).json()["sId"]
    category = who.post("/category/addCategory", {"categoryName": f"{name}类"}).json()["category_id"]
    product = {"category_id": category, "productName": f"{name}茶", "price": "1", "inventory": "5"}
    return {
        "sId": sid,
        "category_id": category,
        "product_id": who.post("/product/add_product", product | {"imageUrl": PICTURE, "description": "说明"}).json()[
            "product_id"
        ],
    }


LISTS = [
    ("/students/getstulist", "name", ""),
    ("/students/searchstu?key=李", "name", ""),
    ("/students/getstulist?class=李班", "name", ""),
    ("/category/getCategory", "categoryName", "类"),
    ("/product/get_product", "productName", "茶"),
]


@pytest.mark.parametrize("scope", DataScope.values)
@pytest.mark.parametrize(("path", "key", "suffix"), LISTS)
def test_a_list_and_its_total_hold_what_the_scope_shows(people, scope, path, key, suffix):
    li, wang = people(scope)
    enter(li, "李")
    enter(wang, "王")
    is_about_li = "李" in path

    answer = wang.get(path).json()

    names = [f"李{suffix}"] * (scope != OWN) + [f"王{suffix}"] * (not is_about_li)
    assert sorted(row[key] for row in answer["data"]) == sorted(names)
    assert answer["total"] == len(names)


def test_classes_hold_what_the_scope_shows(people):
    li, wang = people(OWN)
    enter(li, "李")
    enter(wang, "王")

    assert wang.get("/students/getclasses").json()["data"] == ["王班"]


CHANGES = [
    ("get", "/students/delstu", {}, {"status": 0, "state": False, "msg": "删除出错"}),
    ("post", "/students/updatestu", {"name": "王五"}, None),
    ("post", "/category/updateCategory", {"categoryName": "新"}, {"status": 1005, "state": False, "msg": "没有该数据"}),
    ("get", "/category/delCategory", {"force": "1"}, {"status": 1004, "state": False, "msg": "err 该数据不存在"}),
    ("post", "/product/update_product", {"price": "2"}, {"status": 1005, "state": False, "msg": "没有该数据"}),
    ("get", "/product/del_product", {}, {"status": 1004, "state": False, "msg": "err 该数据不存在"}),
]
IDS = {"students": "sId", "category": "category_id", "product": "product_id"}


@pytest.mark.parametrize("scope", DataScope.values)
@pytest.mark.parametrize(("method", "path", "values", "unknown"), CHANGES)
def test_what_another_has_entered_is_changed_with_the_scope_all_alone(people, scope, method, path, values, unknown):
    li, wang = people(scope)
    ids = enter(li, "李")
    key = IDS[path.split("/")[1]]
    before = _rows()

    answer = call(wang, method, path, values | {key: ids[key]})

    if scope == ALL:
        assert answer["state"] is True and _rows() != before
    else:
        nobodys = call(wang, method, path, values | {key: "WWLN97178546"})
        assert answer == (NOT_OWN if scope == CHANGE_OWN else nobodys) and (unknown or nobodys) == nobodys
        assert _rows() == before


def call(who, method, path, values):
    return (who.get(f"{path}?{urlencode(values)}") if method == "get" else who.post(path, values)).json()


def _rows():
    return [list(model.objects.order_by("pk").values_list()) for model in (Student, Category, Product)]


@pytest.mark.parametrize("scope", [CHANGE_OWN, OWN])
def test_ones_own_may_be_changed_and_deleted(people, scope):
    li, _ = people(scope)
    ids = enter(li, "李")

    changes = [CHANGES[at] for at in (1, 0, 2, 4, 5, 3)]
    keys = [IDS[path.split("/")[1]] for _, path, _, _ in changes]

    answers = [
        call(li, method, path, values | {key: ids[key]})
        for (method, path, values, _), key in zip(changes, keys, strict=True)
    ]

    assert [answer["state"] for answer in answers] == [True] * 6


def test_root_sees_and_changes_everything(people, root):
    li, _ = people(OWN)
    ids = enter(li, "李")

    assert root.get("/students/getstulist").json()["total"] == 1
    assert call(root, "get", "/students/delstu", {"sId": ids["sId"]})["state"] is True


def test_nobodys_rows_are_seen_but_not_changed_without_the_scope_all(people):
    student_add(now=timezone.now(), name="张三", age=20, class_name="H5", city="重庆", degree="本科", product_url="x",
                description="y")  # fmt: skip
    li, _ = people(CHANGE_OWN)
    (row,) = li.get("/students/getstulist").json()["data"]

    assert call(li, "get", "/students/delstu", {"sId": row["sId"]}) == NOT_OWN


def test_a_product_out_of_sight_can_neither_be_put_into_the_cart_nor_ordered(people):
    li, wang = people(OWN)
    product = enter(li, "李")["product_id"]

    assert wang.post("/cart/add_to_cart", {"product_id": product, "count": "1"}).json()["status"] == 10020
    assert wang.post("/pay/pre_order", {"product_id": product}).json()["msg"] == "err商品已下架或者不存在"
    assert li.post("/pay/pre_order", {"product_id": product}).json()["state"] is True


def test_two_who_see_only_their_own_may_use_one_name_for_a_category(people):
    li, wang = people(OWN)
    path, category = "/category/addCategory", {"categoryName": "水果"}

    first, other, again = (who.post(path, category).json()["state"] for who in (li, wang, li))

    assert (first, other, again) == (True, True, False)


def test_a_role_that_loses_its_scope_sees_everything_from_the_next_call_on(people, django_capture_on_commit_callbacks):
    li, wang = people(OWN)
    enter(li, "李")
    assert wang.get("/students/getstulist").json()["total"] == 0

    role = Role.objects.get(roleid="300")
    role.data_scope = ALL
    with django_capture_on_commit_callbacks(execute=True):
        role.save()

    assert wang.get("/students/getstulist").json()["total"] == 1


# --- The back office ---
OFFICE = ["students.view_student", "students.add_student", "students.change_student", "students.delete_student",
          "students.export_student", "shop.view_product", "shop.change_product", "shop.delete_product"]  # fmt: skip


@pytest.fixture
def offices(people):
    """Return the users of :func:`people` with a browser of each, and with all rights on students and products."""

    def make(scope):
        from django.contrib.auth.models import Permission

        pair = people(scope)
        names = [name.split(".")[1] for name in OFFICE]
        Role.objects.get(roleid="300").permissions.set(Permission.objects.filter(codename__in=names))
        return [(who, logged_in(who.user)) for who in pair]

    return make


@pytest.mark.parametrize("scope", DataScope.values)
def test_the_back_office_shows_what_the_scope_shows(offices, scope):
    (li, _), (wang, browser) = offices(scope)
    enter(li, "李")
    enter(wang, "王")
    pages = ["/admin/students/student/", "/admin/students/student/?q=李", "/admin/shop/product/", "/admin/",
             "/admin/students/student/print/", "/admin/students/student/export/?format=csv"]  # fmt: skip

    texts = [b"".join(browser.get(page)).decode() for page in pages]

    assert [("李班" in text or "李茶" in text) for text in texts] == [scope != OWN] * len(pages)


@pytest.mark.parametrize("scope", DataScope.values)
@pytest.mark.parametrize("action", ["archive", "edit_many", "delete_selected"])
def test_an_action_touches_what_the_scope_lets_change(offices, scope, action):
    (li, _), (_, browser) = offices(scope)
    enter(li, "李")
    student = Student.objects.get()
    posted = {"action": action, "_selected_action": [student.pk], "sure": "1", "class_name": "H9"}

    page = browser.post("/admin/students/student/", posted, follow=True)
    if page.context and "mark" in dict(page.context.get("posted", [])):
        browser.post("/admin/students/student/", posted | {"mark": dict(page.context["posted"])["mark"]})

    student_is_same = Student.objects.filter(pk=student.pk, class_name="李班").exists()
    assert page.status_code == 200
    if action != "delete_selected":  # a worker deletes
        assert student_is_same is (scope != ALL)


@pytest.mark.parametrize("scope", DataScope.values)
def test_a_form_is_for_looking_only_where_the_scope_does_not_let_change(offices, scope):
    (li, _), (_, browser) = offices(scope)
    enter(li, "李")
    page = f"/admin/students/student/{Student.objects.get().pk}/change/"

    shown = browser.get(page)

    assert (shown.status_code == 200) is (scope != OWN)
    if scope == ALL:
        save_page(browser, page, name="赵六")
    else:
        assert browser.post(page, {"name": "赵六"}).status_code == (403 if scope == CHANGE_OWN else 404)
    assert Student.objects.filter(name="赵六").exists() is (scope == ALL)
