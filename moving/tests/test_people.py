"""Users, roles, logins and students after the move, as their clients find them."""

import csv
import json

import pytest
from bson import ObjectId
from django.utils import timezone

from accounts.models import LoginLog, User
from accounts.services.scan_login import user_of
from accounts.wechat import WechatProfile
from permissions.models import Role
from students.models import Student
from weather.models import WeatherRecord

USER = {"unid": "5d1c0b7e-3f0a-4f5e-9c55-1d0a7c0f2b11", "username": "cxk", "password": "555", "roleid": "102"}
STUDENT = {
    "sId": "WWLN97178546", "name": "谭鹏", "age": "21", "class": "H51901", "city": "重庆", "degree": "专科",
    "productUrl": "地址", "description": "O(∩_∩)O哈哈~", "cTime": "2019/05/09 02:14:12", "headimgurl": "",
}  # fmt: skip


def user(**fields):
    return {"_id": ObjectId()} | USER | fields


def student(**fields):
    return {"_id": ObjectId()} | STUDENT | fields


def log_in(api, username, password):
    return api.post("/users/login", {"username": username, "password": password}).json()


def reasons(move):
    lines = (move.folder / "documents.jsonl").read_text("utf-8").splitlines()
    return [reason for line in lines for reason, _ in json.loads(line)["reasons"]]


def weak(move):
    with (move.folder / "weak-passwords.csv").open(encoding="utf-8-sig") as file:
        return list(csv.reader(file))[1:]


# --- Users -------------------------------------------------------------------------------------------


def test_a_user_logs_in_as_before_and_is_who_he_was(move, api):
    move({"users": [user(nickname="蔡", phone=13800000000, sex=1, vipLevel=2, vipStamp=4070908800000, status="1")]})

    answer = log_in(api, "cxk", "555")

    assert answer["msg"] == "登入成功"
    info = answer["userInfo"]
    assert (info["unid"], info["roleid"], info["phone"], info["sex"]) == (USER["unid"], "102", "13800000000", "1")
    assert (info["vipLevel"], info["vipStamp"]) == (2, 4070908800000)
    assert log_in(api, "cxk", "556")["state"] is False


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"vipLevel": 2}, None),
        ({"vipLevel": 2, "vipStamp": 0, "vipExpires": ""}, None),
        ({"vipLevel": 2, "vipStamp": 1684900000}, "会员的到期时间无法使用，记为没有到期时间，请在后台核对"),  # seconds
        ({"vipLevel": 2, "vipExpires": "永久"}, "会员的到期时间无法使用，记为没有到期时间，请在后台核对"),
        ({"vipLevel": "金卡"}, "vipLevel 不是 0 到 99 的整数"),
        ({"vipLevel": 1.5, "vipStamp": "x"}, "vipLevel 不是 0 到 99 的整数"),
    ],
)
def test_vip_time_that_cannot_be_read_is_told(move, api, fields, fix):
    move({"users": [user(**fields)]})

    info = log_in(api, "cxk", "555")["userInfo"]
    assert (info["vipLevel"], info["vipExpires"]) == (2 if fields["vipLevel"] == 2 else 0, "")
    assert reasons(move) == ([fix] if fix else [])


@pytest.mark.parametrize(
    ("username", "name", "fix"),
    [
        ("蔡\x00徐\ud83d坤", "蔡徐坤", "username 含有无法保存的字符，已去掉"),
        ("蔡\ufffd坤", "蔡\ufffd坤", "username 的编码不是 UTF-8，看不懂的字节记为 \ufffd"),
    ],
)
def test_a_name_that_does_not_come_as_it_was_is_told(move, api, username, name, fix):
    move({"users": [user(username=username, nickname="")]})

    assert log_in(api, name, "555")["userInfo"]["nickname"] == name
    assert reasons(move) == [fix]


@pytest.mark.parametrize("openid", ["", "o-1"])
def test_a_password_that_nobody_can_type_is_told(move, openid):
    move({"users": [user(password="密\ufffd码", openid=openid)]})

    assert not User.objects.get().has_usable_password()
    assert reasons(move) == ["password 含有无法保存的字符，不带入：由老师设置密码"]


@pytest.mark.parametrize("password", ["123456", 123456, " a b ", "密码🔑", "x" * 200])
def test_any_password_works_as_before(move, api, password):
    move({"users": [user(password=password)]})

    assert log_in(api, "cxk", str(password))["state"] is True


