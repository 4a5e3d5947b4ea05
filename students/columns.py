"""The fields of a student that people fill in, each written down once.

Forms, sheets, bulk changes, the audit and the search of the back office all read this table. The model says how a
field is called in Chinese, how long it may be, and whether it may stay empty. ``students.api.params`` says what values
are allowed, for the API and for imports.
"""

from dataclasses import dataclass
from typing import Any

from core.admin.phones import are_phones_whole, phone_masked
from core.api.request import present_request
from students.models import MAX_AGE, MIN_AGE, Student


def model_field(name: str) -> Any:
    return Student._meta.get_field(name)


def label_of(name: str) -> str:
    """Name a field of the model as users see it."""
    return str(model_field(name).verbose_name)


PHONES = ("phone", "parent_phone")


def id_card_masked(number: str) -> str:
    """Return 110***********002X; of a shorter number only the last four characters stay."""
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}" if len(number) > 7 else "*" * len(number)


def may_see_id_cards() -> bool:
    """Tell whether the user of the present request may see whole numbers; False outside a request."""
    request = present_request()
    return request is not None and request.user.has_perm("students.idcard_student")


def value_shown(name: str, value: Any) -> str:
    """Return a value of the model's field ``name`` as the user of the present request may read it."""
    text = "" if value is None else str(value)
    if name in PHONES and not are_phones_whole(Student):
        return phone_masked(text)
    if name == "id_card" and not may_see_id_cards():
        return id_card_masked(text)
    return str(dict(model_field(name).flatchoices).get(value, text))


@dataclass(frozen=True)
class Column:
    """One column. ``field`` is the model's name, ``wire`` the API's. A sheet has ``label`` or ``wire`` above it."""

    field: str
    wire: str
    sample: str
    width: int  # in Excel, in characters
    rule: str = ""  # what the import page says besides "required"; without it, the longest length
    is_optional_for_staff: bool = False  # the API wants it all the same
    is_searched: bool = False  # the back office finds students by the whole value; needs an index

    @property
    def label(self) -> str:
        return label_of(self.field)

    @property
    def is_required(self) -> bool:
        """Tell whether the API wants a value for a new student. The number is made by the system."""
        return self.field != "sid" and not model_field(self.field).blank

    @property
    def is_required_of_staff(self) -> bool:
        return self.is_required and not self.is_optional_for_staff

    @property
    def hint(self) -> str:
        if self.field == "sid":
            return "留空为新增；填写已有学员的学号为修改"
        need = "新增时必填" if self.is_required_of_staff else "选填"
        return f"{need}，{self.rule or f'最多{model_field(self.field).max_length}个字'}"


# In the order of the sheets and forms.
COLUMNS = (
    Column("sid", "sId", "", 16, is_searched=True),
    Column("class_name", "class", "H51901", 12),
    Column("name", "name", "谭鹏", 12),
    Column("age", "age", "21", 8, rule=f"{MIN_AGE}到{MAX_AGE}之间的整数"),
    Column("city", "city", "重庆", 12),
    Column("degree", "degree", "本科", 10),
    Column("product_url", "productUrl", "https://example.com/projects/1", 32, is_optional_for_staff=True),
    Column("description", "description", "每天进步一点点", 40, is_optional_for_staff=True),
)
OPTIONAL_FOR_STAFF = tuple(column.field for column in COLUMNS if column.is_optional_for_staff)
# The number never changes; all other columns do.
EDITABLE = tuple(column.field for column in COLUMNS if column.field != "sid")
BY_WIRE = {column.wire: column for column in COLUMNS}
# Result files and exports have these columns too; an import passes over them.
RESULT, PHOTO, CREATED = "结果", label_of("headimgurl"), label_of("created_at")
UNREAD = {RESULT, PHOTO, CREATED}
