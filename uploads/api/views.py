"""The upload call."""

from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import Access
from core.api.envelope import ok
from core.api.request import full_url
from core.api.routing import endpoint
from core.api.views import ApiViewSet
from uploads.api import docs
from uploads.errors import ImageMissing
from uploads.fields import image_file


class UploadViewSet(ApiViewSet):
    tag = "上传图片"

    @endpoint("POST", "/upload/uploadImg", "上传图片", Access.OPEN, docs=docs.UPLOAD, takes_files=True)
    def upload_img(self, request: Request) -> Response:
        url = image_file(request, "img")
        if not url:
            raise ImageMissing
        return ok(imgUrl=full_url(url))
