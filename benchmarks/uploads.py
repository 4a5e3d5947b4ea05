"""What the pictures of a class at once take, and what harmful pictures do to the web processes and other users.

    python benchmarks/uploads.py
    python benchmarks/uploads.py --root ../older-checkout      # the same for another version of the code

Starts a whole stack of its own (``manage.py up``) in a temporary directory, and a web server as
``deploy/systemd/spms-web.service`` has it, which is what is asked. Senders are anonymous, each with an own address
(``X-Forwarded-For``), so that the limit by address does not answer instead of what is measured; the class shares one. A
sender who is told to come back (503) does so until the picture is taken, where the table says "until all are taken".
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import chaos
from PIL import Image, ImageChops

sys.path.insert(0, str(chaos.ROOT))
from operations import units

BURST, AT_ONCE = 137, 100
LARGE = (8000, 5000)
PHONE = (4032, 3024)
PHOTOGRAPHS = 20
RETRY_AFTER_S = 2
SETTLE_S = 2
CLASS, PHOTOGRAPH = 40, (2400, 1800)
ATTACKERS, SCANS = 8, (50, 130_000)
READY_S = 60
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


def class_photographs() -> list[bytes]:
    """What a class sends: about 750 KB each."""
    return [encoded(photograph(PHOTOGRAPH, noise=7), "JPEG", quality=80) for _ in range(CLASS)]


def scans(number: int) -> bytes:
    """A progressive JPEG of 19 megapixels with empty scans, each of which goes over the whole picture."""
    plain = encoded(Image.new("RGB", (5000, 3800), (9, 9, 9)), "JPEG", progressive=True)
    at = plain.rindex(b"\xff\xda")
    length = 2 + int.from_bytes(plain[at + 2 : at + 4], "big")
    return plain[:-2] + plain[at : at + length] * number + plain[-2:]


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# --- Requests ------------------------------------------------------------------------------------
_senders = iter(range(1_000_000))


def upload(port: int, content: bytes, number: int | None = None) -> tuple[int, float]:
    """Send one picture from a new address, or a certain one; answer the status (1005 etc. if refused) and seconds."""
    number = next(_senders) if number is None else number
    head = b'--a-boundary-of-pictures\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\n'
    headers = {
        "Content-Type": "multipart/form-data; boundary=a-boundary-of-pictures",
        "X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
    }
    start = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    client.request("POST", "/upload/uploadImg", head + content + b"\r\n--a-boundary-of-pictures--\r\n", headers)
    answer = client.getresponse()
    body = json.loads(answer.read())
    client.close()
    return (answer.status if answer.status != 200 else body["status"]), time.monotonic() - start


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
        start = time.monotonic()
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        client.request("GET", "/health/live")
        client.getresponse().read()
        client.close()
        took.append(time.monotonic() - start)

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


@contextmanager
def deployed(stack: chaos.Stack, port: int) -> Iterator["Web"]:
    """The web server as its unit starts it, on the engines of ``stack``."""
    with (stack.home / "granian.log").open("wb") as log:
        argv = units.command("web", "--port", str(port))
        server = subprocess.Popen(argv, cwd=chaos.ROOT, env=stack.env, stdout=log, stderr=log)
    try:
        until = time.monotonic() + READY_S
        while True:
            try:
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                client.request("GET", "/health/ready")
                client.getresponse().read()
                break
            except OSError:
                if time.monotonic() > until:
                    raise SystemExit((stack.home / "granian.log").read_text()) from None
                time.sleep(0.2)
        yield Web(port, server.pid)
    finally:
        server.terminate()
        server.wait(40)


class Web(NamedTuple):
    port: int
    pid: int

    def processes(self) -> list[int]:
        """The server with all its descendants."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    parents[int(entry.name)] = _parent(int(entry.name))
        ours, added = {self.pid}, True
        while added:
            added = {pid for pid, parent in parents.items() if parent in ours} - ours
            ours |= added
        return sorted(ours)

    def memory_mb(self) -> list[int]:
        """Resident memory of each process that answers requests."""
        return [_resident_mb(pid) for pid in self.processes() if _parent(pid) == self.pid and _resident_mb(pid) > 60]

    def processor_s(self) -> float:
        """Processor time of all its processes so far, ended ones as well."""
        total = 0
        for pid in self.processes():
            total += sum(
                int(ticks) for ticks in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
            )
        return total / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> int:
        return sum(_resident_mb(pid) for pid in self.processes())


