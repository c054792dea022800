"""Runs `import`, which turns ExternalSecrets and other tools' files into an environment and catalogue entries."""

import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from compiler.cli.invocation import Invocation, files_alone, interruption, live_environments, open_stores
from compiler.cli.parser import Parser, add_accept_cluster, add_all, add_format, member_of
from compiler.cluster.view import connect_cluster
from compiler.edit.new_project import check_name, write_new
from compiler.imports.forms import FORMS, STORE_NAMES, FoundObject, FoundSecret
from compiler.imports.plan import ImportPlan, PlannedSecret, plan_import
from compiler.imports.proof import Counts, Proof, find_changed_texts, prove
from compiler.imports.sources import (
    HOLDING,
    OPTIONAL,
    Findings,
    open_target,
    parse_stores,
    read_cluster,
    read_sources,
)
from compiler.imports.store_names import StoreContents, contents_lines, read_contents
from compiler.live.readers import readers_of
from compiler.live.stores import open_stores_for_reading, store_named
from compiler.model.document import Diagnostic
from compiler.refusal import FOUND, OK, Refusal
from compiler.render.content import Line, members
from compiler.rules.api import Finding
from compiler.rules.listed_rules import NOT_IMPORTED
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import command_line, pieces_of, pluralize, quote

DESCRIPTION = """Reads how other tools' files define secrets, never their values, and writes that into an environment
and the catalogue. Shows the plan first.
  external-secrets: ExternalSecrets of the operator (v1, v1beta1) with the stores that they name, and those of
    kubernetes-external-secrets; of files, or of the cluster
  secret-provider-class: Secrets that the Secrets Store CSI driver makes (Azure and Vault, `secretObjects`)
  store: the remote secrets of a store of the environment that no entry covers, by their names alone; with --cluster it
    says which of them nothing in the cluster reads. It needs what `generate access ENV --for importer` grants

A Secret that the catalogue has keeps its entry, and the environment says what differs. An object is taken whole or not
at all. Before anything is written, the compiled environment is compared with what was read, key by key: store, remote
name, property. Run it once for each environment. Without a project, start with `new project`."""
EXAMPLES = (
    "platform-secrets import external-secrets manifests/ --environment dev",
    "helm template shop ./chart | platform-secrets import external-secrets - --environment prod --apply",
    "platform-secrets import external-secrets --cluster --context dev-admin --namespace shop --environment dev",
    "platform-secrets import secret-provider-class classes/ --environment dev --namespace shop",
    "platform-secrets import store vault --environment dev --only 'team-a/*'",
)
# Secrets that a person looks through, and those that are planned at a time.
_MOST_SHOWN, _MOST_PLANNED = 200, 500


def configure(parser: Parser) -> None:
    parser.add_argument("form", choices=FORMS, metavar="FORM", help=", ".join(FORMS))
    parser.add_argument("files", metavar="FILE", nargs="*", help="files, folders, - for standard input, or the store")
    parser.add_cluster("external-secrets: read the cluster's objects, of Secrets the metadata alone")
    parser.exclude("--cluster", "--store")
    parser.add_option("--environment", "ENV", "the environment to write, an existing or a new one")
    parser.add_repeatable(
        "--store", "NAME=PROVIDER", "the provider of a store whose object is not among the files; repeatable"
    )
    for each in PROVIDERS.values():
        parser.add_option(each.option, "URL", f"where the {each.title} of --store is reached")
        parser.require(each.option, "--store")
    parser.add_option("--namespace", "NAME", "namespace of objects that name none, or the only one of the cluster")
    parser.add_repeatable("--only", "PATTERN", "store: only names that match, such as 'team-a/*'; repeatable")
    add_accept_cluster(parser)
    parser.add_flag("--apply", "write; without it, only show the plan")
    parser.add_flag("--quiet", "print only diagnostics")
    add_all(parser)
    add_format(parser)


