"""The refusals of the permission calls."""

from core.errors import DomainError


class RoleExists(DomainError):
    status, msg = 1004, "角色已存在"


class RoleidMissing(DomainError):
    status, msg = 1004, "缺少roleid"


class BadRole(DomainError):
    """A part of the role has the wrong shape; ``msg`` says which part and why."""

    status = 1004
