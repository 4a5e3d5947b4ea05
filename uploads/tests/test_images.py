"""What becomes of the bytes that a caller sent: its pixels, and nothing else."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.kit import animation, encoded
from uploads import images
from uploads.errors import ImageRefused, ImageTooComplex, ImageTooLarge
from uploads.images import image_clean
from uploads.limits import looks_heavy

# Pillow warns from half our limit on; here every warning of that family would be an error.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

SCRIPT = b"<html><script>alert(document.domain)</script></html>"


def clean(content):
    return image_clean(BytesIO(content))


def reopened(content):
    picture = Image.open(BytesIO(clean(content).content))
    picture.load()
    return picture


@pytest.mark.parametrize(
    ("kind", "modes", "extension", "content_type"),
    [
        ("JPEG", ("L", "RGB", "CMYK"), "jpg", "image/jpeg"),
        ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "png", "image/png"),
        ("GIF", ("1", "L", "P", "RGB", "RGBA"), "gif", "image/gif"),
        ("WEBP", ("RGB", "RGBA"), "webp", "image/webp"),
    ],
)
def test_four_formats_are_taken_by_content_in_every_colour_mode(kind, modes, extension, content_type):
    for mode in modes:
        cleaned = clean(encoded(kind, mode=mode))

        assert (cleaned.extension, cleaned.content_type) == (extension, content_type)
        assert (cleaned.width, cleaned.height) == reopened(encoded(kind, mode=mode)).size == (40, 30)
        assert Image.open(BytesIO(cleaned.content)).format == kind


def test_sixteen_bit_greys_are_scaled_not_clipped_and_the_transparent_colour_stays():
    assert reopened(encoded("PNG", mode="I;16", color=0x8000)).getpixel((0, 0)) == 128
    content = encoded("PNG", color=(1, 2, 3), transparency=(1, 2, 3))
    assert reopened(content).convert("RGBA").getpixel((0, 0))[3] == 0


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # by 90 degrees
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "SECRETGPS"
    return exif


def text_of_png():
    text = PngInfo()
    text.add_text("Comment", "SECRET", zip=False)
    text.add_itxt("XML:com.adobe.xmp", "SECRET")
    return text


METADATA = {
    "PNG": {"pnginfo": text_of_png(), "icc_profile": b"SECRET" * 9},
    "GIF": {"comment": b"SECRET"},
    "JPEG": {"exif": turned(), "comment": b"SECRET", "icc_profile": b"SECRETICC" * 20, "dpi": (72, 72)},
    "WEBP": {"exif": b"Exif\0\0SECRET", "xmp": b"SECRET", "icc_profile": b"SECRET" * 9},
}


@pytest.mark.parametrize("kind", METADATA)
def test_orientation_is_applied_and_neither_metadata_nor_what_is_appended_survives(kind):
    content = encoded(kind, **METADATA[kind]) + SCRIPT
    assert b"SECRET" in content

    cleaned = clean(content).content

    assert b"SECRET" not in cleaned and b"script" not in cleaned
    picture = reopened(content)
    assert picture.size == ((30, 40) if kind == "JPEG" else (40, 30)) and not picture.getexif()


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
def test_no_other_format_is_decoded(kind):
    with pytest.raises(ImageRefused):
        clean(encoded(kind))


def png_claiming(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = encoded("PNG")
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def gif_of(canvas, frame, frames):
    one = b"\x21\xf9\x04\0\0\0\0\0," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x80, 0, 0) + bytes(6) + one * frames + b";"


def webp_claiming(width, height):
    body = (
        b"WEBPVP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(5)
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "content",
    [
        png_claiming(8000, 5001),
        png_claiming(2**31 - 1, 2**31 - 1),
        gif_of((65_535, 65_535), (1, 1), 1),
        webp_claiming(16_384, 16_384),
        gif_of((10, 10), (1, 1), 1)[:-1] + gif_of((1, 1), (60_000, 60_000), 1)[19:],
    ],
    ids=["png", "png-max", "gif", "webp", "a frame outgrows its canvas"],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(content):
    with pytest.raises(ImageRefused):
        clean(content)


def test_forty_megapixels_are_taken_and_stored_smaller():
    taken = clean(encoded("PNG", (8000, 5000), "1"))

    assert (taken.width, taken.height) == (4096, 2560)


@pytest.mark.parametrize(("scans", "is_taken"), [(images.MAX_SCANS, True), (images.MAX_SCANS + 1, False)])
def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded(scans, is_taken):
    plain = encoded("JPEG", progressive=True)
    at = plain.rindex(b"\xff\xda")
    last = plain[at : at + 2 + int.from_bytes(plain[at + 2 : at + 4], "big")]
    content = plain[:-2] + last * (scans - plain.count(last[:3])) + plain[-2:] + b"\xff\xda" * 5000

    if is_taken:
        assert clean(content).extension == "jpg"
    else:
        with pytest.raises(ImageTooComplex):
            clean(content)


@pytest.mark.parametrize(
    "content",
    [gif_of((10, 10), (1, 1), 100_000), gif_of((4000, 2000), (1, 1), 200), animation("PNG")],
    ids=["frames", "large frames", "an animated png"],
)
def test_a_bomb_of_frames_or_of_large_ones_and_an_animated_png_become_a_still(content):
    picture = Image.open(BytesIO(clean(content).content))

    assert getattr(picture, "n_frames", 1) == 1 and picture.size == Image.open(BytesIO(content)).size


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_keeps_its_frames_times_and_loop_and_does_not_smear(kind):
    frames = [Image.new("RGBA", (20, 20)) for _ in range(2)]
    frames[0].paste((255, 0, 0, 255), (0, 0, 10, 10))
    frames[1].paste((255, 0, 0, 255), (10, 10, 20, 20))
    facts = {"save_all": True, "append_images": frames[1:], "duration": [80, 50], "loop": 3}

    picture = Image.open(BytesIO(clean(saved(frames[0], kind, disposal=2, **facts)).content))

    durations = [(picture.seek(number), picture.load(), picture.info["duration"])[2] for number in range(2)]
    assert (picture.n_frames, picture.info["loop"], durations) == (2, 3, [80, 50])
    last = picture.convert("RGBA")
    assert last.getpixel((3, 3)) != last.getpixel((15, 15)) and last.getpixel((15, 15))[0] > 240
    assert kind == "WEBP" or last.getpixel((3, 3))[3] == 0  # libwebp makes the rest of such a frame black


def noise(size):
    return Image.merge("RGB", [Image.effect_noise(size, 90) for _ in "RGB"])


def saved(image, kind, **options):
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_no_side_is_stored_longer_than_pages_need(kind, monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 100)

    assert reopened(encoded(kind, (400, 200), color=(9, 99, 199))).size == (100, 50)
    assert reopened(encoded(kind, (3, 500))).size == (1, 100)
    if kind in {"GIF", "WEBP"}:
        moving = reopened(animation(kind, 4, (400, 200)))
        assert (moving.size, moving.n_frames) == ((100, 50), 4)


def test_scaling_keeps_what_is_transparent_and_what_is_upright(monkeypatch):
    monkeypatch.setattr(images, "MAX_SIDE", 100)
    # Half transparent red, half blue: no red comes through at the edge.
    halves = Image.new("RGB", (400, 200), (255, 0, 0))
    halves.paste((0, 0, 255), (201, 0, 400, 200))
    palette = halves.quantize(2)
    for picture, transparency in ((halves, (255, 0, 0)), (palette, palette.getpixel((0, 0)))):
        scaled = reopened(saved(picture, "PNG", transparency=transparency))
        row = [scaled.getpixel((x, 25)) for x in range(100)]
        assert scaled.mode == "RGBA" and (row[10][3], row[90][3]) == (0, 255)
        assert not any(red for red, _, _, alpha in row if alpha)
    for mode in ("P", "1"):  # half black, half white: between them are greys
        halves = Image.new("L", (400, 200))
        halves.paste(255, (0, 0, 201, 200))
        assert 0 < reopened(saved(halves.convert(mode), "PNG")).convert("L").getpixel((50, 25)) < 255
    assert reopened(encoded("JPEG", (400, 200), exif=turned())).size == (50, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_nothing_is_stored_that_is_larger_than_what_may_be_sent(kind, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 30_000)

    cleaned = clean(saved(noise((400, 300)), kind))

    assert len(cleaned.content) <= 30_000 and cleaned.width > 50
    assert 0.8 < cleaned.width / cleaned.height / (4 / 3) < 1.2
    if kind == "GIF":
        frames = [noise((80, 60)) for _ in range(6)]
        moving = clean(saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50))
        assert len(moving.content) <= 30_000 and Image.open(BytesIO(moving.content)).n_frames == 6
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(ImageTooLarge):
        clean(encoded(kind))


@pytest.mark.parametrize(
    ("made", "is_heavy"),
    [
        (lambda: encoded("JPEG", (4032, 3024)), False),
        (lambda: encoded("JPEG", (4032, 3024), progressive=True, icc_profile=bytes(100_000)), False),
        (lambda: encoded("JPEG", (5000, 4001)), True),
        (lambda: encoded("PNG", (1440, 3200)), False),
        (lambda: encoded("PNG", (8000, 5000), "1"), True),
        (lambda: encoded("GIF"), True),
        (lambda: encoded("WEBP"), True),
        (lambda: b"\xff\xd8\xff", True),
        (lambda: b"\xff\xd8" + b"\xff\xe1\0\0" * 90_000, True),
        (lambda: b"\x89PNG\r\n\x1a\n", True),
    ],
    ids=["photograph", "progressive", "large", "screenshot", "large-png", "gif", "webp", "jpeg?", "markers", "png?"],
)
def test_what_takes_long_is_told_by_its_first_bytes(made, is_heavy):
    assert looks_heavy(BytesIO(made())) is is_heavy


def test_a_file_that_fools_the_look_at_its_first_bytes_is_refused_before_it_is_decoded():
    small, large = encoded("JPEG", (100, 100)), encoded("JPEG", (5000, 4001))
    frame = small.index(b"\xff\xc0")
    fooling = large[:2] + small[frame : frame + 19] + large[2:]
    assert looks_heavy(BytesIO(fooling)) is False

    with pytest.raises(ImageRefused):
        image_clean(BytesIO(fooling), may_be_heavy=False)
    with pytest.raises(ImageTooComplex):
        image_clean(BytesIO(large), may_be_heavy=False)


SAMPLES = [encoded(kind, (9, 7), color=(1, 200, 90)) for kind in ("JPEG", "PNG", "GIF", "WEBP")] + [
    animation("GIF", 3, (5, 5)),
    animation("WEBP", 3, (5, 5)),
]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 40),
)
def test_damaged_pictures_are_refused_or_clean_but_never_a_crash(sample, edits, cut):
    content = bytearray(sample)
    for at, value in edits:
        content[at % len(content)] = value

    damaged = bytes(content[: len(content) - cut])
    try:
        looks_heavy(BytesIO(damaged))
        cleaned = clean(damaged)
    except ImageRefused:
        return
    Image.open(BytesIO(cleaned.content)).load()
