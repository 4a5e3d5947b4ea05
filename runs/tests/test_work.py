"""What becomes of every run, shown with an export."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from runs.errors import RunNotReady
from runs.exports import export_start
from runs.models import Export
from runs.work import run_restart

pytestmark = pytest.mark.django_db


@pytest.fixture
def export(root, sent_tasks):
    return export_start(model="students.student", query="", file_name="a.csv", user_pk=root.user.pk, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_a_new_start_does_not_wait_for_a_worker_that_is_at_it(export, sent_tasks):
    def restart():
        run_restart(run=export, now=timezone.now())
        connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Export.objects.select_for_update().get()
        pool.submit(restart).result(5)

    assert sent_tasks == [("core.export_make", (export.pk,))] * 2


def test_what_is_over_is_not_started_again(export):
    export.state = Export.State.DONE
    export.save()

    with pytest.raises(RunNotReady):
        run_restart(run=export, now=timezone.now())

    assert Export.objects.get().state == Export.State.DONE
