"""A role's rows beside the calls there are: what may be ticked, and what a row that is no such call does."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.api.access import Access
from core.api.routing import Endpoint, endpoints
from permissions.rights import Rights, row_folded

EVERYTHING = "*"
_NO_CALL = "没有这个接口"
_UNDECIDED: dict[Access | None, str] = {
    Access.OPEN: "所有人都能调用,不必写在这里",
    Access.ANY_USER: "登录用户都能调用,不必写在这里",
    Access.ROOT: "仅限超级管理员,写在这里不起作用",
}


@dataclass(frozen=True)
class Note:
    row: str
    text: str
    is_idle: bool  # the row opens nothing


def row_calls() -> dict[str, list[Endpoint]]:
    """The calls that rows decide on, by group."""
    groups: dict[str, list[Endpoint]] = {}
    for call in endpoints():
        if call.row_title:
            groups.setdefault(call.tag, []).append(call)
    return groups


def row_allows(rights: Rights, call: Endpoint) -> bool:
    return any(rights.may_call(path, Access.ROWS) for path in call.paths)


def row_choices(rows: list[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of pairs of row and title; a row that ``rows`` holds keeps its spelling."""
    spelled: dict[str, str] = {}
    for row in rows:
        spelled.setdefault(row_folded(row), row)
    groups = [("全部", [(EVERYTHING, "所有按角色开放的接口,包括以后新增的")])]
    for tag, calls in row_calls().items():
        groups.append((tag, [(_spelling(call, spelled), call.row_title) for call in calls]))
    return groups


def _spelling(call: Endpoint, spelled: dict[str, str]) -> str:
    return next((spelled[path.lower()] for path in call.paths if path.lower() in spelled), call.path)


def row_notes(rows: Iterable[str]) -> list[Note]:
    """Say of rows that stand for no call of their own what they do."""
    calls = endpoints()
    return [Note(row, *_said_of(row_folded(row), calls)) for row in rows]


def _said_of(folded: str, calls: list[Endpoint]) -> tuple[str, bool]:
    if folded.endswith("*"):
        prefix = folded[:-1]
        covered = [c for c in calls if c.row_title and any(path.lower().startswith(prefix) for path in c.paths)]
        return (f"包含 {len(covered)} 个接口", False) if covered else (_NO_CALL, True)
    found = next((call for call in calls if folded in (path.lower() for path in call.paths)), None)
    if found is None:
        return _NO_CALL, True
    if found.row_title:
        return f"{found.row_title}(另一种写法)", False
    return _UNDECIDED.get(found.access, "没有人能调用"), True
