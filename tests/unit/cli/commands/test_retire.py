import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from compiler.cli.commands.retire import retirement_lines, retirement_part, unseen_readers
from compiler.cli.terminal.contents import text_of
from compiler.operations.retire import Retirement
from compiler.render.content import as_json
from scripts.build_docs import output_schemas
from tests.commands import Done, EditFile, RunCommand
from tests.lying_cluster import PARTS, LyingCluster, Page
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, Ends, journal, journals
from tests.unit.operations.retire_bench import Bench, bench

__all__ = ["bench"]


@pytest.fixture
def retire(run: RunCommand, project: Path, ends: Ends, edit: EditFile) -> Callable[..., Done]:
    """`dev` reads GitHub's token from its Key Vault, and both stores hold the same."""
    edit("environments/dev.yaml", "    use: [openai]", "    use: [openai]\n  github: {store: azure}")
    edit("environments/staging.yaml", "  jira:\n", "  github:\n")
    ends.azure.seed(AZURE, **{KEY: "token"})
    return lambda *options: run("retire", "dev", *options)


def github(report: dict[str, Any]) -> list[str]:
    return [step["kind"] for step in report["steps"] if step["secret"] == "github"]


def test_a_store_is_named(retire: Callable[..., Done]) -> None:
    found = retire()
    assert (found.code, "give either the store with --store or a run with --undo" in found.err) == (2, True)
    assert "help: add --store vault or --store azure" in found.err


@pytest.mark.parametrize(
    "option", [("--cluster",), ("--cluster", "--context", "here"), ("--continue-on-error",), ("github",)]
)
def test_an_undo_takes_no_choice_of_secrets(retire: Callable[..., Done], option: tuple[str, ...]) -> None:
    found = retire(*option, "--undo", "run")
    named = option[0] if option[0].startswith("--") else "SECRET"
    assert (found.code, f"cannot be combined with {named}" in found.err) == (2, True)


def test_only_what_nobody_reads_is_deleted_and_it_comes_back(
    retire: Callable[..., Done], project: Path, ends: Ends
) -> None:
    shown = retire("--store", "vault", "github", "--format", "json").report
    assert (shown["exitCode"], shown["applied"], github(shown)) == (0, False, ["delete"])
    assert ends.vault.held
    done = retire("--store", "vault", "github", "--without-cluster", "--apply", "--format", "json").report
    assert (done["exitCode"], done["store"], done["askedCluster"]) == (0, "vault", False)
    assert [(each["name"], each["versions"]) for each in done["deletions"]] == [(VAULT, ["v1"])]
    assert (ends.vault.held, set(ends.azure.held)) == ({}, {AZURE})
    undone = retire("--undo", journal(project).stem, "--apply", "--format", "json").report
    assert (undone["exitCode"], github(undone), undone["deletions"]) == (0, ["recover"], [])
    assert set(ends.vault.held) == {VAULT}
    schema = Draft7Validator(output_schemas()["change"])
    for report in (shown, done, undone):
        assert [error.message for error in schema.iter_errors(report)] == []
    for own in ("store", "inUse", "notTheSame", "askedCluster", "notSeen"):
        assert not schema.is_valid({name: value for name, value in done.items() if name != own})


def test_a_deletion_names_the_line_that_takes_it_back(retire: Callable[..., Done], project: Path) -> None:
    found = retire("--store", "vault", "github", "--without-cluster", "--apply")
    undo = f"platform-secrets retire dev --undo {journal(project).stem} --apply"
    assert found.out.splitlines()[-1] == f"to undo it: {undo}"
    assert "to undo it" not in retire("--undo", journal(project).stem, "--apply").out


def test_people_are_told_what_stays_what_goes_and_how(retire: Callable[..., Done], ends: Ends) -> None:
    ends.vault.seed("ai-platform-engineering/jira-secret", ATLASSIAN_TOKEN="t")
    found = retire("--store", "vault")
    assert found.code == 0, found
    lines = found.out.splitlines()
    assert "  in use    vault:ai-platform-engineering/jira-secret" in lines
    assert 'served by "azure" at https://azure' in lines
    assert 'in        "vault" at https://vault, as tester' in lines
    assert f"  delete    vault:{VAULT}" in lines
    assert lines[-2:] == [
        "plan: 1 key to delete, in 1 remote secret",
        "nothing was written; add --apply to write this plan",
    ]
    named = retire("--store", "vault", "jira")
    assert (named.code, "still read by " in named.out) == (1, True)
    assert "help: name the store to copy from" not in found.out + named.out


def test_a_difference_stops_it_and_nothing_is_written(retire: Callable[..., Done], project: Path, ends: Ends) -> None:
    ends.azure.seed(AZURE, **{KEY: "rotated"})
    found = retire("--store", "vault", "github", "--without-cluster", "--apply")
    assert (found.code, found.out.splitlines()[-1]) == (1, "nothing was written: 1 key blocks this plan")
    assert (set(ends.vault.held), journals(project)) == ({VAULT}, [])


