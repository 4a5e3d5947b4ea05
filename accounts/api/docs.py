"""The documentation of the user calls; the samples are those of the API document."""

from datetime import timedelta
from typing import Any, NotRequired

from django.conf import settings

from accounts import errors
from accounts.api import params
from accounts.api.rows import LoginLogEntryJson, PermissionJson, UserJson
from accounts.captcha import LIFETIME_S as CAPTCHA_LIFETIME_S
from accounts.passwords import MIN_LENGTH
from accounts.services import sms_codes
from accounts.wechat import WechatLost, WechatUnclear
from core.api.endpoint import Doc
from core.api.params import PlainText
from core.errors import BadParameter, NotPermitted, ServiceUnavailable, Throttled, TokenInvalid
from core.times import span

_UNID = "5f0b6c1de1e75b0ea034cf83a1b2c3d4"
_ACCESS = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1bmlkIjoi….…"
_REFRESH = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmYW1pbHkiOiI….…"
_PICTURE = "http://127.0.0.1:8000/media/2026/11/0123456789abcdef0123456789abcdef.png"
_USER: dict[str, Any] = {
    "username": "lbw4",
    "nickname": "开哥永不开挂",
    "phone": "1577775772",
    "unid": _UNID,
    "roleid": "200",
    "roleName": "员工",
    "headimgurl": "",
    "_id": "5cd964db16bd6f346879cf77",
    "sex": "",
    "city": "",
    "province": "",
    "country": "",
    "vipLevel": 0,
    "vipExpires": "",
    "vipStamp": 0,
    "status": "1",
}

# The notice comes on a practice server alone.
LOGIN_RECORDS = {"permission": PermissionJson, "userInfo": UserJson, "notice": NotRequired[str]}

_SMS_CODE = (errors.SmsCodeNotAsked, errors.SmsCodeIncomplete, errors.SmsCodeWrong)
TOO_WEAK = errors.PasswordTooWeak(f"密码不符合要求:密码长度太短。密码必须包含至少 {MIN_LENGTH} 个字符。")
# The refusals of calls that accept pictures: the decoders are busy, the disk is full, or this address sent too many.
_PICTURE_LATER = (ServiceUnavailable, Throttled(30))


class SmsLogin(params.SmsLoginParams):
    code = PlainText(help_text="短信中的 5 位验证码")


