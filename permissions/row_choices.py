"""The calls that the form of a role offers to tick, and an explanation of every row that is none of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.api.access import Access
from core.api.routing import Endpoint, endpoints
from permissions.rights import Rights, row_normalized

EVERYTHING = "*"
_NO_CALL = "没有这个接口"
_UNDECIDED: dict[Access | None, str] = {
    Access.OPEN: "所有人都能调用，不必写在这里",
    Access.ANY_USER: "登录用户都能调用，不必写在这里",
    Access.ROOT: "仅限超级管理员，写在这里不起作用",
}


@dataclass(frozen=True)
class RowNote:
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


def row_allows(rights: Rights, call: Endpoint) -> bool:
    return any(rights.may_call(path, Access.ROWS) for path in call.paths)


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
        covered = [c for c in calls if c.row_title and any(path.lower().startswith(prefix) for path in c.paths)]
        return (f"包含 {len(covered)} 个接口", False) if covered else (_NO_CALL, True)
    found = next((call for call in calls if row in (path.lower() for path in call.paths)), None)
    if found is None:
        return _NO_CALL, True
    if found.row_title:
        return f"{found.row_title}（另一种写法）", False
    return _UNDECIDED.get(found.access, "没有人能调用"), True
