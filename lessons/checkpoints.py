"""What a client can do, shown by the calls of an account. Each checkpoint names the calls that prove it.

A checkpoint is a function that gets the calls, oldest first, and returns its proof; nothing if there is none yet.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from core.times import local
from lessons.calls import LIST, POLL, REFRESH, SEARCH, UPLOADS, Call, Fact
from lessons.models import Done
from lessons.patterns import CLOCK_S, POLL_ENDS_S, TYPING_S, Calls, after_burst, alike, is_debounced
from lessons.signs import poll_after_end, poll_too_fast

Find = Callable[[Calls, float], Calls]


def _first(is_proof: Callable[[Call], Any]) -> Find:
    """Find the first success of this kind."""
    return lambda calls, now: [call for call in calls if call.is_ok and is_proof(call)][:1]


def _done(*paths: str) -> Find:
    """Find the first success of one of these calls."""
    return _first(lambda call: call.path in paths)


_login = _first(lambda call: Fact.LOGIN in call.facts and call.path != REFRESH)
_captcha = _first(lambda call: Fact.CAPTCHA in call.facts or call.path == "/users/verifyCaptcha")


def _paging(calls: Calls, now: float) -> Calls:
    """Find two different pages of one list."""
    seen: dict[str, tuple[Call, str]] = {}  # by path, the first page
    for call in calls:
        if call.is_ok and {"page", "count"} <= {*call.query} and call.values:
            page = call.values[call.query.index("page")]
            first, first_page = seen.setdefault(call.path, (call, page))
            if page != first_page:
                return [first, call]
    return []


def _debounce(calls: Calls, now: float) -> Calls:
    """Find a search that a debounce has let pass, as soon as nothing can follow it."""
    searches = [call for call in calls if call.path == SEARCH and call.key]
    over = (call for call in searches if call.is_ok and now > call.time + TYPING_S)
    return [call for call in over if is_debounced(call, searches)][:1]


def _poll_stop(calls: Calls, now: float) -> Calls:
    """Find an order that was polled in good time, and not after its end."""
    wrong = {call.digest for proof in poll_after_end(calls) + poll_too_fast(calls) for call in proof}
    for first, *others in alike(call for call in calls if call.path == POLL):
        ends = [call for call in (first, *others) if Fact.FINAL in call.facts]
        if ends and ends[0] is not first and now > ends[0].end + POLL_ENDS_S and first.digest not in wrong:
            return [first, ends[0]]
    return []


def _token_end(calls: Calls, now: float) -> Calls:
    """Find a login or refresh among the three calls after a refusal 1004."""
    run: Calls = []
    for call in calls:
        if run or (call.code == "1004" and call.path != REFRESH):
            run.append(call)
        if Fact.LOGIN in call.facts:
            if run and len(after_burst(run[:-1], call)) < 3:
                return [run[0], call]
            run = []
    return []


def _retry(calls: Calls, now: float) -> Calls:
    """Find a call that succeeded after it waited as ``Retry-After`` says, or a second after a 5xx."""
    for at, call in enumerate(calls):
        if call.retry_s or call.http >= 500:
            again = next((later for later in calls[at + 1 :] if later.time > call.end and later.same_as(call)), None)
            if again and again.is_ok and again.time >= call.end + (call.retry_s or 1) - CLOCK_S:
                return [call, again]
    return []


class Checkpoint(NamedTuple):
    """``missing`` tells a trainee what to do, in the words of /docs/client/."""

    name: str
    find: Find
    missing: str


CHECKPOINTS = {
    "login": Checkpoint("登入", _login, "用 POST /users/login 登入一次"),
    "captcha": Checkpoint("验证码", _captcha, "登入时一起传 captcha 和 getCaptcha 返回的 key"),
    "list": Checkpoint("列表", _done(LIST), "用 getstulist 取得学员列表"),
    "paging": Checkpoint("分页", _paging, "同时传 page 和 count，取两页"),
    "search": Checkpoint("搜索", _first(lambda call: call.path == SEARCH and call.key), "用 searchstu 和 key 搜索"),
    "debounce": Checkpoint("防抖", _debounce, "停止输入以后才搜索：两个字以上的 key，2 秒内没有它的前一半"),
    "add": Checkpoint("新增", _done("/students/addstu"), "用 addstu 增加一名学员"),
    "edit": Checkpoint("修改", _done("/students/updatestu"), "用 updatestu 修改一名学员"),
    "delete": Checkpoint("删除", _done("/students/delstu"), "用 delstu 删除一名学员"),
    "upload": Checkpoint("上传", _done(*UPLOADS), "用 FormData 上传一张图片"),
    "menu": Checkpoint("菜单", _done("/permission/getMenuList"), "用 getMenuList 取得菜单"),
    "scan": Checkpoint("扫码登入", _done("/users/wechatLogin"), "扫码以后用 wechatCode 调用 wechatLogin"),
    "cart": Checkpoint("购物车", _done("/cart/add_to_cart"), "用 add_to_cart 把商品放进购物车"),
    "order": Checkpoint("下单", _done("/pay/pre_order"), "用 pre_order 提交订单"),
    "pay": Checkpoint("支付", _done(POLL), "付款以后，query_order_status 返回 支付成功"),
    "poll_stop": Checkpoint("停止轮询", _poll_stop, "轮询间隔至少 500 毫秒，支付成功或订单关闭以后不再查询"),
    "return": Checkpoint("退货", _done("/order/returns"), "用 returns 申请退货"),
    "token_end": Checkpoint("token 失效", _token_end, "收到 code 1004 以后，三次调用之内登入或刷新令牌"),
    "refresh": Checkpoint("刷新令牌", _done(REFRESH), "登入时传 refresh=1，再用 /users/refresh 刷新"),
    "retry": Checkpoint("重试", _retry, "收到 429、503 时等 Retry-After 的秒数，再试成功"),
    "idempotent": Checkpoint("幂等", _first(lambda call: Fact.KEY in call.facts), "下单或新增时带 Idempotency-Key"),
    "signin": Checkpoint("签到", _done("/attendance/sign"), "用 /attendance/sign 签到"),
}


def checkpoints_proved(calls: Calls, *, now: datetime) -> dict[str, Calls]:
    """Return the proof of each checkpoint that the calls show."""
    own = [call for call in calls if call.is_certain]
    proofs = {name: checkpoint.find(own, now.timestamp()) for name, checkpoint in CHECKPOINTS.items()}
    return {name: proof for name, proof in proofs.items() if proof}


def checkpoint_row(name: str, done: Done | None) -> dict[str, Any]:
    """Return one as ``/sandbox/control/checkpoints`` tells it."""
    label, _, missing = CHECKPOINTS[name]
    row: dict[str, Any] = {"checkpoint": name, "name": label, "done": done is not None}
    if done is None:
        return row | {"at": None, "calls": [], "missing": missing}
    return row | {"at": local(done.at).isoformat(timespec="seconds"), "calls": done.calls, "missing": ""}
