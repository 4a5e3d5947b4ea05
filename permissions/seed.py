"""The four roles of the contract, which `manage.py seed_roles` creates, and the templates a new role may begin from."""

from typing import Any

from permissions.models import ROOT_ROLEID, ClientButton, DataScope

HOME = "管理首页"  # the page that clients open first, so every role's menu needs it


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
DIRECTOR_MENU = [entry for entry in FULL_MENU if entry["name"] != "用户管理"]  # the sample of the API document
STUDENT_READING = ["/students/getclasses", "/students/getstulist", "/students/searchstu", "/getloginlog"]
STUDENT_EDITING = ["/students/addstu", "/students/delstu", "/students/updatestu"]

# The row "*" opens every call that rows decide on. Calls for root alone stay closed, whatever the rows say.
ROLES: list[dict[str, Any]] = [
    {"roleid": ROOT_ROLEID, "name": "王者管理员", "menu": FULL_MENU, "rows": ["*"], "buttons": ClientButton.values},
    {"roleid": "102", "name": "总监", "menu": DIRECTOR_MENU, "rows": ["*"], "buttons": ClientButton.values},
    {
        "roleid": "103",
        "name": "主管",
        "menu": [_entry(HOME), STUDENT_MENU, _entry("考勤管理"), _entry("我的中心")],
        "rows": [*STUDENT_READING, *STUDENT_EDITING, "/dorm/*", "/attendance/*"],
        "buttons": ClientButton.values,
    },
    {
        "roleid": "200",
        "name": "员工",
        "menu": [_entry(HOME), _entry("学员管理", "学员项目管理", "学员资料"), _entry("我的中心")],
        "rows": [*STUDENT_READING, "/attendance/getSummary"],
        "buttons": [ClientButton.READ.value],
    },
]

# Django's permissions for the back office: roleid -> app label -> verbs. Root may do everything without them.
# A verb gives the right `verb_model` on each model of the app that has it, for example shop.ship_order.
BACK_OFFICE: dict[str, dict[str, tuple[str, ...]]] = {
    "102": {
        "students": ("view", "add", "change", "delete", "export", "phone", "account"),
        "shop": ("view", "add", "change", "delete", "ship", "decide", "refund", "export", "income", "phone"),
        "dormitory": ("view", "add", "change", "delete", "export"),
        "attendance": ("view", "change", "delete", "export"),
        "uploads": ("view",),
        "weather": ("view",),
        "payments": ("view", "export"),
        "accounts": ("view", "phone"),
        "permissions": ("view",),
        "auditlog": ("view",),
    },
    "103": {
        "students": ("view", "add", "change", "delete", "export", "phone"),
        "dormitory": ("view", "add", "change", "delete", "export"),
        "attendance": ("view", "change", "delete", "export"),
    },
    "200": {"students": ("view",)},
}

# Templates of the form of a new role: what the form holds at first, by its fields; ``permissions`` are Django's names.
TEMPLATES: dict[str, dict[str, Any]] = {
    "accountant": {
        "name": "会计",
        "data_scope": DataScope.ALL,
        "menu": [_entry(HOME), _entry("我的中心")],
        "rows": [],
        "buttons": [],
        "permissions": [
            "shop.view_order", "shop.export_order", "shop.income_order", "payments.view_payment",
            "payments.export_payment", "payments.view_refund", "payments.export_refund", "payments.view_billrun",
            "payments.view_difference", "payments.change_difference",
        ],
    },
    "packer": {
        "name": "发货员",
        "data_scope": DataScope.ALL,
        "menu": [_entry(HOME), _entry("我的中心")],
        "rows": ["/order/ship"],
        "buttons": [ClientButton.READ],
        "permissions": ["shop.view_order", "shop.ship_order", "shop.phone_order"],
    },
    "head_teacher": {
        "name": "班主任",
        "data_scope": DataScope.CLASS,
        "menu": [_entry(HOME), STUDENT_MENU, _entry("考勤管理"), _entry("数据统计"), _entry("我的中心")],
        "rows": [
            "/students/getclasses", "/students/getstulist", "/students/searchstu", "/students/addstu",
            "/students/updatestu", "/attendance/*", "/dorm/getRooms", "/statistics/students",
        ],
        "buttons": [ClientButton.READ, ClientButton.ADD, ClientButton.EDIT],
        "permissions": [
            "students.view_student", "students.add_student", "students.change_student", "students.export_student",
            "students.phone_student", "students.account_student", "students.view_schoolclass",
            "attendance.view_session", "attendance.change_session", "attendance.export_session", "dormitory.view_room",
        ],
    },
    "dormitory": {
        "name": "宿管",
        "data_scope": DataScope.ALL,
        "menu": [_entry(HOME), _entry("学员管理", "学员宿舍"), _entry("我的中心")],
        "rows": ["/students/getclasses", "/students/getstulist", "/students/searchstu", "/dorm/*"],
        "buttons": ClientButton.values,
        "permissions": [f"dormitory.{verb}_room" for verb in ("view", "add", "change", "delete", "export")],
    },
}  # fmt: skip
