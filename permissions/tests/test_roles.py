"""Roles: which calls one opens, what is seeded and given by migrations, and its copies with another data scope."""

from functools import partial
from importlib import import_module

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError
from django.db.models import QuerySet
from django.urls import reverse

from core.api.access import Access
from permissions import doctor
from permissions.errors import RoleExists
from permissions.migration_grants import rights_grant, rows_grant
from permissions.models import DataScope, Role
from permissions.seed import ROLES
from permissions.services.roles import role_add, role_scoped, roles_seed
from tests.kit import PageForm as Form
from tests.kit import at_once, meet_at

pytestmark = pytest.mark.django_db
ALL, OWN, CHANGE_OWN = DataScope.ALL, DataScope.OWN, DataScope.CHANGE_OWN
origins_find = import_module("permissions.migrations.0004_origins_of_copies").origins_find


class TestRights:
    @pytest.mark.parametrize(
        "rows, path, expected",
        [
            (["/Students/GetStuList/"], "/students/getstulist", True),
            (["/students/getstulist"], "/students/getstulists", False),
            (["/students/*"], "/students/addstu", True),
            (["/students/*"], "/studentsx", False),
            (["*"], "/anything", True),
            ([], "/students/addstu", False),
        ],
    )
    def test_rows_are_exact_or_end_in_a_star(self, rows, path, expected):
        role = Role(roleid="9", name="x", rows=rows)

        assert role.may_call([path], Access.ROWS) is role.may_call(["/documented", path], Access.ROWS) is expected
        assert role.may_call([path], Access.ROOT) is False
        assert role.may_call([path], Access.ANY_USER) is True
        assert role.may_call([path], None) is False
        root = Role(roleid="1", name="root")
        assert (root.may_call([path], Access.ROOT), root.may_call([path], None)) == (True, False)

    def test_a_change_is_seen_at_the_next_request_however_it_was_made(self, yuangong, roles):
        for rows, may in ((["/permission/getrole"], True), ([], False), (["*"], True)):
            Role.objects.filter(roleid="200").update(rows=rows, name=f"名字{may}")

            assert yuangong.get("/permission/getrole").json()["state"] is may
            assert yuangong.get("/permission/getMenuList").json()["roleName"] == f"名字{may}"


class TestSeed:
    def test_keeps_what_staff_changed_until_it_is_reset(self, capsys):
        Role.objects.filter(roleid="102").delete()
        assert (roles_seed(), roles_seed()) == (["102"], [])
        Role.objects.filter(roleid="200").update(name="学徒", rows=["/x"])
        Role.objects.get(roleid="103").permissions.clear()

        call_command("seed_roles")
        role = Role.objects.get(roleid="200")
        assert (role.name, role.rows) == ("学徒", ["/x"])

        call_command("seed_roles", "--reset")
        fresh = Role.objects.get(roleid="200")
        assert fresh.name == "员工" and "/students/getstulist" in fresh.rows
        assert Role.objects.get(roleid="103").permissions.exists()

    def test_gives_nobody_but_root_what_changes_users_or_roles(self):
        rights = Permission.objects.filter(role__isnull=False, content_type__app_label__in=["accounts", "permissions"])

        pairs = {(roleid, name.partition("_")[0]) for roleid, name in rights.values_list("role__roleid", "codename")}
        assert pairs == {("102", "view"), ("102", "phone")}

    def test_leaves_the_lower_roles_to_students_rooms_and_attendance_and_the_lowest_to_look_at_students(self):
        def rights(roleid, part):
            names = Role.objects.get(roleid=roleid).permissions.values_list(part, flat=True)
            return {name.partition("_")[0] for name in names}

        assert rights("103", "content_type__app_label") == {"students", "dormitory", "attendance"}
        assert (rights("200", "content_type__app_label"), rights("200", "codename")) == ({"students"}, {"view"})


