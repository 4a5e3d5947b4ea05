"""Each picture in a process of its own, whatever it does there."""

import fcntl
import signal
import sys
from contextlib import contextmanager, suppress
from io import BytesIO
from threading import Thread

import pytest
from PIL import Image

from tests.kit import animation, encoded, posted
from uploads import decoder, errors
from uploads.decoder import image_decode
from uploads.images import image_clean
from uploads.models import Upload

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]

PATH = "/upload/uploadImg"
BUSY = {"status": 503, "state": False, "msg": "图片处理繁忙,请稍后再试"}
# Starts like the real program; `stop` ends it by a signal.
PRELUDE = """
import os, signal, sys, time
from uploads import decoder_child as child
stop = lambda number: os.kill(os.getpid(), number)
"""


def upload(api, content):
    return api.post(PATH, {"img": posted(content)}, format="multipart")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", exif=exif, icc_profile=b"x" * 500, comment=b"x")


@pytest.fixture
def program(monkeypatch):
    """Run other code in place of the decoder."""

    def use(code: str) -> None:
        monkeypatch.setattr(decoder, "_PROGRAM", [sys.executable, "-c", PRELUDE + code])

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
        *(encoded("JPEG", mode=mode) for mode in ("L", "RGB", "CMYK")),
        *(encoded("PNG", mode=mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(encoded("GIF", mode=mode) for mode in ("P", "RGBA")),
        *(encoded("WEBP", mode=mode) for mode in ("RGB", "RGBA")),
        animation("GIF"),
        animation("WEBP"),
        animation("PNG"),
        turned(),
        encoded("MPO"),
        encoded("JPEG", progressive=True),
        encoded("WEBP", lossless=True),
    ],
)
def test_another_process_makes_of_a_picture_what_this_one_would(content):
    assert image_decode(BytesIO(content)) == image_clean(BytesIO(content))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"hello", errors.ImageRefused),
        (b"GIF89a", errors.ImageRefused),
        (encoded("PNG")[:60], errors.ImageBroken),
        (encoded("PNG", (8000, 5001), "1"), errors.ImageTooManyPixels),
    ],
)
def test_its_refusals_are_the_same(content, error):
    with pytest.raises(errors.ImageRefused) as refusal:
        image_decode(BytesIO(content))

    assert type(refusal.value) is error


@pytest.mark.parametrize(
    "code",
    [
        "stop(signal.SIGKILL)",
        "sys.stdin.buffer.read(10); stop(signal.SIGSEGV)",
        'sys.stdin.buffer.read(); os.write(1, b\'{"extension": "p\'); stop(signal.SIGKILL)',
        "child._limit_everything = lambda limit: None; child.json.dumps = lambda facts: '{\"size\": 9}'; child.main();"
        "stop(signal.SIGKILL)",
    ],
    ids=["at once", "while reading", "in its answer", "in the picture"],
)
def test_a_decoder_that_dies_over_a_picture_is_a_refusal_and_leaves_nothing(api, on_disk, program, code):
    program(code)

    answer = upload(api, encoded("PNG", (600, 600), color=(1, 2, 3)))

    msg = "图片过于复杂,无法处理,请压缩后再上传"
    assert (answer.status_code, answer.json()) == (200, {"status": 1005, "state": False, "msg": msg})
    assert on_disk() == [] and not Upload.objects.exists()


@pytest.mark.parametrize("code", ["stop(signal.SIGTERM)", "import nothing_of_this_name"], ids=["our end", "our fault"])
def test_a_decoder_that_ends_for_our_reasons_does_not_blame_the_picture(api, on_disk, program, code):
    program(code)

    answer = upload(api, encoded())

    assert (answer.status_code, answer.json()["status"]) == (503, 503)
    assert on_disk() == [] and not Upload.objects.exists()


