"""A bucket or a database that does not answer."""

import pytest
from django.core.files.storage import InMemoryStorage, default_storage
from django.utils import timezone

from core.upstreams import FAILURES
from tests.kit import encoded, posted
from uploads.models import Upload
from uploads.services import orphans_remove
from uploads.store import BUCKET

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("undecoded")]
PATH = "/upload/uploadImg"


class Bucket(InMemoryStorage):
    """It may store a picture and then be silent; ``requests`` counts what it gets."""

    is_silent = False
    requests = 0

    def _save(self, name, content):
        type(self).requests += 1
        super()._save(name, content)
        return self._answer(name)

    def _open(self, name, mode="rb"):
        type(self).requests += 1
        return self._answer(super()._open(name, mode))

    def _answer(self, value):
        if self.is_silent:
            raise TimeoutError("no answer")
        return value


@pytest.fixture
def bucket(settings, monkeypatch):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Bucket"}}
    monkeypatch.setattr(Bucket, "is_silent", False)
    monkeypatch.setattr(Bucket, "requests", 0)
    BUCKET.forget()
    yield Bucket
    BUCKET.forget()


def send(api):
    return api.http.post(PATH, {"img": posted(encoded())})


def test_what_it_stored_without_an_answer_is_removed_with_its_row(api, bucket):
    bucket.is_silent = True
    assert send(api).status_code == 503
    [row] = Upload.objects.all()
    assert default_storage.exists(row.name)
    bucket.is_silent = False

    assert orphans_remove(now=timezone.now()) == 1

    assert not default_storage.exists(row.name)
    assert not Upload.objects.exists()


def test_a_dead_one_is_not_asked_by_those_who_store_or_look(api, bucket):
    path = send(api).json()["imgUrl"].removeprefix("http://testserver")
    assert api.http.get(path).status_code == 200
    bucket.is_silent, before = True, bucket.requests
    looked = [api.http.get(path).status_code for _ in range(FAILURES)]
    assert (looked, bucket.requests - before) == ([503] * FAILURES, FAILURES)

    refusals = [api.http.get(path), send(api)]

    assert [answer.status_code for answer in refusals] == [503, 503]
    assert all(int(answer["Retry-After"]) >= 1 and answer.json()["state"] is False for answer in refusals)
    assert bucket.requests - before == FAILURES
    assert Upload.objects.filter(removed_at=None).count() == 1


def test_a_missing_picture_says_nothing_about_it(api, bucket):
    for _ in range(FAILURES + 1):
        assert api.http.get(f"/media/2026/11/{'0' * 32}.png").status_code == 404

    assert send(api).status_code == 200
