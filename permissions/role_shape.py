"""Check the shape of a role's menu and rows. The API and the back office's form both use these functions."""

import re
import reprlib
from collections.abc import Iterator
from typing import Any

MAX_ENTRIES = 500
MAX_DEPTH = 6
MAX_NAME = 64
MAX_ROW = 128
MAX_ROWS = 1000
QUOTED = 60  # characters of the refused part that the message repeats
_ROW = re.compile(r"/[^\s*]*\*?|\*")


def menu_problem(menu: Any) -> str | None:
    """Say in Chinese why ``menu`` is no tree of ``{"name": ..., "children"?: [...]}``; None if it is one."""
    queue: list[tuple[Any, int]] = [(menu, 1)]
    entries = 0
    while queue:
        level, depth = queue.pop()
        if not isinstance(level, list) or depth > MAX_DEPTH:
            return f"必须是列表,最多 {MAX_DEPTH} 层"
        entries += len(level)
        if entries > MAX_ENTRIES:
            return f"最多 {MAX_ENTRIES} 项"
        for entry in level:
            if not isinstance(entry, dict) or set(entry) - {"name", "children"} or not _is_name(entry.get("name")):
                return f"每一项必须是 {{name, children}},name 是 1 到 {MAX_NAME} 个字的文本;不符合的是 {_quoted(entry)}"
            if "children" in entry:
                queue.append((entry["children"], depth + 1))
    return None


def rows_problem(rows: Any) -> str | None:
    """Say in Chinese why ``rows`` is no list of API paths, each exact or ending in ``*``; None if it is one."""
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        return f"必须是列表,最多 {MAX_ROWS} 项"
    for row in rows:
        if not (isinstance(row, str) and len(row) <= MAX_ROW and row.isprintable() and _ROW.fullmatch(row)):
            return f"每一项必须是以 / 开头的接口路径,末尾可以是 *;不符合的是 {_quoted(row)}"
    return None


def menu_names(menu: Any) -> Iterator[str]:
    """Yield the names of a menu's entries, at all levels."""
    for entry in menu:
        yield entry["name"]
        yield from menu_names(entry.get("children", []))


def _quoted(part: Any) -> str:
    # The part may be nested deeply, very long, or hold a lone surrogate, which cannot be encoded in the response.
    # reprlib cuts the first two short and escapes the third.
    text = reprlib.repr(part)
    return text if len(text) <= QUOTED else text[:QUOTED] + "…"


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip()) and len(name) <= MAX_NAME and name.isprintable()
