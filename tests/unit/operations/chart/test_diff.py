import time
from pathlib import Path

import pytest

from compiler.model.facts import MAX_MANIFEST_BYTES
from compiler.model.values import SecretChange
from compiler.operations.diff import Side, compare_sides, differences, side_of_content, side_of_environment
from compiler.pipeline import compile_project, plan_values
from compiler.refusal import Refusal
from tests.conftest import Helm
from tests.pace import allowed

ROOT = Path(__file__).resolve().parents[4]
VALUES = ROOT / "tests" / "chart" / "values"


def side_of_text(text: str) -> Side:
    return side_of_content(text.encode(), "a file")


def test_values_written_from_an_environment_mean_the_same(tmp_path: Path) -> None:
    project = compile_project(ROOT).project
    assert project is not None
    files, _ = plan_values(project, tmp_path, "", tmp_path)
    for environment, file in zip(project.environments, files, strict=True):
        side = side_of_environment(environment)
        assert len(side.secrets) == 7
        assert differences(side_of_text(file.output.text), side) == ()


@pytest.mark.parametrize("sample", sorted(path.stem for path in VALUES.glob("*.yaml")))
def test_what_helm_renders_of_values_means_the_same(sample: str, helms: tuple[Helm, ...]) -> None:
    path = VALUES / f"{sample}.yaml"
    values, manifests = side_of_text(path.read_text("utf-8")), side_of_text(helms[-1].template(path))
    assert values.stores or values.secrets
    assert manifests.defaults == values.defaults
    assert differences(values, manifests) == ()


def test_stores_are_compared_field_by_field() -> None:
    def side(server: str, *more: str) -> Side:
        stores = [f"  s: {{name: v, provider: {{vault: {{server: {server}, roles: [a]}}}}}}", *more]
        return side_of_text("externalSecrets: {}\nclusterSecretStores:\n" + "\n".join(stores))

    assert differences(side("x"), side("y", "  t: {name: w}")) == (
        SecretChange("ClusterSecretStore v", "changed", fields=(("provider.vault.server", "x", "y"),)),
        SecretChange("ClusterSecretStore w", "added"),
    )
    assert differences(side("x", "  t: {name: w}"), side("x")) == (SecretChange("ClusterSecretStore w", "removed"),)


def test_what_is_said_on_every_reference_is_compared() -> None:
    before = side_of_text('externalSecrets: {}\nremoteRefDefaults: {decodingStrategy: "None"}\n')
    after = side_of_text('externalSecrets: {}\nremoteRefDefaults: {decodingStrategy: "Auto"}\n')
    assert differences(before, after) == (
        SecretChange("every reference", "changed", fields=(("decodingStrategy", "None", "Auto"),)),
    )
    assert differences(before, side_of_text("externalSecrets: {}\n")) == ()


def test_a_list_of_objects_is_read_as_its_items() -> None:
    item = "{kind: ExternalSecret, metadata: {name: a, namespace: b}, spec: {}}"
    assert side_of_text(f"kind: List\nitems: [{item}]\n").secrets.keys() == {("b", "a")}
    assert side_of_text(f"{item}\n---\nkind: ConfigMap\n").secrets.keys() == {("b", "a")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "it is not YAML"),
        ("a: 1", "neither values"),
        ("- 1", "neither values"),
        ("---", "neither values"),
        ("kind: ExternalSecret\nspec: {data: [1]}", "does not have the form of"),
        ("kind: ExternalSecret\nspec: []\nmetadata: [1]", "does not have the form of"),
    ],
)
def test_what_holds_neither_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refusal, match=f"^a file cannot be compared: .*{reason}") as caught:
        side_of_text(text)
    assert caught.value.kind == "cannot run"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b" \n", "a file is empty"),
        (b"\xff", "a file is not UTF-8"),
        (b"x" * (MAX_MANIFEST_BYTES + 1), f"a file has more than {MAX_MANIFEST_BYTES} bytes"),
    ],
    ids=["empty", "bytes", "large"],
)
def test_what_cannot_be_read_as_a_file_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Refusal) as caught:
        side_of_content(content, "a file")
    assert (caught.value.kind, caught.value.message) == ("cannot run", said)


_BOMB = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)), "externalSecrets: *a11"]
)


@pytest.mark.parametrize("text", [_BOMB, "externalSecrets: &a {s: *a}"], ids=["bomb", "circle"])
def test_aliases_that_multiply_are_refused_at_once(text: str) -> None:
    start = time.process_time()
    with pytest.raises(Refusal, match="it has an anchor, at line 1, column "):
        side_of_text(text)
    assert time.process_time() - start < allowed(2)