def test_a_cluster_is_asked_before_any_store(
    retire: Callable[..., Done], ends: Ends, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    found = retire("--store", "vault", "--cluster")
    assert (found.code, "no usable kubeconfig" in found.err) == (3, True)
    assert ends.vault.calls == []


def test_it_is_not_applied_before_it_was_said_whether_a_cluster_reads_the_store(
    retire: Callable[..., Done], ends: Ends
) -> None:
    found = retire("--store", "vault", "--apply")
    assert (found.code, "retire --apply needs --cluster or --without-cluster" in found.err) == (2, True)
    assert "help: add --cluster; if no cluster reads the store, add --without-cluster" in found.err
    assert ends.vault.calls == []
    found = retire("--store", "vault", "--apply", "--cluster", "--without-cluster")
    assert (found.code, "--cluster cannot be combined with --without-cluster" in found.err) == (2, True)


def test_a_store_that_is_said_to_be_another_stands_in_the_journal(
    retire: Callable[..., Done], project: Path, edit: EditFile
) -> None:
    found = retire("--store", "vault", "github", "--without-cluster", "--apply", "--not-the-same", "staging/vault")
    assert (found.code, 'the store "staging/vault" is on the same server' in found.err) == (2, True)
    edit("environments/staging.yaml", "stores:\n", "stores:\n  vault: {server: 'https://vault-2.example.com'}\n")
    found = retire("--store", "vault", "github", "--without-cluster", "--apply", "--not-the-same", "staging/vault")
    assert found.code == 0, found
    assert "note: taken for other stores: staging/vault" in found.out
    head = json.loads(journal(project).read_text("utf-8").splitlines()[0])
    assert head["identity"] == {"notTheSame": ["staging/vault"]}


@pytest.mark.parametrize(("pages", "said"), PARTS, ids=[said for _, said in PARTS])
def test_a_part_of_a_list_of_readers_does_not_say_that_nobody_else_reads(
    retire: Callable[..., Done], ends: Ends, lying: LyingCluster, pages: Callable[[], Iterator[Page]], said: str
) -> None:
    lying.pages = pages()
    found = retire("--store", "vault", "--cluster", "--apply")
    assert (found.code, len(lying.asked) <= 101) == (3, True)
    assert f"who reads the store in the cluster is not known: its list of clustersecretstores {said}" in found.err
    assert set(ends.vault.held) == {VAULT}


@pytest.mark.parametrize("status", [201, 206])
def test_another_status_than_200_is_no_list_of_readers(
    retire: Callable[..., Done], ends: Ends, lying: LyingCluster, status: int
) -> None:
    lying.pages, lying.status = ({"metadata": {}, "items": []} for _ in range(9)), status
    found = retire("--store", "vault", "--cluster", "--apply")
    assert (found.code, len(lying.asked)) == (3, 1)
    assert f"it answered with status {status}" in found.err
    assert set(ends.vault.held) == {VAULT}


def test_every_right_that_is_missing_is_named_at_once(
    retire: Callable[..., Done], ends: Ends, lying: LyingCluster
) -> None:
    lying.pages = ({"metadata": {}, "items": []} for _ in range(9))
    lying.refused |= {"list clustersecretstores": 403, "list externalsecrets": 403, "list pushsecrets": 403}
    found = retire("--store", "vault", "--cluster", "--apply")
    assert found.code == 3
    denied = "you are not allowed to list clustersecretstores; list externalsecrets; list pushsecrets\n"
    assert f"who reads the store in the cluster is not known: {denied}" in found.err
    assert set(ends.vault.held) == {VAULT}


OTHERS = ("qa/vault",)
ASKED = unseen_readers(asked_cluster=True, without_cluster=False)
UNASKED = unseen_readers(asked_cluster=False, without_cluster=False)


def told(found: Retirement, unseen: Sequence[str], not_the_same: Sequence[str] = ()) -> str:
    return " ".join(text_of(retirement_lines(found, not_the_same, unseen)).split())


def test_what_is_read_is_named_with_its_first_readers_and_programs_get_all(bench: Bench) -> None:
    for number in range(7):
        bench.write(f"lab-{number}", "store: vault\nsecrets: {github: null}\n")
    found = bench.found()
    assert told(found, UNASKED) == (
        "in use vault:agents/jira read by lab-0/jira, lab-1/jira, lab-2/jira, lab-3/jira, lab-4/jira and 2 more "
        "note: not seen here: clusters (--cluster asks one; --apply needs --cluster or --without-cluster), "
        "programs and people that read the store directly"
    )
    readers = [f"lab-{n}/jira" for n in range(7)]
    assert as_json(retirement_part(found, (), UNASKED, asked_cluster=False)) == {
        "store": "vault",
        "inUse": [{"name": "agents/jira", "secrets": ["jira"], "readers": readers, "unproven": []}],
        "notTheSame": [],
        "askedCluster": False,
        "notSeen": [
            "clusters (--cluster asks one; --apply needs --cluster or --without-cluster)",
            "programs and people that read the store directly",
        ],
    }
    assert unseen_readers(asked_cluster=False, without_cluster=True)[0] == "clusters (--cluster asks one)"


def test_with_a_cluster_the_others_are_left(bench: Bench) -> None:
    assert (
        told(bench.found(), ASKED)
        == "note: not seen here: other clusters, programs and people that read the store directly"
    )
    assert retirement_part(bench.found(), (), ASKED, asked_cluster=True)["askedCluster"]


def test_what_may_be_the_same_store_is_named_with_the_way_out(bench: Bench) -> None:
    bench.write("lab", 'store: vault\nstores: {vault: {server: "https://vault-2.example.com:8200"}}\n')
    bench.write(
        "qa", 'store: vault\nstores: {vault: {server: "https://vault-3.example.com:8200"}}\nsecrets: {jira: null}\n'
    )
    found = bench.found(not_the_same=OTHERS)
    assert told(found, ASKED, OTHERS) == (
        "in use vault:agents/github read by lab/github in lab/vault "
        "in use vault:agents/jira read by lab/jira in lab/vault "
        "note: a store may be the same, as nothing proves that it is another: "
        'if "lab/vault" is another store, add --not-the-same lab/vault '
        "note: taken for other stores: qa/vault "
        "note: not seen here: other clusters, programs and people that read the store directly"
    )
    part = as_json(retirement_part(found, OTHERS, ASKED, asked_cluster=True))
    assert (part["notTheSame"], part["inUse"][0]["unproven"]) == (["qa/vault"], ["lab/vault"])