def run(invocation: Invocation) -> int:
    given = invocation.arguments
    if given.environment is None:
        raise Refusal("usage", "no environment is named", "name one with --environment, an existing or a new one")
    name = check_name("environment", given.environment)
    _check_form(given)
    if given.form == STORE_NAMES:
        return _import_store(invocation, name)
    here = open_target(invocation.root, name, files_alone())
    urls = {each.id: getattr(given, member_of(each.option)) for each in PROVIDERS.values()}
    stores = parse_stores(given.store, {provider: url for provider, url in urls.items() if url is not None})
    if given.cluster:
        view = connect_cluster(os.environ, given.context, here.cluster, OPTIONAL)
        found = read_cluster(view, given.namespace, here, stores)
    else:
        found = read_sources(given.form, given.files, given.namespace, here, stores)
    if not found.is_whole:
        nothing = import_content(given.form, None, None, applied=False)
        return invocation.findings(found.diagnostics, name, content=nothing)
    plan = plan_import(here, found.objects)
    lines = [*_other_lines(found)]
    return _finish(invocation, name, plan, partial(prove, plan, found.lost), found.diagnostics, lines)


def _check_form(given: Namespace) -> None:
    """Raises Refusal where words and options are not those of the form."""
    if given.form != STORE_NAMES and given.cluster and given.files:
        raise Refusal("usage", "--cluster cannot be combined with FILE", "leave one out")
    if not given.files and not given.cluster:
        raise Refusal("usage", "nothing to import", "name files or folders, or - for standard input")
    if given.form == STORE_NAMES and len(given.files) != 1:
        raise Refusal("usage", "one store is to be named", "name it as the environment does")
    if given.form != STORE_NAMES and given.only:
        raise Refusal("usage", f"--only is only for {STORE_NAMES}", "leave --only out")


def _import_store(invocation: Invocation, name: str) -> int:
    given = invocation.arguments
    (environment,) = live_environments([name], invocation)
    store = store_named(environment, given.files[0])
    here = open_target(invocation.root, name, files_alone())
    with open_stores(invocation, open_stores_for_reading) as stores:
        view = connect_cluster(os.environ, given.context, here.cluster) if given.cluster else None
        readers = readers_of(store, (), stores, view) if view is not None else None
        contents = read_contents(here, environment, store, stores.open(store), given.only, readers)
    if len(contents.objects) <= _MOST_PLANNED:
        plan = plan_import(here, contents.objects)
        return _finish(invocation, name, plan, partial(prove, plan), contents=contents)
    # Each line that is written is proved by a second reading, which takes minutes for so many.
    message = f"entries are planned for up to {_MOST_PLANNED} remote secrets at a time"
    way_out = f"name a part, such as --only '{contents.largest_folder}*'"
    if given.apply:
        raise Refusal("cannot run", message, way_out)
    code = invocation.findings(
        (), name, content=import_content(given.form, None, None, applied=False, contents=contents)
    )
    invocation.summary([*contents_lines(contents), f"{message}: {way_out}"])
    return code


def _finish(
    invocation: Invocation,
    name: str,
    plan: ImportPlan,
    prove: Callable[[], Proof],
    found: Sequence[Diagnostic] = (),
    before: Sequence[Line] = (),
    contents: StoreContents | None = None,
) -> int:
    """Shows the plan and its proof, and writes its files where that is asked for."""
    given = invocation.arguments
    diagnostics = (*found, *_refusals(plan), *plan.result.diagnostics)
    if plan.result.failed:
        return invocation.findings(diagnostics, name, content=import_content(given.form, plan, None, applied=False))
    proof = prove()
    applies = given.apply and bool(plan.outputs)
    if applies:
        with interruption("writing is all-or-nothing"):
            write_new(plan.outputs, invocation.root)
    content = import_content(given.form, plan, proof, applied=applies, contents=contents)
    before = [*before, *(contents_lines(contents) if contents is not None else ())]
    code = invocation.findings(diagnostics, name, content=content, least=OK if plan.secrets else FOUND)
    invocation.summary([*before, *import_lines(plan, proof), *_ending(plan, given.apply)])
    return code


