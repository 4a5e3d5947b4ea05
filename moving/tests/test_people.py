"""Users, roles, logins, weather and students after the move, as their clients find them."""

from bson import ObjectId

from accounts.models import LoginLog, User
from accounts.services.scan_login import user_find_or_create
from accounts.wechat import WechatProfile
from permissions.models import Role
from students.models import Student
from students.tests.factories import student as student_here
from weather.models import WeatherRecord

USER = {"unid": "5d1c0b7e-3f0a-4f5e-9c55-1d0a7c0f2b11", "username": "cxk", "password": "555", "roleid": "102"}
STUDENT = {
    "sId": "WWLN97178546", "name": "谭鹏", "age": "21", "class": "H51901", "city": "重庆", "degree": "专科",
    "productUrl": "地址", "description": "O(∩_∩)O哈哈~", "cTime": "2019/05/09 02:14:12", "headimgurl": "",
}  # fmt: skip
NO_PASSWORD = "没有密码，也没有微信：由老师设置密码后才能登入"
UNTYPABLE = "password 含有无法保存的字符，不带入：由老师设置密码"
NO_END = "会员的到期时间无法使用，记为没有到期时间，请在后台核对"
NO_LEVEL = "vipLevel 不是 0 到 99 之间的整数，记为 0"


def user(**fields):
    return {"_id": ObjectId()} | USER | fields


def student(**fields):
    return {"_id": ObjectId()} | STUDENT | fields


def role(roleid):
    return {"_id": ObjectId(), "roleid": roleid, "roleName": "班主任", "menuList": [{"name": "学员管理"}],
            "rows": [" /students/getstulist"], "buttons": ["read"]}  # fmt: skip


def log_in(api, username="cxk", password="555"):
    return api.post("/users/login", {"username": username, "password": password}).json()


# --- Users ---
def test_a_user_logs_in_as_before_and_is_who_he_was(move, api, settings):
    facts = {"phone": 13800000000, "sex": 1, "vipLevel": 2, "vipStamp": 4070908800000, "status": "1", "openid": "o-1"}
    move({"users": [user(**facts)]})

    info = log_in(api)["userInfo"]

    assert (info["unid"], info["roleid"], info["phone"], info["sex"]) == (USER["unid"], "102", "13800000000", "1")
    assert (info["vipLevel"], info["vipStamp"]) == (2, 4070908800000)
    assert log_in(api, password="556")["state"] is False
    profile = WechatProfile(settings.WECHAT_APP_ID, "o-1", "", "新昵称", "", "", "", "", "")
    assert user_find_or_create(profile).unid == USER["unid"]


USERS = [
    ({"vipLevel": 2}, {"vipLevel": 2, "vipExpires": ""}, None),
    ({"vipLevel": 2, "vipStamp": 0, "vipExpires": ""}, {"vipLevel": 2, "vipExpires": ""}, None),
    ({"vipLevel": 2, "vipStamp": 1684900000}, {"vipLevel": 2, "vipExpires": ""}, NO_END),  # seconds
    ({"vipLevel": 2, "vipExpires": "永久"}, {"vipLevel": 2, "vipExpires": ""}, NO_END),
    ({"vipLevel": "金卡"}, {"vipLevel": 0}, NO_LEVEL),
    ({"vipLevel": 1.5, "vipStamp": "x"}, {"vipLevel": 0}, NO_LEVEL),
    ({"roleid": None, "roles": "103"}, {"roleid": "103"}, None),
    ({"roleid": None, "roles": ["102"]}, {"roleid": "102"}, None),
    ({"roleid": 102.0}, {"roleid": "102"}, None),  # as JavaScript has numbers
    ({"roleid": None}, {"roleid": "200"}, None),
    ({"roleid": "77"}, {"roleid": "200"}, "角色不存在，改为 200"),
    ({"username": "蔡\x00徐\ud83d坤"}, {"nickname": "蔡徐坤"}, "username 含有无法保存或看不懂的字符"),
    ({"username": "蔡\ufffd坤"}, {"nickname": "蔡坤"}, "username 含有无法保存或看不懂的字符"),
]


