"""SECURITY.md has for each promise a test and a line that this test guards; `make mutants` plants each such mistake."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.mutants import FOLDER, load
from scripts.pages.security_page import with_promises

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
MUTANTS = load(ROOT, sorted((ROOT / FOLDER).glob("*.yaml")))
PROMISED = [each for each in MUTANTS if each.promise is not None]


def test_the_tables_are_those_of_the_mutant_lists() -> None:
    assert with_promises(PAGE, MUTANTS) == PAGE, "run `make docs`"
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]
    assert len(rows) == len(PROMISED)


def test_each_party_has_promises_and_each_promise_a_part() -> None:
    parts = re.findall(r"<!-- promises: (.*) -->", PAGE)
    for against in parts:
        assert sum(each.promise is not None and each.promise["against"] == against for each in PROMISED) >= 5, against
    lost = replace(PROMISED[0], promise={"against": "nobody", "text": "x"})
    with pytest.raises(ValueError, match="differ in nobody"):
        with_promises(PAGE, [*MUTANTS, lost])


def test_each_promise_names_a_test_that_is_there_and_a_line_that_its_mistake_changes() -> None:
    """That the file has the line once is checked of every mutant by tests/unit/scripts/test_mutants.py."""
    for each in PROMISED:
        assert each.equivalent is None, each
        for test in each.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), each
            assert not name or f"def {name}(" in (ROOT / path).read_text("utf-8"), each
        assert each.line, each
        assert each.line in (ROOT / each.file).read_text("utf-8"), each
        assert each.line not in each.new.splitlines(), each


def test_each_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > len(PROMISED)
    assert [link for link in links if not (ROOT / link).exists()] == []
