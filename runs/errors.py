"""Why staff cannot do something with a run."""

from core.errors import DomainError


class RunNotReady(DomainError):
    msg = "这次导入已经处理过，或者还没有检查完"


class RunNotAllowed(DomainError):
    """A person has lost the rights that a run needs, or sees less than when it began."""

    msg = "您的权限或数据权限在这次操作开始之后变小了，不能继续，没有写入任何数据。请重新开始"


class ExportRefused(DomainError):
    """An export is not written; ``msg`` says why."""
