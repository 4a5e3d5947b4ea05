"""The page /docs/codes/: all refusals, from the error classes and the calls' documentation, and all limits."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from django.conf import settings

from accounts.captcha import LIFETIME_S as CAPTCHA_LIFETIME_S
from accounts.services import login_captcha, phones, sms_codes
from accounts.services.scan_login import LOGINS_A_MINUTE
from core import errors
from core.api.bodies import BODY_LIMIT, FILE_LIMIT, KIB, MAX_VALUES, MIB
from core.api.once import KEPT_FOR, KEYS_A_DAY
from core.api.routing import endpoints
from core.audit import MAX_ENTRIES
from core.errors import DomainError
from core.times import span
from payments.services.start import MIN_LIFE
from shop.api.orders import QUERIES_A_MINUTE
from shop.services.order_create import FREE, MAX_LINES, PAUSE
from uploads.fields import MAX_PROCESSOR_MS_PER_MINUTE, MAX_UPLOADS_PER_MINUTE
from uploads.formats import MAX_BYTES, MAX_PIXELS
from uploads.services import ORPHAN_AFTER
from weather.services import QUERY_WINDOW_S

SHOW_TEXT = "把 msg 显示给用户"


@dataclass
class Refusal:
    """One line of the table. ``value`` is what a client recognises it by: the HTTP status, ``code`` or ``status``."""

    value: str
    text: str
    remedy: str
    calls: list[str] = field(default_factory=list)


@cache
def groups() -> dict[str, list[Refusal]]:
    """Return, by title, first the refusals of every call, then those of each module's own calls."""
    access = (errors.LoginRequired(), errors.TokenInvalid(), errors.NotPermitted())
    transport = (
        *(errors.BadParameter(), errors.Unreadable(), errors.UnknownAddress(), errors.WrongMethod()),
        *(errors.BodyTooLarge(), errors.UnsupportedFormat(), errors.Throttled(1), errors.InternalError("")),
        *(errors.UpstreamDown(), errors.ServiceUnavailable(), errors.KeyInvalid(), errors.KeyReused()),
    )
    return {
        "身份与权限(HTTP 200,看 body.code)": [_row(error) for error in access],
        "传输与参数(每个接口都可能遇到)": [_row(error) for error in transport],
    } | _by_tag()


def _by_tag() -> dict[str, list[Refusal]]:
    tags: dict[str, dict[tuple[int, str], Refusal]] = {}
    for call in endpoints():
        for failure in call.docs.failures if call.docs else ():
            error = failure() if isinstance(failure, type) else failure
            row = tags.setdefault(call.tag, {}).setdefault((error.status, error.msg), _row(error))
            row.calls.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items()}


def _row(error: DomainError) -> Refusal:
    if error.code is not None:
        value = f"code “{error.code}”"
    elif error.http_status != 200:
        value = f"HTTP {error.http_status}"
    else:
        value = str(error.status)
    return Refusal(value, error.msg, error.remedy or SHOW_TEXT)