LOGIN = Doc(
    params=params.LoginParams,
    others=[SmsLogin],
    query=params.LoginQuery,
    send={"username": "lbw", "password": "555"},
    ok={
        "status": 1,
        "msg": "登入成功",
        "token": _ACCESS,
        "permission": {"buttons": ["read", "add", "edit", "delete"]},
        "userInfo": _USER,
    },
    records=LOGIN_RECORDS | {"refresh": NotRequired[str], "expires_in": NotRequired[int]},
    failures=[
        errors.CredentialsWrong,
        errors.CredentialsMissing,
        errors.TooManyFailures(42),
        *_SMS_CODE,
        errors.SmsPhoneUnknown,
        errors.SmsUserDisabled,
    ],
    about="之后的请求都在请求头 `authorization` 中携带返回的 `token`。密码错误次数过多时返回 HTTP 429:"
    "带上 `captcha` 与 `/users/getCaptcha` 的 `key` 再登入,或等待 `Retry-After` 秒。\n\n"
    "短信登入:先 `/sms/send`,再 `POST /users/login?type=sms`,"
    "请求体只有短信中的 `code`(不能带 cookie 的客户端再加 `/sms/send` 返回的 `key`)。\n\n"
    "练习服务器上,快要清空的账号登入时另有 `notice`,说明是哪一天。",
)
REFRESH = Doc(
    params=params.RefreshParams,
    send={"refresh": _REFRESH},
    ok={"status": 1, "msg": "刷新成功", "token": _ACCESS, "refresh": _REFRESH, "expires_in": 43200},
    failures=[TokenInvalid],
    about="登入时传 `refresh=1`(想练习过期,再传 `access_s=30`),就会多返回 `refresh` 与 `expires_in`。"
    f"`refresh` {span(settings.JWT_REFRESH_LIFETIME)}内有效,只能用一次:换来新的 `token` 与新的 `refresh`。"
    "同一个 `refresh` 用了两次(例如被盗,或两个请求同时刷新)、退出登入、修改密码、账号停用,"
    "都会让这次登入的所有令牌失效。"
    "怎样写拦截器,见 [前端接入](/docs/client/)。",
)
_SMS = {name: limit for name, limit, _ in sms_codes.PER_NUMBER}
SMS_SEND = Doc(
    params=params.SmsSendParams,
    send={"phoneNumber": "13800000000"},
    ok={"msg": "OK", "key": "9cQ2vXo0L5sTj7WbE1yRk3HnUf6Za8Dp"},
    failures=[errors.SmsNotSent, errors.CaptchaWrong],
    about=f"验证码 5 位,{span(sms_codes.LIFETIME)}内有效,用对一次或输错 {sms_codes.MAX_TRIES} 次后作废。"
    f"同一手机号每分钟 {_SMS['minute']} 条、每天 {_SMS['day']} 条。"
    "发得多了 `msg` 是 `请先输入图形验证码`:带上 `captcha` 与 `/users/getCaptcha` 的 `key` 再发一次。"
    "沙箱中的短信在 `/sandbox/sms/` 查看:有账号的手机号只有这个账号能看到,"
    "其他手机号要带上 token 发送,发送的账号才能看到。",
)
SIGN_OUT = Doc(ok={"status": 1, "msg": "退出成功"}, about="令牌立即失效。")
VERIFY = Doc(
    ok={
        "status": 1,
        "msg": "校验成功",
        "decode": {
            "username": "lbw",
            "nickname": "五五开",
            "unid": _UNID,
            "roleid": "102",
            "iat": 1795500000,
            "exp": 1795543200,
        },
    },
)
REGISTER = Doc(
    params=params.RegisterParams,
    send={"username": "lbw4", "password": "kai-ge-2026", "nickname": "开哥永不开挂", "phone": "1577775772"},
    ok={"status": 1, "msg": "注册成功", "userInfo": _USER},
    records={"userInfo": UserJson},
    failures=[errors.UsernameTaken, errors.RoleUnknown, errors.PhoneTaken, errors.PhoneMasked, TOO_WEAK],
)
UPDATE_PASSWORD = Doc(
    params=params.PasswordParams,
    send={"username": "lbw", "oldPassword": "555", "newPassword": "wu-wu-kai"},
    ok={"status": 1, "msg": "密码修改成功"},
    failures=[errors.UserUnknown, errors.DemoPasswordStays, TOO_WEAK, NotPermitted, errors.TooManyFailures(42)],
    about="只能修改自己的密码;root 可以修改任何人的密码,可以不传 `oldPassword`,传了就会校验。"
    "修改后该用户的所有令牌失效,需要重新登入。",
)
UPDATE_USER = Doc(
    params=params.UserUpdateParams,
    send={"unid": _UNID, "nickname": "五五开", "city": "南京"},
    ok={"msg": "更新成功"},
    failures=[
        errors.UserToChangeUnknown,
        errors.UserNotYours,
        errors.RoleNotYours,
        errors.PhoneTaken,
        errors.PhoneMasked,
        errors.PhoneNeedsPassword,
        *_SMS_CODE,
        errors.PhoneTriesExceeded(42),
        errors.UsernameTaken,
        errors.RoleUnknown,
        errors.PasswordNotChanged,
        errors.DemoPasswordStays,
        errors.DemoNameStays,
        errors.TooManyFailures(42),
        BadParameter("headimgurl: 不是图片地址"),
        *_PICTURE_LATER,
    ],
    about="只修改传递的字段;只能修改自己,root 可以修改任何人。"
    + params.UserUpdateParams.blanks_text()
    + "修改密码需要 `oldPassword`(root 不需要),修改后令牌失效。\n\n"
    "手机号:只传 `phone` 会保存并显示,但不能用它短信登入。要能登入:先 `/sms/send` 到新手机号,"
    "再同时传 `phone`、`oldPassword` 与短信中的 `code`(不能带 cookie 的客户端再加 `key`)。"
    "root 设置的手机号直接可以登入。更换能登入的手机号需要 `oldPassword`,原手机号会收到通知。角色 1 不能短信登入。",
)
DELETE_USER = Doc(
    params=params.UserDeleteParams,
    ok={"msg": "删除成功"},
    failures=[errors.UserToDeleteMissing, errors.UserToDeleteUnknown, errors.UserNotDeleted("不能删除自己")],
    about="`unid` 可以重复或用逗号隔开,一次删除多个:全部删除,或一个也不删。订单、支付与登入日志保留(不再指向用户),"
    "令牌立即失效,购物车与头像一并删除。",
)
UPLOAD_AVATAR = Doc(
    params=params.AvatarParams,
    ok={"status": 1, "msg": "图片上传成功", "headimgurl": _PICTURE, "imgurl": _PICTURE},
    failures=[NotPermitted, *_PICTURE_LATER],
    about="只能上传自己的头像;root 可以上传任何人的头像。",
)
ALL_USERS = Doc(
    params=params.UserListParams,
    ok={"msg": "success", "total": 1, "users": [_USER]},
    records={"users": list[UserJson]},
    about="没有后台的“看完整电话”权限时,别人的 `phone` 是 139****1111,`key` 也不按手机号查找;"
    "数据权限为“仅本人”时只有自己班级的用户。",
)
CAPTCHA = Doc(
    ok={
        "img": '<svg xmlns="http://www.w3.org/2000/svg" width="150" height="48">…</svg>',
        "key": "9cQ2vXo0L5sTj7WbE1yRk3HnUf6Za8Dp",
    },
    about=f"`img` 是一个 SVG 元素,直接放入页面即可。{span(timedelta(seconds=CAPTCHA_LIFETIME_S))}内有效,只能校验一次。",
)
VERIFY_CAPTCHA = Doc(
    params=params.CaptchaParams,
    ok={"msg": "验证码正确"},
)
LOGIN_LOG = Doc(
    params=params.LoginLogParams,
    ok={
        "msg": "success",
        "data": [
            {
                "_id": "5cd964db16bd6f346879cf77",
                "username": "cxk",
                "lastLogin": {"loginTime": "2019/05/13 20:36:26", "ip": ""},
                "nowLogin": {"ip": "", "loginTime": "2019/05/13 20:36:43"},
                "__v": 0,
            }
        ],
    },
    records={"data": list[LoginLogEntryJson]},
)
QRCODE = Doc(
    params=params.QrcodeParams,
    ok={
        "scanCodeUrl": "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx0123456789abcdef"
        "&redirect_uri=http%3A%2F%2Fwww.chst.vip%2Fusers%2FwechatCallBack&response_type=code"
        "&scope=snsapi_userinfo&state=5jDq0wXbq1cYt2mJ8aVn3kQz7sRf4uHe#wechat_redirect",
    },
    failures=[errors.SidMissing],
    about="把 `scanCodeUrl` 画成二维码给用户扫。先连接 socket (见 `/docs/socket/`) 才有 `sid`;同一个 `sid` 再次请求时,"
    "之前的二维码作废。二维码只能用一次,"
    f"{span(settings.WECHAT_QR_TTL)}内有效,过期后 socket 会收到 `invalidCode`。\n\n"
    "旧客户端调用的 `getScancode` 与它相同;不带 `sid` 时,沙箱在两秒内找同一地址上唯一一个还没有二维码的 socket,"
    "找不到或分不清则返回 10022。",
)
CALLBACK = Doc(
    params=params.CallbackParams,
    ok={"msg": "已扫码"},
    failures=[errors.WechatSnapshot, Throttled(30)],
    about="由用户的手机打开,前端不调用。浏览器得到一个页面,其他客户端得到 JSON。微信以快照页打开时二维码不作废:"
    "用户轻触“使用完整服务”并允许后,登入继续。",
)
WECHAT_LOGIN = Doc(
    params=params.WechatLoginParams,
    ok=LOGIN.successes[0] | {"status": 200, "msg": "微信登入成功"},
    records=LOGIN_RECORDS,
    failures=[errors.UserDisabled, WechatUnclear, WechatLost, Throttled(30)],
    about="返回值与账号登入相同。第一次登入的微信用户会成为 `200` 角色的新用户。每个 `wechatCode` 只能用一次。",
)
WX_LOGIN = Doc(
    params=params.WxLoginParams,
    send={"code": "0c3Xyz000aBcDe1fGh200ijKlM4Xyz0t"},
    ok=WECHAT_LOGIN.successes[0],
    records=LOGIN_RECORDS,
    failures=[errors.UserDisabled, errors.MiniNotConfigured, WechatUnclear, Throttled(60)],
    about="微信小程序(uni-app 相同)调用 `wx.login`,把得到的 `code` 传来。返回值与扫码登入相同;"
    "微信给出的 `unionid` 相同,就是扫码登入的那个用户。每个 `code` 只能用一次。"
    "用这个 `token` 发起 `trade_type=JSAPI` 的支付,不用传 `openid`。\n\n"
    "开发时 `code` 从沙箱取:`GET /sandbox/mini/code`;没有 AppID 的项目,开发者工具给的 `the code is a mock one` "
    "登入为同一网络共用的游客。",
)
