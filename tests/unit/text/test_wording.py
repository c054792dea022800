import shlex
import sys
from contextvars import copy_context
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import compiler.text.wording
from compiler.text.wording import (
    closest,
    command_line,
    first_difference,
    helm_line,
    install_line,
    kubectl_line,
    list_names,
    name_context,
    name_project,
    name_versions,
    pieces_of,
    pluralize,
    quote,
    shell_line,
    suggest,
    typing_mistake,
)


def test_quotes_a_name() -> None:
    assert quote("agent-github") == '"agent-github"'


def test_never_shows_what_looks_like_a_credential() -> None:
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert token not in quote(f"a/{token}")
    assert token not in list_names(["a", token])


@pytest.mark.parametrize("character", ["\n", "\x1b", "\u2028", "\u202e"])
def test_stays_on_one_line_and_gives_no_orders_to_a_terminal(character: str) -> None:
    assert quote(f"a{character}b") == '"a\N{REPLACEMENT CHARACTER}b"'


def test_cuts_a_long_list_and_says_so() -> None:
    assert list_names(["a", "b"]) == '"a", "b"'
    assert list_names("abcde") == '"a", "b", "c", "d", "e"'
    assert list_names("abcdefg") == '"a", "b", "c", "d", "e" and 2 more'
    assert list_names("abcdefg", 6) == '"a", "b", "c", "d", "e", "f" and 1 more'
    assert list_names("abcdefg", 7) == '"a", "b", "c", "d", "e", "f", "g"'


def test_a_name_that_is_longer_than_any_is_cut() -> None:
    assert quote("a" * 300) == f'"{"a" * 300}"'
    assert quote("a" * 200_000) == f'"{"a" * 300}..."'
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJKLMNOP"
    assert "ghp_" not in quote("-" * 290 + token)


def test_the_names_of_a_line_are_pieces_and_the_rest_is_counted() -> None:
    assert pieces_of(["a", "b"]) == ("a", ", ", "b")
    assert pieces_of("abc", 2) == ("a", ", ", "b", " and 1 more")
    assert "".join(pieces_of([str(number) for number in range(5000)])).endswith(", 11 and 4988 more")
    assert pieces_of([]) == ()


def test_counts() -> None:
    assert (pluralize(1, "key"), pluralize(0, "key"), pluralize(2, "remote secret")) == (
        "1 key",
        "0 keys",
        "2 remote secrets",
    )


@pytest.mark.parametrize(("versions", "words"), [((), ""), (("2",), "version 2"), (("1", "10"), "versions 1, 10")])
def test_versions_are_numbered(versions: tuple[str, ...], words: str) -> None:
    assert name_versions(versions) == words


def test_a_line_names_the_program_and_its_words() -> None:
    assert command_line("compile", "prod") == "platform-secrets compile prod"


def test_it_names_the_projects_folder_where_the_command_was_given_one() -> None:
    def named(root: str | None) -> str:
        name_project(root)
        return command_line("explain", "prod", "a b")

    assert copy_context().run(named, "my project") == "platform-secrets --root 'my project' explain prod 'a b'"
    assert copy_context().run(named, None) == "platform-secrets explain prod 'a b'"


def test_a_line_about_the_cluster_names_its_context_where_the_command_was_given_one() -> None:
    def lines(context: str | None) -> list[str]:
        name_context(context)
        return [kubectl_line("get", "pods"), helm_line("upgrade", "a", "chart"), shell_line("bao", "status")]

    named = ["kubectl --context 'my one' get pods", "helm --kube-context 'my one' upgrade a chart", "bao status"]
    assert copy_context().run(lines, "my one") == named
    assert copy_context().run(lines, None) == ["kubectl get pods", "helm upgrade a chart", "bao status"]


def test_a_line_of_another_program_is_quoted() -> None:
    line = shell_line("bao", "kv", "enable-versioning", "a;touch${IFS}pwn")
    assert line == "bao kv enable-versioning 'a;touch${IFS}pwn'"
    assert shell_line("az", "login", "--tenant", "…") == "az login --tenant …"


