import json
import re
import shlex
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from tests.commands import RunCommand
from tests.memory_store import MemoryStore
from tests.unit.cli.two_ends import Ends, journal, journals, with_few_secrets

NAME, BEFORE = "ai-platform-engineering-argocd", "ai-platform-engineering/argocd-secret"
LISTED = ("ARGOCD_TOKEN", "ARGOCD_API_URL", "ARGOCD_VERIFY_SSL")
SENTINEL = "s3ntinel-4711-s3ntinel"
WORDS = ("put", "dev", "argocd", "--remove", "OLD_TOKEN", "--store", "azure")


@pytest.fixture
def extracting(project: Path, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """A project whose argocd is extracted, and a Key Vault that holds more of it than the Vault in use."""
    catalogue = with_few_secrets(project) / "environments/catalogue.yaml"
    text = catalogue.read_text("utf-8")
    catalogue.write_text(text.replace("  argocd:\n", "  argocd:\n    extract: true\n"), "utf-8")
    ends.vault.seed(BEFORE, **dict.fromkeys(LISTED, SENTINEL))
    ends.azure.seed(NAME, **dict.fromkeys((*LISTED, "OLD_TOKEN"), SENTINEL))
    opened = LiveStores({"AZURE_KEYVAULT_NAME": "ai-platform"}, ends.open)
    monkeypatch.setattr("compiler.cli.commands.cutover.open_stores_for_reading", lambda _: opened)
    return ends


def keys(store: MemoryStore) -> set[str]:
    return set(store.shown(NAME))


def test_the_plan_is_shown_then_written_recorded_and_undone(extracting: Ends, project: Path, run: RunCommand) -> None:
    done = run(*WORDS)
    assert done.code == 0, done.err
    judged = "who reads it is judged by the files, and not by the cluster; to see what is in effect there: "
    assert done.out.splitlines()[2:] == [
        'no pod of dev reads "argocd" from "azure": "vault" serves it',
        f"{judged}platform-secrets status dev argocd --cluster",
        "  remove    azure:ai-platform-engineering-argocd",
        "            argocd: OLD_TOKEN",
        "plan: 1 key to remove, in 1 remote secret",
        "nothing was written; add --apply to write this plan",
    ]
    assert keys(extracting.azure) == {*LISTED, "OLD_TOKEN"}
    done = run(*WORDS, "--apply", "--quiet", "--audit", "audit.jsonl")
    assert (done.code, keys(extracting.azure)) == (0, {*LISTED})
    lines = [json.loads(line) for line in journal(project).read_text("utf-8").splitlines()]
    (plan,) = [each for each in lines if each["type"] == "plan"]
    assert (plan["kind"], [(key["key"], key["kind"]) for key in plan["keys"]]) == ("remove", [("OLD_TOKEN", "remove")])
    _, audit = [json.loads(line) for line in (project / "audit.jsonl").read_text("utf-8").splitlines()]
    assert (audit["action"], audit["name"], audit["properties"]) == ("remove", NAME, ["OLD_TOKEN"])
    (undo,) = re.findall("to undo it: platform-secrets (.*)", done.out)
    assert run(*shlex.split(undo), "--quiet").code == 0
    assert keys(extracting.azure) == {*LISTED, "OLD_TOKEN"}
    assert SENTINEL not in done.out + done.err + journal(project).read_text("utf-8")


def test_json_has_the_step_of_its_own_kind(extracting: Ends, run: RunCommand) -> None:
    report = run(*WORDS, "--format", "json").report
    assert (report["secret"], report["store"], report["inCommon"]) == ("argocd", "azure", [])
    assert [(each["key"], each["kind"]) for each in report["steps"]] == [("OLD_TOKEN", "remove")]
    assert report["counts"]["remove"] == 1
    assert extracting.azure.writes == []


def test_the_line_of_the_gate_opens_it(extracting: Ends, project: Path, run: RunCommand) -> None:
    switch = ("cutover", "dev", "argocd", "--to", "azure", "--apply")
    closed = run(*switch)
    assert (closed.code, 'would get keys, which are in "azure"' in closed.out) == (1, True)
    (line,) = re.findall("to remove them there: platform-secrets (.*)", closed.out)
    assert shlex.split(line) == [*WORDS, "--apply"]
    assert run(*shlex.split(line), "--quiet").code == 0
    assert run(*switch).code == 0
    assert "store: azure" in (project / "environments/dev.yaml").read_text("utf-8")
    # From now on it is a key of the Secret that pods read.
    extracting.azure.seed(NAME, **dict.fromkeys((*LISTED, "OLD_TOKEN"), SENTINEL))
    run("compile", "dev")
    refused = run(*WORDS, "--apply")
    assert refused.code == 1
    assert 'pods may read it: it goes into the Secret of "dev/argocd"' in " ".join(refused.out.split())
    # Nor does the undo of the run that took it away give it back: it would be a key more, and no key less.
    undone = run("put", "dev", "--undo", journals(project)[0].stem, "--apply")
    assert (undone.code, "another writer changed it since" in " ".join(undone.out.split())) == (1, True)


def test_the_line_that_accepts_a_key_opens_the_gate_too(extracting: Ends, run: RunCommand) -> None:
    assert extracting.azure.held
    closed = run("cutover", "dev", "argocd", "--to", "azure")
    (line,) = re.findall("to accept that: platform-secrets (.*)", closed.out)
    opened = run(*shlex.split(line))
    assert (opened.code, "accepted: the Secret of" in opened.out) == (0, True)


@pytest.mark.parametrize("option", ["--all", "--stdin", "--recover", "--expires=90d", "--from-file=x", "ARGOCD_TOKEN"])
def test_it_goes_with_no_value(extracting: Ends, run: RunCommand, option: str) -> None:
    words = [word for word in WORDS if word != "argocd" or option != "--all"]
    done = run(*words[:3], option, *words[3:]) if option == "ARGOCD_TOKEN" else run(*words, option)
    assert (done.code, "cannot be combined with" in done.err) == (2, True), done.err
    assert extracting.azure.writes == []


def test_an_undo_takes_no_key_from_a_secret_that_has_every_property(
    extracting: Ends, project: Path, run: RunCommand
) -> None:
    extracting.vault.seed(BEFORE, **dict.fromkeys((*LISTED, "EXTRA"), SENTINEL))
    extracting.azure.seed(NAME, **dict.fromkeys(LISTED, SENTINEL))
    assert run("migrate", "dev", "--to", "azure", "--only", "argocd", "--apply", "--quiet").code == 0
    assert keys(extracting.azure) == {*LISTED, "EXTRA"}
    assert run("cutover", "dev", "argocd", "--to", "azure", "--apply").code == 0
    undone = run("migrate", "dev", "--undo", journal(project).stem, "--apply")
    assert (undone.code, 'it is in use again, read there by "dev/argocd"' in " ".join(undone.out.split())) == (1, True)
    assert keys(extracting.azure) == {*LISTED, "EXTRA"}
