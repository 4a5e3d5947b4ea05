"""Paths of WeChat's login: its page is below /sandbox/oauth/, its API below /sandbox/wxapi/."""

from django.urls import path

from sandbox.oauth import api, pages

page_urls = [path("connect/oauth2/authorize", pages.authorize, name="authorize")]
api_urls = [
    path("sns/oauth2/access_token", api.access_token),
    path("sns/userinfo", api.userinfo),
]
