"""The documentation of the scan login's calls."""

from django.conf import settings

from accounts import errors
from accounts.api import docs
from accounts.api.params import CallbackParams, QrcodeParams, WechatLoginParams
from accounts.wechat import WechatLost, WechatUnclear
from core.api.docs import Doc
from core.errors import Throttled
from core.times import span

QRCODE = Doc(
    params=QrcodeParams,
    ok={
        "status": 200,
        "state": True,
        "scanCodeUrl": "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef"
        "&redirect_uri=http%3A%2F%2Fwww.chst.vip%2Fusers%2FwechatCallBack&response_type=code"
        "&scope=snsapi_userinfo&state=5jDq0wXbq1cYt2mJ8aVn3kQz7sRf4uHe#wechat_redirect",
    },
    failures=[errors.SidMissing, errors.SidUnknown],
    about="把 `scanCodeUrl` 画成二维码给用户扫。先连接 socket (见 `/docs/socket/`) 才有 `sid`;同一个 `sid` 再次请求时,"
    "之前的二维码作废。二维码只能用一次,"
    f"{span(settings.WECHAT_QR_TTL)}内有效,过期后 socket 会收到 `invalidCode`。",
)
CALLBACK = Doc(
    params=CallbackParams,
    ok={"status": 200, "state": True, "msg": "已扫码"},
    failures=[errors.StateMissing, errors.CodeInvalid, errors.WechatSnapshot, Throttled(30)],
    about="由用户的手机打开,前端不调用。浏览器得到一个页面,其他客户端得到 JSON。微信以快照页打开时二维码不作废:"
    "用户轻触“使用完整服务”并允许后,登入继续。",
)
WECHAT_LOGIN = Doc(
    params=WechatLoginParams,
    ok=docs.LOGIN.successes[0] | {"status": 200, "msg": "微信登入成功"},
    records=docs.LOGIN_RECORDS,
    failures=[
        errors.WechatCodeMissing,
        errors.WechatCodeSpent,
        errors.UserDisabled,
        WechatUnclear,
        WechatLost,
        Throttled(30),
    ],
    about="返回值与账号登入相同。第一次登入的微信用户会成为 `200` 角色的新用户。每个 `wechatCode` 只能用一次。",
)
