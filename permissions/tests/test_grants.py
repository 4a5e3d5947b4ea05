"""The upgrade that parts rights: each role can afterwards do what it could before, and no more."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from permissions.models import Role

pytestmark = pytest.mark.django_db
NEW = ["ship_order", "decide_order", "refund_order", "export_order", "export_student"]
UPGRADES = [("shop", "0007_rights"), ("students", "0008_rights")]


@pytest.fixture
def before():
    """The database as the release before left it, without the new rights; and without roles."""
    Role.objects.all().delete()
    Permission.objects.filter(codename__in=NEW).delete()
    ContentType.objects.clear_cache()


def upgrade():
    loader = MigrationLoader(connection)
    for app, name in UPGRADES:
        migration = loader.get_migration(app, name)
        with connection.schema_editor() as editor:
            migration.apply(loader.project_state(migration.dependencies), editor)


def role_with(*codenames):
    role = Role.objects.create(roleid="300", name="x")
    role.permissions.set(Permission.objects.filter(codename__in=codenames))
    return role


@pytest.mark.parametrize(
    "old, new",
    [
        (["view_order", "change_order"], {"ship_order", "decide_order", "refund_order"}),
        (["view_order", "change_product"], set()),
        (["view_student", "add_student", "change_student"], {"export_student"}),
        (["view_student", "change_student"], set()),
        (["view_student", "add_student"], set()),
        ([], set()),
    ],
)
def test_a_role_keeps_what_it_could_do(before, old, new):
    role = role_with(*old)

    upgrade()
    upgrade()  # a second host may do it again

    names = dict(role.permissions.values_list("codename", "name"))
    assert names.keys() == {*old, *new} and names.get("ship_order", "发货") == "发货"
