"""The documented refusals of the attendance calls."""

from core.errors import DomainError


class SessionExists(DomainError):
    """The class has a session of that day and period; ``attendance_id`` in the answer is its."""

    status, msg = 1004, "该班级本时段的考勤已存在"
    remedy = "用返回的 attendance_id 打开已有的考勤"

    def __init__(self, pk: int = 1) -> None:
        super().__init__(attendance_id=str(pk))


class CodeExpired(DomainError):
    """The code is none of ours, older than its ten seconds, or its session has ended."""

    status, msg = 10004, "二维码已失效"
    remedy = "重新扫描投影上的二维码"


class NotOnList(DomainError):
    status, msg = 1004, "你不在这个班级"
    remedy = "请老师核对:账号要对应这个班级的学员"


class AlreadySigned(DomainError):
    status, msg = 304, "已经签到"
