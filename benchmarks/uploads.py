"""What pictures of 40 megapixels, sent by anybody, do to the web processes and to everybody else.

    python benchmarks/uploads.py
    python benchmarks/uploads.py --root ../older-checkout      # the same for another version of the code

Starts a whole stack of its own (``manage.py up``) in a temporary directory. Senders are anonymous, each with an address
of its own (``X-Forwarded-For``), so that the limit by address does not answer instead of what is measured. A sender who
is told to come back (503) does so until the picture is taken, where the table says "until all are taken".
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import chaos
from PIL import Image, ImageChops

BURST, AT_ONCE = 137, 100
LARGE = (8000, 5000)
PHONE = (4032, 3024)
PHOTOGRAPHS = 20
RETRY_AFTER_S = 2
SETTLE_S = 2
GIVE_UP_S = 300


# --- Pictures ------------------------------------------------------------------------------------
def flat_png() -> bytes:
    """40 megapixels of one colour: 126 KB."""
    return encoded(Image.new("RGB", LARGE, (3, 4, 5)), "PNG")


def webp() -> bytes:
    """40 megapixels that look like a photograph: about 4.9 MB."""
    return encoded(photograph(LARGE, noise=4), "WEBP", quality=83, method=2)


def jpeg() -> bytes:
    """What a phone sends: 12 megapixels, about 2.9 MB."""
    return encoded(photograph(PHONE, noise=8), "JPEG", quality=85)


def photograph(size: tuple[int, int], noise: float) -> Image.Image:
    def channel() -> Image.Image:
        shapes = Image.effect_noise((size[0] // 30, size[1] // 30), 90).resize(size, Image.Resampling.BICUBIC)
        return ImageChops.add(shapes, Image.effect_noise(size, noise), 1, -128)

    return Image.merge("RGB", [channel() for _ in range(3)])


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# --- Requests ------------------------------------------------------------------------------------
_senders = iter(range(1_000_000))


def upload(port: int, content: bytes) -> tuple[int, float]:
    """Send one picture from a new address; answer the status (1005 and the like for a refusal) and the seconds."""
    number = next(_senders)
    head = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\n'
    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
    }
    started = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    client.request("POST", "/upload/uploadImg", head + content + b"\r\n--x--\r\n", headers)
    answer = client.getresponse()
    body = json.loads(answer.read())
    client.close()
    return (answer.status if answer.status != 200 else body["status"]), time.monotonic() - started


def upload_until_taken(port: int, content: bytes) -> int:
    """Send one picture again and again; answer how often."""
    for tries in range(1, 1000):
        status, _ = upload(port, content)
        if status == 200:
            return tries
        time.sleep(RETRY_AFTER_S)
    raise SystemExit("a picture is never taken")


@contextmanager
def probing(port: int) -> Iterator[list[float]]:
    """Ask for /health/live 20 times a second meanwhile, whether or not the question before was answered."""
    took: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        started = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        client.request("GET", "/health/live")
        client.getresponse().read()
        client.close()
        took.append(time.monotonic() - started)

    def run() -> None:
        with ThreadPoolExecutor(200) as pool:
            while not stop.wait(0.05):
                pool.submit(ask)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


# --- What is measured ----------------------------------------------------------------------------
def web_memory_mb(stack: chaos.Stack) -> list[int]:
    """Resident memory of each process that answers requests."""
    servers = {pid for pid, line in stack.processes() if "granian" in line}
    return [_resident_mb(pid) for pid in sorted(servers) if _parent(pid) in servers and _resident_mb(pid) > 60]


def _resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def at_once(number: int, work: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(number) as pool:
        return [job.result() for job in [pool.submit(work) for _ in range(number)]]


def memory(stack: chaos.Stack) -> None:
    content = flat_png()
    before = web_memory_mb(stack)
    started = time.monotonic()
    tries = at_once(BURST, lambda: upload_until_taken(stack.port, content))
    seconds = time.monotonic() - started
    time.sleep(SETTLE_S)
    after = web_memory_mb(stack)
    what = f"{BURST} x {len(content) // 1000} KB, 40 megapixels, until all are taken"
    show(what, f"{seconds:.0f} s, {sum(tries)} requests")
    show("  memory of the web processes before, after", f"{before} MB, {after} MB")


def health(stack: chaos.Stack) -> None:
    content = flat_png()
    with probing(stack.port) as took:
        time.sleep(1)
        answers = at_once(AT_ONCE, lambda: upload(stack.port, content))
    statuses = Counter(status for status, _ in answers)
    refused = [seconds for status, seconds in answers if status == 503]
    show(f"{AT_ONCE} of them at once: answers", ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())))
    show("  slowest refusal", f"{max(refused):.2f} s" if refused else "-")
    show("  /health/live meanwhile: median, slowest", f"{statistics.median(took):.3f} s, {max(took):.2f} s")


def heavy(stack: chaos.Stack) -> None:
    large, phone = webp(), jpeg()
    status, seconds = upload(stack.port, large)
    show(f"WebP, 40 megapixels, {len(large) / 1e6:.1f} MB", f"{seconds:.1f} s (answer {status})")
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            upload(stack.port, large)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    answers = [upload(stack.port, phone) for _ in range(PHOTOGRAPHS)]
    stop.set()
    for sender in senders:
        sender.join()
    statuses = Counter(status for status, _ in answers)
    taken = [seconds for _, seconds in answers]
    show(
        f"{PHOTOGRAPHS} phone photographs, one after another, while two send such WebPs",
        ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())),
    )
    show("  median, slowest", f"{statistics.median(taken):.2f} s, {max(taken):.2f} s")


def show(what: str, value: str) -> None:
    print(f"{what:82} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=chaos.ROOT, help="the checkout to measure (default: this one)")
    parser.add_argument("--port", type=int, default=8471)
    options = parser.parse_args()
    chaos.ROOT = options.root.resolve()
    os.environ |= {"TRUSTED_PROXIES": "1", "PYTHONPATH": ""}
    with tempfile.TemporaryDirectory(prefix="uploads-") as home, chaos.Stack(Path(home), options.port) as stack:
        upload_until_taken(stack.port, encoded(Image.new("RGB", (40, 30)), "PNG"))
        at_once(40, lambda: stack.ask("GET", "/health/ready"))
        memory(stack)
        health(stack)
        heavy(stack)


if __name__ == "__main__":
    sys.exit(main())
