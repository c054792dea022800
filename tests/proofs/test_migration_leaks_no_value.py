import json

from tests.commands import Done
from tests.faulty_key_vault import Fault, FaultKind
from tests.leaks import leaks
from tests.proofs.conftest import World

SENTINEL = 's3ntinel/"4711"+é&'
BARE = "s3ntinel"


def leaked(text: str) -> list[str]:
    return [*leaks(text, SENTINEL), *leaks(text, BARE)]


def test_no_output_journal_audit_or_file_holds_a_value(world: World) -> None:
    world.put("agents/github", {"GITHUB_TOKEN": SENTINEL, "EXTRA": SENTINEL})
    world.put("agents/jira", {"JIRA_TOKEN": SENTINEL, "JIRA_URL": SENTINEL})
    audit = ("--audit", str(world.root / "audit.jsonl"))
    world.azure.seed("agents-jira", json.dumps({"JIRA_TOKEN": SENTINEL + "2"}))
    seen: list[Done] = [
        world.migrate(),
        world.migrate("--format", "json"),
        world.migrate("--apply"),
        world.migrate("--apply", "--debug", "--continue-on-error", *audit),
        world.migrate("--apply", "--format", "json", "--on-conflict", "overwrite", "--all-properties", *audit),
    ]
    for fault in (
        Fault(FaultKind.STATUS, method="PUT", status=400),
        Fault(FaultKind.HTML, method="PUT"),
        Fault(FaultKind.LIE, method="PUT", value='{"JIRA_TOKEN": "x"}'),
        Fault(FaultKind.FORBID, method="PUT"),
        Fault(FaultKind.HTML, method="GET"),
    ):
        world.put("agents/jira", {"JIRA_TOKEN": SENTINEL + fault.kind.name, "JIRA_URL": SENTINEL})
        world.azure.add_fault(fault)
        seen.append(world.migrate("--apply", "--debug", "--on-conflict", "overwrite", *audit))
        assert seen[-1].code in {1, 3, 4}, seen[-1]
        world.azure.clear_faults()
    run = world.journals()[0].stem
    seen.append(world.run("migrate", "prod", "--undo", run, "--apply", "--debug", *audit))
    seen.append(world.run("migrate", "prod", "--undo", run, "--format", "json"))
    world.put("agents/jira", {"JIRA_TOKEN": {SENTINEL: SENTINEL}, "JIRA_URL": "\0" + SENTINEL})
    seen += [world.migrate("--apply", "--debug"), world.migrate("--apply", "--stringify", "--debug")]
    for done in seen:
        assert not leaked(done.out + done.err)
    files = [path for path in world.root.rglob("*") if path.is_file()]
    assert len(world.journals()) >= 3
    for path in files:
        assert not leaked(path.read_text("utf-8")), path


def test_a_name_in_a_store_cannot_steer_the_terminal_that_shows_the_json_report(world: World) -> None:
    world.fill()
    world.put("agents/github", {"GITHUB_TOKEN": "x", "\x1b[2J\x9b2J\u202eevil": "y"})
    done = world.migrate("--format", "json")
    assert done.out.replace("\n", "").isprintable()
    assert done.report["extras"][0]["property"] == "\x1b[2J\x9b2J\u202eevil"
