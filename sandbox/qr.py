"""QR codes as SVG: byte mode, error correction level M, versions 1 to 20 (up to 666 bytes). ISO/IEC 18004.

The mask is fixed: readers accept any, and choosing the prettiest would double this file.
"""

from itertools import product

# Per version, from 1: error correction bytes of each block, and number of blocks.
_ECC_BYTES = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26)
_BLOCKS = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16)
_LEVEL_M_MASK_0 = 0b00_000
_QUIET_ZONE = 4

Grid = list[list[bool | None]]  # True is dark, None is not drawn yet


def svg(text: str) -> str:
    """Draw ``text`` with its quiet zone, to be scaled at will.

    :raises ValueError: more than 666 bytes.
    """
    grid = matrix(text)
    size = len(grid) + 2 * _QUIET_ZONE
    dark = "".join(
        f"M{x + _QUIET_ZONE},{y + _QUIET_ZONE}h1v1h-1z" for y, row in enumerate(grid) for x, on in enumerate(row) if on
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<rect width="{size}" height="{size}" fill="#fff"/><path d="{dark}"/></svg>'
    )


def matrix(text: str) -> list[list[bool]]:
    """Answer the rows of the code without quiet zone; True is dark."""
    data = text.encode()
    version = next((v for v in range(1, 21) if len(data) <= _capacity(v)), 0)
    if not version:
        raise ValueError("too long for a QR code")
    grid = _frame(version)
    _draw_data(grid, _interleave(version, _pad(version, data)))
    return [[bool(on) for on in row] for row in grid]


def _module_count(version: int) -> int:
    """How many modules are left for data and error correction."""
    count = (16 * version + 128) * version + 64
    if version >= 2:
        aligned = version // 7 + 2
        count -= (25 * aligned - 10) * aligned - 55
    return count - 36 if version >= 7 else count


def _data_bytes(version: int) -> int:
    return _module_count(version) // 8 - _ECC_BYTES[version - 1] * _BLOCKS[version - 1]


def _capacity(version: int) -> int:
    return _data_bytes(version) - (2 if version < 10 else 3)


def _pad(version: int, data: bytes) -> bytes:
    """Mode, length, data, terminator, and the two pad bytes in turn."""
    length_bits = 8 if version < 10 else 16
    bits = f"0100{len(data):0{length_bits}b}" + "".join(f"{byte:08b}" for byte in data) + "0000"
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    missing = _data_bytes(version) - len(packed)
    return packed + (b"\xec\x11" * missing)[:missing]


def _interleave(version: int, data: bytes) -> bytes:
    """Cut into blocks, the shorter ones first, add each block's error correction, and deal them out in turn."""
    blocks, ecc_bytes = _BLOCKS[version - 1], _ECC_BYTES[version - 1]
    short, longer = divmod(len(data), blocks)
    generator, parts, start = _generator(ecc_bytes), [], 0
    for number in range(blocks):
        end = start + short + (number >= blocks - longer)
        parts.append((data[start:end], _remainder(data[start:end], generator)))
        start = end
    dealt = [part[i] for i in range(short + 1) for part, _ in parts if i < len(part)]
    return bytes(dealt + [ecc[i] for i in range(ecc_bytes) for _, ecc in parts])


def _times(a: int, b: int) -> int:
    """Multiply in GF(2^8) modulo 0x11D."""
    product_ = 0
    for bit in range(7, -1, -1):
        product_ = (product_ << 1) ^ (product_ >> 7) * 0x11D
        product_ ^= (b >> bit & 1) * a
    return product_


def _generator(degree: int) -> list[int]:
    coefficients, root = [0] * (degree - 1) + [1], 1
    for _ in range(degree):
        for i in range(degree):
            coefficients[i] = _times(coefficients[i], root) ^ (coefficients[i + 1] if i + 1 < degree else 0)
        root = _times(root, 2)
    return coefficients


def _remainder(data: bytes, generator: list[int]) -> list[int]:
    rest = [0] * len(generator)
    for byte in data:
        factor = byte ^ rest.pop(0)
        rest.append(0)
        rest = [have ^ _times(coefficient, factor) for have, coefficient in zip(rest, generator, strict=True)]
    return rest


def _frame(version: int) -> Grid:
    """Everything but the data: finders, timing, alignment, format and version."""
    size = 17 + 4 * version
    grid: Grid = [[None] * size for _ in range(size)]
    for i in range(size):
        grid[6][i] = grid[i][6] = i % 2 == 0
    for x, y in ((3, 3), (size - 4, 3), (3, size - 4)):
        _square(grid, x, y, 4, dark_rings={0, 1, 3})
    marks = _alignment(version, size)
    corners = {(6, 6), (6, marks[-1]), (marks[-1], 6)} if marks else set()
    for x, y in set(product(marks, marks)) - corners:
        _square(grid, x, y, 2, dark_rings={0, 2})
    _draw_format(grid, size)
    if version >= 7:
        _draw_version(grid, size, version)
    return grid


def _square(grid: Grid, x: int, y: int, radius: int, *, dark_rings: set[int]) -> None:
    around = range(-radius, radius + 1)
    for dx, dy in product(around, around):
        if 0 <= x + dx < len(grid) and 0 <= y + dy < len(grid):
            grid[y + dy][x + dx] = max(abs(dx), abs(dy)) in dark_rings


def _alignment(version: int, size: int) -> list[int]:
    if version == 1:
        return []
    count = version // 7 + 2
    step = (version * 4 + count * 2 + 1) // (count * 2 - 2) * 2
    return [6, *sorted(size - 7 - step * i for i in range(count - 1))]


def _bch(value: int, polynomial: int, bits: int) -> int:
    rest = value
    for _ in range(bits):
        rest = (rest << 1) ^ (rest >> (bits - 1)) * polynomial
    return value << bits | rest


def _draw_format(grid: Grid, size: int) -> None:
    bits = _bch(_LEVEL_M_MASK_0, 0x537, 10) ^ 0x5412
    near = [(8, i) for i in range(6)] + [(8, 7), (8, 8), (7, 8)] + [(14 - i, 8) for i in range(9, 15)]
    far = [(size - 1 - i, 8) for i in range(8)] + [(8, size - 15 + i) for i in range(8, 15)]
    for i in range(15):
        for x, y in (near[i], far[i]):
            grid[y][x] = bool(bits >> i & 1)
    grid[size - 8][8] = True


def _draw_version(grid: Grid, size: int, version: int) -> None:
    bits = _bch(version, 0x1F25, 12)
    for i in range(18):
        a, b = size - 11 + i % 3, i // 3
        grid[a][b] = grid[b][a] = bool(bits >> i & 1)


def _draw_data(grid: Grid, data: bytes) -> None:
    """Fill what is left in two-module columns from the right, upwards and downwards in turn, under mask 0."""
    size, bits = len(grid), iter("".join(f"{byte:08b}" for byte in data))
    columns = [x for x in range(size - 1, 0, -2) if x > 6] + [5, 3, 1]
    for number, right in enumerate(columns):
        rows = range(size) if number % 2 else range(size - 1, -1, -1)
        for y, x in product(rows, (right, right - 1)):
            if grid[y][x] is None:
                grid[y][x] = (next(bits, "0") == "1") ^ ((x + y) % 2 == 0)