@pytest.mark.django_db(transaction=True)
def test_of_two_roles_with_one_number_one_is_made():
    add = partial(role_add, roleid="300")

    results = at_once([partial(add, name=str(number)) for number in range(6)], refusals=(RoleExists,))

    [made] = [result for result in results if not isinstance(result, RoleExists)]
    assert Role.objects.get(roleid="300").name == made.name


# --- What doctor says ---


def findings():
    return [(finding.ok, finding.what, bool(finding.do)) for finding in doctor.roles_and_calls()]


def test_what_is_seeded_is_in_order_and_a_row_may_add_to_an_open_call(roles):
    Role.objects.filter(roleid="200").update(rows=["/order/ship"])

    assert findings() == [(True, "角色的 rows 每一行都起作用，每个接口都有角色能调用", False)]


def test_rows_that_open_nothing_and_calls_left_to_root_are_named(roles):
    Role.objects.filter(roleid="102").update(rows=["/students/*", "/nowhere", "/users/login", "/old/*"])

    idle = [(False, f"角色 102 的 {row} 不起作用", True) for row in ("/nowhere", "/users/login", "/old/*")]
    assert [finding for finding in findings() if finding[0] is False] == idle
    root_alone = "/category/addCategory 只有 root 能调用：没有角色的 rows 写着它"
    assert (None, root_alone, False) in findings()
    assert not any("/order/ship" in what for _, what, _ in findings())  # of which buyers may call a part


# --- What migrations give ---


def role_with(roleid, *codenames):
    role = Role.objects.create(roleid=roleid, name=roleid)
    role.permissions.set(Permission.objects.filter(codename__in=codenames))
    return role


def test_a_role_with_all_the_older_rights_gets_the_new_one():
    expected = {
        role_with("300", "view_order", "change_order"): {"view_order", "change_order", "pack_order"},
        role_with("301", "view_order", "change_product"): {"view_order", "change_product"},
        role_with("302"): set(),
    }

    for _ in range(2):  # a second host may do it again
        older, newer = ["view_order", "change_order"], {"pack_order": "包装"}
        rights_grant(apps, app_label="shop", model="order", roles_with=older, rights=newer)

    for role, codenames in expected.items():
        assert set(role.permissions.values_list("codename", flat=True)) == codenames
    assert Permission.objects.get(codename="pack_order").name == "包装"


def test_seeded_rows_come_to_a_role_and_its_copies_where_staff_changed_none(roles):
    seeded = {seed["roleid"]: seed["rows"] for seed in ROLES}
    copies = [role_scoped(roleid=roleid, scope=OWN) for roleid in ("103", "200")]
    Role.objects.filter(roleid="200").update(rows=["/x"])

    for _ in range(2):
        for roleid in ("103", "200", "no role"):
            rows_grant(apps, roleid=roleid, seeded=seeded.get(roleid, []), rows=["/new/*"])

    for copy in copies:
        copy.refresh_from_db()
    assert Role.objects.get(roleid="103").rows == copies[0].rows == [*seeded["103"], "/new/*"]
    assert (Role.objects.get(roleid="200").rows, copies[1].rows) == (["/x"], seeded["200"])


# --- Copies ---


def page_of(role):
    return reverse("admin:permissions_role_change", args=[role.pk])


def test_a_copy_that_staff_gave_another_scope_is_not_handed_out_for_its_old_one(roles, office):
    edited = role_scoped(roleid="102", scope=OWN)
    assert LogEntry.objects.get_for_object(edited).count() == 1, "it is one action"
    assert (edited.roleid, edited.name, edited.origin) == ("102-own", "总监（仅本人）", roles["102"])
    page = office.get(page_of(edited))
    assert "总监（102）" in page.content.decode() and "可调用的接口" not in page.content.decode()

    office.post(page_of(edited), Form(page).data(data_scope="all"))

    again = role_scoped(roleid="102", scope=OWN)
    assert (again.roleid, again.data_scope, again.rows) == ("102-own-2", OWN, ["*"])
    assert role_scoped(roleid="102-own", scope=OWN) == role_scoped(roleid="102", scope=OWN) == again
    assert role_scoped(roleid="102-own-2", scope=ALL) == roles["102"]
    assert role_scoped(roleid="102-own", scope=ALL) == edited


