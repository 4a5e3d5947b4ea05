"""The refusals of uploads. After each of them nothing is left on the disk."""

from accounts.errors import CeilingReached
from core.errors import DomainError, ServiceUnavailable, Throttled


class ImageMissing(DomainError):
    status, msg = 1005, "没有上传图片"
    remedy = "检查字段名 img"


class ImageRefused(DomainError):
    """The file is no picture that is accepted; ``msg`` says why."""

    status, msg = 1005, "图片格式不正确,仅支持 JPG、PNG、GIF、WebP"


class ImageIsHeic(ImageRefused):
    """The format of iPhones, which browsers cannot show."""

    msg = "不支持 HEIC 图片,请转成 JPG 再上传(iPhone:设置-相机-格式-兼容性最佳)"


class ImageEmpty(ImageRefused):
    msg = "图片内容为空"


class ImageTooLarge(ImageRefused):
    msg = "图片不能超过5MB"


class ImageTooManyPixels(ImageRefused):
    msg = "图片不能超过4000万像素"


class ImageBroken(ImageRefused):
    msg = "图片已损坏,无法读取"


class ImageTooComplex(ImageRefused):
    """Decoding the picture took more time or memory than allowed."""

    msg = "图片过于复杂,无法处理,请压缩后再上传"


class DecodersBusy(ServiceUnavailable):
    """No decoder was free in time."""

    msg, wait_s = "图片处理繁忙,请稍后再试", 2


class StoreFull(ServiceUnavailable):
    """The disk has less than MEDIA_FREE_MB left."""

    msg, wait_s = "服务器存储空间不足,暂时不能上传图片", 600


class TooManyUnused(Throttled):
    """Unused pictures fill their budget, or the sender's share of it."""

    msg = "上传后没有使用的图片太多,请稍后再试"

    def __init__(self) -> None:
        super().__init__(600)


# The refusals that every call which accepts a picture documents.
NO_PICTURE_TAKEN = (
    *(ImageRefused, ImageIsHeic, ImageEmpty, ImageTooLarge, ImageTooManyPixels, ImageBroken, ImageTooComplex),
    *(DecodersBusy, StoreFull, TooManyUnused, CeilingReached("练习账号最多50 MB 图片,请先删除一些")),
)
