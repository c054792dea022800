import ast
import builtins
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest
import yaml

from scripts.mutants import FOLDER, ROOT, Mutant, load, main

WORD = re.compile(r"[A-Za-z_]\w*")
CODE = "def larger(a: int, b: int) -> int:\n    return a if a > b else b\n"
TEST = "from larger import larger\n\n\ndef test_the_larger() -> None:\n    assert larger(2, 1) == 2\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # What loads this project's plugins takes longer than the tests of the tree.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name, text in {"larger.py": CODE, "test_larger.py": TEST}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / FOLDER).mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # noqa: S607
    return tmp_path


def plant(tree: Path, *entries: dict[str, str]) -> None:
    common = {"file": "larger.py", "tests": ["test_larger.py"], "why": "the smaller is returned"}
    (tree / FOLDER / "area.yaml").write_text(yaml.safe_dump([{**common, **entry} for entry in entries]))


def test_each_mutant_of_the_project_can_be_planted() -> None:
    assert [
        problem for mutant in load(ROOT, sorted((ROOT / FOLDER).glob("*.yaml"))) for problem in problems(mutant)
    ] == []


def problems(mutant: Mutant) -> Iterator[str]:
    try:
        mutant.apply(ROOT)
        if mutant.file.endswith(".py"):
            yield from (f"{mutant}: there is no name {name}" for name in unknown_names(mutant))
    except ValueError as error:
        yield str(error)
        return
    except (OSError, SyntaxError) as error:
        yield f"{mutant}: {error}"
        return
    if mutant.old == mutant.new:
        yield f"{mutant}: the new text is the old one"
    missing = [test for test in mutant.tests if not (ROOT / test.partition("::")[0]).exists()]
    yield from (f"{mutant}: there is no {test}" for test in missing)


def unknown_names(mutant: Mutant) -> set[str]:
    """Names that the mistake brings along and nobody defines: any test fails for such a one, and none for the mistake.

    Attributes are looked for on `self` alone. Raises SyntaxError where what is planted is no Python.
    """
    changed = ast.parse(changed_statements(mutant), mutant.file)
    words = {*WORD.findall(mutant.new)} - words_of(mutant.file) - {*dir(builtins)}
    if not words:
        return set()
    found, bound = set[str](), set[str]()
    for node in ast.walk(changed):
        if isinstance(node, ast.Name):
            (found if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            found.add(node.attr)
    return words & found - bound


def changed_statements(mutant: Mutant) -> str:
    """The statements of the module that the mistake stands in: parsing the rest once a file is enough."""
    text = text_of(mutant.file)
    start = text.index(mutant.old)
    end = start + len(mutant.old)
    for first, last in statements(mutant.file):
        if first < end and start < last:
            start, end = min(start, first), max(end, last)
    return text[start:end].replace(mutant.old, mutant.new)


@cache
def statements(file: str) -> list[tuple[int, int]]:
    """Where each statement of a module begins and ends, decorators and the end of the line included."""
    lines = text_of(file).splitlines(keepends=True)
    places = [0, *accumulate(map(len, lines))]
    return [
        (places[min(each.lineno for each in (node, *getattr(node, "decorator_list", ()))) - 1], places[node.end_lineno])
        for node in ast.parse(text_of(file), file).body
        if node.end_lineno is not None
    ]


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


@cache
def words_of(file: str) -> set[str]:
    return {*WORD.findall(text_of(file))}


def test_a_name_that_nobody_defines_is_found() -> None:
    file, tests = "compiler/stores/vault/client.py", ("tests/unit/stores",)

    def planted(new: str) -> set[str]:
        return unknown_names(Mutant("", file, "        self._retrier.close()\n", f"        {new}\n", tests, ""))

    assert planted("self._gone.close(infinite)") == {"_gone", "infinite"}
    assert planted("self._lock.close([other for other in repr(self)])") == set()
    with pytest.raises(SyntaxError):
        planted("self._lock.close(")


def test_what_survives_is_printed_and_fails(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survivor = {"old": "a > b", "new": "a > b - 1", "why": "equal numbers"}
    argued = {"old": "a > b", "new": "a >= b", "why": "of two equal", "equivalent": "either is as large"}
    plant(tree, {"old": "a > b", "new": "a < b"}, survivor, argued)
    assert main(["--workers", "1"], root=tree) == 1
    assert capsys.readouterr().out.splitlines() == [
        "survived: tests/mutants/area.yaml: larger.py: 'a > b': equal numbers",
        "equivalent: tests/mutants/area.yaml: larger.py: 'a > b': of two equal: either is as large",
        "1 of 2 mutants killed, 1 argued as equivalent",
    ]
    assert (tree / "larger.py").read_text() == CODE


def test_all_killed_is_fine(tree: Path) -> None:
    plant(tree, {"old": "a > b", "new": "a < b"})
    assert main(["--workers", "2", str(tree / FOLDER / "area.yaml")], root=tree) == 0


def test_tests_that_fail_anyway_prove_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "larger.py").write_text(CODE.replace("a > b", "a < b"))
    plant(tree, {"old": "a < b", "new": "a <= b"})
    assert main(["--workers", "1"], root=tree) == 3
    assert capsys.readouterr().err == "the tests fail without any mutant\n"


def test_a_text_that_is_not_there_once_is_refused(tree: Path) -> None:
    plant(tree, {"old": "b", "new": "a"})
    with pytest.raises(ValueError, match="the old text occurs 3 times"):
        main(["--workers", "1"], root=tree)
