"""The back office's menu: the sections that the user's role may see, and the addresses of their lists."""

from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from core.admin.listing import admin_of

SYSTEM = "系统"
# By group, the models and their icons (Material Symbols, which ship with the theme).
GROUPS = {
    "学员": {
        "students.student": "school",
        "students.schoolclass": "groups",
        "students.archivedstudent": "inventory_2",
        "students.transferrun": "swap_vert",
    },
    "宿舍": {"dormitory.room": "bed"},
    "考勤": {"attendance.session": "how_to_reg", "attendance.leave": "event_busy"},
    "用户与权限": {
        "accounts.user": "person",
        "permissions.role": "badge",
        "accounts.loginlog": "login",
    },
    "商城": {
        "shop.order": "receipt_long",
        "shop.product": "inventory_2",
        "shop.category": "category",
        "shop.courier": "local_post_office",
    },
    "支付": {
        "payments.payment": "payments",
        "payments.refund": "undo",
        "payments.difference": "difference",
        "payments.billrun": "fact_check",
        "payments.inboundevent": "move_to_inbox",
    },
    "天气": {"weather.weatherrecord": "partly_cloudy_day", "weather.weatheraccount": "key"},
    SYSTEM: {"uploads.upload": "image", "auditlog.logentry": "history", "core.export": "download"},
}


# Who may see all of these lists and the income may see the accountant's daily sheet.
DAILY_NEEDS = ("shop.order", "payments.payment", "payments.refund", "payments.billrun", "payments.difference")


def list_url(label: str, **query: Any) -> str:
    """Return the address of a model's list, filtered: ``list_url("shop.order", state__exact="open")``."""
    return f"{_list_url(label)}?{urlencode(query)}" if query else _list_url(label)


@cache  # the menu asks for twenty-five of them on every page
def _list_url(label: str) -> str:
    app, model = label.split(".")
    return reverse(f"admin:{app}_{model}_changelist")


def may_see(request: HttpRequest, label: str) -> bool:
    return bool(admin_of(label).has_view_permission(request))


def may_see_income(request: HttpRequest) -> bool:
    return request.user.has_perm("shop.income_order")


def may_see_daily(request: HttpRequest) -> bool:
    return may_see_income(request) and all(may_see(request, label) for label in DAILY_NEEDS)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the entries of Unfold's sidebar, without models that are closed to the user."""
    home = {"title": "首页", "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [home]}]
    for title, icons in GROUPS.items():
        items = [item for label, icon in icons.items() for item in _items(request, label, icon)]
        if title == "学员" and may_see(request, "students.student"):
            items.append({"title": "数据统计", "icon": "bar_chart", "link": reverse("figures")})
        if title == "支付" and may_see_daily(request):
            items.insert(0, {"title": "日报", "icon": "summarize", "link": reverse("daily")})
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    if request.user.has_perm("lessons.teach"):
        if groups[-1]["title"] != SYSTEM:
            groups.append({"title": SYSTEM, "separator": True, "items": []})
        groups[-1]["items"].append({"title": "课堂", "icon": "co_present", "link": reverse("classroom")})
    return groups


def _items(request: HttpRequest, label: str, icon: str) -> Iterator[dict[str, Any]]:
    """Yield the entry of a model's list, and one for each work list in which the user may do something."""
    if not may_see(request, label):
        return
    page = admin_of(label)
    link = list_url(label)
    entry: dict[str, Any] = {"title": str(page.opts.verbose_name_plural), "icon": icon, "link": link}
    lists = page.work_lists_of(request) if hasattr(page, "work_lists_of") else {}
    if not lists:
        yield entry
        return
    # Unfold compares only paths, so it would mark all of these entries as the current one.
    work = request.GET.get("work", "") if request.path == link else ""
    yield entry | {"active": request.path.startswith(link) and work not in lists}
    for name, (title, its_icon) in lists.items():
        yield {"title": title, "icon": its_icon, "link": f"{link}?work={name}", "active": work == name}
