"""What ``/docs/`` shows of the students' calls."""

from django.conf import settings

from accounts.errors import CeilingReached
from core.api.endpoint import Doc
from core.api.params import Picture
from core.errors import BadParameter, Throttled
from students.api.params import AddParams, DeleteParams, EditParams, ListParams, SearchParams, StudentAvatarParams
from students.api.rows import EXAMPLE, StudentJson
from students.columns import COLUMNS, EDITABLE
from students.errors import AvatarMissing, StudentNotDeleted, StudentUnchanged, StudentUnknown
from uploads.errors import NO_PICTURE_TAKEN

_FIELDS = {
    column.wire: EXAMPLE.get(column.wire) for column in COLUMNS if column.field in EDITABLE and not column.is_for_staff
}
_NO_NUMBER = BadParameter("page: 必须是正整数")
_NO_AGE = BadParameter("age: 必须是1到150之间的整数")


class AddWithPicture(AddParams):
    headimgurl = Picture("头像", required=False)


CLASSES = Doc(ok={"data": ["H51901", "H51902"]})
LIST = Doc(
    ok={"status": 1, "msg": "请求成功", "total": 2, "data": [EXAMPLE]},
    records={"data": list[StudentJson]},
    params=ListParams,
    send={"page": 1, "count": 5, "class": "H51901"},
    failures=[_NO_NUMBER],
    about=f"最新的在前。`total` 是符合条件的总数,与分页无关。不传 `count` 时返回全部,最多 {settings.API_MAX_ROWS} 条。",
)
SEARCH = Doc(
    ok={"total": 1, "data": [EXAMPLE]},
    records={"data": list[StudentJson]},
    params=SearchParams,
    send={"key": "谭", "page": 1, "count": 5},
    failures=[_NO_NUMBER],
    about="按姓名查找,最新的在前。`key` 去掉首尾空白后按原样匹配姓名中的任意一段,区分大小写;不传则返回全部。",
)
ADD = Doc(
    ok={"status": 1, "msg": "添加成功", "sId": "WWLN97178546"},
    params=AddWithPicture,
    failures=[
        BadParameter("缺少参数: class, name"),
        _NO_AGE,
        BadParameter("headimgurl: 不是图片地址"),
        *NO_PICTURE_TAKEN,
        Throttled(30),
        CeilingReached("练习账号最多500名学员,请先删除一些"),
    ],
    send=_FIELDS,
)
DELETE = Doc(
    ok={"status": 1, "msg": "删除成功"},
    params=DeleteParams,
    failures=[StudentNotDeleted],
)
EDIT = Doc(
    ok={"msg": "更新成功"},
    params=EditParams,
    failures=[StudentUnknown, StudentUnchanged, _NO_AGE, *NO_PICTURE_TAKEN, Throttled(30)],
    send={"sId": "WWLN97178546", "city": "南京"},
    about=f"只修改传递的字段。{EditParams.blanks_text()}`_id`、`cTime`、`__v` 不会被修改。",
)
AVATAR = Doc(
    ok={
        "msg": "上传成功",
        "headimgurl": "http://127.0.0.1:8000/media/2026/11/0f6c1a9e2b7d4c5e8a913b2f7d6e4c1a.jpg",
    },
    params=StudentAvatarParams,
    failures=[AvatarMissing, *NO_PICTURE_TAKEN, Throttled(30)],
)
