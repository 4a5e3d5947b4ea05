"""What the form of a role offers to tick: the rights of the back office, and the calls that rows open.

Many of Django's four rights for each model open nothing, as staff add no order by hand: only those count that a page
names (``OfficeAdmin.rights``).
"""

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from core.api.access import Access
from core.api.endpoint import Endpoint
from core.api.routing import endpoints
from core.registers import Registers
from permissions.models import Role, row_normalized

EVERYTHING = "*"

# Rights that no model's page names, as "app.codename": what they are about, and what may be done with it.
page_rights = Registers[tuple[str, str]]()


def offered_rights() -> QuerySet[Permission]:
    """Return the permissions that open something in the back office."""
    names = _labels()
    return (
        Permission.objects.select_related("content_type")
        .filter(content_type__app_label__in={app for app, _ in names}, codename__in={codename for _, codename in names})
        .order_by("content_type__app_label", "content_type__model", "pk")
    )


def rights_by_records() -> dict[str, list[tuple[int, str]]]:
    """Group the rights, as (key, what may be done), by the records they are about; one query."""
    pks = {(right.content_type.app_label, right.codename): right.pk for right in offered_rights()}
    groups: dict[str, list[tuple[int, str]]] = {}
    for name, (records, verb) in _labels().items():
        if name in pks:
            groups.setdefault(records, []).append((pks[name], verb))
    return groups


def _labels() -> dict[tuple[str, str], tuple[str, str]]:
    """Map app label and codename of each right to what it is about and what may be done, in the order of the pages."""
    pages = sorted(admin.site._registry.values(), key=lambda page: page.opts.app_label)
    others = {right.partition(".")[::2]: names for right, names in page_rights.items()}
    return others | {
        (page.opts.app_label, f"{verb}_{page.opts.model_name}"): (str(page.opts.verbose_name), label)
        for page in pages
        for verb, label in getattr(page, "rights", {}).items()
    }


def calls_by_rows() -> list[Endpoint]:
    """Return the calls that a role's rows may open."""
    return [call for call in endpoints() if call.row_title]


def calls_of(role: Role) -> list[Endpoint]:
    """Return the calls that the rows of ``role`` open."""
    return [call for call in calls_by_rows() if role.may_call(call.paths, Access.ROWS)]


def row_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """List the ticks of the form: groups of (row, title)."""
    groups = {"全部": [(EVERYTHING, "所有按角色开放的接口，包括以后新增的")]}
    for call in calls_by_rows():
        groups.setdefault(call.tag, []).append((call.path, call.row_title))
    return list(groups.items())


def rows_documented(rows: list[str]) -> list[str]:
    """Return rows as the form has them: a call by its documented path, each once."""
    paths = {path.lower(): call.path for call in calls_by_rows() for path in call.paths}
    return list(dict.fromkeys(paths.get(row_normalized(row), row) for row in rows))


def other_rows(rows: list[str]) -> dict[str, int]:
    """Return the rows that are none of the ticks, each with how many calls it opens: wildcards, and what opens none."""
    ticks = {row for _, choices in row_choices() for row, _ in choices}
    return {row: len(calls_of(Role(rows=[row]))) for row in rows_documented(rows) if row not in ticks}
