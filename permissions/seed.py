"""The four roles of the contract, as `manage.py seed_roles` makes them."""

from typing import Any

from permissions.models import ROOT_ROLEID, Button

HOME = "管理首页"  # clients land there, so every role's menu holds it


def _entry(name: str, *children: str) -> dict[str, Any]:
    return {"name": name, "children": [{"name": child} for child in children]} if children else {"name": name}


STUDENT_MENU = _entry("学员管理", "学员项目管理", "学员资料", "学员宿舍")
FULL_MENU = [
    _entry(HOME),
    STUDENT_MENU,
    _entry("考勤管理"),
    _entry("数据统计"),
    _entry("用户管理"),
    _entry("我的中心"),
]
DIRECTOR_MENU = [entry for entry in FULL_MENU if entry["name"] != "用户管理"]  # the seed's sample
STUDENT_READING = ["/students/getclasses", "/students/getstulist", "/students/searchstu", "/getloginlog"]
STUDENT_EDITING = ["/students/addstu", "/students/delstu", "/students/updatestu"]

# "*" stands for every path; the root-only ones stay root's whatever a role's rows say.
ROLES: list[dict[str, Any]] = [
    {"roleid": ROOT_ROLEID, "name": "王者管理员", "menu": FULL_MENU, "rows": ["*"], "buttons": Button.values},
    {"roleid": "102", "name": "总监", "menu": DIRECTOR_MENU, "rows": ["*"], "buttons": Button.values},
    {
        "roleid": "103",
        "name": "主管",
        "menu": [_entry(HOME), STUDENT_MENU, _entry("考勤管理"), _entry("我的中心")],
        "rows": STUDENT_READING + STUDENT_EDITING,
        "buttons": Button.values,
    },
    {
        "roleid": "200",
        "name": "员工",
        "menu": [_entry(HOME), _entry("学员管理", "学员项目管理", "学员资料"), _entry("我的中心")],
        "rows": STUDENT_READING,
        "buttons": [Button.READ.value],
    },
]

# Which sections of the back office a role's staff may use: app label -> Django's verbs. Root needs none.
BACK_OFFICE: dict[str, dict[str, tuple[str, ...]]] = {
    "102": {
        "students": ("view", "add", "change", "delete"),
        "shop": ("view", "add", "change", "delete"),
        "uploads": ("view",),
        "weather": ("view",),
        "payments": ("view",),
        "accounts": ("view",),
        "permissions": ("view",),
    },
    "103": {"students": ("view", "add", "change", "delete")},
    "200": {"students": ("view",)},
}
