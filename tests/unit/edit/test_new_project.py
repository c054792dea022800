from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.cli.command_table import COMMANDS
from compiler.edit.new_project import Platform, project_files
from compiler.packaged import chart_files
from compiler.pipeline import compile_project

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).resolve().parents[3] / "compiler"


FILES = project_files(Platform("shop", "shop-ns"))


def test_a_new_project_compiles_without_a_word(tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    result = compile_project(tmp_path)
    assert (result.diagnostics, result.project is not None) == ((), True)
    for name in ("environment", "catalogue", "values"):
        assert (tmp_path / f"schemas/{name}.schema.json").stat().st_size > 1000


def test_a_new_project_has_the_chart_that_its_values_are_for() -> None:
    assert chart_files().items() <= FILES.items()


def test_a_new_project_has_a_name_a_namespace_and_no_secret_yet() -> None:
    base, catalogue = FILES["environments/base.yaml"], FILES["environments/catalogue.yaml"]
    assert "\nnamespace: shop-ns\npartOf: shop\nargocdProject: shop-secrets\nstore: vault\n" in base
    assert base.endswith("\nsecrets: {}\n")
    assert catalogue.endswith(
        '\nnaming:\n  name: shop\n  target: "{name}-{secret}"\n  vault: "{namespace}/{secret}"\n'
        '  azurekv: "{namespace}-{secret}"\n'
    )
    assert FILES["README.md"].startswith("# Secrets of shop\n")
    written = "".join(text for path, text in FILES.items() if not path.startswith(("chart/", "schemas/")))
    assert "ai-platform" not in written
    assert "agent" not in written


def test_the_objects_of_a_new_project_are_part_of_its_platform(tmp_path: Path) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    project = compile_project(tmp_path).project
    assert project is not None
    assert [environment.part_of for environment in project.environments] == ["shop"]


def test_the_stores_are_where_they_are_said_to_be() -> None:
    url, server = "https://shop.vault.azure.net", "https://vault.shop.example"
    base = project_files(Platform("shop", "shop", "azurekv", server, url))["environments/base.yaml"]
    assert "\nstore: azure\n" in base
    assert f"\n    server: {server}\n    mount: secret\n" in base
    assert f"\n    vaultUrl: {url}\nsecrets:" in base
    assert "vaultUrl" not in FILES["environments/base.yaml"]


def test_names_that_yaml_reads_otherwise_are_quoted() -> None:
    files = project_files(Platform("no", "1"))
    assert '\nnamespace: "1"\npartOf: "no"\nargocdProject: no-secrets\n' in files["environments/base.yaml"]
    assert '\n  name: "no"\n' in files["environments/catalogue.yaml"]


def test_make_alone_lists_the_tasks(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(FILES["Makefile"], "utf-8")
    # Below another make it would say which folder it is in.
    make = ["/usr/bin/make", "--no-print-directory"]
    asked, alone = (
        subprocess.run([*make, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for words in (["help"], [])
    )
    assert asked == alone
    assert [line.split()[:2] for line in asked.splitlines()] == [["make", name] for name in ("help", "values", "check")]


def test_git_ignores_what_commands_leave(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(FILES[".gitignore"], "utf-8")
    git = ["/usr/bin/git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    left = [
        *["prod.age", "backups/prod.age", "audit.jsonl", "migration-audit.jsonl", "audit-2025-01.jsonl"],
        *[".platform-secrets/runs/x.jsonl", "chart/.values-dev.yaml.1.platform-secrets-tmp"],
    ]
    kept = ["chart/values-dev.yaml", "environments/dev.yaml", ".gitignore", ".vscode/settings.json", "Makefile"]
    done = subprocess.run([*git, "check-ignore", *left, *kept], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == left


TASK = re.compile(r"`make ([a-z-]+)|^\s*make ([a-z-]+) ENV=", re.MULTILINE)
FILE = re.compile(r"(?<![\w/.-])(?:scripts|docs|tests|requirements|schemas)/[\w./-]*\w")
# Reading what a text of the program is takes most of the time, and few modules hold one of these.
ADVICE = re.compile(r"make |platform-secrets |(?:scripts|docs|tests|requirements|schemas)/")
COMMAND = re.compile(r"(?:^ *|`|run )platform-secrets ([a-z]+)", re.MULTILINE)


def _texts_of_the_program() -> Iterator[str]:
    """Every text that the program may print: its strings, without the docstrings of what is no rule or command."""
    for path in sorted(PROGRAM.rglob("*.py")):
        if path.parent.name == "demo" or path.parent.parent.name == "demo":
            continue
        text = path.read_text("utf-8")
        if not ADVICE.search(text):
            continue
        nodes = list(ast.walk(ast.parse(text)))
        docs = {
            id(node.body[0].value)
            for node in nodes
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and not (isinstance(node, ast.Module) and path.parent.name == "rules")
        }
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield node.value


@pytest.mark.heavy
def test_what_texts_advise_exists_in_a_new_project() -> None:
    advised: set[str] = set()
    for text in (*FILES.values(), *_texts_of_the_program()):
        advised |= {f"make {one or other}" for one, other in TASK.findall(text)}
        advised |= {f"platform-secrets {name}" for name in COMMAND.findall(text)}
        advised |= set(FILE.findall(text))
    tasks = re.findall(r"^([a-z-]+):.*## ", FILES["Makefile"], re.MULTILINE)
    folders = {str(folder) for path in FILES for folder in Path(path).parents}
    there = {f"make {name}" for name in tasks} | {f"platform-secrets {name}" for name in COMMANDS} | FILES.keys()
    assert advised - there - folders == set()
    assert {"make values", "make check", "platform-secrets put"} <= advised


def test_links_of_a_new_project_lead_to_its_files() -> None:
    for path, text in FILES.items():
        if path.endswith(".md"):
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                file, _, _ = target.partition("#")
                if file and "://" not in file:
                    assert os.path.normpath(Path(path).parent / file) in FILES, target
