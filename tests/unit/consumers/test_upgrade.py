import pytest

from compiler.consumers.look import UpgradeNeed, needs_of_upgrade, unneeded_after
from tests.unit.consumers.conftest import BOTH, Bench, deployment, gathered

GITHUB = "envFrom: [{secretRef: {name: agent-github-secrets}}]"
ENV = "env: [{name: A, valueFrom: {secretKeyRef: {name: %s, key: %s}}}]"


def needs(bench: Bench, old: str, new: str) -> list[UpgradeNeed]:
    return list(needs_of_upgrade(bench.own(), gathered(old), gathered(new)))


def unneeded(bench: Bench, old: str, new: str) -> list[str]:
    return list(unneeded_after(bench.own(), gathered(old), gathered(new)))


def one(bench: Bench, old: str, new: str) -> UpgradeNeed:
    (need,) = needs(bench, old, new)
    return need


def test_equal_manifests_need_nothing(bench: Bench) -> None:
    manifests = deployment(BOTH), deployment(BOTH)
    assert (needs(bench, *manifests), unneeded(bench, *manifests)) == ([], [])


def test_a_secret_that_is_newly_read_must_be_in_its_store(bench: Bench) -> None:
    need = one(bench, deployment(GITHUB), deployment(BOTH))
    assert (need.secret, need.name, need.namespace) == ("jira", "agent-jira-secrets", "agents")
    assert (need.keys, need.is_optional) == ((), False)
    assert need.steps == ("platform-secrets put prod jira",)
    assert [each.title for each in need.workloads] == ['Deployment "platform-agent"']


def test_what_is_no_longer_read_is_told(bench: Bench) -> None:
    manifests = deployment(BOTH), deployment(GITHUB)
    assert (needs(bench, *manifests), unneeded(bench, *manifests)) == ([], ["jira"])
    ingress = "---\napiVersion: v1\nkind: Ingress\nspec: {tls: [{secretName: agent-jira-secrets}]}\n"
    assert unneeded(bench, deployment(BOTH), deployment(GITHUB) + ingress) == []


def test_a_new_secret_is_made_with_the_keys_that_are_named(bench: Bench) -> None:
    new = deployment(BOTH) + deployment(ENV % ("caipe-mongo-secret", "URI"), name="db")
    need = one(bench, deployment(BOTH), new)
    assert need.secret is None
    assert need.steps == (
        "platform-secrets new secret caipe-mongo --target caipe-mongo-secret --key URI --into prod",
        "platform-secrets put prod caipe-mongo",
    )


def test_keys_that_nobody_names_are_left_to_a_person(bench: Bench) -> None:
    need = one(bench, deployment(BOTH), deployment(BOTH.replace("]", ", {secretRef: {name: web}}]")))
    assert need.steps == (
        "# the manifests do not name its keys: write them in place of KEY",
        "platform-secrets new secret web --target web --key KEY --into prod",
        "platform-secrets put prod web",
    )


def test_an_entry_that_the_environment_does_not_list_is_listed_first(bench: Bench) -> None:
    bench.add("secrets: {jira: {enabled: false}}")
    need = one(bench, deployment(GITHUB), deployment(BOTH))
    assert need.steps == (
        "# first list `jira: {}` under `secrets:` of prod",
        "platform-secrets put prod jira",
    )


def test_what_is_read_in_another_namespace_is_made_there(bench: Bench) -> None:
    there = ", namespace: other"
    made = one(bench, deployment("image: a", head=there), deployment(ENV % ("web", "K"), head=there))
    assert made.steps[0] == "platform-secrets new secret web --target web --namespace other --key K --into prod"
    bench.add("secrets: {github: {enabled: false}}")
    listed = one(bench, deployment("image: a", head=there), deployment(GITHUB, head=there))
    assert listed.steps[0] == "# first list `github: {namespace: other}` under `secrets:` of prod"


def test_a_new_key_of_a_secret_that_was_read_before_is_put_alone(bench: Bench) -> None:
    old, new = ENV % ("agent-jira-secrets", "JIRA_URL"), ENV % ("agent-jira-secrets", "JIRA_TOKEN")
    assert one(bench, deployment(old), deployment(new)).steps == ("platform-secrets put prod jira JIRA_TOKEN",)
    lacks = ENV % ("agent-jira-secrets", "NEW")
    assert one(bench, deployment(old), deployment(lacks)).steps == (
        "# first add to jira in environments/catalogue.yaml: NEW",
        "platform-secrets put prod jira",
    )


def test_a_remark_stays_one_whatever_a_key_is_called(bench: Bench) -> None:
    new = ENV % ("agent-jira-secrets", '"NEW\\nrm -rf ~\\u2028x"')
    remark = one(bench, deployment(GITHUB), deployment(new)).steps[0]
    assert remark == "# first add to jira in environments/catalogue.yaml: NEW\\x0arm -rf ~\\u2028x"


def test_what_was_optional_and_is_needed_now_is_new(bench: Bench) -> None:
    optional = GITHUB.replace("}}", ", optional: true}}")
    assert one(bench, deployment(optional), deployment(GITHUB)).is_optional is False
    assert needs(bench, deployment(GITHUB), deployment(optional)) == []
    assert one(bench, deployment("image: a"), deployment(optional)).is_optional is True


def test_what_others_make_needs_no_step(bench: Bench) -> None:
    new = deployment("envFrom: [{secretRef: {name: own}}, {secretRef: {name: theirs}}]")
    made = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\n"
    bench.add("madeElsewhere: {theirs: the administrators}")
    assert needs(bench, deployment("image: a"), new + made) == []


@pytest.mark.parametrize(
    ("target", "chosen"),
    [("github-secret", "github-secret"), ("a.b-secrets", "a-b"), ("jira", "NAME"), ("...", "NAME")],
)
def test_the_entrys_name_is_a_free_one(bench: Bench, target: str, chosen: str) -> None:
    need = one(bench, deployment(BOTH), deployment(ENV % (target, "K")))
    assert need.steps[0].startswith(f"platform-secrets new secret {chosen} --target {target} --key K ")
