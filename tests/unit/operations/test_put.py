import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.change.apply import Change
from compiler.change.plan import Options
from compiler.model.environment import Environment
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.operations.put import (
    InputForm,
    SharedKey,
    Target,
    explain_unserved,
    odd_forms,
    put,
    read_several,
    read_values,
    shared_keys,
    target_of,
)
from compiler.refusal import Refusal
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.pace import allowed
from tests.unit.conftest import Stores, taking


def putting(
    target: Target, values: dict[str, SecretValue], stores: Stores, *, recover: bool = False, root: Path | None = None
) -> Change:
    options = Options(recover=recover, root=root or Path(), stores=stores.live, applies=root is not None)
    return put([(target, values)], options)


def test_no_keys_means_those_that_the_environment_uses(environment: Environment) -> None:
    target = target_of(environment, "github", (), None)
    assert target.keys == ("GITHUB_TOKEN",)
    assert target.store.id == "vault"
    assert target.unused_keys == ()


def test_named_keys_may_be_of_variants_not_in_use_and_of_another_store(environment: Environment) -> None:
    target = target_of(environment, "github", ("GITHUB_APP_ID", "GITHUB_TOKEN", "GITHUB_APP_ID"), "azure")
    assert target.keys == ("GITHUB_APP_ID", "GITHUB_TOKEN")
    assert target.store.id == "azure"
    assert target.unused_keys == ("GITHUB_APP_ID",)


def test_what_there_is_not_is_answered_with_what_there_is(environment: Environment) -> None:
    with pytest.raises(Refusal, match='no secret "gihub"') as unknown:
        target_of(environment, "gihub", (), None)
    assert unknown.value.help == 'did you mean "github"?'
    with pytest.raises(Refusal, match='no store "azur"'):
        target_of(environment, "github", (), "azur")
    with pytest.raises(Refusal, match='"jira" has no key "JIRA_TOKEM"') as unknown_key:
        target_of(environment, "jira", ("JIRA_TOKEM",), None)
    assert unknown_key.value.help == 'did you mean "JIRA_TOKEN"?'


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (SecretValue(""), "is blank"),
        (SecretValue(" \n"), "is blank"),
        (SecretValue("<your token>"), "is a placeholder"),
        (SecretValue("changeme"), "is a placeholder"),
        (SecretValue("sk_test_..."), "is a placeholder"),
        (SecretValue("apiVersion: v1\nkind: Secret\n"), "is the manifest of a Kubernetes Secret"),
        (SecretValue("5", JsonKind.NUMBER), "is not text"),
        (SecretValue("a\0b"), "NUL"),
        (SecretValue("\ud800x"), "not valid Unicode"),
    ],
)
def test_no_unfit_value_is_even_compared(
    environment: Environment, stores: Stores, value: SecretValue, what: str
) -> None:
    target = target_of(environment, "jira", (), None)
    with pytest.raises(Refusal, match=f'the value of "JIRA_URL" .*{what}'):
        putting(target, {"JIRA_TOKEN": SecretValue("fine"), "JIRA_URL": value}, stores)
    assert stores.vault.reads == []


def test_a_key_without_a_place_in_the_store_is_refused(environment: Environment, stores: Stores) -> None:
    from dataclasses import replace  # noqa: PLC0415 - this test's need

    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry, keys=())
    changed = replace(environment, secrets={"vaultonly": secret})
    target = target_of(changed, "vaultonly", ("ONLY",), "azure")
    with pytest.raises(Refusal, match='"ONLY" has no place in "azure"'):
        putting(target, {"ONLY": SecretValue("x")}, stores)
    storeless = replace(environment, secrets={"jira": replace(secret, store=None)})
    with pytest.raises(Refusal):
        target_of(storeless, "jira", ("ONLY",), None)


def test_space_at_an_end_is_told() -> None:
    quoted = odd_forms({"A": SecretValue('"x"'), "B": SecretValue("x"), "C": SecretValue("'x'")})
    assert list(quoted) == [(key, "the value has quotes around it, which are stored with it") for key in "AC"]
    spaced = odd_forms({"A": SecretValue("x "), "B": SecretValue("x"), "C": SecretValue("\nx")})
    assert list(spaced) == [(key, "the value begins or ends with white space") for key in "AC"]
    both = odd_forms({"A": SecretValue("'x'\n")})
    assert [what.split()[2] for _, what in both] == ["begins", "has"]


