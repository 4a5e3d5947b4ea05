"""Give roles a right that is new, in a migration: where an older right allowed the same so far."""

from collections.abc import Iterable, Mapping
from typing import Any


def rights_grant(
    apps: Any, *, app_label: str, model: str, roles_with: Iterable[str], rights: Mapping[str, str]
) -> None:
    """Give ``rights`` on a model to each role that has all of its rights ``roles_with``.

    :param apps: the migration's models; it depends on ``permissions``, ``auth`` and ``contenttypes``.
    :param roles_with: codenames.
    :param rights: names by codename, as the model's ``Meta.permissions`` has them.
    """
    roles = apps.get_model("permissions", "Role").objects.all()
    for codename in roles_with:
        roles = roles.filter(
            permissions__codename=codename,
            permissions__content_type__app_label=app_label,
            permissions__content_type__model=model,
        )
    roles = list(roles)
    if not roles:
        return
    # Django creates these rows only after the last migration.
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=model)
    permissions = apps.get_model("auth", "Permission").objects
    grants = [
        permissions.get_or_create(content_type=kind, codename=codename, defaults={"name": name})[0]
        for codename, name in rights.items()
    ]
    for role in roles:
        role.permissions.add(*grants)
