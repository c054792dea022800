"""Counts how many ExternalSecrets of a folder `import` takes, each alone with its store given, and why not the others.

`scripts/import_coverage.py FOLDER --token NAME=word` fills the tokens `<NAME>` of a template in first. Nothing is
written beside a scratch project, and nothing is asked for.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.edit.new_project import project_files  # noqa: E402 - a script is run by path
from compiler.imports.plan import plan_import  # noqa: E402
from compiler.imports.proof import prove  # noqa: E402
from compiler.imports.sources import open_target, parse_stores, read_sources  # noqa: E402
from compiler.refusal import Refusal  # noqa: E402

NAMESPACE, ADDRESS = "imported", "https://vault.example.com"


def external_secrets(folder: Path, tokens: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each ExternalSecret below the folder, with the file that it is in; what is no YAML is passed over."""
    for path in sorted(folder.rglob("*.y*ml")):
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for name, word in tokens.items():
            text = text.replace(f"<{name}>", word)
        for each in re.split(r"^---.*$", text, flags=re.MULTILINE):
            if "kind: ExternalSecret" not in each:
                continue
            try:
                found = yaml.safe_load(each)
            except yaml.YAMLError:
                continue
            if isinstance(found, dict) and found.get("kind") == "ExternalSecret":
                yield str(path.relative_to(folder)), found


def make_project(root: Path) -> None:
    """A project with an environment, whose files the import reads and does not write."""
    for name, text in project_files("imported", NAMESPACE, "vault", {"vault": ADDRESS}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def reason_of(found: dict[str, Any], root: Path) -> str | None:
    """Why the object alone is not taken, None where it is."""
    spec = found.get("spec") or {}
    sources = [
        spec,
        *(each.get("sourceRef") or {} for each in (*(spec.get("data") or ()), *(spec.get("dataFrom") or ()))),
    ]
    references = [each.get("secretStoreRef") or each.get("storeRef") or {} for each in sources]
    names = dict.fromkeys(str(each["name"]) for each in references if each.get("name"))
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "object.yaml"
        file.write_text(yaml.safe_dump(found), "utf-8")
        try:
            named = parse_stores([f"{name}=vault" for name in names], {"vault": ADDRESS})
            here = open_target(root, "new", None)
            read = read_sources("external-secrets", [str(file)], NAMESPACE, here, named)
            plan = plan_import(here, read.objects)
            reasons = [each.message for one in plan.objects for each in one.reasons]
            reasons += [each.message for each in plan.result.diagnostics if plan.result.failed]
            if reasons or not plan.secrets:
                return (
                    reasons[0] if reasons else "; ".join(each.message for each in read.diagnostics) or "nothing to take"
                )
            prove(plan, read.lost)
        except Refusal as error:
            return str(error)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each object with what becomes of it, then the counts; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--token", action="append", default=[], metavar="NAME=WORD", help="fills <NAME> in; repeatable")
    parser.add_argument("--quiet", action="store_true", help="print the counts alone")
    given = parser.parse_args(arguments)
    tokens = dict(each.split("=", 1) for each in given.token)
    taken, reasons = 0, Counter[str]()
    with TemporaryDirectory() as root:
        make_project(Path(root))
        for file, found in external_secrets(given.folder, tokens):
            why = reason_of(found, Path(root))
            taken += why is None
            if why is not None:
                reasons[re.sub(r'"[^"]*"', '"…"', why)] += 1
            if not given.quiet:
                name = (found.get("metadata") or {}).get("name")
                print(f"{file}: {name}: {'taken' if why is None else f'refused: {why}'}")
    for why, count in reasons.most_common():
        print(f"{count:5}  {why}")
    total = taken + sum(reasons.values())
    print(f"{taken} of {total} taken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