def test_several_secrets_are_one_run_on_all_their_stores(environment: Environment, stores: Stores) -> None:
    jira, github = target_of(environment, "jira", (), None), target_of(environment, "github", (), "azure")
    given = [(jira, {"JIRA_TOKEN": SecretValue("a")}), (github, {"GITHUB_TOKEN": SecretValue("b")})]
    change = put(given, Options(stores=stores.live))
    plan = change.plan()
    assert [(step.secret, step.key, step.place.store) for step in plan.steps] == [
        ("jira", "JIRA_TOKEN", "vault"),
        ("github", "GITHUB_TOKEN", "azure"),
    ]
    assert set(plan.destinations) == {"vault", "azure"}


def test_one_unfit_value_stops_all_secrets_before_any_store_is_asked(environment: Environment, stores: Stores) -> None:
    given = [
        (target_of(environment, "jira", (), None), {"JIRA_TOKEN": SecretValue("a")}),
        (target_of(environment, "github", (), None), {"GITHUB_TOKEN": SecretValue("changeme")}),
    ]
    with pytest.raises(Refusal, match='"GITHUB_TOKEN" is a placeholder'):
        put(given, Options(stores=stores.live))
    assert (stores.vault.reads, stores.vault.held) == ([], {})


def test_two_values_for_one_place_are_refused(sharing: Environment, stores: Stores) -> None:
    jira = target_of(sharing, "jira", (), None)
    given = [(jira, {"JIRA_TOKEN": SecretValue("s3ntinel")}), (jira, {"JIRA_TOKEN": SecretValue("other")})]
    with pytest.raises(
        Refusal, match="jira/JIRA_TOKEN and jira/JIRA_TOKEN share one value, but the input gives two"
    ) as raised:
        put(given, Options(stores=stores.live))
    assert "s3ntinel" not in str(raised.value)
    same = [(jira, {"JIRA_TOKEN": SecretValue("one")}), (jira, {"JIRA_TOKEN": SecretValue("one")})]
    assert len(put(same, Options(stores=stores.live)).plan().writes) == 1


@pytest.mark.parametrize(
    ("secret", "keys", "common"),
    [
        (
            "jira",
            (),
            SharedKey("JIRA_TOKEN", "agents/jira[JIRA_TOKEN]", None, ("board/ATLASSIAN_TOKEN", "report/TOKEN"), ()),
        ),
        (
            "report",
            ("TOKEN",),
            SharedKey(
                "TOKEN",
                "agents/jira[JIRA_TOKEN]",
                "jira/JIRA_TOKEN",
                ("jira/JIRA_TOKEN", "board/ATLASSIAN_TOKEN"),
                (),
            ),
        ),
        ("report", ("APP",), SharedKey("APP", "agents/github[GITHUB_APP_ID]", "github/GITHUB_APP_ID", (), ())),
    ],
)
def test_whoever_has_the_value_too_is_told(
    tmp_path: Path, secret: str, keys: tuple[str, ...], common: SharedKey
) -> None:
    assert shared_keys(target_of(taking(tmp_path), secret, keys, None)) == (common,)


def test_who_reads_it_from_another_store_keeps_what_it_has(tmp_path: Path) -> None:
    environment = taking(tmp_path, "board: {}, report: {store: azure}")
    (common,) = shared_keys(target_of(environment, "jira", (), None))
    assert (common.readers, common.apart) == (("board/ATLASSIAN_TOKEN",), (("report/TOKEN", "azure"),))
    (common,) = shared_keys(target_of(environment, "jira", ("JIRA_TOKEN",), "azure"))
    assert (common.place, common.readers) == ("agents-jira[JIRA_TOKEN]", ("report/TOKEN",))
    assert common.apart == (("board/ATLASSIAN_TOKEN", "vault"),)


