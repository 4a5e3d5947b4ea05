"""What a row of a sheet may hold: what the calls take, and the columns for staff alone."""

from typing import Any

from core.api.params import Day, OneOf
from students.api.params import AddParams, EditParams, text
from students.columns import COLUMNS
from students.models import Gender


def _for_staff() -> dict[str, Any]:
    return {
        "gender": OneOf(Gender.values, required=False),
        "phone": text("phone", "电话"),
        "parentPhone": text("parent_phone", "家长电话", source="parent_phone"),
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
