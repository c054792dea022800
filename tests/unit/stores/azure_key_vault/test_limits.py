from datetime import UTC, datetime, timedelta

import pytest

from compiler.stores.azure_key_vault.client import (
    attribute_problems,
    malformed,
    name_problems,
    size_problems,
    value_problems,
)
from compiler.stores.azure_key_vault.replies import is_version
from compiler.stores.interface import Attributes
from compiler.stores.secret_value import JsonKind, SecretValue

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENTINEL = "s3ntinel-4711"


@pytest.mark.parametrize("name", ["a", "0", "a-", "ai-platform-engineering-global", "Z9" * 63, "x" * 127])
def test_letters_digits_and_hyphens_are_a_name(name: str) -> None:
    assert name_problems(name) == ()


@pytest.mark.parametrize(
    "name",
    ["", "x" * 128, "dev/github", "a_b", "a.b", "a b", "a\n", "\na", "ä", "\u0663", "a\0", "..", "a%2fb", "-", "-a"],
)
def test_whatever_else_is_told_with_the_rule_and_its_code(name: str) -> None:
    (problem,) = name_problems(name)
    assert (problem.code, problem.name, problem.property) == ("invalid-name", name, None)
    assert "1 to 127 letters, digits and hyphens" in problem.remedy


def test_a_version_is_32_small_hexadecimal_digits() -> None:
    version = "0123456789abcdef" * 2
    assert is_version(version)
    for other in (
        "",
        version[1:],
        version + "0",
        version + "\n",
        version.upper(),
        "../deletedsecrets/x",
        "\u0660" * 32,
    ):
        assert not is_version(other)


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (SENTINEL, []),
        (f" {SENTINEL}\n", []),
        ("changeme", []),
        ("", ["the value is empty"]),
        (" \n\t", ["the value is empty"]),
        (f"{SENTINEL}\0", ["the value has a NUL character"]),
        (f"{SENTINEL}\ud800", ["the value is not valid Unicode text"]),
        ("\ud800\0", ["the value is not valid Unicode text", "the value has a NUL character"]),
    ],
)
def test_a_value_that_would_not_come_back_as_it_is_has_a_problem_at_its_property(text: str, reasons: list[str]) -> None:
    found = value_problems("github", SecretValue(text), "TOKEN")
    assert [problem.reason for problem in found] == reasons
    assert {(problem.code, problem.name, problem.property) for problem in found} <= {
        ("invalid-value", "github", "TOKEN")
    }
    assert all(problem.remedy for problem in found)
    assert SENTINEL not in f"{found}"


def test_a_whole_value_is_named_without_a_property_and_another_kind_is_kept_as_it_was_read() -> None:
    assert [problem.property for problem in value_problems("github", SecretValue(""))] == [None]
    assert value_problems("github", SecretValue("17", JsonKind.NUMBER), "PORT") == ()


@pytest.mark.parametrize(
    "text", ["x" * 25_600, "ü" * 12_800, "€" * 8_533 + "x", "\U0001f511" * 6_400, "\ud800" * 8_533]
)
def test_25_600_bytes_are_taken_and_one_more_is_told_with_both_figures(text: str) -> None:
    assert size_problems("github", text) == ()
    more = text + "x" * (25_601 - len(text.encode("utf-8", "surrogatepass")))
    (problem,) = size_problems("github", more)
    assert problem.code == "too-large"
    assert "25601 bytes" in problem.reason
    assert "25600" in problem.reason
    assert "several secrets" in problem.remedy


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(),
        Attributes(tags={str(number): "x" for number in range(15)}),
        Attributes(tags={"k" * 512: "v" * 256}),
        Attributes(tags={"k": ""}),
        Attributes(content_type="c" * 255),
        Attributes(not_before=NOW, expires=NOW + timedelta(seconds=1)),
        Attributes(not_before=NOW),
        Attributes(expires=NOW - timedelta(days=9_000)),
    ],
)
def test_attributes_at_their_limits_pass(attributes: Attributes) -> None:
    assert attribute_problems("github", attributes) == ()


@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        (Attributes(tags={str(number): "x" for number in range(16)}), "too-large", "16 tags, and Key Vault allows 15"),
        (Attributes(tags={"": "x"}), "too-large", "1 to 512 characters"),
        (Attributes(tags={"k" * 513: "v"}), "too-large", "1 to 512 characters"),
        (Attributes(tags={"k": "v" * 257}), "too-large", "its value at most 256"),
        (Attributes(content_type="c" * 256), "too-large", "255 characters"),
        (Attributes(not_before=NOW, expires=NOW), "invalid-value", "expire before it is valid"),
        (Attributes(not_before=NOW, expires=NOW - timedelta(1)), "invalid-value", "expire before it is valid"),
    ],
)
def test_attributes_over_a_limit_are_told_which(attributes: Attributes, code: str, words: str) -> None:
    (problem,) = attribute_problems("github", attributes)
    assert (problem.code, problem.name) == (code, "github")
    assert words in problem.reason


def test_every_attribute_that_is_wrong_is_told_and_a_long_tag_is_shown_by_its_start() -> None:
    tags = {"first-" + "k" * 600: "v", "second": "v" * 257, "good": "v"}
    found = attribute_problems("github", Attributes(tags=tags, content_type="c" * 256, not_before=NOW, expires=NOW))
    assert [problem.code for problem in found] == ["too-large"] * 3 + ["invalid-value"]
    assert found[0].remedy == f'shorten the tag "first-{"k" * 34}"'
    assert found[1].remedy == 'shorten the tag "second"'


def test_what_cannot_be_merged_into_says_the_two_ways_out() -> None:
    problem = malformed("github")
    assert (problem.code, problem.name) == ("malformed-document", "github")
    assert problem.remedy == "write the whole value, or repair it by hand"
