from core import times
from core.queues import queued_task
from operations.alerts import alerts_send
from operations.doctor import examine


@queued_task("core.alert", queue="bulk")  # beat of 1.1.0 sends it by this name during an upgrade
def alert() -> None:
    """Do what the timer of ``deploy/systemd/spms-doctor.timer`` does, where there is none."""
    alerts_send(examine(), now=times.now())
