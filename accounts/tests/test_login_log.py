"""GET /getloginlog and what a login leaves in it, and for how long."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import LoginLog, User
from accounts.services.login import login_record, logins_purge
from accounts.tasks import purge_login_attempts
from core.times import local
from permissions.models import DataScope, Role
from tests.kit import at_once

EMPTY = {"loginTime": "", "ip": ""}


@pytest.mark.django_db
def test_shows_this_login_and_the_one_before_newest_first_by_ten_unless_told_otherwise(person):
    li = person("li", "103", password="right-password")
    for ip in ("10.0.0.1", "10.0.0.2"):
        li.http.defaults["REMOTE_ADDR"] = ip
        assert li.post("/users/login", {"username": "li", "password": "right-password"}).json()["state"]

    body = li.get("/getloginlog").json()

    second, first = body["data"]
    assert (first["username"], first["lastLogin"], first["__v"]) == ("li", EMPTY, 0)
    assert (first["nowLogin"]["ip"], second["nowLogin"]["ip"]) == ("10.0.0.1", "10.0.0.2")
    assert second["lastLogin"] == first["nowLogin"]
    assert len(first["_id"]) == 24 and int(first["_id"], 16) and first["_id"] != second["_id"]
    LoginLog.objects.bulk_create(LoginLog(username="li", logged_in_at=timezone.now()) for _ in range(11))
    for page, length in (({}, 10), ({"page": 2}, 3), ({"count": 12}, 12)):
        assert len(li.get("/getloginlog", **page).json()["data"]) == length
    assert first["nowLogin"]["loginTime"] == f"{local(LoginLog.objects.earliest('pk').logged_in_at):%Y/%m/%d %H:%M:%S}"


@pytest.mark.django_db
def test_with_sight_of_the_own_alone_it_shows_the_own_class(person):
    Role.objects.filter(roleid="103").update(data_scope=DataScope.OWN)
    people = {
        name: person(name, roleid, class_name=class_name)
        for name, class_name, roleid in (("li", "H5", "103"), ("wang", "H6", "103"), ("boss", "", "102"))
    }
    for client in people.values():
        login_record(user=client.user, ip="", now=timezone.now())

    def names(username):
        return [row["username"] for row in people[username].get("/getloginlog").json()["data"]]

    assert names("li") == ["li"] and names("boss") == ["boss", "wang", "li"]


@pytest.mark.django_db(transaction=True)
def test_each_of_many_logins_at_once_sees_a_different_one_before_it():
    user = User.objects.create_user("li", "x", role=Role.objects.get(roleid="200"))
    start = timezone.now()

    def log_in(number):
        login_record(user=user, ip=f"10.0.0.{number}", now=start + timedelta(seconds=number))

    at_once([partial(log_in, number) for number in range(16)])

    entries = list(LoginLog.objects.order_by("pk"))
    assert [entry.last_ip for entry in entries] == ["", *(entry.ip for entry in entries[:-1])]


@pytest.mark.django_db
def test_old_logins_go_after_a_year_but_each_users_newest_stays(person, settings):
    li, wang, now = person("li").user, person("wang").user, timezone.now()
    whose = [(li, 400), (li, 399), (li, 366), (li, 364), (li, 363), (wang, 400), (None, 400)]  # the last one is deleted
    LoginLog.objects.bulk_create(
        LoginLog(user=user, username=f"{user}-{days}", logged_in_at=now - timedelta(days=days), ip="10.0.0.1")
        for user, days in whose
    )

    assert logins_purge(now=now, batch=2) == 4

    assert list(LoginLog.objects.order_by("pk").values_list("username", flat=True)) == ["li-364", "li-363", "wang-400"]
    settings.AUDIT_KEEP_DAYS = 0
    assert logins_purge(now=now + timedelta(days=999)) == 0, "they stay for ever"
    assert login_record(user=wang, ip="", now=now).last_ip == "10.0.0.1"


@pytest.mark.django_db
def test_attempts_that_hosts_of_the_last_release_record_are_emptied():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_loginattempt (at, door, outcome, username, ip, device, times)"
            " VALUES (now(), 'sms', 'code', '13800000002', '', '', 1)"
        )

        purge_login_attempts()

        cursor.execute("SELECT count(*) FROM accounts_loginattempt")
        assert cursor.fetchone() == (0,)
