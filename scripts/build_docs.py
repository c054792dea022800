"""Rewrites the generated pages of docs/ and every transcript shown in Markdown; `--check` exits 1 where one is stale.

A transcript is a comment `<!-- run … -->` with shell lines and a `console` block: lines that begin with `$ ` are shown
with their output, the others must print nothing. A page's transcripts run in order in one fresh copy of the project.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.cli.commands import COMMANDS  # noqa: E402
from compiler.cli.invocation import kinds_of  # noqa: E402
from compiler.project_files import Library  # noqa: E402
from compiler.refusal import MEANINGS  # noqa: E402 - found only with the path above
from compiler.rules import ALL_RULES  # noqa: E402
from compiler.stages.resolve import catalogue_of  # noqa: E402
from compiler.stages.validate import read_schema  # noqa: E402
from scripts.mutants import FOLDER as MUTANTS  # noqa: E402
from scripts.mutants import load  # noqa: E402
from scripts.page_shell import page_shell  # noqa: E402
from scripts.pages.key_vault_guide import key_vault_guide  # noqa: E402
from scripts.pages.output_page import output_page  # noqa: E402
from scripts.pages.rules_page import rules_page  # noqa: E402
from scripts.pages.schema_page import GENERATED, schema_page  # noqa: E402
from scripts.pages.security_page import with_promises  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.page_shell import PageShell

TRANSCRIPT = re.compile(r"(<!-- run\n(?P<script>.*?)-->\n```console\n)(?P<shown>.*?)(?=```)", re.DOTALL)
# The Python whose argparse writes the help on the page of commands.
HELP_PYTHON = (3, 11)
COPIED = ("environments", "chart", "schemas", "Makefile", ".vscode")
ENVIRONMENT = """The keys of `environments/<env>.yaml`, `environments/base.yaml` and the files of
`environments/layers/`. No key is required in a single file: what a complete environment needs is checked after its
layers are merged."""
CATALOGUE = "The keys of `environments/catalogue.yaml`, which lists every secret. Environments choose from it."
VALUES = """What the compiler writes into `chart/values-<env>.yaml` and the chart reads: fully resolved, closed, every
string double-quoted. Nobody writes it by hand; this page is for those who review it."""


def pages(shell: PageShell) -> dict[str, str]:
    document = Library(ROOT).catalogue()
    if document is None:
        raise SystemExit("environments/catalogue.yaml cannot be read; run `make values`")
    return {
        "docs/ai-platform-azure-keyvault-secrets.md": key_vault_guide(catalogue_of(document)),
        "docs/reference/environment.md": schema_page(read_schema("environment"), "Environment", ENVIRONMENT),
        "docs/reference/catalogue.md": schema_page(read_schema("catalogue"), "Catalogue", CATALOGUE),
        "docs/reference/values.md": schema_page(read_schema("values"), "Values file", VALUES),
        "docs/reference/rules.md": rules_page(ALL_RULES),
        **({"docs/reference/commands.md": commands_page(shell)} if sys.version_info[:2] == HELP_PYTHON else {}),
        "docs/reference/exit-codes.md": exit_codes_page(),
        "docs/reference/output.md": output_page(output_schemas()),
        "SECURITY.md": with_promises(
            (ROOT / "SECURITY.md").read_text("utf-8"), load(ROOT, sorted((ROOT / MUTANTS).glob("*.yaml")))
        ),
    }


def output_schemas() -> dict[str, dict[str, Any]]:
    paths = sorted((ROOT / "schemas/output").glob("*.schema.json"))
    return {path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8")) for path in paths}


_ALSO = (
    "Also as `python -I -m compiler`, where the project is installed. Without `-I`, Python takes the package",
    "`compiler` of the working folder before the installed one: in a folder of somebody else, that is their program.",
    "`make help` lists the `make` targets.",
)


def commands_page(shell: PageShell) -> str:
    """The help of the program and of each command, as it prints it at 100 columns."""
    lines = ["# Commands", "", GENERATED, "", *_ALSO, ""]
    kinds = {name: kinds_of(module) for name, (module, _) in COMMANDS.items()}
    for name in ("", *(f"{name} {kind}".strip() for name, own in kinds.items() for kind in ("", *own))):
        title = f"platform-secrets {name}".strip()
        lines += [f"## {title}", "", "```text", shell.run(f"{title} --help", ROOT).rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def exit_codes_page() -> str:
    lines = ["# Exit codes", "", GENERATED, "", "The same for every command.", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def with_transcripts(page: str, shell: PageShell) -> str:
    if not TRANSCRIPT.search(page):
        return page
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        (folder / ".venv").mkdir()
        return TRANSCRIPT.sub(lambda match: match[1] + transcript(match["script"], folder, shell), page)


def transcript(script: str, folder: Path, shell: PageShell) -> str:
    shown = []
    for line in script.strip().split("\n"):
        printed = shell.run(line.removeprefix("$ "), folder)
        if line.startswith("$ "):
            shown.append(f"{line}\n{printed}")
        elif printed:
            raise SystemExit(f"this line of a transcript must print nothing: {line}\n{printed}")
    return "".join(shown)


def results(shell: PageShell) -> dict[Path, str]:
    found = {ROOT / path: text for path, text in pages(shell).items()}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if path not in found:
            found[path] = with_transcripts(path.read_text("utf-8"), shell)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Rewrite the generated pages and transcripts of the docs.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    check = parser.parse_args(arguments).check
    if sys.version_info[:2] != HELP_PYTHON:
        print(
            f"docs/reference/commands.md: skipped, as Python {'.'.join(map(str, HELP_PYTHON))} alone writes this page"
        )
    with page_shell() as shell:
        return settle(results(shell), check=check)


def settle(files: Mapping[Path, str], *, check: bool) -> int:
    """Write each file that holds another text; with `check` show the difference instead, and return 1 for any."""
    stale = 0
    for path, text in files.items():
        before = path.read_text("utf-8") if path.exists() else ""
        if before == text:
            continue
        stale += 1
        name = str(path.relative_to(ROOT))
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, f"{name} (make docs)")
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"{name}: written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
