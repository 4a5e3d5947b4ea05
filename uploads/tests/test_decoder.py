"""Each picture in a process of its own, whatever it does there."""

import fcntl
import signal
import sys
from contextlib import contextmanager, suppress
from io import BytesIO
from threading import Thread

import pytest

from tests.kit import animation, encoded, posted
from uploads import decoder, errors
from uploads.decoder import image_decode
from uploads.images import image_clean
from uploads.limits import Limits
from uploads.models import Upload
from uploads.services import image_store

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")]

PATH = "/upload/uploadImg"
BUSY = {"status": 503, "state": False, "msg": "图片处理繁忙,请稍后再试"}
# `over` is what the process does with a picture; `stop` ends or freezes it by a signal.
PRELUDE = """
import os, signal, socket, sys, time
from uploads import decoder_child as child
def stop(number):
    os.kill(os.getpid(), number)
def limit(*limits):
    child.LIMITS[sys.argv[1]] = child.Limits(*limits)
def over(work):
    child.image_clean = lambda *_, **__: work()
"""


def upload(api, content):
    return api.post(PATH, {"img": posted(content)}, format="multipart")


@pytest.fixture
def program(monkeypatch):
    """Let the process run other code before it decodes."""

    def use(code):
        code = f"{PRELUDE}{code}\nchild.main(sys.argv[1])"
        monkeypatch.setattr(decoder, "_PROGRAM", [sys.executable, "-c", code])

    return use


@contextmanager
def another_process_decodes_a_heavy_one(settings):
    with (settings.STATE_DIR / "decoder.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def taken(places):
    """Nothing of ``places`` is free."""
    number = 0
    while places.acquire(blocking=False):
        number += 1
    try:
        yield
    finally:
        places.release(number)


@pytest.mark.parametrize(
    "content",
    [
        *(encoded(kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "MPO")),
        *(encoded("PNG", mode="I;16"), animation("GIF"), animation("WEBP"), encoded("JPEG", progressive=True)),
    ],
    ids=range(9),
)
def test_another_process_makes_of_a_picture_what_this_one_would(content):
    assert image_decode(BytesIO(content)) == image_clean(BytesIO(content))


TOO_COMPLEX = 200, {"status": 1005, "state": False, "msg": "图片过于复杂,无法处理,请压缩后再上传"}
OUR_FAULT = 503, {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"}
ENDS = {
    "at once": ("child._limit_everything = lambda limits: stop(signal.SIGKILL)", TOO_COMPLEX),
    "in the codec": ("over(lambda: stop(signal.SIGSEGV))", TOO_COMPLEX),
    "in its answer": ("over(lambda: (os.write(1, b'{'), stop(signal.SIGKILL)))", TOO_COMPLEX),
    "taken over, no JSON": ("over(lambda: (os.write(1, b'x\\n'), os._exit(0)))", TOO_COMPLEX),
    "taken over, no picture": (
        "child._answer = lambda *_, **__: ({'extension': 'png/x', 'width': 1, 'height': 1}, b'x')",
        TOO_COMPLEX,
    ),
    "taken over, no refusal": (
        "child._answer = lambda *_, **__: ({'refused': 'StoreFull', 'reason': ''}, b'')",
        TOO_COMPLEX,
    ),
    "cannot start": ("nowhere", OUR_FAULT),
    "cannot be loaded": ("import nothing_of_this_name", OUR_FAULT),
    "fails": ("over(lambda: sys.exit(1))", OUR_FAULT),
}


@pytest.mark.parametrize(("code", "expected"), ENDS.values(), ids=ENDS.keys())
def test_a_process_that_a_picture_ends_or_takes_over_is_a_refusal_and_our_fault_blames_no_picture(
    api, on_disk, program, monkeypatch, code, expected
):
    program(code)
    if code == "nowhere":
        monkeypatch.setattr(decoder, "_PROGRAM", ["/nowhere/python"])

    answer = upload(api, encoded("PNG", (600, 600), color=(1, 2, 3)))

    assert (answer.status_code, answer.json()) == expected
    assert on_disk() == [] and not Upload.objects.exists()


LONG = {
    "of the processor": ((1, 60), "over(lambda: [0 for _ in iter(int, 1)])", errors.ImageTooComplex),
    "by the clock": ((60, 1), "over(lambda: time.sleep(60))", errors.DecodersBusy),
    "frozen": ((60, 1), "over(lambda: stop(signal.SIGSTOP))", errors.DecodersBusy),
}


@pytest.mark.parametrize(("seconds", "code", "error"), LONG.values(), ids=LONG.keys())
def test_processor_time_decides_what_is_too_complex_and_the_clock_is_our_fault(
    program, monkeypatch, seconds, code, error
):
    monkeypatch.setitem(decoder.LIMITS, decoder.LIGHT, Limits(*seconds, 1 << 30))
    program(f"limit(*{seconds}, 1 << 30); {code}")
    # A server's thread may block signals, and its children then inherit that.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU, signal.SIGCHLD})
    try:
        with pytest.raises(error):
            image_decode(BytesIO(encoded()))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGXCPU, signal.SIGCHLD})


