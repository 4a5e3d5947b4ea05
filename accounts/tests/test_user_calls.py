"""The later user calls: changing, deleting and searching users."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from accounts.services.users import users_delete
from core.times import format_office_time
from permissions.models import DataScope, Role
from shop.models import CartItem, Order
from shop.tests.factories import make_order, make_product
from tests.kit import during, encoded, envelope, posted

pytestmark = pytest.mark.django_db
UPDATED = (200, True, "更新成功")
NOT_YOURS = (10066, False, "没有权限修改该用户")
NO_ROLE = (3004, False, "没有权限修改用户角色的id")


@pytest.fixture
def li(person):
    return person("li", "200", phone="13800000001", nickname="李")


def change(client, whom, **fields):
    return envelope(client.post("/users/updateUser", {"unid": whom.user.unid} | fields))


class TestUpdate:
    def test_changes_ones_own_record(self, li, root):
        fields = {"nickname": "小李", "phone": "13900000000", "sex": "1"}
        fields |= {"city": "南京", "province": "江苏", "country": "中国"}

        assert change(li, li, username="lili", **fields) == UPDATED

        li.user.refresh_from_db()
        assert {name: getattr(li.user, name) for name in fields} == fields
        assert li.user.username == "lili"
        assert li.get("/verify").json()["decode"]["nickname"] == "小李"
        row = next(row for row in root.get("/users/getAllUsers").json()["users"] if row["unid"] == li.user.unid)
        assert envelope(li.post("/users/updateUser", row | {"city": "上海", "_id": "x", "status": "0"})) == UPDATED
        li.user.refresh_from_db()
        assert (li.user.city, li.user.is_active, li.user.nickname) == ("上海", True, "小李"), "what differs changes"

    @pytest.mark.parametrize("blank", ["", None])
    def test_a_blank_empties_what_may_be_empty(self, li, blank):
        fields = dict.fromkeys(("nickname", "phone", "sex", "city", "province", "country", "headimgurl"), blank)
        User.objects.filter(pk=li.user.pk).update(city="南京", headimgurl="https://a.example/1.png")

        assert change(li, li, username=blank, password=blank, roleid=blank, vipLevel=blank, **fields) == UPDATED

        li.user.refresh_from_db()
        assert {getattr(li.user, name) for name in fields} == {""}
        assert (li.user.username, li.user.role.roleid) == ("li", "200") and li.get("/verify").json()["state"]

    def test_needs_to_know_whom_and_others_are_roots_alone(self, li, root, lbw):
        for body in ({}, {"unid": ""}, {"nickname": "x"}):
            assert envelope(li.post("/users/updateUser", body)) == (3004, False, "请传入用户unid")
        assert envelope(li.post("/users/updateUser", {"unid": "x" * 32})) == (10066, False, "修改用户不存在")
        assert change(lbw, li, nickname="x") == NOT_YOURS
        assert change(root, li, nickname="王", headimgurl="https://a.example/1.png") == UPDATED
        li.user.refresh_from_db()
        assert (li.user.nickname, li.user.headimgurl) == ("王", "https://a.example/1.png")

    @pytest.mark.parametrize("fields", [{"roleid": "1"}, {"roleid": "102"}, {"vipLevel": 3}])
    def test_role_and_vip_are_roots_alone(self, li, root, fields):
        assert change(li, li, nickname="x", **fields) == NO_ROLE
        li.user.refresh_from_db()
        assert (li.user.nickname, li.user.role.roleid, li.user.vip_level) == ("李", "200", 0)
        assert change(li, li, roleid="9") == NO_ROLE, "which roles there are is not told"

        assert change(root, li, **fields) == UPDATED
        assert change(root, li, roleid="9") == (0, False, "角色不存在")

    def test_a_name_is_not_taken_twice_nor_a_demo_account_from_a_class(self, li, person, lbw, root):
        wang = person("wang")

        assert change(wang, wang, username="li", city="南京") == (0, False, "用户名已注册")
        wang.user.refresh_from_db()
        assert wang.user.city == ""
        assert change(lbw, lbw, username="mine") == (0, False, "演示账号的用户名不能修改")
        assert change(root, lbw, password="mine-alone") == (0, False, "演示账号的密码不能修改")
        assert change(lbw, lbw, city="南京") == UPDATED

    def test_a_new_password_needs_the_old_one_and_ends_the_tokens(self, li, root, api):
        assert change(li, li, password="new-secret", city="南京") == (0, False, "密码修改错误")
        li.user.refresh_from_db()
        assert li.user.city == ""

        assert change(li, li, password="new-secret", oldPassword="a-password") == UPDATED

        assert li.get("/verify").json()["code"] == "1004"
        assert change(root, li, password="newer-secret") == UPDATED, "root needs no old one"
        assert envelope(api.post("/users/login", {"username": "li", "password": "newer-secret"}))[1] is True

    @pytest.mark.parametrize(
        "fields",
        [
            {"nickname": "x" * 65},
            {"phone": True},
            {"vipLevel": -1},
            {"vipLevel": 10**30},
            {"headimgurl": "javascript:alert(1)"},
        ],
    )
    def test_bad_values_are_named_and_change_nothing(self, li, root, fields):
        status, state, msg = change(root, li, city="南京", **fields)

        assert (state, msg.startswith(next(iter(fields)))) == (False, True)
        li.user.refresh_from_db()
        assert li.user.city == ""


def test_vip_is_over_from_the_second_on_in_which_it_ends(li, root, api):
    ends = timezone.now() + timedelta(hours=1)
    User.objects.filter(pk=li.user.pk).update(vip_level=2, vip_expires_at=ends)

    info = api.post("/users/login", {"username": "li", "password": "a-password"}).json()["userInfo"]
    shown = (info["vipLevel"], info["vipExpires"], info["vipStamp"])
    assert shown == (2, format_office_time(ends), int(ends.timestamp() * 1000))

    li.user.refresh_from_db()
    assert li.user.vip_level_at(ends - timedelta(microseconds=1)) == 2
    assert li.user.vip_level_at(ends) == 0

    for ends, level in ((timezone.now(), 0), (None, 3)):
        User.objects.filter(pk=li.user.pk).update(vip_expires_at=ends)
        change(root, li, vipLevel="3")  # the end stays
        row = root.get("/users/getAllUsers", key="li").json()["users"][0]
        assert (row["vipLevel"], row["vipExpires"], row["vipStamp"]) == (level, "", 0)

    User.objects.filter(pk=li.user.pk).update(vip_expires_at=timezone.now(), vip_rest=[[1, None]])
    change(root, li, vipLevel=0)
    li.user.refresh_from_db()
    assert (li.user.vip_level, li.user.vip_expires_at, li.user.vip_rest) == (0, None, None), "nothing follows"


@pytest.mark.parametrize("key", ["LI", "李", "0000001"])
def test_the_list_finds_by_part_of_name_nickname_or_phone_and_tells_who_is_disabled(li, root, person, key):
    person("wang", "102")
    User.objects.filter(pk=li.user.pk).update(is_active=False, openid="oUpF8uMuAJO")

    answer = root.get("/users/getAllUsers", key=key)

    rows = answer.json()["users"]
    assert [(row["username"], row["status"]) for row in rows] == [("li", "0")] and answer.json()["total"] == 1
    assert b"oUpF8uMuAJO" not in answer.content and b"password" not in answer.content
    body = root.get("/users/getAllUsers", roleid="102", page=1, count=5).json()
    assert [row["username"] for row in body["users"]] == ["wang"]


class TestDelete:
    def delete(self, client, query):
        return client.get(f"/users/deleteUser?{query}")

    @pytest.mark.parametrize("query", ["unid={0}&unid={1}", "unid[0]={0}&unid[1]={1}", "unid={0}, {1},"])
    def test_deletes_several_at_once(self, root, person, query):
        unids = [person(name).user.unid for name in ("a", "b")]

        assert envelope(self.delete(root, query.format(*unids))) == (200, True, "删除成功")
        assert list(User.objects.values_list("username", flat=True)) == ["root"]

    @pytest.mark.parametrize(
        ("query", "msg"),
        [
            *((query, "没有传递username或者unid") for query in ("", "unid=,", "username=")),
            ("unid={0},nobody", "用户不存在"),
            ("unid={0},{1}", "不能删除自己"),
            ("username=boss", "不能删除超级管理员"),
        ],
    )
    def test_refusals_delete_no_user(self, root, li, person, query, msg):
        person("boss", "1")

        assert envelope(self.delete(root, query.format(li.user.unid, root.user.unid))) == (30001, False, msg)
        assert self.delete(li, "username=boss").json()["code"] == "10026", "root's alone"
        assert User.objects.count() == 3

    def test_orders_stay_and_the_cart_goes(self, root, li):
        order, product = make_order(li.user), make_product()
        li.post("/cart/add_to_cart", {"product_id": product.product_id, "count": 1})

        self.delete(root, "username=li")

        order.refresh_from_db()
        assert (order.user, order.username) == (None, "li")
        assert Order.objects.count() == 1 and not CartItem.objects.exists()


class TestTheListForOthersThanRoot:
    @pytest.fixture
    def np(self, person, roles):
        """A caller who may call everything and see no whole phones."""
        roles["200"].rows = ["*"]
        roles["200"].save()
        return person("np", "200", phone="13900000009")

    def phones(self, client, **query):
        return {row["username"]: row["phone"] for row in client.get("/users/getAllUers", **query).json()["users"]}

    def test_hides_the_phones_of_others_without_the_right(self, np, person, roles, django_assert_num_queries):
        person("li", "103", phone="13912341111")
        person("short", "103", phone="123456")
        person("tiny", "103", phone="8604")
        whole = {"np": "13900000009", "li": "13912341111", "short": "123456", "tiny": "8604"}

        with django_assert_num_queries(4):  # the caller, the right, the number, the page
            assert self.phones(np) == whole | {"li": "139****1111", "short": "****3456", "tiny": "****"}
        for key in ("1391234", "13912341111", "1111", "2341"):
            assert self.phones(np, key=key) == {}, "digit by digit they would tell the number"
        roles["200"].permissions.add(Permission.objects.get(codename="phone_user"))
        assert self.phones(np) == whole and self.phones(np, key="2341") == {"li": "13912341111"}

    def test_a_masked_number_that_comes_back_changes_nothing_and_another_is_refused(self, root, np, person):
        li = person("li", "103", phone="13912341111", is_phone_bound=True)
        shown = self.phones(np)["li"]
        refused = (0, False, "phone: 不能带星号,请传完整的手机号")

        for caller in (li, root):
            answer = caller.post("/users/updateUser", {"unid": li.user.unid, "phone": shown, "city": "南京"})
            assert envelope(answer) == (200, True, "更新成功")
            for masked in ("138****1111", "***********", "139*1111"):
                answer = caller.post("/users/updateUser", {"unid": li.user.unid, "phone": masked, "city": "成都"})
                assert envelope(answer) == refused
        new = {"username": "wang", "password": "wu-wu-kai", "nickname": "王", "phone": shown}
        assert envelope(root.post("/users/register", new)) == refused

        li.user.refresh_from_db()
        assert (li.user.phone, li.user.is_phone_bound, li.user.city) == ("13912341111", True, "南京")
        assert not User.objects.filter(phone__contains="*").exists()

    @pytest.mark.parametrize("class_name", ["H5", ""])
    def test_shows_the_own_class_alone_where_the_scope_is_so(self, np, person, roles, class_name):
        names = {"H5": ["a", "b"], "H6": ["c"], "": ["teacher"]}
        made = {name: person(name, class_name=of) for of, all_of in names.items() for name in all_of}
        Role.objects.filter(roleid="200").update(data_scope=DataScope.OWN)
        me = made["a"] if class_name else np

        body = me.get("/users/getAllUsers").json()

        assert [row["username"] for row in body["users"]] == (["a", "b"] if class_name else ["np"])
        assert body["total"] == len(body["users"]) and self.phones(me, key="c") == {}


@pytest.mark.django_db(transaction=True)
class TestAtTheSameInstant:
    """Another request has changed or deleted the user, and commits while the call under test is at work."""

    @pytest.mark.parametrize(
        ("path", "params"),
        [
            ("/cart/add_to_cart", {"count": 1}),
            ("/pay/pre_order", {}),
            ("/category/addCategory", {"categoryName": "车辆"}),
            ("/upload/uploadImg", {"img": posted(encoded())}),
        ],
    )
    def test_what_a_user_writes_who_is_deleted_in_the_middle_of_the_call_is_not_kept(self, root, person, path, params):
        li, product = person("li", "102"), make_product()
        params = {"product_id": product.product_id} | params

        body = during(self.deletion(li, root), lambda: li.post(path, params, format="multipart").json())

        assert body == {"status": 1005, "state": False, "msg": "没有该数据"}
        assert li.get("/verify").json()["code"] == "1004"
        assert not Order.objects.exists() and not CartItem.objects.exists()

    def test_who_is_deleted_while_root_changes_or_he_logs_in_is_unknown(self, root, person, api):
        names, password = ("a", "b", "c"), {"password": "a-password"}
        a, b, c = (person(name) for name in names)

        changed = during(self.deletion(a, root), lambda: change(root, a, city="南京"))
        new = {"username": "b", "newPassword": "wu-wu-kai"}
        renewed = during(self.deletion(b, root), lambda: envelope(root.post("/users/updatePassword", new)))
        login = during(self.deletion(c, root), lambda: envelope(api.post("/users/login", {"username": "c"} | password)))

        assert changed == (10066, False, "修改用户不存在")
        assert renewed == (0, False, "不存在此用户")
        assert login == (0, False, "用户名或者密码错误")

    def test_who_registers_a_user_of_a_role_that_is_deleted_reads_that_it_is_gone(self, root):
        role = Role.objects.create(roleid="300", name="讲师")
        new = {"username": "wang", "password": "wu-wu-kai", "nickname": "王", "roleid": "300"}

        answer = during(role.delete, lambda: envelope(root.post("/users/register", new)))

        assert answer == (1005, False, "没有该数据") and not User.objects.filter(username="wang").exists()

    def test_whose_role_changes_is_found_all_the_same(self, root, person, roles):
        li = person("li", "103")
        new_role = lambda roleid: lambda: User.objects.filter(pk=li.user.pk).update(role=roles[roleid])  # noqa: E731

        assert during(new_role("102"), lambda: change(root, li, city="南京")) == UPDATED
        deleted = during(new_role("200"), lambda: envelope(root.get(f"/users/deleteUser?unid={li.user.unid}")))
        assert deleted == (200, True, "删除成功")

    def deletion(self, client, root):
        return lambda: users_delete(unids=[client.user.unid], by_pk=root.user.pk)
