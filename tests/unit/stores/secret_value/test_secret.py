import copy
import dataclasses
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.secret_value import Comparer, JsonKind, Mark, SecretValue

SENTINEL = "s3ntinel-4711"

# Who may take a value out of its Secret, each with the reason. A new name here is a decision, not a formality.
MAY_REVEAL = {
    "stores/secret_value.py": "comparison, facts that may be told, forms to hide, JSON texts and their members again",
    "stores/vault/client.py": "the wire to Vault, and the token on its way into hvac",
    "stores/vault/log_in.py": "credentials on their way to the log-in",
    "stores/azure_key_vault/client.py": "sends a value by the SDK",
    "stores/azure_key_vault/store.py": "the wire to Key Vault, a document put together, and its size",
    "stores/azure_key_vault/replies.py": "taking a Key Vault document apart",
    "operations/age_file.py": "a passphrase or private key on its way into age",
}


@pytest.mark.parametrize(
    "leak",
    [
        str,
        lambda secret: f"{secret}",
        lambda secret: "%s" % secret,  # noqa: UP031 - the form under test
        lambda secret: "{}".format(secret),  # noqa: UP032, PLW0108 - the form under test
        bytes,
        hash,
        bool,
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda secret: secret.__getstate__(),
        json.dumps,
        list,
        len,
        lambda secret: secret == SecretValue(SENTINEL),
        lambda secret: secret != SecretValue(SENTINEL),
        lambda secret: secret in [SecretValue(SENTINEL)],  # noqa: FURB171 - the form under test
        lambda secret: secret + "x",
        lambda secret: {secret: 1},
    ],
)
def test_a_secret_refuses_every_way_out_and_shows_nothing_in_refusing(leak: Callable[[SecretValue], object]) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        leak(SecretValue(SENTINEL))
    assert SENTINEL not in str(caught.value)


def test_a_secret_shows_itself_as_an_ellipsis_wherever_it_is_nested() -> None:
    @dataclasses.dataclass
    class Holder:
        inner: dict[str, SecretValue]

    holder = Holder({"A": SecretValue(SENTINEL)})
    assert repr(holder).endswith("Holder(inner={'A': Secret(…)})")
    assert not hasattr(holder.inner["A"], "__dict__")
    with pytest.raises(TypeError):
        dataclasses.asdict(holder)


def test_a_secret_holds_text_only() -> None:
    with pytest.raises(TypeError) as caught:
        SecretValue(b"s3ntinel-4711")  # type: ignore[arg-type]
    assert SENTINEL not in str(caught.value)


@given(st.text(), st.text())
def test_a_comparer_tells_equal_from_different(one: str, other: str) -> None:
    comparer = Comparer()
    assert comparer.same(SecretValue(one), SecretValue(one))
    assert comparer.same(SecretValue(one), SecretValue(other)) == (one == other)


def test_a_comparer_tells_kinds_apart_and_takes_lone_surrogates() -> None:
    comparer = Comparer()
    assert not comparer.same(SecretValue("1"), SecretValue("1", JsonKind.NUMBER))
    assert comparer.same(SecretValue("\ud800"), SecretValue("\ud800"))


def test_marks_mean_nothing_outside_their_run() -> None:
    secret = SecretValue(SENTINEL)
    comparer = Comparer()
    assert comparer.mark(secret) == comparer.mark(secret)
    assert comparer.mark(secret) != Comparer().mark(secret)
    assert len({comparer.mark(secret), comparer.mark(secret)}) == 1
    assert comparer.mark(secret) != SENTINEL


@pytest.mark.parametrize("made", [Comparer(), Comparer().mark(SecretValue("x"))])
def test_a_comparers_key_and_marks_are_neither_shown_nor_pickled(made: Comparer | Mark) -> None:
    assert "…" in repr(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)
    if isinstance(made, Comparer):
        assert copy.copy(made) is made


def test_a_length_is_that_of_the_text() -> None:
    assert SecretValue("a\u00e9\U0001f600").length == 3


def test_only_the_listed_modules_reveal() -> None:
    root = Path(__file__).parents[4] / "compiler"
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\.reveal\b|_Secret__text", path.read_text(encoding="utf-8"))
    }
    assert found <= MAY_REVEAL.keys(), f"reveal values without being listed: {sorted(found - MAY_REVEAL.keys())}"
    idle = {name for name in MAY_REVEAL.keys() - found if (root / name).exists()}
    assert not idle, f"listed, and reveal nothing: {sorted(idle)}"
