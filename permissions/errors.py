"""The refusals of the permission calls."""

from collections.abc import Iterable

from core.errors import DomainError, NotPermitted

MAX_NAMED = 12  # classes; a campus may have hundreds


class RoleExists(DomainError):
    status, msg = 1004, "角色已存在"


class RoleidMissing(DomainError):
    status, msg = 1004, "缺少roleid"


class BadRole(DomainError):
    """A part of the role has the wrong shape; ``msg`` says which part and why."""

    status = 1004


class ClassNotOwn(NotPermitted):
    """With the data scopes 本班 and 本校区, a student may be entered in and moved to classes of the scope alone."""

    remedy = "数据权限是“本班”的账号只能把学员放进自己当班主任或任课的班，“本校区”的还能放进自己校区的班"

    def __init__(self, classes: Iterable[str] = (), *, is_campus: bool = False) -> None:
        names = sorted(classes)
        more = f" 等 {len(names)} 个" if len(names) > MAX_NAMED else ""
        whose = "自己校区的" if is_campus else "自己带的"
        super().__init__(f"只能放进{whose}班级：{'、'.join(names[:MAX_NAMED]) or '现在没有'}{more}")
