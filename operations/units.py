"""How our processes are started: the units of ``deploy/systemd``, read for starters other than systemd.

    python -m operations.units worker@money    # become the process of spms-worker@money.service, as containers do

The development stack, the tests and the benchmarks start what stands there too, so that it is tried before it is used.
"""

import os
import re
import shlex
import sys
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "/opt/spms"  # where the units expect the code
NAME = ROOT.name if str(ROOT).startswith(HOME) else "spms"  # of another school on the same machine: spms-north


def lines(name: str, key: str) -> list[str]:
    """Return the values of ``key`` in the unit of ``web``, for example, or of ``worker@money``."""
    kind, sign, _ = name.partition("@")
    text = (ROOT / "deploy" / "systemd" / f"spms-{kind}{sign}.service").read_text("utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def environment(name: str) -> dict[str, str]:
    """Return the variables that the unit itself sets."""
    return dict(line.split("=", 1) for line in lines(name, "Environment"))


def command(name: str, *more: str, without: Collection[str] = ()) -> list[str]:
    """Return the command of a unit for this checkout and this Python.

    :param more: options behind those of the unit. If an option stands twice, our servers take the last value.
    :param without: options to leave out, with their values.
    """
    (line,) = lines(name, "ExecStart")
    values = environment(name) | os.environ
    line = line.replace("%i", name.partition("@")[2]).replace("%%", "%")
    line = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], line)
    program, *words = (word.replace(HOME, str(ROOT)) for word in shlex.split(line))
    for option in without:
        place = words.index(option)
        del words[place : place + 2]
    name = Path(program).name
    return [sys.executable, *(() if name == "python" else ("-m", name)), *words, *more]


def main(name: str, *more: str) -> None:
    words = command(name, *more)
    os.execve(words[0], words, environment(name) | os.environ)  # noqa: S606  (the words stand in our own file)


if __name__ == "__main__":
    main(*sys.argv[1:])