def test_fields_of_users_that_do_not_fit_are_mended_and_named(move, api):
    documents = [
        user(**{"unid": f"u{at}", "username": f"user{at}"} | fields) for at, (fields, _, _) in enumerate(USERS)
    ]

    move({"users": documents})

    for at, (_, expected, _) in enumerate(USERS):
        info = log_in(api, expected.get("nickname", f"user{at}"))["userInfo"]
        assert {name: info[name] for name in expected} == expected
    assert sorted(move.reasons()) == sorted(fix for _, _, fix in USERS if fix)


def test_any_password_works_as_before(move, api):
    passwords = ["123456", 123456, " a b ", "密码🔑", "x" * 200]
    move({"users": [user(unid=f"u{at}", username=f"user{at}", password=one) for at, one in enumerate(passwords)]})

    for at, password in enumerate(passwords):
        assert log_in(api, f"user{at}", str(password))["state"] is True


NO_ENTRY = [
    ({"password": ""}, NO_PASSWORD),
    ({"password": None}, NO_PASSWORD),
    ({"password": ["555"]}, NO_PASSWORD),
    ({"password": "\x00"}, UNTYPABLE),
    ({"password": "密\ufffd码"}, UNTYPABLE),
    ({"password": "密\ufffd码", "openid": "o-1"}, UNTYPABLE),
    ({"password": "555", "status": "0"}, None),
    ({"password": "123", "roleid": "1"}, "超级管理员的密码不符合要求，不带入：由这里的 root 设置后才能登入"),
]


def test_who_gets_in_by_no_password(move, api):
    move({"users": [user(**{"unid": f"u{at}", "username": f"user{at}"} | one) for at, (one, _) in enumerate(NO_ENTRY)]})

    assert move.reasons() == [fix for _, fix in NO_ENTRY if fix]
    for at, (fields, fix) in enumerate(NO_ENTRY):
        for password in {str(fields["password"]), "", " ", "None", "!"}:
            assert log_in(api, f"user{at}", password)["state"] is False
        assert not fix or not User.objects.get(username=f"user{at}").has_usable_password()


def test_passwords_are_kept_as_hashes_and_weak_ones_are_listed_for_staff(move, settings):
    settings.PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher"]
    strong = {"password": "T7-kap-umo"}

    move({"users": [user(), user(username="=cmd()", unid="2"), user(username="fine", unid="3", **strong),
                    user(username="boss", unid="4", roleid="1", **strong)]})  # fmt: skip

    people = User.objects.exclude(username="boss")
    assert all(user.password.startswith("argon2$argon2id$") for user in people) and not people.filter(is_staff=True)
    weak = [(row["内容"], row["原因"]) for row in move.problems() if "密码不符合要求" in row["原因"]]
    for (content, reason), name, length in zip(weak, ("cxk", "=cmd()", "boss"), (8, 8, 12), strict=True):
        assert name in content and f"{length} 个字符" in reason  # a role that may do everything needs a longer one
    assert User.objects.get(username="boss").is_staff is False


def test_what_belongs_to_one_user_stays_with_the_first(move, api, person):
    person("taken", password="mine-here")

    move({"users": [
        user(openid="o-1", unionid="u-1"),
        user(unid="2", openid="o-1", unionid="u-1", password="second"),
        user(username="other"),
        user(unid="3", username="taken"),
    ]})  # fmt: skip

    first, second, third = User.objects.exclude(username="taken").order_by("pk")
    assert (first.username, first.openid, first.unionid) == ("cxk", "o-1", "u-1")
    assert (second.username, second.openid, second.unionid, third.username) == ("cxk-2", "", None, "taken-2")
    pairs = [("cxk", "555"), ("cxk-2", "second"), ("taken", "mine-here"), ("taken-2", "555")]
    assert all(log_in(api, *pair)["state"] for pair in pairs)
    assert sorted(move.reasons()) == sorted([
        "openid 已属于另一个用户，不带入", "unionid 已属于另一个用户，不带入", "与前面的文档重复：unid 相同",
        "名称已被占用，加上序号", "名称已被占用，加上序号",
    ])  # fmt: skip


