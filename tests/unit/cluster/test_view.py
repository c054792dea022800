import base64
import html
import json
import pickle
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compiler.cluster.verify import OPTIONAL
from compiler.cluster.view import (
    EVER,
    ClusterError,
    ClusterView,
    SafeMessages,
    connect_cluster,
    is_of_credential,
    values_of,
    without_age,
)
from compiler.model.files import missing_for_cluster
from compiler.refusal import Refusal
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import JsonKind, Mask, SecretValue
from tests.fake_cluster import FakeCluster
from tests.pace import allowed

SPACE = "team"
OBJECT = {"spec": {"secretStoreRef": {"kind": "SecretStore", "name": "s"}}}
MANIFEST: Any = SimpleNamespace(namespace=SPACE, name="a", object=OBJECT)
DENIED = ClusterError("you are not allowed to", "get a role", "list secrets")


class Counted:
    """One ExternalSecret `a` with its Secret and store; counts what is asked, and raises what `errors` has for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: dict[str, ClusterError] = {}
        self.selector: dict[str, Any] = {}

    def store_object(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        self._ask(f"{kind} {namespace}/{name}")
        return {"spec": {"conditions": [self.selector]}}

    def collection(self, plural: str, namespace: str) -> tuple[dict[str, Any], ...]:
        self._ask(f"{plural} {namespace}")
        return ({"metadata": {"name": "a", "namespace": namespace, "uid": "1"}},)

    def renew(self) -> None:
        self.asked.append("renew")

    def namespace_object(self, namespace: str) -> dict[str, Any]:
        self._ask(f"namespace {namespace}")
        return {"metadata": {"name": namespace}}

    def warnings(self, namespace: str) -> dict[str, Any]:
        self._ask(f"events {namespace}")
        return {"0": {"message": "of an earlier one"}, "1": {"message": "of this one"}}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if (error := self.errors.get(what.partition(" ")[0])) is not None:
            raise error


@pytest.fixture
def cluster() -> Counted:
    return Counted()


@pytest.fixture
def view(cluster: Counted) -> ClusterView:
    given: Any = cluster
    return ClusterView(given, OPTIONAL)


def test_each_object_is_read_once(cluster: Counted, view: ClusterView) -> None:
    for _ in range(2):
        live = view.live(MANIFEST)
        assert view.warning({"metadata": {"namespace": SPACE, "uid": "1"}}) == {"message": "of this one"}
    assert live.external_secret is not None
    assert live.secret is not None
    assert live.has_secrets
    assert cluster.asked == ["externalsecrets team", "secrets team", "SecretStore team/s", "events team"]


def test_a_store_of_the_cluster_is_one_and_one_of_a_namespace_another_in_each(
    cluster: Counted, view: ClusterView
) -> None:
    for kind in ("ClusterSecretStore", "SecretStore"):
        for space in ("x", "y"):
            view.store(kind, "s", space)
    assert cluster.asked == ["ClusterSecretStore x/s", "SecretStore x/s", "SecretStore y/s"]


def test_labels_are_asked_for_where_a_store_selects_by_them(cluster: Counted, view: ClusterView) -> None:
    assert view.live(MANIFEST).namespace is None
    assert view.labels_for(None, SPACE) is None
    assert "namespace team" not in cluster.asked
    selecting: dict[str, Any] = {"spec": {"conditions": [{"namespaceSelector": {}}]}}
    for _ in range(2):
        assert view.labels_for(selecting, SPACE) == {"metadata": {"name": SPACE}}
    assert cluster.asked.count("namespace team") == 1


def test_what_may_not_be_asked_is_kept_and_the_rest_goes_on(cluster: Counted, view: ClusterView) -> None:
    cluster.errors = {"secrets": DENIED, "namespace": DENIED}
    cluster.selector = {"namespaceSelector": {}}
    live = view.live(MANIFEST)
    assert (live.secret, live.has_secrets, live.namespace) == (None, False, None)
    assert view.refused == {("secrets", SPACE): DENIED, ("namespaces", SPACE): DENIED}
    assert view.by_name("secrets", SPACE) is None
    assert cluster.asked.count("secrets team") == 1


@pytest.mark.parametrize("what", ["secrets", "externalsecrets", "SecretStore"])
def test_a_cluster_that_does_not_answer_ends_it(cluster: Counted, view: ClusterView, what: str) -> None:
    cluster.errors = {what: ClusterError("it answered with status 500", "check it")}
    with pytest.raises(ClusterError, match="500"):
        view.live(MANIFEST)


@pytest.mark.parametrize("what", ["externalsecrets", "SecretStore"])
def test_without_the_right_to_read_what_matters_it_ends(cluster: Counted, view: ClusterView, what: str) -> None:
    cluster.errors = {what: DENIED}
    with pytest.raises(ClusterError):
        view.live(MANIFEST)


def test_a_fresh_view_has_read_nothing_and_remembers_no_refusal(cluster: Counted, view: ClusterView) -> None:
    cluster.errors = {"secrets": DENIED}
    view.live(MANIFEST)
    cluster.errors = {}
    asked = len(cluster.asked)
    again = view.fresh()
    assert (again.live(MANIFEST).has_secrets, again.refused) == (True, {})
    assert cluster.asked[asked:] == ["renew", "externalsecrets team", "secrets team", "SecretStore team/s"]


def test_what_is_left_out_is_never_asked_for(cluster: Counted) -> None:
    given: Any = cluster
    view = ClusterView(given, (), ("secrets",))
    live = view.live(MANIFEST)
    assert (live.secret, live.has_secrets, view.refused) == (None, False, {})
    assert "secrets team" not in cluster.asked


def test_a_store_that_may_not_be_read_is_none_where_it_need_not(cluster: Counted) -> None:
    given: Any = cluster
    cluster.errors = {"SecretStore": DENIED}
    live = ClusterView(given, ("secretstores",)).live(MANIFEST)
    assert (live.store, live.has_store) == (None, False)


def test_what_has_not_been_answered_is_known_while_it_is_asked(cluster: Counted, view: ClusterView) -> None:
    with view.asks("list pods in team"):
        assert view.unanswered_question == "list pods in team"
    assert view.unanswered_question == ""
    cluster.errors = {"externalsecrets": DENIED}
    with pytest.raises(ClusterError):
        view.external_secrets(SPACE)
    assert view.unanswered_question == ""


def test_a_kubeconfig_is_used_and_nothing_asked_yet(tmp_path: Path) -> None:
    with FakeCluster() as fake:
        view = connect_cluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}, "here", ("pods",), ("secrets",))
        assert fake.asked == []
        assert view.store("SecretStore", "vault", "agents") is None
        assert view.by_name("secrets", "agents") is None


def test_without_a_usable_kubeconfig_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        connect_cluster({"KUBECONFIG": str(tmp_path / "none")}, None)
    assert refused.value.kind == "cannot run"
    assert "no usable kubeconfig" in refused.value.message
    assert refused.value.__context__ is None


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compiler.cluster.client", None)
    with pytest.raises(Refusal) as refused:
        connect_cluster({}, None)
    assert "platform-secrets[cluster]" in str(refused.value.help)


def test_what_a_cluster_would_need_is_known_without_asking_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kube").mkdir()
    home = {"HOME": str(tmp_path)}
    assert missing_for_cluster(home) == "a kubeconfig: set KUBECONFIG"
    assert missing_for_cluster({**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None
    (tmp_path / ".kube/config").touch()
    assert missing_for_cluster(home) is None
    assert missing_for_cluster({**home, "KUBECONFIG": f"{tmp_path}/none"}) == "a kubeconfig: set KUBECONFIG"
    assert missing_for_cluster({"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/.kube/config"}) is None
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    assert "platform-secrets[cluster]" in str(missing_for_cluster(home))


def masked(text: str, values: Iterable[SecretValue]) -> str:
    return Mask(values).hides(text)


def secrets(*texts: str) -> list[SecretValue]:
    return [SecretValue(text) for text in texts]


def test_each_place_of_each_value_is_hidden_and_the_rest_stays() -> None:
    assert masked("a first, a second, a first", secrets("first", "second")) == "a …, a …, a …"
    assert masked("nothing of it", secrets("first")) == "nothing of it"
    assert masked("", secrets("first")) == ""


def test_a_value_inside_of_another_leaves_nothing_of_that_one() -> None:
    for order in (("abcd", "xxabcdyy"), ("xxabcdyy", "abcd")):
        assert masked("<xxabcdyy>", secrets(*order)) == "<…>"
    assert masked("<abcdef>", secrets("abcd", "cdef")) == "<…>"


def test_a_value_too_short_to_be_told_from_words_takes_none_away() -> None:
    assert masked("the map has no entry", secrets("map", "no", "e")) == "the map has no entry"


@pytest.mark.parametrize("ending", ["", "...", "…", '..."', "')", "\ufffd"])
def test_the_beginning_of_a_value_is_hidden_where_the_text_was_cut_off_in_it(ending: str) -> None:
    value = "s3ntinel/4711-and-more"
    encoded = base64.b64encode(value.encode()).decode()
    for form in (value, encoded, "first line\n" + value):
        for left in (8, len(form) - 1):
            assert masked(f"not valid: {form[:left]}{ending}", secrets(value, form)) == f"not valid: …{ending}"
    # Too little to be told from other words, and what does not reach to the end.
    assert masked(f"not valid: s3ntine{ending}", secrets(value)) == f"not valid: s3ntine{ending}"
    assert masked("https://a.example is down", secrets("https://a.example/b")) == "https://a.example is down"


def test_booleans_and_null_are_words() -> None:
    words = [SecretValue("true", JsonKind.BOOLEAN), SecretValue("null", JsonKind.NULL), SecretValue("true")]
    assert masked("status is not true but null", words) == "status is not true but null"
    assert masked("port 8443", [SecretValue("8443", JsonKind.NUMBER)]) == "port …"


def test_the_values_of_a_remote_secret_are_those_within_its_documents_too() -> None:
    nested = SecretValue('{"inner": "deep-value", "list": ["list-value", {"x": "last-value"}]}', JsonKind.OBJECT)
    whole = SecretValue("the whole text")
    remote = RemoteSecret("n", "1", {"A": SecretValue("plain-value"), "B": nested}, Attributes(), whole)
    known = list(values_of(remote))
    for value in ("plain-value", "deep-value", "list-value", "last-value", "the whole text"):
        assert masked(f"<{value}>", known) == "<…>"


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=5), st.text("-: "), st.text("-: "))
def test_a_value_between_other_words_leaves_these_alone(value: str, before: str, after: str) -> None:
    assume(value.lower() != "false")
    for shown in (value, base64.b64encode(value.encode()).decode()):
        assert masked(f"{before}{shown}{after}", [SecretValue(value)]) == f"{before}…{after}"


def test_values_that_overlap_leave_no_rest() -> None:
    assert masked("<aaaaaaa>", secrets("aaaa")) == "<…>"
    assert masked("a first value and the first", secrets("first", "first value and")) == "a … the …"


def test_a_mask_shows_none_of_what_it_hides() -> None:
    mask = Mask(secrets("first"))
    assert repr(mask) == "Mask(…)"
    with pytest.raises(TypeError):
        pickle.dumps(mask)


@pytest.mark.heavy
def test_a_text_costs_time_by_its_length_and_not_by_the_number_of_values() -> None:
    mask = Mask(secrets(*(f"password-{number:06d}-of-many" for number in range(2_000))))
    begin = time.process_time()
    for _ in range(10):
        assert mask.hides("it says: password-001999-of-many, " * 10).count("…") == 10
    # Value by value it would be seconds.
    assert time.process_time() - begin < allowed(0.2)


VALUE = 's3ntinel/4711&"and" <more> of it+x'
# Beside whole values, the end of one; the shortest that counts.
PART = VALUE[3:11]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "form",
    [
        *(PART, PART.upper(), VALUE.swapcase(), "\n  ".join(VALUE[at : at + 5] for at in range(0, len(VALUE), 5))),
        *(PART.encode().hex(), VALUE.encode().hex().upper(), VALUE.encode().hex(":"), PART.encode().hex(" ")),
        *(html.escape(VALUE[5:15]), html.escape(VALUE).replace("&#x27;", "&#39;"), html.escape(html.escape(VALUE[8:]))),
        *(quote(VALUE[5:15], safe=""), quote(PART, safe="").lower(), quote_plus(VALUE[14:26]), quote(quote(VALUE[8:]))),
        *(json.dumps(VALUE[8:20]), json.dumps(json.dumps(VALUE[8:20])), "".join(f"\\x{b:02x}" for b in PART.encode())),
        *(VALUE[6:15].replace("&", "\\u0026"), base64_of(PART), base64_of(f"u:{PART}x"), base64_of(base64_of(PART))),
        base64.urlsafe_b64encode(f"??>>{PART}".encode()).decode().rstrip("="),
        "\n".join(base64_of(VALUE)[at : at + 7] for at in range(0, 44, 7)),
        *(
            base64_of(json.dumps({"a": VALUE[8:]})),
            quote(base64_of(f">>??{PART}"), safe=""),
            base64_of(PART).encode().hex(),
        ),
    ],
)
def test_a_message_with_a_part_of_a_value_in_any_usual_form_is_not_shown(form: str) -> None:
    # Only the part that stands in it: the whole is hidden, wherever it is found.
    told = quotes(f"0{VALUE}0")
    assert told.of_condition(failing("it is used"), EVER, LINE) == "it is used"
    for message in (form, f'cannot use "{form}" of team', f"the value is {form} and no more"):
        shown = told.of_condition(failing(message), EVER, LINE)
        assert shown == f"its message is not shown, as it may quote a part of a value: {LINE}", message


def test_what_messages_and_values_have_in_common_is_no_part_of_a_value() -> None:
    values = ["https://api.github.com", "password=x4", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"]
    every = secrets(*values, "team/github")
    known = [RemoteSecret("team/github", "1", {"AN_ENDPOINT": value}, Attributes()) for value in every]
    for message in (
        'Get "https://vault.example:8200/v1/secret/data/team/git": no such host',
        "x509: certificate signed by unknown authority, wrong password given",
        f"no key AN_ENDPOINT, and no {VALUE[:7]}",
    ):
        assert SafeMessages(known).of_condition(failing(message), EVER, LINE) == message
    assert "team/github" not in SafeMessages(known).of_condition(failing("no team/github"), EVER, LINE)


@pytest.mark.parametrize("text", ["a" * 8, "a%25" * 200_000, "&#37;" * 100_000, "Aa" * 300_000, "%" * 600_000])
def test_to_look_for_parts_costs_little_whatever_the_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask, begin = Mask(secrets("some-value-1")), time.process_time()
    # What would take long to look through is not shown.
    assert mask.finds_part(text) is (len(text) > 8)
    assert time.process_time() - begin < allowed(2)
    monkeypatch.setattr("compiler.stores.secret_value._MOST_RUNS", 4)
    assert Mask(secrets("some-value-1")).finds_part("a")


NOW = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
LINE = "kubectl -n team describe externalsecret agent-github"
HIDDEN = f"its message is not shown, as the values to hide could not be read: {LINE}"
NEWER = f"its message is not shown, as it may quote an earlier value: {LINE}"


def quotes(*texts: str) -> SafeMessages:
    values = {str(at): value for at, value in enumerate(secrets(*texts))}
    return SafeMessages([RemoteSecret("n", "1", values, Attributes())])


def failing(message: str = "no", changed: str | None = None, moment: str | None = None) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "message": message, "lastTransitionTime": moment}
    writers = [{"manager": "m", "time": changed, "fieldsV1": {"f:spec": {"f:data": {}}}}] if changed else []
    metadata = {"namespace": "team", "name": "agent-github", "managedFields": writers}
    return {"metadata": metadata, "status": {"conditions": [condition]}}


def warned(ago: timedelta, message: str = "it says s3ntinel") -> dict[str, Any]:
    return {"message": message, "moment": (NOW - ago).isoformat(), "count": 1}


@pytest.mark.parametrize(
    ("ago", "age"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1m ago"),
        (timedelta(minutes=59), "59m ago"),
        (timedelta(hours=23), "23h ago"),
        (timedelta(days=3), "3d ago"),
        # Clocks differ.
        (timedelta(minutes=-5), "just now"),
    ],
)
def test_a_warning_is_quoted_without_values_and_with_its_age(ago: timedelta, age: str) -> None:
    assert quotes("s3ntinel").of_failure(failing(), warned(ago), EVER, NOW) == f"{age}: it says …"


@pytest.mark.parametrize(("since", "hidden"), [(None, HIDDEN), (NOW - timedelta(minutes=1), NEWER)])
def test_a_message_that_may_quote_what_was_not_read_is_not_shown(since: datetime | None, hidden: str) -> None:
    told = quotes("other")
    assert told.of_failure(failing(), warned(timedelta(minutes=2)), since, NOW) == f"2m ago: {hidden}"
    assert told.of_failure(failing("s3ntinel"), None, since, NOW) == hidden
    assert told.of_condition(failing("s3ntinel"), since, LINE) == hidden
    # Where nothing is said nothing is left out.
    assert told.of_condition(failing(" "), since, LINE) == ""


@pytest.mark.parametrize(("moment", "is_shown"), [("2026-11-28T06:59:00Z", True), ("2026-11-28T06:58:59Z", False)])
def test_a_condition_is_as_old_as_its_last_transition(moment: str, *, is_shown: bool) -> None:
    said = quotes().of_condition(failing("no", moment=moment), NOW - timedelta(minutes=1), LINE)
    assert said == ("no" if is_shown else NEWER)


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-28T06:59:00", None])
def test_a_message_without_a_usable_date_is_older_than_every_date(moment: str | None) -> None:
    event = {"message": "no", "moment": moment or "", "count": 1}
    assert quotes().of_failure(failing(), event, EVER, NOW) == "no"
    assert quotes().of_failure(failing(), event, NOW, NOW) == NEWER


def test_a_warning_of_the_spec_before_is_none() -> None:
    changed = failing("no", "2026-11-28T06:58:00Z")
    assert quotes().of_failure(changed, warned(timedelta(minutes=2)), EVER, NOW) == "2m ago: it says s3ntinel"
    assert quotes().of_failure(changed, warned(timedelta(minutes=3)), EVER, NOW) == NEWER
    newer = failing("no", "2026-11-28T06:58:00Z", moment="2026-11-28T06:58:00Z")
    assert quotes().of_failure(newer, warned(timedelta(minutes=3)), EVER, NOW) == "no"
    assert quotes().of_failure(newer, None, None, NOW) == HIDDEN


ENTRA = (
    "could not get secret: azure.BearerAuthorizer#WithAuthorization: Failed to refresh the Token: StatusCode=401 -- "
    "Original Error: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the "
    f"client secret value, not its ID. Trace ID: {'0' * 900}"
)


def test_a_long_cause_is_cut_to_the_sentence_with_the_code_of_entra() -> None:
    said = quotes().of_condition(failing(ENTRA), EVER, LINE)
    assert said == "AADSTS7000215: Invalid client secret provided. … (the rest with --debug)"
    assert is_of_credential(said)
    assert SafeMessages([], is_whole=True).of_condition(failing(ENTRA), EVER, LINE) == ENTRA
    other = quotes().of_condition(failing(f"it is gone. {'x' * 900}"), EVER, LINE)
    assert (other, is_of_credential(other)) == ("it is gone. … (the rest with --debug)", False)
    endless = quotes().of_condition(failing("x" * 900), EVER, LINE)
    assert endless == f"{'x' * 300} … (the rest with --debug)"


def test_a_cause_of_more_lines_is_one_and_its_values_are_hidden_first() -> None:
    assert (
        quotes("first line\nsecond line").of_condition(failing("no\n\tfirst line\nsecond line\n"), EVER, LINE) == "no …"
    )


def test_the_age_of_a_quote_can_be_left_out() -> None:
    assert [without_age(f"{age}: it says so") for age in ("just now", "3m ago", "12d ago")] == ["it says so"] * 3
    assert without_age("no age: 3m ago: x") == "no age: 3m ago: x"
