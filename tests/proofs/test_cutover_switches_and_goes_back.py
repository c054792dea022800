"""Secrets switch between a real OpenBao and a local Key Vault: behind a gate, in steps, and back with one down."""

import json
from pathlib import Path

import pytest

from compiler.model.document import Document
from compiler.stages.load import load_text
from tests.commands import Done
from tests.leaks import leaks
from tests.proofs.conftest import World

SENTINELS = ("s3ntinel-of-vault-4711", "s3ntinel-of-azure-0815", "s3ntinel-of-both-2342")
PROD = """\
# What prod says.
labels: {team: platform}   # ours
moves: {to: azure, steps: [[jira], [all]]}
secrets:
  jira:
    # one first
    use: []
"""


def environment(world: World) -> Path:
    return world.root / "environments/prod.yaml"


def values(world: World) -> Path:
    return world.root / "chart/values-prod.yaml"


def cutover(world: World, *words: str) -> Done:
    done = world.run("cutover", "prod", *words)
    assert not [leak for sentinel in SENTINELS for leak in leaks(done.out + done.err, sentinel)]
    assert "Traceback" not in done.err
    return done


def stores(world: World) -> dict[str, str]:
    """Which store each secret reads, as the values file says."""
    document, _ = load_text("values", values(world).read_text("utf-8"))
    assert isinstance(document, Document)
    found = document.root.nearest("externalSecrets").children
    return {name: str(node.text("storeRef", "name")) for name, node in found.items()}


@pytest.fixture
def filled(world: World) -> World:
    """Both stores hold the same: the Key Vault by a migration."""
    environment(world).write_text(PROD, "utf-8")
    world.put("agents/github", {"GITHUB_TOKEN": SENTINELS[2]})
    world.put("agents/jira", {"JIRA_TOKEN": SENTINELS[2], "JIRA_URL": f"https://{SENTINELS[2]}"})
    assert world.run("compile", "prod").code == 0
    assert world.migrate("--apply").code == 0
    return world


def test_a_switch_is_shown_written_and_taken_back_to_the_byte(filled: World) -> None:
    before = environment(filled).read_bytes(), values(filled).read_bytes()
    shown = cutover(filled, "jira", "--to", "azure")
    assert (shown.code, shown.err) == (0, "")
    assert "+    store: azure" in shown.out
    assert "store: ClusterSecretStore/vault-store -> ClusterSecretStore/azure-store" in shown.out
    assert "content equal in both stores; the cluster was not asked" in shown.out
    assert "nothing was written; add --apply to write this" in shown.out
    assert (environment(filled).read_bytes(), values(filled).read_bytes()) == before
    done = cutover(filled, "jira", "--to", "azure", "--apply")
    assert done.code == 0
    assert f"git -C {filled.root} add environments/prod.yaml chart/values-prod.yaml" in done.out
    assert f"git -C {filled.root} commit -m 'Switch jira of prod to azure'" in done.out
    assert stores(filled) == {"github": "vault-store", "jira": "azure-store"}
    assert filled.run("compile", "--check", "prod").code == 0
    there = environment(filled).read_bytes()
    assert cutover(filled, "jira", "--back", "--apply").code == 0
    assert (environment(filled).read_bytes(), values(filled).read_bytes()) == before
    # Again, and with a line that stood before: it stays.
    assert cutover(filled, "jira", "--to", "azure", "--apply").code == 0
    assert environment(filled).read_bytes() == there
    back = there.replace(b"store: azure", b"store: vault")
    environment(filled).write_bytes(back)
    assert filled.run("compile", "prod").code == 0
    assert cutover(filled, "jira", "--to", "azure", "--apply").code == 0
    assert environment(filled).read_bytes() == there.replace(b"store: azure", b"store: azure  # before: vault")
    assert cutover(filled, "jira", "--back", "--apply").code == 0
    assert environment(filled).read_bytes() == back


