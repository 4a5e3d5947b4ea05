"""How rights reach every process, and what is seeded."""

from functools import partial

import pytest
from django.core.management import call_command

from core.api.access import Access
from permissions.errors import RoleExists
from permissions.models import Role
from permissions.services.roles import role_add, roles_seed
from tests.kit import at_once


@pytest.mark.django_db
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


@pytest.mark.django_db
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

    def test_staff_get_the_sections_of_their_role(self):
        def rights(roleid):
            pairs = Role.objects.get(roleid=roleid).permissions.values_list("content_type__app_label", "codename")
            return {f"{app}.{codename}" for app, codename in pairs}

        assert rights("1") == set()
        assert "students.delete_student" in rights("103") and "students.delete_student" not in rights("200")
        assert "students.view_student" in rights("200")
        assert not any(name.partition(".")[0] in {"accounts", "permissions"} for name in rights("103") | rights("200"))
        assert "accounts.view_user" in rights("102") and "accounts.change_user" not in rights("102")


@pytest.mark.django_db(transaction=True)
def test_of_two_roles_with_one_number_one_is_made():
    add = partial(role_add, roleid="300")

    results = at_once([partial(add, name=str(number)) for number in range(6)], refusals=(RoleExists,))

    [made] = [result for result in results if not isinstance(result, RoleExists)]
    assert Role.objects.get(roleid="300").name == made.name
