"""Says whether a path of a project stays in it, and who may have written the project.

A project may come from a stranger: a link in it must make no command read, replace or delete a file elsewhere, and
what it says must not decide where the credentials of somebody go who only works below it.
"""

from __future__ import annotations

import os
import stat
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


def foreign_part(folders: tuple[Path, ...]) -> tuple[Path, str] | None:
    """The first of `folders` and of the YAML files in them that another user may have written, and how they may.

    None where there is none. Links are followed, and folders that are not there are passed over.
    """
    for folder in folders:
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".yaml"))  # noqa: PTH208 - names alone
        except OSError:
            continue
        for path in (folder, *(folder / name for name in names)):
            try:
                found = path.stat()
            except OSError:
                continue
            if found.st_uid not in {0, os.geteuid()}:
                return path, "belongs to another user"
            if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid)):
                return path, "can be changed by other users"
    return None


def _is_own_group(number: int) -> bool:
    """Whether a group has the caller alone, as where each user has a group of the same name."""
    import grp  # noqa: PLC0415 - only where a file's group may write it
    import pwd  # noqa: PLC0415 - likewise

    try:
        group, name = grp.getgrgid(number), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}
