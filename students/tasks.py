from celery import shared_task


@shared_task(name="students.fold_tally", ignore_result=True)
def fold_tally() -> None:
    """Keep the rows few that each count is the sum of."""
    from students.counts import counts_fold

    counts_fold()


@shared_task(name="students.transfer_work", ignore_result=True)
def transfer_work(run_pk: int) -> None:
    """Do what an import, an export, a batch of pictures or a deletion waits for. May run twice, also at once."""
    from students.transfer.work import transfer_do

    transfer_do(run_pk=run_pk)


@shared_task(name="students.resume_transfers", ignore_result=True)
def resume_transfers() -> None:
    """Go on with deletions and undoings whose worker has died. May run twice, also at once."""
    from django.utils import timezone

    from students.transfer.runs import runs_resume

    runs_resume(now=timezone.now())


@shared_task(name="students.purge_transfers", ignore_result=True)
def purge_transfers() -> None:
    """Remove the files and rows of old imports and exports: they hold personal data."""
    from django.utils import timezone

    from students.transfer.runs import runs_purge

    runs_purge(now=timezone.now())
