"""Print the address by which a class reaches this machine, for ``make class``.

Inside WSL 2 that is the address of Windows: Linux has one of its own there, which only Windows itself reaches.
"""

import os
import sys
from pathlib import Path

from core.bootstrap import own_address

NO_NETWORK = "This machine has no network. Name its address yourself: {up}"
IN_WINDOWS = """\
WSL does not know the address of Windows: `ipconfig` there shows it.
For the class, once in a PowerShell of Windows that runs as administrator:
  netsh interface portproxy add v4tov4 listenport={port} listenaddress=0.0.0.0 connectport={port} connectaddress={own}
  New-NetFirewallRule -DisplayName spms -Direction Inbound -Action Allow -Protocol TCP -LocalPort {port}
The first line again whenever Windows has restarted, since the address of WSL changes.
Then: {up}"""


def main() -> None:
    """End with the exit code 1, and say what to do, where the address cannot be found."""
    port = os.environ.get("PORT") or "8000"
    up = f"BIND=0.0.0.0 PUBLIC_BASE_URL=http://ADDRESS:{port} make up"
    try:
        own = own_address()
    except OSError:
        sys.exit("Error: " + NO_NETWORK.format(up=up))
    version = Path("/proc/version")
    if version.exists() and "microsoft" in version.read_text("utf-8").lower():
        sys.exit("Error: " + IN_WINDOWS.format(port=port, own=own, up=up))
    print(own)


if __name__ == "__main__":
    main()
