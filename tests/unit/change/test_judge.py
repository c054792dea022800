import pytest

from compiler.change.compare import judge_destination, judge_source
from compiler.change.plan import Kind, Location, OnConflict, Options, Step
from compiler.stores import errors
from compiler.stores.interface import Attributes, RemoteSecret
from compiler.stores.secret_value import Comparer, JsonKind, SecretValue

Reading = RemoteSecret | errors.StoreError
WHERE = errors.StoreLocation("https://store", "name")
ADD = "the way to add it"
PROPERTY, WHOLE = Location("store", "name", "KEY"), Location("store", "name", None)
NEW = SecretValue("new")
GONE = errors.VersionGoneError(WHERE, errors.Action.READ, "the reason", "the remedy", version="v1")
NUMBER, NULL = SecretValue("7", JsonKind.NUMBER), SecretValue("null", JsonKind.NULL)
FILLED = "the value there now is blank, and will be filled"
AS_STRING = "store it as a string in the source"


def refusal(kind: type[errors.StoreError], code: errors.Code | None = None) -> errors.StoreError:
    return kind(WHERE, errors.Action.READ, "the reason", "the remedy", code)


def remote(value: SecretValue | None = None, whole: str | None = None, *, is_object: bool = True) -> RemoteSecret:
    properties = {"KEY": value} if value is not None else {}
    return RemoteSecret("name", "v7", properties, Attributes(), SecretValue(whole) if whole else None, is_object)


def source(reading: Reading, place: Location, options: Options | None = None, *, in_use: bool = True) -> Step | None:
    step = Step("jira", "KEY", Kind.UPDATE, place, None)
    return judge_source(step, reading, options or Options(), ADD if in_use else "")


def destination(reading: Reading, place: Location, options: Options | None = None) -> Step:
    step = Step("jira", "KEY", Kind.UPDATE, None, place, value=NEW)
    return judge_destination(step, reading, options or Options(), Comparer())


@pytest.mark.parametrize(
    "reading",
    [
        refusal(errors.NotFoundError),
        refusal(errors.SoftDeletedError),
        refusal(errors.DisabledError),
        remote(),
        remote(is_object=False),
        remote(SecretValue(" ")),
    ],
)
def test_nothing_is_said_of_what_an_unused_key_lacks(reading: Reading) -> None:
    assert source(reading, PROPERTY, in_use=False) is None


def test_an_unused_key_whose_source_does_not_answer_is_refused() -> None:
    step = source(refusal(errors.StoreError, errors.Code.UNAVAILABLE), PROPERTY, in_use=False)
    assert (step and (step.kind, step.remedy)) == (Kind.REFUSE, "the remedy")


@pytest.mark.parametrize(
    ("reading", "place", "options", "told"),
    [
        (
            refusal(errors.StoreError, errors.Code.UNAVAILABLE),
            PROPERTY,
            Options(),
            (Kind.REFUSE, "the source cannot be read: the reason", "the remedy"),
        ),
        (
            refusal(errors.DisabledError),
            PROPERTY,
            Options(),
            (Kind.REFUSE, "the source cannot be read: the reason", "the remedy"),
        ),
        (refusal(errors.NotFoundError), PROPERTY, Options(), (Kind.MISSING, "the source has no such secret", ADD)),
        (
            refusal(errors.SoftDeletedError),
            PROPERTY,
            Options(),
            (Kind.MISSING, "in the source, the reason", "the remedy"),
        ),
        (GONE, PROPERTY, Options(), (Kind.MISSING, "in the source, the reason", ADD)),
        (
            remote(is_object=False),
            PROPERTY,
            Options(),
            (
                Kind.MISSING,
                "the source's value is not a JSON object, so it has no properties",
                "store a JSON object there",
            ),
        ),
        (remote(), PROPERTY, Options(), (Kind.MISSING, "the source has no such property", ADD)),
        (
            remote(SecretValue("x")),
            WHOLE,
            Options(),
            (Kind.MISSING, "the source has only properties, no whole value", ADD),
        ),
        (
            remote(NUMBER),
            PROPERTY,
            Options(),
            (
                Kind.REFUSE,
                "the source's value is a JSON number, and only strings can be copied unchanged",
                f"{AS_STRING}, or use --stringify",
            ),
        ),
        (
            remote(NULL),
            PROPERTY,
            Options(stringify=True),
            (Kind.REFUSE, "the source's value is a JSON null, and only strings can be copied unchanged", AS_STRING),
        ),
        (remote(SecretValue(" ")), PROPERTY, Options(), (Kind.REFUSE, "the source's value is empty", ADD)),
    ],
)
def test_what_a_source_lacks_is_said_with_the_way_out(
    reading: Reading, place: Location, options: Options, told: tuple[Kind, str, str]
) -> None:
    step = source(reading, place, options)
    assert step is not None
    assert (step.kind, step.reason, step.remedy, step.value) == (*told, None)


