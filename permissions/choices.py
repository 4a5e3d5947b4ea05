"""What the form of a role offers to tick: the rights of the back office, and the calls that rows open.

Many of Django's four rights for each model open nothing, as staff
add no order by hand: only those count that a page names (``OfficeAdmin.rights``).
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from core.api.access import Access
from core.api.endpoint import Endpoint
from core.api.routing import endpoints
from core.registers import Registers
from permissions.models import row_normalized

EVERYTHING = "*"
_NO_CALL = "没有这个接口"
_UNDECIDED: dict[Access | None, str] = {
    Access.OPEN: "所有人都能调用，不必写在这里",
    Access.ANY_USER: "登录用户都能调用，不必写在这里",
    Access.ROOT: "仅限超级管理员，写在这里不起作用",
}


# Rights that no model's page names, as "app.codename", with the three names that `OfficeRight` has.
page_rights = Registers[tuple[str, str, str]]()
# What the form of a role says of a row that decides something though its call is open anyway, by the row.
row_effects = Registers[str]()


class OfficeRight(NamedTuple):
    """A right with its names in Chinese: of the app, of the records and of what may be done with them."""

    permission: Permission
    app: str
    records: str
    verb: str


def offered_rights() -> QuerySet[Permission]:
    """Return the permissions that open something in the back office."""
    names = _labels()
    return (
        Permission.objects.select_related("content_type")
        .filter(content_type__app_label__in={app for app, _ in names}, codename__in={codename for _, codename in names})
        .order_by("content_type__app_label", "content_type__model", "pk")
    )


def office_rights() -> list[OfficeRight]:
    """Return all rights, with one query, in the order of the pages and of the rights on each page."""
    by_name = {(right.content_type.app_label, right.codename): right for right in offered_rights()}
    return [OfficeRight(by_name[name], *labels) for name, labels in _labels().items() if name in by_name]


def _labels() -> dict[tuple[str, str], tuple[str, str, str]]:
    """Map app label and codename of each right to its three names."""
    pages = sorted(admin.site._registry.values(), key=lambda page: page.opts.app_label)
    others = {right.partition(".")[::2]: names for right, names in page_rights.items()}
    return others | {
        (page.opts.app_label, f"{verb}_{page.opts.model_name}"): (
            str(apps.get_app_config(page.opts.app_label).verbose_name),
            str(page.opts.verbose_name),
            label,
        )
        for page in pages
        for verb, label in getattr(page, "rights", {}).items()
    }


class RowNote(NamedTuple):
    """Tells staff in Chinese what a row does that is not one of the ticks."""

    row: str
    text: str
    is_idle: bool  # the row opens no call


def calls_open_to_rows() -> dict[str, list[Endpoint]]:
    """Group by tag the calls that a role's rows may open."""
    groups: dict[str, list[Endpoint]] = {}
    for call in endpoints():
        if call.row_title:
            groups.setdefault(call.tag, []).append(call)
    return groups


def row_choices(rows: list[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """List the ticks of the form: groups of (row, title).

    :param rows: the role's present rows. A call that one of them names is offered in that row's spelling, so that
        saving the form does not change it.
    """
    present_spellings: dict[str, str] = {}
    for row in rows:
        present_spellings.setdefault(row_normalized(row), row)
    groups = [("全部", [(EVERYTHING, "所有按角色开放的接口，包括以后新增的")])]
    for tag, calls in calls_open_to_rows().items():
        groups.append((tag, [(_spelling(call, present_spellings), call.row_title) for call in calls]))
    return groups


def _spelling(call: Endpoint, present: dict[str, str]) -> str:
    return next((present[path.lower()] for path in call.paths if path.lower() in present), call.path)


def row_notes(rows: Iterable[str]) -> list[RowNote]:
    """Explain rows that are not among the ticks: wildcards, other spellings, and paths that rows do not decide."""
    calls = endpoints()
    return [RowNote(row, *_text_and_idle(row_normalized(row), calls)) for row in rows]


def _text_and_idle(row: str, calls: list[Endpoint]) -> tuple[str, bool]:
    if row.endswith("*"):
        prefix = row[:-1]
        matches = [c for c in calls if c.row_title and any(path.lower().startswith(prefix) for path in c.paths)]
        return (f"包含 {len(matches)} 个接口", False) if matches else (_NO_CALL, True)
    match = next((call for call in calls if row in (path.lower() for path in call.paths)), None)
    if match is None:
        return _NO_CALL, True
    if match.row_title:
        return f"{match.row_title}（另一种写法）", False
    if row in row_effects:
        return row_effects[row], False
    return _UNDECIDED.get(match.access, "没有人能调用"), True
