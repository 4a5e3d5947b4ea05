"""The refusals of the permission calls."""

from collections.abc import Iterable

from core.errors import DomainError, NotPermitted


class RoleExists(DomainError):
    status, msg = 1004, "角色已存在"


class RoleidMissing(DomainError):
    status, msg = 1004, "缺少roleid"


class BadRole(DomainError):
    """A part of the role has the wrong shape; ``msg`` says which part and why."""

    status = 1004


class ClassNotOwn(NotPermitted):
    """With the data scope 本班, a student may be entered in and moved to one's own classes alone."""

    remedy = "数据权限是“本班”的账号只能把学员放进自己当班主任或任课的班"

    def __init__(self, classes: Iterable[str] = ()) -> None:
        super().__init__(f"只能放进自己带的班级：{'、'.join(sorted(classes)) or '现在没有'}")
