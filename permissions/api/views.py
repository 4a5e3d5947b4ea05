"""The calls about roles. For who may make which call see ``permissions.gate``."""

from typing import Any, NotRequired, TypedDict

from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import Access
from core.api.docs import Doc
from core.api.envelope import ok
from core.api.routing import endpoint
from core.api.views import ApiViewSet
from permissions.api.params import RoleParams, RoleQuery
from permissions.errors import BadRole, RoleExists, RoleidMissing
from permissions.rights import Rights
from permissions.seed import DIRECTOR_MENU
from permissions.selectors import role_list
from permissions.services.roles import role_add


class RoleJson(TypedDict):
    roleid: str
    roleName: str


class MenuEntryJson(TypedDict):
    name: str
    children: NotRequired[list["MenuEntryJson"]]


ROLES_DOC = Doc(
    params=RoleQuery,
    ok={
        "status": 200,
        "state": True,
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
    ok={"status": 200, "state": True, "msg": "添加成功"},
    failures=[RoleExists, RoleidMissing, BadRole("buttons: 只能包含 read、add、edit、delete")],
)
MENU_DOC = Doc(
    ok={"status": 200, "state": True, "msg": "success", "roleName": "总监", "menuList": DIRECTOR_MENU},
    records={"menuList": list[MenuEntryJson]},
)


class PermissionViewSet(ApiViewSet):
    tag = "权限模块"

    @endpoint("POST", "/permission/addrole", "添加角色", Access.ROOT, docs=ADD_DOC)
    def addrole(self, request: Request) -> Response:
        params: dict[str, Any] = RoleParams.read(request)
        role_add(
            roleid=params["roleid"],
            name=params["roleName"],
            menu=params["menuList"],
            rows=params["rows"],
            buttons=params["buttons"],
        )
        return ok("添加成功")

    @endpoint("GET POST", "/permission/getrole", "获取角色列表", Access.ROWS, docs=ROLES_DOC)
    def getrole(self, request: Request) -> Response:
        roles = role_list(**RoleQuery.read(request))
        return ok("success", roles=[{"roleid": role.roleid, "roleName": role.name} for role in roles])

    @endpoint("GET", "/permission/getMenuList", "获取权限菜单", Access.ANY_USER, docs=MENU_DOC, is_quick=True)
    def get_menu_list(self, request: Request) -> Response:
        rights: Rights = request.user.rights  # type: ignore[union-attr]
        return ok("success", roleName=rights.name, menuList=rights.menu)
