"""What the calls take. Everything else in a posted row (`_id`, `cTime`, `__v` …) is ignored."""

from typing import Any

from django.core.validators import MaxLengthValidator
from rest_framework import serializers

from core.api.params import Between, PageParams, Params, Picture, PlainText
from students.columns import BY_WIRE
from students.errors import StudentIdMissing
from students.models import MAX_AGE, MIN_AGE, Student


def text(column: str, help_text: str, **options: Any) -> PlainText:
    """Make a parameter that takes what the model's ``column`` takes, and is required where that may not stay empty."""
    field: Any = Student._meta.get_field(column)
    validators = [check for check in field.validators if not isinstance(check, MaxLengthValidator)]
    # The length stands apart, so that the API's documentation shows it.
    options |= {"max_length": field.max_length, "required": not field.blank, "validators": validators}
    return PlainText(help_text=help_text, **options)


class AddParams(Params):
    """The fields of a student, under the names clients use."""

    class_ = text("class_name", "班级", source="class_name")
    name = text("name", "学员的名字")
    age = Between(MIN_AGE, MAX_AGE, help_text="学员的年龄")
    city = text("city", "目前居住的城市")
    degree = text("degree", "学历")
    productUrl = text("product_url", "项目地址", source="product_url")
    description = text("description", "一句话对自己的评价")


class EditParams(AddParams):
    """One student's ``sId``, and what to change. All but who the student is can be emptied."""

    error_if_missing = StudentIdMissing

    sId = PlainText(help_text="学员的 sId")
    headimgurl = Picture("头像", required=False, allow_blank=True)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in fields.keys() & BY_WIRE.keys() - {"sId"}:
            fields[name].required = False
            fields[name].allow_blank = name not in {"class", "name", "age"}
        return {"sId": fields.pop("sId")} | fields


class DeleteParams(Params):
    error_if_missing = StudentIdMissing

    sId = PlainText(help_text="学员的 sId")


class ListParams(PageParams):
    class_ = PlainText(source="class_name", required=False, help_text="班级,默认全部班级")
    key = PlainText(required=False, help_text="姓名中的任意一段")


class SearchParams(PageParams):
    key = PlainText(required=False, help_text="姓名中的任意一段")


class StudentAvatarParams(Params):
    headimgurl = serializers.FileField(help_text="图片文件,jpg、png 或 gif")
