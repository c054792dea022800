import errno
import os
from collections.abc import Container
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.model.document import MOST_OF_A_KIND, Diagnostic, Document, Severity
from compiler.model.environment import Environment, Project
from compiler.model.values import SecretChange
from compiler.pipeline import Checker, Result, ValuesFile, compile_project, plan_values, write_values
from compiler.refusal import Refusal
from compiler.stages.emit import HEADER, values_text
from compiler.stages.resolve import Outside, Resolver, catalogue_of, merge
from tests import providers
from tests.platforms import BASE as GITHUB_BASE
from tests.platforms import CATALOGUE as GITHUB_CATALOGUE
from tests.platforms import base_text, write_project
from tests.unit.stages.conftest import load

BASE = base_text(
    "\n  github: {}", vault='name: vault-store, server: "http://vault.vault.svc:8200"', azure="name: azure-store"
)
CATALOGUE = GITHUB_CATALOGUE.replace("GITHUB_TOKEN: {}", "GITHUB_TOKEN: {}, GITHUB_URL: {}")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chart").mkdir()
    write_project(tmp_path, base=BASE, catalogue=CATALOGUE, dev="labels: {a: b}\n", prod="labels: {c: d}\n")
    return tmp_path


def planned(project: Path, *names: str, outside: Outside | None = None) -> tuple[ValuesFile, ...]:
    result = compile_project(project, names, outside)
    assert not result.diagnostics
    assert result.project is not None
    files, diagnostics = plan_values(result.project, project / "chart", "chart", project)
    assert not diagnostics
    return files


def found(result: Result) -> list[tuple[str, str, int]]:
    return [(each.rule, each.span.path, each.span.line) for each in result.diagnostics]


def chart(project: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in (project / "chart").iterdir()}


def test_compiles_every_environment_or_those_named(project: Path) -> None:
    assert [file.environment for file in planned(project)] == ["dev", "prod"]
    assert [file.environment for file in planned(project, "prod")] == ["prod"]
    assert [file.environment for file in planned(project, "prod", "dev", "prod")] == ["dev", "prod"]


def test_an_unknown_environment_is_no_diagnostic_but_an_error(project: Path) -> None:
    with pytest.raises(Refusal) as raised:
        compile_project(project, ["prdo"])
    assert str(raised.value) == 'there is no environment "prdo"'
    assert (raised.value.kind, raised.value.help) == ("usage", 'did you mean "prod"?')


def test_without_a_catalogue_there_is_nothing_to_compile(project: Path) -> None:
    (project / "environments/catalogue.yaml").unlink()
    result = compile_project(project)
    assert result.project is None
    assert result.failed
    assert found(result) == [("unreadable-file", "environments/catalogue.yaml", 1)]


def test_errors_of_all_files_are_said_once_in_the_order_of_files_and_lines(project: Path) -> None:
    write_project(project, base=BASE.replace("1h", "1d"), dev="stroe: a\nfetch: b\n", prod="a: [\n")
    assert found(compile_project(project)) == [
        ("invalid-duration", "environments/base.yaml", 3),
        ("unknown-key", "environments/dev.yaml", 1),
        ("invalid-value", "environments/dev.yaml", 2),
        ("invalid-yaml", "environments/prod.yaml", 1),
    ]


def test_a_warning_is_no_failure(project: Path) -> None:
    write_project(project, prod="refreshInterval: 5s\n")
    result = compile_project(project)
    assert [each.severity for each in result.diagnostics] == [Severity.WARNING]
    assert not result.failed


def test_a_conflict_of_layers_shared_by_many_is_said_once(project: Path) -> None:
    layers = project / "environments/layers"
    layers.mkdir()
    (layers / "a.yaml").write_text("extends: [base, base]\n", "utf-8")
    write_project(project, dev="extends: [a]\n", prod="extends: [a]\n")
    assert found(compile_project(project)) == [("invalid-value", "environments/layers/a.yaml", 1)]