# --- What is measured ----------------------------------------------------------------------------
def class_of_forty(web: Web) -> None:
    photographs = class_photographs()
    start = time.process_time()
    for content in photographs:
        encoded(Image.open(BytesIO(content)).convert("RGB"), "JPEG", quality=88)
    pillow_s = time.process_time() - start
    before, stop, peaks = web.processor_s(), threading.Event(), [web.peak_mb()]

    def watch() -> None:
        while not stop.wait(0.1):
            with suppress(OSError):
                peaks.append(web.peak_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    sender = next(_senders)
    with ThreadPoolExecutor(CLASS) as pool:
        answers = list(pool.map(lambda content: upload(web.port, content, sender), photographs))
    stop.set()
    watcher.join()
    took = web.processor_s() - before
    size_kb = sum(map(len, photographs)) // CLASS // 1000
    show(f"{CLASS} x {size_kb} KB at once, from one address: answers", _counted(answers))
    show("  median, slowest", _seconds(answers))
    taken = sum(status == 200 for status, _ in answers) / CLASS
    times = f", {took / taken / pillow_s:.2f} times" if taken else ""
    show("  processor time: Pillow alone, the service", f"{pillow_s:.1f} s, {took:.1f} s for {taken:.0%}{times}")
    show("  memory of the service at its peak, with decoders", f"{max(peaks):,} MB ({peaks[0]:,} before)")


def attack(web: Web) -> None:
    """Crafted pictures from eight connections, each from another address every time, beside ordinary ones."""
    bad = [scans(number) for number in SCANS]
    good = class_photographs()[:PHOTOGRAPHS]
    stop = threading.Event()
    statuses: Counter[int] = Counter()

    def send(content: bytes) -> None:
        while not stop.is_set():
            statuses[upload(web.port, content)[0]] += 1

    attackers = [threading.Thread(target=send, args=(bad[n % len(bad)],)) for n in range(ATTACKERS)]
    for attacker in attackers:
        attacker.start()
    time.sleep(1)
    answers = [upload(web.port, content) for content in good]
    stop.set()
    for attacker in attackers:
        attacker.join()
    sizes = " and ".join(f"{number:,}" for number in SCANS)
    show(f"{PHOTOGRAPHS} photographs while {ATTACKERS} send JPEGs of {sizes} scans: answers", _counted(answers))
    show("  median, slowest", _seconds(answers))
    show("  what the attackers got", _counted([(status, 0.0) for status in statuses.elements()]))


def _counted(answers: list[tuple[int, float]]) -> str:
    counts = Counter(status for status, _ in answers)
    return ", ".join(f"{number} x {status}" for status, number in sorted(counts.items()))


def _seconds(answers: list[tuple[int, float]]) -> str:
    took = [seconds for _, seconds in answers]
    return f"{statistics.median(took):.2f} s, {max(took):.2f} s"


def _resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    size = status.partition("VmRSS:")[2].split()  # one that has just ended has none
    return int(size[0]) // 1024 if size else 0


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def at_once(number: int, work: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(number) as pool:
        return [job.result() for job in [pool.submit(work) for _ in range(number)]]


def memory(web: Web) -> None:
    content = flat_png()
    before = web.memory_mb()
    start = time.monotonic()
    tries = at_once(BURST, lambda: upload_until_taken(web.port, content))
    seconds = time.monotonic() - start
    time.sleep(SETTLE_S)
    after = web.memory_mb()
    what = f"{BURST} x {len(content) // 1000} KB, 40 megapixels, until all are taken"
    show(what, f"{seconds:.0f} s, {sum(tries)} requests")
    show("  memory of the web processes before, after", f"{before} MB, {after} MB")


def health(web: Web) -> None:
    content = flat_png()
    with probing(web.port) as took:
        time.sleep(1)
        answers = at_once(AT_ONCE, lambda: upload(web.port, content))
    refusals = [seconds for status, seconds in answers if status == 503]
    show(f"{AT_ONCE} of them at once: answers", _counted(answers))
    show("  slowest refusal", f"{max(refusals):.2f} s" if refusals else "-")
    show("  /health/live meanwhile: median, slowest", f"{statistics.median(took):.3f} s, {max(took):.2f} s")


def heavy(web: Web) -> None:
    large, phone = webp(), jpeg()
    status, seconds = upload(web.port, large)
    show(f"WebP, 40 megapixels, {len(large) / 1e6:.1f} MB", f"{seconds:.1f} s (answer {status})")
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            upload(web.port, large)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    answers = [upload(web.port, phone) for _ in range(PHOTOGRAPHS)]
    stop.set()
    for sender in senders:
        sender.join()
    show(f"{PHOTOGRAPHS} phone photographs, one after another, while two send such WebPs", _counted(answers))
    show("  median, slowest", _seconds(answers))


def show(what: str, value: str) -> None:
    print(f"{what:82} {value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=chaos.ROOT, help="the checkout to measure (default: this one)")
    parser.add_argument("--port", type=int, default=8471, help="and the next one")
    parser.add_argument("--class-only", action="store_true", help="only the class and the attack: a minute")
    options = parser.parse_args()
    chaos.ROOT = options.root.resolve()
    os.environ |= {"TRUSTED_PROXIES": "1", "PYTHONPATH": "", "MALLOC_ARENA_MAX": "2"}
    with (
        tempfile.TemporaryDirectory(prefix="uploads-") as home,
        chaos.Stack(Path(home), options.port) as stack,
        deployed(stack, options.port + 1) as web,
    ):
        at_once(8, lambda: upload_until_taken(web.port, encoded(Image.new("RGB", (40, 30)), "PNG")))
        class_of_forty(web)
        attack(web)
        if not options.class_only:
            memory(web)
            health(web)
            heavy(web)


if __name__ == "__main__":
    sys.exit(main())
