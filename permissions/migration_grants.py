"""Give roles what is new, in a migration: a right where an older one allowed the same so far, and seeded roles rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q


def rights_grant(
    apps: Any,
    *,
    app_label: str,
    model: str,
    roles_with: Iterable[str],
    rights: Mapping[str, str],
    on: str = "",
    of_app: str = "",
    seeded: Iterable[str] = (),
) -> None:
    """Give ``rights`` on a model, or on the model ``on``, to each role that has all of its rights ``roles_with``.

    :param apps: the migration's models; it depends on ``permissions``, ``auth`` and ``contenttypes``.
    :param roles_with: codenames.
    :param rights: names by codename, as the model's ``Meta.permissions`` has them.
    :param of_app: the app of ``on``, where it is another one.
    :param seeded: only to these seeded roles, by ``roleid``, and their copies.
    """
    roles = apps.get_model("permissions", "Role").objects.all()
    if seeded := list(seeded):
        roles = roles.filter(Q(roleid__in=seeded) | Q(origin__roleid__in=seeded))
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
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=of_app or app_label, model=on or model
    )
    permissions = apps.get_model("auth", "Permission").objects
    grants = [
        permissions.get_or_create(content_type=kind, codename=codename, defaults={"name": name})[0]
        for codename, name in rights.items()
    ]
    for role in roles:
        role.permissions.add(*grants)


def rows_grant(apps: Any, *, roleid: str, seeded: Iterable[str], rows: Iterable[str]) -> None:
    """Add ``rows`` to a seeded role and its copies, unless staff has changed its rows.

    :param apps: as above.
    :param seeded: the rows that the release before the migration seeded. A role with others stays as it is.
    """
    roles = apps.get_model("permissions", "Role").objects
    role = roles.filter(roleid=roleid).first()
    if role is not None and set(role.rows) == set(seeded):
        now = [*role.rows, *(row for row in rows if row not in role.rows)]
        roles.filter(Q(pk=role.pk) | Q(origin=role.pk)).update(rows=now)
