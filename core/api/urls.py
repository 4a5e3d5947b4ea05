from django.urls import path

from core.api import pages
from core.api.openapi import schema

urlpatterns = [
    path("health/live", pages.alive),
    path("health/ready", pages.ready),
    path("metrics", pages.figures),
    path("schema/", schema),
]
