from celery import shared_task


@shared_task(name="students.fold_tally", ignore_result=True)
def fold_tally() -> None:
    """Keep the sums of the tally short."""
    from students.tally import tally_fold_all

    tally_fold_all()