def _refusals(plan: ImportPlan) -> list[Diagnostic]:
    """Why objects are not taken; what is true of many is said once, at the first of them."""
    alike: dict[tuple[str, str | None], dict[FoundObject, list[Finding]]] = {}
    for each in plan.objects:
        for reason in each.reasons:
            alike.setdefault((reason.message, reason.help), {}).setdefault(each, []).append(reason)
    found: dict[tuple[str, int, str], Diagnostic] = {}
    for refused in alike.values():
        first, reasons = next(iter(refused.items()))
        others = f" and {len(refused) - 1} more are" if len(refused) > 1 else " is"
        for reason in reasons[:1] if len(refused) > 1 else reasons:
            said = reason._replace(message=f"{first.title}{others} refused: {reason.message}", brief=True)
            told = NOT_IMPORTED.diagnostic(said)
            # Each key of an object says the same of the store that they share.
            found.setdefault((told.span.path, told.span.start, told.message), told)
    return sorted(found.values(), key=lambda each: (each.span.path, each.span.start))


def _other_lines(found: Findings) -> Iterator[str]:
    """What else was read, and which namespace objects get that name none."""
    if found.placed and found.namespace:
        yield f"{pluralize(found.placed, 'object')} without a namespace: {quote(found.namespace)}"
    if found.others:
        held = {kind: count for kind, count in found.others.items() if kind in HOLDING}
        plain = [f"{kind} {count}" for kind, count in found.others.most_common() if kind not in HOLDING]
        secret = f"{', '.join(f'{kind} {count}' for kind, count in held.items())} hold or move secrets" if held else ""
        told = "; ".join(filter(None, (", ".join(plain), secret)))
        yield f"{pluralize(sum(found.others.values()), 'other document')}: {told}"


def _ending(plan: ImportPlan, is_applied: bool) -> Sequence[Line]:  # noqa: FBT001 - a parsed option
    if not plan.outputs:
        return ["nothing to write"]
    if not is_applied:
        return [*(f"{output.shown}: to write" for output in plan.outputs), "add --apply to write"]
    verify = command_line("verify", plan.environment)
    lines = [f"{output.shown}: written" for output in plan.outputs]
    return [*lines, f"next: {command_line('compile', plan.environment)}, then {verify}"]


def import_lines(plan: ImportPlan, proof: Proof) -> Iterator[Line]:
    """The stores, the secrets, the counts, and the proof."""
    for store in plan.stores:
        changes = ", ".join(f"{name} {value}" for name, value in store.changes.items())
        what = "new" if store.is_new else "changed" if changes else "as it is"
        unknown = "" if store.source.address is not None else "; the manifests do not say its address"
        yield f"store {store.id}: ", what, f", {changes}" if changes else "", unknown
    for each in plan.secrets[:_MOST_SHOWN]:
        title = f"{each.found.namespace}/{each.found.name}"
        yield "secret ", each.id, ": ", title, " with ", *_keys(each.found)
        yield "  ", _entry(each), ", in ", each.store.id
    if (left := len(plan.secrets) - _MOST_SHOWN) > 0:
        yield f"and {left} more secrets, which --format json lists"
    for owner, names in _owners(plan).items():
        are, them = ("is", "it") if len(names) == 1 else ("are", "them")
        yield *pieces_of(names), f" {are} made by the {owner} now: hand {them} over when you deploy"
    for text, secrets in find_changed_texts(plan).items():
        change = f"becomes {quote(text.after)}, was {quote(text.before)}" if text.before is not None else "is new"
        yield *pieces_of(secrets), f": the {text.name} {change}"
    yield f"found {_count_objects(proof['found'])}: {_shares(proof)}"
    assumed = _count_assumed_keys(plan)
    if equal := _equal_keys(plan, proof):
        keys = f"{pluralize(equal, 'key')} read as before by the compiled environment"
        yield f"proof: {keys}: same store, name and property"
    if unnamed := sum(not each.found.names_keys for each in plan.secrets):
        yield f"proof: every property of {pluralize(unnamed, 'remote secret')} read as before: same store and name"
    if count := sum(assumed.values()):
        line = command_line("verify", plan.environment, *assumed)
        they = "their names have" if count > 1 else "its name has"
        yield f'not proved: {pluralize(count, "key")} of `dataFrom`: {they} "_", which the operator writes for other'
        yield f"  characters too; once compiled, `{line}` looks for the properties"


