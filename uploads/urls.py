"""The URLs of stored pictures, for servers where neither nginx nor a bucket serves them."""

from django.urls import re_path

from uploads.api.media import media
from uploads.services import NAME_PATTERN

urlpatterns = [re_path(rf"^(?P<name>{NAME_PATTERN})\Z", media)]
