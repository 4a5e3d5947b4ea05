"""The classroom page and its command; the lesson at a glance, in which each trainee may have own students."""

import base64
import csv
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.errors import ClassAccountsRefused
from accounts.models import LoginMethod, User
from accounts.services.class_accounts import Trainee, class_accounts_create
from accounts.services.login import login_record
from attendance.models import Session
from conftest import ApiClient
from core.sheets.write import sheet_write
from demo import products
from dormitory.models import Room, Stay
from permissions.models import DataScope, Role
from shop.models import Category, Product
from shop.tests.factories import make_product
from students.invented import practice_add
from students.models import Student
from students.tests.factories import FIELDS
from tests.kit import at_once, meanwhile
from tests.test_data_scope import PICTURE

pytestmark = pytest.mark.django_db
PAGE = "/admin/classroom/"
LESSON = f"{PAGE}H5/"


def add(office, **fields):
    return office.post(PAGE, {"class_name": "H51901", "role": "200"} | fields, follow=True)


def do(office, what, **fields):
    return office.post(PAGE, {"do": what, "class_name": "H51901"} | fields, follow=True)


def test_forty_accounts_and_their_slips_in_one_step(office, api):
    names = "\n".join(["＝1+1", *(f"学员{n:02}" for n in range(1, 40))])

    page = add(office, names=names, role="102").text

    passwords = re.findall(r"<dt>密码</dt><dd class=\"code\">([^<]+)</dd>", page)
    assert len(passwords) == page.count('class="slip"') == 40
    assert page.count("http://testserver/docs/") == 40 and "data:image/svg+xml" in page
    body = api.post("/users/login", {"username": "h51901-40", "password": passwords[-1]}).json()
    assert (body["userInfo"]["nickname"], body["userInfo"]["roleid"]) == ("学员39", "102")
    table = base64.b64decode(re.search(r"data:text/csv;base64,([^\"]+)", page)[1]).decode("utf-8-sig")
    assert f"学员39,,h51901-40,{passwords[-1]}" in table and "'＝1+1,,h51901-01" in table  # no formula


TABLE = ["序号", "学号", "姓名"], [[1, "2026001", "谭鹏"], [2, "2026002", "王欣怡"]]
FILES = {
    **{name: "谭鹏,2026001\n王欣怡,2026002".encode(name) for name in ("utf-8", "utf-8-sig", "gb18030")},
    "as typed": "谭鹏 2026001\n\n王欣怡，2026002\n".encode(),
    **{kind: sheet_write(kind, *TABLE) for kind in ("xlsx", "csv")},
    "below a title": sheet_write("xlsx", ["2026 秋季前端班"], [[], ["序号", "学 号", "姓  名"], *TABLE[1]]),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_takes_names_from_a_file_as_schools_have_them(office, content):
    add(office, file=SimpleUploadedFile("names", content))

    made = User.objects.exclude(class_name="").values_list("username", "nickname")
    assert sorted(made) == [("2026001", "谭鹏"), ("2026002", "王欣怡")]


def test_takes_the_students_of_a_class_and_resets_and_deletes_it_after_asking(office):
    Student.objects.create(sid="A1", name="谭鹏", age=21, class_name="H51901")
    Student.objects.create(sid="A2", name="别班", age=21, class_name="H51902")
    Student.objects.create(sid="A3", name="走了", age=21, class_name="H51901", state="withdrawn")

    slips = add(office, students_of="H51901", class_name="")

    user = User.objects.exclude(class_name="").get()
    assert (user.nickname, user.username) == ("谭鹏", "a1")
    question = do(office, "reset").text
    assert "重设 H51901 全班的密码" in question and User.objects.get(pk=user.pk).password == user.password
    again = do(office, "reset", sure="1")
    assert User.objects.get(pk=user.pk).password != user.password
    for page in (slips, again):
        assert [(slip.number, slip.username) for slip in page.context["slips"]] == [("A1", "a1")]

    do(office, "delete", sure="1")
    assert not User.objects.filter(pk=user.pk).exists()
    add(office, names="谭鹏")  # has an account without the number then
    assert "已经有这些人的账号：谭鹏" in add(office, students_of="H51901").text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "三者选一"),
        ({"names": "a", "students_of": "H51901"}, "三者选一"),
        ({"names": "谭鹏", "class_name": ""}, "请填写班级"),
        ({"names": "谭鹏", "role": "1"}, "选择一个有效的选项"),
        ({"names": "谭鹏 root"}, "用户名已存在：root"),
        ({"file": SimpleUploadedFile("a.xlsx", b"PK\x03\x04")}, "无法读取"),
        ({"file": SimpleUploadedFile("a.csv", "姓名,班级\n\n谭鹏 1 2,H1".encode())}, "第 3 行不对"),
    ],
)
def test_says_what_is_wrong_and_makes_no_account(office, fields, reason):
    Student.objects.create(sid="A1", name="谭鹏", age=21, class_name="H51901")

    page = add(office, **fields).text

    assert reason in page
    assert User.objects.count() == 1


