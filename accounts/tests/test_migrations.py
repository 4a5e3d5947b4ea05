"""What migrations make of the rows of the last release."""

from importlib import import_module

import pytest
from auditlog.models import LogEntry
from django.db import connection

from accounts.models import User

pytestmark = pytest.mark.django_db
phone_logins = import_module("accounts.migrations.0008_phone_logins")


def test_old_numbers_are_logins_if_one_user_has_them_and_no_token_set_them(person):
    person("alone", phone="13800000001")
    for name in ("twin1", "twin2"):
        person(name, phone="13800000002")
    person("proved", phone="13800000003", is_phone_bound=True)
    person("also", phone="13800000003")
    person("office", phone="025-83210000")
    person("root", "1", phone="13800000004", is_phone_bound=True)
    self_made, by_root = person("self-made", phone="13800000005").user, person("by-root", phone="13800000006").user
    for user, actor in ((self_made, self_made), (by_root, User.objects.get(username="root"))):
        LogEntry.objects.log_create(user, action=1, changes={"phone": ["", user.phone]}, actor=actor)

    with connection.cursor() as cursor:
        for statement in (phone_logins._UNBIND_ROOT, phone_logins._BIND):
            cursor.execute(statement)

    bound = User.objects.filter(is_phone_bound=True).order_by("username").values_list("username", flat=True)
    assert list(bound) == ["alone", "by-root", "proved"]
