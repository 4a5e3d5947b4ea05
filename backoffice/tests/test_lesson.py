"""The lesson at a glance, and a class in which each trainee has a school of his own."""

import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services.login import login_record
from conftest import ApiClient
from permissions.models import DataScope, Role
from shop.models import Category, Product
from students.models import Student
from students.tests.factories import FIELDS
from tests.test_data_scope import PICTURE

pytestmark = pytest.mark.django_db
PAGE = "/admin/classroom/H5/"


@pytest.fixture
def trainees(office, api):
    """Make a class of two, each with three practice students and sight of his own alone; log both in."""
    made = {"class_name": "H5", "role": "102", "scope": "own", "practice": "3", "names": "李雷\n韩梅梅"}
    clients = []
    for slip in office.post("/admin/classroom/", made).context["slips"]:
        login = {"username": slip.username, "password": slip.password}
        token = api.post("/users/login", login).json()["token"]
        clients.append(ApiClient(token, User.objects.get(username=slip.username)))
    return clients


def table(office):
    text = office.get(f"{PAGE}?format=csv").content.decode("utf-8-sig")
    head, *rows = csv.reader(StringIO(text))
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_each_trainee_has_a_school_of_his_own(trainees, roles):
    li, han = trainees

    li.post("/students/addstu", FIELDS | {"name": "李雷的学员"})

    assert [who.get("/students/getstulist").json()["total"] for who in (li, han)] == [4, 3]
    role = li.user.role
    assert (role.roleid, role.data_scope, role.rows) == ("102-own", DataScope.OWN, roles["102"].rows)
    assert set(role.permissions.all()) == set(roles["102"].permissions.all())
    assert Role.objects.get(roleid="102").data_scope == DataScope.ALL


def test_a_second_class_of_the_same_role_keeps_its_scope(office, trainees):
    office.post("/admin/classroom/", {"class_name": "H6", "role": "102-own", "names": "王五"})

    assert User.objects.get(class_name="H6").role == trainees[0].user.role


def test_the_page_and_the_file_tell_what_everybody_did(office, trainees):
    li, _ = trainees
    li.post("/students/addstu", FIELDS)
    li.get("/students/delstu?sId=WWLN00000000")
    li.get("/students/delstu")
    li.get("/students/delstu")

    mine, others = table(office)

    assert (mine["调用"], mine["被拒绝"], mine["学员"], mine["订单"]) == ("4", "3", "4", "0")
    assert mine["最常见的错误"] == "0 没有传递sId（2）；0 删除出错（1）"
    assert mine["上次登录"] and mine["最近一次调用"] and not others["最近一次调用"]
    assert "没有传递sId" in office.get(PAGE).content.decode()


def test_calls_that_no_login_was_checked_for_are_counted_by_their_token(office, trainees, monkeypatch):
    li, _ = trainees
    li.post("/sandbox/control/calls", {"answer": "500", "calls": ["/verify"]})

    li.get("/verify")
    li.get("/users/login")
    with monkeypatch.context() as patch:
        patch.setattr("core.times.now", lambda: timezone.now() + timedelta(hours=12, seconds=1))
        li.get("/students/getstulist")

    mine, others = table(office)
    assert (mine["调用"], mine["被拒绝"], others["调用"]) == ("3", "3", "0")
    assert mine["最常见的错误"] == "500 服务器内部错误（1）；405 请求方式错误（1）；1004 校验失败（1）"


def test_a_scan_counts_for_the_trainee_of_that_name(office, trainees, person):
    login_record(user=person("wx_a", nickname="李雷", openid="o1").user, ip="", now=timezone.now())
    login_record(user=person("namesake", nickname="韩梅梅").user, ip="", now=timezone.now())

    assert [row["扫码"] for row in table(office)] == ["1", "0"]


@pytest.mark.parametrize("whom", ["all", "one"])
def test_what_they_entered_is_cleared_and_nothing_else(office, trainees, whom):
    li, han = trainees
    category = li.post("/category/addCategory", {"categoryName": "茶"}).json()["category_id"]
    product = {"category_id": category, "productName": "绿茶", "price": "1", "inventory": "5", "imageUrl": PICTURE}
    li.post("/product/add_product", product | {"description": "说明"})
    Student.objects.create(name="赵六", age=20, class_name="H1", city="x", degree="y")
    posted = {"clear": "all" if whom == "all" else str(li.user.pk)}

    asked = office.post(PAGE, posted)
    assert Student.objects.count() == 7 and "不能恢复" in asked.content.decode()
    office.post(PAGE, posted | {"sure": "1"})

    assert Student.objects.count() == (1 if whom == "all" else 4)
    assert not Product.objects.filter(removed_at=None).exists()
    assert not Category.objects.filter(removed_at=None).exists()


def test_only_root_looks_at_a_lesson(trainees, client):
    client.force_login(trainees[0].user)

    assert client.get(PAGE).status_code in (302, 403)
