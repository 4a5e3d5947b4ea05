"""What a row of a sheet may hold: what the calls take, and the columns for staff alone."""

from datetime import date
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from rest_framework import serializers

from core.times import FIRST_YEAR, LAST_YEAR
from students.api.params import AddParams, EditParams, text
from students.columns import COLUMNS
from students.models import Gender

NO_DAY = "不是日期，例如 2026-09-01"


def _day(**options: Any) -> serializers.DateField:
    """Make a parameter for a day as sheets have it."""
    years = MinValueValidator(date(FIRST_YEAR, 1, 1), NO_DAY), MaxValueValidator(date(LAST_YEAR, 12, 31), NO_DAY)
    formats = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y年%m月%d"]
    return serializers.DateField(
        required=False, validators=years, input_formats=formats, error_messages={"invalid": NO_DAY}, **options
    )


def _for_staff() -> dict[str, Any]:
    return {
        "gender": serializers.ChoiceField(
            Gender.choices, required=False, error_messages={"invalid_choice": "只能是男或女"}
        ),
        "phone": text("phone", "电话"),
        "parentPhone": text("parent_phone", "家长电话", source="parent_phone"),
        "idCard": text("id_card", "身份证", source="id_card"),
        "enteredOn": _day(source="entered_on"),
        "leftOn": _day(source="left_on"),
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
