import pytest

from compiler.model.diagnostic import MOST_OF_A_KIND, Severity
from tests.unit.consumers.conftest import BOTH, Bench, deployment, last

HOOK = """
---
apiVersion: batch/v1
kind: Job
metadata: {name: init, annotations: {%s}}
spec: {template: {spec: {containers: [{name: a, envFrom: [{secretRef: {name: agent-jira-secrets%s}}]}]}}}
"""


def test_what_fits_has_no_finding(bench: Bench) -> None:
    assert bench.found(deployment(BOTH)) == ()


def test_a_secret_that_the_manifests_make_too_is_found_at_both_places(bench: Bench) -> None:
    made = "\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: agent-jira-secrets\n"
    text = deployment(BOTH) + made
    found = bench.one("doubly-made-secret", text)
    assert found.severity is Severity.ERROR
    assert (found.span.path, found.span.line) == ("environments/base.yaml", 9)
    assert [each.span.where for each in found.related] == [last(text, "agent-jira-secrets")]
    assert 'a Secret "agent-jira-secrets" makes it too' in found.message


@pytest.mark.parametrize(
    ("head", "is_found"),
    [
        ("name: agent-jira-secrets, labels: {app.kubernetes.io/part-of: ai-platform-engineering}", False),
        ("name: agent-jira-secrets", True),
        ("name: agent-jira-secrets, labels: {app.kubernetes.io/part-of: other}", True),
        ("name: other, labels: {app.kubernetes.io/part-of: ai-platform-engineering}", True),
        ("name: agent-jira-secrets, namespace: other", False),
    ],
)
def test_the_environments_own_external_secret_is_no_other_maker(bench: Bench, head: str, *, is_found: bool) -> None:
    made = f"""
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{{head}}}
spec: {{target: {{name: agent-jira-secrets}}, data: [{{secretKey: JIRA_TOKEN}}]}}
"""
    assert bool(bench.of("doubly-made-secret", deployment(BOTH) + made)) is is_found


def test_a_secret_that_no_pod_reads_is_found_at_its_line(bench: Bench) -> None:
    bench.change("catalogue", "    keys:\n      JIRA_TOKEN", "    mountedBy: [mcp-jira]\n    keys:\n      JIRA_TOKEN")
    found = bench.one("unread-secret", deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]"))
    assert (found.severity, found.span.where) == (Severity.WARNING, "environments/base.yaml:9:23")
    assert found.message == 'no pod reads the Secret "agent-jira-secrets" of "jira"'
    assert [each.span.path for each in found.related] == ["environments/catalogue.yaml"]


def test_what_another_object_refers_to_is_read(bench: Bench) -> None:
    github = deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]")
    ingress = """
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {tls: [{secretName: agent-jira-secrets}]}
"""
    assert bench.of("unread-secret", github + ingress) == []


def test_nothing_is_said_of_namespaces_without_workloads(bench: Bench) -> None:
    elsewhere = deployment("image: a", head=", namespace: elsewhere")
    assert bench.of("unread-secret", elsewhere) == []


@pytest.mark.parametrize(
    ("annotations", "is_found"),
    [
        ("helm.sh/hook: pre-install", True),
        ("helm.sh/hook: 'post-install,pre-upgrade'", True),
        ("helm.sh/hook: post-install", False),
        ("helm.sh/hook: test", False),
        ("argocd.argoproj.io/hook: PreSync", True),
        ("argocd.argoproj.io/hook: Sync, argocd.argoproj.io/sync-wave: '-50'", True),
        ("argocd.argoproj.io/hook: Sync, argocd.argoproj.io/sync-wave: '-49'", False),
        ("argocd.argoproj.io/hook: PostSync, helm.sh/hook: pre-install", False),
        ("argocd.argoproj.io/sync-wave: '-60'", False),
    ],
)
def test_a_hook_that_comes_before_its_secret_is_found(bench: Bench, annotations: str, *, is_found: bool) -> None:
    found = bench.of("needed-by-hook", deployment(BOTH) + HOOK % (annotations, ""))
    assert bool(found) is is_found
    if found:
        assert 'Job "init" needs the Secret "agent-jira-secrets" as a' in found[0]
        assert "and it is made in wave -49 of Sync" in found[0]
    assert bench.of("needed-by-hook", deployment(BOTH) + HOOK % (annotations, ", optional: true")) == []


def test_a_hook_before_what_the_manifests_make_is_found_at_the_hook(bench: Bench) -> None:
    hook = (HOOK % ("helm.sh/hook: pre-install", "")).replace("agent-jira-secrets", "own")
    made = "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: own%s}\n"
    found = bench.one("needed-by-hook", deployment(BOTH) + hook + made % "")
    assert found.span.path == "m0.yaml"
    earlier = ", annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-5'}"
    assert bench.of("needed-by-hook", deployment(BOTH) + hook + made % earlier) == []


@pytest.mark.parametrize("rule", ["unread-secret", "needed-by-hook", "unusable-variable", "shadowed-variable"])
def test_a_waiver_of_the_secret_or_of_all_accepts_a_finding(bench: Bench, rule: str) -> None:
    bench.change("catalogue", "      JIRA_URL: {description: URL}", "      1URL: {description: URL}")
    reads = "envFrom: [{secretRef: {name: agent-jira-secrets}}]\n          env: [{name: JIRA_TOKEN, value: a}]"
    manifests = deployment(reads) + HOOK % ("helm.sh/hook: pre-install", "")
    assert bench.of(rule, manifests)
    bench.add(f"waive: {{{rule}: it is so}}")
    assert bench.of(rule, manifests) == []
    bench.change("prod", f"waive: {{{rule}: it is so}}", f"secrets: {{jira: {{waive: {{{rule}: so}}}}}}")
    assert bool(bench.of(rule, manifests)) is (rule == "unread-secret")


def test_a_waiver_that_nothing_needed_is_reported(bench: Bench) -> None:
    bench.add("waive: {unread-secret: it is so}")
    found = bench.one("unused-waiver", deployment(BOTH))
    assert (found.span.where, found.severity) == ("environments/prod.yaml:1:9", Severity.WARNING)
    assert bench.of("unused-waiver", deployment("image: a")) == []


def test_a_waiver_of_a_secret_is_judged_where_its_namespace_was_looked_at(bench: Bench) -> None:
    bench.add("secrets: {jira: {namespace: other, waive: {unread-secret: so}}, github: {waive: {unread-secret: so}}}")
    reads = "envFrom: [{secretRef: {name: agent-github-secrets}}]"
    assert bench.one("unused-waiver", deployment(reads)).span.where == "environments/prod.yaml:1:82"
    both = deployment(reads) + deployment(
        "envFrom: [{secretRef: {name: agent-jira-secrets}}]", head=", namespace: other"
    )
    assert len(bench.of("unused-waiver", both)) == 2


def test_a_waiver_of_another_file_is_not_judged_here(bench: Bench) -> None:
    bench.change("base", "namespace:", "waive: {unread-secret: it is so}\nnamespace:")
    assert bench.of("unused-waiver", deployment(BOTH)) == []


def test_of_one_rule_not_more_are_listed_than_anybody_reads(bench: Bench) -> None:
    many = ", ".join(f"{{secretRef: {{name: s{number}}}}}" for number in range(MOST_OF_A_KIND + 20))
    found = bench.of("unmade-secret", deployment(f"envFrom: [{many}]"))
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1] == f"there are more like the {MOST_OF_A_KIND} before; they are not listed"
