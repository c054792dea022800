from __future__ import annotations

import time

import pytest

from compiler.operations.consumers.expansion import Reference, Where, names_in, references


# What `expansion.Expand` of Kubernetes makes of them, by its own tests and by reading it.
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", []),
        ("$", []),
        ("$(A)", ["A"]),
        ("a $(A) b $(B) $(A)", ["A", "B"]),
        ("$$(A)", []),
        ("$$$(A)", ["A"]),
        ("$$$$(A)", []),
        ("$A ${B}", []),
        ("$(A", []),
        ("$((A))", []),
        ("$(cat /a/file) $(A)", ["A"]),
        ("$(a-b.c_D9)", ["a-b.c_D9"]),
        ("$(9A)", []),
        ("$(echo $(A))", []),
        ("$x(A)$(B)", ["B"]),
        ("$(" + "A" * 254 + ")", []),
    ],
)
def test_names_are_read_as_kubernetes_reads_them(written: str, expected: list[str]) -> None:
    assert list(names_in(written)) == expected


def test_a_text_of_nothing_but_beginnings_is_read_at_once() -> None:
    before = time.process_time()
    assert list(names_in("$(" * 500_000)) == []
    assert list(names_in("$(A)" * 100_000)) == ["A"]
    assert time.process_time() - before < 5


def test_references_stand_in_words_and_values_in_their_order() -> None:
    container = {
        "command": ["run", "$(A)"],
        "args": ["--b=$(B)", 5, None],
        "env": [{"name": "X", "value": "1"}, "?", {"value": "$(N)"}, {"name": "Y", "value": "$(X)"}, {"name": "Z"}],
    }
    assert list(references(container)) == [
        Reference("A", ("command", 1)),
        Reference("B", ("args", 0)),
        Reference("X", ("env", 3, "value"), "Y", 1),
    ]


def test_paths_of_volumes_probes_and_hooks_come_last() -> None:
    container = {
        "lifecycle": {"preStop": {"exec": {"command": ["bye", "$(D)"]}}, "postStart": {"httpGet": {"path": "$(N)"}}},
        "readinessProbe": {"exec": {"command": ["sh", "-c", "ping $(C)"]}},
        "livenessProbe": {"exec": "$(N)"},
        "volumeMounts": [{"name": "v", "subPath": "$(N)"}, {"name": "w", "subPathExpr": "a/$(B)"}],
        "args": ["$(A)"],
    }
    assert list(references(container)) == [
        Reference("A", ("args", 0)),
        Reference("B", ("volumeMounts", 1, "subPathExpr"), where=Where.SUB_PATH),
        Reference("C", ("readinessProbe", "exec", "command", 2), is_script=True, where=Where.PROBE),
        Reference("D", ("lifecycle", "preStop", "exec", "command", 1), where=Where.HOOK),
    ]


@pytest.mark.parametrize(
    ("words", "is_script"),
    [
        ({"command": ["sh", "-c"], "args": ["run $(date)"]}, True),
        ({"command": ["bash", "-euc", "run $(date)"]}, True),
        ({"args": ["set -e\nrun $(date)"]}, True),
        ({"command": ["run", "--c", "$(date)"]}, False),
        ({"command": ["sh", "-c", "run", "$(date)"]}, False),
    ],
)
def test_a_script_of_a_shell_is_told(words: dict[str, list[str]], *, is_script: bool) -> None:
    (found,) = references(words)
    assert found.is_script is is_script


@pytest.mark.parametrize("container", [{}, {"args": "$(A)", "command": {"a": "$(A)"}, "env": {"name": "$(A)"}}])
def test_what_has_another_form_refers_to_nothing(container: dict[str, object]) -> None:
    assert list(references(container)) == []
