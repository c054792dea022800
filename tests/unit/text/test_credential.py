import base64
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits, hexdigits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.text.credential import (
    _BEGINNINGS,
    _token,
    conceal,
    credential_parts,
    known_forms,
    looks_like_credential,
    random_words,
)
from tests.pace import allowed

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
RANDOM = base64.b64encode(random.Random(1).randbytes(57)).decode()  # noqa: S311 - the same in every run


@pytest.mark.parametrize("text", [TOKEN, RANDOM, "a: postgres://u:hunter2@db", f"# {TOKEN}", "pwd=hunter"])
def test_credentials_look_like_it(text: str) -> None:
    assert looks_like_credential(text)
    assert "…" in conceal(text)


@pytest.mark.parametrize(
    "text",
    ["", "slack", "short: x1", "ai-platform-engineering/github-secret", "The LLM that every agent talks to", "1h0m0s"],
)
def test_names_and_prose_do_not(text: str) -> None:
    assert not looks_like_credential(text)
    assert conceal(text) == text


def test_the_host_of_a_cluster_on_eks_is_none() -> None:
    host = "https://0A1B2C3D4E5F60718293A4B5C6D7E8F9"
    for address in (f"{host}.gr7.eu-west-1.eks.amazonaws.com", f"{host}.eks-cluster.us-west-2.api.aws:443/x"):
        assert conceal(f"server {address}, here") == f"server {address}, here"
    for address in (
        f"{host}.gr7.eu-west-1.eks.example.com",
        f"{host}.eks",
        f"{host}/x.gr7.eu-west-1.eks.amazonaws.com",
    ):
        assert host not in conceal(address)


def test_only_the_credential_is_concealed() -> None:
    assert conceal(f"got {TOKEN}, not {RANDOM}") == "got …, not …"


def test_parts_that_touch_or_overlap_are_one() -> None:
    text = f"url=https://u:{TOKEN}@host"
    assert credential_parts(text) == [(12, len(text) - 5)]
    assert conceal(f"token={TOKEN}") in {"token=…", "…"}


def test_a_credential_wrapped_over_lines_is_one_part() -> None:
    text = f"block: |\n  {RANDOM}\n  Zm9v\r\n  YmFy=\nnext: word\n"
    assert conceal(text) == "block: |\n  …\nnext: word\n"


def test_what_follows_a_credential_on_its_own_line_stays() -> None:
    for after in ("next: word", "- word", "two words", "{}"):
        assert conceal(f"- {RANDOM}\n{after}\n") == f"- …\n{after}\n"


@given(st.lists(st.sampled_from([TOKEN, RANDOM, "word", " ", "\n", ": ", "u:p4ss", "://", "@", "=", "pwd=", "é", "…"])))
def test_the_three_answers_agree_and_nothing_stays_behind(pieces: list[str]) -> None:
    text = "".join(pieces)
    parts = credential_parts(text)
    assert looks_like_credential(text) == bool(parts) == (conceal(text) != text)
    assert all(start < end for start, end in parts)
    assert all(before[1] < after[0] for before, after in pairwise(parts))
    assert not re.search(f"{re.escape(TOKEN)}|{re.escape(RANDOM)}", conceal(text))


@given(st.text(st.characters()))
def test_any_text_is_taken(text: str) -> None:
    assert looks_like_credential(text) == (conceal(text) != text)


@pytest.mark.parametrize("path", sorted((ROOT / "environments").glob("*.yaml")), ids=lambda path: path.name)
def test_no_line_of_the_shipped_environments_is_concealed(path: Path) -> None:
    text = path.read_text()
    assert not [line for line in text.splitlines() if looks_like_credential(line)]
    assert credential_parts(text) == []


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").glob("*.json")), ids=lambda path: path.name)
def test_no_text_of_the_schemas_is_concealed(path: Path) -> None:
    def texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            yield from value
            for child in value.values():
                yield from texts(child)
        elif isinstance(value, list):
            for child in value:
                yield from texts(child)
        elif isinstance(value, str) and not value.startswith("^"):
            yield value

    assert not [text for text in texts(json.loads(path.read_text())) if looks_like_credential(text)]


def test_names_are_answered_fast() -> None:
    names = ["ai-platform-engineering/github-secret", "https://ai-platform-prod.vault.azure.net", "SLACK_CLIENT_SECRET"]
    begin = time.process_time()
    for _ in range(10_000):
        for name in names:
            looks_like_credential(name)
    # Half a microsecond each where this was written; the bound leaves room for coverage.
    assert time.process_time() - begin < allowed(0.6)


