"""Who may call what, for ``manage.py doctor``: calls that no role may make, and rows that open no call."""

from collections.abc import Iterator

from core.api.access import Access
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
    """Find the rows that open no call, as the form of a role marks them."""
    for role in Role.objects.order_by("pk"):
        for row in [note.row for note in row_notes(role.rows) if note.is_idle]:
            key, what = f"role {role.roleid} row {row}", f"角色 {role.roleid} 的 {row} 不起作用"
            yield Finding(key, False, what, _IN_ROLE)


def _uncovered() -> Iterator[Finding]:
    roles = [role for role in Role.objects.all() if not role.is_root]
    for call in endpoints():
        if call.access is Access.ROWS and not any(role.may_call(call.paths, call.access) for role in roles):
            yield Finding(f"call {call.path}", None, f"{call.path} 只有 root 能调用：没有角色的 rows 写着它")
