"""The fields of a student that people fill in, each written down once.

Forms, sheets, bulk changes, the audit and the search of the back office all read this table. The model says how a
field is called in Chinese, how long it may be, and whether it may stay empty. ``students.api.params`` says what values
are allowed, for the API and for imports.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from core.admin.phones import may_see_phones, phone_masked
from core.api.request import present_request
from students.models import MAX_AGE, MIN_AGE, Student


def model_field(name: str) -> Any:
    return Student._meta.get_field(name)


def label_of(name: str) -> str:
    """Name a field of the model as users see it."""
    return str(model_field(name).verbose_name)


PHONES = ("phone", "parent_phone")


def phone_tidy(text: str) -> str:
    """Write a mobile number as eleven digits, so that it is found however it was typed; leave others as they are."""
    text = unicodedata.normalize("NFKC", text)  # full-width digits
    digits = re.sub(r"[ ()-]", "", text.strip()).removeprefix("+86")
    return digits if re.fullmatch(r"1[0-9]{10}", digits) else text


def id_card_masked(number: str) -> str:
    """Return 110***********002X; of a shorter number only the last four characters stay."""
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}" if len(number) > 7 else "*" * len(number)


def hidden_fields(user: Any) -> set[str]:
    """Name the fields that this user may read only in part."""
    phones = set() if may_see_phones(user, Student) else {*PHONES}
    return phones | (set() if user.has_perm("students.idcard_student") else {"id_card"})


def value_shown(name: str, value: Any) -> str:
    """Return a value of the model's field ``name`` as the user of the present request may read it."""
    text, request = "" if value is None else str(value), present_request()
    if name in (hidden_fields(request.user) if request else {*PHONES, "id_card"}):
        return id_card_masked(text) if name == "id_card" else phone_masked(text)
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
    is_for_staff: bool = False  # no call takes it or shows it
    is_shared: bool = True  # many students may get the same value at once

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
            return "可以留空；已有的学员填写学号，认得最准"
        need = "新增时必填" if self.is_required_of_staff else "选填"
        return f"{need}，{self.rule or f'最多{model_field(self.field).max_length}个字'}"


_DAY = "日期，如 2026-09-01"
# In the order of the sheets and forms.
COLUMNS = (
    Column("sid", "sId", "", 16, is_searched=True),
    Column("class_name", "class", "H51901", 12),
    Column("name", "name", "谭鹏", 12, is_shared=False),
    Column("age", "age", "21", 8, rule=f"{MIN_AGE}到{MAX_AGE}之间的整数"),
    Column("city", "city", "重庆", 12),
    Column("degree", "degree", "本科", 10),
    Column("product_url", "productUrl", "https://example.com/projects/1", 32, is_optional_for_staff=True),
    Column("description", "description", "每天进步一点点", 40, is_optional_for_staff=True),
    Column("gender", "gender", "男", 6, rule="男或女", is_for_staff=True),
    Column("phone", "phone", "13800138000", 14, is_searched=True, is_for_staff=True, is_shared=False),
    Column("parent_phone", "parentPhone", "13900139000", 14, is_searched=True, is_for_staff=True, is_shared=False),
    Column("id_card", "idCard", "11010519491231002X", 20, rule="15位或18位", is_for_staff=True, is_shared=False),
    Column("entered_on", "enteredOn", "2026-09-01", 12, rule=_DAY, is_for_staff=True),
    Column("left_on", "leftOn", "2027-01-15", 12, rule=_DAY, is_for_staff=True),
    Column("remark", "remark", "住校", 30, is_for_staff=True),
)
FOR_STAFF = tuple(column for column in COLUMNS if column.is_for_staff)
OPTIONAL_FOR_STAFF = tuple(column.field for column in COLUMNS if column.is_optional_for_staff)
# What many students may be given at once.
SHARED = tuple(column.field for column in COLUMNS if column.is_shared and column.field != "sid")
# The number never changes; all other columns do.
EDITABLE = tuple(column.field for column in COLUMNS if column.field != "sid")
BY_WIRE = {column.wire: column for column in COLUMNS}
PICTURE = "headimgurl"
PHOTO, CREATED, STATE = label_of(PICTURE), label_of("created_at"), label_of("state")
# Exports have these columns too, and the result files of 1.1.0; an import passes over them without a word.
UNREAD = {"结果", PHOTO, CREATED}
