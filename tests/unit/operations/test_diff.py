import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.model.facts import MAX_MANIFEST_BYTES
from compiler.model.values import SecretChange
from compiler.operations.diff import (
    ChartValues,
    Side,
    compare_sides,
    differences,
    differing_lines,
    side_of_content,
    side_of_environment,
    stale_values,
)
from compiler.pipeline import ValuesFile, plan_values
from compiler.refusal import Refusal
from compiler.render.content import show
from compiler.stages.emit import read_values, values_tree
from compiler.stages.files import Output
from tests.conftest import Helm
from tests.pace import allowed
from tests.platforms import BASE, CATALOGUE, environment_of, project_of, write_project

ROOT = Path(__file__).resolve().parents[3]
VALUES = ROOT / "tests" / "chart" / "values"


def side_of_text(text: str) -> Side:
    return side_of_content(text.encode(), "a file")


def test_values_written_from_an_environment_mean_the_same(tmp_path: Path) -> None:
    project = project_of(ROOT)
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
    found = differences(side_of_text(text), side_of_environment(environment_of(ROOT, "dev")))
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


NAMES = ("ClusterSecretStore/vault-store", "ClusterSecretStore/azure-store")


def addresses(folder: Path, prod: str) -> Mapping[str, str] | None:
    write_project(folder, base=BASE, catalogue=CATALOGUE, prod=prod)
    return side_of_environment(environment_of(folder)).addresses


@pytest.mark.parametrize(
    ("prod", "expected"),
    [
        ("secrets: {}\n", {NAMES[0]: "https://vault.example.com, mount secret"}),
        (
            'stores: {vault: {vaultNamespace: "team/a", mount: kv, prefix: p/}}\n',
            {NAMES[0]: "https://vault.example.com, mount kv, namespace team/a, prefix p/"},
        ),
        (
            'store: azure\nstores: {azure: {vaultUrl: "https://Own.vault.azure.net/", prefix: p-}}\n',
            {NAMES[1]: "https://own.vault.azure.net, prefix p-"},
        ),
    ],
)
def test_each_store_that_a_secret_reads_has_its_address_and_no_other(
    tmp_path: Path, prod: str, expected: dict[str, str]
) -> None:
    assert addresses(tmp_path, prod) == expected


def test_a_store_that_both_sides_read_is_compared_unless_it_is_otherwise() -> None:
    before = Side({}, {}, {}, addresses={"a": "1", "b": "1", "S/c": "1", "d": "1"})
    after = Side({}, {}, {}, addresses={"b": "1", "S/c": "2", "d": "2", "e": "2"})
    assert compare_sides(before, after).addresses == (("S/c", "1", "2"), ("d", "1", "2"))
    before, after = (replace(each, stores={"S c": {}}) for each in (before, after))
    assert compare_sides(before, after).addresses == (("d", "1", "2"),)


CHART = ChartValues()
HEAD = "# Compiled from x\nexternalSecrets:\n  jira:\n"


def without(text: str) -> str:
    for start, end in reversed(CHART.mask_bounds(text, values_tree(text))):
        text = f"{text[:start]}…{text[end:]}"
    return text


@pytest.mark.parametrize("path", sorted(ROOT.glob("chart/values-*.yaml")), ids=lambda path: path.name)
def test_all_that_is_compiled_is_shown(path: Path) -> None:
    text = path.read_text("utf-8")
    assert without(text) == text
    data = read_values(text)
    assert CHART.mask(data) == data


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("name: x", "name: x"),
        ("password: hunter2", "password: …"),
        ('password: "hunter2"', "password: …"),
        ("more: {a: hunter2, b: [hunter2]}", "more: …"),
        ("text: |\n      hunter2\n      hunter2\n    name: x", "text: …\n    name: x"),
        ("refreshInterval: {x: hunter2}", "refreshInterval: …"),
        ("storeRef: {kind: SecretStore, password: hunter2}", "storeRef: {kind: SecretStore, password: …}"),
        ("storeRef: hunter2", "storeRef: …"),
        ("keys: [A, {hunter2: hunter2}, [hunter2]]", "keys: [A, …, …]"),
        ("labels: {team: platform}", "labels: {team: platform}"),
        ("name: x # hunter2", "name: x …"),
        ("# hunter2: hunter2\n    name: x", "…\n    name: x"),
        ("? more\n    : hunter2", "? more\n    : …"),
    ],
)
def test_what_the_chart_has_no_place_for_is_hidden(written: str, shown: str) -> None:
    assert without(f"{HEAD}    {written}\n") == f"{HEAD}    {shown}\n"


@pytest.mark.parametrize("member", ["other: hunter2", "global: {x: hunter2}", "externalSecrets: hunter2", "hunter2"])
def test_members_of_the_file_are_judged_too(member: str) -> None:
    assert "hunter2" not in without(f"# Compiled from x\n{member}\n")
    assert "hunter2" not in without(f"{member}\n")


def test_a_part_is_known_by_its_place() -> None:
    assert CHART.mask({"name": "v", "more": 1}, "clusterSecretStores", "any") == {"name": "v", "more": "…"}
    assert CHART.mask("x", "nowhere", "at all") == "…"
    assert CHART.mask({"a": 1}, "nowhere", "at all") == "…"


