"""Business outcomes that are not success. Services raise them, the API turns them into the envelope."""

from typing import Any


class DomainError(Exception):
    """An answer with ``state: false``.

    Subclass it once per documented answer and set ``status`` (the number in the body) and ``msg``;
    ``http_status`` leaves 200 only for transport failures (contract: business outcomes travel with 200).
    ``code`` is a text that only the three refusals and WeChat Pay's error table carry.
    """

    status: int = 0
    msg: str = "操作失败"
    code: str | None = None
    http_status: int = 200

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
    """A parameter that is missing or of the wrong kind; ``msg`` names it."""

    msg = "参数错误"


class LoginRequired(DomainError):
    status, code, msg = 403, "10022", "请登入"


class TokenInvalid(DomainError):
    status, code, msg = 0, "1004", "校验失败"


class NotPermitted(DomainError):
    status, code, msg = 403, "10026", "not permitted 没有权限"


class Throttled(DomainError):
    """Too many requests; ``wait_s`` is when to come back."""

    status, http_status, msg = 429, 429, "请求太频繁,请稍后再试"

    def __init__(self, wait_s: int, msg: str | None = None) -> None:
        self.wait_s = max(1, wait_s)
        super().__init__(msg, headers={"Retry-After": str(self.wait_s)})


class ServiceUnavailable(DomainError):
    """An engine of ours (PostgreSQL, Valkey) does not answer."""

    status, http_status, msg = 503, 503, "服务暂时不可用,请稍后再试"


class UpstreamDown(DomainError):
    """Somebody else's server does not answer, or talks nonsense."""

    status, http_status, msg = 502, 502, "上游服务暂时不可用,请稍后再试"
