from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.model.document import Node
from compiler.model.facts import MAX_LAYERS
from compiler.project_files import Library
from compiler.refusal import Refusal

BASE_TEXT = "labels: {a: b}"


def library(root: Path, **texts: str) -> Library:
    """A project of environments and, below `layers_`, layers; a text may be empty."""
    (root / "environments/layers").mkdir(parents=True)
    for name, text in texts.items():
        path = f"layers/{name.removeprefix('layers_')}" if name.startswith("layers_") else name
        (root / f"environments/{path}.yaml").write_text(text, "utf-8")
    return Library(root)


def order(found: Library, name: str) -> list[str]:
    return [layer.source.path.removeprefix("environments/").removesuffix(".yaml") for layer in found.layers(name)]


def said(found: Library) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in found.diagnostics]


def test_environments_are_all_files_but_base_and_catalogue(tmp_path: Path) -> None:
    found = library(tmp_path, base=BASE_TEXT, catalogue="", prod="", dev="", layers_eu="")
    assert found.names == ("dev", "prod")
    assert found.select(["prod", "dev"]) == ("dev", "prod")
    assert found.select([]) == ("dev", "prod")
    with pytest.raises(Refusal):
        found.select(["base"])


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("qa", "input files end in `.yaml`: rename environments/qa.yml to qa.yaml"),
        ("environments/prod.yaml", 'did you mean "prod"?'),
        ("prod.yaml", 'did you mean "prod"?'),
        ("eu", "names are in lower case: rename environments/EU.yaml to eu.yaml"),
        ("nothing", 'the environments are "dev", "prod"'),
    ],
)
def test_the_way_to_an_environment_that_is_not_there(tmp_path: Path, name: str, way_out: str) -> None:
    found = library(tmp_path, dev="", prod="")
    for other in ("qa.yml", "EU.yaml"):
        (tmp_path / "environments" / other).write_text("", "utf-8")
    with pytest.raises(Refusal) as caught:
        found.select([name])
    assert caught.value.help == way_out


def test_an_environment_that_says_nothing_extends_base(tmp_path: Path) -> None:
    found = library(tmp_path, base=BASE_TEXT, prod="", dev="extends: []")
    assert order(found, "prod") == ["base", "prod"]
    assert order(found, "dev") == ["dev"]


def test_without_base_an_environment_stands_alone(tmp_path: Path) -> None:
    assert order(library(tmp_path, prod=""), "prod") == ["prod"]


def test_layers_extend_nothing_by_themselves_and_each_counts_once(tmp_path: Path) -> None:
    found = library(
        tmp_path,
        base=BASE_TEXT,
        layers_a="extends: [base]",
        layers_b="extends: [a]",
        layers_c="",
        prod="extends: [b, c, a]",
        dr="extends: [prod]",
    )
    assert order(found, "prod") == ["base", "layers/a", "layers/b", "layers/c", "prod"]
    assert order(found, "dr") == ["base", "layers/a", "layers/b", "layers/c", "prod", "dr"]
    assert said(found) == []


