from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.commands import Done
    from tests.proofs.conftest import World


def undo(world: World, *options: str) -> Done:
    return world.run("migrate", "prod", "--undo", world.journals()[-1].stem, "--quiet", *options)


def phase(world: World, name: str) -> str:
    stored = world.azure.server.state.stored(name)
    return stored.phase if stored is not None else "absent"


def test_an_update_gets_the_earlier_value_as_a_new_version_and_a_create_is_deleted_softly(world: World) -> None:
    world.fill()
    text = '{ "JIRA_TOKEN" : "old" }'
    world.azure.seed("agents-jira", text, tags={"owner": "them"})
    assert world.migrate("--apply", "--on-conflict", "overwrite").code == 0
    world.azure.forget_requests()
    planned = undo(world)
    assert planned.code == 0
    assert "undo: 1 restore, 1 delete" in planned.out
    assert not any(request.writes for request in world.azure.requests())

    audit = world.root / "audit.jsonl"
    assert undo(world, "--apply", "--audit", str(audit)).code == 0
    versions = world.azure.versions("agents-jira")
    assert [version.value for version in versions[::2]] == [text, text]
    assert versions[-1].tags == {"owner": "them"}
    assert phase(world, "agents-github") != "active"
    assert '"action": "restore"' in audit.read_text("utf-8")
    again = undo(world, "--apply")
    assert (again.code, len(world.azure.versions("agents-jira"))) == (0, 3)
    assert "2 done" in again.out


def test_on_vault_an_undo_restores_and_deletes_too(world: World) -> None:
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "token-1"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    world.put("agents/jira", {"JIRA_TOKEN": "old", "KEPT": "k"})
    assert world.migrate("--from", "azure", "--apply", "--on-conflict", "overwrite", to="vault").code == 0
    assert world.get("agents/jira") == {"JIRA_TOKEN": "new", "KEPT": "k", "JIRA_URL": "u"}
    assert undo(world, "--apply").code == 0
    assert world.get("agents/jira") == {"JIRA_TOKEN": "old", "KEPT": "k"}
    metadata = world.bao.call("GET", f"{world.mount}/metadata/agents/github")["data"]
    assert metadata["versions"]["1"]["deletion_time"]
    assert not metadata["versions"]["1"]["destroyed"]


def test_two_runs_on_the_same_secrets_are_undone_newest_first(world: World) -> None:
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "first"}')
    world.fill()
    assert world.migrate("--apply", "--on-conflict", "overwrite").code == 0
    world.put("agents/github", {"GITHUB_TOKEN": "token-3"})
    world.put("agents/jira", {"JIRA_TOKEN": "token-4", "JIRA_URL": "u"})
    assert world.migrate("--apply", "--on-conflict", "overwrite").code == 0
    older, newer = sorted(world.journals(), key=lambda path: path.stat().st_mtime_ns)

    early = world.run("migrate", "prod", "--undo", older.stem, "--quiet", "--apply")
    assert (early.code, f"undo that run first, with --undo {newer.stem}" in early.out) == (1, True)
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == "token-4"

    assert world.run("migrate", "prod", "--undo", newer.stem, "--quiet", "--apply").code == 0
    assert world.azure_object("agents-jira")["JIRA_TOKEN"] == "token-2"
    assert world.run("migrate", "prod", "--undo", older.stem, "--quiet", "--apply").code == 0
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "first"}
    assert phase(world, "agents-github") != "active"


def test_what_somebody_wrote_since_is_left_alone(world: World) -> None:
    world.fill()
    assert world.migrate("--apply").code == 0
    theirs = world.azure.seed("agents-jira", '{"JIRA_TOKEN": "theirs"}')
    done = undo(world, "--apply")
    assert done.code == 1
    assert f"version {theirs} stands there" in done.out
    assert world.azure_object("agents-jira") == {"JIRA_TOKEN": "theirs"}
    assert phase(world, "agents-github") != "active"


def test_an_earlier_version_that_is_evicted_is_refused_by_name(world: World) -> None:
    world.azure.seed("agents-github", '{"GITHUB_TOKEN": "token-1"}')
    world.azure.seed("agents-jira", '{"JIRA_TOKEN": "new", "JIRA_URL": "u"}')
    world.put("agents/jira", {"JIRA_TOKEN": "old"})
    assert world.migrate("--from", "azure", "--apply", "--on-conflict", "overwrite", to="vault").code == 0
    world.bao.call("PUT", f"{world.mount}/destroy/agents/jira", {"versions": [1]})
    done = undo(world, "--apply")
    assert done.code == 1
    assert "vault:agents/jira" in done.out
    assert "the value before the run cannot be read" in done.out
    assert world.get("agents/jira")["JIRA_TOKEN"] == "new"


def test_a_run_of_another_environment_or_of_none_is_refused(world: World) -> None:
    world.fill()
    assert world.migrate("--apply").code == 0
    (world.root / "environments/dev.yaml").write_text("labels: {team: platform}\n", "utf-8")
    run = world.journals()[-1].stem
    wrong = world.run("migrate", "dev", "--undo", run)
    assert (wrong.code, 'the run is of the environment "prod"' in wrong.err) == (2, True)
    for name in ("20250131-120000-4fa1c2", "../../etc/passwd"):
        unknown = world.run("migrate", "prod", "--undo", name)
        assert (unknown.code, "there is no run" in unknown.err, run in unknown.err) == (2, True, True)


def test_a_run_into_a_vault_that_is_elsewhere_now_is_refused(world: World) -> None:
    world.fill()
    assert world.migrate("--apply").code == 0
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace(world.azure.url, "https://other.vault.azure.net"), "utf-8")
    done = undo(world)
    assert (done.code, "is elsewhere now" in done.err) == (2, True)
