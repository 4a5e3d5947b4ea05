"""What the photographs of a class at once take, and what a burst of large pictures does to all other requests.

    python -m benchmarks.uploads        # a minute

Runs on throw-away engines, with a web server as ``deploy/systemd/spms-web.service`` has it. The class shares one
address; the senders of the burst are anonymous and each has an address of its own, so that the limit by address does
not answer instead of what is measured.
"""

import os
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from PIL import Image, ImageChops

from benchmarks import kit

CLASS, PHOTOGRAPH = 40, (2400, 1800)
BURST, LARGE = 100, (8000, 5000)
PROBES_AT_ONCE = 200


def photographs() -> list[bytes]:
    """What a class sends: about 750 KB each."""

    def channel() -> Image.Image:
        small = (PHOTOGRAPH[0] // 30, PHOTOGRAPH[1] // 30)
        shapes = Image.effect_noise(small, 90).resize(PHOTOGRAPH, Image.Resampling.BICUBIC)
        return ImageChops.add(shapes, Image.effect_noise(PHOTOGRAPH, 7), 1, -128)

    return [encoded(Image.merge("RGB", [channel() for _ in range(3)]), "JPEG", quality=80) for _ in range(CLASS)]


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def upload(port: int, content: bytes, number: int, tally: kit.Tally) -> None:
    """Send one picture from the address of a certain sender."""
    sender = {"X-Forwarded-For": f"10.0.{number >> 8}.{number & 255}"}
    kit.ask(port, "POST", "/upload/uploadImg", kit.form_of(content), tally=tally, kind=kit.FORM, **sender)


@contextmanager
def probing(port: int) -> Iterator[list[float]]:
    """Ask for /health/live 20 times a second meanwhile, whether or not the question before was answered."""
    tally, stop = kit.Tally(), threading.Event()

    def run() -> None:
        with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
            while not stop.wait(0.05):
                pool.submit(kit.ask, port, "GET", "/health/live", tally=tally)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield tally.seconds
    finally:
        stop.set()
        thread.join()


def a_class(port: int, web: psutil.Process) -> None:
    pictures = photographs()
    start = time.process_time()
    for content in pictures:
        encoded(Image.open(BytesIO(content)).convert("RGB"), "JPEG", quality=88)
    pillow_s = time.process_time() - start
    before_s, before_mb, tally = kit.cpu_seconds(web), kit.memory_mb(web), kit.Tally()
    peak_mb = before_mb
    with ThreadPoolExecutor(CLASS) as pool:
        jobs = [pool.submit(upload, port, content, 0, tally) for content in pictures]
        while not all(job.done() for job in jobs):
            peak_mb = max(peak_mb, kit.memory_mb(web))
            time.sleep(0.1)
    kit.show(f"{CLASS} x {sum(map(len, pictures)) // CLASS // 1000} KB at once, from one address", answers(tally))
    took_s, taken = kit.cpu_seconds(web) - before_s, tally.answers["200"] / CLASS
    kit.show("  processor time: Pillow alone, the service", f"{pillow_s:.1f} s, {took_s:.1f} s for {taken:.0%}")
    kit.show("  memory of the service before, at its peak, with decoders", f"{before_mb:,.0f} MB, {peak_mb:,.0f} MB")


def a_burst(port: int, web: psutil.Process) -> None:
    """40 megapixels of one colour in 126 KB, so many that most have to be told to come back."""
    content, tally = encoded(Image.new("RGB", LARGE, (3, 4, 5)), "PNG"), kit.Tally()
    before_mb = kit.memory_mb(web)
    with probing(port) as took, ThreadPoolExecutor(BURST) as pool:
        for number in range(BURST):
            pool.submit(upload, port, content, number + 1, tally)
        pool.shutdown()
    kit.show(f"{BURST} x {len(content) // 1000} KB of 40 megapixels at once, from many", answers(tally))
    kit.show("  /health/live meanwhile: median, slowest", f"{statistics.median(took):.3f} s, {max(took):.2f} s")
    kit.show("  memory of the service before, after", f"{before_mb:,.0f} MB, {kit.memory_mb(web):,.0f} MB")


def answers(tally: kit.Tally) -> str:
    return f"{tally}; median {statistics.median(tally.seconds):.2f} s, slowest {max(tally.seconds):.2f} s"


def main() -> None:
    kit.parser(__doc__).parse_args()
    with (
        TemporaryDirectory(prefix="uploads-") as home,
        kit.prepared(STATE_DIR=home, MEDIA_ROOT=str(Path(home) / "media"), TRUSTED_PROXIES="1"),
        kit.deployed_web(os.environ) as (port, web),
    ):
        kit.settle()
        a_class(port, web)
        a_burst(port, web)


if __name__ == "__main__":
    main()
