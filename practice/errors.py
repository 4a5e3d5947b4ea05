"""The refusals of joining."""

from core.errors import DomainError


class InvitationInvalid(DomainError):
    status, msg = 1004, "邀请码无效或已过期"
    remedy = "请老师给一个新的邀请码"
