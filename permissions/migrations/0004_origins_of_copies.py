"""Tell the copies that a class was given of a role's data scope: their number says whose they are."""

from typing import Any

from django.db import migrations

_FOLLOWING = ("menu", "rows", "buttons")


def origins_find(apps: Any, schema_editor: Any) -> None:
    """Set the origin where one role alone comes into question, and the copy still has its rights.

    A copy that differs was changed by staff, or its origin was: it stays a role of its own.
    """
    roles = list(apps.get_model("permissions", "Role").objects.prefetch_related("permissions"))
    by_number: dict[str, list[Any]] = {}
    for role in roles:
        for scope in ("all", "change_own", "own"):
            by_number.setdefault(f"{role.roleid[:20]}-{scope}", []).append(role)
    for copy in roles:
        origins = by_number.get(copy.roleid, [])
        is_copy = copy.roleid.endswith(f"-{copy.data_scope}") and len(origins) == 1
        if is_copy and _rights(copy) == _rights(origins[0]):
            copy.origin = origins[0]
            copy.save(update_fields=["origin"])


def _rights(role: Any) -> list[Any]:
    return [*(getattr(role, name) for name in _FOLLOWING), {right.pk for right in role.permissions.all()}]


class Migration(migrations.Migration):
    dependencies = [("permissions", "0003_origins")]

    operations = [migrations.RunPython(origins_find, migrations.RunPython.noop, elidable=True)]
