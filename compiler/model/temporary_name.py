"""Names the files that lie beside another one until they take its place, so that Git, Helm and a later run know them.

`.gitignore` and the chart's `.helmignore` leave out what ends as these do.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from compiler.text.regex import regex

if TYPE_CHECKING:
    from pathlib import Path

ENDING = ".platform-secrets-tmp"
_NAME = regex(rf"\..+\.[0-9a-f]{{16}}{re.escape(ENDING)}", re.DOTALL)
# A file system takes 255 bytes for a name; a name of ours is ASCII, somebody else's may not be.
_MOST_KEPT = 50


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of `path` that nobody else has.

    Random, as the numbers of processes in two containers on one volume are the same.
    """
    # Not `secrets`, which costs a compile the import of OpenSSL.
    return path.with_name(f".{path.name[:_MOST_KEPT]}.{os.urandom(8).hex()}{ENDING}")


def is_temporary(name: str) -> bool:
    """Whether a file of this name was made by `temporary_beside`."""
    return _NAME.fullmatch(name) is not None