def test_a_store_that_serves_the_value_to_none_is_named(tmp_path: Path) -> None:
    environment = taking(tmp_path, "board: {}, report: {store: azure}")
    said = 'no pod of prod reads "jira" from "azure": "vault" serves it'
    assert list(explain_unserved([target_of(environment, "jira", ("JIRA_URL",), "azure")])) == [said]
    # Another secret reads this one there.
    assert list(explain_unserved([target_of(environment, "jira", ("JIRA_TOKEN",), "azure")])) == []
    both = [target_of(environment, "jira", ("JIRA_URL",), store) for store in ("azure", "vault")]
    assert list(explain_unserved(both)) == []


def test_what_nobody_else_has_is_no_news(tmp_path: Path) -> None:
    assert shared_keys(target_of(taking(tmp_path), "board", ("OWN",), None)) == ()


KNOWN = ("TOKEN", "URL")
SENTINEL = "s3ntinel"


def values(text: str | bytes, *keys: str, form: InputForm | None = None) -> dict[str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    return {key: value.reveal() for key, value in read_values(data, keys, KNOWN, form).items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x ", " x "), ("\ufeffx", "x"), ("a\nb\n", "a\nb"), ("", "")],
)
def test_one_key_takes_the_whole_input_less_one_line_break(text: str, value: str) -> None:
    assert values(text, "TOKEN") == {"TOKEN": value}


@pytest.mark.parametrize("text", ['{"TOKEN": "x"}', "TOKEN=x", "export TOKEN='x'\n"])
def test_an_input_that_names_its_one_key_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Refusal, match='names "TOKEN" itself'):
        values(text, "TOKEN")
    assert values(text, "TOKEN", form=InputForm.VALUE) == {"TOKEN": text.rstrip("\n")}
    form = InputForm.JSON if text.startswith("{") else InputForm.DOTENV
    assert values(text, "TOKEN", form=form) == {"TOKEN": "x"}


@pytest.mark.parametrize("version", ["1", "1.5", '"v1"'])
@pytest.mark.parametrize("keys", [(), ("TOKEN",)])
def test_an_object_with_a_version_and_a_kind_is_no_bare_value(version: str, keys: tuple[str, ...]) -> None:
    text = f'{{"apiVersion": {version}, "kind": "Config", "data": {{"TOKEN": "eA=="}}}}'
    with pytest.raises(Refusal, match="not a Kubernetes Secret but a Config"):
        values(text, *keys)


def one_known(text: str, *keys: str) -> dict[str, str]:
    return {key: value.reveal() for key, value in read_values(text.encode(), keys, ("TOKEN",), None).items()}


@pytest.mark.parametrize(
    "text", ["abc", "-----BEGIN KEY-----\nMII=\n-----END KEY-----", "YWJj==", "YWI=", "two words", "a: b"]
)
def test_a_bare_text_is_the_value_of_the_only_key_of_a_secret(text: str) -> None:
    assert one_known(f"{text}\n") == {"TOKEN": text}
    with pytest.raises(Refusal):
        values(f"{text}\n")


@pytest.mark.parametrize(
    ("text", "found"), [("TOKEN=x", "x"), ('{"TOKEN": "x"}', "x"), ("# of today\nexport TOKEN='x'\n", "x")]
)
def test_a_text_that_names_the_only_key_is_read_by_it(text: str, found: str) -> None:
    assert one_known(text) == {"TOKEN": found}


@pytest.mark.parametrize("text", ["TOKEN: x", "TOKEN x", '{"token": "x"}', "TOKENS=x", "OTHER_KEY=x", "", "# nothing"])
def test_a_text_that_may_be_meant_otherwise_is_no_value(text: str) -> None:
    with pytest.raises(Refusal):
        one_known(text)


def refused(text: str, known: tuple[str, ...] = ("STRIPE_API_KEY", "URL")) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read_values(text.encode(), (), known, None)
    return caught.value


