"""The refusals of the user calls."""

from core.errors import BadParameter, DomainError, Throttled


class CredentialsMissing(DomainError):
    status, msg = 1004, "没有传递用户名或者密码"


class CredentialsWrong(DomainError):
    status, msg = 0, "用户名或者密码错误"


class TooManyFailures(Throttled):
    msg = "登入失败次数过多,请输入图形验证码,或稍后再试"


class SmsPhoneMissing(DomainError):
    status, msg = 3004, "请输入手机号"


class SmsPhoneInvalid(DomainError):
    status, msg = 3004, "手机号格式不正确,请输入11位的大陆手机号"


class SmsNotSent(DomainError):
    """There were too many messages, or the provider did not send this one; ``msg`` says which."""

    status, msg = 4003, "短信发送失败,请稍后再试"


class SmsCodeNotAsked(DomainError):
    status, msg = 10027, "先点击发送验证码"


class SmsCodeIncomplete(DomainError):
    status, msg = 10025, "请传入5位验证码"


class SmsCodeWrong(DomainError):
    status, msg = 10026, "验证码不正确"


class SmsPhoneUnknown(DomainError):
    status, msg = 0, "这个手机号没有注册"


class SmsUserDisabled(DomainError):
    status, msg = 1007, "用户被禁用,请联系管理员"


class CaptchaWrong(DomainError):
    status, msg = 3004, "验证码错误"
    remedy = "刷新验证码"


class RegistrationIncomplete(DomainError):
    status, msg = 0, "注册出错,缺少字段"


class UsernameTaken(DomainError):
    status, msg = 0, "用户名已注册"


class RoleUnknown(DomainError):
    status, msg = 0, "角色不存在"


class UserUnknown(DomainError):
    status, msg = 0, "不存在此用户"


class PasswordNotChanged(DomainError):
    status, msg = 0, "密码修改错误"


class DemoPasswordStays(DomainError):
    status, msg = 0, "演示账号的密码不能修改"


class PasswordTooWeak(DomainError):
    """The new password breaks rules; ``msg`` says which."""

    status, msg = 0, "密码不符合要求"


class UnidMissing(DomainError):
    status, msg = 3004, "请传入用户unid"


class RoleNotYours(DomainError):
    """Only root may change a role or a VIP level."""

    status, msg = 3004, "没有权限修改用户角色的id"


class UserToChangeUnknown(DomainError):
    status, msg = 10066, "修改用户不存在"


class UserNotYours(DomainError):
    status, msg = 10066, "没有权限修改该用户"


class PhoneTaken(DomainError):
    status, msg = 10066, "手机号已经被绑定"


class CeilingReached(DomainError):
    """An account of a practice server has as much as it may have; ``msg`` says of what."""

    status = 10010
    remedy = "先删除一些"


class PhoneMasked(BadParameter):
    """A list has shown the number as 139****1111, and a client sends that back for another account."""

    msg = "phone: 不能带星号,请传完整的手机号"


class PhoneNeedsPassword(DomainError):
    """The number is a login, or is to become one, and the right old password did not come along."""

    status, msg = 10066, "修改手机号需要原来的密码"
    remedy = "带上 oldPassword"


class PhoneTriesExceeded(Throttled):
    msg = "修改手机号过于频繁,请稍后再试"


class DemoNameStays(DomainError):
    status, msg = 0, "演示账号的用户名不能修改"


class UserToDeleteMissing(DomainError):
    status, msg = 30001, "没有传递username或者unid"


class UserToDeleteUnknown(DomainError):
    status, msg = 30001, "用户不存在"


class UserNotDeleted(DomainError):
    """The user must not be deleted; ``msg`` says why."""

    status, msg = 30001, "不能删除该用户"


class ClassAccountsRefused(DomainError):
    """No account was made; ``msg`` says why."""

    status, msg = 0, "不能为班级开账号"


class AvatarRefused(DomainError):
    status, msg = 0, "图片上传失败"


class SidMissing(DomainError):
    status, msg = 10022, "没有传递sid"
    remedy = "先等 socket 的 connectSuccess,带上它的 sid"


class SidUnknown(DomainError):
    status, msg = 10022, "socket指定sid错误"
    remedy = "重新连接 socket"


class StateMissing(DomainError):
    status, msg = 10004, "没有传递state"


class CodeInvalid(DomainError):
    """The QR code is unknown, used or expired."""

    status, msg = 10004, "无效的二维码"
    remedy = "重新请求 /users/getQrcode"


class WechatCodeMissing(DomainError):
    status, msg = 10004, "请传入wechatCode"


class MiniCodeMissing(DomainError):
    status, msg = 10004, "请传入code"
    remedy = "先调用 wx.login,传它给的 code"


class MiniNotConfigured(DomainError):
    """``WECHAT_MINI_APP_ID`` and ``WECHAT_MINI_APP_SECRET`` are not set."""

    status, http_status, msg = 503, 503, "小程序登入没有开通,请联系管理员"


class WechatCodeSpent(DomainError):
    """WeChat's code is used, expired or wrong; only a new scan helps."""

    status, msg = 10004, "请重新扫码"
    remedy = "重新扫码"


class WechatSnapshot(WechatCodeSpent):
    """WeChat opened a snapshot page (快照页): its code names a virtual account, never a person."""

    msg = "请轻触页面右下角的“使用完整服务”,并在弹窗中允许"
    remedy = "在手机上轻触“使用完整服务”"


class WechatSnapshotLeft(WechatSnapshot):
    """The phone comes back with the code of a snapshot page: it has left that page, and needs a new code."""


class UserDisabled(DomainError):
    status, msg = 0, "账号已停用,请联系管理员"
