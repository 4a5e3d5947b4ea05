"""Say in two words which browser, on which system, sent a ``User-Agent``."""

import re

MAX_SHOWN = 40  # characters of a string that names no browser we know
# The first that matches: most browsers also name those that they are built from, or want to be taken for.
_BROWSERS = [
    # Of a long string only the beginning is kept, and on Android that may end before the first of these.
    ("微信", r"MicroMessenger/(\d+)|MMWEBSDK"),
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("三星浏览器", r"SamsungBrowser/(\d+)"),
    ("QQ 浏览器", r"MQ?QBrowser/(\d+)"),
    ("UC 浏览器", r"UC?Browser/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)\S* (?:Mobile/\S+ )?Safari/"),
]
# Windows always says 10, and Macs always 10.15: the system's number would be wrong.
_SYSTEMS = [
    ("鸿蒙", r"HarmonyOS|OpenHarmony"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows NT"),
    ("macOS", r"Macintosh"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux"),
]


def browser_name(agent: str) -> str:
    """Return for example "Chrome 120 · Windows". Anything else is returned, cut to ``MAX_SHOWN``."""
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, agent)), "")
    for name, pattern in _BROWSERS:
        if match := re.search(pattern, agent):
            return " · ".join(part for part in (f"{name} {match[1] or ''}".strip(), system) if part)
    return agent if len(agent) <= MAX_SHOWN else agent[:MAX_SHOWN] + "…"
