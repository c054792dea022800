import time

import pytest

from compiler.rules.contradictory_remote import check
from tests.pace import allowed
from tests.unit.rules.conftest import CATALOGUE, Judge


def _catalogue(key: str) -> str:
    return CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{remote: {key}}}")


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ("{vault: {name: a, whole: true}}", '"AWS_REGION" cannot be a whole Vault secret'),
        ("{azurekv: {name: a, property: b, whole: true}}", '"AWS_REGION" is a property and the whole secret at once'),
        ("{azurekv: {whole: true}}", '"AWS_REGION" is the whole of a remote secret that has other keys as properties'),
        (
            "{azurekv: {name: platform-aws, whole: true}}",
            '"AWS_REGION" is the whole of a remote secret that has other keys as properties',
        ),
    ],
)
def test_finds_a_contradiction(judge: Judge, remote: str, message: str) -> None:
    found = judge(check, _catalogue(remote))
    assert found.messages == [message]
    assert found.marked == ["true"]
    assert all(found.helps)


def test_finds_a_whole_that_another_key_names_as_its_remote(judge: Judge) -> None:
    text = CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {azurekv: {name: x, whole: true}}}")
    text = text.replace("AWS_ACCESS_KEY_ID: {}", "AWS_ACCESS_KEY_ID: {remote: {azurekv: {name: x, property: y}}}")
    assert len(judge(check, text)) == 1


@pytest.mark.parametrize(
    "remote",
    ["{azurekv: {name: a, whole: true}}", "{azurekv: {whole: false}}", "{vault: {name: a, property: b}}", "{vault: a}"],
)
def test_leaves_a_clear_place_alone(judge: Judge, remote: str) -> None:
    assert not judge(check, _catalogue(remote))


def test_the_only_key_may_be_the_whole(judge: Judge) -> None:
    text = "secrets: {a: {target: a, syncWave: 1, remote: {azurekv: a}, keys: {A: {remote: {azurekv: {whole: true}}}}}}"
    assert not judge(check, text)


@pytest.mark.heavy
def test_many_whole_values_are_judged_in_time(judge: Judge) -> None:
    keys = "\n      ".join(
        f"K{number}: {{remote: {{azurekv: {{name: k{number}, whole: true}}}}}}" for number in range(4000)
    )
    begin = time.process_time()
    assert not judge(check, CATALOGUE.replace("AWS_REGION: {}", keys))
    assert time.process_time() - begin < allowed(2)
