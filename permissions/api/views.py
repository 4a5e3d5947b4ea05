"""The calls about roles. For who may make which call see ``permissions.gate``."""

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import orjson
from rest_framework import serializers
from rest_framework.request import Request

from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, first_message, ok
from core.api.params import Params, PlainText
from core.errors import DomainError
from permissions.errors import BadRole, RoleExists, RoleidMissing
from permissions.models import ClientButton, Role
from permissions.role_shape import menu_problem, rows_problem
from permissions.seed import DIRECTOR_MENU
from permissions.selectors import role_list
from permissions.services.roles import role_add


class JsonPart(serializers.Field[Any, Any, Any, Any]):
    """A list, sent as JSON or as a text that holds JSON, which is how HTML forms send it.

    :param items: the OpenAPI schema of one item.
    :param problem: says why a list is refused, or returns None.
    """

    default_error_messages = {"invalid": "不是有效的 JSON"}

    def __init__(self, items: dict[str, Any], problem: Callable[[Any], str | None], **options: Any) -> None:
        super().__init__(required=False, default=list, **options)
        self.problem = problem
        self.in_json = {"oneOf": [{"type": "array", "items": items}, {"type": "string"}]}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            try:
                data = orjson.loads(data)
            except orjson.JSONDecodeError:
                self.fail("invalid")
        if problem := self.problem(data):
            raise serializers.ValidationError(problem)
        return data


def _buttons_problem(value: Any) -> str | None:
    is_right = isinstance(value, list) and all(isinstance(one, str) and one in ClientButton.values for one in value)
    return None if is_right else "只能包含 " + "、".join(ClientButton.values)


class RoleQuery(Params):
    roleid = PlainText(required=False, help_text="查询的角色id")


class RoleParams(Params):
    roleid = PlainText(max_length=32, help_text="添加的角色id")
    roleName = PlainText(
        source="name", max_length=64, required=False, default="", help_text="角色名称,默认与 roleid 相同"
    )
    menuList = JsonPart(
        {"$ref": "#/components/schemas/MenuEntry"},  # of `MenuEntryJson`
        menu_problem,
        help_text='菜单树:[{"name": …, "children": […]}],或其 JSON 文本',
        source="menu",
    )
    rows = JsonPart({"type": "string"}, rows_problem, help_text='可调用的接口:["/students/getstulist"],或其 JSON 文本')
    buttons = JsonPart(
        {"type": "string", "enum": ClientButton.values},
        _buttons_problem,
        help_text="按钮权限:read、add、edit、delete,或其 JSON 文本",
    )

    def refusal(self) -> DomainError:
        return RoleidMissing() if self.missing() else BadRole(first_message(self.errors))


class RoleJson(TypedDict):
    roleid: str
    roleName: str


class MenuEntryJson(TypedDict):
    name: str
    children: NotRequired[list["MenuEntryJson"]]


ROLES_DOC = Doc(
    params=RoleQuery,
    ok={
        "msg": "success",
        "roles": [{"roleid": "200", "roleName": "员工"}, {"roleid": "102", "roleName": "总监"}],
    },
    records={"roles": list[RoleJson]},
)
ADD_DOC = Doc(
    params=RoleParams,
    send={
        "roleid": "300",
        "roleName": "讲师",
        "menuList": [{"name": "管理首页"}, {"name": "学员管理", "children": [{"name": "学员资料"}]}],
        "rows": ["/students/getstulist", "/students/searchstu"],
        "buttons": ["read"],
    },
    ok={"msg": "添加成功"},
    failures=[RoleExists, RoleidMissing, BadRole("buttons: 只能包含 read、add、edit、delete")],
)
MENU_DOC = Doc(
    ok={"msg": "success", "roleName": "总监", "menuList": DIRECTOR_MENU},
    records={"menuList": list[MenuEntryJson]},
)


class PermissionViewSet(ApiViewSet):
    tag = "权限模块"

    @Endpoint("POST", "/permission/addrole", "添加角色", Access.ROOT, docs=ADD_DOC)
    def addrole(self, request: Request) -> Envelope:
        role_add(**RoleParams.read(request))
        return ok("添加成功")

    @Endpoint("GET POST", "/permission/getrole", "获取角色列表", Access.ROWS, docs=ROLES_DOC, is_reading=True)
    def getrole(self, request: Request) -> Envelope:
        roles = role_list(**RoleQuery.read(request))
        return ok("success", roles=[{"roleid": role.roleid, "roleName": role.name} for role in roles])

    @Endpoint("GET", "/permission/getMenuList", "获取权限菜单", Access.ANY_USER, docs=MENU_DOC, is_quick=True)
    def get_menu_list(self, request: Request) -> Envelope:
        role: Role = request.user.role  # type: ignore[union-attr]
        return ok("success", roleName=role.name, menuList=role.menu)
