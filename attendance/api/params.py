"""What the calls take."""

from typing import Any

from attendance.models import Period, Status
from core.api.params import Between, Day, OneOf, PageParams, Params, PlainText, RowId, SpanParams

DAY_MIN = 24 * 60


class Label(OneOf):
    """One of the labels of an enumeration; its member is read."""

    def __init__(self, kind: type[Period | Status], **options: Any) -> None:
        self.members = {str(member.label): member for member in kind}
        super().__init__([*self.members], **options)

    def to_internal_value(self, data: Any) -> Any:
        return self.members[super().to_internal_value(data)]


class OpenParams(Params):
    class_ = PlainText(source="class_name", max_length=64, help_text="班级")
    date = Day(source="day", required=False, help_text="日期,默认今天")
    period = Label(Period, required=False, help_text="时段,默认按现在的时间:12 点前上午,18 点前下午")
    lateAfter = Between(
        0,
        DAY_MIN,
        source="late_after_min",
        required=False,
        help_text="开始多少分钟后签到算迟到,默认 10;0:一开始就算",
    )
    minutes = Between(1, DAY_MIN, source="open_for_min", required=False, help_text="开放多少分钟,默认 30,之后自动结束")


class SessionParams(Params):
    attendance_id = RowId(source="pk", help_text="考勤的 attendance_id")


class CodeParams(SessionParams):
    sid = PlainText(
        source="socket_sid", required=False, help_text="socket 的 sid;传了,这个 socket 就收到之后的二维码和签到"
    )


class SignParams(Params):
    code = PlainText(max_length=200, help_text="二维码里的 code")
    device = PlainText(required=False, max_length=64, help_text="设备的标识,默认用登入时的 cookie")


class MarkParams(SessionParams):
    sId = PlainText(source="sid", help_text="学员的 sId")
    attendanceStatus = Label(Status, source="status", required=False, help_text="新的考勤状态")
    remark = PlainText(required=False, allow_blank=True, max_length=200, help_text="备注")


class RecordsParams(SessionParams, PageParams):
    pass


class ListParams(SpanParams, PageParams):
    class_ = PlainText(source="class_name", default="", help_text="只要这个班级,默认全部")


class SummaryParams(ListParams):
    key = PlainText(default="", help_text="姓名中的任意一段")
