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


class PasswordTooWeak(DomainError):
    """``msg`` holds the reasons."""

    status, msg = 0, "密码不符合要求"


class AvatarRefused(DomainError):
    status, msg = 0, "图片上传失败"
