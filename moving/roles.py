"""Translate `permissions`: roles. The four seeded roles take the school's values, unless staff changed them here."""

from collections.abc import Sequence
from typing import Any

from moving.dump import Document
from moving.translation import ImportRun, Translation
from moving.values import Values
from permissions.models import ROOT_ROLEID, ClientButton, Role
from permissions.role_validation import MAX_NAME, menu_problem, rows_problem
from permissions.seed import ROLES
from permissions.services.roles import menu_with_home

_SEEDED = {role["roleid"]: role for role in ROLES}
_PARTS = ("name", "menu", "rows", "buttons")


def look_up(_: Sequence[Document], __: ImportRun) -> dict[str, Role]:
    return Role.objects.in_bulk(field_name="roleid")


def translate(values: Values, here: dict[str, Role], run: ImportRun) -> Role:
    roleid = values.id("roleid", 32)
    role = here.get(roleid)
    is_here = role is not None and (roleid == ROOT_ROLEID or not _is_as_seeded(role))
    run.claim_once("role", roleid, is_here=is_here, what="roleid 相同")
    menu, rows = _menu(values), _rows(values)
    role = role or Role(roleid=roleid)
    role.name = values.text("roleName", 64) or roleid
    role.menu, role.rows, role.buttons = menu_with_home(menu), rows, _buttons(values)
    return role


def write(roles: Sequence[Role], _: ImportRun) -> None:
    for role in roles:
        role.save()  # one by one: each tells all processes that rights have changed


def _is_as_seeded(role: Role) -> bool:
    seed = _SEEDED.get(role.roleid)
    return seed is not None and all(getattr(role, part) == seed[part] for part in _PARTS)


def _menu(values: Values) -> list[dict[str, Any]]:
    menu = _entries(values.raw("menuList") or [])
    if problem := menu_problem(menu):
        values.fix("menuList 不是菜单，只保留首页", problem)
        return []
    return menu


def _entries(level: Any) -> Any:
    """Return a level of the menu without the `_id` that MongoDB adds to each entry, and without empty ``children``."""
    if not isinstance(level, list):
        return level
    entries = []
    for entry in level:
        if isinstance(entry, dict) and isinstance(name := entry.get("name"), str):
            children = _entries(entry.get("children") or [])
            entries.append({"name": name.strip()[:MAX_NAME]} | ({"children": children} if children else {}))
        else:
            entries.append(entry)
    return entries


def _rows(values: Values) -> list[str]:
    value = values.raw("rows") or []
    rows = [row.strip() for row in value if isinstance(row, str)] if isinstance(value, list) else []
    usable = [row for row in dict.fromkeys(rows) if not rows_problem([row])]
    if usable != value:
        values.fix("rows 中有重复的，或不是接口路径的，已去掉", value)
    return usable[:1000]


def _buttons(values: Values) -> list[str]:
    value = values.raw("buttons") or []
    buttons = [str(button) for button in value] if isinstance(value, list) else []
    valid = [button for button in ClientButton.values if button in buttons]
    if len(valid) < len(buttons):
        values.fix("buttons 中有不认识的按钮，已去掉", buttons)
    return valid


ROLES_AS_DOCUMENTS = Translation("permissions", "角色", translate, look_up, write)
