"""The documented answers that are not success."""

from core.errors import DomainError


class StudentIdMissing(DomainError):
    status, msg = 0, "没有传递sId"


class StudentNotDeleted(DomainError):
    status, msg = 0, "删除出错"


class StudentUnknown(DomainError):
    status, msg = 0, "没有该学员"


class StudentUnchanged(DomainError):
    status, msg = 304, "没有做任何修改"
    remedy = "提交的内容与原来相同:提示用户"


class AvatarMissing(DomainError):
    status, msg = 500, "上传失败"
    remedy = "检查字段名 headimgurl"
