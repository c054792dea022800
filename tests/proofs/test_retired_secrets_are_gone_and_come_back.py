"""What nobody reads any more is deleted where the serving store holds the same, and an undo brings exactly it back."""

import json
import shlex

import pytest

from tests.proofs.conftest import World, on_stores
from tests.proofs.retiring import BY_HAND, GITHUB, JIRA, NAMES, OLD, Retiring


@pytest.fixture(params=on_stores(["vault"], ["azure"]))
def retiring(request: pytest.FixtureRequest, world: World) -> Retiring:
    return Retiring(world, request.param)


def test_all_readable_versions_are_deleted_and_exactly_they_come_back(retiring: Retiring) -> None:
    audit = ("--audit", str(retiring.world.root / "audit.jsonl"))
    done = retiring("--apply", *audit)
    assert done.code == 0, done
    assert "2 of 2 done and verified" in done.out
    assert retiring.states() == retiring.after
    assert retiring.served() == (GITHUB, JIRA)

    again = retiring("--apply", *audit)
    assert (again.code, "there are no changes to write" in again.out) == (0, True)
    assert len(retiring.world.journals()) == 1

    undone = retiring.undo("--apply", *audit)
    assert undone.code == 0, undone
    assert retiring.states() == retiring.before
    if retiring.left == "vault":
        path = f"{retiring.world.mount}/data/agents/github"
        assert retiring.world.bao.call("GET", f"{path}?version=2")["data"]["data"] == {"GITHUB_TOKEN": OLD}
        assert retiring.world.get("agents/github") == GITHUB
    else:
        values = [version.value for version in retiring.world.azure.versions("agents-github")]
        assert [json.loads(value)["GITHUB_TOKEN"] for value in values] == [BY_HAND, OLD, "token-1"]
    lines = [json.loads(line) for line in (retiring.world.root / "audit.jsonl").read_text("utf-8").splitlines()]
    assert {(line["action"], line["state"], line["name"]) for line in lines} == {
        (action, state, name)
        for action in ("delete", "recover")
        for state in ("writing", "written")
        for name in NAMES[retiring.left]
    }
    assert "there is nothing to undo" in retiring.undo("--apply").out


def test_what_the_serving_store_lacks_stays(retiring: Retiring) -> None:
    retiring.hold(retiring.left, retiring.jira, {**JIRA, "UNKNOWN": "nobody-knows"})
    retiring.hold(retiring.serving, NAMES[retiring.serving][0], {"OTHER": "x"})
    before = retiring.states()
    report = retiring("--apply", "--continue-on-error", "--format", "json").report
    kinds = {step["key"]: step["kind"] for step in report["steps"] if step["key"] != "GITHUB_APP_KEY"}
    assert kinds == {"GITHUB_TOKEN": "refuse", "UNKNOWN": "refuse", "JIRA_TOKEN": "keep", "JIRA_URL": "keep"}
    assert retiring.states() == before
    # What each remedy says opens the way.
    for step in report["steps"]:
        if step["kind"] == "refuse":
            words = shlex.split(step["remedy"])
            assert retiring.world.run(*words[words.index("migrate") :]).code == 0
    assert retiring("--apply").code == 0
    assert retiring.states() != before


def test_a_version_whose_newest_one_was_deleted_by_hand_is_not_passed_over(world: World) -> None:
    retiring = Retiring(world, "vault")
    world.bao.call("DELETE", f"{world.mount}/data/agents/github")
    done = retiring("--apply")
    said = " ".join(done.out.split())
    assert (done.code, "its version 3 is deleted, but version 2 can still be read" in said) == (1, True)


def test_one_store_under_two_names_is_not_compared_with_itself(world: World) -> None:
    retiring = Retiring(world, "vault")
    base = world.root / "environments/base.yaml"
    other = world.bao.url.replace("127.0.0.1", "localhost")
    text = base.read_text("utf-8").replace(
        "  azure:",
        f'  again: {{provider: vault, name: again, server: "{other}", mount: {world.mount}}}\n  azure:',
    )
    base.write_text(text, "utf-8")
    retiring.reads("again")
    assert [each["readers"] for each in retiring("--apply", "--format", "json").report["inUse"]] == [
        ["prod/github"],
        ["prod/jira"],
    ]
    done = retiring("jira", "--apply")
    assert (done.code, 'still read by "prod/jira"' in done.out) == (1, True)
    assert retiring.states() == retiring.before


def test_the_way_back_names_the_copy_that_it_needs_first(retiring: Retiring) -> None:
    back = ("cutover", "prod", "jira", "--back", "--to", retiring.left)
    assert retiring.world.run(*back).code == 0
    assert retiring("--apply").code == 0
    refused = retiring.world.run(*back)
    copy = ("migrate", "prod", "--to", retiring.left, "--only", "jira", "--recover", "--apply")
    assert (refused.code, " ".join(copy) in refused.out) == (1, True), refused
    copied = retiring.world.run(*copy)
    assert copied.code == 0, copied
    assert retiring.world.run(*back, "--apply").code == 0


def test_what_another_server_at_the_address_has_under_the_same_numbers_is_not_brought_back(world: World) -> None:
    retiring = Retiring(world, "vault")
    assert retiring("jira", "--apply").code == 0
    # As another server: the same name and numbers, made at another time, and withdrawn there.
    world.bao.call("DELETE", f"{world.mount}/metadata/{retiring.jira}")
    for value in ("withdrawn", "withdrawn too"):
        world.put(retiring.jira, {"JIRA_TOKEN": value})
    versions = len(retiring.states()[retiring.jira])
    world.bao.call("POST", f"{world.mount}/delete/{retiring.jira}", {"versions": list(range(1, versions + 1))})
    before = retiring.states()
    undone = retiring.undo("--apply")
    said = " ".join(undone.out.split())
    assert (undone.code, "is not what the run deleted: it was made at another time" in said) == (1, True), undone
    assert retiring.states() == before