@pytest.mark.parametrize(
    ("reading", "place"),
    [(remote(SecretValue("x")), PROPERTY), (remote(SecretValue("y"), "x", is_object=False), WHOLE)],
)
@pytest.mark.parametrize("in_use", [True, False])
def test_a_source_that_holds_the_value_gives_it(reading: RemoteSecret, place: Location, *, in_use: bool) -> None:
    step = source(reading, place, in_use=in_use)
    assert step is not None
    assert step.value is not None
    assert (step.kind, step.reason, step.remedy, step.value.reveal()) == (Kind.UPDATE, "", "", "x")
    assert step.origin is reading


def test_a_value_that_is_no_string_moves_as_its_text_where_that_was_asked() -> None:
    step = source(remote(NUMBER), PROPERTY, Options(stringify=True))
    assert step is not None
    assert step.value is not None
    assert (step.value.is_string, step.value.reveal()) == (True, "7")


@pytest.mark.parametrize(
    ("reading", "place", "options", "told"),
    [
        (refusal(errors.NotFoundError), PROPERTY, Options(), (Kind.CREATE, "", "")),
        (GONE, PROPERTY, Options(), (Kind.CREATE, "", "")),
        (
            refusal(errors.SoftDeletedError),
            PROPERTY,
            Options(recover=True),
            (Kind.RECOVER, "it is deleted now, and will be recovered first", ""),
        ),
        (
            refusal(errors.SoftDeletedError),
            PROPERTY,
            Options(),
            (Kind.REFUSE, "in the destination, the reason", "the remedy"),
        ),
        (
            refusal(errors.SoftDeletedError),
            PROPERTY,
            Options(("jira",), words=("migrate", "prod"), applies=True),
            (
                Kind.REFUSE,
                "in the destination, the reason",
                "to recover it first: platform-secrets migrate prod --only jira --recover --apply",
            ),
        ),
        (
            refusal(errors.DisabledError),
            PROPERTY,
            Options(recover=True),
            (Kind.REFUSE, "the destination cannot be read: the reason", "the remedy"),
        ),
        (
            remote(is_object=False),
            PROPERTY,
            Options(),
            (
                Kind.REFUSE,
                "the destination's value is not a JSON object, so no property can be set in it",
                "store a JSON object there first",
            ),
        ),
        (remote(), PROPERTY, Options(), (Kind.UPDATE, "the key is added", "")),
        (remote(NEW), PROPERTY, Options(), (Kind.KEEP, "", "")),
        (remote(SecretValue("p"), "new", is_object=False), WHOLE, Options(), (Kind.KEEP, "", "")),
        *(
            (reading, place, Options(on_conflict=on_conflict), (Kind.UPDATE, FILLED, ""))
            for on_conflict in OnConflict
            for reading, place in (
                (remote(SecretValue("")), PROPERTY),
                (remote(SecretValue(" \n")), PROPERTY),
                (remote(whole=" ", is_object=False), WHOLE),
                (remote(whole=" ", is_object=False), PROPERTY),
            )
        ),
        (
            remote(SecretValue("old")),
            PROPERTY,
            Options(on_conflict=OnConflict.OVERWRITE),
            (Kind.UPDATE, "the value there now will be replaced", ""),
        ),
        *(
            (
                reading,
                place,
                Options(),
                (
                    Kind.CONFLICT,
                    "the destination already holds a different value, version v7",
                    "choose --on-conflict skip or overwrite",
                ),
            )
            for reading, place in (
                (remote(SecretValue("old")), PROPERTY),
                (remote(SecretValue("new", JsonKind.NUMBER)), PROPERTY),
                (remote(NEW, "old", is_object=False), WHOLE),
            )
        ),
        (
            remote(SecretValue("old")),
            PROPERTY,
            Options(on_conflict=OnConflict.SKIP),
            (
                Kind.CONFLICT,
                "the destination already holds a different value, version v7",
                "--on-conflict skip leaves it unchanged",
            ),
        ),
    ],
)
def test_what_stands_in_the_destination_decides_and_is_said_with_the_way_out(
    reading: Reading, place: Location, options: Options, told: tuple[Kind, str, str]
) -> None:
    step = destination(reading, place, options)
    assert (step.kind, step.reason, step.remedy) == told
    assert step.value is (None if step.kind is Kind.REFUSE else NEW)