def test_a_decoder_that_cannot_be_started_is_our_fault(api, monkeypatch):
    monkeypatch.setattr(decoder, "_PROGRAM", ["/nowhere/python"])

    assert upload(api, encoded()).status_code == 503


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "child.LIMITS = {'light': child.TimeLimit(1, 60)}; "
            "child.image_clean = lambda *_, **__: [0 for _ in iter(int, 1)]",
            errors.ImageTooComplex,
        ),
        (
            "child.LIMITS = {'light': child.TimeLimit(60, 1)}; child.image_clean = lambda *_, **__: time.sleep(60)",
            errors.DecodersBusy,
        ),
    ],
    ids=["of the processor", "by the clock"],
)
def test_a_picture_that_takes_too_long_is_refused(program, code, error):
    program(code + "; child.main()")
    # A server's thread may block signals, and its children then inherit that.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGXCPU})
    try:
        with pytest.raises(error):
            image_decode(BytesIO(encoded()))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGXCPU})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such limit")
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_that_takes_too_much_memory_is_refused(program, kind):
    program("child.MEMORY_BYTES = 150 << 20; child.main()")

    with pytest.raises(errors.ImageRefused):
        image_decode(BytesIO(encoded(kind, (8000, 5000))))


def test_a_hole_in_a_codec_opens_no_file_and_no_socket(program):
    program("""
import socket
def attack(*_, **__):
    for way in (lambda: open("/etc/passwd"), lambda: socket.socket()):
        try:
            way()
        except OSError:
            continue
        time.sleep(0)
        stop(signal.SIGTERM)
    stop(signal.SIGKILL)
child.image_clean = attack
child.main()
""")

    with pytest.raises(errors.ImageTooComplex):
        image_decode(BytesIO(encoded()))


def test_no_secret_travels_to_the_decoder(program, monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "secret")
    program("stop(signal.SIGTERM if 'DJANGO_SECRET_KEY' in os.environ else signal.SIGKILL)")

    with pytest.raises(errors.ImageTooComplex):
        image_decode(BytesIO(encoded()))


class TestBusy:
    def test_who_finds_no_decoder_free_is_told_when_to_come_back(self, api, on_disk):
        with taken(decoder._light):
            answer = upload(api, encoded())

        assert (answer.status_code, answer.json(), answer["Retry-After"]) == (503, BUSY, "2")
        assert on_disk() == [] and not Upload.objects.exists()
        assert upload(api, encoded()).status_code == 200

    @pytest.mark.parametrize(
        ("threads", "content"), [(decoder._light_threads, encoded()), (decoder._heavy_threads, encoded("GIF"))]
    )
    def test_who_finds_too_many_waiting_does_not_wait(self, monkeypatch, threads, content):
        monkeypatch.setattr(decoder, "WAIT_S", 3600)

        with taken(threads), pytest.raises(errors.DecodersBusy):
            image_decode(BytesIO(content), wait_s=3600)

    def test_of_heavy_pictures_the_machine_decodes_one_at_a_time(self, api, settings, on_disk):
        with another_process_decodes_a_heavy_one(settings):
            answer = upload(api, encoded("GIF"))

        assert (answer.status_code, answer.json(), answer["Retry-After"]) == (503, BUSY, "2")
        assert on_disk() == []
        assert upload(api, encoded("GIF")).status_code == 200

    def test_photographs_do_not_wait_for_heavy_pictures(self, api, settings):
        with another_process_decodes_a_heavy_one(settings), taken(decoder._heavy_threads):
            assert upload(api, encoded("JPEG", (4032, 3024))).status_code == 200

    @pytest.mark.parametrize("content", [encoded(), encoded("GIF")], ids=["light", "heavy"])
    def test_a_task_waits_until_one_is_free(self, settings, content):
        done = []
        task = Thread(target=lambda: done.append(image_decode(BytesIO(content), wait_s=60)))

        with another_process_decodes_a_heavy_one(settings), taken(decoder._light), taken(decoder._heavy_threads):
            task.start()
            task.join(2 * decoder.WAIT_S)
            assert done == []
        task.join(30)

        assert len(done) == 1

    def test_every_place_is_free_again_whatever_happened(self, program):
        for code in ("stop(signal.SIGKILL)", "child.main()"):
            program(code)
            for content in (encoded(), encoded("GIF"), encoded("PNG")[:60], b"GIF89a", b""):
                with suppress(errors.ImageRefused):
                    image_decode(BytesIO(content))

        for places in (decoder._light, decoder._light_threads, decoder._heavy_threads):
            assert places._value == places._initial_value