def test_root_is_the_root_of_here_with_its_password_and_the_old_number(move, root, api):
    old = user(username="root", unid="old-root", password="root", roleid="1", openid="o-root")
    move({"users": [old]})

    assert log_in(api, "root", "root")["state"] is False
    assert log_in(api, "root", "a-password")["userInfo"]["unid"] == "old-root"
    before = User.objects.values("unid", "password", "openid").get()
    assert before["openid"] == "o-root"
    move({"users": [old | {"openid": ""}]})
    assert User.objects.values("unid", "password", "openid").get() == before


def test_a_number_that_several_users_share_is_a_login_of_none(move, person):
    def logins_by_message():
        return dict(User.objects.exclude(phone="").order_by("pk").values_list("username", "is_phone_bound"))

    person("here", phone="13800000009", is_phone_bound=True)
    phones = ["13800000001", "13800000002", "13800000001", "0258321", "13800000009"]
    people = [user(unid=f"u{n}", username=f"user{n}", phone=phone) for n, phone in enumerate(phones)]
    people.append(user(unid="root1", username="old-root", roleid="1", phone="13800000005"))

    move({"users": people})

    names = dict.fromkeys(["here", "user0", "user1", "user2", "user3", "user4", "old-root"], False)
    assert logins_by_message() == names | {"here": True, "user1": True}
    assert move.reasons().count("手机号与另一个用户相同，不能用它短信登录") == 2
    reasons = "".join(row["原因"] for row in move.problems())
    assert "（13800000001 user0）" in reasons and "（13800000009 here）" in reasons

    people.append(user(unid="later", username="later", phone=13800000002))
    move({"users": people})  # comes again in a later run: the earlier one is no login either
    names["later"] = False
    assert logins_by_message() == names | {"here": True}
    User.objects.filter(username="user1").update(is_phone_bound=True)  # by root, who has read the report
    move({"users": people})
    assert logins_by_message() == names | {"here": True, "user1": True}


# --- Roles, logins, weather ---
def test_a_role_of_the_school_comes_and_a_seeded_one_becomes_the_schools_unless_it_was_changed_here(move, api):
    Role.objects.filter(roleid="103").update(name="改过的")

    move({"permissions": [role(one) for one in ("1", "102", "103", "301")], "users": [user(roleid="301")]})

    names = {"1": "王者管理员", "102": "班主任", "103": "改过的", "200": "员工", "301": "班主任"}
    assert dict(Role.objects.values_list("roleid", "name")) == names
    answer = log_in(api)
    api.token = answer["token"]
    assert answer["permission"] == {"buttons": ["read"]}
    menu = api.get("/permission/getMenuList").json()
    assert (menu["roleName"], menu["menuList"]) == ("班主任", [{"name": "管理首页"}, {"name": "学员管理"}])
    assert [api.get(path).json()["state"] for path in ("/students/getstulist", "/getloginlog")] == [True, False]


def test_the_login_log_goes_on_and_what_a_login_or_a_weather_record_loses_is_told(move, api):
    at = {"loginTime": "2019/05/13 20:36:43", "ip": "::ffff:10.0.0.1"}
    log = {"_id": ObjectId(), "username": "cxk", "lastLogin": {"loginTime": "", "ip": ""}, "nowLogin": at}
    odd = log | {"_id": ObjectId(), "nowLogin": at | {"ip": ["x"]}, "lastLogin": at | {"ip": "1" * 46}}
    nothing = {"_id": ObjectId(), "username": "cxk", "nowLogin": "gestern"}
    day = {"city": "南京", "date": "2020-05-01", "update_tim": "08:00", "tem": {"day": 20}, "wea": "晴\x00"}
    weather = [{"_id": ObjectId(), "alarm": "无", "aqi": ["50"]} | day]
    move({"users": [user()], "logs": [odd, log, nothing], "weather": weather})

    api.token = log_in(api)["token"]

    newest, before, first = api.get("/getloginlog").json()["data"]
    assert newest["lastLogin"] == before["nowLogin"] == {"loginTime": "2019/05/13 20:36:43", "ip": "10.0.0.1"}
    assert (first["nowLogin"]["ip"], first["lastLogin"]["ip"]) == ("", "1" * 45)
    assert LoginLog.objects.exclude(user=None).count() == 3
    record = WeatherRecord.objects.get()
    assert (record.wea, record.tem, record.aqi["air"], record.alarm["alarm_type"]) == ("晴", "", "", "")
    assert sorted(move.reasons()) == [
        "alarm 不是对象，留空", "aqi 不是对象，留空", "ip 不是文本，留空", "ip 超过 45 个字，截短",
        "tem 不是文本，留空", "wea 含有无法保存或看不懂的字符", "没有登入时间",
    ]  # fmt: skip


