"""The pages that tell a story, executed: a real OpenBao server, the local Key Vault, and every command in order."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.build_tutorial import (
    KEY_VAULT,
    OPENBAO,
    PAGES,
    README,
    ROOT,
    Surroundings,
    build_page,
    commands,
    replace_changing,
    run_all,
    surroundings,
    with_quotations,
)
from scripts.page_shell import PageShell

TUTORIAL, FROM_NOTHING, RECOVERY, BACKUP, _, RUNNING = PAGES


@pytest.fixture(scope="module")
def where(shell: PageShell) -> Iterator[Surroundings]:
    """For pages of a few lines, which leave nothing in a server."""
    with surroundings(shell) as found:
        yield found


@pytest.mark.parametrize("path", PAGES, ids=[page.stem for page in PAGES])
def test_every_command_of_a_page_prints_what_it_shows(path: Path, shell: PageShell) -> None:
    page = path.read_text("utf-8")
    with surroundings(shell) as where:
        after = build_page(page, where)
    assert after == page, "".join(difflib.unified_diff(page.splitlines(True), after.splitlines(True)))


def test_the_tutorial_has_every_step_of_the_story() -> None:
    lines = " ".join(commands(TUTORIAL.read_text("utf-8")))
    for step in (
        "new project",
        "new secret",
        "verify dev",
        "--to azure --apply",
        "cutover dev jira --to azure --apply",
        "cutover dev jira --back --apply",
        "--undo",
        "--recover",
        "rm -r platform passphrase dev.age",
    ):
        assert step in lines


def test_a_platform_of_ones_own_is_made_by_commands_alone() -> None:
    lines = commands(FROM_NOTHING.read_text("utf-8"))
    assert not [line for line in lines if "sed " in line or "ai-platform" in line]
    secrets = [line.split()[3] for line in lines if line.startswith("platform-secrets new secret ")]
    assert secrets == ["db", "pull", "web", "search"]
    page = FROM_NOTHING.read_text("utf-8")
    assert "abc123" not in page.replace("SEARCH_TOKEN=abc123", "", 1)


def test_the_way_back_is_gone_with_and_without_the_store_that_is_left_and_for_every_secret() -> None:
    page = RECOVERY.read_text("utf-8")
    before, _, after = page.partition("### Everything back")
    for symptom in ("slack   azure  -     vault: equal  0d   -        forbidden", "  refused    ", "not compared: "):
        assert symptom in before, symptom
    assert before.count("all are in effect") == after.count("all are in effect") == 1
    assert "$ platform-secrets cutover prod all --back --to vault --apply" in after
    assert "version 1 can be read again" in after or "can be read again" in after
    seen = re.sub(r"<!-- unseen\n.*?-->", "", page, flags=re.DOTALL)
    assert not re.search(r"xoxb-000|atlassian-000", seen)


def test_a_lost_vault_comes_back_in_the_other_store() -> None:
    before, lost, after = BACKUP.read_text("utf-8").partition("<!-- cluster vault lost -->")
    assert lost
    assert re.search(
        r"--out-dir .*\n\.\./backups/prod-20250131-120000\.age: written, prod, 2 secrets, 3 keys\n", before
    )
    assert "nothing listens at 127.0.0.1:8200; 3 keys not checked" in after
    assert "run 20250131-120000-4fa1c2: 2 of 2 done and verified" in after
    for proof in ("all are in effect", "prod: 3 of 3 keys OK", "plan: 3 keys unchanged"):
        assert after.count(proof) == 1, proof
    seen = re.sub(r"<!-- unseen\n.*?-->", "", before + after, flags=re.DOTALL)
    assert not re.search(r"xoxb-000|atlassian-000|AGE-SECRET-KEY", seen)


def test_what_others_deployed_is_imported_taken_over_switched_and_back_in_effect() -> None:
    page = RUNNING.read_text("utf-8")
    imported, taken, switched, back = re.split(r"\n## .+\n", page)[1:5]
    assert re.search(r"proof: [0-9]+ keys read as before by the compiled environment", imported)
    before, _, after = taken.partition("<!-- cluster deploy prod -->")
    assert "cause[foreign]" in before
    for part, store in ((after, "vault"), (switched, "azure"), (back, "vault")):
        assert f'all are in effect: 4 secrets on "{store}"' in part
    seen = re.sub(r"<!-- unseen\n.*?-->", "", page, flags=re.DOTALL)
    assert not re.search(r"pa55-|t0ken-|r3dis-", seen)


def test_what_runs_unseen_stays_unseen_and_must_succeed(tmp_path: Path, where: Surroundings) -> None:
    page = "<!-- unseen\necho hidden > a; echo more\n-->\n```console\n$ cat a\n```\n"
    assert run_all(commands(page), where.shell, tmp_path, {}) == ["", "hidden\n"]
    assert build_page(page, where) == page.replace("$ cat a\n", "$ cat a\nhidden\n")
    with pytest.raises(SystemExit, match="this must print nothing"):
        build_page("<!-- unseen\nfalse\n-->\n", where)


def test_what_happens_in_the_cluster_must_be_something_that_can(where: Surroundings) -> None:
    with pytest.raises(SystemExit, match="page-cluster explode"):
        build_page("<!-- cluster explode -->\n", where)


def test_of_what_a_wait_sees_the_first_and_the_last_are_shown() -> None:
    text = "a: old spec\nb: old spec\na: not synced\na: in effect\nb: in effect\nprod: 2 secrets\na: in effect\n"
    shown = "a: old spec\nb: old spec\na: in effect\nb: in effect\nprod: 2 secrets\na: in effect\n"
    assert replace_changing(text, KEY_VAULT, OPENBAO) == shown


def test_no_value_is_shown_but_where_it_is_set() -> None:
    for line in TUTORIAL.read_text("utf-8").splitlines():
        if re.search("(github|atlassian)-000[0-9]", line):
            assert line.startswith("$ printf ")


def test_what_a_reader_writes_into_a_file_is_written_and_stays_on_the_page(tmp_path: Path, where: Surroundings) -> None:
    page = "<!-- append a.yaml -->\n```yaml\na: $HOME\n```\n\n```console\n$ cat a.yaml\n```\n"
    assert commands(page) == ["cat >> a.yaml <<'END'\na: $HOME\nEND", "cat a.yaml"]
    assert run_all(commands(page), where.shell, tmp_path, {}) == ["", "a: $HOME\n"]
    assert build_page(page, where) == page.replace("$ cat a.yaml\n", "$ cat a.yaml\na: $HOME\n")


def test_one_shell_runs_all_lines_and_each_line_has_its_own_output(tmp_path: Path, shell: PageShell) -> None:
    assert run_all(["mkdir a; cd a", "basename $PWD", "echo x >&2; false", "echo $?"], shell, tmp_path, {})[:3] == [
        "",
        "a\n",
        "x\n",
    ]


def test_what_differs_from_run_to_run_is_made_steady() -> None:
    version = "0123456789abcdef0123456789abcdef"
    text = (
        f"run 20261125-130630-cbf69a at https://localhost:4 and http://127.0.0.1:5\n1/2 b, version {version}\n2/2 a\n"
    )
    assert replace_changing(text, "https://localhost:4", "http://127.0.0.1:5") == (
        f"run 20250131-120000-4fa1c2 at {KEY_VAULT} and {OPENBAO}\n1/2 a\n2/2 b, version 0f3c…\n"
    )


def test_an_address_without_its_scheme_and_the_time_that_a_drill_took_are_made_steady() -> None:
    text = "nothing listens at 127.0.0.1:5\nprod-20261125-130630.age\nback after 12 seconds\n"
    shown = "nothing listens at 127.0.0.1:8200\nprod-20250131-120000.age\nback after 5 seconds\n"
    assert replace_changing(text, "https://localhost:4", "http://127.0.0.1:5") == shown


def test_the_cluster_is_made_steady() -> None:
    text = 'cluster: context "here", server http://127.0.0.1:5012\n'
    shown = 'cluster: context "prod-admin", server https://prod.example.com:6443\n'
    assert replace_changing(text, KEY_VAULT, OPENBAO) == shown


def test_what_marks_a_stand_in_is_as_long_as_it() -> None:
    own = f"{KEY_VAULT}0"
    text = f"5 |  u: {own}\n  |     {'^' * len(own)}\n"
    assert replace_changing(text, own, OPENBAO) == f"5 |  u: {KEY_VAULT}\n  |     {'^' * len(KEY_VAULT)}\n"


def test_readme_shows_what_the_quoted_page_does() -> None:
    page = README.read_text("utf-8")
    pages = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PAGES}
    assert with_quotations(page, pages) == page, "run `make docs`"
    assert "<!-- from docs/" in page


def test_readme_shows_the_switch_and_its_way_back() -> None:
    page = README.read_text("utf-8")
    assert re.search(r"\$ platform-secrets cutover dev jira --to azure --apply\ndev: jira from", page)
    assert "`platform-secrets cutover dev jira --back --apply`" in page
    assert "platform-secrets cutover dev jira --back --apply" in commands(TUTORIAL.read_text("utf-8"))


def test_a_quotation_is_the_last_time_that_the_page_runs_the_command() -> None:
    page = "```console\n$ a\nold\n```\n\n```console\n$ a\nnew\n$ b\nc\n```\n"
    text = "<!-- from p.md -->\n```console\n$ b\nstale\n$ a\n```\n"
    shown = "<!-- from p.md -->\n```console\n$ b\nc\n$ a\nnew\n```\n"
    assert with_quotations(text, {"p.md": page}) == shown
    with pytest.raises(SystemExit, match=r"no page has the command: \$ d"):
        with_quotations(text.replace("$ b", "$ d"), {"p.md": page})