@pytest.mark.heavy
def test_hostile_text_costs_linear_time(hostile_texts: Iterator[str]) -> None:
    for text in hostile_texts:
        begin = time.process_time()
        credential_parts(text)
        assert time.process_time() - begin < allowed(0.15), text[:40]


HOSTILE = {
    "versions": f"version {'0123456789abcdef' * 2}, ",
    "the same, in a list": f"{'0123456789abcdef' * 2}, version ",
    "URLs in one word": "://:",
    "users without a host": "://:a@ ",
    "assignments": "password: ",
    "colons": ": ",
    "lines of one word": f"{'aB3' * 8}\n",
}


@pytest.mark.heavy
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_four_times_the_text_costs_about_four_times_the_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = f"# {unit * (size // len(unit))}@"
        begin = time.process_time()
        conceal(text)
        return time.process_time() - begin

    # Quadratic time would be sixteen times as much, and no less than a quarter of a second.
    # In turns, as a machine is quick at one moment and slow at the next.
    turns = [(seconds(25_000), seconds(100_000)) for _ in range(3)]
    small, large = (min(each) for each in zip(*turns, strict=True))
    assert large < 8 * small + 0.0125
    assert large < allowed(0.5)


VERSION = "5e1f0c6ab2df4f51a7e0c8d1a2b3c4d5"


def test_a_version_that_a_sentence_calls_one_is_none() -> None:
    said = f"another writer changed it: version {VERSION} was read, and the current one is version {VERSION[::-1]}"
    assert conceal(said) == said
    assert (
        conceal(f"version {VERSION}, {VERSION[::-1]} came between")
        == f"version {VERSION}, {VERSION[::-1]} came between"
    )
    assert not looks_like_credential(f"its version {VERSION} is deleted")
    assert not looks_like_credential(f"the current version is {VERSION}, the run wrote version {VERSION[::-1]}")


@pytest.mark.parametrize(
    "text",
    [
        f"{VERSION}",
        f"conversion {VERSION}",
        f"version: {VERSION}",
        f"version is not {VERSION}",
        f"version {VERSION}0a1b",
        f"version {VERSION}-{VERSION}",
    ],
)
def test_the_same_digits_elsewhere_are_hidden(text: str) -> None:
    assert VERSION not in conceal(text)


ALNUM = ascii_letters + digits
URL = ALNUM + "-_"
HEX = hexdigits[:16]
# Each issuer's form: a template, and what its `{}` is made of, in order.
FORMS: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "GitHub token": ("ghp_{}", [(ALNUM, 36)]),
    "GitHub server token": ("ghs_{}", [(ALNUM, 36)]),
    "GitHub fine-grained": ("github_pat_{}_{}", [(ALNUM, 22), (ALNUM, 59)]),
    "GitLab": ("glpat-{}", [(URL, 20)]),
    "GitLab deploy": ("gldt-{}", [(URL, 20)]),
    "Slack bot": ("xoxb-{}-{}-{}", [(digits, 12), (digits, 13), (ALNUM, 24)]),
    "Slack user": ("xoxp-{}-{}-{}", [(digits, 12), (digits, 12), (HEX, 32)]),
    "Slack app": ("xapp-1-A{}-{}-{}", [(ascii_uppercase + digits, 10), (digits, 13), (HEX, 64)]),
    "Slack webhook": ("hooks.slack.com/services/T{}/B{}/{}", [(digits, 9), (digits, 9), (ALNUM, 24)]),
    "OpenAI": ("sk-{}", [(ALNUM, 48)]),
    "OpenAI project": ("sk-proj-{}", [(URL, 74)]),
    "Anthropic": ("sk-ant-api03-{}", [(URL, 95)]),
    "Langfuse": ("sk-lf-{}-{}-{}-{}-{}", [(HEX, 8), (HEX, 4), (HEX, 4), (HEX, 4), (HEX, 12)]),
    "Groq": ("gsk_{}", [(ALNUM, 52)]),
    "Hugging Face": ("hf_{}", [(ALNUM, 34)]),
    "Stripe": ("sk_live_{}", [(ALNUM, 24)]),
    "AWS access key": ("AKIA{}", [(ascii_uppercase + "234567", 16)]),
    "AWS session key": ("ASIA{}", [(ascii_uppercase + "234567", 16)]),
    "Google API key": ("AIza{}", [(URL, 35)]),
    "Google OAuth": ("ya29.{}", [(URL, 100)]),
    "Vault": ("hvs.{}", [(URL, 24)]),
    "Vault batch": ("hvb.{}", [(URL, 90)]),
    "Vault, older": ("s.{}", [(ALNUM, 24)]),
    "npm": ("npm_{}", [(ALNUM, 36)]),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc{}", [(URL, 150)]),
    "Docker": ("dckr_pat_{}", [(URL, 27)]),
    "SendGrid": ("SG.{}.{}", [(URL, 22), (URL, 43)]),
    "Atlassian": ("ATATT3xFfGF0{}={}", [(URL, 170), (ascii_uppercase + digits, 8)]),
    "Grafana": ("glsa_{}_{}", [(ALNUM, 32), (HEX, 8)]),
    "Databricks": ("dapi{}", [(HEX, 32)]),
    "age": ("AGE-SECRET-KEY-1{}", [(ascii_uppercase + digits, 58)]),
    "JWT": ("eyJ{}.eyJ{}.{}", [(URL, 33), (URL, 60), (URL, 43)]),
    "Entra client secret": ("{}8Q~{}", [(ALNUM, 3), (ALNUM + "-._~", 34)]),
}
PARAMETERS = [pytest.param(template, parts, id=name) for name, (template, parts) in FORMS.items()]


