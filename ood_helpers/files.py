"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that there is the old content or the new at any moment, also after a crash of the machine.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind.
    """
    part = file.with_name(f".{file.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        with open(part, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
