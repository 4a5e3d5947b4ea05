"""After a right is parted from another, exactly the users who could do something before can do it."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission

from permissions.grants import rights_grant, rows_grant
from permissions.models import DataScope, Role
from permissions.seed import ROLES
from permissions.services.roles import role_scoped

pytestmark = pytest.mark.django_db


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
    copies = [role_scoped(roleid=roleid, scope=DataScope.OWN) for roleid in ("103", "200")]
    Role.objects.filter(roleid="200").update(rows=["/x"])

    for _ in range(2):
        for roleid in ("103", "200", "no role"):
            rows_grant(apps, roleid=roleid, seeded=seeded.get(roleid, []), rows=["/new/*"])

    for copy in copies:
        copy.refresh_from_db()
    assert Role.objects.get(roleid="103").rows == copies[0].rows == [*seeded["103"], "/new/*"]
    assert (Role.objects.get(roleid="200").rows, copies[1].rows) == (["/x"], seeded["200"])
