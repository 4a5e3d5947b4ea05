"""Report on who may call what: calls that no role opens, rows that open no call, and the reason of one decision.

Used by ``manage.py permission_doctor``, ``manage.py doctor`` and the page of a role.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.urls import Resolver404, resolve

from core.api.access import Access
from core.api.routing import Endpoint, endpoints, pages
from permissions.models import Role
from permissions.rights import Rights, rights_of_role

# Pages that are no API calls. The back office asks Django's permissions; everybody may open the others.
KNOWN_PAGES = (
    "/admin/",
    "/docs/",
    "/schema/",
    "/health/",
    "/media/",
    "/static/",
    "/metrics",
    "/demo/",
    "/sandbox/",
    "/logo",
)


def undeclared() -> list[str]:
    """Return the paths of calls that do not declare who may make them; nobody may, not even root."""
    return [call.path for call in endpoints() if call.access is None]


def unknown_pages() -> list[str]:
    """Return the routes that are neither API calls nor below ``KNOWN_PAGES``: no role is checked there."""
    return [route for route in pages() if route != "/" and not route.startswith(KNOWN_PAGES)]


def uncovered(roles: list[Rights]) -> list[str]:
    """Return the paths of calls that rows may open but no role's rows do, so that only root may make them."""
    return [
        call.path
        for call in endpoints()
        if call.access is Access.ROWS and not any(may_call(role, call) for role in roles if not role.is_root)
    ]


def idle_rows(roles: list[Rights]) -> list[tuple[str, str]]:
    """Return (roleid, row) for each row that opens no call: its path does not exist, or rows do not decide on it."""
    open_to_rows = [path.lower() for call in endpoints() if call.row_title for path in call.paths]
    idle = []
    for role in roles:
        idle += [(role.roleid, row) for row in sorted(role.paths) if row not in open_to_rows]
        idle += [
            (role.roleid, prefix + "*")
            for prefix in role.prefixes
            if not any(path.startswith(prefix) for path in open_to_rows)
        ]
    return idle


def all_rights() -> list[Rights]:
    """Read the rights of every role from the database, oldest role first."""
    return [rights_of_role(role) for role in Role.objects.order_by("pk")]


def explain(username: str, method: str, path: str) -> str:
    """Say in one Chinese sentence whether this user may make this call, and why."""
    try:
        call: Endpoint | None = getattr(resolve(path.partition("?")[0]).func, "endpoint", None)
    except Resolver404:
        return f"拒绝（404）：没有 {path} 这个地址"
    if call is None:
        return f"不经过角色检查：{path} 是页面或文件，不是接口"
    if method.upper() not in call.methods:
        return f"拒绝（405）：{call.path} 只接受 {'、'.join(call.methods)}"
    if call.access is None:
        return f"拒绝：{call.path} 没有声明谁可以调用，任何人都不行"
    if call.access is Access.OPEN:
        return f"允许：{call.path} 对所有人开放"
    return _explain_for_user(username, call)


def _explain_for_user(username: str, call: Endpoint) -> str:
    user: Any = get_user_model().objects.select_related("role").filter(username=username).first()
    if user is None:
        return f"拒绝（10022）：没有用户 {username}，{call.path} 需要登录"
    if not user.is_active:
        return f"拒绝（1004）：用户 {username} 已停用"
    rights = rights_of_role(user.role)
    if rights.is_root:
        return f"允许：{username} 的角色 {user.role}是超级管理员"
    if call.access is Access.ANY_USER:
        return f"允许：{call.path} 对登录用户开放（只限本人的数据，由接口检查）"
    if call.access is Access.ROOT:
        return f"拒绝（10026）：{call.path} 仅限超级管理员，rows 不起作用"
    if may_call(rights, call):
        return f"允许：角色 {user.role}的 rows 包含 {call.path}"
    return f"拒绝（10026）：角色 {user.role}的 rows 不包含 {call.path}"


def may_call(rights: Rights, call: Endpoint) -> bool:
    """Tell whether a role may make ``call`` by its documented path or by an alias."""
    return any(rights.may_call(path, call.access) for path in call.paths)
