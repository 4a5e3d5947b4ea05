from django.urls import path

from sandbox.pay import pages

urlpatterns = [
    path("", pages.find, name="find"),
    path("<str:token>/", pages.pay, name="pay"),
    path("<str:token>/faults/", pages.order_faults, name="order_faults"),
]