def test_a_role_whose_number_looks_like_a_copy_is_none(roles):
    stranger = role_add(roleid="102-own", rows=["/x"])

    copy = role_scoped(roleid="102", scope=OWN)

    assert copy != stranger and copy.roleid == "102-own-2"


def test_long_numbers_share_no_copy():
    for end, rows in (("a", ["/a"]), ("b", ["/b"])):
        role_add(roleid="teacher-of-the-front-end-" + end, rows=rows)

    copies = [role_scoped(roleid="teacher-of-the-front-end-" + end, scope=CHANGE_OWN) for end in "ab"]

    assert [copy.rows for copy in copies] == [["/a"], ["/b"]]


def test_what_is_taken_from_a_role_is_taken_from_its_copies(roles, office):
    copy = role_scoped(roleid="103", scope=OWN)
    right = Permission.objects.get(codename="view_student")
    changes = {"rows": ["/getloginlog"], "other_rows": "", "buttons": ["read"], "menu": '[{"name": "管理首页"}]'}

    office.post(page_of(roles["103"]), Form(office.get(page_of(roles["103"]))).data(**changes, permissions=[right.pk]))

    copy.refresh_from_db()
    assert (copy.rows, copy.buttons, copy.menu) == (["/getloginlog"], ["read"], [{"name": "管理首页"}])
    assert (list(copy.permissions.all()), copy.data_scope) == ([right], OWN)
    roles_seed(reset=True)
    copy.refresh_from_db()
    assert copy.rows == Role.objects.get(roleid="103").rows and copy.permissions.count() > 1
    Role.objects.filter(roleid="103").update(rows=[])  # by a statement, which tells no copy
    assert role_scoped(roleid="103", scope=OWN).rows == []


def test_a_copy_outlives_its_origin(roles):
    copy = role_scoped(roleid="103", scope=OWN)

    roles["103"].delete()

    copy.refresh_from_db()
    assert (copy.origin, role_scoped(roleid="103-own", scope=OWN)) == (None, copy)


def test_copies_of_the_last_release_find_their_origin_unless_it_is_unclear(roles):
    def copy_as_before(roleid, scope, origin, **changes):
        values = {name: getattr(origin, name) for name in ("name", "menu", "rows", "buttons")}
        copy = Role.objects.create(roleid=roleid, **values | {"data_scope": scope} | changes)
        copy.permissions.set(origin.permissions.all())
        return copy

    twins = [role_add(roleid=f"teacher-of-the-front-end-{end}", rows=["/a"]) for end in "ab"]
    expected = {
        copy_as_before("102-own", OWN, roles["102"]): roles["102"],
        copy_as_before("102-change_own", ALL, roles["102"]): None,  # staff changed its scope
        copy_as_before("103-own", OWN, roles["103"], rows=["/x"]): None,  # or its rows
        copy_as_before("teacher-of-the-front-own", OWN, twins[0]): None,
    }

    for _ in range(2):
        origins_find(apps, None)

    for copy, origin in expected.items():
        copy.refresh_from_db()
        assert copy.origin == origin
    assert role_scoped(roleid="102", scope=OWN).roleid == "102-own"
    assert role_scoped(roleid="103", scope=OWN).roleid == "103-own-2"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_two_classes_opened_at_once_one_makes_the_copy(is_locked, monkeypatch):
    if not is_locked:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **options: rows)
    meet_at(monkeypatch, "permissions.services.roles._free_roleid")

    results = at_once([partial(role_scoped, roleid="103", scope=OWN)] * 2, refusals=(IntegrityError,))

    assert [type(result) for result in results].count(IntegrityError) == (0 if is_locked else 1)
    assert Role.objects.filter(origin__roleid="103").count() == 1
