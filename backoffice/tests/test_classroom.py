"""The classroom page and its command."""

import base64
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.services.class_accounts import Trainee, class_accounts_create
from shop.models import Product
from shop.tests.factories import make_product
from students.models import Student
from tests.kit import at_once, logged_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/classroom/"


def add(office, **fields):
    return office.post(PAGE, {"class_name": "H51901", "role": "200"} | fields)


def test_forty_accounts_and_their_slips_in_one_step(office, api):
    names = "\n".join(["＝1+1", *(f"学员{n:02}" for n in range(1, 40))])

    page = add(office, names=names, role="102").content.decode()

    passwords = re.findall(r"<dt>密码</dt><dd class=\"code\">([^<]+)</dd>", page)
    assert len(passwords) == page.count('class="slip"') == 40
    assert page.count("http://testserver/docs/") == 40 and "data:image/svg+xml" in page
    body = api.post("/users/login", {"username": "h51901-40", "password": passwords[-1]}).json()
    assert (body["userInfo"]["nickname"], body["userInfo"]["roleid"]) == ("学员39", "102")
    table = base64.b64decode(re.search(r"data:text/csv;base64,([^\"]+)", page)[1]).decode("utf-8-sig")
    assert f"学员39,,h51901-40,{passwords[-1]}" in table and "'＝1+1,,h51901-01" in table  # no formula


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_takes_names_from_a_file_in_each_usual_encoding(office, encoding):
    file = SimpleUploadedFile("names.csv", "谭鹏,2026001\n王欣怡,2026002".encode(encoding))

    add(office, file=file)

    assert sorted(User.objects.exclude(class_name="").values_list("username", "nickname")) == [
        ("2026001", "谭鹏"),
        ("2026002", "王欣怡"),
    ]


def test_takes_the_students_of_a_class_and_resets_and_deletes_it_after_asking(office):
    Student.objects.create(sid="A1", name="谭鹏", age=21, class_name="H51901")
    Student.objects.create(sid="A2", name="别班", age=21, class_name="H51902")

    slips = add(office, students_of="H51901")

    user = User.objects.exclude(class_name="").get()
    assert (user.nickname, user.username) == ("谭鹏", "a1")
    asked = office.post(PAGE, {"do": "reset", "class_name": "H51901"}).content.decode()
    assert "重设 H51901 全班的密码" in asked and User.objects.get(pk=user.pk).password == user.password
    again = office.post(PAGE, {"do": "reset", "class_name": "H51901", "sure": "1"})
    assert User.objects.get(pk=user.pk).password != user.password
    for page in (slips, again):
        assert [(slip.number, slip.username) for slip in page.context["slips"]] == [("A1", "a1")]

    office.post(PAGE, {"do": "delete", "class_name": "H51901", "sure": "1"})
    assert not User.objects.filter(pk=user.pk).exists()
    add(office, names="谭鹏")  # has an account without the number then
    assert "已经有这些人的账号：谭鹏" in add(office, students_of="H51901").content.decode()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "三者选一"),
        ({"names": "a", "students_of": "H51901"}, "三者选一"),
        ({"names": "谭鹏", "role": "1"}, "选择一个有效的选项"),
        ({"names": "谭鹏 root"}, "用户名已存在：root"),
    ],
)
def test_says_what_is_wrong_and_makes_nobody(office, fields, reason):
    Student.objects.create(sid="A1", name="谭鹏", age=21, class_name="H51901")

    page = add(office, **fields).content.decode()

    assert reason in page
    assert User.objects.count() == 1


def test_a_class_may_only_read_until_the_time_that_the_page_shows(office, api):
    [slip] = add(office, names="谭鹏", role="103").context["slips"]
    token = api.post("/users/login", {"username": slip.username, "password": slip.password}).json()["token"]

    def codes():
        headers = {"authorization": token}
        return [api.get(f"/students/{call}", headers=headers).json().get("code") for call in ("getstulist", "delstu")]

    page = office.post(PAGE, {"do": "read_only", "class_name": "H51901", "minutes": "45"}, follow=True).content.decode()
    assert codes() == [None, "10026"]
    ends = timezone.localtime() + timedelta(minutes=45)
    assert f"至 {ends:%H:%M}" in page or f"至 {ends - timedelta(minutes=1):%H:%M}" in page

    for minutes in ("0", "x"):
        office.post(PAGE, {"do": "read_only", "class_name": "H51901", "minutes": minutes})
        assert codes() == [None, None]


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_make_one_class(roles):
    def click():
        return class_accounts_create(class_name="H51901", trainees=[Trainee(f"学员{n}") for n in range(20)])

    made = at_once([click, click], refusals=(ClassAccountsRefused,))

    assert sorted(type(outcome).__name__ for outcome in made) == ["ClassAccountsRefused", "list"]
    assert User.objects.count() == 20


def test_puts_the_demo_back_and_clears_the_shop_only_if_asked(office, api):
    call_command("seed_demo")
    User.objects.filter(username="lbw").update(is_active=False)
    mine = make_product("我的商品", stock=3)

    office.post(PAGE, {"do": "demo", "sure": "1"})

    assert api.post("/users/login", {"username": "lbw", "password": "555"}).json()["state"] is True
    mine.refresh_from_db()
    assert (mine.stock, mine.removed_at) == (3, None)

    office.post(PAGE, {"do": "demo_shop", "sure": "1"})

    mine.refresh_from_db()
    assert mine.removed_at and Product.objects.get(name="折叠自行车").removed_at is None


def test_only_root_opens_the_page(person):
    director = logged_in(person("director", "102", is_staff=True).user)

    assert director.get(PAGE).status_code == 403
    assert director.post(PAGE, {"do": "demo", "sure": "1"}).status_code == 403
    assert Client().get(PAGE).status_code == 302


class TestCommand:
    def test_makes_accounts_from_a_file(self, roles, tmp_path, capsys):
        (tmp_path / "H51901.txt").write_text("谭鹏\n王欣怡 2026002", "utf-8")

        call_command("class_accounts", str(tmp_path / "H51901.txt"), "--role", "102", "--practice", "2")

        rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        assert [row[:3] for row in rows] == [["谭鹏", "", "h51901-01"], ["王欣怡", "2026002", "2026002"]]
        assert Student.objects.filter(created_by__username="2026002").count() == 2

        call_command("class_accounts", "--class", "H51901", "--reset")
        call_command("class_accounts", "--class", "H51901", "--delete")
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ([], "Name the class"),
            (["--class", "H51901"], "Name the list"),
            (["/nowhere.txt"], "cannot be read"),
            (["/dev/null", "--class", "H51901"], "名单是空的"),
        ],
    )
    def test_the_command_says_what_is_missing(self, roles, arguments, reason):
        with pytest.raises(CommandError, match=reason):
            call_command("class_accounts", *arguments)