def test_the_way_back_needs_nothing_of_the_store_that_is_left(filled: World) -> None:
    assert cutover(filled, "jira", "--to", "azure", "--apply").code == 0
    filled.azure.close()
    done = cutover(filled, "jira", "--back", "--apply")
    assert done.code == 0, done.out + done.err
    assert 'keys of "jira" not compared: "JIRA_TOKEN", "JIRA_URL": ' in done.out
    assert "Without comparison: azure did not answer for jira/JIRA_TOKEN, jira/JIRA_URL." in done.out
    assert stores(filled) == {"github": "vault-store", "jira": "vault-store"}


def test_steps_are_taken_in_order_and_the_move_is_finished(filled: World) -> None:
    first = cutover(filled, "--next", "--apply")
    assert (first.code, "step 1 of 2" in first.out) == (0, True)
    assert stores(filled) == {"github": "vault-store", "jira": "azure-store"}
    second = cutover(filled, "--next", "--apply")
    assert (second.code, "step 2 of 2" in second.out) == (0, True)
    assert stores(filled) == {"github": "azure-store", "jira": "azure-store"}
    third = cutover(filled, "--next", "--apply")
    assert third.code == 0
    assert f"platform-secrets --root {filled.root} cutover prod --finish --to azure" in third.out
    compiled = values(filled).read_bytes()
    done = cutover(filled, "--finish", "--to", "azure", "--apply")
    assert done.code == 0, done.out
    text = environment(filled).read_text("utf-8")
    assert text.replace("store: azure\n", "") == PROD
    assert text.count("store: azure") == 1
    assert values(filled).read_bytes() == compiled
    assert cutover(filled, "--finish", "--to", "azure").out.endswith("nothing to do\n")


def test_a_run_that_is_killed_between_the_files_is_completed_by_compile(filled: World) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from compiler.cli.main import main
replace = Path.replace
def killed(self, target):
    if str(target).endswith("values-prod.yaml"):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = killed
