"""Why an upload is refused. Every refusal leaves nothing on disk."""

from core.errors import DomainError


class ImageMissing(DomainError):
    status, msg = 1005, "没有上传图片"


class ImageRefused(DomainError):
    """The file is not a picture that is taken in; ``msg`` says why."""

    status, msg = 1005, "图片格式不正确,仅支持 JPG、PNG、GIF、WebP"


class ImageEmpty(ImageRefused):
    msg = "图片内容为空"


class ImageTooLarge(ImageRefused):
    msg = "图片不能超过5MB"


class ImageTooManyPixels(ImageRefused):
    msg = "图片不能超过4000万像素"


class ImageBroken(ImageRefused):
    msg = "图片已损坏,无法读取"
