"""Answers of the user calls that are not success."""

from core.errors import DomainError, Throttled


class CredentialsMissing(DomainError):
    status, msg = 1004, "没有传递用户名或者密码"


class CredentialsWrong(DomainError):
    status, msg = 0, "用户名或者密码错误"


class TooManyFailures(Throttled):
    msg = "登入失败次数过多,请稍后再试"


class CaptchaWrong(DomainError):
    status, msg = 3004, "验证码错误"


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
    """``msg`` holds the reasons."""

    status, msg = 0, "密码不符合要求"


class AvatarRefused(DomainError):
    status, msg = 0, "图片上传失败"


class SidMissing(DomainError):
    status, msg = 10022, "没有传递sid"


class SidUnknown(DomainError):
    status, msg = 10022, "socket指定sid错误"


class StateMissing(DomainError):
    status, msg = 10004, "没有传递state"


class CodeInvalid(DomainError):
    """A QR code that is unknown, used or over."""

    status, msg = 10004, "无效的二维码"


class WechatCodeMissing(DomainError):
    status, msg = 10004, "请传入wechatCode"


class WechatCodeSpent(DomainError):
    """WeChat's code is used, over or false: only a new scan helps."""

    status, msg = 10004, "请重新扫码"


class UserDisabled(DomainError):
    status, msg = 0, "账号已停用,请联系管理员"
