import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.operations.backup import Backup, decode, encode
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue

TIME = "2026-01-02T03:04:05+00:00"
BACKUP = Backup(
    "prod",
    TIME,
    {("jira", "URL"): SecretValue("u"), ("github", "TOKEN"): SecretValue("s3ntinel")},
    (("jira", "TOKEN"),),
)


def plain(backup: Backup) -> dict[tuple[str, str], str]:
    return {name: value.reveal() for name, value in backup.values.items()}


def test_the_manifest_lists_and_the_content_holds_the_values() -> None:
    head, content, end = encode(BACKUP).decode().split("\n")
    manifest = json.loads(head)
    assert manifest.pop("digest").startswith("sha256:")
    assert manifest == {
        "format": "platform-secrets backup",
        "version": 1,
        "environment": "prod",
        "time": TIME,
        "secrets": {"github": ["TOKEN"], "jira": ["URL"]},
        "missing": {"jira": ["TOKEN"]},
        "counts": {"secrets": 2, "keys": 2},
    }
    assert json.loads(content) == {"github/TOKEN": "s3ntinel", "jira/URL": "u"}
    assert not end


def test_a_backup_of_november_2026_is_read() -> None:
    body = '{"github/TOKEN": "s3ntinel", "jira/URL": "u"}'
    head = (
        '{"format": "platform-secrets backup", "version": 1, "environment": "prod", '
        '"time": "2026-01-02T03:04:05+00:00", "secrets": {"github": ["TOKEN"], "jira": ["URL"]}, '
        '"missing": {"jira": ["TOKEN"]}, "counts": {"secrets": 2, "keys": 2}, '
        '"digest": "sha256:d0a1f5970e9ce929b9f5adea78d06193b50803d8a991be35f8e3b290c8606c33"}'
    )
    found = decode(f"{head}\n{body}\n".encode())
    assert (plain(found), found.missing) == (plain(BACKUP), BACKUP.missing)


def test_a_backup_with_a_limit_has_dates_and_a_version_of_its_own() -> None:
    since = {("jira", "URL"): datetime(2026, 1, 1, tzinfo=UTC), ("github", "TOKEN"): None}
    dated = replace(BACKUP, since=since)
    manifest = json.loads(encode(dated).split(b"\n")[0])
    dates = {"github/TOKEN": None, "jira/URL": "2026-01-01T00:00:00+00:00"}
    assert (manifest["version"], manifest["since"]) == (2, dates)
    assert decode(encode(dated)).since == since
    assert decode(encode(BACKUP)).since == {}


@pytest.mark.parametrize(
    "since", [[], {"URL": None}, {"jira/": None}, {"jira/URL": "soon"}, {"jira/URL": 5}, {"jira/URL": "2026-01-01"}]
)
def test_dates_that_cannot_be_are_damage(since: object) -> None:
    with pytest.raises(Refusal, match="manifest is damaged"):
        decode(changed(version=2, since=since))


@given(st.dictionaries(st.tuples(st.sampled_from(["a", "b-c"]), st.sampled_from(["K", "L_M", "N"])), st.text()))
def test_what_goes_in_comes_out(values: dict[tuple[str, str], str]) -> None:
    made = Backup("prod", TIME, {name: SecretValue(text) for name, text in values.items()})
    found = decode(encode(made))
    assert plain(found) == values
    assert (found.environment, found.time, found.missing) == ("prod", TIME, ())


def test_the_missing_ones_are_kept() -> None:
    assert decode(encode(BACKUP)).missing == (("jira", "TOKEN"),)
    assert decode(encode(BACKUP)).secrets == ("github", "jira")


def changed(**fields: object) -> bytes:
    head, _, rest = encode(BACKUP).partition(b"\n")
    manifest = {**json.loads(head), **fields}
    return json.dumps({name: value for name, value in manifest.items() if value is not None}).encode() + b"\n" + rest


def with_content(content: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - one helper's need

    head = changed(digest=f"sha256:{hashlib.sha256(content).hexdigest()}").partition(b"\n")[0]
    return head + b"\n" + content


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a backup of platform-secrets"),
        (b"\xff\n{}", "not a backup of platform-secrets"),
        (b"[" * 100_000, "not a backup of platform-secrets"),
        (b"[" + b"[]," * 6_000_000, "manifest is too large"),
        (b"[" + b"[]," * 1_000_000, "more than 1000000 values"),
        (b"[]\n{}", "not a backup of platform-secrets"),
        (changed(format="other"), "not a backup of platform-secrets"),
        (changed(version=3), "not version 1 or 2"),
        (changed(version=True), "not version 1 or 2"),
        (changed(version=2), "manifest is damaged"),
        (changed(counts=None), "manifest is damaged"),
        (changed(more="x"), "manifest is damaged"),
        (changed(time=5), "manifest is damaged"),
        (changed(secrets={"github": "TOKEN"}), "manifest is damaged"),
        (changed(missing={"github": [5]}), "manifest is damaged"),
        (changed(secrets={"github": ["TOKEN"]}), "does not list the keys"),
        (changed(counts={"secrets": 2, "keys": 3}), "does not list the keys"),
        (encode(BACKUP).replace(b"s3ntinel", b"s4ntinel"), "does not match the digest"),
        (encode(BACKUP) + b"\n", "does not match the digest"),
        (with_content(b'{"github/TOKEN": "s3ntinel"'), "content is damaged"),
        (with_content(b"\xff"), "content is damaged"),
        (with_content(b'{"github/TOKEN": [' + b"{}," * 500_000 + b"{}]}"), "more than 1000000 values"),
        (with_content(b'{"github/TOKEN": 5}'), "content is damaged"),
        (with_content(b'{"github": "s3ntinel"}'), "content is damaged"),
        (with_content(b'{"/TOKEN": "s3ntinel"}'), "content is damaged"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_content(data: bytes, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as caught:
        decode(data)
    assert "s3ntinel" not in str(caught.value)
    assert caught.value.__context__ is None