sys.exit(main(sys.argv[1:]))
"""
    old = values(filled).read_bytes()
    done = filled.process(program, "cutover", "prod", "jira", "--to", "azure", "--apply")
    assert done.returncode == -9, done.stderr
    assert "store: azure" in environment(filled).read_text("utf-8")
    assert values(filled).read_bytes() == old
    again = cutover(filled, "jira", "--to", "azure", "--apply")
    assert (again.code, f"platform-secrets --root {filled.root} compile prod" in again.out) == (1, True)
    assert filled.run("compile", "prod").code == 0
    assert stores(filled)["jira"] == "azure-store"
    # What the killed run left beside the file, the next one that writes there takes away.
    assert cutover(filled, "jira", "--back", "--apply").code == 0
    assert [path.name for path in (filled.root / "environments").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("at", range(12))
def test_an_interrupt_at_any_point_of_the_writing_leaves_both_old_or_both_new(filled: World, at: int) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from compiler.cli.main import main
left = {at}
def counted(call):
    def calling(*given, **more):
        global left
        left -= 1
        if left == -1:
            os.kill(os.getpid(), signal.SIGINT)
        return call(*given, **more)
    return calling
from compiler.operations import cutover
inner = cutover.write_all
def armed(*given):
    os.fsync, os.link, os.open = counted(os.fsync), counted(os.link), counted(os.open)
    Path.replace = counted(Path.replace)
    return inner(*given)
cutover.write_all = armed
sys.exit(main(sys.argv[1:]))
"""
    old = environment(filled).read_bytes(), values(filled).read_bytes()
    done = filled.process(program, "cutover", "prod", "jira", "--to", "azure", "--apply")
    found = environment(filled).read_bytes(), values(filled).read_bytes()
    if done.returncode == 0:
        assert found[0] != old[0]
        assert found[1] != old[1]
    else:
        assert (done.returncode, found) == (130, old), done.stderr
        assert "interrupted; " in done.stderr
    folders = (filled.root / "environments", filled.root / "chart")
    assert not [path for folder in folders for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("call", [1, 2])
def test_an_interrupt_while_the_stores_are_asked_leaves_all_as_it_was(filled: World, call: int) -> None:
    program = f"""
import os, signal, sys
from compiler.cli.main import main
from compiler.operations import cutover_gate
left, verify = {call}, cutover_gate.verify
def interrupted(*given, **more):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    return verify(*given, **more)
cutover_gate.verify = interrupted
sys.exit(main(sys.argv[1:]))
"""
    old = environment(filled).read_bytes(), values(filled).read_bytes()
    done = filled.process(program, "cutover", "prod", "jira", "--to", "azure", "--apply")
    assert (done.returncode, done.stderr) == (130, "interrupted; nothing was written\n")
    assert (environment(filled).read_bytes(), values(filled).read_bytes()) == old


def test_no_value_is_shown_whatever_the_stores_hold_and_whatever_breaks(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("jira", "--to", "azure", "--debug")
    for vault, azure in (
        ({"JIRA_TOKEN": SENTINELS[0], "JIRA_URL": SENTINELS[0]}, json.dumps({"JIRA_TOKEN": SENTINELS[1]})),
        ({"JIRA_TOKEN": 5, "JIRA_URL": {"deep": SENTINELS[0]}}, SENTINELS[1]),
        ({"JIRA_TOKEN": f" {SENTINELS[0]}", "JIRA_URL": f"<{SENTINELS[0]}>"}, f'{{"JIRA_TOKEN": ["{SENTINELS[1]}"]}}'),
        ({}, json.dumps({"JIRA_TOKEN": SENTINELS[1], "JIRA_URL": SENTINELS[1]})),
    ):
        filled.put("agents/jira", vault)
        filled.azure.seed("agents-jira", azure)
        codes = [
            cutover(filled, *words, *more).code
            for more in ((), ("--apply",), ("--format", "json"), ("--accept-differences", "JIRA_TOKEN", "JIRA_URL"))
        ]
        assert set(codes) <= {0, 1}
    # A defect while the values are in every frame.
    monkeypatch.setattr("compiler.operations.cutover_gate.check_equal_values", lambda found, *_, **__: int(repr(found)))
    broken = cutover(filled, *words)
    assert (broken.code, "internal error" in broken.err) == (3, True)
    files = [path for path in filled.root.rglob("*") if path.is_file()]
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        assert not [leak for sentinel in SENTINELS for leak in leaks(text, sentinel)], path


def test_a_version_that_deletes_itself_is_not_switched_to_until_the_printed_settings_are_made(filled: World) -> None:
    assert cutover(filled, "jira", "--to", "azure", "--apply").code == 0
    filled.bao.call("POST", f"{filled.mount}/metadata/agents/jira", {"delete_version_after": "1h"})
    filled.put("agents/jira", {"JIRA_TOKEN": SENTINELS[2], "JIRA_URL": f"https://{SENTINELS[2]}"})
    closed = cutover(filled, "jira", "--to", "vault", "--apply")
    assert closed.code == 1
    assert 'version 2 of "agents/jira" in "vault" deletes itself on ' in closed.out
    setting = f"bao kv metadata put -mount={filled.mount} -delete-version-after=0s agents/jira"
    assert (
        f"to have it stay: {setting} && bao kv undelete -mount={filled.mount} -versions=2 agents/jira\n" in closed.out
    )
    assert "cutover prod jira --to vault --accept-ending jira --apply\n" in closed.out
    # What those lines do.
    filled.bao.call("POST", f"{filled.mount}/metadata/agents/jira", {"delete_version_after": "0s"})
    filled.bao.call("POST", f"{filled.mount}/undelete/agents/jira", {"versions": [2]})
    assert cutover(filled, "jira", "--to", "vault").code == 0