AROUND = ("{}", "a {} b", '"{}"', "x: {}, y: 1", "({})", "url={}&a=b", "Ä{}…", "\n{}\n")


def tokens(template: str, parts: list[tuple[str, int]]) -> Iterator[str]:
    """Tokens of a form: some by chance, and for each sign of its alphabets one whose parts begin and end with it."""
    dice = random.Random(template)  # noqa: S311 - no secret, and the same in every run
    signs = sorted({character for alphabet, _ in parts for character in alphabet} - set(ALNUM))
    for sign in (*[None] * 10, *signs):
        texts = []
        for alphabet, length in parts:
            text = "".join(dice.choices(alphabet, k=length))
            texts.append(f"{sign}{text[1:-1]}{sign}" if sign is not None and sign in alphabet else text)
        yield template.format(*texts)


def covered(text: str, secret: str) -> bool:
    start = text.index(secret)
    return any(first <= start and start + len(secret) <= end for first, end in known_forms(text))


@pytest.mark.parametrize(("template", "parts"), PARAMETERS)
def test_a_token_is_found_whole_wherever_it_stands(template: str, parts: list[tuple[str, int]]) -> None:
    for token, around in product(tokens(template, parts), AROUND):
        assert covered(around.format(token), token)


@pytest.mark.parametrize(
    ("before", "token", "after"),
    [
        ("a ", "ghp_" + "a1B2" * 9, " b"),
        ("key: ", "AKIA" + "Q7XW" * 4, "\n"),
        ("x=", "hvs." + "a_-Z" * 6, ";"),
        ("", "ab.8Q~" + "c-_.~" * 6, ""),
        ("(", "ab~0Q~" + "d" * 34, ")"),
    ],
)
def test_a_token_is_found_from_its_first_character_to_its_last(before: str, token: str, after: str) -> None:
    assert list(known_forms(before + token + after)) == [(len(before), len(before) + len(token))]


@pytest.mark.parametrize("text", ["Q~", "abc8Q~" + "d" * 15, "ab8Q~ " + "d" * 34, "abcxQ~" + "d" * 34])
def test_what_is_too_short_or_has_no_digit_is_no_entra_secret(text: str) -> None:
    assert not list(known_forms(text))


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_found_from_its_first_line_to_its_last(label: str) -> None:
    key = f"-----BEGIN {label}PRIVATE KEY-----\n  abc\n  def\n  -----END {label}PRIVATE KEY-----"
    assert list(known_forms(f"a: |\n  {key}\nb: 1\n")) == [(7, 7 + len(key))]


def test_a_private_key_without_end_goes_to_the_end_of_the_text() -> None:
    text = "a: |\n  -----BEGIN PRIVATE KEY-----\n  abc\nb: 1\n"
    assert list(known_forms(text)) == [(7, len(text))]


def test_a_certificate_and_a_public_key_are_no_secret() -> None:
    for label in ("CERTIFICATE", "PUBLIC KEY"):
        assert not list(known_forms(f"-----BEGIN {label}-----\nabc\n-----END {label}-----"))


