from core.errors import DomainError


class SheetRefused(DomainError):
    """The file as a whole cannot be taken; ``msg`` says why."""

    msg = "无法读取这个文件"


class RunStale(DomainError):
    """What the preview showed is no longer so; nothing was written."""


class RunNotReady(DomainError):
    msg = "这次导入已经处理过,或者还没有检查完"
