"""Registration, the list of users, passwords, avatars, sign-out, /verify."""

from functools import partial

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.utils import timezone

from accounts.api import docs
from accounts.errors import PasswordNotChanged
from accounts.models import LoginMethod, User
from accounts.passwords import LeanArgon2PasswordHasher
from accounts.services.login_records import LoginContext
from accounts.services.phones import PhoneProof
from accounts.services.users import password_change, user_update
from accounts.tests.entering import user_json
from tests.kit import during, encoded, posted
from uploads.models import Upload

pytestmark = pytest.mark.django_db
NEW = {"username": "lbw4", "password": "kai-ge-2026", "nickname": "开哥永不开挂", "phone": "1577775772"}
DEAD = {"status": 0, "state": False, "code": "1004", "msg": "校验失败"}
MAY_NOT = {"status": 403, "state": False, "code": "10026", "msg": "not permitted 没有权限"}


@pytest.fixture
def strict(settings):
    """Passwords are judged as where no demo data is."""
    settings.AUTH_PASSWORD_VALIDATORS = settings.PASSWORD_POLICY


def can_log_in(api, username, password):
    return api.post("/users/login", {"username": username, "password": password}).json()["state"]


class TestRegister:
    @pytest.mark.parametrize("path", ["/users/register", "/users/addUser"])
    def test_creates_a_user_of_the_default_role(self, root, api, path):
        unasked = {"is_staff": True, "is_active": False, "unid": "x", "openid": "o", "epoch": 9}
        body = root.post(path, NEW | unasked).json()

        user = User.objects.get(username="lbw4")
        assert body["userInfo"] == user_json(user, nickname="开哥永不开挂", phone="1577775772")
        assert can_log_in(api, "lbw4", "kai-ge-2026")
        assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)
        assert (user.openid, user.epoch) == ("", 1) and user.unid != "x"

    @pytest.mark.parametrize("change", [{"roles": "103"}, {"roleid": "103"}, {"roleid": 103}, {"roles": ["103"]}])
    def test_takes_the_role_under_either_name_and_any_password_with_demo_data_on(self, root, api, change):
        body = root.post("/users/register", NEW | {"password": "1"} | change).json()

        assert body["userInfo"]["roleid"] == "103" and can_log_in(api, "lbw4", "1")

    @pytest.mark.parametrize(
        "change",
        [
            *({missing: ""} for missing in ("username", "password", "nickname")),
            {"roles": "no such role"},
            {"roles": ["102", "103"]},
            {"roleid": {"$ne": ""}},
            {"password": "x" * 129},
            {"username": "x" * 65},
            {"username": "a\nb"},
            {"phone": True},
        ],
    )
    def test_refuses_bad_names_passwords_and_roles(self, root, change):
        answer = root.post("/users/register", NEW | change)

        assert (answer.status_code, answer.json()["state"]) == (200, False)
        assert "code" not in answer.json()
        assert not User.objects.filter(nickname=NEW["nickname"]).exists()

    def test_refuses_weak_passwords_without_demo_data_and_tells_of_a_taken_name_first(self, root, strict):
        body = root.post("/users/register", NEW | {"password": "开哥永不开挂01"}).json()
        answer = root.post("/users/register", NEW | {"username": "root", "password": "12345678"}).json()

        assert body["msg"].startswith("密码不符合要求:") and answer["msg"] == "用户名已注册"
        assert not User.objects.filter(username="lbw4").exists()


class TestUpdatePassword:
    def change(self, who, **fields):
        body = {"username": "li", "oldPassword": "old-secret", "newPassword": "new-secret"} | fields
        return who.post("/users/updatePassword", body).json()

    @pytest.fixture
    def li(self, person):
        return person("li", "200", password="old-secret")

    @pytest.mark.usefixtures("few_guesses")
    def test_failures_change_nothing_and_guessing_has_to_wait(self, li, api, strict, person):
        for fields in ({"oldPassword": ""}, {"oldPassword": {"$gt": ""}}, {"newPassword": ""}, {"username": ""}):
            assert self.change(li, **fields) == {"status": 0, "state": False, "msg": "密码修改错误"}
        assert self.change(li, username="nobody", oldPassword="wrong", newPassword="")["msg"] == "不存在此用户"
        person("wang", password="wangs-secret")
        assert self.change(li, username="wang", oldPassword="wangs-secret") == MAY_NOT
        assert can_log_in(api, "li", "old-secret") and can_log_in(api, "wang", "wangs-secret")
        for new in ("", "x" * 129, "new-secret"):  # the old one counts before the policy
            assert self.change(li, oldPassword="wrong", newPassword=new)["msg"] == "密码修改错误"
        assert self.change(li)["status"] == 429, "a stolen token is no way to guess it"

    @pytest.mark.parametrize(
        ("weak", "reason"),
        [
            ("a9%Z-kq", docs.TOO_WEAK.msg.partition(":")[2]),  # as the documentation shows it
            ("password", "这个密码太常见了。"),
            ("x" * 129, "最多 128 个字符"),
        ],
    )
    def test_says_what_is_wrong_with_a_weak_one_and_root_and_staff_need_longer_ones(
        self, li, api, root, person, strict, weak, reason
    ):
        assert self.change(li, newPassword=weak) == {"status": 0, "state": False, "msg": f"密码不符合要求:{reason}"}
        assert can_log_in(api, "li", "old-secret")
        person("wang", is_staff=True)
        for name in ("root", "wang"):
            body = self.change(root, username=name, oldPassword="", newPassword="kq-83-mz-7p")
            assert body["msg"] == "密码不符合要求:密码长度太短。密码必须包含至少 12 个字符。"

    def test_demo_passwords_stay(self, lbw, root, api, settings):
        refusal = {"status": 0, "state": False, "msg": "演示账号的密码不能修改"}

        mine = {"username": "lbw", "oldPassword": "a-password", "newPassword": "mine-alone"}
        assert lbw.post("/users/updatePassword", mine).json() == refusal
        assert root.post("/users/updatePassword", mine | {"oldPassword": ""}).json() == refusal
        assert lbw.post("/users/updatePassword", mine | {"oldPassword": "no"}).json()["msg"] == "密码修改错误"
        assert can_log_in(api, "lbw", "a-password")
        settings.DEMO_DATA = False
        assert lbw.post("/users/updatePassword", mine).json()["state"] is True

    def test_root_needs_no_old_one_but_one_that_is_sent_is_checked(self, li, root, api):
        assert self.change(root, oldPassword="wrong")["msg"] == "密码修改错误"
        assert self.change(root, username="root", oldPassword="wrong")["msg"] == "密码修改错误"
        assert self.change(root, oldPassword="")["state"] is True
        assert li.get("/verify").json() == DEAD
        assert can_log_in(api, "li", "new-secret") and not can_log_in(api, "li", "old-secret")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [password_change, partial(user_update, by_root=False, changes={}, proof=PhoneProof("", ""))],
    ids=["updatePassword", "updateUser"],
)
def test_of_two_new_passwords_at_once_the_second_finds_that_its_old_one_is_wrong(person, change):
    li = person("li", password="old-secret").user
    context = LoginContext(method=LoginMethod.API, ip="10.0.0.1", now=timezone.now())
    change = partial(change, user_pk=li.pk, old_password="old-secret", context=context)

    with pytest.raises(PasswordNotChanged):
        during(partial(change, new_password="first-secret"), partial(change, new_password="second-secret"))

    li.refresh_from_db()
    assert li.check_password("first-secret")  # without the lock the second one wins


