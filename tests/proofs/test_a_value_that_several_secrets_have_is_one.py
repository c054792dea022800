"""One value that several Secrets have is verified, backed up, migrated, set, switched and retired once."""

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from compiler.operations.age_file import decrypt_by
from compiler.operations.backup import decode
from compiler.stores.secret_value import SecretValue
from tests.commands import Done
from tests.leaks import leaks
from tests.proofs.conftest import World

SENTINEL = "s3ntinel-of-several-1723"
NEW = "s3ntinel-renewed-of-several-4242"
# The board has keys of its own too; the bot takes the value by way of the board, and is all that it has.
ENTRIES = """\
  board:
    description: Board
    target: agent-board-secrets
    remote: {vault: agents/board, azurekv: agents-board}
    syncWave: -49
    keys:
      BOARD_URL: {description: URL}
      ATLASSIAN_TOKEN: {from: jira/JIRA_TOKEN}
  bot:
    description: Bot
    target: agent-bot-secrets
    syncWave: -49
    keys:
      BOT_TOKEN: {from: board/ATLASSIAN_TOKEN}
"""
SECRETS = "secrets: {github: {enabled: false}, board: {}, bot: {}}\n"
ALL = ("jira", "board", "bot")


def run(world: World, *words: str) -> Done:
    done = world.run(*words)
    assert not [leak for value in (SENTINEL, NEW) for leak in leaks(done.out + done.err, value)]
    assert "Traceback" not in done.err
    return done


@pytest.fixture
def shared(world: World) -> World:
    catalogue = world.root / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8") + ENTRIES, "utf-8")
    (world.root / "environments/prod.yaml").write_text(SECRETS, "utf-8")
    world.put("agents/jira", {"JIRA_TOKEN": SENTINEL, "JIRA_URL": "https://jira.example.com"})
    world.put("agents/board", {"BOARD_URL": "https://board.example.com"})
    assert run(world, "compile", "prod").code == 0
    return world


def test_it_is_verified_once(shared: World) -> None:
    done = run(shared, "verify", "prod")
    assert (done.code, "prod: 5 of 5 keys OK, 2 remote secrets read" in done.out + done.err) == (0, True), done
    shared.put("agents/jira", {"JIRA_TOKEN": "", "JIRA_URL": "https://jira.example.com"})
    broken = run(shared, "verify", "prod")
    assert broken.code == 1
    assert (broken.out + broken.err).count("error[") == 1
    assert '"JIRA_TOKEN" of "jira" is empty' in broken.out + broken.err
    assert '"BOT_TOKEN" of "bot" has this value too at environments/catalogue.yaml:' in broken.out + broken.err


def test_it_is_backed_up_and_restored_once(shared: World) -> None:
    identity, path = x25519.Identity.generate(), shared.root / "prod.age"
    key = ("--identity", written(shared, str(identity), "key"))
    for only in ((), ("--only", "bot")):
        words = ("backup", "prod", str(path), "--replace", *only)
        assert run(shared, *words, "--recipient", str(identity.to_public())).code == 0
        names = set(decode(decrypt_by(path.read_bytes(), [SecretValue(str(identity))])).values)
        rest = set() if only else {("jira", "JIRA_URL"), ("board", "BOARD_URL")}
        assert names == rest | {("jira", "JIRA_TOKEN")}
    run(shared, "put", "prod", "jira", "JIRA_TOKEN", "--from-file", written(shared, NEW), "--apply")
    before = shared.vault_versions("agents/jira")
    words = ("restore", "prod", str(path), *key, "--only", "bot", "--on-conflict", "overwrite", "--apply")
    done = run(shared, *words)
    assert (done.code, shared.get("agents/jira")["JIRA_TOKEN"]) == (0, SENTINEL), done
    assert shared.vault_versions("agents/jira") == before + 1
    assert shared.vault_versions("agents/board") == 1


@pytest.mark.parametrize("only", [(), ("--only", "bot")])
def test_it_is_migrated_once_and_undone(shared: World, only: tuple[str, ...]) -> None:
    report = shared.report("--apply", *only)
    moved = [(step["secret"], step["key"]) for step in report["steps"]]
    assert moved == [("jira", "JIRA_TOKEN")] + ([] if only else [("jira", "JIRA_URL"), ("board", "BOARD_URL")])
    assert shared.azure_object("agents-jira")["JIRA_TOKEN"] == SENTINEL
    versions = {name: len(found) for name, found in shared.azure_versions().items()}
    assert versions == {"agents-jira": 1} | ({} if only else {"agents-board": 1})
    assert shared.migrate("--apply", *only).code == 0
    undone = run(shared, "migrate", "prod", "--undo", report["run"], "--apply")
    assert undone.code == 0, undone


def test_put_through_a_reader_sets_the_place_and_names_the_others(shared: World) -> None:
    words = ("put", "prod", "bot", "BOT_TOKEN", "--from-file", written(shared, NEW), "--apply")
    done = run(shared, *words)
    assert done.code == 0, done
    told = "BOT_TOKEN: this is the value of jira/JIRA_TOKEN, in agents/jira[JIRA_TOKEN]; "
    assert told + "also read by jira/JIRA_TOKEN, board/ATLASSIAN_TOKEN" in done.err
    assert shared.get("agents/jira") == {"JIRA_TOKEN": NEW, "JIRA_URL": "https://jira.example.com"}
    assert "agents/jira" in done.out
    (run_id,) = [path.stem for path in shared.journals()]
    assert run(shared, "put", "prod", "--undo", run_id, "--apply").code == 0
    assert shared.get("agents/jira")["JIRA_TOKEN"] == SENTINEL


@pytest.mark.parametrize("secret", ALL)
def test_one_reader_switches_with_the_others_alone(shared: World, secret: str) -> None:
    assert shared.migrate("--apply").code == 0
    refused = run(shared, "cutover", "prod", secret, "--to", "azure", "--apply")
    assert refused.code == 1
    assert "they read one remote place, so they move together" in refused.out
    assert "cutover prod jira board bot --to azure" in refused.out
    done = run(shared, "cutover", "prod", *ALL, "--to", "azure", "--apply")
    assert done.code == 0, done
    checked = run(shared, "verify", "prod")
    assert "prod: 5 of 5 keys OK, 2 remote secrets read" in checked.out + checked.err
    rows = [line.split()[:5] for line in run(shared, "status", "prod").out.splitlines()]
    assert [row for row in rows if row[:1] and row[0] in ALL] == [
        [name, "azure", "-", "vault:", "equal"] for name in ALL
    ]


def test_what_is_left_behind_goes_once(shared: World) -> None:
    assert shared.migrate("--apply").code == 0
    assert run(shared, "cutover", "prod", *ALL, "--to", "azure", "--apply").code == 0
    done = run(shared, "retire", "prod", "bot", "--store", "vault")
    assert "plan: 2 keys to delete" in done.out, done
    assert ", in 1 remote secret" in done.out
    assert run(shared, "retire", "prod", "--store", "vault", "--without-cluster", "--apply").code == 0


def written(world: World, value: str, name: str = "value") -> str:
    path = world.root / name
    path.write_text(value, "utf-8")
    path.chmod(0o600)
    return str(path)
