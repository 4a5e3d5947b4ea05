"""What a row of a sheet may hold."""

from typing import Any

from core.api.params import Day, OneOf, PlainText
from students.api.params import AddParams, text
from students.models import Gender


class RowParams(AddParams):
    """The parameters of addstu, and the columns for staff alone. None is required: the check asks a new student's."""

    sId = PlainText()
    gender = OneOf(Gender.values)
    phone = text("phone", "电话")
    parentPhone = text("parent_phone", "家长电话", source="parent_phone")
    idCard = text("id_card", "身份证", source="id_card")
    enteredOn = Day(source="entered_on")
    leftOn = Day(source="left_on")
    remark = text("remark", "备注")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            field.required = False
        return fields
