"""The upload call."""

from rest_framework import serializers
from rest_framework.request import Request

from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import Params
from core.api.request import full_url
from core.errors import Throttled
from uploads.errors import NO_PICTURE_TAKEN, ImageMissing
from uploads.fields import image_file


class UploadParams(Params):
    img = serializers.FileField(help_text="图片文件")


UPLOAD = Doc(
    ok={
        "imgUrl": "http://127.0.0.1:8000/media/2026/11/0f6c1a9e2b7d4c5e8a913b2f7d6e4c1a.jpg",
    },
    params=UploadParams,
    failures=[ImageMissing, *NO_PICTURE_TAKEN, Throttled(30)],
    about=(
        "支持 JPG、PNG、GIF、WebP,按内容判断,与文件名无关;不超过 5MB、4000 万像素。图片会重新编码,"
        "不保留拍摄地点等附加信息,长边超过 4096 像素的会缩小。24 小时内没有被任何数据引用的图片会被清理,"
        "这样的图片太多时不能再上传。答复 503 或 429 时,请在 `Retry-After` 秒之后重试。"
    ),
)


class UploadViewSet(ApiViewSet):
    tag = "上传图片"

    @Endpoint("POST", "/upload/uploadImg", "上传图片", Access.OPEN, docs=UPLOAD)
    def upload_img(self, request: Request) -> Envelope:
        url = image_file(request, "img")
        if not url:
            raise ImageMissing
        return ok(imgUrl=full_url(url))
