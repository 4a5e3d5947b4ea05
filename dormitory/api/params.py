"""What the calls take."""

from typing import Any

from core.api.params import Between, OneOf, PageParams, Params, PlainText, PositiveInt, RowId, YesNo
from dormitory.models import MAX_BEDS, RoomGender

_BUILDING: dict[str, Any] = {"max_length": 32, "help_text": "楼,如 1号楼"}
_ROOM: dict[str, Any] = {"max_length": 32, "source": "name", "help_text": "房间,如 101"}
_GENDER: dict[str, Any] = {"choices": RoomGender.values, "help_text": "住哪些人"}
_BEDS: dict[str, Any] = {"low": 1, "high": MAX_BEDS, "help_text": f"床位数,1 到 {MAX_BEDS}"}


class ListParams(PageParams):
    building = PlainText(default="", help_text="只要这栋楼,默认全部")
    free = YesNo(required=False, default=False, help_text="1:只要有空床位的房间")
    key = PlainText(default="", help_text="学员姓名或房间中的任意一段")


class AddParams(Params):
    building = PlainText(**_BUILDING)
    room = PlainText(**_ROOM)
    beds = Between(**_BEDS)
    gender = OneOf(default=RoomGender.ANY, **_GENDER)


class RoomParams(Params):
    room_id = RowId(source="room_pk", help_text="房间的 room_id")


class UpdateParams(RoomParams):
    """What is not sent, or blank, stays as it is."""

    building = PlainText(required=False, **_BUILDING)
    room = PlainText(required=False, **_ROOM)
    beds = Between(required=False, **_BEDS)
    gender = OneOf(required=False, **_GENDER)


class StudentParams(Params):
    sId = PlainText(source="sid", help_text="学员的 sId")


class CheckInParams(RoomParams, StudentParams):
    bed = PositiveInt(required=False, help_text="几号床,默认第一个空床位")