def test_passwords_are_kept_as_hashes_and_weak_ones_are_listed_for_staff(move, settings):
    settings.PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher"]

    move({"users": [user(), user(username="=cmd()", unid="2"), user(username="fine", unid="3", password="T7-kap-umo")]})

    assert all(user.password.startswith("argon2$argon2id$") for user in User.objects.all())
    listed = weak(move)
    assert [row[0] for row in listed] == ["cxk", "'=cmd()"]
    assert "8 个字符" in listed[0][3]


def test_a_role_that_may_do_everything_needs_a_longer_password_and_does_not_open_the_back_office(move):
    move({"users": [user(username="boss", roleid="1", password="T7-kap-umo")]})

    assert "12 个字符" in weak(move)[0][3]
    assert User.objects.get().is_staff is False


def test_nobody_becomes_root_by_a_weak_password(move, api):
    move({"users": [user(roleid="1", password="123")]})

    assert log_in(api, "cxk", "123")["state"] is False
    assert "超级管理员的密码不符合要求，不带入：由这里的 root 设置后才能登入" in reasons(move)


@pytest.mark.parametrize(
    ("password", "fix"),
    [
        ("", "没有密码，也没有微信：由老师设置密码后才能登入"),
        (None, "没有密码，也没有微信：由老师设置密码后才能登入"),
        (["555"], "没有密码，也没有微信：由老师设置密码后才能登入"),
        ("\x00", "password 含有无法保存的字符，不带入：由老师设置密码"),
    ],
)
def test_without_a_password_nobody_gets_in(move, api, password, fix):
    move({"users": [user(password=password)]})

    assert reasons(move) == [fix]
    for password in ("", " ", "None", "['555']", "!"):
        assert log_in(api, "cxk", password)["state"] is False


def test_a_disabled_user_stays_out(move, api):
    move({"users": [user(status="0")]})

    assert log_in(api, "cxk", "555")["state"] is False


def test_an_openid_finds_its_user(move, settings):
    move({"users": [user(openid="o-1", unionid="")]})

    profile = WechatProfile(settings.WECHAT_APP_ID, "o-1", "", "新昵称", "", "", "", "", "")
    assert user_of(profile).unid == USER["unid"]


def test_what_belongs_to_one_user_stays_with_the_first(move, api):
    move({"users": [
        user(openid="o-1", unionid="u-1"),
        user(unid="2", openid="o-1", unionid="u-1", password="second"),
        user(unid=USER["unid"], username="other"),
    ]})  # fmt: skip

    first, second = User.objects.order_by("pk")
    assert (first.username, first.openid, first.unionid) == ("cxk", "o-1", "u-1")
    assert (second.username, second.openid, second.unionid) == ("cxk-2", "", None)
    assert log_in(api, "cxk", "555")["state"] is log_in(api, "cxk-2", "second")["state"] is True
    assert sorted(reasons(move)) == [
        "openid 已属于另一个用户，不带入", "unionid 已属于另一个用户，不带入", "与前面的文档重复：unid 相同",
        "用户名已被占用，改名",
    ]  # fmt: skip


def test_a_name_that_was_taken_here_meanwhile_is_not_taken_over(move, person, api):
    person("cxk", password="mine-here")

    move({"users": [user()]})

    assert log_in(api, "cxk", "mine-here")["state"] is True
    assert log_in(api, "cxk-2", "555")["userInfo"]["unid"] == USER["unid"]


def test_root_is_the_root_of_here_with_its_password_and_the_old_number(move, root, api):
    move({"users": [user(username="root", unid="old-root", password="root", roleid="1", openid="o-root")]})

    assert log_in(api, "root", "root")["state"] is False
    assert log_in(api, "root", "a-password")["userInfo"]["unid"] == "old-root"
    assert User.objects.get().openid == "o-root"
    before = list(User.objects.values())
    move({"users": [user(username="root", unid="old-root", password="root", roleid="1")]})
    assert list(User.objects.values("unid", "password")) == [{name: before[0][name] for name in ("unid", "password")}]


@pytest.mark.parametrize(
    ("fields", "roleid", "fix"),
    [
        ({"roleid": None, "roles": "103"}, "103", None),
        ({"roleid": None, "roles": ["102"]}, "102", None),
        ({"roleid": 102}, "102", None),
        ({"roleid": None}, "200", None),
        ({"roleid": "77"}, "200", "角色不存在，改为 200"),
    ],
)
def test_the_role_of_every_version_of_a_document(move, fields, roleid, fix):
    move({"users": [user(**fields)]})

    assert User.objects.get().role.roleid == roleid
    assert (fix in reasons(move)) is bool(fix)


