from core.errors import DomainError


class SheetRefused(DomainError):
    """The file as a whole cannot be taken; ``msg`` says why."""

    msg = "无法读取这个文件"


class RunStale(DomainError):
    """What the preview showed is no longer so; nothing was written."""


class RunNotReady(DomainError):
    msg = "这次导入已经处理过,或者还没有检查完"


class SelectionChanged(DomainError):
    """What would be deleted is no longer what the page has shown; nothing was deleted."""

    msg = "名单在你确认之前变了,没有删除任何学员。请核对后再次确认"


class TooManyChosen(DomainError):
    """More students than one run deletes."""
