"""A room as clients read it."""

from typing import Annotated, Any, TypedDict

from core.times import format_api_time
from permissions.scope import Scope

SleeperJson = TypedDict(
    "SleeperJson",
    {"sId": str, "name": str, "class": str, "bed": int, "checkInTime": Annotated[str, "2026/11/29 08:58:10"]},
)


class RoomJson(TypedDict):
    room_id: str
    building: str
    room: str
    gender: Annotated[str, "男、女或不限"]
    beds: Annotated[int, "床位数"]
    occupied: Annotated[int, "已住人数"]
    students: list[SleeperJson]


def room_json(room: Any, scope: Scope) -> RoomJson:
    return {
        "room_id": str(room.pk),
        "building": room.building,
        "room": room.name,
        "gender": room.gender,
        "beds": room.beds,
        "occupied": len(room.sleepers),
        "students": [
            {
                "sId": stay.student.sid,
                "name": stay.student.name,
                "class": stay.student.class_name,
                "bed": stay.bed,
                "checkInTime": format_api_time(stay.begins_at),
            }
            for stay in room.sleepers
            if scope.may_see(stay.student)
        ],
    }
