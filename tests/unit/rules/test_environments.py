import time
from pathlib import Path

import pytest

from compiler.pipeline import compile_project
from compiler.rules.environments import (
    find_contradictory_moves,
    find_missing_field,
    find_unknown_secret,
    find_unused_override,
)
from tests.pace import allowed
from tests.platforms import write_agents_project, write_project
from tests.unit.rules.conftest import BASE, CATALOGUE, TAKING, Judge


@pytest.mark.parametrize("field", ["namespace", "store", "refreshInterval", "externalSecretsOperator", "secrets"])
def test_finds_what_no_layer_says(judge: Judge, field: str) -> None:
    found = judge(find_missing_field, "labels: {a: b}", base="".join(_sections(BASE, without=field)))
    assert found.messages == [f'environment "prod" has no "{field}"']
    assert found.paths == ["environments/prod.yaml"]
    assert found.scopes == [()]


def test_says_once_that_there_is_no_base(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    waived = "secrets: {github: {store: azure, waive: {shared-place: so}}}\n"
    write_project(tmp_path, prod=waived, dev="labels: {a: b}\n")
    (tmp_path / "environments/base.yaml").unlink()
    # And nothing else: neither the other fields, nor a store that is not known, nor a waiver that seems to be unused.
    (found,) = compile_project(tmp_path).diagnostics
    assert (found.rule, found.span.where) == ("unreadable-file", "environments/base.yaml:1:1")
    assert found.message == "there is no such file, and an environment without `extends:` builds on it"
    assert found.help == "restore it; or write `extends: []` into an environment that is whole by itself"
    (tmp_path / "environments/prod.yaml").write_text("extends: []\n", "utf-8")
    found_there = [
        each for each in compile_project(tmp_path, ["prod"]).diagnostics if each.rule == find_missing_field.id
    ]
    assert len(found_there) == 5
    assert not any("base.yaml" in str(each.help) for each in found_there)


def test_one_field_that_an_environment_by_itself_lacks_is_no_missing_base(judge: Judge) -> None:
    found = judge(find_missing_field, "".join(_sections(BASE, without="store")), base=None)
    assert found.messages == ['environment "prod" has no "store"']


def _sections(text: str, without: str) -> list[str]:
    lines, keep = [], True
    for line in text.splitlines(keepends=True):
        if not line.startswith(" "):
            keep = not line.startswith(f"{without}:")
        lines += [line] if keep else []
    return lines


def test_names_the_null_that_removed_it(judge: Judge) -> None:
    found = judge(find_missing_field, "namespace: null")
    assert found.messages == ['environment "prod" has no "namespace"']
    assert found.related == ["null"]


def test_leaves_an_empty_value_to_its_own_rule(judge: Judge) -> None:
    assert not judge(find_missing_field, "namespace:\n")
    assert not judge(find_missing_field, "stores:\n  vault:\n    name:\n")


def test_finds_what_a_store_lacks(judge: Judge) -> None:
    found = judge(find_missing_field, "stores: {other: {server: https://v.example.com}}")
    assert found.messages == ['the store "other" has no "provider"', 'the store "other" has no "name"']
    assert found.marked == ["other", "other"]
    assert found.scopes[0] == ("stores", "other")


def test_concludes_nothing_from_a_damaged_environment(judge: Judge) -> None:
    assert not judge(find_missing_field, "namespace: null\nstroe: x")


def test_finds_what_an_entry_lacks(judge: Judge) -> None:
    found = judge(find_missing_field, catalogue="secrets: {github: {description: x}}")
    names = ["target", "remote", "syncWave", "keys"]
    assert found.messages == [f'the entry "github" has no "{name}"' for name in names]
    assert found.marked == ["github"] * 4


def test_shows_what_an_entry_lacks_by_its_own_name(judge: Judge) -> None:
    found = judge(find_missing_field, catalogue="secrets: {argocd-name: {description: x}}")
    assert found.helps == [
        f"add it, such as `{line}`"
        for line in (
            "target: my-platform-argocd-name",
            "remote: {vault: my-platform/argocd-name, azurekv: my-platform-argocd-name}",
            "syncWave: -49",
            "keys: {ARGOCD_NAME_PASSWORD: {description: Password}}",
        )
    ]


def test_needs_no_remote_where_each_key_has_its_own(judge: Judge) -> None:
    keys = "keys: {A: {remote: {vault: a}}, B: {remote: {vault: b}}}"
    assert not judge(find_missing_field, catalogue=f"secrets: {{github: {{target: a, syncWave: 1, {keys}}}}}")


def test_a_complete_environment_has_all(judge: Judge) -> None:
    assert not judge(find_missing_field)


def test_asks_for_no_field_of_a_damaged_catalogue(judge: Judge) -> None:
    assert not judge(find_missing_field, catalogue="secrets: {github: {tarjet: x}}")


def test_names_the_nearest_entry_and_its_place(judge: Judge) -> None:
    found = judge(find_unknown_secret, "secrets: {gihub: {}}")
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.helps == ['did you mean "github"?']
    assert found.marked == ["gihub"]
    assert found.related == ["github"]
    assert found[0].related[0].span.path == "environments/catalogue.yaml"
    assert found.scopes == [("secrets", "gihub")]


def test_finds_one_that_is_switched_off(judge: Judge) -> None:
    assert len(judge(find_unknown_secret, "secrets: {gihub: {enabled: false}}")) == 1


def test_always_says_a_way_out(judge: Judge) -> None:
    assert judge(find_unknown_secret, "secrets: {zzz: {}}").helps == ['the secrets are "global", "github", "aws"']
    nothing = judge(find_unknown_secret, "secrets: {zzz: {}}", catalogue="secrets: {}\n")
    assert nothing.helps[-1] == "`platform-secrets new secret zzz --key KEY` adds it"


def test_a_setting_among_the_secrets_is_told_its_place(judge: Judge) -> None:
    assert judge(find_unknown_secret, "secrets: {fetch: {}}").helps == [
        "`fetch:` is a setting: write it beside `secrets:`, or indent it below one secret"
    ]
    assert judge(find_unknown_secret, "secrets: {secrets: {}}").helps == [
        "`secrets:` stands twice: remove the second, and indent what is below it as the first one's"
    ]


def test_concludes_nothing_from_a_damaged_catalogue(judge: Judge) -> None:
    assert not judge(find_unknown_secret, "secrets: {gihub: {}}", catalogue=CATALOGUE + "  gihub: 5\n")


def test_leaves_known_and_removed_secrets_alone(judge: Judge) -> None:
    assert not judge(find_unknown_secret, "secrets: {aws: {}, global: null}")
    assert not judge(find_unknown_secret, "secrets: null")


def test_finds_a_secret_that_a_step_of_moves_names(judge: Judge) -> None:
    found = judge(find_unknown_secret, "moves: {to: azure, steps: [[gihub], [aws], [all]]}")
    assert found.messages == ['no secret named "gihub" in the catalogue']
    assert found.marked == ["gihub"]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("refreshInterval: 1h", "refreshInterval"),
        ("store: vault", "store"),
        ("stores: {vault: {name: vault-secret-store}}", "name"),
        ("secrets: {github: {}}", "github"),
    ],
)
def test_finds_what_a_lower_layer_says_already(judge: Judge, text: str, marked: str) -> None:
    found = judge(find_unused_override, text)
    assert found.messages == [f'"{marked}" repeats what a lower layer says']
    assert found.marked == [marked]
    assert found[0].related[0].span.path == "environments/base.yaml"


