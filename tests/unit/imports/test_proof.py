from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compiler.imports.forms import FoundKey
from compiler.imports.plan import ImportPlan, plan_import
from compiler.imports.proof import Counts, prove
from compiler.imports.sources import Findings, open_target, read_sources
from compiler.refusal import Refusal
from tests.unit.imports.conftest import STORE, external_secret

KEYS = "data:\n- {secretKey: A, remoteRef: {key: a, property: A}}\n- {secretKey: B, remoteRef: {key: b, property: x}}"
CLEAR = "---\nkind: Secret\napiVersion: v1\nmetadata: {name: s, namespace: b}\ndata: {A: b}\n"
PUSHED = "---\napiVersion: external-secrets.io/v1\nkind: PushSecret\nmetadata: {name: push, namespace: shop}\n"


@pytest.fixture
def planned(project: Path) -> tuple[ImportPlan, Findings]:
    (project / "in.yaml").write_text(STORE + external_secret("a", KEYS) + PUSHED, "utf-8")
    here = open_target(project, "dev")
    found = read_sources("external-secrets", ["in.yaml"], None, here, {})
    return plan_import(here, found.objects), found


def test_what_is_equal_is_counted(planned: tuple[ImportPlan, Findings]) -> None:
    plan, _ = planned
    assert prove(plan) == {"found": Counts(2, 2), "taken": Counts(1, 2), "refused": Counts(1, 0)}


def changed(plan: ImportPlan, change: Callable[[FoundKey], FoundKey]) -> ImportPlan:
    """The plan as if the manifests had said something else of the first key."""
    first, *others = plan.objects
    (secret,) = first.secrets
    keys = (change(secret.keys[0]), *secret.keys[1:])
    return replace(plan, objects=(replace(first, secrets=(replace(secret, keys=keys),)), *others))


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key._replace(property="other"),
        lambda key: key._replace(property=None),
        lambda key: key._replace(remote_key="c"),
        lambda key: key._replace(store=key.store.with_setting("server", "https://other.example.com")),
        lambda key: key._replace(store=key.store.with_setting("mount", "kv")),
        lambda key: key._replace(store=key.store.with_setting("vaultNamespace", "team")),
    ],
)
def test_a_key_that_would_be_read_elsewhere_ends_the_import(
    planned: tuple[ImportPlan, Findings], change: Callable[[FoundKey], FoundKey]
) -> None:
    plan, _ = planned
    with pytest.raises(Refusal, match="would not read 1 key where the manifests do") as raised:
        prove(changed(plan, change))
    assert raised.value.details == "  shop/a: A\n"


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"own_labels": {"team": "shop"}}, "metadata.labels"),
        ({"labels": {"team": "shop"}}, "metadata.labels"),
        ({"own_annotations": {"on-call": "shop"}}, "metadata.annotations"),
        ({"annotations": {"on-call": "shop"}}, "metadata.annotations"),
        ({"wave": 7}, "metadata.annotations"),
    ],
)
def test_metadata_that_would_be_lost_ends_the_import(
    planned: tuple[ImportPlan, Findings], change: dict[str, Any], lost: str
) -> None:
    plan, _ = planned
    first, *others = plan.objects
    objects = (replace(first, secrets=(replace(first.secrets[0], **change),)), *others)
    with pytest.raises(Refusal, match="would not keep 1 field of the manifests") as raised:
        prove(replace(plan, objects=objects))
    assert raised.value.details == f"  shop/a: {lost}\n"


def test_a_key_that_the_manifests_do_not_have_ends_the_import(planned: tuple[ImportPlan, Findings]) -> None:
    plan, _ = planned
    first, *others = plan.objects
    (secret,) = first.secrets
    fewer = replace(first, secrets=(replace(secret, keys=secret.keys[:1]),))
    with pytest.raises(Refusal, match="would not read 1 key") as raised:
        prove(replace(plan, objects=(fewer, *others)))
    assert raised.value.details == "  shop/a: B\n"


def test_a_key_that_nobody_took_ends_the_import(planned: tuple[ImportPlan, Findings]) -> None:
    plan, _ = planned
    first, *others = plan.objects
    with pytest.raises(Refusal, match="found 3 keys, but took 2 and refused 0"):
        prove(replace(plan, objects=(replace(first, counted=3), *others)))