def test_a_class_may_only_read_until_the_time_that_the_page_shows(office, api):
    [slip] = add(office, names="谭鹏", role="103").context["slips"]
    token = api.post("/users/login", {"username": slip.username, "password": slip.password}).json()["token"]

    def codes():
        headers = {"authorization": token}
        return [api.get(f"/students/{call}", headers=headers).json().get("code") for call in ("getstulist", "delstu")]

    page = do(office, "read_only", minutes="45").text
    assert codes() == [None, "10026"]
    ends = timezone.localtime() + timedelta(minutes=45)
    assert f"至 {ends:%H:%M}" in page or f"至 {ends - timedelta(minutes=1):%H:%M}" in page

    for minutes in ("0", "x"):
        do(office, "read_only", minutes=minutes)
        assert codes() == [None, None]


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_class(roles):
    def click():
        return class_accounts_create(class_name="H51901", trainees=[Trainee(f"学员{n}") for n in range(20)])

    outcomes = at_once([click, click], refusals=(ClassAccountsRefused,))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ClassAccountsRefused", "list"]
    assert User.objects.count() == 20


def test_puts_the_demo_back_and_clears_the_shop_only_if_asked(office, api, lbw, monkeypatch):
    monkeypatch.setattr("demo.school.DAYS", 1)  # most of the demo's rows
    monkeypatch.setattr("demo.orders.STORIES", [])  # most of the demo's time
    monkeypatch.setattr("demo.school.IN_BEDS", 0)
    for name in ("PRODUCTS", "TIMES"):  # each picture is decoded
        monkeypatch.setattr(f"demo.products.{name}", getattr(products, name)[:1])
    User.objects.filter(pk=lbw.user.pk).update(is_active=False)
    add(office, names="谭鹏")
    mine, theirs = make_product("我的商品", stock=3), make_product("他的商品")
    Product.objects.filter(pk=theirs.pk).update(created_by=User.objects.get(class_name="H51901"))

    for what, gone in (("demo", set()), ("demo_shop", {"他的商品"})):
        do(office, what, sure="1")

        assert set(Product.objects.exclude(removed_at=None).values_list("name", flat=True)) == gone
    assert api.post("/users/login", {"username": "lbw", "password": "555"}).json()["state"] is True
    mine.refresh_from_db()
    assert mine.stock == 3 and Product.objects.filter(name="折叠自行车").exists()


@pytest.fixture
def trainees(office, api):
    """Make a class of two, each with three practice students and sight of these alone; log both in."""
    made = {"class_name": "H5", "role": "102", "scope": "own", "practice": "3", "names": "李雷\n韩梅梅"}
    clients = []
    for slip in office.post(PAGE, made, follow=True).context["slips"]:
        login = {"username": slip.username, "password": slip.password}
        token = api.post("/users/login", login).json()["token"]
        clients.append(ApiClient(token, User.objects.get(username=slip.username)))
    return clients


def table(office):
    text = office.get(f"{LESSON}?format=csv").content.decode("utf-8-sig")
    head, *rows = csv.reader(StringIO(text))
    return sorted((dict(zip(head, row, strict=True)) for row in rows), key=lambda row: row["用户名"])


def test_each_trainee_has_a_school_of_his_own_and_a_second_class_of_the_role_too(office, trainees, roles):
    li, han = trainees

    li.post("/students/addstu", FIELDS | {"name": "李雷的学员"})
    office.post(PAGE, {"class_name": "H6", "role": "102-own", "names": "王五"})

    assert [who.get("/students/getstulist").json()["total"] for who in (li, han)] == [4, 3]
    role = li.user.role
    assert (role.roleid, role.data_scope, role.rows) == ("102-own", DataScope.OWN, roles["102"].rows)
    assert set(role.permissions.all()) == set(roles["102"].permissions.all())
    assert Role.objects.get(roleid="102").data_scope == DataScope.ALL
    assert User.objects.get(class_name="H6").role == role


def test_the_page_and_the_file_tell_what_each_trainee_did(office, trainees):
    li, _ = trainees
    li.post("/students/addstu", FIELDS)
    li.get("/students/delstu?sId=WWLN00000000")
    li.get("/students/delstu")
    li.get("/students/delstu")
    for switch in ({"answer": "500", "calls": ["/verify"]}, {"off": True}):
        li.post("/sandbox/control/calls", switch)
        li.get("/verify")  # the first is refused by the switch, which is not the trainee's fault

    mine, others = table(office)

    assert (mine["调用"], mine["被拒绝"], mine["学员"], mine["订单"]) == ("7", "3", "1", "0")
    assert (mine["最近一次被拒绝"], mine["状态"]) == ("/students/delstu 0 没有传递sId", "正常")
    assert (mine["登入"], mine["新增"], mine["删除"], mine["完成"]) == ("1", "1", "0", "2")
    assert mine["上次登录"] and mine["最近一次调用"]
    assert (others["学员"], others["调用"], others["完成"]) == ("0", "1", "1")  # the login
    page = office.get(LESSON).text
    assert "没有传递sId" in page and "—</td>" in page and not re.search("<td[^>]*></td>", page)
    assert office.get(LESSON, {"format": "rows"}).text.strip() in page.replace("&#x27;", "'")


