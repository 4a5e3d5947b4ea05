"""A database belongs to production or to practice, and neither works on the other's."""

import pytest
from django.core.management import CommandError, call_command

from core.models import Installation
from operations.checks import database_is_ours

pytestmark = pytest.mark.django_db(transaction=True)
USERS = "The database has users and is not marked as a practice server's."


@pytest.fixture
def server(settings):
    """Be a server of this kind."""

    def server(kind):
        settings.KIND, settings.PRACTICE = kind, kind == "practice"
        settings.DEPLOYED = kind != "development"

    return server


def refusals():
    return [error.msg for error in database_is_ours()]


@pytest.mark.parametrize(("mine", "other"), [("practice", "production"), ("production", "practice")])
def test_the_first_seed_marks_it_and_the_other_kind_is_refused(server, mine, other):
    server(mine)
    assert refusals() == []
    call_command("seed_roles")
    call_command("seed_roles")
    assert refusals() == [] and Installation.objects.get().kind == mine

    server(other)

    assert refusals() == [f"The database is that of a {mine} server."]
    with pytest.raises(CommandError, match=mine):
        call_command("seed_roles")
    server("development")
    assert refusals() == []
    assert Installation.objects.get().kind == mine


def test_one_with_users_and_no_mark_becomes_productions_and_never_a_practice_servers(server, person):
    person("li")
    server("development")
    call_command("seed_roles")
    assert not Installation.objects.exists(), "development marks none"
    server("practice")
    assert refusals() == [USERS]
    with pytest.raises(CommandError):
        call_command("seed_roles")
    assert not Installation.objects.exists()

    server("production")

    assert refusals() == []
    call_command("seed_roles")
    assert Installation.objects.get().kind == "production"


def test_a_server_that_does_not_answer_is_no_reason_to_refuse(server, settings):
    server("production")
    settings.DATABASES["default"]["HOST"], host = "127.0.0.1", settings.DATABASES["default"]["HOST"]
    settings.DATABASES["default"]["PORT"], port = "1", settings.DATABASES["default"]["PORT"]
    try:
        assert refusals() == []
    finally:
        settings.DATABASES["default"] |= {"HOST": host, "PORT": port}
