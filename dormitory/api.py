"""The dormitory's calls (学员宿舍): what they take, what clients read, what ``/docs/`` shows, and what they do."""

from typing import Annotated, Any, TypedDict

from accounts.authentication import CallerRequest
from accounts.errors import CeilingReached
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import Between, OneOf, PageParams, Params, PlainText, PositiveInt, RowId, YesNo, page_of
from core.errors import BadParameter, NothingChanged, RowUnknown
from core.times import format_api_time
from dormitory import errors, selectors, services
from dormitory.models import MAX_BEDS, RoomGender
from permissions.scope import Scope

# --- What the calls take ---
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


# --- A room as clients read it ---
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


# --- What /docs/ shows of the calls ---
_SLEEPER: SleeperJson = {
    "sId": "WWLN97178546", "name": "谭鹏", "class": "H51901", "bed": 1, "checkInTime": "2026/11/29 08:58:10",
}  # fmt: skip
_EXAMPLE: RoomJson = {
    "room_id": "1", "building": "1号楼", "room": "101", "gender": "男", "beds": 6, "occupied": 1,
    "students": [_SLEEPER],
}  # fmt: skip
_NO_BEDS = BadParameter("beds: 必须是1到12之间的整数")

LIST = Doc(
    ok={"msg": "获取成功", "total": 1, "data": [_EXAMPLE]},
    records={"data": list[RoomJson]},
    params=ListParams,
    send={"building": "1号楼", "free": 1},
    failures=[BadParameter("page: 必须是正整数")],
    about="按楼和房间排序。`occupied` 是住了几个人;`students` 只列出自己看得到的学员。",
)
ADD = Doc(
    ok={"msg": "添加成功", "room_id": "1"},
    params=AddParams,
    failures=[
        *(errors.RoomExists, BadParameter("缺少参数: building, room"), _NO_BEDS),
        CeilingReached("练习账号最多100间宿舍,请先删除一些"),
    ],
    send={"building": "1号楼", "room": "101", "beds": 6, "gender": "男"},
)
UPDATE = Doc(
    ok={"msg": "修改成功"},
    params=UpdateParams,
    failures=[
        *(RowUnknown, NothingChanged, errors.RoomExists),
        *(errors.BedsInUse(), errors.GenderRefused(), _NO_BEDS),
    ],
    send={"room_id": "1", "beds": 8},
    about="只修改传递的字段;空值视为没有传递。",
)
REMOVE = Doc(
    ok={"msg": "删除成功"},
    params=RoomParams,
    failures=[RowUnknown, errors.RoomInUse],
    send={"room_id": "1"},
)
CHECK_IN = Doc(
    ok={"msg": "入住成功", "bed": 1},
    params=CheckInParams,
    failures=[
        *(RowUnknown, errors.RoomFull, errors.BedTaken, errors.HasBed),
        *(errors.GenderRefused(), errors.BedUnknown()),
    ],
    send={"sId": "WWLN97178546", "room_id": "1"},
    about="不传 `bed` 时住第一个空床位。性别未知的学员不受房间男女的限制。",
)
CHECK_OUT = Doc(
    ok={"msg": "退宿成功"},
    params=StudentParams,
    failures=[RowUnknown],
    send={"sId": "WWLN97178546"},
    about="学员被归档或删除时自动退宿;恢复时,原来的床位空着就还给他。",
)


# --- The calls ---
class DormitoryViewSet(ApiViewSet):
    tag = "宿舍模块"

    @Endpoint("GET", "/dorm/getRooms", "获取宿舍房间", Access.ROWS, docs=LIST, is_quick=True)
    def get_rooms(self, request: CallerRequest) -> Envelope:
        query, scope = ListParams.read(request), request.user.scope
        found = selectors.rooms_found(
            building=query["building"], key=query["key"], only_free=query["free"], scope=scope
        )
        total, rooms = page_of(found, query)
        return ok("获取成功", total=total, data=[room_json(room, scope) for room in rooms])

    @Endpoint("POST", "/dorm/addRoom", "增加宿舍房间", Access.ROWS, docs=ADD)
    def add_room(self, request: CallerRequest) -> Envelope:
        room = services.room_add(**AddParams.read(request), scope=request.user.scope)
        return ok("添加成功", room_id=str(room.pk))

    @Endpoint("POST", "/dorm/updateRoom", "修改宿舍房间", Access.ROWS, docs=UPDATE)
    def update_room(self, request: CallerRequest) -> Envelope:
        services.room_update(**UpdateParams.read(request), scope=request.user.scope)
        return ok("修改成功")

    @Endpoint("GET", "/dorm/delRoom", "删除宿舍房间", Access.ROWS, docs=REMOVE)
    def del_room(self, request: CallerRequest) -> Envelope:
        services.room_remove(**RoomParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("删除成功")

    @Endpoint("POST", "/dorm/checkIn", "入住", Access.ROWS, docs=CHECK_IN)
    def check_in(self, request: CallerRequest) -> Envelope:
        stay = services.check_in(**CheckInParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("入住成功", bed=stay.bed)

    @Endpoint("POST", "/dorm/checkOut", "退宿", Access.ROWS, docs=CHECK_OUT)
    def check_out(self, request: CallerRequest) -> Envelope:
        services.check_out(**StudentParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("退宿成功")
