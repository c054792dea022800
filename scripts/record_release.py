"""Records the checksums of the chart and the schemas as those of this version, in compiler/released.json.

By them `new chart --upgrade` knows a file that nobody edited. `--check` writes nothing and exits 1 if the record is
wrong. A released (tagged) version is never recorded again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler import __version__  # noqa: E402 - found only with the path above
from compiler.edit.chart import RELEASED, chart_files, checksum, release_checksums, schema_files  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the record is not right")
    is_check = parser.parse_args(argv).check
    known = release_checksums()
    now = {path: checksum(text) for path, text in {**chart_files(), **schema_files()}.items()}
    before = known.get(__version__, {})
    changed = sorted(path for path in {*now, *before} if now.get(path) != before.get(path))
    if not changed:
        return 0
    if is_released(__version__):
        print(
            f"{__version__} is released, and these differ from it: raise the version",
            *changed,
            sep="\n  ",
            file=sys.stderr,
        )
    elif is_check:
        print(f"not recorded as of {__version__}: run `make schemas`", *changed, sep="\n  ", file=sys.stderr)
    else:
        RELEASED.write_text(json.dumps({**known, __version__: now}, indent=2) + "\n", "utf-8", newline="\n")
        return 0
    return 1


def is_released(version: str) -> bool:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--quiet", "--verify", f"refs/tags/v{version}"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