def test_it_is_installed_by_the_python_that_runs_the_program() -> None:
    assert shlex.split(install_line("azure")) == [sys.executable, "-m", "pip", "install", "platform-secrets[azure]"]
    assert install_line("azure").endswith(" -m pip install 'platform-secrets[azure]'")


def test_in_an_environment_without_pip_uv_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pip" else object())
    monkeypatch.setattr(sys, "executable", "/home/ada/my tools/bin/python")
    line = "uv pip install --python '/home/ada/my tools/bin/python' 'platform-secrets[cluster]'"
    assert install_line("cluster") == line


def test_the_program_alone_is_installed_with_what_it_needs() -> None:
    assert shlex.split(install_line())[-1] == "platform-secrets"


def test_without_a_name_of_the_python_it_is_the_one_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert install_line("vault") == "python -m pip install 'platform-secrets[vault]'"


def test_of_a_clone_that_is_not_installed_no_index_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    what = shlex.split(install_line("backup"))[-1]
    assert what == f"{Path(compiler.text.wording.__file__).resolve().parents[2]}[backup]"
    assert Path(what.removesuffix("[backup]"), "pyproject.toml").is_file()


SECRETS = ("global", "argocd", "github", "jira", "pagerduty", "slack", "backstage")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gihub", "github"),
        ("GitHub", "github"),
        ("pager-duty", "pagerduty"),
        ("slak", "slack"),
        ("argo", "argocd"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_closest_word(word: str, expected: str | None) -> None:
    assert closest(word, SECRETS) == expected


def test_case_alone_is_a_typo_and_the_first_of_equals_wins() -> None:
    assert closest("STORE", ["store", "Store"]) == "store"
    assert closest("refreshinterval", ["refreshInterval", "fetch"]) == "refreshInterval"


def test_nothing_is_close_to_nothing() -> None:
    assert closest("x", []) is None


def test_help_suggests_lists_or_says_nothing() -> None:
    assert suggest("gihub", SECRETS, "secrets") == 'did you mean "github"?'
    assert suggest("zzz", ["pat", "app"], "variants") == 'the variants are "pat", "app"'
    assert suggest("zzz", [], "variants") == "there are no variants"
    assert suggest("zzz", [f"secret-{n}" for n in range(21)], "secrets") is None
    assert suggest("zzz", (f"s{n}" for n in range(20)), "secrets") is not None


def test_help_never_repeats_the_word_that_was_written() -> None:
    for word in ("gihub-token-hunter2", "zzz-hunter2"):
        assert "hunter2" not in (suggest(word, SECRETS, "secrets") or "")


def test_an_overlong_word_is_like_nothing() -> None:
    assert closest("a" * 253, ["a" * 253]) == "a" * 253
    assert closest("a" * 254, ["a" * 253]) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{{ .Values.namespace }}", "template"),
        ("${NAMESPACE}", "template"),
        ("a-$(id)", "template"),
        ("\u201c2.9\u201d", "straight quotes"),
        ("\u00ab2.9\u00bb", "straight quotes"),
        ("platform\n", "line of its key"),
    ],
)
def test_a_habit_is_recognised(text: str, word: str) -> None:
    assert word in (typing_mistake(text) or "")


@pytest.mark.parametrize("text", ["", "platform", "a b", "it's", '"2.9"', "$", "{a}"])
def test_other_texts_are_none(text: str) -> None:
    assert typing_mistake(text) is None


@pytest.mark.parametrize(
    ("old", "new", "offset"),
    [
        ("a\nb\nc\n", "a\nX\nc\n", 2),
        ("a\nb", "a\nb\n", 2),
        ("a\n", "a\nb\n", 1),
        ("a\nb\n", "a\n", 2),
        ("", "a\n", 0),
        ("a\r\nb\r\n", "a\nb\n", 0),
    ],
)
def test_the_first_line_that_differs_is_found(old: str, new: str, offset: int) -> None:
    assert first_difference(old, new) == offset
