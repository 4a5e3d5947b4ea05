"""The documented refusals of the students' calls, and those of bulk work in the back office."""

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


class ClassUnknown(DomainError):
    status, msg = 1005, "没有该班级"


class AvatarMissing(DomainError):
    status, msg = 500, "上传失败"
    remedy = "检查字段名 headimgurl"


# --- Bulk work (students.transfer) ---
NOT_ALLOWED = "您现在没有修改的权限"  # what a row says


class RunStale(DomainError):
    """A colleague has changed or deleted a student since the preview. Nothing was written."""


class ImportUndecided(DomainError):
    """A person has to decide something about an import first; ``msg`` says what. The decisions are kept."""


class SelectionChanged(DomainError):
    """Other students would be deleted than the page has shown. Nothing was deleted."""

    msg = "名单在你确认之前变了，没有删除任何学员。请核对后再次确认"


class AccountRefused(DomainError):
    """An account is not linked or managed; ``msg`` says why."""

    msg = "这名学员没有可以管理的账号"


class ClassStepRefused(DomainError):
    """A step of a class is refused; ``msg`` says why."""


class NumberTaken(DomainError):
    msg = "学号已经属于另一名学员，没有恢复"


class NotArchived(DomainError):
    msg = "这名学员已经恢复"
