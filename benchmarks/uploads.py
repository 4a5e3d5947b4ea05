"""What the photographs of a class at once take, beside Pillow alone.

    python -m benchmarks.uploads [--pictures 40]        # half a minute

Runs on throw-away engines, with a web server as ``deploy/systemd/spms-web.service`` has it. The class shares one
address. ``benchmarks/strangers.py`` sends pictures that are made to hurt.
"""

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import psutil
from PIL import Image, ImageChops

from benchmarks import kit

PHOTOGRAPH = (2400, 1800)


def photograph() -> bytes:
    """Return about 750 KB."""

    def channel() -> Image.Image:
        small = (PHOTOGRAPH[0] // 30, PHOTOGRAPH[1] // 30)
        shapes = Image.effect_noise(small, 90).resize(PHOTOGRAPH, Image.Resampling.BICUBIC)
        return ImageChops.add(shapes, Image.effect_noise(PHOTOGRAPH, 7), 1, -128)

    return jpeg(Image.merge("RGB", [channel() for _ in range(3)]), quality=80)


def jpeg(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def upload(port: int, pictures: list[bytes], web: psutil.Process) -> tuple[kit.Tally, float]:
    """Send all at once; return the answers, and the most memory that the server and its decoders had meanwhile."""
    tally, peak_mb = kit.Tally(), 0.0
    with ThreadPoolExecutor(len(pictures)) as pool:
        jobs = [
            pool.submit(kit.ask, port, "POST", "/upload/uploadImg", kit.form_of(picture), tally=tally, kind=kit.FORM)
            for picture in pictures
        ]
        while not all(job.done() for job in jobs):
            peak_mb = max(peak_mb, kit.memory_mb(web))
            time.sleep(0.1)
    return tally, peak_mb


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--pictures", type=int, default=40, help="default: 40")
    pictures = [photograph() for _ in range(parser.parse_args().pictures)]
    start = time.process_time()
    for content in pictures:
        jpeg(Image.open(BytesIO(content)).convert("RGB"), quality=88)
    pillow_s = time.process_time() - start
    with kit.prepared(), kit.deployed_web(os.environ) as (port, web):
        kit.settle()
        before_s, before_mb = kit.cpu_seconds(web), kit.memory_mb(web)
        tally, peak_mb = upload(port, pictures, web)
        took_s = kit.cpu_seconds(web) - before_s
    size_kb = sum(map(len, pictures)) // len(pictures) // 1000
    middle, slowest = statistics.median(tally.seconds), max(tally.seconds)
    answers = f"{tally}; median {middle:.2f} s, slowest {slowest:.2f} s"
    kit.show(f"{len(pictures)} x {size_kb} KB at once, from one address", answers)
    figures = f"{pillow_s:.1f} s, {took_s:.1f} s, {took_s / pillow_s:.1f}"
    kit.show("  processor time: Pillow alone, the service, ratio", figures)
    kit.show("  memory of the service before, at its peak, with decoders", f"{before_mb:,.0f} MB, {peak_mb:,.0f} MB")


if __name__ == "__main__":
    main()
