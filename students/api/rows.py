"""A student as clients read it."""

from typing import Annotated, TypedDict

from core.api.request import full_url
from core.ids import object_id
from core.times import format_api_time
from students.models import StudentRow

StudentJson = TypedDict(
    "StudentJson",
    {
        "_id": str,
        "name": str,
        "headimgurl": Annotated[str, "头像地址,没有时为空"],
        "age": Annotated[str, "年龄,字符串"],
        "class": Annotated[str, "班级"],
        "city": str,
        "degree": Annotated[str, "学历"],
        "productUrl": Annotated[str, "项目地址"],
        "description": Annotated[str, "自我评价"],
        "cTime": Annotated[str, "创建时间,2019/05/09 02:14:12"],
        "sId": Annotated[str, "学号"],
        "__v": int,
    },
)


def student_json(row: StudentRow) -> StudentJson:
    return {
        "_id": object_id(row.created_at, row.id),
        "name": row.name,
        "headimgurl": full_url(row.headimgurl),
        "age": str(row.age),
        "class": row.class_name,
        "city": row.city,
        "degree": row.degree,
        "productUrl": row.product_url,
        "description": row.description,
        "cTime": format_api_time(row.created_at),
        "sId": row.sid,
        "__v": 0,
    }


# The contract's own sample.
EXAMPLE: StudentJson = {
    "_id": "5cd3c534e1e75b0ea034cf83",
    "name": "谭鹏",
    "headimgurl": "",
    "age": "21",
    "class": "H51901",
    "city": "重庆",
    "degree": "专科",
    "productUrl": "地址",
    "description": "O(∩_∩)O哈哈~",
    "cTime": "2019/05/09 02:14:12",
    "sId": "WWLN97178546",
    "__v": 0,
}