def test_who_is_stuck_comes_first_with_the_last_refusal_and_its_hint(office, trainees, settings, monkeypatch):
    settings.HINTS = True
    _, han = trainees
    now = timezone.now()
    monkeypatch.setattr("core.times.now", lambda: now + timedelta(minutes=7))
    han.get("/students/delstu", **{"class": "undefined"})
    han.get("/api/students/getstulist")
    monkeypatch.setattr("core.times.now", lambda: now + timedelta(minutes=8))

    rows = list(csv.DictReader(StringIO(office.get(f"{LESSON}?format=csv").content.decode("utf-8-sig"))))

    assert [row["姓名"] for row in rows] == ["韩梅梅", "李雷"]
    assert rows[0]["最近一次被拒绝"] == "/api/students/getstulist 404 接口地址错误"
    assert "rewrite" in rows[0]["提示"] and rows[0]["状态"] == "8 分钟没有成功"


def test_a_scan_counts_for_its_account_and_for_no_namesake(office, trainees, person):
    scan = partial(login_record, ip="", method=LoginMethod.WECHAT, now=timezone.now())
    scan(user=trainees[0].user)
    scan(user=person("namesake", nickname="韩梅梅").user)
    login_record(user=trainees[1].user, ip="", now=timezone.now())

    assert [row["扫码"] for row in table(office)] == ["1", "0"]


def test_the_name_of_the_file_is_in_the_schools_time(office, trainees, monkeypatch):
    monkeypatch.setattr("core.times.now", lambda: datetime(2026, 11, 29, 18, 23, tzinfo=UTC))

    assert 'filename="H5-20261130-0223.csv"' in office.get(LESSON, {"format": "csv"})["Content-Disposition"]


def test_a_class_whose_practice_students_fail_leaves_no_account(office, monkeypatch):
    def practice_add(**_):
        assert User.objects.exclude(class_name="").count() == 2
        raise OSError

    monkeypatch.setattr("lessons.services.practice_add", practice_add)

    with pytest.raises(OSError):
        add(office, names="谭鹏\n李雷", practice="3")

    assert not User.objects.exclude(class_name="").exists()


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_renew_the_practice_students_once(person, monkeypatch):
    pks, now = [person("li").user.pk], timezone.now()
    late = meanwhile(
        monkeypatch, "students.invented.students_create", lambda: practice_add(user_pks=pks, number=3, now=now)
    )

    practice_add(user_pks=pks, number=3, now=now)
    late()

    assert Student.objects.filter(created_by__in=pks).count() == 3


@pytest.mark.parametrize("whom", ["all", "one"])
@pytest.mark.parametrize("what", ["keep", "renew"])
def test_what_they_entered_is_cleared_and_nothing_else(office, trainees, person, whom, what):
    li, han = trainees
    before = set(Student.objects.values_list("sid", flat=True))
    li.post("/students/addstu", FIELDS)
    category = li.post("/category/addCategory", {"categoryName": "茶"}).json()["category_id"]
    product = {"category_id": category, "productName": "绿茶", "price": "1", "inventory": "5", "imageUrl": PICTURE}
    li.post("/product/add_product", product | {"description": "说明"})
    Student.objects.create(name="赵六", age=20, class_name="H1", city="x", degree="y")
    for one in (li, han, person("teacher", "102")):
        room = one.post("/dorm/addRoom", {"building": "1", "room": "101", "beds": 4}).json()["room_id"]
        student = Student.objects.filter(created_by=one.user).first()
        if student:
            assert one.post("/dorm/checkIn", {"sId": student.sid, "room_id": room}).json()["state"]
        assert one.post("/attendance/open", {"class": student.class_name if student else "H1"}).json()["state"]
    form = {"do": f"{what} {'all' if whom == 'all' else li.user.pk}"}
    number, practice = (2, 6) if whom == "all" else (1, 3)

    question = office.post(LESSON, form).text
    gone = f"{1 + (practice if what == 'renew' else 0)} 名学员、2 个商品和类目、{number} 场考勤、{number} 间宿舍"
    assert gone in question and "不能恢复" in question and Student.objects.count() == 8
    done = office.post(LESSON, form | {"sure": "1"}, follow=True).text
    assert f"已清空 {gone}" in done
    assert [model.objects.count() for model in (Room, Stay, Session)] == [3 - number, 2 - number, 3 - number]

    assert Student.objects.count() == 7
    kept = len(before & set(Student.objects.values_list("sid", flat=True)))
    assert kept == (6 if what == "keep" else 0 if whom == "all" else 3)
    assert not Product.objects.filter(removed_at=None).exists()
    assert not Category.objects.filter(removed_at=None).exists()