def test_an_object_that_nobody_took_ends_the_import(
    planned: tuple[ImportPlan, Findings], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    plan, found = planned
    assert found.lost == []
    monkeypatch.setattr("compiler.imports.sources.read_object", lambda *_: None)
    (project / "in.yaml").write_text(external_secret("a", KEYS) + CLEAR, "utf-8")
    lost = read_sources("external-secrets", ["in.yaml"], None, open_target(project, "dev"), {}).lost
    with pytest.raises(Refusal) as raised:
        prove(plan, lost)
    assert raised.value.details == "  in.yaml:2:1\n"


@pytest.mark.parametrize(
    ("said", "template", "word"),
    [
        ({"deletionPolicy": "Delete"}, {}, "deletionPolicy"),
        ({"creationPolicy": "Orphan"}, {}, "creationPolicy"),
        ({"type": "kubernetes.io/tls"}, {}, "type"),
        ({}, {"A": "x-{{ .A }}"}, "template"),
    ],
)
def test_a_secret_that_would_be_made_in_another_way_ends_the_import(
    planned: tuple[ImportPlan, Findings], said: dict[str, str], template: dict[str, str], word: str
) -> None:
    plan, _ = planned
    first, *others = plan.objects
    (secret,) = first.secrets
    other = replace(first, secrets=(replace(secret, said=said, template=template),))
    with pytest.raises(Refusal, match="would not make Secrets as the manifests do in 1 field") as raised:
        prove(replace(plan, objects=(other, *others)))
    assert raised.value.details == f"  shop/a: {word}\n"


def test_a_secret_that_would_be_read_at_another_interval_ends_the_import(
    planned: tuple[ImportPlan, Findings],
) -> None:
    plan, _ = planned
    first, *others = plan.objects
    (secret,) = first.secrets
    other = replace(first, secrets=(replace(secret, refresh="7m"),))
    with pytest.raises(Refusal, match="would not make Secrets as the manifests do in 1 field") as raised:
        prove(replace(plan, objects=(other, *others)))
    assert raised.value.details == "  shop/a: refreshInterval\n"


def test_an_external_secret_of_another_name_ends_the_import(planned: tuple[ImportPlan, Findings]) -> None:
    plan, _ = planned
    first, *others = plan.objects
    with pytest.raises(Refusal) as raised:
        prove(replace(plan, objects=(replace(first, name="other"), *others)))
    assert raised.value.details == "  shop/a: metadata.name\n"


EXTRACT = "dataFrom: [{extract: {key: team/app}}]"
ONE_REMOTE = (
    "data: [{secretKey: A, remoteRef: {key: a, property: A}}, {secretKey: B, remoteRef: {key: a, property: B}}]"
)


def planned_as(project: Path, spec: str, **said: Any) -> ImportPlan:  # noqa: ANN401 - any field of a found Secret
    """The plan of an object, as if its manifest had said something else then."""
    (project / "in.yaml").write_text(STORE + external_secret("a", spec), "utf-8")
    here = open_target(project, "dev")
    plan = plan_import(here, read_sources("external-secrets", ["in.yaml"], None, here, {}).objects)
    (found,) = plan.objects
    (secret,) = found.secrets
    return replace(plan, objects=(replace(found, secrets=(replace(secret, **said),)),))


def test_every_property_is_proved_and_none_is_counted(project: Path) -> None:
    plan = planned_as(project, EXTRACT)
    assert prove(plan) == {"found": Counts(1, 0), "taken": Counts(1, 0), "refused": Counts(0, 0)}


def test_every_property_where_there_were_single_keys_ends_the_import(project: Path) -> None:
    (key,) = planned_as(project, EXTRACT).objects[0].secrets[0].keys
    single = (key._replace(name="A", property="A"),)
    with pytest.raises(Refusal, match="would not make Secrets as the manifests do in 1 field") as raised:
        prove(planned_as(project, EXTRACT, keys=single, extract=False))
    assert raised.value.details == "  shop/a: extract\n"


def test_single_keys_where_there_was_every_property_end_the_import(project: Path) -> None:
    environment = project / "environments/base.yaml"
    environment.write_text(environment.read_text("utf-8") + "fetch: bundle\n", "utf-8")
    key = planned_as(project, ONE_REMOTE).objects[0].secrets[0].keys[0]
    every = (key._replace(name="*", property=None),)
    with pytest.raises(Refusal, match="would not read 1 key where the manifests do") as raised:
        prove(planned_as(project, ONE_REMOTE, keys=every, extract=True))
    assert raised.value.details is not None
    assert "  shop/a: *\n" in raised.value.details
