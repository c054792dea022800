import random
import time
from collections.abc import Iterator
from itertools import product
from re import _parser  # type: ignore[attr-defined]
from string import ascii_letters, ascii_uppercase, digits, hexdigits
from typing import Any

import pytest

from compiler.text.credential import _BEGINNINGS, _token, known_forms
from tests.pace import allowed

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
def test_hostile_text_costs_linear_time(hostile_texts: Iterator[str]) -> None:
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
