"""Lists files of a project, names temporary ones, syncs folders, and reads a file that a variable or an option names.

A project may come from a stranger: a link in it must make no command read, replace or delete a file elsewhere, and its
text must not decide where the credentials go of somebody who only works below it. `.gitignore` and the chart's
`.helmignore` leave out temporary files by their ending. A named file may be a pipe, such as the shell's `<(…)`; a
device may give bytes without end.
"""

from __future__ import annotations

import os
import re
import select
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from compiler.refusal import system_reason
from compiler.text.wording import install_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A variable that Kubernetes sets in each pod.
IN_POD = "KUBERNETES_SERVICE_HOST"


def is_inside(root: Path, path: Path) -> bool:
    """Whether `path`, all links followed, lies below the folder `root`; neither needs to exist. Raises OSError."""
    # Not pathlib: a compile asks it for each file, and a Path for each costs twice as much.
    if _is_plainly_below(os.fspath(root), os.fspath(path)):
        return True
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), ""))  # noqa: PTH118


def _is_plainly_below(root: str, path: str) -> bool:
    """Whether `path` begins with `root`, with no link or `..` after it; ten times as fast as following links."""
    top, _, rest = path.partition(f"{root}/")
    names = rest.split("/")
    if top or not {"", ".", ".."}.isdisjoint(names):
        return False
    place = root
    for name in names:
        place = f"{place}/{name}"
        try:
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
        except FileNotFoundError:
            return True
        except OSError:
            return False
    return True


def leads_out(root: Path, path: Path) -> bool:
    """Whether `path` lies below `root` by its name, and elsewhere by a link. Raises OSError."""
    if is_inside(root, path):
        return False
    project = os.path.realpath(root)
    # By its name: some folder on the way is the project, whatever that folder is called there.
    named = Path(os.path.abspath(path))  # noqa: PTH100 - pathlib's own does not take `..` out
    return os.path.realpath(path) != project and any(os.path.realpath(folder) == project for folder in named.parents)


def foreign_part(folders: tuple[Path, ...]) -> tuple[Path, str] | None:
    """The first of `folders` and their YAML files that another user may have written, and how; None for none.

    Links are followed, and missing folders passed over. As in git, root may write, and `sudo` takes the user who called
    it for the caller too.
    """
    callers, sudoer = {os.geteuid()}, os.environ.get("SUDO_UID", "")
    if os.geteuid() == 0 and sudoer.isdecimal():
        callers.add(int(sudoer))
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
            if found.st_uid not in {0, *callers}:
                return path, "belongs to another user"
            is_shared = found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid, callers)
            if found.st_mode & stat.S_IWOTH or is_shared:
                return path, "can be changed by other users"
    return None


def _is_own_group(number: int, callers: set[int]) -> bool:
    """Whether a group has the caller alone, as where each user has a group of the same name."""
    import grp  # noqa: PLC0415 - only where a file's group may write it
    import pwd  # noqa: PLC0415 - likewise

    try:
        group, names = grp.getgrgid(number), {pwd.getpwuid(each).pw_name for each in callers}
    except KeyError:
        return False
    return group.gr_name in names and set(group.gr_mem) <= names


ENDING = ".platform-secrets-tmp"
_NAME = re.compile(rf"\..+\.[0-9a-f]{{16}}{re.escape(ENDING)}", re.DOTALL)
# A file system takes 255 bytes for a name; a name of ours is ASCII, somebody else's may not be.
_MOST_KEPT = 50


def temporary_beside(path: Path) -> Path:
    """A hidden random name in the folder of `path`; process numbers repeat between containers on one volume."""
    # Not `secrets`, which costs a compile the import of OpenSSL.
    return path.with_name(f".{path.name[:_MOST_KEPT]}.{os.urandom(8).hex()}{ENDING}")


def is_temporary(name: str) -> bool:
    """Whether a file of this name was made by `temporary_beside`."""
    return _NAME.fullmatch(name) is not None


def create_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Writes a file that is not there yet, whole on the disk, and with this mode whatever the umask is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a new file name in `folder` survive a crash. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# The program that writes into the pipe may have to ask a person first.
LONGEST_SILENCE = 120.0
_BLOCK = 1024 * 1024
_KIBIBYTE = 1024
# Parts of a path that has a folder of its own.
_SHORTEST = 2


class NamedFileError(Exception):
    """The file cannot be used. Its text follows what a message calls the file, such as `is a device`."""

    def __init__(self, text: str, *, is_unreadable: bool = False) -> None:
        super().__init__(text)
        self.is_unreadable = is_unreadable


