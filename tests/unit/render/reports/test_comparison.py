from collections.abc import Iterable

from compiler.cli.terminal.contents import text_of
from compiler.model.values import SecretChange
from compiler.operations.diff import EnvironmentDiff
from compiler.render.content import Line, as_json
from compiler.render.reports.changes import comparison_data, comparison_lines, markdown

ADDED = SecretChange("n/s", "added", keys_added=("A_B",))
ELSEWHERE = ("SecretStore/a", "https://one", "https://two, mount kv_2")


def told(lines: Iterable[Line]) -> list[str]:
    return text_of(lines).splitlines()


def test_a_store_that_is_elsewhere_is_one_line() -> None:
    assert told(comparison_lines("a", "b", EnvironmentDiff((ADDED,), (ELSEWHERE,)))) == [
        "from a to b:",
        "  SecretStore/a: https://one -> https://two, mount kv_2",
        "  added n/s with A_B",
    ]
    assert told(comparison_lines("a", "b", EnvironmentDiff((), (ELSEWHERE,))))[0] == "from a to b:"
    assert told(comparison_lines("a", "b", EnvironmentDiff(()))) == ["from a to b: no differences"]


def test_what_was_not_compared_is_said_even_where_nothing_differs() -> None:
    found = EnvironmentDiff((), (), ("SecretStore/a", "SecretStore/b_c"))
    assert told(comparison_lines("x.yaml", "b", found)) == [
        "from x.yaml to b: no differences",
        "addresses not compared, as x.yaml does not tell them: SecretStore/a, SecretStore/b_c",
    ]
    assert told(markdown("x.yaml", "b", found)) == [
        "### `x.yaml` → `b`",
        "",
        "No differences.",
        "",
        r"addresses not compared, as x.yaml does not tell them: SecretStore/a, SecretStore/b\_c",
    ]


def test_markdown_is_one_row_a_store_and_one_a_secret() -> None:
    assert told(markdown("a`b", "c", EnvironmentDiff((ADDED,), (ELSEWHERE,)))) == [
        "### `a'b` → `c`",
        "",
        "| | what | details |",
        "|---|---|---|",
        r"| changed | `SecretStore/a` | https://one -> https://two, mount kv\_2 |",
        r"| added | `n/s` | A\_B |",
    ]
    assert told(markdown("a", "b", EnvironmentDiff(()))) == ["### `a` → `b`", "", "No differences."]


def test_data_has_every_part() -> None:
    data = as_json(comparison_data(EnvironmentDiff((ADDED,), (ELSEWHERE,), ("SecretStore/b",))))
    assert [each["title"] for each in data.pop("changes")] == ["n/s"]
    assert data == {
        "addresses": [{"store": "SecretStore/a", "before": "https://one", "after": "https://two, mount kv_2"}],
        "addressesNotCompared": ["SecretStore/b"],
    }
