"""Answers of the permission calls that are not success."""

from core.errors import DomainError


class RoleExists(DomainError):
    status, msg = 1004, "角色已存在"


class RoleidMissing(DomainError):
    status, msg = 1004, "缺少roleid"


class BadRole(DomainError):
    """A part of a role that has the wrong shape; ``msg`` names it."""

    status = 1004
