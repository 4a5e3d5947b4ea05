"""What a row of a sheet may hold: what the calls take, and the columns for staff alone."""

import re
from datetime import date
from typing import Any

from core.api.params import PlainText
from students.api.params import AddParams, EditParams, text
from students.columns import COLUMNS, phone_tidy
from students.filters import FIRST_YEAR, LAST_YEAR
from students.models import PHONE, Gender

_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?")


class Day(PlainText):
    """A day as sheets have it: 2026-09-01, 2026/9/1, 2026年9月1日, also with a time."""

    default_error_messages = {"day": "不是日期，例如 2026-09-01"}

    def to_internal_value(self, data: Any) -> Any:
        match = _DAY.fullmatch(super().to_internal_value(data).strip())
        try:
            day = date(*map(int, match.groups())) if match else None
        except ValueError:
            day = None
        if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail("day")
        return day


class GenderText(PlainText):
    default_error_messages = {"gender": "只能是男或女"}

    def to_internal_value(self, data: Any) -> str:
        word = super().to_internal_value(data)
        if word not in Gender:
            self.fail("gender")
        return word


class PhoneText(PlainText):
    def to_internal_value(self, data: Any) -> str:
        return phone_tidy(super().to_internal_value(data))


def _phone(**options: Any) -> PhoneText:
    return PhoneText(required=False, max_length=32, validators=[PHONE], **options)


def _for_staff() -> dict[str, Any]:
    return {
        "gender": GenderText(required=False),
        "phone": _phone(),
        "parentPhone": _phone(source="parent_phone"),
        "idCard": text("id_card", "身份证", source="id_card"),
        "enteredOn": Day(required=False, source="entered_on"),
        "leftOn": Day(required=False, source="left_on"),
        "remark": text("remark", "备注"),
    }


class StaffAddParams(AddParams):
    """The rules for a row without a number: those of addstu, but staff may leave some columns empty."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for column in COLUMNS:
            if column.is_optional_for_staff:
                fields[column.wire].required = False
        return fields | _for_staff()


class StaffEditParams(EditParams):
    """The rules for a row with a number: those of updatestu."""

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | _for_staff()