@pytest.mark.parametrize("path", sorted(ROOT.glob("chart/values-*.yaml")), ids=lambda path: path.name)
def test_all_that_is_compiled_for_a_parent_is_shown(path: Path) -> None:
    head, *lines = path.read_text("utf-8").splitlines(keepends=True)
    text = f"{head}secrets:\n{''.join(f'  {line}' for line in lines)}"
    assert without(text) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "s: {externalSecrets: {a: {name: x, password: hunter2}}}",
            "s: {externalSecrets: {a: {name: x, password: …}}}",
        ),
        ("s: {externalSecrets: {}, other: hunter2}", "s: {externalSecrets: {}, other: …}"),
        ("s: {partOf: hunter2}", "s: …"),
        ("s: {externalSecrets: {}}\nt: {externalSecrets: {}}", "s: …\nt: …"),
        ("s: {externalSecrets: {}}\ns: {externalSecrets: {}}", "s: …\ns: …"),
        ("global: {externalSecrets: {a: {name: hunter2}}}", "global: {externalSecrets: …}"),
        ("s: [externalSecrets]", "s: …"),
        ("s: {externalSecrets: {}} # hunter2", "s: {externalSecrets: {}} …"),
    ],
)
def test_below_a_subcharts_name_the_same_is_hidden(written: str, shown: str) -> None:
    assert without(f"# Compiled from x\n{written}\n") == f"# Compiled from x\n{shown}\n"


def _file(old: str | None, new: str) -> ValuesFile:
    return ValuesFile("dev", Output(Path("chart/values-dev.yaml"), "chart/values-dev.yaml", new), old, {})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", "chart/values-dev.yaml:2:1"),
        ("a\n", "a\nb\n", "chart/values-dev.yaml:1:2"),
        ("a\nb\n", "a\n", "chart/values-dev.yaml:2:1"),
        ("", "a\n", "chart/values-dev.yaml:1:1"),
        (None, "a\n", "chart/values-dev.yaml:1:1"),
    ],
)
def test_the_first_line_that_differs_is_named(old: str | None, new: str, where: str) -> None:
    diagnostic = stale_values(_file(old, new))
    assert (diagnostic.rule, diagnostic.span.where) == ("stale-values", where)
    assert diagnostic.help == "run `platform-secrets compile dev` and commit the result"


def test_a_missing_file_is_called_missing() -> None:
    missing = _file(None, "a\n")
    assert stale_values(missing).message == "chart/values-dev.yaml is missing"
    assert list(differing_lines(missing))[2:] == ["@@ -0,0 +1 @@", "+a"]


def test_the_lines_are_a_unified_diff() -> None:
    old, new = (f"# Compiled from x\nremoteRefDefaults: {{metadataPolicy: {text}}}\n" for text in ("a", "b"))
    assert list(differing_lines(_file(old, new))) == [
        "--- chart/values-dev.yaml",
        "+++ chart/values-dev.yaml (compiled)",
        "@@ -1,2 +1,2 @@",
        " # Compiled from x",
        "-remoteRefDefaults: {metadataPolicy: a}",
        "+remoteRefDefaults: {metadataPolicy: b}",
    ]


def test_what_no_compile_wrote_is_in_neither_the_diff_nor_the_diagnostic() -> None:
    head = "# Compiled from x\nexternalSecrets:\n  jira:\n"
    new = f'{head}    name: "jira"\n'
    old = f"{head}    password: hunter2-and-more # hunter2-and-more\n    name: hunter2\n"
    lines = list(differing_lines(_file(old, new)))
    assert lines[6:] == ["-    password: … …", "-    name: hunter2", '+    name: "jira"']
    diagnostic = stale_values(_file(old, new))
    (shown,) = show([diagnostic])
    assert (shown.line, shown.source_line) == (4, "    password: … …")
    # One line's, not those of all the file: each is looked for in the message.
    assert len(diagnostic.conceals) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "a: [hunter2",
        "hunter2",
        "- hunter2",
        "a: b: hunter2",
        "[" * 100_000,
        "externalSecrets:\n  jira:\n    name: &hunter2 x",
        "externalSecrets:\n  jira:\n    name: !hunter2 x",
        "externalSecrets:\n  jira:\n    labels: !hunter2 {team: x}",
        "externalSecrets:\n  jira:\n    ? [hunter2]\n    : hunter2",
        "externalSecrets:\n  jira:\n    labels: &a {hunter2: x}\n    more: *a",
    ],
    ids=lambda text: text[-12:],
)
def test_of_what_is_no_values_file_the_first_line_is_shown(broken: str) -> None:
    file = _file(f"# Compiled from x\n{broken}\n", "# Compiled from x\na: b\n")
    lines = list(differing_lines(file))
    assert "hunter2" not in "".join(lines)
    assert lines[3:] == [" # Compiled from x", "-…", "+a: b"]
    (shown,) = show([stale_values(file)])
    assert "hunter2" not in str(shown)


def test_nested_aliases_cost_no_time() -> None:
    levels = "".join(f"a{level}: &a{level} [*a{level - 1}, *a{level - 1}]\n" for level in range(1, 60))
    begin = time.process_time()
    lines = differing_lines(_file(f"# Compiled from x\na0: &a0 [hunter2]\n{levels}", "# Compiled from x\na: b\n"))
    assert "hunter2" not in "".join(lines)
    assert time.process_time() - begin < allowed(1)


def test_a_file_that_git_has_changed_is_said_to_be() -> None:
    text = "a: 1\nb: 2\n"
    breaks = stale_values(_file(text.replace("\n", "\r\n"), text))
    assert breaks.message.endswith(" compiles to: it has CRLF line breaks")
    assert (breaks.help or "").endswith("; `*.yaml text eol=lf` in .gitattributes keeps Git from making them")
    conflict = stale_values(_file("b: 2\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n", text))
    assert conflict.message.endswith(" compiles to: a merge conflict is not resolved")
    assert (conflict.span.line, conflict.help) == (2, stale_values(_file("c: 3\n", text)).help)
