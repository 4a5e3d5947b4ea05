"""Pictures of 40 megapixels from everywhere at once: others get their answers, and the process stays small."""

import fcntl
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.concurrency.servers import ask, database_url, web_processes
from tests.kit import at_once, encoded, free_ports
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

UPLOADS = 100
# The item itself is a second; the machine that runs tests has other work.
GROWTH_MB = 100


@pytest.fixture(scope="module")
def picture():
    return encoded("PNG", (8000, 5000), color=(3, 4, 5))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(home, django_db_setup, django_db_blocker):
    environ = {"STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "TRUSTED_PROXIES": "1"}
    with django_db_blocker.unblock():
        environ["DATABASE_URL"] = database_url()
    with web_processes(free_ports(1), **environ) as (port,):
        yield port


def upload(port: int, content: bytes, number: int):
    body = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\n' + content + b"\r\n--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x", "X-Forwarded-For": f"10.0.0.{number}"}
    return ask(port, "POST", "/upload/uploadImg", body, **headers)


def memory_mb(port: int) -> int:
    """Resident memory of the largest process that serves ``port``."""
    sizes = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"\0{port}\0".encode() in (entry / "cmdline").read_bytes():
                sizes.append(int((entry / "status").read_text().partition("VmRSS:")[2].split()[0]) // 1024)
        except (OSError, IndexError):
            continue
    return max(sizes)


def test_health_is_answered_while_every_decoder_is_taken(server, picture, home):
    answered, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            answered.append(ask(server, "GET", "/health/live")[0])

    watcher = threading.Thread(target=look)
    with (home / "decoder.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watcher.start()
        answers = at_once([lambda n=n: upload(server, picture, n) for n in range(UPLOADS)])
        answered_meanwhile = len(answered)
        stop.set()
        watcher.join()

    assert {status for status, _ in answers} == {503}
    assert {body["msg"] for _, body in answers} == {"图片处理繁忙,请稍后再试"}
    assert answered_meanwhile > 1 and set(answered) == {200}
    assert not Upload.objects.exists()


def test_decoding_leaves_no_memory_behind_in_the_web_process(server, picture):
    upload(server, encoded(), 0)
    before = memory_mb(server)

    answers = at_once([lambda n=n: upload(server, picture, n) for n in range(16)])

    statuses = Counter(status for status, _ in answers)
    assert statuses[200]
    assert memory_mb(server) - before < GROWTH_MB
