import pytest

from compiler.rules.reserved_label import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("name", ["name", "component", "part-of", "managed-by"])
def test_finds_a_label_of_the_chart(judge: Judge, name: str) -> None:
    found = judge(check, f"labels: {{app.kubernetes.io/{name}: x}}")
    assert found.messages == [f'the label "app.kubernetes.io/{name}" is set by the chart']
    assert found.marked == [f"app.kubernetes.io/{name}"]


@pytest.mark.parametrize(
    ("member", "key", "kind", "owner"),
    [
        ("labels", "app.kubernetes.io/instance", "label", "Argo CD"),
        ("secretLabels", "app.kubernetes.io/instance", "Secret's label", "Argo CD"),
        ("labels", "argocd.argoproj.io/instance", "label", "Argo CD"),
        ("secretLabels", "argocd.argoproj.io/instance", "Secret's label", "Argo CD"),
        ("secretAnnotations", "argocd.argoproj.io/tracking-id", "Secret's annotation", "Argo CD"),
        ("secretAnnotations", "argocd.argoproj.io/sync-wave", "Secret's annotation", "Argo CD"),
        ("labels", "reconcile.external-secrets.io/managed", "label", "External Secrets Operator"),
        ("secretLabels", "reconcile.external-secrets.io/created-by", "Secret's label", "External Secrets Operator"),
        (
            "secretAnnotations",
            "reconcile.external-secrets.io/data-hash",
            "Secret's annotation",
            "External Secrets Operator",
        ),
        ("secretLabels", "app.kubernetes.io/name", "Secret's label", "the chart"),
        ("annotations", "force-sync", "annotation", "live commands"),
    ],
)
def test_finds_what_others_write(judge: Judge, member: str, key: str, kind: str, owner: str) -> None:
    found = judge(check, f"{member}: {{{key}: x}}")
    assert found.messages == [f'the {kind} "{key}" is set by {owner}']
    assert found.marked == [key]
    own = judge(check, f"secrets: {{github: {{{member}: {{{key}: x}}}}}}")
    assert own.messages == found.messages
    assert own.scopes == [("secrets", "github")]


def test_part_of_has_a_setting_of_its_own(judge: Judge) -> None:
    assert judge(check, "labels: {app.kubernetes.io/part-of: x}").helps == ["set `partOf` in the environment"]
    assert judge(check, "labels: {app.kubernetes.io/instance: x}").helps == ["use a key of your own"]


@pytest.mark.parametrize(
    "text",
    [
        "annotations: {argocd.argoproj.io/sync-options: Prune=confirm}",
        "secretAnnotations: {reloader.stakater.com/match: 'true', app.kubernetes.io/instance: x}",
        "secretLabels: {argocd.argoproj.io.example.com/x: y, reconcile: z, argocd.argoproj.io: z}",
    ],
)
def test_leaves_what_belongs_there_alone(judge: Judge, text: str) -> None:
    assert not judge(check, text)


def test_finds_the_sync_wave(judge: Judge) -> None:
    found = judge(check, 'secrets: {github: {annotations: {argocd.argoproj.io/sync-wave: "1"}}}')
    assert found.helps == ["set `syncWave` in the catalogue"]
    assert found.scopes == [("secrets", "github")]


def test_leaves_others_alone(judge: Judge) -> None:
    assert not judge(
        check, "labels: {app.kubernetes.io/version: x}\nannotations: {a: b}\nsecrets: {github: {labels: {a: b}}}"
    )
    assert not judge(check, "secrets: null")


@pytest.mark.parametrize(
    ("member", "key", "is_found"),
    [
        ("labels", "secret-type", False),
        ("secretLabels", "secret-type", False),
        ("secretAnnotations", "sync-options", False),
        ("secretAnnotations", "compare-options", False),
        ("secretAnnotations", "secret-type", True),
        ("secretLabels", "sync-options", True),
    ],
)
def test_three_keys_of_argo_cd_make_a_secret_no_part_of_an_application(
    judge: Judge,
    member: str,
    key: str,
    is_found: bool,  # noqa: FBT001 - a case's verdict
) -> None:
    text = f"{member}: {{argocd.argoproj.io/{key}: x}}"
    assert bool(judge(check, text)) is is_found
