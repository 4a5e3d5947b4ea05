"""What the calls take."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from attendance.models import Period, Status
from core.api.params import PageParams, Params, PlainText, PositiveInt, WholeNumber
from core.errors import BadParameter, DomainError

MAX_MINUTES = 24 * 60
_CLASS: dict[str, Any] = {"max_length": 64}
_SESSION = "考勤的 attendance_id"


@extend_schema_field({"type": "string", "format": "date"})
class Day(serializers.DateField):
    default_error_messages = dict.fromkeys(("invalid", "datetime"), "必须是日期,如 2026-11-29")

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%Y/%m/%d"], **options)

    def to_internal_value(self, value: Any) -> date:
        day: date = super().to_internal_value(value)
        if not 2000 <= day.year <= 2100:
            self.fail("invalid")
        return day


class Minutes(WholeNumber):
    default_error_messages = dict.fromkeys(
        ("invalid", "min_value", "max_value", "max_string_length"), f"必须是整数,最多{MAX_MINUTES}"
    )

    def __init__(self, min_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=MAX_MINUTES, **options)


class Label(serializers.ChoiceField):
    """One of the labels of an enumeration; its member is read."""

    def __init__(self, kind: type[Period | Status], **options: Any) -> None:
        self.kind = kind
        super().__init__(kind.labels, **options)
        self.error_messages["invalid_choice"] = f"只能是{'、'.join(map(str, kind.labels))}"

    def to_internal_value(self, data: Any) -> Any:
        label = super().to_internal_value(data)
        return next(member for member in self.kind if member.label == label)


@extend_schema_field(str)  # as answers have it
class SessionId(PositiveInt):
    """The id of a session."""

    def __init__(self, **options: Any) -> None:
        super().__init__(help_text=_SESSION, **options)


class AttendanceParams(Params):
    def refusal(self) -> DomainError:
        missing = self.missing()
        return BadParameter(f"缺少参数: {', '.join(missing)}") if missing else super().refusal()


class OpenParams(AttendanceParams):
    class_ = PlainText(help_text="班级", **_CLASS)
    date = Day(required=False, help_text="日期,默认今天")
    period = Label(Period, required=False, help_text="时段,默认按现在的时间:12 点前上午,18 点前下午")
    lateAfter = Minutes(0, default=10, help_text="开始多少分钟后签到算迟到,0:一开始就算")
    minutes = Minutes(1, default=30, help_text="开放多少分钟,之后自动结束")


class CodeParams(AttendanceParams):
    attendance_id = SessionId()
    sid = PlainText(required=False, help_text="socket 的 sid;传了,这个 socket 就收到之后的二维码和签到")


class SignParams(AttendanceParams):
    code = PlainText(max_length=200, help_text="二维码里的 code")
    device = PlainText(required=False, max_length=64, help_text="设备的标识,默认用登入时的 cookie")


class MarkParams(AttendanceParams):
    attendance_id = SessionId()
    sId = PlainText(help_text="学员的 sId")
    attendanceStatus = Label(Status, required=False, help_text="新的考勤状态")
    remark = PlainText(required=False, allow_blank=True, max_length=200, help_text="备注")


class CloseParams(AttendanceParams):
    attendance_id = SessionId()


class RangeParams(PageParams):
    from_ = Day(required=False, help_text="从哪天起")
    to = Day(required=False, help_text="到哪天为止")
    class_ = PlainText(required=False, help_text="只要这个班级,默认全部")


class RecordsParams(AttendanceParams, PageParams):
    attendance_id = SessionId()


class SummaryParams(RangeParams):
    key = PlainText(required=False, help_text="姓名中的任意一段")