def test_finds_a_list_that_is_repeated(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [app]}")
    assert judge(find_unused_override, "secrets: {github: {use: [app]}}", base=base).marked == ["use"]


def test_finds_a_removal_of_what_is_not_there(judge: Judge) -> None:
    found = judge(find_unused_override, "secrets: {aws: null}")
    assert found.messages == ['"aws" is removed here, but no lower layer has it']
    assert found.scopes == [("secrets", "aws")]


def test_finds_settings_of_a_secret_that_is_switched_off(judge: Judge) -> None:
    found = judge(
        find_unused_override,
        "secrets: {github: {enabled: false, fetch: bundle, store: azure, waive: {shared-place: x}}}",
    )
    assert found.messages == ['"fetch" has no effect, as "github" is disabled']
    assert found.related == ["false"]


def test_finds_the_catalogues_default_and_name(judge: Judge) -> None:
    found = judge(find_unused_override, "secrets: {github: {use: [pat], remote: {vault: platform/github}}}")
    assert found.messages == [
        '`use` repeats the default of "github"',
        '"vault" repeats the catalogue\'s name of "github"',
    ]


def test_a_default_that_overrides_another_choice_is_used(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [app], remote: {vault: x}}")
    assert not judge(
        find_unused_override, "secrets: {github: {use: [pat], remote: {vault: platform/github}}}", base=base
    )


def test_never_reports_the_store_of_a_secret(judge: Judge) -> None:
    assert not judge(find_unused_override, "secrets: {github: {store: vault}}")
    base = BASE.replace("github: {}", "github: {store: azure}")
    assert not judge(find_unused_override, "secrets: {github: {store: azure}}", base=base)


def test_never_reports_a_store_with_the_mark_of_the_store_of_before(judge: Judge) -> None:
    assert not judge(find_unused_override, "store: vault  # before: azure\n")
    assert judge(find_unused_override, "store: vault  # as before\n").marked == ["store"]
    assert judge(find_unused_override, "refreshInterval: 1h  # before: 2h\n").marked == ["refreshInterval"]


def test_judges_the_environments_own_file_alone(judge: Judge) -> None:
    base = BASE.replace("github: {}", "github: {use: [pat]}")
    assert not judge(find_unused_override, "labels: {a: b}", base=base)


