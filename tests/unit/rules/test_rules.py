import ast
import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from compiler.rules import RULES
from compiler.rules.api import Rule, Scope, find_nothing

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "compiler"
# The rules of a provider stand in its folder.
FOLDERS = (PACKAGE / "rules", *sorted(PACKAGE.glob("stores/*/rules")))
RULE_FILES = sorted(
    path for folder in FOLDERS for path in folder.glob("*.py") if "\n@rule(" in path.read_text(encoding="utf-8")
)
MODULES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in RULE_FILES}


def rule_of(path: Path) -> Rule:
    rule: Rule = importlib.import_module(MODULES[path]).check
    return rule


def its_test(path: Path) -> Path:
    return ROOT / "tests/unit" / path.parent.relative_to(PACKAGE) / f"test_{path.name}"


def test_no_rule_is_left_off_or_listed_twice() -> None:
    listed = [rule.id for rule in RULES]
    assert len(listed) == len(set(listed))
    assert {path.stem.replace("_", "-") for path in RULE_FILES} <= set(listed)
    assert len(RULE_FILES) > 50


def test_the_file_the_test_and_the_id_of_a_rule_have_one_name() -> None:
    assert [path for path in RULE_FILES if rule_of(path).id != path.stem.replace("_", "-")] == []
    assert [path for path in RULE_FILES if rule_of(path) not in RULES] == []
    assert [path for path in RULE_FILES if not its_test(path).is_file()] == []


def test_the_test_of_a_rule_has_input_that_keeps_it_and_input_that_breaks_it() -> None:
    texts = {
        path: its_test(path).read_text(encoding="utf-8")
        for path in RULE_FILES
        if rule_of(path).scope is not Scope.INPUT
    }
    assert [path for path, text in texts.items() if "assert not judge" not in text] == []
    assert [path for path, text in texts.items() if ".messages" not in text and ".marked" not in text] == []


def test_the_rules_of_a_zip_are_those_of_the_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        for path in PACKAGE.rglob("*.py"):
            archive.write(path, Path("compiler") / path.relative_to(PACKAGE))
    code = "import compiler.rules as found; print(found.__file__, *(rule.id for rule in found.RULES))"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "program.zip")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    file, *ids = done.stdout.split()
    assert "program.zip" in file
    assert ids == [rule.id for rule in RULES]


def test_no_module_of_a_rule_imports_another_one() -> None:
    imports = {
        f"{path.stem} imports {node.module}"
        for folder in FOLDERS
        for path in folder.glob("*.py")
        if path.stem != "__init__"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in MODULES.values()
    }
    assert imports == set()


def test_a_page_has_a_summary_an_example_and_a_way_out() -> None:
    assert [rule.id for rule in RULES if not is_complete(rule)] == []


def is_complete(rule: Rule) -> bool:
    """Whether the page begins with its summary, and text follows the first example."""
    paragraphs = [text for text in rule.page.strip().split("\n\n") if text.strip()]
    examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
    return (
        rule.summary == paragraphs[0]
        and rule.summary.endswith(".")
        and bool(examples)
        and any(not text.startswith("    ") for text in paragraphs[examples[0] + 1 :])
    )


def test_the_scope_of_a_rule_agrees_with_its_functions() -> None:
    assert [rule.id for rule in RULES if rule.check is find_nothing] == []
    assert [rule.id for rule in RULES if rule.scope is Scope.INPUT] == ["unused-waiver"]
    assert [
        rule.id for rule in RULES if rule.catalogue_check is not find_nothing and rule.scope is not Scope.ENVIRONMENT
    ] == []
