import ast
import importlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

from compiler.rules import ALL_RULES, RULES
from compiler.rules.api import Rule, Scope, find_nothing

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "compiler"


def own_rules(module: ModuleType) -> list[tuple[str, Rule]]:
    return [(name, each) for name, each in vars(module).items() if isinstance(each, Rule)]


# The rules of a provider stand in its folder.
FOLDERS = (PACKAGE / "rules", *sorted(PACKAGE.glob("stores/*/rules")))
MODULES = {
    path: importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for folder in FOLDERS
    for path in sorted(folder.glob("*.py"))
    if "\n@rule(" in path.read_text(encoding="utf-8")
}
FOUND = [(path, name, rule) for path, each in MODULES.items() for name, rule in own_rules(each)]


def its_test(path: Path) -> str:
    return (ROOT / "tests/unit" / path.parent.relative_to(PACKAGE) / f"test_{path.name}").read_text(encoding="utf-8")


def test_no_rule_is_left_off_or_listed_twice() -> None:
    listed = [rule.id for rule in RULES]
    assert len(listed) == len(set(listed))
    assert sorted(rule.id for _, _, rule in FOUND) == listed
    assert len(listed) > 50


def test_the_function_and_the_id_of_a_rule_have_one_name() -> None:
    assert [name for _, name, rule in FOUND if name != f"find_{rule.id.replace('-', '_')}"] == []


def test_each_page_is_that_of_a_rule() -> None:
    pages = [path.stem for folder in FOLDERS for path in (folder / "pages").iterdir()]
    assert sorted(pages) == sorted(rule.id for rule in ALL_RULES)


def test_each_rule_is_tested_with_input_that_keeps_it_and_input_that_breaks_it() -> None:
    texts = {name: its_test(path) for path, name, rule in FOUND if rule.scope is not Scope.INPUT}
    kept = {name: re.search(rf"assert not judge(?:_project)?\(\s*{name}\b", text) for name, text in texts.items()}
    assert [name for name, found in kept.items() if found is None] == []
    judged = {name: re.findall(rf"judge(?:_project)?\(\s*{name}\b", text) for name, text in texts.items()}
    assert [name for name, found in judged.items() if len(found) < 2] == []


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
    names = {each.__name__ for each in MODULES.values()}
    imports = {
        f"{path.stem} imports {node.module}"
        for folder in FOLDERS
        for path in folder.glob("*.py")
        if path.stem != "__init__"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in names
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
