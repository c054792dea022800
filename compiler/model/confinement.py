"""Says whether a path of a project stays in it: the one rule for every file that is read, written or deleted.

A project may come from a stranger, and a link in it must make no command read, replace or delete a file elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_inside(root: Path, path: Path) -> bool:
    """Whether `path`, all links followed, lies below the folder `root`; neither needs to exist. Raises OSError."""
    # Not pathlib: a compile asks it for each file, and a Path for each costs twice as much.
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), ""))  # noqa: PTH118


def leads_out(root: Path, path: Path) -> bool:
    """Whether `path` lies below `root` by its name, and elsewhere by a link. Raises OSError.

    A path that is elsewhere by its name too was named by a person, on the command line: it is taken as it is.
    """
    if is_inside(root, path):
        return False
    project = os.path.realpath(root)
    # By its name: some folder on the way is the project, whatever that folder is called there.
    named = Path(os.path.abspath(path))  # noqa: PTH100 - pathlib's own does not take `..` out
    return os.path.realpath(path) != project and any(os.path.realpath(folder) == project for folder in named.parents)
