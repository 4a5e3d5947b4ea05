"""Who may call what, for ``manage.py doctor`` and ``manage.py permission_doctor``.

They report calls that no role may make and rows that open no call, and explain one decision.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import Resolver404, resolve

from core.api.access import Access
from core.api.endpoint import Endpoint
from core.api.routing import endpoints, pages
from core.findings import Finding
from permissions.choices import row_notes
from permissions.models import Role

# Pages that are no API calls. The back office asks Django's permissions; the others are open.
KNOWN_PAGES = (
    *("/admin/", "/docs/", "/schema/", "/health/", "/media/", "/static/", "/metrics"),
    *("/demo/", "/practice/", "/sandbox/", "/logo", "/picture", "/attendance/phone/"),
)
_IN_CODE = "这一版的错误：见 CONTRIBUTING.md。"
_IN_ROLE = "改正或删除它：后台“角色”的“接口权限”。"


def roles_and_calls() -> Iterator[Finding]:
    findings = [*_undeclared(), *_unknown_pages(), *_idle_rows(), *_uncovered()]
    yield from findings or [Finding("roles", True, "每个接口都声明了谁可以调用，角色的每一行都起作用")]


def _undeclared() -> Iterator[Finding]:
    for call in endpoints():
        if call.access is None:
            yield Finding(f"call {call.path}", False, f"{call.path} 没有声明谁可以调用：谁也不能", _IN_CODE)


def _unknown_pages() -> Iterator[Finding]:
    for route in pages():
        if route != "/" and not route.startswith(KNOWN_PAGES):
            yield Finding(f"page {route}", False, f"{route} 不是接口，也不是已知的页面：不检查角色", _IN_CODE)


def _idle_rows() -> Iterator[Finding]:
    """Find the rows that open no call, as the preview of a role shows them."""
    for role in Role.objects.order_by("pk"):
        for row in [note.row for note in row_notes(role.rows) if note.is_idle]:
            key, what = f"role {role.roleid} row {row}", f"角色 {role.roleid} 的 {row} 不起作用"
            yield Finding(key, False, what, _IN_ROLE)


def _uncovered() -> Iterator[Finding]:
    roles = [role for role in Role.objects.all() if not role.is_root]
    for call in endpoints():
        if call.access is Access.ROWS and not any(role.may_call(call.paths, call.access) for role in roles):
            yield Finding(f"call {call.path}", None, f"{call.path} 只有 root 能调用：没有角色的 rows 写着它")


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
    if user.role.is_root:
        return f"允许：{username} 的角色 {user.role}是超级管理员"
    if call.access is Access.ANY_USER:
        return f"允许：{call.path} 对登录用户开放（只限本人的数据，由接口检查）"
    if call.access is Access.ROOT:
        return f"拒绝（10026）：{call.path} 仅限超级管理员，rows 不起作用"
    if user.role.may_call(call.paths, call.access):
        return f"允许：角色 {user.role}的 rows 包含 {call.path}"
    return f"拒绝（10026）：角色 {user.role}的 rows 不包含 {call.path}"
