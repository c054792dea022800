"""Finds the Helm programs to use and renders a chart with them, offline and without the user's settings.

A project may come from a stranger, so that no program in it is run: only a Helm that the user named or has on PATH.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.model.confinement import is_inside
from compiler.model.limits import MAX_MANIFEST_BYTES
from compiler.operations.chart.bounded_process import OutputTooLargeError, run_bounded
from compiler.refusal import Refusal
from compiler.text.command_line import shell_line
from compiler.text.regex import regex
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VARIABLE = "PLATFORM_SECRETS_HELM"
RELEASE = "platform-secrets"
_VERSION = regex(r"v?(\d{1,3})\.(\d{1,3})\b")
# By major, the oldest minor. Before 3.11.1 `getHostByName` in a template asked the network (CVE-2023-25165).
_OLDEST = {3: 12, 4: 0}
# Where `scripts/install_helm.sh` puts it in the clone that this program runs from. It is named, and not run unasked.
_OF_CLONE = Path(__file__).resolve().parents[3] / ".tools/helm4/helm"
_NAME_ONE = "give the path of the program of a Helm 3 or 4, or name none to have the one on PATH"
# A Helm that takes longer waits for something that rendering must not need.
_SECONDS = 60


class HelmError(Refusal):
    """Helm is missing, unusable or refuses the chart; `details` are Helm's own words, which quote values.

    A class of its own, as the search for a usable Helm goes on with the next one, and a proof reports a refused chart.
    """

    def __init__(self, message: str, details: str = "", help_text: str | None = None) -> None:
        super().__init__("cannot run", message, help_text, details)


@dataclass(frozen=True, slots=True)
class Helm:
    """One Helm: the path of its program, and its version such as `3.22`."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".", 1)[0])


def helm_at(path: Path) -> Helm:
    """The Helm whose program lies at `path`. Raises HelmError where there is none of a usable version."""
    if not path.is_file():
        raise HelmError(f"there is no Helm at {path}", help_text=_NAME_ONE)
    match = _VERSION.match(_run(path, ("version", "--short")).stdout)
    if match is None or int(match[1]) not in _OLDEST:
        raise HelmError(f"{path} is not Helm 3 or 4", help_text=_NAME_ONE)
    if int(match[2]) < _OLDEST[int(match[1])]:
        way_out = "use Helm 3.12 or newer: in an older one a chart can reach the network"
        raise HelmError(f"{path} is too old: Helm {match[1]}.{match[2]}", help_text=way_out)
    return Helm(path, f"{match[1]}.{match[2]}")


def find_helms(root: Path, named: Sequence[str], environ: Mapping[str, str]) -> tuple[Helm, ...]:
    """The Helms `named` on the command line; else those of PLATFORM_SECRETS_HELM; else the one on PATH.

    `root` is the project's folder, in which none is looked for. Raises HelmError where there is none, or one of those
    named is none.
    """
    paths = [Path(name) for name in named] or _of_variable(environ.get(VARIABLE, "")) or [_on_path(root, environ)]
    return tuple(map(helm_at, dict.fromkeys(paths)))


def _of_variable(text: str) -> list[Path]:
    paths = [Path(name) for name in text.split(os.pathsep) if name]
    if not all(path.is_absolute() for path in paths):
        # It outlives the folder that it was written in: in the next project it would be a program of that one.
        raise HelmError(f"{VARIABLE} holds a relative path", help_text="write the absolute path of each program")
    return paths


def _on_path(root: Path, environ: Mapping[str, str]) -> Path:
    skipped = False
    for folder in _folders(environ):
        program = folder / "helm"
        if not os.access(program, os.X_OK) or not program.is_file():
            continue
        # `.` or `node_modules/.bin` on PATH would let each project bring its own.
        if folder.is_absolute() and not is_inside(root, program):
            return program
        skipped = True
    why = "; the one on PATH is in the project or in a relative folder, and must be named to be run" if skipped else ""
    way_out = f"put Helm 3 or 4 on PATH, or name one with --helm or {VARIABLE}{why}"
    if _OF_CLONE.is_file():
        way_out += f"; the one of the clone is {shell_line('--helm', str(_OF_CLONE))}"
    raise HelmError("no Helm is installed", help_text=way_out)


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    return map(Path, environ.get("PATH", os.defpath).split(os.pathsep))


def template(
    helm: Helm,
    chart: Path,
    values_files: Sequence[Path],
    *,
    release: str = RELEASE,
    namespace: str | None = None,
) -> str:
    """What `helm template` prints for `chart` with the values in `values_files`. Raises HelmError where it refuses.

    The chart is one that `find_chart` gave: Helm follows its links, and fetches what its schemas refer to.
    """
    values = [f"--values={path.absolute()}" for path in values_files]
    # Options are joined to their values: a release that begins with a hyphen must not become one.
    names = [f"--namespace={namespace}"] if namespace is not None else []
    done = _run(helm.path, ("template", *values, *names, "--", release, str(chart.absolute())))
    if done.returncode:
        raise HelmError(f"Helm {helm.version} refuses the chart", done.stderr.strip())
    return done.stdout


def _run(program: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        with TemporaryDirectory() as home:
            # All that it is given: no credential, no proxy, and none of a person's plugins, repositories and clusters,
            # which must not change what a chart renders to; and a working folder that is not the project's.
            environment = {"PATH": os.defpath, "HOME": home, "TMPDIR": home, "KUBECONFIG": os.devnull}
            command = [str(program.absolute()), *arguments]
            return run_bounded(command, environment, _SECONDS, MAX_MANIFEST_BYTES, folder=home)
    except OutputTooLargeError:
        raise HelmError(f"{program} printed more than {MAX_MANIFEST_BYTES} bytes") from None
    except subprocess.TimeoutExpired:
        raise HelmError(f"{program} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise HelmError(f"{program} cannot be run: {system_reason(error)}") from None