def _keys(found: FoundSecret) -> Sequence[str]:
    if not found.names_keys:
        return ("every property of ", found.keys[0].remote_key)
    return pieces_of([key.name for key in found.keys])


def _count_assumed_keys(plan: ImportPlan) -> dict[str, int]:
    """By secret, how many of its keys may be properties of other names."""
    counts = {each.id: sum(key.is_assumed for key in each.found.keys) for each in plan.secrets}
    return {name: count for name, count in counts.items() if count}


def _equal_keys(plan: ImportPlan, proof: Proof) -> int:
    """How many keys are read where they were."""
    return proof["taken"].keys - sum(_count_assumed_keys(plan).values())


def _owners(plan: ImportPlan) -> dict[str, list[str]]:
    """The Secrets that belong to another object than the ExternalSecret of their own name, which will make them."""
    found: dict[str, list[str]] = {}
    names = {
        id(each.found): each.entry.external_secret
        if each.entry
        else each.found.said.get("externalSecret", each.found.name)
        for each in plan.secrets
    }
    for each in plan.objects:
        for secret in each.secrets_to_take if each.namespace else ():
            if (each.kind, each.name) != ("ExternalSecret", names.get(id(secret)) or secret.name):
                found.setdefault(each.title, []).append(secret.name)
    return found


def _entry(each: PlannedSecret) -> str:
    if each.entry is None:
        return "new in the catalogue"
    return "in the catalogue, with one more provider" if each.additions else "in the catalogue already"


def _shares(proof: Proof) -> str:
    """How much of what was found is taken."""
    if not proof["refused"].objects:
        return "all taken"
    if not proof["taken"].objects:
        return "none taken"
    return f"{_count_objects(proof['taken'])} taken, {_count_objects(proof['refused'])} refused"


def _count_objects(counts: Counts) -> str:
    # One that takes whatever its remote secret holds names no key.
    keys = f" with {pluralize(counts.keys, 'key')}" if counts.keys else ""
    return pluralize(counts.objects, "object") + keys


def import_content(
    form: str, plan: ImportPlan | None, proof: Proof | None, *, applied: bool, contents: StoreContents | None = None
) -> dict[str, Any]:
    """The members of the JSON report beside diagnostics; empty where the plan could not be made."""
    return {
        "form": form,
        "applied": applied,
        "stores": [
            {"store": each.id, "provider": each.source.provider.id, "new": each.is_new, "changes": each.changes}
            for each in (plan.stores if plan is not None else ())
        ],
        "secrets": [_secret(each) for each in plan.secrets] if plan is not None else [],
        "files": [output.shown for output in plan.outputs] if plan is not None else [],
        "counts": {name: members(each, "objects", "keys") for name, each in proof.items()} if proof else None,
        "equalKeys": _equal_keys(plan, proof) if plan is not None and proof else None,
        "changedMetadata": [
            {**text._asdict(), "secrets": names}
            for text, names in (find_changed_texts(plan).items() if plan is not None and proof else ())
        ],
        "contents": _contents(contents) if contents is not None else None,
    }


def _contents(contents: StoreContents) -> dict[str, Any]:
    told = members(contents, "seen", "covered", "gone", "managed", "names", "renamed", "merged", "unread", "others")
    return {"store": contents.store.id, **told}


def _secret(each: PlannedSecret) -> dict[str, Any]:
    keys: Sequence[dict[str, Any]] = [members(key, "name", "remote_key", "property") for key in each.found.keys]
    return {
        "secret": each.id,
        "namespace": each.found.namespace,
        "target": each.found.name,
        "store": each.store.id,
        "new": each.entry is None,
        "keys": keys,
    }
