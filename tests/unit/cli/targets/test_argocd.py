from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED = ("generate", "argocd", "prod", "--form", "application", "--repo", "https://git.example.com/a.git")


def test_without_a_folder_all_is_printed(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED)
    assert (done.code, done.err) == (0, "")
    assert [each["kind"] for each in yaml.safe_load_all(done.out)] == ["AppProject", "Application"]
    assert sorted(each.name for each in project.iterdir()) == ["chart", "environments"]


def test_files_are_written_and_told(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED, "--out", "argocd/")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == ["argocd/00-project.yaml: written", "argocd/application-prod.yaml: written"]
    assert (project / "argocd/application-prod.yaml").is_file()


def test_a_check_needs_a_folder_and_ends_with_1(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED, "--check")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --check needs --out")
    done = run(*ASKED, "--check", "--out", "argocd")
    assert done.code == 1
    assert done.rules == ["stale-output", "stale-output"]
    assert done.out.splitlines() == ["argocd/00-project.yaml: stale", "argocd/application-prod.yaml: stale"]
    assert not (project / "argocd").exists()


def test_what_cannot_be_written_is_told(run: Callable[..., Any], project: Path) -> None:
    (project / "argocd").mkdir()
    (project / "argocd/00-project.yaml").write_text("mine: 1\n", "utf-8")
    done = run(*ASKED, "--out", "argocd")
    assert done.code == 1
    assert done.rules == ["foreign-output"]
    assert done.err.splitlines()[-1] == "nothing was written"
    assert done.out == ""


def test_what_another_form_has_left_fails_a_check_and_is_told_when_it_is_written(
    run: Callable[..., Any], project: Path
) -> None:
    former = tuple("applicationset" if each == "application" else each for each in ASKED)
    assert run(*former, "--out", "argocd").code == 0
    done = run(*ASKED, "--out", "argocd")
    assert (done.code, done.rules) == (0, ["stale-output"])
    assert "argocd/applicationset.yaml:1:1: warning[stale-output]" in done.err
    assert done.out.splitlines() == ["argocd/00-project.yaml: written", "argocd/application-prod.yaml: written"]
    done = run(*ASKED, "--out", "argocd", "--check")
    assert (done.code, done.rules) == (1, ["stale-output"])
    (project / "argocd/applicationset.yaml").unlink()
    assert run(*ASKED, "--out", "argocd", "--check").code == 0


def test_files_are_not_written_among_the_environments(run: Callable[..., Any], project: Path) -> None:
    done = run(*ASKED, "--out", "environments")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: --out is in environments, where each file is read as an environment",
        "help: name a folder of its own, such as argocd or caipe",
    ]
    assert not (project / "environments/00-project.yaml").exists()


def test_names_are_those_that_the_project_says_and_else_as_ever(
    run: Callable[..., Any], project: Path, edit: Callable[[str, str, str], None]
) -> None:
    named = [each["metadata"]["name"] for each in yaml.safe_load_all(run(*ASKED).out)]
    assert named == ["platform-secrets", "platform-secrets-prod"]
    edit("environments/base.yaml", "namespace:", "argocdProject: shop-secrets\nnamespace:")
    done = run(*ASKED)
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.out)] == ["shop-secrets", "shop-secrets-prod"]
    assert "--project" not in done.out
    # The option counts more, and the head of the file that it makes has it.
    done = run(*ASKED, "--project", "platform-secrets")
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.out)] == named
    assert "--project platform-secrets\n" in done.out
    (project / "environments/dev.yaml").write_text("argocdProject: other\n", "utf-8")
    both = (ASKED[0], ASKED[1], "dev", *ASKED[2:], "--cluster", "dev=lab")
    done = run(*both)
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: the environments name different AppProjects by `argocdProject`",
    )
    assert run(*both, "--project", "shop").code == 0


def test_files_with_other_names_than_before_come_with_the_lines_of_the_hand_over(
    run: Callable[..., Any], project: Path
) -> None:
    """Without them Argo CD would refuse the new Application for good."""
    assert run(*ASKED, "--out", "argocd").code == 0
    former = (project / "argocd/application-prod.yaml").read_bytes()
    note = 'note: prod: the Application "platform-secrets-prod" is named "shop-prod" now'
    # A check says it before the files are written, too.
    for words, code in ((("--check",), 1), ((), 0)):
        done = run(*ASKED, "--project", "shop", "--out", "argocd", *words)
        assert done.code == code
        assert note in done.err
        assert "argocd.argoproj.io/tracking-id-\n  kubectl apply -f argocd\n" in done.err
    assert (project / "argocd/application-prod.yaml").read_bytes() != former
    assert run(*ASKED, "--project", "shop", "--out", "argocd").err == ""


def test_a_namespace_that_nothing_makes_is_told_where_files_are_made(
    run: Callable[..., Any], project: Path, edit: Callable[[str, str, str], None]
) -> None:
    del project
    edit("environments/base.yaml", "slack: {}", "slack: {namespace: chat}")
    note = 'note: prod: no Application of these makes the namespace "chat"; create it first, or the sync fails'
    for words in ((), ("--out", "argocd")):
        done = run(*ASKED, *words)
        assert (done.code, done.err.splitlines()) == (0, [note])
    assert run(*ASKED, "--out", "argocd", "--check").err == ""


def test_an_error_of_the_input_stops_it(
    run: Callable[..., Any], project: Path, edit: Callable[[str, str, str], None]
) -> None:
    del project
    edit("environments/prod.yaml", "store: azure", "store: azur")
    done = run(*ASKED)
    assert (done.code, done.out) == (1, "")
    assert "unknown-store" in done.rules