def test_a_stop_of_the_service_lets_a_picture_finish(program):
    program("real = child._answer; child._answer = lambda *a, **k: (stop(signal.SIGTERM), real(*a, **k))[1]")

    assert image_decode(BytesIO(encoded())).extension == "png"


def test_the_processor_time_of_a_picture_is_told_also_if_it_is_refused(program):
    spent = []
    image_decode(BytesIO(encoded("JPEG", (3000, 2000))), charge=spent.append)
    program("over(lambda: stop(signal.SIGKILL))")
    with pytest.raises(errors.ImageTooComplex):
        image_decode(BytesIO(encoded()), charge=spent.append)
    program("child.time.process_time = lambda: 1e30")  # taken over
    image_decode(BytesIO(encoded()), charge=spent.append)

    assert 5 < spent[0] < 1500 and spent[1:] == [4000, 4000]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such limit")
def test_a_picture_that_takes_too_much_memory_is_refused(program):
    program("limit(8, 30, 150 << 20)")

    with pytest.raises(errors.ImageRefused):
        image_decode(BytesIO(encoded("WEBP", (8000, 5000), method=0)))


def test_the_largest_light_picture_fits_into_the_memory_of_its_process():
    assert image_decode(BytesIO(encoded("JPEG", (5000, 4000), "CMYK", progressive=True))).width == 4096


def test_a_hole_in_a_codec_opens_no_file_no_socket_and_finds_no_secret(program, monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "secret")
    program("""
def attack():
    found = "DJANGO_SECRET_KEY" in os.environ
    for way in (lambda: open("/etc/passwd"), socket.socket, os.pipe, lambda: os.fstat(0), lambda: os.dup(1)):
        try:
            way()
            found = True
        except OSError:
            pass
    ours = []
    for fd in range(300):
        try:
            os.fstat(fd)
            ours.append(fd)
        except OSError:
            pass
    if found or len(ours) != 2:
        sys.exit(1)  # which is answered as a fault of ours
    stop(signal.SIGKILL)
over(attack)
""")

    with pytest.raises(errors.ImageTooComplex):
        image_decode(BytesIO(encoded()))


class TestBusy:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch):
        monkeypatch.setitem(image_store.__kwdefaults__, "wait_s", 0.1)

    @pytest.mark.parametrize(
        ("threads", "content"), [(decoder._light_threads, encoded()), (decoder._heavy_threads, encoded("GIF"))]
    )
    def test_who_finds_too_many_waiting_does_not_wait(self, monkeypatch, threads, content):
        monkeypatch.setattr(decoder, "WAIT_S", 3600)

        with taken(threads), pytest.raises(errors.DecodersBusy):
            image_decode(BytesIO(content), wait_s=3600)

    @pytest.mark.parametrize("content", [encoded(), encoded("GIF")], ids=["light", "heavy"])
    def test_who_finds_no_decoder_free_is_told_when_to_come_back(self, api, settings, on_disk, content):
        with another_process_decodes_a_heavy_one(settings), taken(decoder._light):
            answer = upload(api, content)

        assert (answer.status_code, answer.json(), answer["Retry-After"]) == (503, BUSY, "2")
        assert on_disk() == [] and not Upload.objects.exists()
        assert upload(api, content).status_code == 200

    def test_photographs_do_not_wait_for_heavy_pictures(self, api, settings):
        with another_process_decodes_a_heavy_one(settings), taken(decoder._heavy_threads):
            assert upload(api, encoded("JPEG", (4032, 3024))).status_code == 200

    @pytest.mark.parametrize("content", [encoded(), encoded("GIF")], ids=["light", "heavy"])
    def test_a_task_waits_until_one_is_free(self, settings, content):
        calls = []
        task = Thread(target=lambda: calls.append(image_decode(BytesIO(content), wait_s=60)))

        with another_process_decodes_a_heavy_one(settings), taken(decoder._light), taken(decoder._heavy_threads):
            task.start()
            task.join(1)
            assert calls == []
        task.join(30)

        assert len(calls) == 1

    def test_every_place_is_free_again_whatever_happened(self, program):
        for code in ("over(lambda: stop(signal.SIGKILL))", ""):
            program(code)
            for content in (encoded(), encoded("GIF"), encoded("PNG")[:60], b"GIF89a", b""):
                with suppress(errors.ImageRefused):
                    image_decode(BytesIO(content))

        for places in (decoder._light, decoder._light_threads, decoder._heavy_threads):
            assert places._value == places._initial_value
