"""Errors with an answer for the client. Services raise them, and the API turns them into the envelope."""

from typing import Any


class DomainError(Exception):
    """An answer with ``state: false``.

    Make a subclass for each documented answer, and set ``status`` (the number in the body) and ``msg``.
    ``http_status`` differs from 200 only for transport failures: business outcomes have HTTP 200.
    Only the three refusals of access and WeChat Pay's error table have a ``code``.
    ``remedy`` tells a client what to do about it, on the page /docs/codes/.
    """

    status: int = 0
    msg: str = "操作失败"
    code: str | None = None
    http_status: int = 200
    remedy: str = ""

    def __init__(
        self,
        msg: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        http_status: int | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.msg = self.msg if msg is None else msg
        self.status = self.status if status is None else status
        self.code = self.code if code is None else code
        self.http_status = self.http_status if http_status is None else http_status
        self.headers = headers or {}
        self.extra = extra
        super().__init__(self.msg)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"status": self.status, "state": False, "msg": self.msg}
        if self.code is not None:
            body["code"] = self.code
        return body | self.extra


class BadParameter(DomainError):
    """A parameter that is missing or of the wrong kind; ``msg`` names it, and ``field`` where it is one."""

    msg = "参数错误"
    remedy = "msg 指出是哪个参数、为什么"

    def __init__(self, msg: str | None = None, *, field: str = "") -> None:
        self.field = field
        super().__init__(f"{field}: {msg}" if field else msg)


class RowUnknown(DomainError):
    """There is no such row, or none in the caller's sight."""

    status, msg = 1005, "没有该数据"


class NothingChanged(DomainError):
    status, msg = 1006, "没有做任何修改"
    remedy = "提交的内容与原来相同,或已经结束:提示用户"


class LoginRequired(DomainError):
    status, code, msg = 403, "10022", "请登入"
    remedy = "没有携带 token:跳转到登入页"


class TokenInvalid(DomainError):
    status, code, msg = 0, "1004", "校验失败"
    remedy = "token 错误、过期或已注销:清除本地 token,重新登入"


class NotPermitted(DomainError):
    status, code, msg = 403, "10026", "not permitted 没有权限"
    remedy = "角色没有该接口的权限:换账号,或请管理员在后台给角色增加接口"


class Unreadable(DomainError):
    status, http_status, msg = 400, 400, "请求数据无法解析"
    remedy = "检查 Content-Type 与请求体是否一致"


class UnknownAddress(DomainError):
    status, http_status, msg = 404, 404, "接口地址错误"
    remedy = "对照接口文档检查路径(大小写、末尾斜杠不限)"


class WrongMethod(DomainError):
    status, http_status, msg = 405, 405, "请求方式错误"
    remedy = "GET / POST 用错了:看响应头 Allow"


class BodyTooLarge(DomainError):
    status, http_status, msg = 413, 413, "请求内容过大"
    remedy = "压缩图片或减少数据"


class UnsupportedFormat(DomainError):
    status, http_status, msg = 415, 415, "不支持的数据格式"
    remedy = "Content-Type 用 JSON、urlencoded 或 multipart 三者之一"


class KeyInvalid(DomainError):
    status, http_status, msg = 400, 400, "Idempotency-Key 必须是1到64个英文字符"
    remedy = "用 crypto.randomUUID() 生成"


class KeyReused(DomainError):
    status, http_status, msg = 409, 409, "Idempotency-Key 已用于另一个请求"
    remedy = "每次提交用一个新的 key;只有重发同一个请求才用原来的"


class InternalError(DomainError):
    """Our own fault; ``request_id`` finds it in the log."""

    status, http_status, msg = 500, 500, "服务器内部错误"
    remedy = "把返回的 request_id 告诉管理员"

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id=request_id)


class Throttled(DomainError):
    """Too many requests; ``wait_s`` says after how many seconds to try again."""

    status, http_status, msg = 429, 429, "请求太频繁,请稍后再试"
    remedy = "按响应头 Retry-After 的秒数等待后再试"

    def __init__(self, wait_s: int, msg: str | None = None) -> None:
        self.wait_s = max(1, wait_s)
        super().__init__(msg, headers={"Retry-After": str(self.wait_s)})


class ServiceUnavailable(DomainError):
    """An engine of ours (PostgreSQL, Valkey) does not answer. Clients may try again after ``wait_s`` seconds."""

    status, http_status, msg = 503, 503, "服务暂时不可用,请稍后再试"
    remedy = "按响应头 Retry-After 的秒数等待后再试"
    wait_s = 5

    def __init__(self, msg: str | None = None, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(msg, headers={"Retry-After": str(self.wait_s)} | (headers or {}))


class UpstreamDown(DomainError):
    """Another party's server does not answer, or its answer cannot be used."""

    status, http_status, msg = 502, 502, "上游服务暂时不可用,请稍后再试"
    remedy = "稍后再试,数据没有改变"
