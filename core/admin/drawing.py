"""Lines that the server draws: small ones beside a number, and curves."""

from collections.abc import Sequence

WIDTH, HEIGHT = 100, 30  # of the field in which a line is drawn; the page stretches it


def polyline(values: Sequence[float | None], *, low: float | None = None, high: float | None = None) -> str:
    """Return the points of an SVG line. A missing value leaves no point.

    :param low: the value at the lower edge, and ``high`` at the upper one; by default the values fill the field.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    bottom, top = min(known) if low is None else low, max(known) if high is None else high
    across, up = WIDTH / (len(values) - 1), HEIGHT / ((top - bottom) or 1)
    points = enumerate(values)
    return " ".join(f"{x * across:.1f},{HEIGHT - (y - bottom) * up:.1f}" for x, y in points if y is not None)