# --- Students ---
def test_a_student_is_found_as_before_and_new_ones_come_after(move, lbw):
    move({"students": [student(), student(sId="ABCD00000001", name="王二")]})

    _, student_rows = lbw.get("/students/getstulist", **{"class": "H51901"}).json()["data"]
    assert {name: student_rows[name] for name in STUDENT} == STUDENT
    assert lbw.get("/students/getclasses").json()["data"] == ["H51901"]
    assert lbw.get("/students/searchstu", key="谭").json()["total"] == 1

    lbw.post("/students/addstu", {key: STUDENT[key] for key in STUDENT if key not in ("sId", "cTime")})
    rows = lbw.get("/students/getstulist").json()["data"]
    assert [row["name"] for row in rows] == ["谭鹏", "王二", "谭鹏"] and len({row["sId"] for row in rows}) == 3


STUDENTS = [
    ({"age": 21.0}, {"age": "21"}, None),
    ({"age": "21岁"}, {"age": "21"}, "age 不是数字，取其中的数字"),
    ({"age": "２１"}, {"age": "21"}, None),
    ({"city": " "}, {"city": "未填写"}, "city 是空的，记为“未填写”"),
    ({"degree": None}, {"degree": "未填写"}, "degree 是空的，记为“未填写”"),
    ({"name": "半\ud83d个\x00"}, {"name": "半个"}, "name 含有无法保存或看不懂的字符"),
    ({"name": 123}, {"name": "123"}, None),
    ({"description": "长" * 2001}, {"description": "长" * 2000}, "description 超过 2000 个字，截短"),
    ({"productUrl": "JaVaScript:x"}, {"productUrl": "未填写"}, "productUrl 会被浏览器当作脚本运行，记为“未填写”"),
    ({"cTime": "x", "_id": ObjectId("5cd3c534e1e75b0ea034cf83")}, {"cTime": "2019/05/09 14:14:12"},
     "没有可用的创建时间，取 _id 中的时间，或迁入的时间"),
    ({"headimgurl": "https://wx.qlogo.cn/a/1"}, {"headimgurl": "https://wx.qlogo.cn/a/1"}, None),
    ({"headimgurl": " JavaScript:x"}, {"headimgurl": ""}, "headimgurl 会被浏览器当作脚本运行，留空"),
    ({"age": "不详"}, None, "年龄不是 1 到 150 之间的数字"),
    ({"age": 999}, None, "年龄不是 1 到 150 之间的数字"),
    ({"age": True}, None, "年龄不是 1 到 150 之间的数字"),
    ({"name": ""}, None, "没有姓名"),
    ({"class": None}, None, "没有班级"),
]  # fmt: skip


def test_how_students_are_mended_or_refused(move, lbw):
    documents = [student(**{"sId": f"ABCD{at:08}"} | fields) for at, (fields, _, _) in enumerate(STUDENTS)]

    move({"students": documents})

    rows = {row["sId"]: row for row in lbw.get("/students/getstulist").json()["data"]}
    for at, (_, expected, _) in enumerate(STUDENTS):
        row = rows.get(f"ABCD{at:08}")
        assert (row and {name: row[name] for name in expected}) == expected
    assert sorted(move.reasons()) == sorted(fix for _, _, fix in STUDENTS if fix)


def test_a_number_belongs_to_who_had_it_first(move):
    student_here(sid="ABCD00000001", city="上海").save()

    move({"students": [student(), student(), student(name="王二"), student(sId=""), student(sId="longer-than-any"),
                       student(sId="ABCD00000001")]})  # fmt: skip

    assert Student.objects.get(sid=STUDENT["sId"]).name == "谭鹏"
    assert Student.objects.get(sid="ABCD00000001").city == "上海" and Student.objects.count() == 5
    assert move.reasons() == [
        "与前面的文档重复：学号、班级、姓名都相同", "学号已属于前面的学员，分配新学号",
        "没有可用的学号，分配新学号", "没有可用的学号，分配新学号",
    ]  # fmt: skip
