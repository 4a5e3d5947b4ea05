"""What the calls take."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.params import PageParams, Params, PlainText, PositiveInt, WholeNumber, YesNo
from core.errors import BadParameter, DomainError
from dormitory.models import MAX_BEDS, RoomGender

_BUILDING: dict[str, Any] = {"max_length": 32, "help_text": "楼,如 1号楼"}
_ROOM: dict[str, Any] = {"max_length": 32, "source": "name", "help_text": "房间,如 101"}


class Beds(WholeNumber):
    default_error_messages = dict.fromkeys(
        ("invalid", "min_value", "max_value", "max_string_length"), f"必须是1到{MAX_BEDS}之间的整数"
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_BEDS, help_text=f"床位数,1 到 {MAX_BEDS}", **options)


class Gender(serializers.ChoiceField):
    default_error_messages = {"invalid_choice": "只能是男、女或不限"}

    def __init__(self, **options: Any) -> None:
        super().__init__(RoomGender.values, help_text="住哪些人", **options)


@extend_schema_field(str)  # as answers have it
class RoomId(PositiveInt):
    """The id of a room."""


class DormParams(Params):
    def refusal(self) -> DomainError:
        missing = self.missing()
        return BadParameter(f"缺少参数: {', '.join(missing)}") if missing else super().refusal()


class ListParams(PageParams):
    building = PlainText(required=False, help_text="只要这栋楼,默认全部")
    free = YesNo(required=False, default=False, help_text="1:只要有空床位的房间")
    key = PlainText(required=False, help_text="学员姓名或房间中的任意一段")


class AddParams(DormParams):
    building = PlainText(**_BUILDING)
    room = PlainText(**_ROOM)
    beds = Beds()
    gender = Gender(default=RoomGender.ANY)


class UpdateParams(DormParams):
    """What is not sent, or blank, stays as it is."""

    room_id = RoomId(help_text="房间的 room_id")
    building = PlainText(required=False, **_BUILDING)
    room = PlainText(required=False, **_ROOM)
    beds = Beds(required=False)
    gender = Gender(required=False)


class RemoveParams(DormParams):
    room_id = RoomId(help_text="房间的 room_id")


class CheckInParams(DormParams):
    sId = PlainText(help_text="学员的 sId")
    room_id = RoomId(help_text="房间的 room_id")
    bed = PositiveInt(required=False, help_text="几号床,默认第一个空床位")


class CheckOutParams(DormParams):
    sId = PlainText(help_text="学员的 sId")