def limits() -> list[tuple[str, str]]:
    """Return what is limited and how much is allowed, with the configured numbers; the page /demo/ shows it too."""
    body = f"最大 {BODY_LIMIT // KIB} KB,JSON 最多 {MAX_VALUES} 个值;带文件的表单最大 {FILE_LIMIT // MIB} MB(413)"
    latest = settings.ORDER_TTL + MIN_LIFE
    number, address = ({name: limit for name, limit, _ in per} for per in (sms_codes.PER_NUMBER, sms_codes.PER_ADDRESS))
    changes = f"每个账号每分钟 {MAX_ENTRIES['minute'][0]} 次,每天 {MAX_ENTRIES['day'][0]} 次(写入修改记录的接口,429)"
    return [
        ("请求体", body),
        ("token 有效期", f"{span(settings.JWT_LIFETIME)};退出登入、修改密码、账号停用后立即失效"),
        ("未付款的订单", f"{span(settings.ORDER_TTL)}后关闭;发起支付后重新计时,最迟下单 {span(latest)}后关闭"),
        (
            "每个买家",
            f"未付款的订单最多 {settings.ORDERS_OPEN_MAX} 个;一分钟最多下 {settings.ORDERS_MINUTE_MAX} 个;一小时内 "
            f"{settings.ORDERS_EXPIRED_MAX} 个超时未付款,要等 {span(PAUSE)}再下单(取消的从第 "
            f"{settings.ORDERS_EXPIRED_MAX // FREE + 1} 个起也算)",
        ),
        ("列表不传 count", f"最多返回 {settings.API_MAX_ROWS} 条,total 是真实总数"),
        ("Idempotency-Key", f"结果保留 {span(KEPT_FOR)};每个账号每天最多 {KEYS_A_DAY} 个新的(429)"),
        ("一次结算", f"最多 {MAX_LINES} 种商品"),
        ("图片验证码", f"{span(timedelta(seconds=CAPTCHA_LIFETIME_S))}内有效,校验一次就作废"),
        (
            "短信验证码",
            f"{span(sms_codes.LIFETIME)}内有效,输错 {sms_codes.MAX_TRIES} 次作废;"
            f"同一手机号每分钟 {number['minute']} 条,每天 {number['day']} 条;"
            f"同一地址每小时 {address['hour']} 条,每天 {address['day']} 条;"
            f"全站每天 {settings.SMS_DAILY_BUDGET} 条;同一手机号每天第 {sms_codes.FREE_PER_NUMBER + 1} 条起、"
            f"同一地址每小时第 {sms_codes.FREE_PER_ADDRESS + 1} 条起要图形验证码",
        ),
        ("修改自己的手机号", f"同一地址每小时 {phones.PER_ADDRESS[0]} 次,每天 {phones.PER_ACCOUNT[0]} 次(429)"),
        ("微信二维码", f"{span(settings.WECHAT_QR_TTL)}内有效,只能用一次"),
        (
            "输错密码",
            f"同一账号同一地址每分钟 {login_captcha.PAIR_LIMIT} 次,"
            f"同一账号从没有登入过的地址每分钟共 {login_captcha.ACCOUNT_LIMIT} 次,"
            f"同一地址每分钟 {login_captcha.ADDRESS_LIMIT} 次;"
            f"用现在的密码登入过的设备各算各的,每分钟 {login_captcha.PAIR_LIMIT} 次,"
            f"同一账号的这些设备每分钟共 {login_captcha.DEVICES_LIMIT} 次。之后要图形验证码,或等一分钟(429)",
        ),
        ("微信登入", f"每个地址每分钟 {LOGINS_A_MINUTE} 次"),
        (
            "上传图片",
            f"每个用户(没有登入的,每个地址)每分钟 {MAX_UPLOADS_PER_MINUTE} 张,"
            f"处理时间共 {MAX_PROCESSOR_MS_PER_MINUTE // 1000} 秒;"
            f"每张最大 {MAX_BYTES // MIB} MB、{MAX_PIXELS // 10_000} 万像素;"
            f"{span(ORPHAN_AFTER)}内没有被任何数据引用的会被清理,这样的图片太多时不能再上传(429)",
        ),
        ("修改数据", changes),
        ("按城市查天气", f"每个调用者 {span(timedelta(seconds=QUERY_WINDOW_S))}一次"),
        ("向微信查询订单", f"每个调用者每分钟 {QUERIES_A_MINUTE} 次"),
        *([] if settings.PRODUCTION else [_of_practice()]),
    ]


def _of_practice() -> tuple[str, str]:
    return (
        "练习服务器的账号",
        f"每秒 {settings.PRACTICE_CALLS} 次调用(429);最多 {settings.PRACTICE_STUDENTS} 名学员、商品和类目各 "
        f"{settings.PRACTICE_PRODUCTS}、24 小时内 {settings.PRACTICE_SESSIONS} 场考勤、"
        f"{settings.PRACTICE_ROOMS} 间宿舍、图片 {settings.PRACTICE_PICTURES_MB} MB(10010);"
        f"{settings.PRACTICE_DAYS} 天没有登入或刷新就清空并删除,一周前起登入的返回值里有 notice",
    )
