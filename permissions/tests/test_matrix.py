"""Every call x every caller, against the contract's own list (sections 2 and 3), and against nothing of ours.

The list covers calls that are not built yet; a call that is built and not listed follows the role's rows.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.api.routing import endpoints, pages
from core.cache import valkey
from permissions.gate import read_only_set


def below(prefix, *names):
    return {f"/{prefix}/{name}" for name in names}


OPEN = {
    *below("users", "login", "refresh", "join", "getCaptcha", "refreshCaptcha", "verifyCaptcha", "getQrcode"),
    *below("users", "wechatCallBack", "wechatLogin", "wxLogin"),
    *("/sms/send", "/weather/getWeather", "/students/uploadStuAvatar", "/upload/uploadImg"),
    *below("pay", "payResult", "notify"),
}
QUERY = "/pay/transactions/out-trade-no/<str:out_trade_no>"
ANY_USER = {
    *("/verify", "/permission/getMenuList", "/category/getCategory", "/product/get_product", "/attendance/sign"),
    *below("users", "sigout", "updatePassword", "uploadAvatar", "updateUser"),
    *below("cart", "check", "get_cart", "del_prouct", "update_cart", "add_to_cart"),
    *("/pay/pre_order", "/pay/payment", QUERY),
    *below("order", "query_order_status", "get_order", "del_order", "cancel", "returns"),
    "/order/ship",  # the buyer's own; moving anything else needs the path in `rows`
}
ROOT = {"/users/register", "/users/deleteUser", "/permission/addrole", "/weather/updateWeatherCount"}
READING = {"/getloginlog", *below("students", "getclasses", "getstulist", "searchstu")}
EDITING = below("students", "addstu", "delstu", "updatestu")
DORMITORY = below("dorm", "getRooms", "addRoom", "updateRoom", "delRoom", "checkIn", "checkOut")
ATTENDANCE = below("attendance", "open", "getCode", "mark", "close", "getList", "getRecords", "getSummary")
ROWS = {"200": READING | {"/attendance/getSummary"}, "103": READING | EDITING | DORMITORY | ATTENDANCE}
# What a class may go on with in its read-only hours, beside the open calls.
READ_ONLY = READING | {
    *("/verify", "/category/getCategory", "/product/get_product", "/cart/get_cart", "/dorm/getRooms", QUERY),
    *below("users", "sigout", "getAllUers"),
    *below("permission", "getMenuList", "getrole"),
    *below("order", "query_order_status", "get_order"),
    *below("attendance", "sign", "getList", "getRecords", "getSummary"),
    *below("statistics", "students", "trend", "products", "overview"),
}

NO_TOKEN = {"status": 403, "state": False, "code": "10022", "msg": "请登入"}
BAD_TOKEN = {"status": 0, "state": False, "code": "1004", "msg": "校验失败"}
MAY_NOT = {"status": 403, "state": False, "code": "10026", "msg": "not permitted 没有权限"}
CALLS = endpoints()


def may(roleid, path):
    if roleid == "1" or path in OPEN | ANY_USER:
        return True
    if path in ROOT:
        return False
    return roleid == "102" or path in ROWS[roleid]


def send(client, call, method, path=None, **headers):
    """Call without parameters: a caller who is let in is told what is missing."""
    address = (path or call.path).replace("<str:out_trade_no>", "unknown1")
    answer = client.http.generic(method, address, headers=client.headers(headers))
    assert answer.status_code < 500, answer.content
    return answer


def refusal(answer):
    kind = answer.headers.get("Content-Type", "")
    return answer.json() if kind.startswith("application/json") else {}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
class TestEveryCall:
    @pytest.mark.django_db
    def test_lets_in_the_roles_of_the_contract(self, call, api, root, lbw, zhuguan, yuangong):
        for method in call.methods:
            stranger = refusal(send(api, call, method))
            outdated = refusal(send(api, call, method, authorization="outdated"))
            if call.path in OPEN:
                assert stranger.get("code") not in {"10022", "1004", "10026"}
                assert outdated.get("code") not in {"10022", "1004", "10026"}
            else:
                assert (stranger, outdated) == (NO_TOKEN, BAD_TOKEN)
            if call.path == "/users/sigout":
                continue  # ends the tokens that the others need
            for client in (root, lbw, zhuguan, yuangong):
                body = refusal(send(client, call, method))
                if may(client.user.role.roleid, call.path):
                    assert body.get("code") not in {"10022", "1004", "10026"}
                else:
                    assert body == MAY_NOT

    def test_is_found_in_any_spelling(self, call, api):
        if call.path in OPEN:
            return
        for path in (call.path, *call.aliases):
            fixed = path.replace("<str:out_trade_no>", "x")
            for spelled in (fixed.lower(), fixed.upper(), f"{fixed}/", f"{fixed.upper()}/"):
                assert refusal(send(api, call, call.methods[0], spelled)) == NO_TOKEN


# Pages that are no calls. The back office asks Django's permissions; the others are open, or ask by themselves.
PAGES = (
    *("/admin/", "/docs/", "/schema/", "/health/", "/media/", "/static/", "/metrics"),
    *("/demo/", "/practice/", "/sandbox/", "/logo", "/picture", "/attendance/phone/"),
)


def test_whatever_is_no_call_is_a_page_that_is_known():
    assert [route for route in pages() if route != "/" and not route.startswith(PAGES)] == []


@pytest.mark.django_db
def test_in_read_only_hours_a_class_reads_and_changes_nothing(person, root):
    now = timezone.now()
    li, zhao = person("li", "102", class_name="H5"), person("zhao", "102", class_name="H6")
    read_only_set("H5", ends_at=now + timedelta(minutes=1), now=now)

    for call in sorted(CALLS, key=lambda call: call.path == "/users/sigout"):  # the last one ends the tokens
        if call.path in OPEN | ROOT:
            continue
        body = refusal(send(li, call, call.methods[0]))
        if call.path in READ_ONLY:
            assert body.get("code") not in {"10022", "1004", "10026"}, call.path
        else:
            assert body == MAY_NOT, call.path
        for other in (zhao, root):
            assert refusal(send(other, call, call.methods[0])).get("code") != "10026", call.path
    assert 0 < valkey.client().pttl("spms:read-only:H5") <= 60_000  # it ends by itself


@pytest.mark.django_db
def test_without_valkey_no_change_is_refused(person, valkey_down):
    assert "code" not in refusal(send(person("li", "103", class_name="H5"), _call("/students/addstu"), "POST"))


def _call(path):
    return next(call for call in CALLS if call.path == path)
