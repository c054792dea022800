from collections.abc import Iterable

from compiler.cli.terminal.contents import text_of
from compiler.model.values import SecretChange
from compiler.operations.diff import EnvironmentDiff
from compiler.render.content import Line, as_json
from compiler.render.reports.changes import (
    as_data,
    change_lines,
    change_row,
    comparison_data,
    comparison_lines,
    markdown,
)
from tests.leaks import leaks

SENTINEL = "ghp_s3ntinels3ntinels3ntinels3ntinel0"
CHANGED = SecretChange(
    "n/a",
    "changed",
    keys_added=("K1",),
    keys_removed=("K2", "K3"),
    keys_moved=(("M1", "x[M1]", "y[M1]"), ("M2", "x[M2]", "y[M2]"), ("M3", "x[M3]", "pem")),
    fields=(("fetch", "perKey", "bundle"), ("label team", "", "a")),
)


def told(lines: Iterable[Line]) -> list[str]:
    return text_of(lines).splitlines()


def test_a_change_is_told_in_words() -> None:
    assert told(change_lines(CHANGED)) == [
        "changed n/a",
        "  fetch: perKey -> bundle",
        "  label team: (none) -> a",
        "  moved M3: x[M3] -> pem",
        "  moved M1, M2: x -> y",
        "  added K1",
        "  removed K2, K3",
    ]


def test_of_many_keys_the_first_are_named_and_data_has_all() -> None:
    keys = tuple(f"KEY_{number}" for number in range(5000))
    (line,) = told(change_lines(SecretChange("n/a", "added", keys_added=keys)))
    assert line.endswith(", KEY_11 and 4988 more")
    assert len(line) < 200
    assert len(as_data(SecretChange("n/a", "added", keys_added=keys))["keysAdded"]) == 5000


def test_what_comes_and_goes_names_its_keys_and_what_that_does() -> None:
    assert told(change_lines(SecretChange("n/a", "added", keys_added=("K", "L")))) == ["added n/a with K, L"]
    removed = SecretChange("n/a", "removed", keys_removed=("K",))
    assert told(change_lines(removed, consequence="pods stop")) == ["removed n/a with K: pods stop"]
    assert told(change_lines(SecretChange("ClusterSecretStore s", "removed"))) == ["removed ClusterSecretStore s"]
    assert told(change_lines(SecretChange("ClusterSecretStore s", "added"))) == ["added ClusterSecretStore s"]


def test_a_row_of_markdown_is_escaped() -> None:
    hostile = SecretChange("a|b`c", "changed", fields=(("x", "<b>|*", "_"),))
    assert told([change_row(hostile)]) == [r"| changed | `a\|b'c` | x: &lt;b>\|\* -> \_ |"]
    assert told([change_row(SecretChange("n/s", "added", keys_added=("A_B",)))]) == [r"| added | `n/s` | A\_B |"]


def test_nothing_that_looks_like_a_credential_is_shown_and_no_line_is_broken() -> None:
    change = SecretChange(
        SENTINEL,
        "changed",
        keys_added=(SENTINEL,),
        keys_removed=(SENTINEL,),
        keys_moved=((SENTINEL, SENTINEL, f"{SENTINEL}[{SENTINEL}]"),),
        fields=((SENTINEL, SENTINEL, "a\nb\x1b"),),
    )
    assert len(told(change_lines(change))) == 5
    for content in (change_lines(change), [change_row(change)], as_data(change)):
        text = text_of(content)
        assert not leaks(text, SENTINEL)
        assert "\x1b" not in text


def test_a_place_beside_the_name_of_a_token_is_no_password() -> None:
    moved = SecretChange("n/a", "changed", keys_moved=(("SLACK_TOKEN", "prod/slack-2", "prod/slack-3[x]"),))
    assert told(change_lines(moved))[1] == "  moved SLACK_TOKEN: prod/slack-2 -> prod/slack-3[x]"
    assert r"SLACK\_TOKEN: prod/slack-2 -> prod/slack-3\[x]" in told([change_row(moved)])[-1]


ADDED = SecretChange("n/s", "added", keys_added=("A_B",))
ELSEWHERE = ("SecretStore/a", "https://one", "https://two, mount kv_2")


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


def test_the_data_of_a_comparison_has_every_part() -> None:
    data = as_json(comparison_data(EnvironmentDiff((ADDED,), (ELSEWHERE,), ("SecretStore/b",))))
    assert [each["title"] for each in data.pop("changes")] == ["n/s"]
    assert data == {
        "addresses": [{"store": "SecretStore/a", "before": "https://one", "after": "https://two, mount kv_2"}],
        "addressesNotCompared": ["SecretStore/b"],
    }
