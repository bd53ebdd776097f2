"""Who is at the command line."""

import getpass
import os
import socket
from contextlib import suppress


def actor() -> str:
    """Who applies, as the lock and the history name them."""
    user = "unknown"
    with suppress(OSError, KeyError):
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"
