import json

from compiler.rules import ALL_RULES
from tests.commands import RunCommand


def test_every_rule_is_listed_with_severity_and_summary(run: RunCommand) -> None:
    done = run("rules")
    lines = done.out.splitlines()
    assert (done.code, done.err, len(lines)) == (0, "", len(ALL_RULES))
    for line, rule in zip(lines, ALL_RULES, strict=True):
        assert line.split(maxsplit=2) == [rule.id, rule.severity.value, rule.summary]


def test_one_rule_is_shown_with_its_page(run: RunCommand) -> None:
    done = run("rules", "shared-place")
    page = next(rule.page.strip() for rule in ALL_RULES if rule.id == "shared-place")
    assert done.out == f"shared-place (warning, can be waived with a reason)\n\n{page}\n"
    assert run("rules", "unknown-secret").out.startswith("unknown-secret (error, cannot be waived)\n")


def test_an_unknown_rule_is_told_the_nearest(run: RunCommand) -> None:
    done = run("rules", "shard-place")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'error: no rule "shard-place"\nhelp: did you mean "shared-place"?\n'
    assert "`platform-secrets rules` lists them" in run("rules", "zzzzzz").err
    assert "`platform-secrets --root 'a b' rules` lists them" in run("--root", "a b", "rules", "zzzzzz").err


def test_json_has_every_page(run: RunCommand) -> None:
    data = json.loads(run("rules", "--format", "json").out)
    assert (data["format"], data["command"], data["environment"], data["exitCode"]) == (1, "rules", None, 0)
    assert [rule["id"] for rule in data["rules"]] == [rule.id for rule in ALL_RULES]
    assert data["rules"][0].keys() == {"id", "severity", "scope", "waivable", "summary", "page"}
