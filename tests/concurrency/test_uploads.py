"""Pictures from everywhere at once: others get their answers, and the process stays small."""

import fcntl
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import pytest

from tests.kit import encoded, free_ports
from tests.processes import ask, database_url, web_processes
from uploads.decoder import HEAVY_THREADS
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

UPLOADS = 100  # more than the process has threads
GROWTH_MB = 100  # a picture of 40 megapixels takes 160


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(home, django_db_setup, django_db_blocker):
    environ = {"STATE_DIR": str(home), "MEDIA_ROOT": str(home / "media"), "TRUSTED_PROXIES": "1"}
    with django_db_blocker.unblock():
        environ["DATABASE_URL"] = database_url()
    with web_processes(free_ports(1), threads=None, **environ) as (port,):
        yield port


def upload(port, content, number):
    body = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\n' + content + b"\r\n--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x", "X-Forwarded-For": f"10.0.0.{number}"}
    return ask(port, "POST", "/upload/uploadImg", body, **headers)


def peak_memory_mb(port):
    """Most memory that the largest process that serves ``port`` has ever had."""
    sizes = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"\0{port}\0".encode() in (entry / "cmdline").read_bytes():
                sizes.append(int((entry / "status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
        except (OSError, IndexError):
            continue
    return max(sizes)


def test_others_are_answered_while_every_decoder_is_taken(server, home):
    with ThreadPoolExecutor(UPLOADS) as pool:
        with (home / "decoder.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            uploads = [pool.submit(upload, server, encoded("GIF"), n) for n in range(UPLOADS)]
            # Those who may not wait are refused at once; the others now hold all the threads that they may.
            refusals = [one.result() for one in islice(as_completed(uploads), UPLOADS - HEAVY_THREADS)]
            live, _ = ask(server, "GET", "/health/live")
            photograph, _ = upload(server, encoded("JPEG"), UPLOADS)
        answers = [one.result() for one in uploads]

    assert {(status, body["msg"]) for status, body in refusals} == {(503, "图片处理繁忙,请稍后再试")}
    assert (live, photograph) == (200, 200)
    assert [status for status, _ in answers].count(200) == HEAVY_THREADS, "who has waited gets a decoder"
    assert Upload.objects.count() == HEAVY_THREADS + 1


def test_no_picture_is_decoded_in_the_web_process(server):
    upload(server, encoded(), 0)
    before = peak_memory_mb(server)

    status, _ = upload(server, encoded("PNG", (8000, 5000), compress_level=1), 1)

    assert status == 200 and peak_memory_mb(server) - before < GROWTH_MB
