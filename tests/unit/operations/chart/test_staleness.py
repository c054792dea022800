import time
from pathlib import Path

import pytest

from compiler.operations.diff import differing_lines, stale_values
from compiler.pipeline import ValuesFile
from compiler.render.content import show
from compiler.stages.files import Output
from tests.pace import allowed


def _file(old: str | None, new: str) -> ValuesFile:
    return ValuesFile("dev", Output(Path("chart/values-dev.yaml"), "chart/values-dev.yaml", new), old, {})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", "chart/values-dev.yaml:2:1"),
        ("a\n", "a\nb\n", "chart/values-dev.yaml:1:2"),
        ("a\nb\n", "a\n", "chart/values-dev.yaml:2:1"),
        ("", "a\n", "chart/values-dev.yaml:1:1"),
        (None, "a\n", "chart/values-dev.yaml:1:1"),
    ],
)
def test_the_first_line_that_differs_is_named(old: str | None, new: str, where: str) -> None:
    diagnostic = stale_values(_file(old, new))
    assert (diagnostic.rule, diagnostic.span.where) == ("stale-values", where)
    assert diagnostic.help == "run `platform-secrets compile dev` and commit the result"


def test_a_missing_file_is_called_missing() -> None:
    missing = _file(None, "a\n")
    assert stale_values(missing).message == "chart/values-dev.yaml is missing"
    assert list(differing_lines(missing))[2:] == ["@@ -0,0 +1 @@", "+a"]


def test_the_lines_are_a_unified_diff() -> None:
    old, new = (f"# Compiled from x\nremoteRefDefaults: {{metadataPolicy: {text}}}\n" for text in ("a", "b"))
    assert list(differing_lines(_file(old, new))) == [
        "--- chart/values-dev.yaml",
        "+++ chart/values-dev.yaml (compiled)",
        "@@ -1,2 +1,2 @@",
        " # Compiled from x",
        "-remoteRefDefaults: {metadataPolicy: a}",
        "+remoteRefDefaults: {metadataPolicy: b}",
    ]


def test_what_no_compile_wrote_is_in_neither_the_diff_nor_the_diagnostic() -> None:
    head = "# Compiled from x\nexternalSecrets:\n  jira:\n"
    new = f'{head}    name: "jira"\n'
    old = f"{head}    password: hunter2-and-more # hunter2-and-more\n    name: hunter2\n"
    lines = list(differing_lines(_file(old, new)))
    assert lines[6:] == ["-    password: … …", "-    name: hunter2", '+    name: "jira"']
    diagnostic = stale_values(_file(old, new))
    (shown,) = show([diagnostic])
    assert (shown.line, shown.source_line) == (4, "    password: … …")
    # One line's, not those of all the file: each is looked for in the message.
    assert len(diagnostic.conceals) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "a: [hunter2",
        "hunter2",
        "- hunter2",
        "a: b: hunter2",
        "[" * 100_000,
        "externalSecrets:\n  jira:\n    name: &hunter2 x",
        "externalSecrets:\n  jira:\n    name: !hunter2 x",
        "externalSecrets:\n  jira:\n    labels: !hunter2 {team: x}",
        "externalSecrets:\n  jira:\n    ? [hunter2]\n    : hunter2",
        "externalSecrets:\n  jira:\n    labels: &a {hunter2: x}\n    more: *a",
    ],
    ids=lambda text: text[-12:],
)
def test_of_what_is_no_values_file_the_first_line_is_shown(broken: str) -> None:
    file = _file(f"# Compiled from x\n{broken}\n", "# Compiled from x\na: b\n")
    lines = list(differing_lines(file))
    assert "hunter2" not in "".join(lines)
    assert lines[3:] == [" # Compiled from x", "-…", "+a: b"]
    (shown,) = show([stale_values(file)])
    assert "hunter2" not in str(shown)


def test_nested_aliases_cost_no_time() -> None:
    levels = "".join(f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]\n" for level in range(1, 60))
    begin = time.process_time()
    lines = differing_lines(_file(f"# Compiled from x\na0: &a0 [hunter2]\n{levels}", "# Compiled from x\na: b\n"))
    assert "hunter2" not in "".join(lines)
    assert time.process_time() - begin < allowed(1)


def test_a_file_that_git_has_changed_is_said_to_be() -> None:
    text = "a: 1\nb: 2\n"
    breaks = stale_values(_file(text.replace("\n", "\r\n"), text))
    assert breaks.message.endswith(" compiles to: it has CRLF line breaks")
    assert (breaks.help or "").endswith("; `*.yaml text eol=lf` in .gitattributes keeps Git from making them")
    conflict = stale_values(_file("b: 2\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n", text))
    assert conflict.message.endswith(" compiles to: a merge conflict is not resolved")
    assert (conflict.span.line, conflict.help) == (2, stale_values(_file("c: 3\n", text)).help)
