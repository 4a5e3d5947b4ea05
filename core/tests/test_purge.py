"""Old rows go in small bites."""

from typing import Any

import pytest
from django.db import connection

from core.db.purge import rows_purge
from permissions.models import Role


@pytest.mark.django_db(transaction=True)
def test_what_was_deleted_before_a_failure_stays_deleted() -> None:
    for number in range(5):
        Role.objects.create(roleid=f"80{number}", name="旧")
    deletions = []

    def fail_at_the_second(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('DELETE FROM "permissions_role" '):
            deletions.append(sql)
            if len(deletions) == 2:
                raise RuntimeError("killed")
        return execute(sql, params, many, context)

    with pytest.raises(RuntimeError), connection.execute_wrapper(fail_at_the_second):
        rows_purge(Role.objects.filter(name="旧"), batch=2)

    assert sorted(Role.objects.filter(name="旧").values_list("roleid", flat=True)) == ["802", "803", "804"]
    assert rows_purge(Role.objects.filter(name="旧"), batch=2) == 3
