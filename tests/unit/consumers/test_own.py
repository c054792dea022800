from compiler.consumers.findings import _unused_waivers, keys_of, namespace_of
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from tests.unit.consumers.conftest import Bench


def test_secrets_are_known_by_namespace_and_target(bench: Bench) -> None:
    own = bench.own()
    assert set(own.secrets) == {("agents", "agent-github-secrets"), ("agents", "agent-jira-secrets")}
    assert keys_of(own.secrets["agents", "agent-github-secrets"]) == {"GITHUB_TOKEN"}
    assert (dict(own.elsewhere), own.place.key_span.where) == ({}, "environments/base.yaml:9:1")


def test_what_others_make_is_merged_over_layers(bench: Bench) -> None:
    bench.change("base", "namespace:", "madeElsewhere: {a: first, b: second}\nnamespace:")
    bench.add("madeElsewhere: {b: null, c: third}")
    assert set(bench.own().elsewhere) == {"a", "c"}


def test_manifests_without_a_namespace_belong_to_the_environments(bench: Bench) -> None:
    assert namespace_of(bench.environment(), None) == "agents"
    assert namespace_of(bench.environment(), "other") == "other"


def test_what_keeps_pods_from_starting_is_never_waived(bench: Bench) -> None:
    environment = bench.environment()
    assert BY_ID["unmade-secret"].waivers(Finding("a", environment.root), [environment.root]) == []
    assert list(_unused_waivers(environment, (), {"agents"})) == []