_WORDS = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "authorization", "signature", "sig"),
    *("account_key", "access-key", "apikey", "shared_key", "private-key", "masterkey"),
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgres://app:hunter2@db:5432/x", "app:hunter2"),
        ("https://:hunter2@host", ":hunter2"),
        ("mongodb://u:hun/ter@2@db1,db2/x", "u:hun/ter@2"),
        ("amqp://u:8200@host", "u:8200"),
        ("Server=db;User Id=sa;Password=hunter22;", "hunter22"),
        ("Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=abcdef=", "abcdef="),
        ("AccountName=st;AccountKey=abcdef==;EndpointSuffix=x", "abcdef=="),
        ("https://st.blob.core.windows.net/c?sv=2022&sig=abc%2Bdef", "abc%2Bdef"),
        ("client_secret=hunter2&grant_type=x", "hunter2"),
        ("SLACK_CLIENT_SECRET=hunter2", "hunter2"),
        ("api-key='hunter2'", "hunter2"),
        ("# password: hunter2", "hunter2"),
        ('{"apiKey": "hunter2"}', "hunter2"),
        ('{"token":"hunter2"}', "hunter2"),
        ("Authorization: Bearer hunter2", "hunter2"),
        ("X-Vault-Token: hunter2", "hunter2"),
    ],
)
def test_a_password_beside_a_name_is_found(text: str, secret: str) -> None:
    assert covered(text, secret)


@pytest.mark.parametrize(
    "text",
    [
        "http://vault.example.com:8200/a@b",
        "https://vault.example.com:8200?x=@",
        "https://github.com/@scope/name",
        "mail app@example.com about http://x",
        "password=${PASSWORD}",
        "password=<your password>",
        "password={{ .Values.password }}",
        "password=$(cat file)",
        "password=…",
        "verify_token=true",
        "password: true or false",
        "registry.example.com/token:v1.20.300",
        "the token: 90 days",
        "secretId: {name: approle, key: id2}",
        "design=material2",
        "OAuth 2 client secret",
        "task-force-for-the-risk-management",
        "disk-proj-the-long-name-of-a-disk",
        "npm_config_registry_of_a_company",
        "ASIAPACIFICREGIONNAMESAREVERYLONG",
        "https://example.com/services/T000",
    ],
)
def test_names_placeholders_and_prose_are_not(text: str) -> None:
    assert not list(known_forms(text))


def test_each_word_for_a_secret_counts_in_any_case() -> None:
    texts = [
        f"a {shown}{sign}hunter2"
        for word in _WORDS
        for shown in (word, word.upper(), word.title())
        for sign in ("=", "='", ": ", '": "', "':'")
    ]
    assert [text for text in texts if not covered(text, "hunter2")] == []


@pytest.mark.heavy
def test_forms_of_tokens_in_hostile_text_cost_linear_time(hostile_texts: Iterator[str]) -> None:
    for text in hostile_texts:
        begin = time.process_time()
        list(known_forms(text))
        assert time.process_time() - begin < allowed(0.15), text[:40]


def beginnings(parsed: Any) -> list[str]:  # noqa: ANN401 - the parser has no types
    """What a pattern can begin with, as far as few characters can stand in each place."""
    begun = [""]
    for kind, of in parsed:
        name = str(kind)
        if name == "LITERAL":
            begun = [each + chr(of) for each in begun]
        elif name == "IN" and all(str(inner) == "LITERAL" for inner, _ in of):
            begun = [each + chr(character) for each in begun for _, character in of]
        elif name in ("SUBPATTERN", "BRANCH"):
            parts = [of[-1]] if name == "SUBPATTERN" else of[1]
            return [each + end for each in begun for part in parts for end in beginnings(part)]
        else:
            return begun
    return begun


def test_no_token_is_passed_over_for_how_it_begins() -> None:
    found = beginnings(_parser.parse(_token().pattern))
    assert [each for each in found if not any(known in each for known in _BEGINNINGS)] == []
    assert [known for known in _BEGINNINGS if not any(each.startswith(known) for each in found)] == []


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
def test_random_words_in_hostile_text_cost_linear_time(hostile_texts: Iterator[str]) -> None:
    for text in hostile_texts:
        begin = time.process_time()
        list(random_words(text))
        assert time.process_time() - begin < allowed(0.15), text[:40]
