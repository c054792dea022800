import json
import stat
from pathlib import Path

import pytest
from pyrage import x25519  # type: ignore[import-untyped]

from tests.commands import Done
from tests.proofs.conftest import World, on_stores

ODD = {
    "JIRA_TOKEN": 'ünï\n"quoted" \\ \t😀',
    "JIRA_URL": '{"json": ["like", 1.0, null]}',
    "NOTES": "outside the catalogue",
}


class Keys:
    def __init__(self, folder: Path) -> None:
        made = x25519.Identity.generate()
        self.public = str(made.to_public())
        self.file = folder / "key.txt"
        self.file.write_text(f"# created today\n{made}\n", "utf-8")
        self.file.chmod(0o600)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def backup(world: World, keys: Keys, *options: str) -> tuple[Path, Done]:
    path = world.root / "prod.age"
    return path, world.run("backup", "prod", str(path), "--recipient", keys.public, *options)


def restore(world: World, keys: Keys, *options: str) -> Done:
    return world.run("restore", "prod", str(world.root / "prod.age"), "--identity", str(keys.file), *options)


@pytest.mark.parametrize("to", on_stores(["azure"], ["vault"]))
def test_into_an_empty_store_all_values_are_identical(world: World, keys: Keys, to: str) -> None:
    world.put("agents/github", {"GITHUB_TOKEN": "t", "GITHUB_APP_KEY": "pem\n"})
    world.put("agents/jira", ODD)
    path, done = backup(world, keys)
    assert done.code == 0
    assert done.err == "note: agents/jira: NOTES: left out, not in the catalogue\n"
    assert done.out.endswith(": written, prod, 2 secrets, 4 keys\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name in ("agents/github", "agents/jira"):
        world.bao.call("DELETE", f"{world.mount}/metadata/{name}")
    planned = restore(world, keys, "--to", to)
    assert (planned.code, planned.err) == (0, "")
    assert "plan: 4 keys to create, " in planned.out
    assert world.azure_versions() == {}
    audit = world.root / "audit"
    assert restore(world, keys, "--to", to, "--apply", "--audit", str(audit)).code == 0
    wanted = {name: ODD[name] for name in ("JIRA_TOKEN", "JIRA_URL")}
    if to == "vault":
        assert world.get("agents/jira") == wanted
        assert world.get("agents/github") == {"GITHUB_TOKEN": "t", "GITHUB_APP_KEY": "pem\n"}
    else:
        assert world.azure_object("agents-jira") == wanted
        assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "t"}
        assert world.azure.value("github-app-key") == "pem\n"
    actions = {json.loads(line)["action"] for line in audit.read_text("utf-8").splitlines()}
    assert actions == {"create"}
    before = world.azure_versions()
    again = restore(world, keys, "--to", to, "--apply")
    assert "plan: 4 keys unchanged" in again.out
    assert world.azure_versions() == before


def test_a_backup_that_would_lack_a_key_is_not_written_unless_partial(world: World, keys: Keys) -> None:
    world.put("agents/github", {"GITHUB_TOKEN": "t"})
    path, done = backup(world, keys)
    assert done.code == 1
    assert "error: jira/JIRA_TOKEN (agents/jira): the store has no such secret" in done.err
    assert not path.exists()
    path, done = backup(world, keys, "--partial")
    assert done.code == 0
    assert "1 secret, 1 key, 2 missing" in done.out
    assert "not in the backup, unreadable when it was made: jira/JIRA_TOKEN, jira/JIRA_URL" in restore(world, keys).out
    assert backup(world, keys, "--replace", "--only", "jira", "--partial")[1].code == 2


def test_what_is_not_whole_or_not_this_environments_is_refused_before_any_write(
    world: World, keys: Keys, tmp_path: Path
) -> None:
    world.fill()
    path, _ = backup(world, keys)
    whole = path.read_bytes()
    (tmp_path / "other").mkdir()
    other = Keys(tmp_path / "other")
    (world.root / "environments/staging.yaml").write_text("{}\n", "utf-8")
    world.azure.forget_requests()
    middle = len(whole) // 2
    damaged = {
        "flipped": whole[:middle] + bytes([whole[middle] ^ 0x40]) + whole[middle + 1 :],
        "truncated": whole[:-1],
        "cut to the header": whole[:60],
        "appended": whole + b"\n",
        "empty": b"",
        "not age": b"{}",
    }
    for name, data in damaged.items():
        path.write_bytes(data)
        done = restore(world, keys, "--to", "azure", "--apply")
        assert done.code == 3, name
        assert done.err.startswith("error: the file "), name
    path.write_bytes(whole)
    assert restore(world, other, "--to", "azure", "--apply").code == 3
    elsewhere = ("restore", "staging", str(path), "--identity", str(keys.file), "--to", "azure", "--apply")
    done = world.run(*elsewhere)
    assert done.code == 2
    assert 'the backup is of the environment "prod", not of "staging"' in done.err
    assert restore(world, keys, "--to", "azure", "--apply", "--only", "slack").code == 2
    assert world.azure.requests() == []
    assert world.run(*elsewhere, "--from-environment", "prod").code == 0
    assert world.azure_object("agents-github") == {"GITHUB_TOKEN": "token-1"}


def test_one_secret_that_does_not_fit_and_none_is_written(world: World, keys: Keys) -> None:
    world.put("agents/github", {"GITHUB_TOKEN": "t"})
    world.put("agents/jira", {"JIRA_TOKEN": "x" * 25_600, "JIRA_URL": "u"})
    backup(world, keys)
    done = restore(world, keys, "--to", "azure", "--apply")
    assert done.code == 1
    assert "  refuse    jira: JIRA_TOKEN" in done.out
    assert "25600" in done.out
    assert world.azure_versions() == {}


def test_what_cannot_be_written_is_known_before_a_secret_is_read(world: World, keys: Keys) -> None:
    world.variables["VAULT_TOKEN"] = "wrong"
    (world.root / "prod.age").write_bytes(b"old")
    path, done = backup(world, keys)
    assert done.code == 3
    assert "already exists" in done.err.splitlines()[0]
    assert path.read_bytes() == b"old"
    done = world.run("backup", "prod", str(world.root / "new.age"), "--recipient", "age1nonsense")
    assert done.err.startswith("error: recipient 1 is not an age recipient")
    assert not (world.root / "new.age").exists()
