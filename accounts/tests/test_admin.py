"""The back office's users and roles: which of them get in, what each may do, and that no user can raise a role."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.admin import UserAdmin
from accounts.models import User
from accounts.services.login import login_record
from tests.kit import PageForm, logged_in, save_page

pytestmark = pytest.mark.django_db
USERS, ROLES, LOG = "/admin/accounts/user/", "/admin/permissions/role/", "/admin/accounts/loginlog/"


@pytest.fixture
def office(person):
    """Make a staff user of a role and the browser that user is logged in with."""

    def enter(username, roleid, *permissions):
        user = person(username, roleid, is_staff=True).user
        for label in permissions:
            app, codename = label.split(".")
            user.role.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return logged_in(user)

    return enter


@pytest.fixture
def boss(office):
    return office("root", "1")


def test_no_user_can_lock_himself_out(boss, person, roles):
    own, other = User.objects.get(username="root"), person("li", "103").user

    page = boss.post(USERS, {"action": "disable", "_selected_action": [own.pk, other.pk]}, follow=True).content.decode()
    answer = save_page(boss, f"{USERS}{own.pk}/change/", is_active=False, role=roles["103"].pk)

    assert "没有停用你自己的账号" in page and "停用：1 个用户" in page
    errors = {
        name: [f"不能给自己{what}，请让另一位管理员来做"] for name, what in (("is_active", "停用"), ("role", "换角色"))
    }
    assert answer.context["adminform"].form.errors == errors
    assert set(User.objects.filter(is_active=True).values_list("username", flat=True)) == {"root"}


def test_pages_escape_what_users_wrote_and_are_read_only_where_no_role_may_change(boss, office, person):
    li = person("li", headimgurl='http://x/"><script>').user
    entry = login_record(user=li, ip="", now=timezone.now())
    director = office("director", "102")

    page = boss.get(USERS, {"q": "li", "role__id__exact": li.role_id}).content
    assert b"li" in page and b'"><script>' not in page
    assert b"delete_id_role" not in boss.get(f"{USERS}{li.pk}/change/").content
    assert b"/admin/jsi18n/" in boss.get(f"{USERS}{li.pk}/delete/").content  # its scripts call gettext
    shown = [who.get(f"{USERS}{li.pk}/change/").content.decode() for who in (boss, director)]
    assert [f'href="/admin/person/{li.pk}.json"' in page for page in shown] == [True, False]
    assert all("重设密码" in page for page in shown) and "/password/" not in shown[1]
    assert director.get(f"{ROLES}{li.role_id}/change/").status_code == 200
    assert director.post(f"{USERS}{li.pk}/change/", {"nickname": "x"}).status_code == 403
    assert director.get(USERS + "add/").status_code == 403
    assert boss.get(f"{LOG}{entry.pk}/change/").status_code == 200
    assert boss.post(f"{LOG}{entry.pk}/change/", {"ip": "x"}).status_code == 403
    assert boss.post(f"{LOG}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert boss.get(LOG + "add/").status_code == 403


class TestUsers:
    def test_root_creates_one_who_can_log_in(self, boss, api, roles):
        form = {"username": "li", "nickname": "李", "phone": "", "role": roles["103"].pk, "usable_password": "true"}
        form |= {"password1": "a-password-2026", "password2": "a-password-2026"}

        assert boss.post(USERS + "add/", form).status_code == 302
        body = api.post("/users/login", {"username": "li", "password": "a-password-2026"}).json()
        assert body["userInfo"]["roleid"] == "103"
        li = User.objects.get(username="li")
        token = {"authorization": body["token"]}
        form = {"password1": "another-2026-x", "password2": "another-2026-x", "usable_password": "true"}
        assert boss.post(f"{USERS}{li.pk}/password/", form).status_code == 302
        assert api.get("/verify", headers=token).json()["code"] == "1004", "a reset password ends all tokens"
        page = f"{USERS}{li.pk}/change/"
        form = PageForm(boss.get(page)).data(nickname="小李")
        del form["is_active"]
        assert boss.post(page, form).status_code == 302
        li.refresh_from_db()
        assert (li.nickname, li.is_active, li.epoch) == ("小李", False, 3), "so does the box that is unticked"

    @pytest.mark.parametrize("page", ["password_change/", "accounts/user/{pk}/password/"])
    def test_demo_passwords_stay(self, boss, person, page):
        lbw = person("lbw", "1", is_staff=True).user
        form = {"old_password": "a-password", "new_password1": "mine-alone", "new_password2": "mine-alone"}
        form |= {"password1": "mine-alone", "password2": "mine-alone", "usable_password": "true"}

        answer = logged_in(lbw).post(f"/admin/{page.format(pk=lbw.pk)}", form)

        assert "演示账号的密码不能修改" in answer.content.decode()
        lbw.refresh_from_db()
        assert lbw.check_password("a-password")

    def test_a_new_hash_of_the_same_password_ends_nothing(self, person, settings):
        li = person("li")
        settings.PASSWORD_HASHERS = ["accounts.passwords.LeanArgon2PasswordHasher", *settings.PASSWORD_HASHERS]

        body = li.post("/users/login", {"username": "li", "password": "a-password"}).json()

        user = User.objects.get(username="li")
        assert (user.password[:6], user.epoch) == ("argon2", 1)
        assert li.get("/verify", headers={"authorization": body["token"]}).json()["state"] is True

    @pytest.mark.parametrize("action", ["disable", "sign_out"])
    def test_actions_end_tokens_at_once(self, boss, person, action):
        li = person("li")

        boss.post(USERS, {"action": action, "_selected_action": [li.user.pk]})

        assert li.get("/verify").json()["code"] == "1004"
        assert User.objects.get(username="li").is_active is (action == "sign_out")


def test_a_number_that_root_sets_is_a_login_unless_another_user_has_it(boss, person):
    li = person("li", phone="13800000001", is_phone_bound=True).user
    person("wang", phone="13800000002", is_phone_bound=True)

    page = save_page(boss, f"{USERS}{li.pk}/change/", phone="13800000002")

    assert page.status_code == 200 and "另一个用户用这个手机号短信登录" in page.content.decode()
    for phone, is_login in (("13800000003", True), ("025-83210000", False)):
        assert save_page(boss, f"{USERS}{li.pk}/change/", phone=phone).status_code == 302
        li.refresh_from_db()
        assert (li.phone, li.is_phone_bound) == (phone, is_login)


@pytest.mark.parametrize("wrong", [{"nickname": "x" * 65}, {"phone": "1" * 33}])
def test_a_form_with_another_name_and_a_wrong_field_is_shown_again(boss, person, wrong):
    page = save_page(boss, f"{USERS}{person('li').user.pk}/change/", username="li2", **wrong)

    assert page.context["adminform"].form.errors.keys() == wrong.keys()


class TestNoUserRaisesHimself:
    @pytest.fixture
    def clerk(self, office):
        rights = ["accounts.view_user", "accounts.change_user", "accounts.add_user", "accounts.delete_user"]
        return office("clerk", "103", *rights, "permissions.view_role", "permissions.change_role")

    def test_by_role_or_staff_flag(self, clerk, person, roles):
        director = person("director", "102", phone="13800000001").user
        assert save_page(clerk, f"{USERS}{director.pk}/change/", nickname="n", phone="13900000009").status_code == 302
        director.refresh_from_db()
        assert (director.nickname, director.phone) == ("n", "13800000001"), "the phone that another logs in with"
        for user in (User.objects.get(username="clerk"), person("li").user):
            crafted = {"nickname": "n", "role": roles["1"].pk, "is_staff": "on", "is_active": "on"}
            assert save_page(clerk, f"{USERS}{user.pk}/change/", **crafted).status_code == 302

            user.refresh_from_db()
            expected = {"clerk": ("103", True), "li": ("200", False)}[user.username]
            assert (user.nickname, user.role.roleid, user.is_staff) == ("n", *expected)

    @pytest.mark.parametrize("action", ["disable", "enable", "sign_out"])
    def test_by_closing_or_opening_a_colleague(self, clerk, person, action):
        director, li = person("director", "102", is_staff=True).user, person("li").user
        User.objects.filter(pk__in=[director.pk, li.pk]).update(is_active=action != "enable")

        page = clerk.post(USERS, {"action": action, "_selected_action": [director.pk, li.pk]}, follow=True)

        before = (director.epoch, action != "enable")
        for user in (director, li):
            user.refresh_from_db()
        assert (director.epoch, director.is_active) == before
        assert li.epoch == 2 and "可进入后台的账号只有超级管理员可以处理" in page.content.decode()

    def test_by_root_a_new_user_a_role_or_another_ones_password(self, clerk, root, roles, person):
        assert clerk.post(f"{USERS}{root.user.pk}/change/", {"nickname": "x"}).status_code == 403
        clerk.post(USERS, {"action": "disable", "_selected_action": [root.user.pk]})
        clerk.post(USERS, {"action": "delete_selected", "_selected_action": [root.user.pk], "post": "yes"})
        assert clerk.get(USERS + "add/").status_code == 403
        assert clerk.post(f"{ROLES}{roles['103'].pk}/change/", {"name": "x", "rows": "*"}).status_code == 403
        form = {"password1": "a-password-2026", "password2": "a-password-2026", "usable_password": "true"}
        assert clerk.post(f"{USERS}{person('li').user.pk}/password/", form).status_code == 403

        root.user.refresh_from_db()
        assert root.user.is_active


def test_who_logged_in_last_comes_first_and_who_never_did_comes_last(boss, person):
    for name, hours in (("never", None), ("long_ago", 720), ("today", 1)):
        person(name, last_login=hours and timezone.now() - timedelta(hours=hours))
    column = UserAdmin.list_display.index("logged_in_at") + 1

    for way, names in (("-", ["root", "today", "long_ago", "never"]), ("", ["never", "long_ago", "today", "root"])):
        rows = boss.get(f"{USERS}?o={way}{column}").context_data["cl"].result_list
        assert [user.username for user in rows] == names