# --- Roles, logins -----------------------------------------------------------------------------------


def role(roleid, **fields):
    return {"_id": ObjectId(), "roleid": roleid, "roleName": "班主任", "menuList": [{"name": "学员管理"}],
            "rows": ["/students/getstulist"], "buttons": ["read"]} | fields  # fmt: skip


def test_a_role_of_the_school_comes_with_its_menu_and_rights(move, api):
    move({"permissions": [role("301")], "users": [user(roleid="301")]})

    answer = log_in(api, "cxk", "555")
    api.token = answer["token"]
    assert answer["permission"] == {"buttons": ["read"]}
    menu = api.get("/permission/getMenuList").json()
    assert (menu["roleName"], menu["menuList"]) == ("班主任", [{"name": "管理首页"}, {"name": "学员管理"}])
    assert api.get("/students/getstulist").json()["state"] is True
    assert api.get("/getloginlog").json()["state"] is False


def test_a_seeded_role_becomes_the_schools_unless_it_was_changed_here_and_root_stays(move, roles):
    Role.objects.filter(roleid="103").update(name="改过的")

    move({"permissions": [role("1"), role("102"), role("103")]})

    assert dict(Role.objects.values_list("roleid", "name")) == {
        "1": "王者管理员", "102": "班主任", "103": "改过的", "200": "员工"
    }  # fmt: skip


def test_the_login_log_goes_on(move, api):
    at = {"loginTime": "2019/05/13 20:36:43", "ip": "::ffff:10.0.0.1"}
    log = {"_id": ObjectId(), "username": "cxk", "lastLogin": {"loginTime": "", "ip": ""}, "nowLogin": at}
    move({"users": [user()], "logs": [log, {"_id": ObjectId(), "username": "cxk", "nowLogin": "gestern"}]})

    api.token = log_in(api, "cxk", "555")["token"]

    newest, before = api.get("/getloginlog").json()["data"]
    assert newest["lastLogin"] == before["nowLogin"] == {"loginTime": "2019/05/13 20:36:43", "ip": "10.0.0.1"}
    assert reasons(move) == ["没有登入时间"]
    assert LoginLog.objects.exclude(user=None).count() == 2


def test_what_a_login_loses_is_told(move):
    at = {"loginTime": "2019/05/13 20:36:43", "ip": "1" * 46}
    move({"logs": [{"_id": ObjectId(), "username": "cxk", "nowLogin": at | {"ip": ["x"]}, "lastLogin": at}]})

    login = LoginLog.objects.get()
    assert (login.ip, login.last_ip) == ("", "1" * 45)
    assert reasons(move) == ["ip 不是文本，留空", "ip 超过 45 个字，截短"]


def test_what_a_weather_record_loses_is_told(move):
    day = {"city": "南京", "date": "2020-05-01", "update_tim": "08:00", "tem": {"day": 20}, "wea": "晴\x00"}
    move({"weather": [{"_id": ObjectId(), "alarm": "无", "aqi": ["50"]} | day]})

    record = WeatherRecord.objects.get()
    assert (record.wea, record.tem, record.aqi["air"], record.alarm["alarm_type"]) == ("晴", "", "", "")
    assert sorted(reasons(move)) == [
        "alarm 不是对象，留空", "aqi 不是对象，留空", "tem 不是文本，留空", "wea 含有无法保存的字符，已去掉",
    ]  # fmt: skip


# --- Students ----------------------------------------------------------------------------------------


def test_a_student_is_found_as_before(move, lbw):
    move({"students": [student()]})

    [found] = lbw.get("/students/getstulist", **{"class": "H51901"}).json()["data"]

    assert {name: found[name] for name in STUDENT} == STUDENT
    assert lbw.get("/students/getclasses").json()["data"] == ["H51901"]
    assert lbw.get("/students/searchstu", key="谭").json()["total"] == 1


def test_new_students_come_after_the_old_ones(move, lbw):
    move({"students": [student(), student(sId="ABCD00000001", name="王二")]})

    lbw.post(
        "/students/addstu", {key: STUDENT[key] for key in STUDENT if key not in ("sId", "cTime")} | {"name": "新来"}
    )

    rows = lbw.get("/students/getstulist").json()["data"]
    assert [row["name"] for row in rows] == ["新来", "王二", "谭鹏"]
    assert len({row["sId"] for row in rows}) == 3