def test_a_key_too_many_is_named_where_it_is_no_part_of_a_value() -> None:
    near = refused("STRIPE_APIKEY=x")
    assert near.message == '"STRIPE_APIKEY" of the input is a key that the secret does not have'
    assert near.help == 'did you mean "STRIPE_API_KEY"?'
    other = refused("URL=u\nZZZ_QQQ=x\nYWJjZGVm==\n")
    assert other.message == 'the input has keys that the secret does not have: "ZZZ_QQQ", key 3'
    assert other.help == (
        'leave them out of the input, or name the keys to take and add --input dotenv; the keys are "STRIPE_API_KEY", '
        '"URL"'
    )
    assert read_values(b"URL=u\nZZZ_QQQ=x\n", ("URL",), ("URL",), InputForm.DOTENV).keys() == {"URL"}
    for name in ("stripe_api_key", "SHOP_AKIAIOSFODNN7REALKEY"):
        assert name not in str(refused(f"{name}=x"))


def test_a_json_value_that_is_no_string_names_its_key() -> None:
    number = refused('{"URL": "u", "STRIPE_API_KEY": 47110815}')
    assert number.message == 'the value of "STRIPE_API_KEY" is a JSON number, and only strings can be stored'
    assert number.help == "put the value in quotes"
    assert "key 2 is a JSON null" in str(refused('{"URL": "u", "s3ntinel": null}'))
    # Of one named key, what else is in the input does not matter.
    found = read_values(b'{"URL": "u", "PORT": 1}', ("URL",), ("URL",), InputForm.JSON)
    assert found.keys() == {"URL"}


def test_an_object_for_each_secret_leads_to_the_option_for_several() -> None:
    nested = refused('{"jira": {"TOKEN": "x"}, "stripe": {"URL": "u"}}')
    assert nested.message == "the value of key 1 is a JSON object, and only strings can be stored"
    assert nested.help == (
        'to set several secrets by {"SECRET": {"KEY": "value"}}, write --all in place of the secret\'s name'
    )
    assert refused('{"URL": {"a": "b"}, "STRIPE_API_KEY": "x"}').help == "put the value in quotes"


def test_a_json_value_of_one_key_stays_as_it_is() -> None:
    assert values('{"client": "x"}', "TOKEN") == {"TOKEN": '{"client": "x"}'}


def test_json_gives_the_keys_that_are_asked_for_and_else_all() -> None:
    text = '\n{"TOKEN": "tö\\nken", "URL": "u"}'
    assert values(text) == {"TOKEN": "tö\nken", "URL": "u"}
    assert values('{"TOKEN": "t", "OTHER": "o", "URL": "u"}', "TOKEN", "URL") == {"TOKEN": "t", "URL": "u"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TOKEN=plain", "plain"),
        ("  export TOKEN = spaced out  # comment", "spaced out"),
        ("TOKEN=a#b", "a#b"),
        ("TOKEN=", ""),
        ("TOKEN= # to be filled in", ""),
        ("TOKEN=#", "#"),
        ("TOKEN= 'x'", "x"),
        ("TOKEN='lit\\n$x\"'", 'lit\\n$x"'),
        ("TOKEN='two\nlines' # comment", "two\nlines"),
        ('TOKEN="a\\n\\t\\"\\\\\\$b"', 'a\n\t"\\$b'),
        ('TOKEN="two\nlines"', "two\nlines"),
        ('TOKEN="joined \\\nline"', "joined line"),
        ("TOKEN=x==", "x=="),
        ("TOKEN=windows\r", "windows"),
        ("TOKEN='quoted\rreturn'", "quoted\rreturn"),
        ("TOKEN=''", ""),
    ],
)
def test_dotenv_lines(line: str, value: str) -> None:
    assert values(f"# head\n\n{line}\nURL=u") == {"TOKEN": value, "URL": "u"}


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_any_text_survives_double_quotes(text: str) -> None:
    quoted = re.sub(r'(["\\])', r"\\\1", text)
    assert values(f'TOKEN="{quoted}"') == {"TOKEN": text}