class Content(NamedTuple):
    """What was read; `is_exposed` where others than its owner can read or change the file."""

    data: bytes
    is_exposed: bool


def show_file(path: str) -> str:
    """` (PATH)` for a message about a variable's file; empty where it may be the credential itself."""
    if not path.isprintable():
        return ""
    try:
        file = Path(path)
        is_path = file.is_file() or (len(file.parts) > _SHORTEST and file.parent.is_dir())
    except (OSError, ValueError):
        # No system has a name as long as that.
        return ""
    return f" ({path})" if is_path else ""


def read_named(path: str, most: int, silence: float = LONGEST_SILENCE) -> Content:
    """At most one byte more than `most` of the file, or of a pipe until it is silent for `silence` seconds.

    Raises NamedFileError.
    """
    try:
        with _open_file(path) as descriptor:
            mode = os.fstat(descriptor).st_mode
            is_pipe = stat.S_ISFIFO(mode)
            data = _read(descriptor, most, silence if is_pipe else None)
            return Content(data, not is_pipe and bool(mode & 0o077))
    except (OSError, ValueError) as error:
        failure = _unreadable(error)
    raise failure


def require_file(path: str, most: int) -> None:
    """Raise NamedFileError for all but a regular file of at most `most` bytes."""
    try:
        with _open_file(path) as descriptor:
            status = os.fstat(descriptor)
    except (OSError, ValueError) as error:
        failure = _unreadable(error)
    else:
        if stat.S_ISFIFO(status.st_mode):
            raise NamedFileError("is a pipe, and is read more than once")
        _require_size(status.st_size, most)
        return
    raise failure


@contextmanager
def as_file(path: str, most: int) -> Iterator[str]:
    """A path at which a library finds the file as often as it opens it; a pipe's content is kept in memory.

    Raises NamedFileError, also for more than `most` bytes.
    """
    if not is_pipe(path):
        require_file(path, most)
        yield path
        return
    if not hasattr(os, "memfd_create"):
        # Elsewhere than on Linux the library reads the pipe itself, once.
        yield path
        return
    data = read_named(path, most).data
    _require_size(len(data), most)
    descriptor = os.memfd_create("named file")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - a Path refuses what is no path with another error
    except (OSError, ValueError):
        return False


@contextmanager
def _open_file(path: str) -> Iterator[int]:
    # O_NONBLOCK: opening a pipe must not wait for its writer, whose silence is counted below.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise NamedFileError("cannot be read: is a directory", is_unreadable=True)
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise NamedFileError("is a device, not a file")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, most: int, silence: float | None) -> bytes:
    content = bytearray()
    while (left := most + 1 - len(content)) > 0:
        if silence is not None:
            _wait(descriptor, silence)
        try:
            block = os.read(descriptor, min(left, _BLOCK))
        except BlockingIOError:
            # Somebody else has read what was there.
            continue
        if not block:
            break
        content += block
    return bytes(content)


def _wait(descriptor: int, silence: float) -> None:
    """Wait until the pipe gives something, or its last writer has left; for its first one too."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(silence * 1000):
        raise NamedFileError(f"is a pipe that has given nothing for {max(1, round(silence))} s")


def _require_size(size: int, most: int) -> None:
    if size > most:
        raise NamedFileError(f"is larger than {most // _KIBIBYTE} KiB")


def _unreadable(error: OSError | ValueError) -> NamedFileError:
    # Its own text has the path, and people put the secret itself where a path belongs.
    reason = system_reason(error) if isinstance(error, OSError) else "its path is not usable"
    return NamedFileError(f"cannot be read: {reason}", is_unreadable=True)


def kubeconfigs(environ: Mapping[str, str]) -> str:
    """The kubeconfig, or several as PATH has folders."""
    return environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "~")).expanduser() / ".kube/config")


def missing_for_cluster(environ: Mapping[str, str]) -> str | None:
    """What this machine lacks for asking a cluster, with the way to it, as far as is known without asking one."""
    from importlib.util import find_spec  # noqa: PLC0415 - compiling asks for no cluster

    if find_spec("kubernetes") is None:
        return f"the Kubernetes client: {install_line('cluster')}"
    names = [name for name in kubeconfigs(environ).split(os.pathsep) if name]
    if IN_POD in environ or any(Path(name).expanduser().exists() for name in names):
        return None
    return "a kubeconfig: set KUBECONFIG"
