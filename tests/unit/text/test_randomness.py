import base64
import random
import time
from collections.abc import Callable, Iterator
from string import ascii_letters, ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.text.credential import random_words
from tests.pace import allowed

DICE = random.Random  # seeded: the same in every run


def base64_of(size: int) -> Callable[[random.Random], str]:
    return lambda dice: base64.b64encode(dice.randbytes(size)).decode()


def url_base64_of(size: int) -> Callable[[random.Random], str]:
    return lambda dice: base64.urlsafe_b64encode(dice.randbytes(size)).decode().rstrip("=")


def drawn(alphabet: str, size: int) -> Callable[[random.Random], str]:
    return lambda dice: "".join(dice.choices(alphabet, k=size))


@pytest.mark.parametrize("value", ["zK8vQm2Wx7RtB4nYp6Ld", "q9XfT3bVw7KzR5mHs1Gj8Pd2"])
def test_a_word_of_surprises_is_found(value: str) -> None:
    assert list(random_words(f"a {value} b")) == [(2, 2 + len(value))]


def test_padding_makes_fewer_surprises_enough() -> None:
    word = "TableqxHeaderLetters"
    assert not list(random_words(word))
    assert list(random_words(f"{word}==")) == [(0, len(word) + 2)]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("make", "missed_in_5000"),
    [
        pytest.param(base64_of(16), 1, id="16 bytes in Base64"),
        pytest.param(base64_of(32), 0, id="32 bytes in Base64"),
        pytest.param(url_base64_of(16), 20, id="16 bytes in URL Base64 without padding"),
        pytest.param(url_base64_of(32), 1, id="32 bytes in URL Base64 without padding"),
        pytest.param(drawn(ascii_letters + digits + "+/", 40), 1, id="AWS secret access key"),
        pytest.param(drawn(ascii_letters + digits, 24), 10, id="24 letters and digits"),
        pytest.param(drawn(ascii_letters, 32), 10, id="32 letters"),
        pytest.param(drawn("0123456789abcdef", 32), 0, id="32 hexadecimal digits"),
        pytest.param(drawn("0123456789ABCDEF", 40), 0, id="40 hexadecimal digits"),
        pytest.param(drawn(ascii_lowercase + digits, 40), 100, id="40 lower-case letters and digits"),
    ],
)
def test_generated_values_are_found(make: Callable[[random.Random], str], missed_in_5000: int) -> None:
    dice = DICE(1)
    values = [make(dice) for _ in range(5_000)]
    assert sum(not any(random_words(value)) for value in values) <= missed_in_5000


@pytest.mark.heavy
@given(st.integers(0, 2**32), st.sampled_from(["{}", "a {} b", '"{}"', "key: {} # x", "[{}, y]", "Ä{}…", "\n{}\n"]))
def test_a_generated_value_is_found_whole_in_other_text(seed: int, around: str) -> None:
    value = base64_of(32)(DICE(seed))
    text = around.format(value)
    start = text.index(value)
    assert list(random_words(text)) == [(start, start + len(value))]


@given(data=st.data())
def test_names_made_of_words_are_not(data: st.DataObject, words: list[str]) -> None:
    separator = st.sampled_from("-_/.")
    number = st.sampled_from(["", "", "", "1", "01", "001", "v2", "2024", "12345678"])
    case = data.draw(st.sampled_from([str.lower, str.upper, str.capitalize]))
    # Nobody writes `K8sv2-K8s01/Svcv2`, which is as random as Base64.
    allowed = st.sampled_from([word for word in words if word.isalpha() or case is not str.capitalize])
    parts = data.draw(st.lists(st.tuples(allowed, number, separator), min_size=1, max_size=12))
    name = "".join(case(word + tail) + glue for word, tail, glue in parts)
    assert not list(random_words(name))
    assert not list(random_words(f"https://{name}:8200, {name}"))


@given(data=st.data())
def test_camel_case_names_are_not(data: st.DataObject, words: list[str]) -> None:
    parts = data.draw(st.lists(st.sampled_from([word for word in words if len(word) > 3]), min_size=2, max_size=8))
    assert not list(random_words(parts[0] + "".join(part.capitalize() for part in parts[1:])))


@pytest.mark.parametrize(
    "name",
    [
        "SLACK_CLIENT_SECRET",
        "WEBEX_INTEGRATION_BOT_ACCESS_TOKEN",
        "ai-platform-engineering-victorops",
        "kv-ai-platform-weu-prod-001",
        "kv-5f3ndq2jxkzqe",
        "https://kv-5f3ndq2jxkzqe.vault.azure.net",
        "aks-nodepool1-12345678-vmss",
        "aks-nodepool1-12345678-vmss00001a",
        "caipe-ui-7d9f8b6c5-x2x4z",
        "stplatformprod001weu",
        "8c9f03a8-1b2d-4e5f-9a0b-8c9f03a8e57e",
        "8C9F03A8-1B2D-4E5F-9A0B-8C9F03A8E57E",
        "/subscriptions/8c9f03a8-1b2d-4e5f-9a0b-8c9f03a8e57e/resourceGroups/rg-ai-001/providers/Microsoft.KeyVault",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "arn:aws:iam::123456789012:role/ExternalSecretsReader",
        "gpt-4o-mini-2024-07-18",
        "http://vault.vault.svc.cluster.local:8200",
        "externalSecretsOperator",
        "argocd.argoproj.io/sync-wave",
        "environments/layers/west-europe.yaml",
        "/Users/someone/Documents/ai-platform/values-prod.yaml",
        "2024-08-01T12:30:00Z",
        "1h30m0s",
        "12345678901234567890",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "abcdefgh-abcdefgh-abcdefgh",
        "a" * 63,
    ],
)
def test_names_of_the_field_are_not(name: str) -> None:
    assert not list(random_words(name))


def test_a_uuid_hides_no_random_neighbour() -> None:
    assert any(random_words("8c9f03a8-1b2d-4e5f-9a0b-8c9f03a8e57e/x8Kd92LmQ0aZp3Rt7WvB1c"))


@pytest.mark.heavy
def test_hostile_text_costs_linear_time(hostile_texts: Iterator[str]) -> None:
    for text in hostile_texts:
        begin = time.process_time()
        list(random_words(text))
        assert time.process_time() - begin < allowed(0.15), text[:40]