@pytest.mark.parametrize(
    ("text", "keys", "form", "reason"),
    [
        (b"\xff" + SENTINEL.encode(), (), None, "not UTF-8"),
        (b"x" * (MAX_INPUT_BYTES + 1), ("TOKEN",), None, "larger than"),
        (SENTINEL.encode(), (), None, "line 1 of the input is not KEY=value"),
        (f"TOKEN=x\nTOKEN={SENTINEL}".encode(), (), None, "line 2 of the input repeats a key"),
        (f'\nTOKEN="{SENTINEL}'.encode(), (), None, "line 2 of the input has unbalanced quotes"),
        (f"\nTOKEN=x\rURL={SENTINEL}\r".encode(), (), None, "line 2 of the input has a carriage return in its value"),
        (f"TOKEN='x' {SENTINEL}".encode(), (), None, "line 1 of the input has unbalanced quotes"),
        (f'{{"TOKEN": "{SENTINEL}"'.encode(), (), None, "not a JSON object"),
        (f'{{"TOKEN": "a", "TOKEN": "{SENTINEL}"}}'.encode(), (), None, "not a JSON object with unique"),
        (b'{"TOKEN": 47110815}', (), None, 'the value of "TOKEN" is a JSON number'),
        (f"{SENTINEL}==".encode(), (), None, "key 1 of the input is a key that the secret does not have"),
        (b"# nothing", (), None, "is empty"),
        (b"TOKEN=x", ("TOKEN", "URL"), None, 'has no "URL"'),
        (b"x", (), InputForm.VALUE, "a bare value is for one key only"),
        (b"x", ("TOKEN", "URL"), InputForm.VALUE, "a bare value is for one key only"),
    ],
)
def test_what_is_wrong_is_told_without_the_text(
    text: bytes, keys: tuple[str, ...], form: InputForm | None, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason) as caught:
        read_values(text, keys, KNOWN, form)
    shown = f"{caught.value} {caught.value.help}"
    assert SENTINEL not in shown
    assert "47110815" not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    with pytest.raises(Refusal) as caught:
        values("TOKEM=x")
    assert caught.value.help == 'did you mean "TOKEN"?'


def test_a_long_run_of_blanks_takes_no_time() -> None:
    text = "A=x" + " " * 500_000 + "y"
    begun = time.process_time()
    assert read_values(text.encode(), (), ("A",), None)["A"].reveal() == text[2:]
    assert time.process_time() - begun < allowed(1)


@pytest.mark.heavy
def test_many_short_lines_take_no_time() -> None:
    text = "".join(f"A{number}=\n" for number in range(70_000))
    begun = time.process_time()
    with pytest.raises(Refusal, match="line 70001 of the input is not KEY=value"):
        read_values(f"{text}no line".encode(), ("A0", "A1"), (), None)
    assert time.process_time() - begun < allowed(2)


def kubernetes(data: Any = None, **members: Any) -> str:  # noqa: ANN401 - JSON
    """What `kubectl get secret --output json` prints."""
    encoded = {key: base64.b64encode(value).decode() for key, value in (data or {}).items()}
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"stringData": {"TOKEN": SENTINEL}})}
    metadata = {"name": "db", "namespace": "shop", "annotations": annotations}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded, **members}, indent=4
    )


def of_list(*items: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [json.loads(item) for item in items]})


@pytest.mark.parametrize("form", [None, InputForm.KUBERNETES])
def test_a_kubernetes_secret_gives_its_values_byte_for_byte(form: InputForm | None) -> None:
    text = kubernetes({"TOKEN": "é\r\n\n".encode(), "URL": b" x\t"})
    assert values(text, form=form) == {"TOKEN": "é\r\n\n", "URL": " x\t"}
    assert values(of_list(text), "URL", form=form) == {"URL": " x\t"}
    assert values(kubernetes({"TOKEN": b"old"}, stringData={"TOKEN": "new", "URL": "u"}), form=form) == {
        "TOKEN": "new",
        "URL": "u",
    }
    # What one key is named for is no bare value where it is plainly something else.
    assert values(kubernetes({"TOKEN": b"x"}), "TOKEN", form=form) == {"TOKEN": "x"}
    with pytest.raises(Refusal, match='no "URL"'):
        values(kubernetes({"TOKEN": b"x"}), "URL", form=form)


def test_bytes_that_are_no_text_are_refused_where_they_are_to_be_stored() -> None:
    text = kubernetes({"TOKEN": b"\xff\xfe", "URL": b"u"})
    assert values(text, "URL") == {"URL": "u"}
    with pytest.raises(Refusal, match='the value of "TOKEN" in the Kubernetes Secret is not UTF-8 text'):
        values(text)


