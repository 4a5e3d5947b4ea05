"""What ``/docs/`` shows of the dormitory's calls."""

from accounts.errors import CeilingReached
from core.api.endpoint import Doc
from core.errors import BadParameter, NothingChanged, RowUnknown
from dormitory import errors
from dormitory.api import params
from dormitory.api.rows import RoomJson, SleeperJson

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
    params=params.ListParams,
    send={"building": "1号楼", "free": 1},
    failures=[BadParameter("page: 必须是正整数")],
    about="按楼和房间排序。`occupied` 是住了几个人;`students` 只列出自己看得到的学员。",
)
ADD = Doc(
    ok={"msg": "添加成功", "room_id": "1"},
    params=params.AddParams,
    failures=[
        *(errors.RoomExists, BadParameter("缺少参数: building, room"), _NO_BEDS),
        CeilingReached("练习账号最多100间宿舍,请先删除一些"),
    ],
    send={"building": "1号楼", "room": "101", "beds": 6, "gender": "男"},
)
UPDATE = Doc(
    ok={"msg": "修改成功"},
    params=params.UpdateParams,
    failures=[
        *(RowUnknown, NothingChanged, errors.RoomExists),
        *(errors.BedsInUse(), errors.GenderRefused(), _NO_BEDS),
    ],
    send={"room_id": "1", "beds": 8},
    about="只修改传递的字段;空值视为没有传递。",
)
REMOVE = Doc(
    ok={"msg": "删除成功"},
    params=params.RoomParams,
    failures=[RowUnknown, errors.RoomInUse],
    send={"room_id": "1"},
)
CHECK_IN = Doc(
    ok={"msg": "入住成功", "bed": 1},
    params=params.CheckInParams,
    failures=[
        *(RowUnknown, errors.RoomFull, errors.BedTaken, errors.HasBed),
        *(errors.GenderRefused(), errors.BedUnknown()),
    ],
    send={"sId": "WWLN97178546", "room_id": "1"},
    about="不传 `bed` 时住第一个空床位。性别未知的学员不受房间男女的限制。",
)
CHECK_OUT = Doc(
    ok={"msg": "退宿成功"},
    params=params.StudentParams,
    failures=[RowUnknown],
    send={"sId": "WWLN97178546"},
    about="学员被归档或删除时自动退宿;恢复时,原来的床位空着就还给他。",
)
