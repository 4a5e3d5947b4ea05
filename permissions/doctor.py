"""Who may call what, for ``manage.py doctor``: calls that no role may make, and rows that open no call."""

from collections.abc import Iterator

from core.api.access import Access
from core.findings import Finding
from permissions.models import Role
from permissions.offered_rights import calls_by_rows, calls_of, other_rows

_DO = "改正或删除它：后台“角色”，“客户端”一页的“其他路径”。"


def roles_and_calls() -> Iterator[Finding]:
    roles = Role.objects.order_by("pk")
    idle = [(role.roleid, row) for role in roles for row, number in other_rows(role.rows).items() if not number]
    for roleid, row in idle:
        yield Finding(f"role {roleid} row {row}", False, f"角色 {roleid} 的 {row} 不起作用", _DO)
    opened = {call.path for role in roles if not role.is_root for call in calls_of(role)}
    by_rows_alone = [call.path for call in calls_by_rows() if call.access is Access.ROWS]
    uncovered = [path for path in by_rows_alone if path not in opened]
    for path in uncovered:
        yield Finding(f"call {path}", None, f"{path} 只有 root 能调用：没有角色的 rows 写着它")
    if not idle and not uncovered:
        yield Finding("roles", True, "角色的 rows 每一行都起作用，每个接口都有角色能调用")
