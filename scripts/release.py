"""Makes the release commit of a version, builds and tries it, and tags it: `make release VERSION=1.1.0`.

Nothing is pushed. After a failed check, commit a fix and run it again: it goes on with that check.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.dist import version_in  # noqa: E402  run as a script, its folder alone is on the path
from scripts.release_check import PAGES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_UNRELEASED = "## [Unreleased]\n"
# What makes the generated files those of the version, before the commit; and what tries the commit.
_GENERATE = ("schemas", "docs")
_TRY = ("release-check", "dist-check")


class NotReleasedError(Exception):
    """Why there is no release, and what to do."""


def release(root: Path, version: str, today: str) -> list[str]:
    """Release `version` of the project at `root`, a clean clone. Returns what to do next; raises NotReleasedError."""
    old = version_in(root)
    if not _VERSION.fullmatch(version):
        raise NotReleasedError(f"{version or 'nothing'} is not a version: make release VERSION=1.1.0")
    if _run(root, "git", "status", "--porcelain"):
        raise NotReleasedError("the clone has changes that are not committed: commit them, or put them away")
    if _has_tag(root, version):
        raise NotReleasedError(f"the tag v{version} is there: raise the version")
    if version != old:
        _make_commit(root, old, version, today)
    elif _unreleased_text(root):
        raise NotReleasedError(f"{version} is in CHANGELOG.md already, and [Unreleased] has more: raise the version")
    _run(root, "make", *_TRY)
    _run(root, "git", "tag", "-a", f"v{version}", "-m", f"Release {version}")
    return [f"v{version} is built in dist/ and tagged", "publish it: git push --follow-tags origin HEAD"]


def _make_commit(root: Path, old: str, version: str, today: str) -> None:
    if _numbers(version) < _numbers(old):
        raise NotReleasedError(f"{version} is older than {old}")
    if not _has_tag(root, old):
        raise NotReleasedError(f"there is no tag v{old}: fetch the tags, or release {old} first")
    if not _unreleased_text(root):
        raise NotReleasedError("CHANGELOG.md has nothing below [Unreleased]: there is nothing to release")
    places = {
        "compiler/__init__.py": '(?m)^(__version__ = ")',
        "chart/Chart.yaml": '(?m)^((?:version|appVersion): "?)',
        **{page: f'({before}"?)' for page, before in PAGES.items()},
    }
    # All before the first is written: a page that does not name the version leaves the clone as it was.
    texts = {path: _raise_version(root, path, before + re.escape(old), version) for path, before in places.items()}
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    texts["CHANGELOG.md"] = changelog.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {today}\n", 1)
    for path, text in texts.items():
        (root / path).write_text(text, "utf-8")
    _run(root, "make", *_GENERATE)
    _run(root, "git", "add", "--all")
    _run(root, "git", "commit", "-m", f"Release {version}")


def _raise_version(root: Path, path: str, pattern: str, version: str) -> str:
    text, count = re.subn(pattern, lambda found: f"{found[1]}{version}", (root / path).read_text("utf-8"))
    if not count:
        raise NotReleasedError(f"{path} does not name the version before")
    return text


def _unreleased_text(root: Path) -> str:
    _, _, after = (root / "CHANGELOG.md").read_text("utf-8").partition(_UNRELEASED)
    return after.partition("\n## [")[0].strip()


def _has_tag(root: Path, version: str) -> bool:
    return bool(_run(root, "git", "tag", "--list", f"v{version}"))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _run(root: Path, *command: str) -> str:
    """What the command prints. Raises NotReleasedError where it fails."""
    # What `make` prints is for the person who waits, who sees it as it comes.
    shown = None if command[0] == "make" else subprocess.PIPE
    done = subprocess.run(command, cwd=root, stdout=shown, text=True, check=False)
    if done.returncode:
        raise NotReleasedError(f"`{' '.join(command)}` failed: mend it in a commit, and run this again")
    return done.stdout or ""


def main(argv: Sequence[str]) -> int:
    try:
        lines = release(ROOT, argv[0] if argv else "", f"{datetime.now(UTC):%Y-%m-%d}")
    except NotReleasedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
