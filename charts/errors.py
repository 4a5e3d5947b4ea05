"""The refusals of the charts' calls."""

from core.errors import BadParameter


class TooManyPoints(BadParameter):
    msg = "时间范围太长,最多400个点"
    remedy = "缩短 from 到 to,或用 week、month 作单位"
