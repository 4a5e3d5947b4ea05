"""The back office's entrance as a browser meets it: a page that asks something in place of another."""

import re
from datetime import timedelta
from html import unescape

from django.utils import timezone

PASSWORD = "a-password"  # of everybody the fixture ``person`` makes


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
    posted = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.content.decode()):
        posted.setdefault(name, []).append(unescape(value))
    return posted


def confirm(client, question, answer=PASSWORD, what="password"):
    """Answer the question as its form does: to the address of the page, with all that came along."""
    (address,) = re.findall(r'action="([^"]*)" class="en-form"', question.content.decode())
    return client.post(unescape(address), hidden(question) | {f"entrance_{what}": answer})
