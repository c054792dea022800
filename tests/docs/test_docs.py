import re
import subprocess
from pathlib import Path

import pytest

from compiler.stages.load import load_text
from compiler.stages.validate import validate
from scripts.build_docs import results, settle
from scripts.page_shell import PageShell
from tests.docs.anchors import anchors

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "chart/README.md"]
# Pages whose YAML is a piece of an environment; those of generated pages are proved by the rules' own tests.
GUIDES = [ROOT / f"docs/how-to/{name}.md" for name in ("set-up-stores", "daily-work", "move-to-key-vault")]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_generated_pages_and_transcripts_are_what_the_program_says(
    shell: PageShell, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = settle(results(shell), check=True)
    assert stale == 0, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_local_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        other = (page.parent / file).resolve() if file else page
        assert other.exists(), f"{page.name}: {target}"
        if anchor and other.suffix == ".md":
            assert anchor in anchors(other.read_text("utf-8")), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_row_of_a_table_has_the_cells_of_its_head(page: Path) -> None:
    # GitHub splits at each bar, in code too, and drops what is too much.
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        head, _, *rows = (len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines())
        assert set(rows) <= {head}, table


@pytest.mark.parametrize("page", GUIDES, ids=names(GUIDES))
def test_examples_of_environments_are_valid(page: Path) -> None:
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    for indent, block in blocks:
        text = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        document, diagnostics = load_text("example.yaml", text)
        assert document is not None, diagnostics
        schema = "catalogue" if text.startswith("# environments/catalogue.yaml\n") else "environment"
        assert validate(document, schema)[1] == ()


def test_every_command_and_every_task_has_its_place_in_the_docs() -> None:
    commands = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    helped = subprocess.run(["/usr/bin/make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True)
    first, _, rest = helped.stdout.partition("to work on it:\n")
    assert all(f"make {task} " in first for task in ("install", "values", "check", "parity", "test"))
    assert first.count("\n") < rest.count("\n")
    for task in [
        "values",
        "check",
        "parity",
        "test",
        "test-fast",
        "lint",
        "types",
        "layers",
        "golden",
        "docs",
        "schemas",
        "chart",
        "bench",
        "proofs",
        "test-live",
        "e2e",
        "clean",
    ]:
        assert f"make {task} " in helped.stdout
    for name in [
        *["compile", "explain", "diff", "render", "generate", "rules", "new", "completion"],
        *[
            "verify",
            "consumers",
            "import",
            "put",
            "rotate",
            "migrate",
            "cutover",
            "retire",
            "status",
            "backup",
            "restore",
        ],
    ]:
        assert f"\n## platform-secrets {name}\n" in commands


def test_make_says_what_it_does_while_it_installs(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in (
        "Makefile",
        "pyproject.toml",
        *(f"requirements/{lock}.txt" for lock in ("runtime", "extras", "build", "dev", "uv")),
    ):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    # Stands for Python, and for the programs of the environment that it makes.
    stub = tmp_path / "stub"
    made = "for each in python uv; do cp stub .venv/bin/$each; done"
    stub.write_text(f'#!/bin/sh\n[ "$2" = venv ] || exit 0\nmkdir -p .venv/bin && {made}\n')
    stub.chmod(0o755)
    said = [
        subprocess.run(
            ["/usr/bin/make", "-C", str(tmp_path), "PYTHON=./stub", task], capture_output=True, text=True, check=True
        ).stderr.splitlines()
        for task in (".venv/.runtime", ".venv/.runtime", "install", ".venv/.dev", "install")
    ]
    assert said == [
        ["setting up .venv", "installing requirements/runtime.txt into .venv"],
        [],
        ["installing requirements/extras.txt into .venv; this takes half a minute"],
        ["installing requirements/dev.txt into .venv; this takes half a minute"],
        [],
    ]
    (tmp_path / ".venv/bin/uv").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".venv/.dev").unlink()
    again = subprocess.run(
        ["/usr/bin/make", "-C", str(tmp_path), ".venv/.dev"], capture_output=True, text=True, check=True
    )
    assert again.stderr.splitlines()[-1] == "uv cannot install them, as it reads no pip.conf; pip tries it"
