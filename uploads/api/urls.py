from django.urls import re_path

from core.api.routing import ContractRouter
from uploads.api.media import media
from uploads.api.views import UploadViewSet
from uploads.services import NAME_PATTERN

router = ContractRouter()
router.add(UploadViewSet)
urlpatterns = [*router.urls, re_path(rf"^media/(?P<name>{NAME_PATTERN})\Z", media)]
