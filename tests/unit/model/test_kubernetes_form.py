import pytest

from compiler.model.facts import (
    label_key_problem,
    label_value_problem,
    namespace_problem,
    object_name_problem,
    secret_key_problem,
)


@pytest.mark.parametrize("name", ["a", "a-b", "1a", "a" * 63])
def test_takes_the_name_of_a_namespace(name: str) -> None:
    assert namespace_problem(name) is None


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "a\n", "\u00e4", "a" * 64])
def test_refuses_the_name_of_a_namespace(name: str) -> None:
    assert namespace_problem(name) is not None


@pytest.mark.parametrize("name", ["a", "a.b-c.1", "a" * 253])
def test_takes_the_name_of_an_object(name: str) -> None:
    assert object_name_problem(name) is None


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a.", "a.-b", "a_b", "a\n", "a" * 254])
def test_refuses_the_name_of_an_object(name: str) -> None:
    assert object_name_problem(name) is not None


def test_says_how_long_a_name_may_be() -> None:
    assert object_name_problem("a" * 64, 63) == "has 64 characters, and Kubernetes allows 63"


@pytest.mark.parametrize("key", ["a", "tls.crt", ".a", "A_B-c", "k" * 253])
def test_takes_the_key_of_a_secret(key: str) -> None:
    assert secret_key_problem(key) is None


@pytest.mark.parametrize("key", ["", ".", "..", "..a", "a b", "a/b", "a\n", "k" * 254])
def test_refuses_the_key_of_a_secret(key: str) -> None:
    assert secret_key_problem(key) is not None


@pytest.mark.parametrize("key", ["a", "A.b_c", "example.com/a", "a" * 63, f"{'d' * 253}/a"])
def test_takes_the_key_of_a_label(key: str) -> None:
    assert label_key_problem(key) is None


@pytest.mark.parametrize("key", ["", "/a", "a/", "a/b/c", "Example.com/a", "_a", "a_", "a" * 64, f"{'d' * 254}/a"])
def test_refuses_the_key_of_a_label(key: str) -> None:
    assert label_key_problem(key) is not None


@pytest.mark.parametrize("value", ["", "a", "A.b_c-1", "a" * 63])
def test_takes_the_value_of_a_label(value: str) -> None:
    assert label_value_problem(value) is None


@pytest.mark.parametrize("value", ["-a", "a.", "a b", "a\n", "a" * 64])
def test_refuses_the_value_of_a_label(value: str) -> None:
    assert label_value_problem(value) is not None