def test_each_file_is_read_once(tmp_path: Path) -> None:
    found = library(tmp_path, base=BASE_TEXT, prod="", dev="")
    assert found.layers("prod")[0] is found.layers("dev")[0]
    assert [document.source.path for document in found.documents()] == [
        f"environments/{name}.yaml" for name in ("prod", "base", "dev")
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"prod": "extends: [prod]"}, '"prod" already extends this file, directly or not'),
        ({"prod": "extends: [a]", "layers_a": "extends: [b]", "layers_b": "extends: [a]"}, '"a" already extends'),
        ({"prod": "extends: [dev]", "dev": "extends: [prod]"}, '"prod" already extends'),
        ({"prod": "", "base": "extends: [base]"}, '"base" already extends'),
    ],
)
def test_a_circle_is_said_and_makes_no_environment(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    found = library(tmp_path, **texts)
    assert found.layers("prod") == ()
    ((rule, text),) = said(found)
    assert rule == "layer-cycle"
    assert text.startswith(message)
    assert found.diagnostics[0].help


@pytest.mark.parametrize("is_chain", [True, False])
def test_an_environment_has_so_many_layers_and_no_more(tmp_path: Path, *, is_chain: bool) -> None:
    def texts(count: int) -> dict[str, str]:
        """An environment of so many files: itself, base and layers."""
        names = [f"l{number}" for number in range(count - 2)]
        chain = {f"layers_{one}": f"extends: [{other}]" for one, other in zip(names, [*names[1:], "base"], strict=True)}
        side = dict.fromkeys((f"layers_{name}" for name in names), BASE_TEXT)
        prod = "l0" if is_chain else ", ".join(("base", *names))
        return {**(chain if is_chain else side), "base": BASE_TEXT, "prod": f"extends: [{prod}]"}

    found = library(tmp_path / "fits", **texts(MAX_LAYERS + 1))
    assert (len(found.layers("prod")), found.diagnostics) == (MAX_LAYERS + 1, [])
    found = library(tmp_path / "more", **texts(MAX_LAYERS + 2))
    assert found.layers("prod") == ()
    assert said(found) == [("too-large", "an environment has at most 64 layers, one below the other or side by side")]
    assert found.diagnostics[0].span.line == 1
    assert found.diagnostics[0].help == "merge some of them into one"


def test_an_unknown_layer_is_said_with_the_nearest(tmp_path: Path) -> None:
    found = library(tmp_path, prod="extends: [base, europ]", base=BASE_TEXT, layers_europe="")
    assert found.layers("prod") == ()
    assert said(found) == [("unknown-layer", 'there is no layer "europ"')]
    assert found.diagnostics[0].help == 'did you mean "europe"?'
    assert found.diagnostics[0].span.column == 17


def test_what_cannot_be_extended_is_not_offered_as_a_layer(tmp_path: Path) -> None:
    found = library(tmp_path / "a", prod="extends: [zz]", dev="", layers_eu="extends: [yy]", base=BASE_TEXT)
    assert found.layers("prod") == ()
    assert found.diagnostics[0].help == 'the layers are "base", "eu", "dev"'
    alone = library(tmp_path / "b", prod="extends: [zz]", layers_eu="extends: [yy]")
    assert alone.layer("eu") is not None
    assert alone.layers("prod") == ()
    assert alone.diagnostics[0].help == 'the only one is "eu"'
    lone = library(tmp_path / "c", prod="extends: [zz]")
    assert lone.layers("prod") == ()
    assert lone.diagnostics[0].help == "there are no layers"
    within = library(tmp_path / "d", prod="extends: [eu]", layers_eu="extends: [yy]")
    assert within.layers("prod") == ()
    assert within.diagnostics[0].help == 'the only one is "prod"'


def test_of_very_many_unknown_layers_the_first_are_said(tmp_path: Path) -> None:
    found = library(tmp_path, prod="extends: [" + ", ".join(f"k{index}" for index in range(500)) + "]")
    assert found.layers("prod") == ()
    assert len(found.diagnostics) == 101


def test_a_base_that_is_extended_and_not_there_is_said(tmp_path: Path) -> None:
    found = library(tmp_path, prod="extends: [base]")
    assert found.layers("prod") == ()
    assert said(found) == [("unreadable-file", "the file cannot be read: no such file or directory")]


def test_a_name_of_a_layer_and_of_an_environment_is_ambiguous(tmp_path: Path) -> None:
    found = library(tmp_path, prod="extends: [eu]", eu="", layers_eu="")
    assert found.layers("prod") == ()
    assert said(found) == [("ambiguous-layer", '"eu" is both a layer and an environment')]


def test_an_unusable_layer_makes_its_environments_unusable_and_is_said_once(tmp_path: Path) -> None:
    found = library(tmp_path, base="a: [", prod="", dev="")
    assert found.layers("prod") == ()
    assert found.layers("dev") == ()
    assert [rule for rule, _ in said(found)] == ["invalid-yaml"]


def test_a_damaged_layer_still_makes_an_environment(tmp_path: Path) -> None:
    found = library(tmp_path, base="stroe: x", prod="")
    base, prod = found.layers("prod")
    assert base.damaged
    assert not prod.damaged


def test_files_with_the_other_ending_and_other_names_are_said(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    for name in ("Prod.yaml", "dev.yml", "notes.md", ".hidden.yaml"):
        (tmp_path / "environments" / name).write_text("", "utf-8")
    found = Library(tmp_path)
    assert found.names == ()
    assert sorted((each.rule, each.span.path) for each in found.diagnostics) == [
        ("invalid-environment-name", "environments/Prod.yaml"),
        ("invalid-environment-name", "environments/dev.yml"),
    ]


def test_values_of_a_file_that_is_there_and_not_read_are_no_orphans(tmp_path: Path) -> None:
    for name in ("environments/prod.yml", "environments/Eu.yaml", "chart/values-prod.yaml", "chart/values-eu.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", "utf-8")
    (tmp_path / "chart/values-qa.yaml").write_text("", "utf-8")
    assert Library(tmp_path).values_files("chart") == {"qa": "chart/values-qa.yaml"}


@pytest.mark.parametrize(
    "path",
    ["eu/prod.yaml", "layers/prod.yaml", "prod/env.yaml", "prod.json", "prod.yaml.bak", "PROD.YAML", "a/b/prod.yml"],
)
def test_what_may_be_an_environment_in_a_wrong_place_is_found(tmp_path: Path, path: str) -> None:
    for name in (path, "dev.yaml", "notes/qa.md", ".git/old.yaml"):
        (tmp_path / "environments" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "environments" / name).write_text("", "utf-8")
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart/values-prod.yaml").write_text("", "utf-8")
    found = Library(tmp_path)
    assert found.values_files("chart") == {"prod": "chart/values-prod.yaml"}
    assert found.unread_files({"prod", "qa", "old"}) == {"prod": f"environments/{path}"}
    assert found.unread_files(()) == {}


def test_no_link_out_of_the_project_is_looked_through(tmp_path: Path) -> None:
    for folder in ("elsewhere", "project"):
        (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere/prod.json").write_text("", "utf-8")
    (tmp_path / "project/environments").symlink_to(tmp_path / "elsewhere")
    assert Library(tmp_path / "project").unread_files({"prod"}) == {}


def test_values_files_are_found_by_the_name_of_their_environment(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    for name in ("values-prod.yaml", "values.yaml", "values-.yaml", "values-a\nb.yaml", "Chart.yaml"):
        (tmp_path / "chart" / name).write_text("", "utf-8")
    assert Library(tmp_path).values_files("chart") == {
        "prod": "chart/values-prod.yaml",
        "a\nb": "chart/values-a\nb.yaml",
    }
    assert Library(tmp_path).values_files("none") == {}


def test_a_wrong_extends_is_passed_over_after_it_was_said(tmp_path: Path) -> None:
    found = library(tmp_path, base=BASE_TEXT, prod="extends: {a: b}")
    assert order(found, "prod") == ["base", "prod"]
    assert [rule for rule, _ in said(found)] == ["wrong-type"]


def test_what_is_not_written_yet_stands_for_its_file(tmp_path: Path) -> None:
    library(tmp_path, base=BASE_TEXT, prod="store: a\n")
    texts = {
        "environments/prod.yaml": "extends: [base, eu]\n",
        "environments/layers/eu.yaml": "",
        "environments/qa.yaml": "",
    }
    found = Library(tmp_path, texts)
    assert found.names == ("prod", "qa")
    assert order(found, "prod") == ["base", "layers/eu", "prod"]
    assert (order(found, "qa"), found.diagnostics) == (["base", "qa"], [])
    assert (tmp_path / "environments/prod.yaml").read_text("utf-8") == "store: a\n"


def test_a_name_means_base_a_layer_or_an_environment(tmp_path: Path) -> None:
    found = library(tmp_path, base="", prod="", layers_eu="", both="", layers_both="", broken="typo: 1\n")
    paths = [each.source.path if (each := found.layer(name)) else None for name in ("base", "prod", "eu")]
    assert paths == ["environments/base.yaml", "environments/prod.yaml", "environments/layers/eu.yaml"]
    assert found.layer("both") is None
    assert said(found) == [("ambiguous-layer", '"both" is both a layer and an environment')]
    broken = found.layer("broken")
    assert broken is not None
    assert broken.damaged


def test_an_empty_base_is_said_once_and_its_environments_are_not_looked_at(tmp_path: Path) -> None:
    found = library(tmp_path, base="# nothing\n", prod="", dev="", us="extends: []")
    assert [order(found, name) for name in found.names] == [[], [], ["us"]]
    (only,) = found.diagnostics
    assert (only.rule, only.message, only.span.where) == (
        "empty-file",
        "this file is empty",
        "environments/base.yaml:1:1",
    )
    assert only.help == "write what all environments share, or remove the file"


def test_an_empty_catalogue_is_none_but_for_who_fills_it(tmp_path: Path) -> None:
    found = library(tmp_path, catalogue="\n")
    document = found.catalogue(may_be_empty=True)
    assert document is not None
    assert document.is_blank
    assert found.diagnostics == []
    assert found.catalogue() is None
    assert said(found) == [("empty-file", "this file is empty")]


def test_a_catalogue_of_nearly_that_name_is_to_be_renamed(tmp_path: Path) -> None:
    found = library(tmp_path, prod="", catalog="secrets: {}")
    assert found.catalogue() is None
    assert [(each.rule, each.span.source.path, each.help) for each in found.diagnostics] == [
        ("unreadable-file", "environments/catalogue.yaml", "rename environments/catalog.yaml to catalogue.yaml")
    ]


def test_what_the_project_names_may_be_shown_where_it_is_misplaced(tmp_path: Path) -> None:
    catalogue = "secrets: {github: {keys: {API_KEY: {variants: [pat]}, OTHER: {}}}, jira: {}}"
    found = library(
        tmp_path, catalogue=catalogue, prod="secrets: {github: {use: pat}, jira: {use: hunter2}}", layers_eu=""
    )
    assert found.catalogue() is not None
    found.layers("prod")
    assert sorted((each.help or "", len(each.conceals)) for each in found.diagnostics) == [
        ("write a list: `use: [name]`", 1),
        ("write a list: `use: [pat]`", 0),
    ]


def test_a_way_out_names_the_environment_it_is_of(tmp_path: Path) -> None:
    found = library(tmp_path, base=BASE_TEXT, prod="secrets: {github: hunter2}", dev="")
    found.layers("prod")
    (only,) = found.diagnostics
    assert only.help == "values go into the store: `platform-secrets put prod github`; write `github: {}` here"


def test_a_file_of_another_name_is_renamed_to_one_that_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    for name in ("prod.yml", "Prod EU.yaml", "\u00fc.yaml", "a+b.yaml"):
        (folder / name).write_text("", "utf-8")
    assert sorted(each.help or "" for each in Library(tmp_path).diagnostics) == [
        "character 1 is U+00FC (latin small letter u with diaeresis): type a plain one in its place",
        "rename Prod EU.yaml to prod-eu.yaml",
        "rename prod.yml to prod.yaml",
        "use lower-case letters, digits and inner hyphens, at most 63",
    ]


def test_a_text_stands_in_for_a_file_that_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "prod.yaml").write_text("labels: {a: b}\n", "utf-8")
    library = Library(tmp_path, {"environments/prod.yaml": "labels: {a: c}\n"})
    (document,) = library.layers("prod")
    assert document.root.text("labels", "a") == "c"
    assert document.source.path == "environments/prod.yaml"
    assert Library(tmp_path, {"environments/prod.yaml": "labels: [\n"}).layers("prod") == ()
    assert (folder / "prod.yaml").read_text("utf-8") == "labels: {a: b}\n"


def test_the_names_of_the_catalogue_are_gathered_once_however_many_files_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = "".join(f"  s{number}: {{target: t, keys: {{K: {{}}}}}}\n" for number in range(20))
    names = [f"e{number}" for number in range(10)]
    found = library(tmp_path, catalogue=f"secrets:\n{entries}", **dict.fromkeys(names, "secrets: {s1: 5}\n"))
    looked_at: list[str] = []

    def members_at(node: Node, *path: str) -> Mapping[str, Node]:
        looked_at.extend(path)
        below = node.get(*path)
        return below.children if below is not None else {}

    monkeypatch.setattr(Node, "members_at", members_at)
    assert found.catalogue() is not None
    for name in names:
        found.layers(name)
    assert len(found.diagnostics) == len(names)
    assert looked_at.count("keys") == 20


@pytest.mark.parametrize("path", ["layers/eu.yaml", "environments/layers/eu.yml", "./layers/eu", "eu.yaml"])
def test_the_path_of_a_layer_is_answered_with_its_name(tmp_path: Path, path: str) -> None:
    found = library(tmp_path, base=BASE_TEXT, prod=f"extends: [base, {path}]", layers_eu="")
    found.layers("prod")
    assert [each.help for each in found.diagnostics] == ['write the layer\'s name, "eu", without folder and ending']
    unknown = library(tmp_path / "other", prod="extends: [layers/hunter2.yaml]")
    unknown.layers("prod")
    assert [each.help for each in unknown.diagnostics] == ["write the layer's name, without folder and ending"]


MANIFEST = "apiVersion: external-secrets.io/v1\nkind: {}\nmetadata: {{name: hunter2}}\n"
READS = "then `platform-secrets import external-secrets --environment dev eu.yaml` reads it"
ANY = "`platform-secrets import --help` says which files of other tools are read"


@pytest.mark.parametrize(
    ("text", "what", "way_out"),
    [
        (MANIFEST.format("ExternalSecret"), "a Kubernetes manifest", READS),
        ("---\n" + MANIFEST.format("ClusterSecretStore"), "a Kubernetes manifest", READS),
        (MANIFEST.format("Namespace") + "---\n" + MANIFEST.format("ExternalSecret"), "a Kubernetes manifest", READS),
        (
            MANIFEST.format("SecretProviderClass"),
            "a Kubernetes manifest",
            READS.replace("external-secrets", "secret-provider-class"),
        ),
        (MANIFEST.format("Secret"), "a Kubernetes manifest", ANY),
        ("# Compiled from environments/eu.yaml.\nexternalSecrets: {}\npartOf: a\n", "a values file", ANY),
        ("replicaCount: 1\nimage: {tag: hunter2}\n", "a values file", ANY),
    ],
)
def test_a_file_of_another_kind_is_one_finding_that_names_import(
    tmp_path: Path, text: str, what: str, way_out: str
) -> None:
    found = library(tmp_path, catalogue="secrets: {}", dev="", eu=text)
    assert found.layers("eu") == ()
    (diagnostic,) = found.diagnostics
    assert (diagnostic.rule, diagnostic.span.where) == ("unknown-key", "environments/eu.yaml:1:1")
    assert diagnostic.message == f"this is {what}, not an input file of this program"
    assert diagnostic.help == f"move it out of environments/; {way_out}"
    assert "hunter2" not in repr(diagnostic)


@pytest.mark.parametrize(
    "text", ["github: {}\njira: {}\n", "stroe: vault\nsecretz: {}\n", "image: a\n", "namespace: a\nb: c\nd: e\n"]
)
def test_mistakes_in_an_input_file_make_it_no_other_file(tmp_path: Path, text: str) -> None:
    found = library(tmp_path, catalogue="secrets: {github: {}, jira: {}}", eu=text)
    found.catalogue()
    assert found.layers("eu")
    assert all(each.message.startswith("unknown key") for each in found.diagnostics)


def test_entries_that_are_not_indented_are_no_values_file(tmp_path: Path) -> None:
    entry = "{target: a, keys: {A: {}}}"
    found = library(tmp_path, catalogue=f"github: {entry}\njira: {entry}\n")
    assert found.catalogue() is not None
    assert {each.help for each in found.diagnostics} == {"did you mean to indent it under `secrets:`?"}
