"""A student as clients read it."""

from typing import Any

from core.ids import object_id
from core.times import slash
from students.selectors import StudentRow


def student_json(row: StudentRow) -> dict[str, Any]:
    return {
        "_id": object_id(row.created_at, row.id),
        "name": row.name,
        "headimgurl": row.headimgurl,
        "age": str(row.age),
        "class": row.class_name,
        "city": row.city,
        "degree": row.degree,
        "productUrl": row.product_url,
        "description": row.description,
        "cTime": slash(row.created_at),
        "sId": row.sid,
        "__v": 0,
    }
