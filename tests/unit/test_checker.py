from collections.abc import Container
from dataclasses import replace

import pytest

from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic
from compiler.model.document import Document
from compiler.model.environment import Environment, Project
from compiler.pipeline import Checker
from compiler.stages.resolve import Resolver, catalogue_of, merge
from tests.github_project import BASE, CATALOGUE
from tests.unit.stages.conftest import load

FREQUENT = "secrets: {github: {refreshInterval: 5s}}\n"
INSECURE = 'stores: {vault: {server: "http://vault.example.com"}}\n'


class Run:
    """Everything that is said of environments by name, over one catalogue."""

    def __init__(
        self,
        catalogue: str = CATALOGUE,
        *,
        whole: bool = True,
        base: str = BASE,
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
    assert Run(CATALOGUE.replace("TOKEN", "to.ken"), prod="labels: {a: b}\n").rules == ["ambiguous-property"]
    assert Run(CATALOGUE.replace("platform/", "/"), prod="labels: {a: b}\n").rules == ["invalid-vault-path"]


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
    assert Run(base=f"{BASE}{waiver}\n", prod=INSECURE).rules == []


def test_a_waiver_elsewhere_or_of_another_rule_covers_nothing_and_is_said() -> None:
    elsewhere = "stores: {vault: {waive: {too-frequent-refresh: a demo}}}\n" + FREQUENT
    assert Run(prod=elsewhere).rules == ["too-frequent-refresh", "unused-waiver"]
    other = "waive: {insecure-address: a lab}\n" + FREQUENT
    assert Run(prod=other).rules == ["too-frequent-refresh", "unused-waiver"]


def test_what_may_not_be_waived_is_not() -> None:
    run = Run(prod="waive: {unknown-secret: x}\nsecrets: {gihub: {}}\n")
    assert run.rules == ["unknown-rule", "unknown-secret", "unused-waiver"]


def test_a_waiver_in_the_catalogue_covers_its_entry() -> None:
    catalogue = CATALOGUE.replace("TOKEN: {}", "to-ken: {}").replace("keys:", "mountedBy: [mcp-github]\n    keys:")
    assert Run(catalogue, prod="labels: {a: b}\n").rules == ["invalid-environment-variable-name"]
    waived = catalogue + "    waive: {invalid-environment-variable-name: it is read as a file}\n"
    assert Run(waived, prod="labels: {a: b}\n").rules == []
    unused = CATALOGUE + "    waive: {invalid-environment-variable-name: it is read as a file}\n"
    assert Run(unused, prod="labels: {a: b}\n").rules == ["unused-waiver"]


def test_a_waiver_of_a_shared_layer_is_used_when_one_environment_needs_it() -> None:
    base = BASE + "waive: {too-frequent-refresh: a demo}\n"
    prefix = "stores: {vault: {prefix: a/}}\n"
    assert Run(base=base, a=FREQUENT, b=prefix).rules == []
    assert Run(base=base, a=prefix, b="labels: {a: b}\n").rules == ["unused-waiver"]


def test_a_run_of_some_environments_does_not_judge_what_others_may_need() -> None:
    base = BASE + "waive: {too-frequent-refresh: a demo}\n"
    assert Run(base=base, prod="labels: {a: b}\n", whole=False).rules == []
    own = "waive: {too-frequent-refresh: a demo}\n"
    assert Run(prod=own, whole=False).rules == ["unused-waiver"]


def test_what_a_damaged_environment_needs_is_not_judged() -> None:
    waiver, prefix = "waive: {too-frequent-refresh: a demo}\n", "stores: {vault: {prefix: a/}}\n"
    assert Run(prod=waiver, damaged="prod").rules == []
    assert Run(base=BASE + waiver, prod=prefix, qa="labels: {a: b}\n", damaged="qa").rules == []
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
    catalogue = CATALOGUE + CATALOGUE.partition("\n")[2].replace("github", "jira").replace("GITHUB", "JIRA")
    base = BASE.replace("github: {}", "github: {}\n  jira: {}")
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
        run = Run(CATALOGUE, whole=True, base=BASE, **texts)
        assert len(run.found) == count - 1
        return looks

    monkeypatch.setattr(Environment, "document", property(document))
    assert looks_among(80) <= 2 * looks_among(40) + 10


def test_a_waiver_that_consumers_alone_may_need_is_not_called_unused() -> None:
    for rule in ("shadowed-variable", "unread-secret", "wrong-mounted-by"):
        assert Run(prod=f"waive: {{{rule}: read through the API}}\n").rules == []