def test_keys_of_a_kubernetes_secret_that_the_secret_does_not_have_are_named() -> None:
    with pytest.raises(Refusal, match=r'does not have: "ca\.crt", "user"$') as raised:
        values(kubernetes({"TOKEN": b"x", "ca.crt": SENTINEL.encode(), "user": SENTINEL.encode()}))
    assert raised.value.help == 'name the keys to take, or --map KEY=NAME; the keys are "TOKEN", "URL"'
    assert SENTINEL not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (kubernetes(kind="ConfigMap"), "the input is not a Kubernetes Secret but a ConfigMap"),
        (kubernetes(kind=f"x {SENTINEL}"), "the input is not a Kubernetes Secret$"),
        (kubernetes(apiVersion="v2"), "the input is not a Kubernetes Secret$"),
        (of_list(), "the input has 0 Kubernetes Secrets, not one"),
        (of_list(kubernetes(), kubernetes()), "the input has 2 Kubernetes Secrets, not one"),
        (of_list(kubernetes(kind="Pod")), "but a Pod"),
        (kubernetes(), "the input is empty"),
        (kubernetes(data=None) + SENTINEL, "not a JSON object with unique names"),
        (kubernetes().replace('"metadata"', '"kind"', 1), "not a JSON object with unique names"),
        ("apiVersion: v1\nkind: Secret\n", "not a Kubernetes Secret in JSON"),
        ("[" * 100_000, "not a Kubernetes Secret in JSON"),
        ('{"a": ' * 100_000, "not a JSON object with unique names"),
        (json.dumps({"apiVersion": "v1", "kind": "Secret", "data": SENTINEL}), "`data` of the Kubernetes Secret"),
        (
            json.dumps({"apiVersion": "v1", "kind": "Secret", "data": {"TOKEN": f"{SENTINEL}!"}}),
            '"TOKEN" .* not Base64',
        ),
        (json.dumps({"apiVersion": "v1", "kind": "Secret", "data": {"TOKEN": 5}}), '"TOKEN" .* not Base64'),
        (
            json.dumps({"apiVersion": "v1", "kind": "Secret", "stringData": {f"a: {SENTINEL}": ""}}),
            "a key .* has a name",
        ),
        (json.dumps({"apiVersion": "v1", "kind": "Secret", "stringData": {"TOKEN": 5}}), '"TOKEN" .* not text'),
    ],
)
def test_what_is_no_kubernetes_secret_is_refused_with_a_way_out(text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as raised:
        values(text, form=InputForm.KUBERNETES)
    assert raised.value.help
    assert SENTINEL not in f"{raised.value}{raised.value.help}{raised.value.__cause__}"
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def mapped(text: str, names: dict[str, str], *keys: str, form: InputForm | None = None) -> dict[str, str]:
    return {key: value.reveal() for key, value in read_values(text.encode(), keys, KNOWN, form, names).items()}


def test_a_key_is_taken_from_the_name_that_it_has_in_the_input() -> None:
    text = "A=1\nB=2\nURL=3\n"
    assert mapped(text, {"TOKEN": "B"}) == {"TOKEN": "2"}
    assert mapped(text, {"TOKEN": "B"}, "URL") == {"URL": "3", "TOKEN": "2"}
    assert mapped(text, {"TOKEN": "A", "URL": "A"}) == {"TOKEN": "1", "URL": "1"}
    assert mapped('{"A": "1"}', {"TOKEN": "A"}) == {"TOKEN": "1"}
    assert mapped(kubernetes({"tls.key": b"k", "x": b""}), {"TOKEN": "tls.key"}) == {"TOKEN": "k"}
    with pytest.raises(Refusal, match='the name that --map gives for "TOKEN"') as raised:
        mapped(text, {"TOKEN": SENTINEL})
    assert SENTINEL not in f"{raised.value}{raised.value.help}"
    with pytest.raises(Refusal, match="a bare value") as raised:
        mapped(text, {"TOKEN": "A"}, form=InputForm.VALUE)
    assert raised.value.help == "leave --map out"


SECRETS = {"db": ("PASSWORD", "USER"), "mail": ("PASSWORD", "HOST")}
TARGETS = {"shop-db": "db", "shop-mail": "mail"}


def several(text: str, names: dict[str, str] | None = None, form: InputForm | None = None) -> dict[str, dict[str, str]]:
    found = read_several(text.encode(), SECRETS, form, TARGETS, names or {})
    return {secret: {key: value.reveal() for key, value in own.items()} for secret, own in found.items()}


def named(name: str, **data: bytes) -> str:
    return kubernetes(data, metadata={"name": name})


def test_several_secrets_come_from_json_from_kubernetes_and_from_lines() -> None:
    expected = {"db": {"PASSWORD": "a\n", "USER": "u"}, "mail": {"PASSWORD": "b"}}
    assert several(json.dumps(expected)) == expected
    listed = of_list(named("shop-db", PASSWORD=b"a\n", USER=b"u"), named("shop-mail", PASSWORD=b"b"))
    assert several(listed) == expected
    assert several("USER=u\nHOST=h\n") == {"db": {"USER": "u"}, "mail": {"HOST": "h"}}
    assert several("A=1\nB=2\nC=3", {"db/PASSWORD": "A", "mail/PASSWORD": "B"}) == {
        "db": {"PASSWORD": "1"},
        "mail": {"PASSWORD": "2"},
    }
    assert several("A=1", {"HOST": "A"}) == {"mail": {"HOST": "1"}}


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ('{"dbb": {"USER": "s3ntinel"}}', {}, 'the secret "dbb", which the environment does not have'),
        ('{"db": {}, "zzzzzzz": {"USER": "s3ntinel"}}', {}, "a secret, number 2, that the environment"),
        ('{"db": {"s3ntinel": "s3ntinel"}}', {}, 'key 1 of the input is a key that the secret "db" does not have'),
        ('{"db": "s3ntinel"}', {}, "member 1 of the input is not an object of keys and values"),
        ('{"db": {"USER": 5}}', {}, 'the value of "USER" of "db" is a JSON number'),
        ('{"db": {"USER": {"a": 1}}}', {}, 'the value of "USER" of "db" is a JSON object'),
        ('{"db": {"USER": "a", "USER": "b"}}', {}, "not a JSON object with unique names"),
        ("{}", {}, "the input is empty"),
        ("# nothing", {}, "the input is empty"),
        ("PASSWORD=s3ntinel", {}, '"PASSWORD" is a key of "db", "mail"'),
        ("OTHER_KEY=s3ntinel", {}, '"OTHER_KEY" of the input is a key that the environment does not have'),
        ("USER=s3ntinel", {"USER": "s3ntinel"}, 'the name that --map gives for "USER"'),
        ("A=s3ntinel", {"PASSWORD": "A"}, '"PASSWORD" is a key of "db", "mail"'),
        ("A=s3ntinel", {"mail/USER": "A"}, "--map names a key that no secret of the environment has"),
        ('{"db": {"USER": "a"}}', {"USER": "A"}, "--map with --all is for dotenv lines"),
        (named("other", A=b"s3ntinel"), {}, 'the environment makes no Kubernetes Secret "other"'),
        (kubernetes(metadata={"name": {"a": SENTINEL}}), {}, "makes no Kubernetes Secret of that name"),
        (kubernetes(metadata={"name": f"a {SENTINEL}"}), {}, "makes no Kubernetes Secret of that name"),
        (of_list(named("shop-db", USER=b"u"), named("shop-db", USER=b"v")), {}, '"shop-db" twice'),
        (named("shop-db", HOST=b"s3ntinel", USER=b"u"), {}, 'that the secret "db" does not have: "HOST"'),
    ],
)
def test_what_is_wrong_with_an_input_of_several_secrets_is_told(text: str, names: dict[str, str], message: str) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as raised:
        several(text, names)
    assert raised.value.help
    assert SENTINEL not in f"{raised.value}{raised.value.help}"


def test_a_bare_value_is_of_no_several_secrets() -> None:
    with pytest.raises(Refusal, match="a bare value is for one key only"):
        several("x", form=InputForm.VALUE)
