"""A project's folder in, the installed Helms out; a chart and a values file in, the rendered manifests out, offline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

# Newest first, so that the first found is the one that `render` uses.
_OWN = (".tools/helm4/helm", ".tools/helm3/helm")
_MAJORS = (3, 4)
_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})\b")
# A Helm that says nothing for so long waits for something that a rendering must not need.
_SECONDS = 60
RELEASE = "platform-secrets"


class HelmError(Refusal):
    """A Helm that is missing, no Helm, or refuses the chart; `details` are Helm's own words, which quote values.

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
        raise HelmError(f"there is no Helm at {path}")
    said = _run(path, ("version", "--short")).stdout
    match = _VERSION.match(said)
    if match is None or int(match[1]) not in _MAJORS:
        raise HelmError(f"{path} is no Helm 3 or 4")
    return Helm(path, f"{match[1]}.{match[2]}")


def chart_in(root: Path) -> Path:
    """The chart of the project in `root`. Raises HelmError where there is none."""
    chart = root / "chart"
    if not (chart / "Chart.yaml").is_file():
        help_text = "add it with `platform-secrets new chart`, or name the project that has it with --root"
        raise HelmError('there is no chart in "chart/"', help_text=help_text)
    return chart


def find_helms(root: Path) -> tuple[Helm, ...]:
    """The Helms at hand: the one on PATH, then the project's own in `.tools/`; each version once."""
    on_path = shutil.which("helm")
    found: dict[str, Helm] = {}
    for path in (*((Path(on_path),) if on_path else ()), *(root / own for own in _OWN)):
        try:
            helm = helm_at(path)
        except HelmError:
            continue
        found.setdefault(helm.version, helm)
    return tuple(found.values())


def template(
    helm: Helm,
    chart: Path,
    values_files: Sequence[Path],
    *,
    release: str = RELEASE,
    namespace: str | None = None,
    options: Sequence[str] = (),
) -> str:
    """What `helm template` prints for `chart` with the values in `values_files`. Raises HelmError where it refuses."""
    values = [f"--values={path}" for path in values_files]
    # Options are joined to their values: a release that begins with a hyphen must not become one.
    names = [f"--namespace={namespace}"] if namespace is not None else []
    done = _run(helm.path, ("template", *values, *names, *options, "--", release, str(chart)))
    if done.returncode:
        raise HelmError(f"Helm {helm.version} refuses the chart", done.stderr.strip())
    return done.stdout


def _run(program: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        with TemporaryDirectory() as home:
            return subprocess.run(  # noqa: S603 - no shell, a full path, and arguments that are no options
                [str(program.absolute()), *arguments],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                # A person's plugins, repositories and cluster must not change what a chart renders to.
                env={"PATH": os.defpath, "HOME": home, "KUBECONFIG": os.devnull},
                stdin=subprocess.DEVNULL,
                timeout=_SECONDS,
            )
    except subprocess.TimeoutExpired:
        raise HelmError(f"{program} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise HelmError(f"{program} cannot be run: {(error.strerror or 'unknown reason').lower()}") from None
