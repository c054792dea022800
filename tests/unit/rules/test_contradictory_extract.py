from compiler.rules.contradictory_extract import check
from tests.unit.rules.conftest import TAKING, Judge

EXTRACTED = TAKING.replace("    target: agent-aws-secrets\n", "    target: agent-aws-secrets\n    extract: true\n")
AWS = "secrets: {aws: {}}"


def test_finds_what_a_key_says_of_its_place_and_its_variants(judge: Judge) -> None:
    for said, field, message in (
        ("{variants: [pat]}", "variants", 'the key "AWS_REGION" of "aws" is always there'),
        ("{remote: {vault: {property: X}}}", "remote", 'the key "AWS_REGION" of "aws" is at its own name'),
        ("{from: global/LLM_PROVIDER}", "from", 'the key "AWS_REGION" of "aws" is in the remote secret of its entry'),
    ):
        found = judge(check, catalogue=EXTRACTED.replace("AWS_REGION: {}", f"AWS_REGION: {said}"))
        (text,) = found.messages
        assert text.startswith(message)
        assert text.endswith(", as its entry has `extract: true`")
        assert (found.marked, found.related) == ([field], ["true"])
        assert found.helps == [f"remove `{field}`, or `extract`"]
        assert found.scopes == [("secrets", "aws")]


def test_finds_variants_that_are_chosen_and_a_way_to_fetch(judge: Judge) -> None:
    found = judge(check, catalogue=EXTRACTED.replace("    extract: true\n", "    extract: true\n    use: []\n"))
    assert found.messages == ['"aws" has no variants, as its entry has `extract: true`']
    found = judge(check, "secrets: {aws: {use: [], fetch: bundle}}", catalogue=EXTRACTED)
    assert found.messages == [
        '"aws" has no variants, as its entry has `extract: true`',
        '"aws" is always fetched as a whole, as its entry has `extract: true`',
    ]
    assert found.marked == ["use", "fetch"]


def test_leaves_other_entries_and_what_an_environment_fetches_by_default_alone(judge: Judge) -> None:
    assert not judge(check, catalogue=EXTRACTED)
    assert not judge(check, catalogue=TAKING)
    assert not judge(check, catalogue=EXTRACTED.replace("extract: true\n", "extract: false\n    use: []\n"))
    assert not judge(check, f"fetch: bundle\n{AWS}", catalogue=EXTRACTED)
    assert not judge(check, "secrets: {github: {use: [app], fetch: bundle}}", catalogue=EXTRACTED)


def test_finds_what_is_said_of_values_where_no_key_is_listed(judge: Judge) -> None:
    start = EXTRACTED.index("    keys:", EXTRACTED.index("    extract: true"))
    end = EXTRACTED.find("\n  ", EXTRACTED.index("\n", start) + 1)
    while end >= 0 and EXTRACTED[end:].startswith("\n    "):
        end = EXTRACTED.find("\n  ", end + 1)
    lone = EXTRACTED[:start].rstrip() + (EXTRACTED[end:] if end >= 0 else "\n")
    assert not judge(check, AWS, catalogue=lone)
    found = judge(check, catalogue=lone.replace("extract: true", "extract: true\n    rotate: 90d\n    owner: team-a"))
    assert found.messages == ['`rotate` applies to listed keys, and "aws" lists none']
    assert (found.marked, found.related, found.scopes) == (["rotate"], ["true"], [("secrets", "aws")])
    assert found.helps == ["list them under `keys`, or remove `rotate`"]
