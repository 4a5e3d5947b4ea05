from django.urls import path

from core.api import system
from core.api.openapi import schema

urlpatterns = [
    path("health/live", system.alive),
    path("health/ready", system.ready),
    path("health/whole", system.whole),
    path("metrics", system.figures),
    path("schema/", schema),
]