@pytest.mark.django_db(transaction=True)
def test_no_password_is_hashed_or_checked_while_the_request_holds_a_connection(
    root, api, person, settings, monkeypatch
):
    """A class that comes at once hashes longer than a transaction may be idle, or others may wait for a connection."""
    settings.PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher"]
    monkeypatch.setattr(LeanArgon2PasswordHasher, "memory_cost", 8)
    li, _ = person("li", password="old-secret"), person("wang")
    holding = []

    def noting(work):
        def noted(*args, **facts):
            holding.append(connection.connection is not None)
            return work(*args, **facts)

        return noted

    for name in ("encode", "verify"):
        monkeypatch.setattr(Argon2PasswordHasher, name, noting(getattr(Argon2PasswordHasher, name)))

    assert can_log_in(api, "li", "old-secret") and not can_log_in(api, "nobody", "old-secret")
    new = {"username": "zhao", "password": "wu-wu-kai", "nickname": "赵"}
    assert root.post("/users/register", new).json()["state"] is True
    change = {"username": "li", "oldPassword": "old-secret", "newPassword": "new-secret"}
    assert li.post("/users/updatePassword", change).json()["state"] is True
    assert root.post("/users/updatePassword", {"username": "wang", "newPassword": "wang-wang"}).json()["state"] is True
    chen = person("chen", password="old-secret", phone="13800000001", is_phone_bound=True)
    change = {"unid": chen.user.unid, "oldPassword": "old-secret", "password": "new-secret", "phone": ""}
    for who in (chen, root):
        assert who.post("/users/updateUser", change).json()["state"] is True

    assert len(holding) == 10 and not any(holding)


class TestUploadAvatar:
    def upload(self, who, **fields):
        return who.post("/users/uploadAvatar", fields, format="multipart").json()

    @pytest.mark.parametrize("name", ["uId", "unid"])
    def test_stores_ones_own_picture_and_lets_the_old_one_go(self, lbw, name):
        body = self.upload(lbw, headimgurl=posted(encoded(), "me.png"), **{name: lbw.user.unid})

        assert "/media/" in body["headimgurl"]
        lbw.user.refresh_from_db()
        assert body["headimgurl"] == f"http://testserver{lbw.user.headimgurl}"
        newest = self.upload(lbw, headimgurl=posted(encoded(color="blue"), "me.png"), uId=lbw.user.unid)["headimgurl"]
        (rest,) = Upload.objects.filter(idle_since=None)
        assert newest.endswith(rest.url_path), "the one before is let go"

    def test_needs_a_picture_and_a_known_id_and_of_another_is_roots_alone(self, lbw, yuangong, root):
        refusal = {"status": 0, "state": False, "msg": "图片上传失败"}

        for ids in ({"uId": "unknown"}, {}):
            assert self.upload(lbw, headimgurl=posted(encoded(), "me.png"), **ids) == refusal
        script = posted(b"<script>alert(1)</script>", "me.png")
        assert self.upload(lbw, headimgurl=script, uId=lbw.user.unid)["state"] is False
        assert self.upload(lbw, uId=lbw.user.unid, headimgurl="text") == refusal
        assert self.upload(yuangong, headimgurl=posted(encoded(), "me.png"), uId=lbw.user.unid) == MAY_NOT
        lbw.user.refresh_from_db()
        assert lbw.user.headimgurl == ""
        assert self.upload(root, headimgurl=posted(encoded(), "me.png"), uId=lbw.user.unid)["state"] is True
