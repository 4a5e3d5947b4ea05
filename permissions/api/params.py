"""The parameters of the permission calls."""

from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.params import Params, PlainText
from core.errors import DomainError
from permissions.errors import BadRole, RoleidMissing
from permissions.models import ClientButton
from permissions.role_validation import menu_problem, rows_problem


@extend_schema_field(str)
class JsonPart(serializers.Field[Any, Any, Any, Any]):
    """A list, sent as JSON or as a text that holds JSON, which is how HTML forms send it.

    :param items: the OpenAPI schema of one item.
    """

    default_error_messages = {"invalid": "不是有效的 JSON"}

    def __init__(self, items: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(required=False, default=list, **kwargs)
        self.in_json = {"oneOf": [{"type": "array", "items": items}, {"type": "string"}]}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            self.fail("invalid")


class RoleQuery(Params):
    roleid = PlainText(required=False, help_text="查询的角色id")


class RoleParams(Params):
    error = BadRole

    roleid = PlainText(max_length=32, help_text="添加的角色id")
    roleName = PlainText(max_length=64, required=False, default="", help_text="角色名称,默认与 roleid 相同")
    menuList = JsonPart(
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        help_text='菜单树:[{"name": …, "children": […]}],或其 JSON 文本',
    )
    rows = JsonPart({"type": "string"}, help_text='可调用的接口:["/students/getstulist"],或其 JSON 文本')
    buttons = JsonPart(
        {"type": "string", "enum": ClientButton.values}, help_text="按钮权限:read、add、edit、delete,或其 JSON 文本"
    )

    def refusal(self) -> DomainError:
        return RoleidMissing() if self.missing() else super().refusal()

    def validate_menuList(self, value: Any) -> list[dict[str, Any]]:
        if problem := menu_problem(value):
            raise serializers.ValidationError(problem)
        return value

    def validate_rows(self, value: Any) -> list[str]:
        if problem := rows_problem(value):
            raise serializers.ValidationError(problem)
        return value

    def validate_buttons(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(b, str) and b in ClientButton.values for b in value):
            raise serializers.ValidationError("只能包含 " + "、".join(ClientButton.values))
        return value
