"""Print the address by which a class reaches this machine, for ``make class``.

Inside WSL 2 that is the address of Windows: Linux has one of its own there, which only Windows itself reaches.
"""

import os
import subprocess
import sys
from pathlib import Path

from core.bootstrap import own_address
from devstack.errors import StackError

ASK_WINDOWS = "(Get-NetIPConfiguration | Where-Object { $_.IPv4DefaultGateway }).IPv4Address.IPAddress"
POWERSHELL_S = 20
OPEN = """\
For the class, once in a PowerShell of Windows that runs as administrator:
  netsh interface portproxy add v4tov4 listenport={port} listenaddress=0.0.0.0 connectport={port} connectaddress={own}
  New-NetFirewallRule -DisplayName spms -Direction Inbound -Action Allow -Protocol TCP -LocalPort {port}
The first line again whenever Windows has restarted, since the address of WSL changes."""


def is_wsl(version: Path = Path("/proc/version")) -> bool:
    return version.exists() and "microsoft" in version.read_text("utf-8").lower()


def windows_addresses() -> list[str]:
    """Ask Windows for its own addresses; none if its programs cannot be run from here."""
    try:
        command = ["powershell.exe", "-NoProfile", "-Command", ASK_WINDOWS]
        return subprocess.check_output(command, timeout=POWERSHELL_S, text=True, stderr=subprocess.DEVNULL).split()
    except (OSError, subprocess.SubprocessError):
        return []


def class_address(port: str) -> tuple[str, str]:
    """Return the address of this machine for others, and what has to be done before they reach it.

    :raises StackError: it cannot be found; the text says how to name it.
    """
    name_it = f"BIND=0.0.0.0 PUBLIC_BASE_URL=http://ADDRESS:{port} make up"
    try:
        own = own_address()
    except OSError:
        raise StackError(f"This machine has no network. Name its address yourself: {name_it}") from None
    if not is_wsl():
        return own, ""
    advice, addresses = OPEN.format(port=port, own=own), windows_addresses()
    if not addresses:
        raise StackError(
            f"WSL does not know the address of Windows: `ipconfig` there shows it.\n{advice}\nThen: {name_it}"
        )
    return (own, "") if own in addresses else (addresses[0], advice)  # the same: mirrored


def main() -> int:
    try:
        address, advice = class_address(os.environ.get("PORT") or "8000")
    except StackError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(address)
    if advice:
        print(advice, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
