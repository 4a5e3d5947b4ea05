from django.urls import path

from sandbox.sms import pages, provider

api_urls = [path("", provider.send_sms)]
page_urls = [
    path("", pages.phone, name="sms"),
    path("messages/", pages.messages),
]