SENTINEL = "hunter2-and-more"
VALUES_FILE = f"""
externalSecrets: {{jira: {{name: {{x: {SENTINEL}}}, namespace: a, password: {SENTINEL}, refreshInterval: [{SENTINEL}],
  labels: {{a: {{b: {SENTINEL}}}}}, storeRef: {{kind: [{SENTINEL}]}}, remoteKey: {{a: {SENTINEL}}},
  keys: [[{SENTINEL}], A], data: {{B: {{key: [{SENTINEL}], property: [{SENTINEL}]}}}}}}}}
clusterSecretStores:
  v: {{name: {{a: {SENTINEL}}}, password: {SENTINEL}, provider: {{vault: {{server: x, token: {SENTINEL}}}}}}}
  w: {{name: w, provider: {{vault: {{auth: {{tokenSecretRef: {{name: n, value: {SENTINEL}}}}}}}}}}}
remoteRefDefaults: {{password: {SENTINEL}}}
"""
MANIFESTS = f"""
kind: ClusterSecretStore
metadata: {{name: {{a: {SENTINEL}}}, namespace: [{SENTINEL}],
  annotations: {{argocd.argoproj.io/sync-wave: [{SENTINEL}]}}}}
spec: {{password: {SENTINEL}, provider: {{vault: {{token: {SENTINEL}}}, aws: {{key: {SENTINEL}}}}}}}
---
kind: ExternalSecret
metadata: {{name: [{SENTINEL}], namespace: [{SENTINEL}], labels: {{a: [{SENTINEL}]}}}}
spec:
  refreshInterval: [{SENTINEL}]
  secretStoreRef: {{name: [{SENTINEL}]}}
  target: {{name: [{SENTINEL}]}}
  data:
    - {{secretKey: [{SENTINEL}], remoteRef: {{key: [{SENTINEL}], property: [{SENTINEL}], password: {SENTINEL}}}}}
"""


@pytest.mark.parametrize("text", [VALUES_FILE, MANIFESTS])
def test_what_the_chart_has_no_place_for_is_never_shown(text: str) -> None:
    project = compile_project(ROOT, ["dev"]).project
    assert project is not None
    found = differences(side_of_text(text), side_of_environment(project.environments[0]))
    assert "…" in str(found)
    assert SENTINEL not in str(found)


NESTED = "secrets:\n  externalSecrets: {a: {name: n, namespace: x, fetch: perKey, password: hunter2}}\n"


def test_nested_values_are_compared_as_those_of_the_chart() -> None:
    plain = NESTED.removeprefix("secrets:\n")
    assert side_of_text(NESTED).secrets == side_of_text(plain).secrets != {}
    assert differences(side_of_text(NESTED), side_of_text(NESTED)) == ()
    switched = SecretChange("the values file", "changed", fields=(("subchart", "secrets", ""),))
    assert differences(side_of_text(NESTED), side_of_text(plain)) == (switched,)


def test_manifests_do_not_tell_whether_values_were_nested(helms: tuple[Helm, ...]) -> None:
    path = VALUES / "mixed.yaml"
    nested = "secrets:\n" + "".join(f"  {line}" for line in path.read_text("utf-8").splitlines(keepends=True))
    assert differences(side_of_text(nested), side_of_text(helms[-1].template(path))) == ()


def test_in_a_parents_values_those_under_the_environments_name_are_meant() -> None:
    parent = f"shop: {{password: {SENTINEL}, externalSecrets: {{b: {{name: {SENTINEL}}}}}}}\n{NESTED}"
    side = side_of_content(parent.encode(), "a file", "secrets")
    assert side.secrets.keys() == {("x", "n")}
    assert (side.subchart, SENTINEL in repr(side)) == ("secrets", False)
    with pytest.raises(Refusal, match="contains neither values of this chart nor Kubernetes manifests"):
        side_of_content(parent.encode(), "a file", "other")


def test_under_a_name_too_only_what_the_chart_knows_is_shown() -> None:
    secrets = f"{{a: {{name: n, namespace: [{SENTINEL}]}}}}"
    text = f"secrets: {{externalSecrets: {secrets}, other: {SENTINEL}, {SENTINEL}: x}}"
    assert SENTINEL not in repr(side_of_text(text))


def test_the_addresses_of_a_files_stores_are_compared_where_it_has_them() -> None:
    environment = Side({}, {}, {}, addresses={"ClusterSecretStore/a": "https://one", "SecretStore/b": "https://two"})
    silent, telling = Side({}, {}, {}), Side({}, {"ClusterSecretStore a": {"url": "https://one"}}, {})
    for sides in ((silent, environment), (environment, silent)):
        assert compare_sides(*sides).uncompared == ("ClusterSecretStore/a", "SecretStore/b")
        assert not compare_sides(*sides).is_different
    assert compare_sides(telling, environment).uncompared == ("SecretStore/b",)


def test_a_store_that_the_chart_makes_on_both_sides_is_told_once() -> None:
    def side(url: str, *, rendered: bool) -> Side:
        stores = {"ClusterSecretStore a": {"url": url}} if rendered else {}
        return Side({}, stores, {}, addresses={"ClusterSecretStore/a": url})

    made = compare_sides(side("1", rendered=True), side("2", rendered=True))
    assert (len(made.changes), made.addresses) == (1, ())
    once = compare_sides(side("1", rendered=True), side("2", rendered=False))
    assert [store for store, _, _ in once.addresses] == ["ClusterSecretStore/a"]
    assert not compare_sides(side("1", rendered=False), side("1", rendered=False)).is_different