def test_what_is_said_outside_goes_on_top_and_is_told(project: Path) -> None:
    outside = Outside(store="azure-store", store_origin="--store", addresses={providers.KEY_VAULT: "platform"})
    result = compile_project(project, ["prod"], outside)
    assert result.notes == (
        '--store chooses the store "azure"',
        'AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure"',
    )
    (file,) = planned(project, "prod", outside=outside)
    assert 'storeRef: {kind: "ClusterSecretStore", name: "azure-store"}' in file.output.text
    assert compile_project(project, ["prod"], Outside()).notes == ()
    write_project(project, dev="labels: {a: b}\n")
    several = compile_project(project, ["dev", "prod"], Outside(addresses={providers.KEY_VAULT: "platform"}))
    assert several.notes == ('AZURE_KEYVAULT_NAME gives the vaultUrl of the store "azure" in 2 environments',)


def test_files_are_judged_before_they_are_written(project: Path) -> None:
    result = compile_project(project, unwritten={"environments/qa.yaml": "secrets: {gihub: {}}\n"})
    assert [(each.rule, each.span.where) for each in result.diagnostics if each.span.path.endswith("qa.yaml")] == [
        ("unknown-secret", "environments/qa.yaml:1:11")
    ]
    assert result.project is not None
    assert "qa" in result.project.names
    assert "qa" not in {path.stem for path in (project / "environments").iterdir()}


def test_writes_what_is_stale_alone(project: Path) -> None:
    files = planned(project)
    assert all(file.is_stale and file.old is None for file in files)
    assert write_values(files, project) == ()
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (project / "chart").iterdir()}
    write_project(project, prod="labels: {c: e}\n")
    again = planned(project)
    assert [file.is_stale for file in again] == [False, True]
    assert write_values(again, project) == ()
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (project / "chart").iterdir()}
    assert after["values-dev.yaml"] == before["values-dev.yaml"]
    assert after["values-prod.yaml"] != before["values-prod.yaml"]


def test_writes_all_or_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_values(planned(project), project)
    before = chart(project)
    write_project(project, dev="labels: {a: c}\n", prod="labels: {c: e}\n")
    files, replace, calls = planned(project), os.replace, []

    def fail(source: object, target: object) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(str(source), str(target))

    monkeypatch.setattr(os, "replace", fail)
    (diagnostic,) = write_values(files, project)
    assert diagnostic.rule == "unwritable-output"
    assert diagnostic.span.path == "chart/values-prod.yaml"
    assert chart(project) == before


def test_changes_are_told_by_meaning_against_the_file_that_is_replaced(project: Path) -> None:
    write_values(planned(project), project)
    write_project(
        project, catalogue=CATALOGUE.replace("GITHUB_URL", "GITHUB_HOST"), prod="labels: {c: e}\nfetch: bundle\n"
    )
    dev, prod = planned(project)
    (change,) = dev.changes
    assert (change.title, change.kind) == ("ai-platform/agent-github-secrets", "changed")
    assert (change.keys_added, change.keys_removed) == (("GITHUB_HOST",), ("GITHUB_URL",))
    assert prod.changes[0].fields == (
        ("fetch", "perKey", "bundle"),
        ("label c", "d", "e"),
        ("secret label c", "d", "e"),
    )


def test_an_old_file_that_is_no_yaml_counts_as_without_secrets(project: Path) -> None:
    (project / "chart/values-prod.yaml").write_text("# Compiled from a\n{", "utf-8")
    (file,) = planned(project, "prod")
    assert [change.kind for change in file.changes] == ["added"]


@pytest.mark.parametrize("text", ["replicas: 3\n", "# by hand\n"])
def test_a_file_of_somebody_else_is_said_and_left(project: Path, text: str) -> None:
    (project / "chart/values-prod.yaml").write_text(text, "utf-8")
    result = compile_project(project)
    assert result.project is not None
    _, diagnostics = plan_values(result.project, project / "chart", "chart", project)
    assert [(each.rule, each.span.path) for each in diagnostics] == [("foreign-output", "chart/values-prod.yaml")]


def test_what_would_be_read_otherwise_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = compile_project(project, ["prod"])
    assert result.project is not None
    monkeypatch.setattr("compiler.stages.emit.read_back", lambda _: ({"externalSecrets": {}}, None))
    _, diagnostics = plan_values(result.project, project / "chart", "chart", project)
    (diagnostic,) = diagnostics
    assert (diagnostic.rule, diagnostic.severity) == ("unproven-output", Severity.ERROR)
    assert diagnostic.message.startswith("chart/values-prod.yaml does not read back as the data it was written from")