@pytest.mark.parametrize(
    "text",
    [
        "extends: [base]",
        "refreshInterval: 2h",
        "namespace: null",
        "secrets: {github: null, aws: {}}",
        "secrets: {github: {use: [app]}}",
        "secrets: {github: {enabled: false}}",
        "secrets: {aws: {use: []}}",
        "secrets: null",
    ],
)
def test_leaves_differences_alone(judge: Judge, text: str) -> None:
    assert not judge(find_unused_override, text)


def test_leaves_an_environment_without_layers_alone(judge: Judge) -> None:
    assert not judge(find_unused_override, BASE, base=None)


def test_what_another_secret_follows_has_its_effect_though_disabled(judge: Judge) -> None:
    text = "secrets: {github: {enabled: false, use: [app], remote: {vault: x}, fetch: bundle}"
    assert judge(find_unused_override, text + ", ci: {}}", catalogue=TAKING).marked == ["fetch"]
    assert judge(find_unused_override, text + ", aws: {}}", catalogue=TAKING).marked == ["use", "remote", "fetch"]


GUARDING = CATALOGUE.replace("  aws:\n", "  aws:\n    guards: true\n")


def moves(steps: str) -> str:
    return f"moves: {{to: azure, steps: {steps}}}"


def test_a_secret_in_two_steps_is_found_with_the_first(judge: Judge) -> None:
    found = judge(find_contradictory_moves, moves("[[github], [aws, github]]"))
    assert found.messages == ['"github" is in two steps']
    assert (found.marked, found.related) == (["github"], ["github"])


@pytest.mark.parametrize("steps", ["[[all], [github]]", "[[github, all]]", "[[all, github]]"])
def test_the_rest_is_alone_and_last(judge: Judge, steps: str) -> None:
    assert judge(find_contradictory_moves, moves(steps)).messages == [
        '"all" means the rest, so it is a step of its own and the last'
    ]


@pytest.mark.parametrize("steps", ["[[aws], [github]]", "[[aws, github]]"])
def test_what_guards_a_store_is_alone_and_last(judge: Judge, steps: str) -> None:
    found = judge(find_contradictory_moves, moves(steps), catalogue=GUARDING)
    assert found.messages == ['"aws" guards a store, so it moves alone and after all others']
    assert found.related == ["guards"]
    assert judge(find_contradictory_moves, moves("[[aws], [all]]"), catalogue=GUARDING).marked == ["aws"]


@pytest.mark.parametrize(
    ("text", "said"), [("moves: {to: azure}", "steps"), ("moves: {steps: [[all]]}", "to"), ("moves: {}", "to")]
)
def test_steps_and_a_store_to_go_to_are_both_needed(judge: Judge, text: str, said: str) -> None:
    assert judge(find_contradictory_moves, text).messages[0] == f'`moves` has no "{said}"'


def test_a_secret_that_is_called_like_the_rest_is_found(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("  aws:\n", "  all:\n")
    assert judge(find_contradictory_moves, moves("[[all]]"), catalogue=catalogue).marked == ["moves"]


def test_steps_in_an_order_that_can_be_gone_are_fine(judge: Judge) -> None:
    assert not judge(find_contradictory_moves)
    assert not judge(find_contradictory_moves, moves("[[github], [aws, global]]"))
    assert not judge(find_contradictory_moves, moves("[[github], [all]]"), catalogue=GUARDING)
    assert not judge(find_contradictory_moves, moves("[[github, global], [aws]]"), catalogue=GUARDING)
    assert not judge(find_contradictory_moves, "moves: {tu: azure}")


def test_secrets_with_a_value_in_common_stand_in_one_step(judge: Judge) -> None:
    listed = "secrets: {ci: {}}\n"
    found = judge(find_contradictory_moves, listed + moves("[[ci], [all]]"), catalogue=TAKING)
    assert found.messages == ['"ci" and "github" have a value in common, so they move in one step']
    assert (found.marked, found.related) == (["ci"], ["github/GITHUB_TOKEN"])
    assert judge(find_contradictory_moves, listed + moves("[[github]]"), catalogue=TAKING).marked == ["github"]
    assert not judge(find_contradictory_moves, listed + moves("[[ci, github], [all]]"), catalogue=TAKING)
    assert not judge(find_contradictory_moves, listed + moves("[[aws], [all]]"), catalogue=TAKING)
    assert not judge(find_contradictory_moves, moves("[[github], [all]]"), catalogue=TAKING)


@pytest.mark.heavy
def test_many_steps_are_judged_in_time(judge: Judge) -> None:
    steps = ", ".join(f"[s{number}]" for number in range(15000))
    begin = time.process_time()
    assert not judge(find_contradictory_moves, moves(f"[{steps}]"))
    assert time.process_time() - begin < allowed(2)
