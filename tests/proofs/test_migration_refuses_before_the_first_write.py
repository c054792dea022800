from tests.faulty_key_vault import Delays, FaultyKeyVault, VaultOptions
from tests.proofs.conftest import World


def test_more_tags_than_key_vault_takes_are_refused_at_plan_and_fewer_are_copied(world: World) -> None:
    world.fill()
    for count, code in ((16, 1), (15, 0)):
        tags = {f"tag-{number}": "value" for number in range(count)}
        world.bao.call("POST", f"{world.mount}/metadata/agents/jira", {"custom_metadata": tags})
        report = world.report("--apply")
        assert report["exitCode"] == code
    assert dict(world.azure.versions("agents-jira")[0].tags or {}) == tags
    assert len(world.azure.versions("agents-jira")) == 1


def test_recover_waits_and_writes_one_version(world: World) -> None:
    world.fill()
    with FaultyKeyVault(VaultOptions(delays=Delays(recover=1.0, settle=1.0))) as slow:
        base = world.root / "environments/base.yaml"
        base.write_text(base.read_text("utf-8").replace(world.azure.url, slow.url), "utf-8")
        world.variables |= slow.environ()
        slow.seed_deleted("agents-jira", '{"JIRA_TOKEN": "old", "KEPT": "k"}')
        done = world.migrate("--apply", "--recover")
        assert done.code == 0, done
        assert len(slow.versions("agents-jira")) == 2
        assert slow.value("agents-jira") == (
            '{"JIRA_TOKEN": "token-2", "KEPT": "k", "JIRA_URL": "https://jira.example.com"}'
        )
        assert world.run("migrate", "prod", "--undo", world.journals()[-1].stem, "--apply", "--quiet").code == 0
        assert slow.state._secrets["agents-jira"].phase != "active"


def test_two_stores_that_are_one_place_from_here_are_refused(world: World) -> None:
    base = world.root / "environments/base.yaml"
    second = f'  other: {{provider: vault, name: other-store, server: "https://b.example.com", mount: {world.mount}}}\n'
    base.write_text(base.read_text("utf-8").replace("secrets:", second + "secrets:", 1), "utf-8")
    world.fill()
    world.variables["VAULT_ADDR"] = world.bao.url
    done = world.migrate("--apply", to="other")
    assert done.code == 1
    assert '"vault" and "other" are the same place, seen from this machine' in done.out
    assert world.vault_versions("agents/jira") == 1
