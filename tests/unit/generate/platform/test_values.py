from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from compiler.generate.platform import Absent, Available, Derived, Forms, Mounted, Row, Version, derived_name, mounted

if TYPE_CHECKING:
    from collections.abc import Container

VERSION = Version((1, 0, 0))
JIRA = Available("jira", "agent-jira-secrets", frozenset({"TOKEN"}), ("mcp-jira",))
UI = Available("ui", "ui-secret", frozenset({"A"}), ())


def made(*rows: Row, secrets: tuple[Available, ...] = (JIRA,), elsewhere: Container[str] = ()) -> Mounted:
    forms = Forms(Version((0, 1, 0)), (1, 3), "caipe", (Row(off=("global.eso",)),), rows, {})
    return mounted(forms, VERSION, "caipe", secrets, elsewhere)


def test_names_keys_and_switches_go_where_they_belong() -> None:
    found = made(
        Row(("jira",), names=("a.b.name", "c.name"), keys={"a.b.key": "TOKEN"}, off=("a.create",), note="mind it")
    )
    assert found.values == {
        "global": {"eso": False},
        "a": {"b": {"name": JIRA.name, "key": "TOKEN"}, "create": False},
        "c": {"name": JIRA.name},
    }
    assert (found.used, found.notes) == ({"jira"}, [("jira", "mind it")])
    assert (found.misnamed, found.lacking) == ([], [])


def test_a_row_of_another_version_and_one_without_a_secret_write_nothing() -> None:
    old = Row(("jira",), before=Version((0, 5, 0)), names=("old",))
    found = made(old, Row(("github",), names=("new",), off=("x.create",)))
    assert (found.values, found.used) == ({"global": {"eso": False}}, set())


def test_the_first_secret_that_there_is_counts() -> None:
    row = Row(("slack-mcp", "jira"), names=("name",))
    assert made(row).values["name"] == JIRA.name
    other = Available("slack-mcp", "other", frozenset(), ())
    assert made(row, secrets=(JIRA, other)).used == {"slack-mcp"}


@pytest.mark.parametrize(("count", "used"), [(0, set()), (1, {"own-0"}), (2, set())])
def test_a_secret_of_another_name_is_found_by_who_mounts_it(count: int, used: set[str]) -> None:
    secrets = tuple(Available(f"own-{each}", "s", frozenset(), ("mcp-jira",)) for each in range(count))
    assert made(Row(("jira",), "mcp-jira", names=("name",)), secrets=secrets).used == used


@pytest.mark.parametrize(
    ("secrets", "elsewhere", "values"),
    [
        ((UI,), (), {"ui": {"admin": ""}}),
        ((UI,), {"platform-secret"}, {}),
        ((JIRA,), (), {}),
        ((UI, Available("platform", "p", frozenset(), ())), (), {"ui": {"admin": "p"}}),
    ],
)
def test_a_default_that_nothing_makes_is_taken_away(
    secrets: tuple[Available, ...], elsewhere: Container[str], values: dict[str, Any]
) -> None:
    row = Row(("platform",), names=("ui.admin",), absent=Absent({"ui.admin": ""}, "ui", "platform-secret"))
    found = made(row, secrets=secrets, elsewhere=elsewhere)
    assert found.values == {"global": {"eso": False}, **values}


def test_a_name_that_the_chart_derives_and_a_key_that_is_not_there_are_told() -> None:
    derived = Row(("jira",), derived=Derived("mongodb", "-secret"))
    assert made(derived).misnamed == [(JIRA, "caipe-mongodb-secret")]
    right = Available("jira", "caipe-mongodb-secret", frozenset(), ())
    assert made(derived, secrets=(right,)).misnamed == []
    assert made(Row(("jira",), keys={"a": "OTHER"})).lacking == [(JIRA, "OTHER")]


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("caipe", "caipe-mongodb-secret"),
        ("my-mongodb-1", "my-mongodb-1-secret"),
        ("a" * 54, f"{'a' * 54}-mongodb-secret"),
        ("a" * 58, f"{'a' * 58}-mong-secret"),
        ("a" * 62, f"{'a' * 62}-secret"),
    ],
)
def test_derived_names_are_helms(release: str, name: str) -> None:
    assert derived_name(Derived("mongodb", "-secret"), release) == name
