"""The columns of a sheet of students: their names here, in the API and in the table."""

from typing import NamedTuple

from students.models import MAX_AGE, MIN_AGE


class Column(NamedTuple):
    """``key`` is the API's name, ``field`` the model's, ``label`` what stands above the column."""

    key: str
    field: str
    label: str
    hint: str
    sample: str
    width: int


COLUMNS = (
    Column("sId", "sid", "学号", "留空为新增;填写已有学员的学号为修改", "", 16),
    Column("class", "class_name", "班级", "新增时必填,最多64个字", "H51901", 12),
    Column("name", "name", "姓名", "新增时必填,最多64个字", "谭鹏", 12),
    Column("age", "age", "年龄", f"新增时必填,{MIN_AGE}到{MAX_AGE}之间的整数", "21", 8),
    Column("city", "city", "城市", "新增时必填,最多64个字", "重庆", 12),
    Column("degree", "degree", "学历", "新增时必填,最多32个字", "本科", 10),
    Column("productUrl", "product_url", "项目地址", "新增时必填,最多500个字", "https://example.com/projects/1", 32),
    Column("description", "description", "自我评价", "新增时必填,最多2000个字", "每天进步一点点", 40),
)
BY_KEY = {column.key: column for column in COLUMNS}
BY_FIELD = {column.field: column for column in COLUMNS}
RESULT, PHOTO, CREATED = "结果", "头像", "创建时间"
# Exports and result files have them; an import passes over them.
IGNORED = {RESULT, PHOTO, CREATED}