@pytest.mark.parametrize(
    ("fields", "expected", "fix"),
    [
        ({"age": 21.0}, {"age": "21"}, None),
        ({"age": "21岁"}, {"age": "21"}, "age 不是数字，取其中的数字"),
        ({"age": "２１"}, {"age": "21"}, None),
        ({"city": " "}, {"city": "未填写"}, "city 是空的，记为“未填写”"),
        ({"degree": None}, {"degree": "未填写"}, "degree 是空的，记为“未填写”"),
        ({"name": "半\ud83d个\x00"}, {"name": "半个"}, "name 含有无法保存的字符，已去掉"),
        ({"name": 123}, {"name": "123"}, None),
        ({"description": "长" * 2001}, {"description": "长" * 2000}, "description 超过 2000 个字，截短"),
        ({"productUrl": "JaVaScript:x"}, {"productUrl": "未填写"}, "productUrl 会被浏览器当作脚本运行，记为“未填写”"),
        ({"cTime": "x", "_id": ObjectId("5cd3c534e1e75b0ea034cf83")}, {"cTime": "2019/05/09 14:14:12"},
         "没有可用的创建时间，取 _id 中的时间"),
        ({"headimgurl": "https://wx.qlogo.cn/a/1"}, {"headimgurl": "https://wx.qlogo.cn/a/1"}, None),
        ({"headimgurl": " JavaScript:x"}, {"headimgurl": ""}, "headimgurl 会被浏览器当作脚本运行，留空"),
    ],
)  # fmt: skip
def test_how_a_student_is_mended(move, lbw, fields, expected, fix):
    move({"students": [student(**fields)]})

    [found] = lbw.get("/students/getstulist").json()["data"]
    assert {name: found[name] for name in expected} == expected
    assert reasons(move) == ([fix] if fix else [])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"age": "不详"}, "年龄不是 1 到 150 之间的数字"),
        ({"age": 999}, "年龄不是 1 到 150 之间的数字"),
        ({"age": True}, "年龄不是 1 到 150 之间的数字"),
        ({"name": ""}, "没有姓名"),
        ({"class": None}, "没有班级"),
    ],
)
def test_what_makes_no_student(move, fields, reason):
    move({"students": [student(**fields)]})

    assert not Student.objects.exists()
    assert reasons(move) == [reason]


def test_a_number_belongs_to_who_had_it_first(move):
    move({"students": [student(), student(), student(name="王二"), student(sId=""), student(sId="longer-than-any")]})

    assert Student.objects.filter(sid=STUDENT["sId"]).get().name == "谭鹏"
    assert Student.objects.count() == 4
    assert reasons(move) == [
        "与前面的文档重复：学号、班级、姓名都相同", "学号已属于前面的学员，分配新学号",
        "没有可用的学号，分配新学号", "没有可用的学号，分配新学号",
    ]  # fmt: skip


def test_a_student_who_is_here_already_stays_as_he_is(move):
    Student.objects.create(
        sid=STUDENT["sId"], name="谭鹏", age=33, class_name="H51901", city="上海", degree="本科", product_url="x",
        description="x", created_at=timezone.now(),
    )  # fmt: skip

    move({"students": [student()]})

    assert Student.objects.get().city == "上海"


def logins_by_message():
    return dict(User.objects.exclude(phone="").order_by("pk").values_list("username", "is_phone_bound"))


def test_a_number_that_several_users_share_is_a_login_of_none(move, person):
    person("here", phone="13800000009", is_phone_bound=True)
    shared = "手机号与另一个用户相同，不能用它短信登录"

    people = [
        user(unid=f"u{n}", username=f"user{n}", phone=phone)
        for n, phone in enumerate(["13800000001", "13800000002", "13800000001", "0258321", "13800000009"])
    ]
    move({"users": [*people, user(unid="root1", username="old-root", roleid="1", phone="13800000005")]})

    assert logins_by_message() == {
        "here": True, "user0": False, "user1": True, "user2": False, "user3": False, "user4": False, "old-root": False,
    }  # fmt: skip
    assert reasons(move).count(shared) == 2
    details = (move.folder / "documents.jsonl").read_text("utf-8")
    assert "13800000001 user0" in details and "13800000009 here" in details


def test_a_number_that_comes_again_in_a_later_run_ends_the_earlier_login(move):
    first, second = user(unid="u1", username="a", phone="13800000001"), user(unid="u2", username="b", phone=13800000001)
    move({"users": [first]})
    assert logins_by_message() == {"a": True}

    move({"users": [first, second]})

    assert logins_by_message() == {"a": False, "b": False}
    User.objects.filter(username="a").update(is_phone_bound=True)  # by root, who has read the report
    move({"users": [first, second]})
    assert logins_by_message() == {"a": True, "b": False}
