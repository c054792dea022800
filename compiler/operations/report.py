"""Reads reports of `status --format json` and merges them into the data of one page: secrets by environment.

Each state is what `status` found; what differs between environments is marked. The data is one JSON document
(tests/unit/operations/report/page_data.json is a sample):

    generated, contains, without
    environments: [{name, moment?, partial?, stores: {ID: {letter, provider, address?}}}]
    secrets: [{id, differs?, cells: {ENV: n}, keys: [{key, owner?, issuer?, cells: {ENV: n}}]}]
    cells: [{store, to?, state, age?, due?, overdue?, decidedBy?, layer?, differs?,
             target, readers?, first?, next?                      of a secret
             places: [{store, remoteKey, property?, inUse, state}]  of a key}]
    moves: [{environment, to, next?, steps: [[{secret, store?, state?, done}]], first?, commands}]
    problems: [{severity, environment, secret?, message, help?, command?}]

Cells are numbers in the list `cells`, as most environments repeat each other. Members without a value are absent.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from typing import Any
from urllib.parse import urlsplit

from compiler.live.ages import AgeState
from compiler.model import group_pairs
from compiler.model.facts import has_more_values
from compiler.operations.verify import KeyState
from compiler.refusal import Refusal
from compiler.stages.validate import first_error
from compiler.text.credential import CONCEALED
from compiler.text.wording import command_line, list_names, quote

# A report of 100 environments with 200 secrets of four keys has 60 MB and 2,300,000 values.
LARGEST = 128 * 1024 * 1024
_MOST_VALUES = 4_000_000
ADDRESSES, OWNERS = "addresses", "owners"
# The worst first.
_GRAVITY = (
    *(KeyState.MISSING, KeyState.DELETED, KeyState.FAULTY, KeyState.NO_ACCESS),
    *(KeyState.NOT_IN_EFFECT, KeyState.DIFFERS, KeyState.NOT_ASKED, KeyState.PRESENT),
)
_OVERDUE = {AgeState.OVERDUE.value: True, AgeState.NOT_KNOWN.value: "not known"}
# The settings that are compared between environments.
_COMPARED = ("store", "target", "keys")
Json = Mapping[str, Any]


def read_report(shown: str, data: bytes) -> dict[str, Any]:
    """The report in the file `shown`. Raises Refusal for anything but output of this release's `status --format json`.

    The message quotes nothing of the file, which may be any file and have secrets.
    """
    way_out = f"write one with `{command_line('status', 'ENV')} --format json > FILE`"
    if len(data) > LARGEST:
        raise Refusal("usage", f"{shown} is larger than {LARGEST // 1024**2} MiB", "write a report per environment")
    try:
        if has_more_values(text := data.decode(), _MOST_VALUES):
            raise Refusal("usage", f"{shown} has more than {_MOST_VALUES} values", "write a report per environment")
        report = json.loads(text)
    except UnicodeDecodeError:
        fault = "is not JSON in UTF-8"
    except json.JSONDecodeError as error:
        raise Refusal("usage", f"{shown}:{error.lineno}:{error.colno}: this is not JSON", way_out) from None
    except (ValueError, RecursionError):
        fault = "is not JSON"
    else:
        if not isinstance(report, dict) or report.get("command") != "status":
            fault = "is not a report of `status --format json`"
        elif (place := first_error("output/status", report) or _wrong_date(report)) is None:
            return report
        else:
            fault = f"is a report of another release, or was changed: {place} is not as this release writes it"
    raise Refusal("usage", f"{shown} {fault}", way_out)


def _wrong_date(report: Json) -> str | None:
    dates = [("moment", report["moment"])]
    for each in report["environments"]:
        dates += [("keys", text) for key in each["keys"] for text in (key["changed"], key["due"])]
        dates += [("secrets", secret["written"]) for secret in each["secrets"]]
    for place, text in dates:
        try:
            _moment(text if text is not None else report["moment"])
        except ValueError:
            return f"a date of {place}"
    return None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReportedEnvironment:
    """An environment of a report; the mappings are by secret."""

    name: str
    moment: datetime  # when `status` ran
    data: Json  # what is not in the other fields
    rows: Mapping[str, Json]
    keys: Mapping[str, Mapping[str, Json]]
    readers: Mapping[str, Sequence[Json] | None]
    decided: Mapping[str, Json | None]  # the line that chose the store

    @property
    def every_key(self) -> Iterator[Json]:
        return chain.from_iterable(keys.values() for keys in self.keys.values())


def merge_reports(reports: Iterable[tuple[str, Json]], generated: datetime, without: Collection[str] = ()) -> Json:
    """The page's data of `reports`, each with its file's name; `without` may exclude ADDRESSES and OWNERS.

    Raises Refusal if two are of one environment.
    """
    found: dict[str, tuple[str, ReportedEnvironment]] = {}
    known: dict[str, Json] = {}
    for shown, report in reports:
        for each in map(partial(_environment, _moment(report["moment"]), known), report["environments"]):
            if each.name in found:
                message = f"{quote(each.name)} is in {found[each.name][0]} and in {shown}"
                raise Refusal("usage", message, "give one report per environment")
            found[each.name] = shown, each
    environments = [each for _, each in found.values()]
    letters = _letters(dict.fromkeys(store["store"] for each in environments for store in each.data["stores"]))
    names = dict.fromkeys(name for each in environments for name in each.rows)
    cells: _Cells = {}
    data: dict[str, Any] = {
        "generated": generated.isoformat(timespec="seconds"),
        "contains": [*_contents(environments, without)],
        "without": [*without],
        "environments": [_column(each, letters, without) for each in environments],
        "secrets": [_secret(name, environments, cells, without) for name in names],
        "cells": [*map(json.loads, cells)],
        "moves": [_move(each) for each in environments if each.data["moves"] is not None],
        "problems": sorted(chain.from_iterable(map(_problems, environments)), key=lambda each: each["severity"]),
    }
    return _conceal_addresses(data, environments) if ADDRESSES in without else data


def _environment(moment: datetime, known: dict[str, Json], data: Json) -> ReportedEnvironment:
    """An environment of a report; `known` lets equal data of many environments share one object."""

    def share(each: Json) -> Json:
        return known.setdefault(json.dumps(each), each)

    keys: dict[str, dict[str, Json]] = {}
    decided: dict[str, Json | None] = {}
    for key in data["keys"]:
        decided.setdefault(key["secret"], key["decidedBy"])
        keys.setdefault(key["secret"], {})[key["key"]] = share({**key, "decidedBy": None})
    rows = {row["secret"]: share(row) for row in data["secrets"]}
    readers = {each["secret"]: each["workloads"] for each in data["readers"] or ()}
    rest = {name: each for name, each in data.items() if name not in ("keys", "secrets", "readers")}
    return ReportedEnvironment(data["environment"], moment, rest, rows, keys, readers, decided)


def _contents(environments: Sequence[ReportedEnvironment], without: Collection[str]) -> Iterator[str]:
    yield from ("names of secrets and keys", "places in the stores", "lines of the input files")
    if any(each.readers for each in environments):
        yield "workloads"
    if ADDRESSES not in without:
        yield "addresses of stores"
    if OWNERS not in without and any(key["owner"] for each in environments for key in each.every_key):
        yield OWNERS
    if any(key["issuer"] for each in environments for key in each.every_key):
        yield "links to issuers"


# The number of each cell, by its JSON: equal cells share a number.
_Cells = dict[str, int]


def _number(cell: Json, cells: _Cells) -> int:
    return cells.setdefault(json.dumps(_present(cell)), len(cells))


def _present(members: Json) -> Json:
    return {name: each for name, each in members.items() if each is not None}


def _letters(stores: Iterable[str]) -> dict[str, str]:
    """A letter for each store, with a second character if another store has the letter."""
    found: dict[str, str] = {}
    for store in stores:
        letters = re.sub(r"[^A-Za-z0-9]", "", store).upper() or "S"
        seconds = chain(letters[1:], map(str, count(2)))
        choices = chain(letters[0], (f"{letters[0]}{each}" for each in seconds))
        found[store] = next(each for each in choices if each not in found.values())
    return found


def _column(each: ReportedEnvironment, letters: Mapping[str, str], without: Collection[str]) -> Json:
    stores = {}
    for store in each.data["stores"]:
        address = store["address"] or None if ADDRESSES not in without else None
        letter = letters[store["store"]]
        stores[store["store"]] = _present({"letter": letter, "provider": store["title"], "address": address})
    is_asked = any(key["state"] != KeyState.NOT_ASKED for key in each.every_key)
    moment = each.moment.isoformat(timespec="seconds") if is_asked else None
    partial = None if each.data["whole"] else True
    return _present({"name": each.name, "moment": moment, "partial": partial, "stores": stores})


def _secret(name: str, environments: Sequence[ReportedEnvironment], cells: _Cells, without: Collection[str]) -> Json:
    """A secret in all environments: each setting that is not the most frequent one is marked."""
    having = [each for each in environments if name in each.rows]
    settings = {each.name: _settings(each, name) for each in having}
    usual = {what: Counter(each[what] for each in settings.values()).most_common(1)[0][0] for what in _COMPARED}
    unusual = {where: [what for what in _COMPARED if own[what] != usual[what]] for where, own in settings.items()}
    differs = [what for what in _COMPARED if any(what in words for words in unusual.values())]
    by_key = group_pairs((key, (each, its)) for each in having for key, its in each.keys.get(name, {}).items())
    return {
        "id": name,
        "differs": differs,
        "cells": {each.name: _number(_cell(each, name, unusual[each.name]), cells) for each in having},
        "keys": [_key(key, found, cells, without) for key, found in by_key.items()],
    }


def _settings(each: ReportedEnvironment, name: str) -> dict[str, Any]:
    """The settings that are compared across environments, by the words of _COMPARED; namespaces may differ."""
    row = each.rows[name]
    return {
        "store": row["store"],
        "target": row["target"].rpartition("/")[2],
        "keys": frozenset(each.keys.get(name, ())),
    }


def _cell(each: ReportedEnvironment, name: str, differs: list[str]) -> Json:
    """A secret in one environment, with the worst state and the earliest date of its keys."""
    row, keys = each.rows[name], [*each.keys.get(name, {}).values()]
    readers = each.readers.get(name)
    states = {key["state"] for key in keys}
    ages = [_due(key) for key in keys]
    late = min((age for age in ages if age["due"] or age["overdue"]), key=_urgency, default={})
    return {
        "store": row["store"],
        "to": row["to"],
        "state": next((state for state in _GRAVITY if state in states), KeyState.NOT_ASKED),
        "age": _days(row["written"], each.moment),
        **late,
        **_deciding_place(each.decided.get(name)),
        "differs": differs or None,
        "target": row["target"],
        "readers": [f"{at['kind']} {at['namespace']}/{at['name']}" for at in readers] if readers is not None else None,
        "first": row["first"],
        "next": next(iter(row["next"]), None),
    }


def _key(name: str, found: Sequence[tuple[ReportedEnvironment, Json]], cells: _Cells, without: Collection[str]) -> Json:
    # The catalogue is the same for all environments.
    first = found[0][1]
    return {
        "key": name,
        **{what: first[what] for what in ("owner", "issuer") if first[what] and f"{what}s" not in without},
        "cells": {
            each.name: _number(
                {
                    "store": each.rows[key["secret"]]["store"],
                    "state": key["state"],
                    "age": _days(key["changed"], each.moment),
                    **_due(key),
                    "places": key["places"],
                },
                cells,
            )
            for each, key in found
        },
    }


def _due(key: Json) -> dict[str, Any]:
    return {
        "due": _moment(key["due"]).date().isoformat() if key["due"] is not None else None,
        "overdue": _OVERDUE.get(key["age"]),
    }


def _urgency(age: Json) -> tuple[int, str]:
    return [True, "not known", None].index(age["overdue"]), age["due"] or ""


def _days(written: str | None, now: datetime) -> int | None:
    return max(0, (now - _moment(written)).days) if written is not None else None


def _deciding_place(by: Json | None) -> dict[str, Any]:
    if by is None:
        return {}
    where = by["file"] if by["line"] is None else f"{by['file']}:{by['line']}:{by['column']}"
    return {"decidedBy": where, "layer": by["layer"]}


def _move(each: ReportedEnvironment) -> Json:
    moves = each.data["moves"]
    stores = {name: row["store"] for name, row in each.rows.items()}
    steps = [[{"secret": name, "done": stores.get(name) == moves["to"]} for name in step] for step in moves["steps"]]
    return _present(
        {
            "environment": each.name,
            "to": moves["to"],
            "next": moves["next"],
            "steps": steps,
            "first": each.data["first"] or None,
            "commands": each.data["next"],
        }
    )


def _problems(each: ReportedEnvironment) -> Iterator[Json]:
    silent, ways_out = each.data["notAnswered"], each.data["waysOut"]
    for number, message in enumerate(silent, 1):
        # The remedies are for all stores together.
        helps = {"help": "; ".join(ways_out)} if ways_out and number == len(silent) else {}
        yield {"severity": "error", "environment": each.name, "message": message, **helps}
    said = {name: cause["evidence"][1:] for cause in each.data["causes"] for name in cause["secrets"]}
    for name, row in each.rows.items():
        live, about = row["live"] or {"problems": ()}, {"environment": each.name, "secret": name}
        command = {"command": row["next"][0]} if row["next"] else {}
        messages = (*row["faults"], *(problem["message"] for problem in live["problems"]))
        shown = [text for text in said.get(name, ()) if text not in messages]
        because = {"help": f"because: {'; '.join(shown)}"} if shown else {}
        for message in messages:
            yield {"severity": "error", **about, "message": message, **because, **command}
        if row["other"]["different"]:
            message = (
                f"{quote(str(row['other']['store']))} holds other values of {list_names(row['other']['different'])}"
            )
            yield {"severity": "warning", **about, "message": message, **command}


# The members of the data that may have an address in a text of `status`.
_TEXTS = frozenset({"message", "help", "command", "first", "next", "commands"})
_ADDRESS = r"\w[\w+.-]*://[^\s\"'`()\[\]]+|(?<=--vault-name )\S+"


def _conceal_addresses(data: Json, environments: Sequence[ReportedEnvironment]) -> Json:
    written = [store["address"] for each in environments for store in each.data["stores"] if store["address"]]
    hosts = dict.fromkeys(part for text in written for part in (_host(text), _host(text).partition(":")[0]) if part)
    pattern = re.compile("|".join((_ADDRESS, *map(re.escape, sorted(hosts, key=len, reverse=True)))), re.IGNORECASE)

    def replace_addresses(value: Any, name: str = "") -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {key: replace_addresses(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [replace_addresses(each, name) for each in value]
        return pattern.sub(CONCEALED, value) if isinstance(value, str) and name in _TEXTS else value

    return {**data, **{part: replace_addresses(data[part]) for part in ("cells", "moves", "problems")}}


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.rpartition("@")[2]
    except ValueError:
        return address
