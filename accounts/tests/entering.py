"""The back office's entrance as a browser meets it, and a user as answers of the API show one."""

import re
from datetime import timedelta
from html import unescape

from django.utils import timezone

from core.ids import object_id

PASSWORD = "a-password"  # of every user that the fixture ``person`` makes


def age(client, hours):
    """Let ``hours`` go by since the password was last given."""
    session = client.session
    session["password_given_at"] = (timezone.now() - timedelta(hours=hours)).timestamp()
    session.save()
    return client


def asks(answer, what="password"):
    """Whether the page asks for the password (or the "code") in place of what it was to show."""
    return bool(answer.templates) and answer.templates[0].name == f"entrance/{what}.html"


def hidden(answer):
    """What the page that asks would send along, by name."""
    form = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.content.decode()):
        form.setdefault(name, []).append(unescape(value))
    return form


def confirm(client, question, answer=PASSWORD, what="password"):
    """Answer the question as its form does: to the address of the page, with all that came along."""
    (address,) = re.findall(r'action="([^"]*)" class="en-form"', question.content.decode())
    return client.post(unescape(address), hidden(question) | {f"entrance_{what}": answer})


def user_json(user, **changes):
    """What answers tell of a user with the role 200 who has filled in nothing; ``changes`` are what else they tell."""
    empty = dict.fromkeys(("nickname", "phone", "headimgurl", "sex", "city", "province", "country", "vipExpires"), "")
    body = {"_id": object_id(user.created_at, user.pk), "unid": user.unid, "username": user.username, "status": "1"}
    return empty | body | {"roleid": "200", "roleName": "员工", "vipLevel": 0, "vipStamp": 0} | changes