@pytest.mark.parametrize(
    ("where", "limit", "what"),
    [
        ("compiler.pipeline.MAX_BYTES", 20, "more than 20 bytes"),
        ("compiler.stages.emit.most_values", lambda _: 20, "more than 20 values"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, where: str, limit: object, what: str
) -> None:
    monkeypatch.setattr(where, limit)
    result = compile_project(project, ["prod"])
    assert result.project is not None
    _, (diagnostic,) = plan_values(result.project, project / "chart", "chart", project)
    assert (diagnostic.rule, diagnostic.severity) == ("too-large", Severity.ERROR)
    assert diagnostic.message == f"chart/values-prod.yaml would have {what}; nothing was written"
    assert diagnostic.help == "split the environment into several"


def test_all_files_of_a_run_together_have_an_end(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = compile_project(project)
    assert result.project is not None
    files, _ = plan_values(result.project, project / "chart", "chart", project)
    sizes = {file.environment: len(file.output.text) for file in files}
    assert len(sizes) == 2
    monkeypatch.setattr("compiler.pipeline.MAX_WRITTEN", sum(sizes.values()) - 1)
    fewer, (diagnostic,) = plan_values(result.project, project / "chart", "chart", project)
    assert [file.environment for file in fewer] == [*sizes]
    last, largest = [*sizes][-1], max(sizes, key=lambda name: sizes[name])
    most = f'have more than {sum(sizes.values()) - 1} bytes; "{largest}" has the most'
    assert diagnostic.message == f"the values files up to chart/values-{last}.yaml {most}"
    assert (diagnostic.rule, diagnostic.severity) == ("too-large", Severity.ERROR)
    assert diagnostic.help == "name fewer environments on the command line, or split the project"
    monkeypatch.setattr("compiler.pipeline.MAX_WRITTEN", 10)
    fewer, _ = plan_values(result.project, project / "chart", "chart", project)
    assert len(fewer) == 1


def test_where_a_run_is_full_no_further_environment_is_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.stages.resolve.MAX_RESOLVED", 10)
    monkeypatch.setattr("compiler.stages.resolve.ORDINARY_VALUES", 0)
    result = compile_project(project)
    assert result.project is not None
    assert result.project.environments == ()
    errors = [each.message for each in result.diagnostics if each.severity is Severity.ERROR]
    assert errors == ['the environments up to "dev" resolve to more than 10 values; the largest is "dev", with 40']


def test_what_would_be_too_large_is_not_even_built(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.stages.resolve.most_values", lambda _: 10)
    result = compile_project(project, ["prod"])
    assert result.project is not None
    assert (result.failed, result.project.environments) == (True, ())
    (diagnostic,) = (each for each in result.diagnostics if each.severity is Severity.ERROR)
    assert (diagnostic.rule, diagnostic.help) == ("too-large", "split it into several")
    assert diagnostic.message == '"prod" resolves to 40 values, and an environment may have 10'


def test_an_output_with_more_values_than_an_input_may_have_is_compared_and_replaced(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = compile_project(project, ["prod"])
    assert result.project is not None
    # The limit of input files, after they were read; the file's length allows more.
    monkeypatch.setattr("compiler.model.facts.MAX_NODES", 20)
    monkeypatch.setattr("compiler.model.facts.OUTPUT_CHARACTERS_A_VALUE", 1)
    (file,), diagnostics = plan_values(result.project, project / "chart", "chart", project)
    assert diagnostics == ()
    older = file.output.text.replace("prod", "dorp", 1)
    (project / "chart").mkdir(exist_ok=True)
    (project / "chart/values-prod.yaml").write_text(older, "utf-8")
    (file,), diagnostics = plan_values(result.project, project / "chart", "chart", project)
    assert (file.old, diagnostics) == (older, ())


def test_a_file_in_the_folder_itself_is_shown_by_its_name(project: Path) -> None:
    result = compile_project(project, ["prod"])
    assert result.project is not None
    files, _ = plan_values(result.project, project, "", project)
    assert files[0].output.shown == "values-prod.yaml"


def nest(project: Path, name: str | None) -> None:
    write_project(project, dev="labels: {a: b}\n" + (f"subchart: {name}\n" if name else ""))


def test_a_subcharts_values_are_nested_and_then_left_alone(project: Path) -> None:
    (plain,) = planned(project, "dev")
    nest(project, "secrets")
    (nested,) = planned(project, "dev")
    assert nested.data == plain.data
    lines = nested.output.text.splitlines()
    assert lines == [lines[0], "secrets:", *(f"  {line}" for line in plain.output.text.splitlines()[1:])]
    assert write_values([nested], project) == ()
    (again,) = planned(project, "dev")
    assert (again.is_stale, again.changes) == (False, ())


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        (None, "secrets", ("subchart", "", "secrets")),
        ("secrets", None, ("subchart", "secrets", "")),
        ("secrets", "other", ("subchart", "secrets", "other")),
    ],
)
def test_a_switch_of_the_nesting_is_the_only_change(
    project: Path, before: str | None, after: str | None, field: tuple[str, str, str]
) -> None:
    nest(project, before)
    write_values(planned(project, "dev"), project)
    nest(project, after)
    (file,) = planned(project, "dev")
    assert file.is_stale
    assert file.changes == (SecretChange("the values file", "changed", fields=(field,)),)


def test_changes_are_told_against_an_old_file_that_is_nested(project: Path) -> None:
    nest(project, "secrets")
    write_values(planned(project, "dev"), project)
    write_project(project, dev="labels: {a: c}\nsubchart: secrets\n")
    (file,) = planned(project, "dev")
    (change,) = file.changes
    assert change.title == "ai-platform/agent-github-secrets"
    assert change.fields == (("label a", "b", "c"), ("secret label a", "b", "c"))
    # A file of ours without any values: all is new, and nothing was nested otherwise before.
    (project / "chart/values-dev.yaml").write_text(f"{HEADER}x\n", "utf-8")
    (file,) = planned(project, "dev")
    assert [each.kind for each in file.changes] == ["added"]


def test_what_a_nested_file_reads_back_as_is_proved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nest(project, "secrets")
    result = compile_project(project, ["dev"])
    assert result.project is not None
    monkeypatch.setattr("compiler.stages.emit.values_text", lambda *given: values_text(given[0], "dev", ["a"], "other"))
    _, (diagnostic,) = plan_values(result.project, project / "chart", "chart", project)
    assert diagnostic.rule == "unproven-output"


def test_the_chart_itself_is_given_what_is_not_nested(project: Path) -> None:
    (plain,) = planned(project, "dev")
    nest(project, "secrets")
    result = compile_project(project, ["dev"])
    assert result.project is not None
    (file,), _ = plan_values(result.project, project / "chart", "chart", project, nests=False)
    assert file.output.text == plain.output.text


@pytest.mark.parametrize("name", ["global", "tags", "externalSecrets", "1a", "a.b", "a b", "", "a" * 64])
def test_what_is_no_charts_name_is_refused(project: Path, name: str) -> None:
    write_project(project, dev=f'labels: {{a: b}}\nsubchart: "{name}"\n')
    assert found(compile_project(project, ["dev"])) == [("invalid-value", "environments/dev.yaml", 2)]


def test_a_change_is_tried_before_it_is_written(project: Path) -> None:
    texts = {
        "environments/prod.yaml": "secrets: {github: {store: azure}}\nstores: {azure: {vaultUrl: 'https://p.vault.azure.net'}}\n"
    }
    tried = compile_project(project, ["prod"], unwritten=texts).project
    assert tried is not None
    (environment,) = tried.environments
    store = environment.secrets["github"].store
    assert store is not None
    assert (store.id, environment.document.source.text) == ("azure", texts["environments/prod.yaml"])
    as_is = compile_project(project, ["prod"]).project
    assert as_is is not None
    assert as_is.environments[0].document.source.text == "labels: {c: d}\n"


FREQUENT = "secrets: {github: {refreshInterval: 5s}}\n"
INSECURE = 'stores: {vault: {server: "http://vault.example.com"}}\n'


class Run:
    """Everything that is said of environments by name, over one catalogue."""

    def __init__(
        self,
        catalogue: str = GITHUB_CATALOGUE,
        *,
        whole: bool = True,
        base: str = GITHUB_BASE,
        damaged: Container[str] = (),
        **texts: str,
    ) -> None:
        checker = Checker()
        secrets = catalogue_of(load(catalogue, "environments/catalogue.yaml"))
        found: list[Diagnostic] = [*checker.catalogue(secrets)]
        shared, environments = load(base, "environments/base.yaml"), list[Environment]()
        for name, text in texts.items():
            own = load(text, f"environments/{name}.yaml")
            layers = [shared, replace(own, damaged=name in damaged)]
            environment = Resolver(secrets).environment(name, merge(layers)[0], layers)
            found += checker.environment(environment)
            environments.append(environment)
        for document in [shared, *(environment.document for environment in environments)]:
            found += checker.document(document)
        names = tuple(texts) if whole else (*texts, "another")
        found += checker.project(Project(secrets, tuple(environments), names, {}))
        self.found = found

    @property
    def rules(self) -> list[str]:
        return sorted({each.rule for each in self.found})


def test_every_scope_is_judged() -> None:
    assert Run(prod="labels: {a: b}\n").rules == []
    assert Run(prod="labels: {a: no}\n").rules == ["ambiguous-scalar"]
    assert Run(prod=FREQUENT).rules == ["too-frequent-refresh"]
    assert Run(a="labels: {a: b}\n", b="labels: {a: b}\n").rules == ["shared-place"]
    assert Run(GITHUB_CATALOGUE.replace("TOKEN", "to.ken"), prod="labels: {a: b}\n").rules == ["ambiguous-property"]
    assert Run(GITHUB_CATALOGUE.replace("platform/", "/"), prod="labels: {a: b}\n").rules == ["invalid-vault-path"]


@pytest.mark.parametrize(
    "waiver",
    [
        "waive: {too-frequent-refresh: a demo}\n" + FREQUENT,
        "secrets: {github: {refreshInterval: 5s, waive: {too-frequent-refresh: a demo}}}\n",
    ],
)
def test_a_waiver_covers_its_place_and_what_is_below(waiver: str) -> None:
    assert Run(prod=waiver).rules == []


def test_a_waiver_of_a_store_and_of_a_lower_layer_count() -> None:
    waiver = "waive: {insecure-address: a lab}"
    assert Run(prod=INSECURE.replace("}}", f", {waiver}}}}}")).rules == []
    assert Run(base=f"{GITHUB_BASE}{waiver}\n", prod=INSECURE).rules == []


def test_a_waiver_elsewhere_or_of_another_rule_covers_nothing_and_is_said() -> None:
    elsewhere = "stores: {vault: {waive: {too-frequent-refresh: a demo}}}\n" + FREQUENT
    assert Run(prod=elsewhere).rules == ["too-frequent-refresh", "unused-waiver"]
    other = "waive: {insecure-address: a lab}\n" + FREQUENT
    assert Run(prod=other).rules == ["too-frequent-refresh", "unused-waiver"]


def test_what_may_not_be_waived_is_not() -> None:
    run = Run(prod="waive: {unknown-secret: x}\nsecrets: {gihub: {}}\n")
    assert run.rules == ["unknown-rule", "unknown-secret", "unused-waiver"]


def test_a_waiver_in_the_catalogue_covers_its_entry() -> None:
    catalogue = GITHUB_CATALOGUE.replace("TOKEN: {}", "to-ken: {}").replace(
        "keys:", "mountedBy: [mcp-github]\n    keys:"
    )
    assert Run(catalogue, prod="labels: {a: b}\n").rules == ["invalid-environment-variable-name"]
    waived = catalogue + "    waive: {invalid-environment-variable-name: it is read as a file}\n"
    assert Run(waived, prod="labels: {a: b}\n").rules == []
    unused = GITHUB_CATALOGUE + "    waive: {invalid-environment-variable-name: it is read as a file}\n"
    assert Run(unused, prod="labels: {a: b}\n").rules == ["unused-waiver"]


def test_a_waiver_of_a_shared_layer_is_used_when_one_environment_needs_it() -> None:
    base = GITHUB_BASE + "waive: {too-frequent-refresh: a demo}\n"
    prefix = "stores: {vault: {prefix: a/}}\n"
    assert Run(base=base, a=FREQUENT, b=prefix).rules == []
    assert Run(base=base, a=prefix, b="labels: {a: b}\n").rules == ["unused-waiver"]


def test_a_run_of_some_environments_does_not_judge_what_others_may_need() -> None:
    base = GITHUB_BASE + "waive: {too-frequent-refresh: a demo}\n"
    assert Run(base=base, prod="labels: {a: b}\n", whole=False).rules == []
    own = "waive: {too-frequent-refresh: a demo}\n"
    assert Run(prod=own, whole=False).rules == ["unused-waiver"]


def test_what_a_damaged_environment_needs_is_not_judged() -> None:
    waiver, prefix = "waive: {too-frequent-refresh: a demo}\n", "stores: {vault: {prefix: a/}}\n"
    assert Run(prod=waiver, damaged="prod").rules == []
    assert Run(base=GITHUB_BASE + waiver, prod=prefix, qa="labels: {a: b}\n", damaged="qa").rules == []
    # What a sound one beside it says itself is.
    assert Run(prod=waiver, qa=prefix, damaged="qa").rules == ["unused-waiver"]


def test_a_finding_across_environments_is_waived_where_it_is_said() -> None:
    waiver = "secrets: {github: {waive: {shared-place: one vault for both}}}\n"
    assert Run(a="labels: {a: b}\n", b=waiver).rules == []


def test_of_very_many_findings_of_a_rule_the_first_are_said() -> None:
    labels = "labels: {" + ", ".join(f"k{index}: no" for index in range(MOST_OF_A_KIND + 20)) + "}\n"
    found = Run(prod=labels).found
    assert len(found) == MOST_OF_A_KIND + 1
    assert found[-1].message == "there are more like the 100 before; they are not listed"


def test_very_many_labels_keep_no_name_that_is_written_once_from_being_said() -> None:
    labels = "labels: {" + ", ".join(f"k{index}: -" for index in range(MOST_OF_A_KIND + 20)) + "}\n"
    once = 'partOf: "-"\nargocdProject: "-"\nstores: {vault: {name: "-"}}\n'
    said = [each.message for each in Run(prod=once + labels).found]
    for what in ("the value of `partOf`", "the AppProject's name", "the store's name"):
        assert [message for message in said if message.startswith(what)], said[:3]


def test_a_waiver_takes_its_secret_out_of_what_two_environments_share() -> None:
    catalogue = GITHUB_CATALOGUE + GITHUB_CATALOGUE.partition("\n")[2].replace("github", "jira").replace(
        "GITHUB", "JIRA"
    )
    base = GITHUB_BASE.replace("github: {}", "github: {}\n  jira: {}")
    run = Run(catalogue, base=base, a="labels: {a: b}\n", b="labels: {a: b}\n")
    assert [each.message for each in run.found] == [
        'environments "b" and "a" both read 2 secrets from the same places: "github", "jira"'
    ]
    waiver = "secrets: {github: {waive: {shared-place: one vault for both}}}\n"
    run = Run(catalogue, base=base, a="labels: {a: b}\n", b=waiver)
    assert [each.message for each in run.found] == [
        'environments "b" and "a" both read "platform/jira" from the same store'
    ]


def test_what_is_seen_across_environments_costs_no_search_for_each_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def document(environment: Environment) -> Document:
        nonlocal looks
        looks += 1
        return environment.layers[-1]

    def looks_among(count: int) -> int:
        nonlocal looks
        looks = 0
        texts = dict.fromkeys(map("e{}".format, range(count)), "labels: {a: b}\n")
        run = Run(GITHUB_CATALOGUE, whole=True, base=GITHUB_BASE, **texts)
        assert len(run.found) == count - 1
        return looks

    monkeypatch.setattr(Environment, "document", property(document))
    assert looks_among(80) <= 2 * looks_among(40) + 10


def test_a_waiver_that_consumers_alone_may_need_is_not_called_unused() -> None:
    for rule in ("shadowed-variable", "unread-secret", "wrong-mounted-by"):
        assert Run(prod=f"waive: {{{rule}: read through the API}}\n").rules == []
