"""The documented refusals of the dormitory's calls."""

from core.errors import DomainError


class RoomExists(DomainError):
    status, msg = 1004, "该房间已存在"


class RoomInUse(DomainError):
    status, msg = 1004, "该房间还有学员"
    remedy = "先退宿或换房,再删除房间"


class BedsInUse(DomainError):
    """The room would get fewer beds than the highest one in use."""

    status = 1004

    def __init__(self, bed: int = 3) -> None:
        super().__init__(f"{bed}号床还有学员,床位数不能少于{bed}")


class RoomFull(DomainError):
    status, msg = 10010, "该房间已住满"


class BedTaken(DomainError):
    status, msg = 1004, "该床位已有人"


class BedUnknown(DomainError):
    status = 1004

    def __init__(self, beds: int = 6) -> None:
        super().__init__(f"该房间只有{beds}个床位")


class HasBed(DomainError):
    status, msg = 1004, "该学员已有床位"
    remedy = "先退宿,再入住别的床位"


class GenderRefused(DomainError):
    status = 1004

    def __init__(self, gender: str = "男") -> None:
        super().__init__(f"该房间只住{gender}学员")
