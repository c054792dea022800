"""Judges whether a compiled ExternalSecret is in effect: the only judge of that, for `status`, `verify` and `cutover`.

Ready alone says nothing: it stays true of the spec before. What counts is that the live spec is the compiled one, that
the operator has synchronised this generation of it since the value was written and still runs, and that the Secret has
every key.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from compiler.cluster.messages import failure_text, is_denied_read, is_log_in_failure, webhook_that_denies
from compiler.cluster.operator import Operator, log_in_problem, place_of, store_problems, store_unknowns
from compiler.cluster.problem import (
    ALLOW_WRITE,
    FAILING,
    OF_PODS,
    OF_STORE,
    ONE_OWNER,
    UNDEPLOYED,
    ClusterProblem,
    ClusterState,
)
from compiler.cluster.specs import describe_difference, patch_of_spec, spec_writers
from compiler.cluster.times import older_value, operator_inactivity, turns_of_spec
from compiler.cluster.view import (
    CERTIFICATES,
    DATA_HASH,
    EVENTS,
    NAME_LABEL,
    WEBHOOK,
    ClusterView,
    Live,
    LiveObject,
    application_of,
    controllers_of,
    is_synced,
    keys_of,
    moment_of,
    ready_of,
    ready_reason,
    refresh_time,
    release_of,
    success_mark,
    wanted_keys,
    writers,
)
from compiler.model.environment import ORPHAN, PULL_TYPES, RETAIN
from compiler.model.values import Manifest, child
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import asking_cluster, command_line, kubectl_line, list_names, quote, shell_line

# By this label the chart knows its own; its first value is what an object has that was deployed before another was set.
_OWN_LABEL, _FIRST_VALUE = "app.kubernetes.io/part-of", "ai-platform-engineering"
_SYNCED = "SecretSynced"
_IMMUTABLE = "SecretImmutable"
# The operator writes as the one with the ExternalSecret's name behind it, and wrote as itself before 0.16.
_OPERATORS_PREFIX, _OPERATOR = "externalsecrets.external-secrets.io/", "external-secrets"
# From External Secrets Operator 2.10 on.
_OTHER_OWNER = "SecretOwnedByOther"
_GIVEN_UP = frozenset({_OTHER_OWNER, _IMMUTABLE})
AGREE = "choose another target, or agree with its owner"
_DEPLOY = "deploy the newest values, then wait for a refresh"
_FILL = "put into the store what it lacks, then wait for a refresh"
_DELETE = "delete the Secret, and the operator makes it again; pods that run keep what they have read"
# The operator's message where a failing provider left the last good Secret in place with Ready still true, and the one
# of an immutable Secret up to 2.9. The only texts of it that are matched: nothing else in the status tells.
_RETAINED = "secret retained due to DeletionPolicy=Retain"
_NOT_UPDATED = "could not update secret, target is immutable"

# What the operator does not do while it is down.
_LEFT_ALONE = frozenset({ClusterState.SILENT, ClusterState.NOT_REFRESHED})
# These a write mends: a newer spec, or a request to synchronise.
_WRITTEN = frozenset(
    {
        ClusterState.ABSENT,
        ClusterState.OTHER_SPEC,
        ClusterState.NO_TARGET,
        ClusterState.MISSING_KEY,
        ClusterState.EDITED,
        ClusterState.OLDER_VALUE,
        ClusterState.NOT_REFRESHED,
    }
)
# No write of the operator succeeds until a person deletes the Secret.
_STUCK = frozenset({ClusterState.IMMUTABLE, ClusterState.OTHER_TYPE})
# In these states the operator has not read what the environment says, so the time of its last read proves nothing.
_NOT_READ = frozenset({*UNDEPLOYED, ClusterState.NOT_SYNCED, *FAILING})


@dataclass(frozen=True, slots=True)
class DeployedSource:
    """Where the live object comes from, if it is not the compiled one."""

    file: str  # the committed values file of the environment
    is_stale: bool = False  # it is not what the environment compiles to
    namespace: str = ""  # the other namespace where it is live
    owner: str = ""  # the Application that applies its own spec
    application: str = ""  # the environment's own Application, if known, beside such an owner


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a secret is judged by besides its live objects; fields that a caller leaves out are not judged."""

    now: datetime
    # When the store in use got the newest value of the secret; None where that is not known.
    written: datetime | None = None
    # The values that were read for it, which no message may show.
    values: Collection[SecretValue] = ()
    # What the operator notes beside a Secret with the values of the store in use; None where that is not known.
    data_hash: str | None = None
    # Whether a value of the second in which the operator read it counts as read.
    in_same_second: bool = True
    # The mark of the operator's last success when this run, after it had read the stores, asked for another one; None
    # where it did not ask.
    asked: str | None = None
    # The newest sign that the operator runs, of any ExternalSecret.
    newest_sign: datetime | None = None
    # Where the warnings about one that fails are read: without them nobody knows whether it is still tried.
    view: ClusterView | None = None
    # The question whether the cluster is the environment's; None where something of that is there.
    wrong_cluster: ClusterProblem | None = None
    # The operator's Deployments: without them its work alone shows whether it runs.
    operator: Operator | None = None
    # Why the API server took no write of this run; empty where it did, or none was tried.
    refused_write: str = ""
    # The pods that are not ready.
    pods: tuple[ClusterProblem, ...] = ()
    # The workloads to start anew, once the Secret has the value.
    restarts: tuple[ClusterProblem, ...] = ()
    # Asked only where what is live is not what was compiled; None where nobody knows the project's files.
    origin: Callable[[Manifest], DeployedSource | None] = lambda _manifest: None


def problems(manifest: Manifest, live: Live, evidence: Evidence | None = None) -> tuple[ClusterProblem, ...]:
    """Why a manifest is not in effect, the worst problem first; without `evidence`, only by its live objects.

    Raises ClusterError.
    """
    if evidence is not None and evidence.wrong_cluster is not None:
        return (evidence.wrong_cluster,)
    objects = tuple(_external_secret_problems(manifest, live))
    if live.external_secret is not None and live.has_secrets:
        objects += tuple(_secret_problems(manifest, live))
    if live.external_secret is not None and live.has_store:
        values = evidence.values if evidence is not None else ()
        store = store_problems(manifest.store, live.store, manifest.namespace, live.store_warning, values)
        objects += tuple(store)
    if evidence is None:
        return objects
    states = frozenset(each.state for each in objects)
    log_in = tuple(_log_in_problems(manifest, live, states, evidence))
    objects = tuple(_add_cause(each, manifest, live, evidence) for each in objects)
    states = frozenset(each.state for each in objects)
    down = evidence.operator.problem() if evidence.operator is not None else None
    times = tuple(_time_problems(manifest, live, states, evidence))
    times = times or tuple(_refresh_problems(manifest, live, evidence))
    if down is not None:
        times = tuple(each for each in times if each.state not in _LEFT_ALONE)
    found = *log_in, *objects, *times
    every = (*((down,) if down is not None else _webhook_problems(found, evidence)), *found, *evidence.pods)
    # Otherwise a restarted pod might read the earlier value again.
    has_value = all(each.state in OF_PODS for each in every)
    return (*every, *evidence.restarts) if has_value else every


def _webhook_problems(found: Sequence[ClusterProblem], evidence: Evidence) -> Iterator[ClusterProblem]:
    """The problem with the operator's webhook, if it blocks the writes that would fix what was found."""
    if evidence.refused_write:
        yield ClusterProblem(ClusterState.WEBHOOK_REFUSED, evidence.refused_write, _mend_webhook(evidence.operator))
        return
    problem = evidence.operator.webhook_problem() if evidence.operator is not None else None
    if problem is not None and found and all(each.state in _WRITTEN for each in found):
        yield problem


def _mend_webhook(operator: Operator | None) -> str:
    problem = operator.webhook_problem() if operator is not None else None
    if problem is not None:
        return problem.mend
    # On its start this part writes the certificate and gives it to the API server.
    for each in operator.parts(CERTIFICATES) if operator is not None else ():
        namespace, name = place_of(each)
        return kubectl_line("-n", namespace, "rollout", "restart", f"deployment/{name}")
    return kubectl_line("get", "pods", "-A", "-l", f"{NAME_LABEL}={WEBHOOK}")


def _log_in_problems(
    manifest: Manifest, live: Live, states: frozenset[ClusterState], evidence: Evidence
) -> Iterator[ClusterProblem]:
    """The problem that the operator cannot log in to a store which it reports as ready, as it may for a Key Vault."""
    found, view = live.external_secret, evidence.view
    if found is None or view is None or live.store is None or ClusterState.NOT_READY not in states or states & OF_STORE:
        return
    said, _ = failure_text(found, view.warning(found), live.store)
    if is_log_in_failure(said):
        # What it says stands beside each secret.
        yield log_in_problem(manifest.store, live.store, manifest.namespace, said)


def wrong_cluster(view: ClusterView, manifests: Collection[Manifest]) -> ClusterProblem | None:
    """The question whether this is the right cluster, if nothing of the environment is in it, as far as may be read.

    It is asked if it has no ExternalSecret of the chart and none of their stores, and is not known as the right one.
    """
    spaces = dict.fromkeys(each.namespace for each in manifests)
    others = [each for space in spaces for each in view.external_secrets(space).values()]
    first = next(iter(manifests), None)
    if view.is_pinned or (first is not None and any(is_own(other, first) for other in others)):
        return None
    every = [view.live(each) for each in manifests]
    if not every or any(live.external_secret is not None or live.store is not None for live in every):
        return None
    environment = quote(next(iter(manifests)).store.environment)
    what = f"nothing of {environment} is there, no ExternalSecret and none of its stores"
    if not all(live.has_store for live in every):
        what = f"no ExternalSecret of {environment} is there, and whether its stores are there was not asked"
    line = shell_line("kubectl", "config", "get-contexts") if view.name.context is not None else ""
    return ClusterProblem(ClusterState.WRONG_CLUSTER, f"is this the right cluster? {what}: {view.name}", line)


def _add_cause(problem: ClusterProblem, manifest: Manifest, live: Live, evidence: Evidence) -> ClusterProblem:
    """The problem with its exact cause, if the files or the operator's warning show it."""
    found, view = live.external_secret, evidence.view
    if problem.state is ClusterState.NOT_READY and not problem.mend and found is not None and view is not None:
        said, _ = failure_text(found, view.warning(found), live.store)
        if webhook_that_denies(said):
            return replace(problem, mend=ALLOW_WRITE)
        return _refuse_operator(problem, manifest) if is_denied_read(said) else problem
    is_undeployed = problem.state in (ClusterState.ABSENT, ClusterState.OTHER_SPEC)
    origin = evidence.origin(manifest) if is_undeployed else None
    may_alternate = found is not None and problem.state is ClusterState.OTHER_SPEC and problem.mend.startswith(_DEPLOY)
    turns = turns_of_spec(found, evidence.now) if found is not None and may_alternate else ""
    if turns and (origin is None or not (origin.owner or origin.is_stale)):
        message, common = (f"{each}; {turns}" for each in (problem.message, problem.evidence))
        return replace(problem, message=message, mend=ONE_OWNER, evidence=common)
    return _add_origin(problem, origin) if origin is not None else problem


def _add_origin(problem: ClusterProblem, origin: DeployedSource) -> ClusterProblem:
    """The problem that what is live was not compiled from these files, with where it comes from instead."""
    if origin.owner:
        than = f" than {quote(origin.application)}" if origin.application else ""
        said, state = f"{quote(origin.owner)} applies another one{than}", ClusterState.OTHER_OWNER
        common = f"{quote(origin.owner)} applies other ExternalSecrets of these names{than}"
    elif origin.namespace:
        said, state = f"it is in the namespace {quote(origin.namespace)}", ClusterState.OTHER_NAMESPACE
        common = f"the ExternalSecrets are in the namespace {quote(origin.namespace)}"
    elif origin.is_stale:
        state = ClusterState.NOT_COMPILED
        said = common = f"{origin.file} is not what the environment compiles to"
    else:
        return problem
    mend = f"take them out of {quote(origin.owner)}" if state is ClusterState.OTHER_OWNER else problem.mend
    return replace(problem, state=state, message=f"{problem.message}; {said}", mend=mend, evidence=common)


def _refuse_operator(problem: ClusterProblem, manifest: Manifest) -> ClusterProblem:
    store = quote(manifest.store.id)
    message = f"{store} refuses the operator what {quote(manifest.title)} reads"
    return replace(problem, state=ClusterState.FORBIDDEN, message=message, evidence=f"{store} refuses the operator")


def unknowns(manifest: Manifest, live: Live) -> tuple[str, ...]:
    """What is unclear about the live store of a manifest, with remedies, and who else owns keys of its Secret."""
    found = store_unknowns(manifest.store, live.store, manifest.namespace) if live.has_store else ()
    return (
        *(f"{unknown.message}; {unknown.mend}" for unknown in found),
        *(
            # If the operator writes a key with the same value, its earlier owner stays an owner.
            f"{quote(manager)} owns {list_names(keys)} of its Secret, too"
            for manager, keys, _, is_newer in foreign_writers(live)
            if not is_newer
        ),
    )


def foreign_writers(live: Live) -> Iterator[tuple[str, Sequence[str], str, bool]]:
    """Managers other than the operator that own keys of the live Secret.

    For each: its name, the keys, the time, and whether that is after the operator's last success.
    """
    for time, manager, fields in writers(live.secret, "f:data"):
        if _is_operator(manager):
            continue
        if keys := [name.removeprefix("f:") for name in fields if name.startswith("f:")]:
            wrote, refreshed = moment_of(time), refresh_time(live.external_secret or {})
            yield manager, keys, time, wrote is None or refreshed is None or wrote > refreshed


def _is_operator(manager: str) -> bool:
    return manager == _OPERATOR or manager.startswith(_OPERATORS_PREFIX)


def change_times(secret: LiveObject | None) -> dict[str, datetime]:
    """When each key that the operator wrote into a Secret last changed at the latest, if the API server says it.

    A manager that changes a value takes the key away from all who wrote it before. So if others own the key too, all
    wrote the same value, and the earliest of these times counts. A key that only others own, as the operator adopted
    the Secret unchanged, is not in the result.
    """
    every, found = list(writers(secret, "f:data")), dict[str, datetime]()
    for field in {name for _, manager, fields in every if _is_operator(manager) for name in fields}:
        times = [moment_of(time) for time, _, fields in every if field in fields]
        if field.startswith("f:") and (known := list(filter(None, times))):
            found[field.removeprefix("f:")] = min(known)
    return found


def is_own(external_secret: LiveObject, manifest: Manifest) -> bool:
    """Whether the ExternalSecret was written by the chart that renders `manifest`."""
    own = {_FIRST_VALUE, child(manifest.object, "metadata", "labels").get(_OWN_LABEL)}
    return child(external_secret, "metadata", "labels").get(_OWN_LABEL) in own


def is_orphan(manifest: Manifest) -> bool:
    """Whether the Secret has no owner by its creationPolicy: it stays when its ExternalSecret is deleted."""
    return child(manifest.object, "spec", "target").get("creationPolicy") == ORPHAN


def waits_for_a_change(live: Live, name: str) -> bool:
    """Whether the operator has given up on the ExternalSecret `name` until it or its Secret is changed.

    It does not retry if another controller owns the Secret, or if the Secret is immutable.
    """
    owners = controllers_of(live.secret or {})
    reason = ready_reason(live.external_secret or {})
    is_others = bool(owners and owners != [("ExternalSecret", name)])
    return is_others or reason in _GIVEN_UP or is_immutable(live)


def is_immutable(live: Live) -> bool:
    """Whether the operator fails because the Secret is immutable, by its own message or by that field of the Secret."""
    condition = ready_of(live.external_secret or {})
    if not condition or condition.get("status") == "True":
        return False
    said = condition.get("reason") == _IMMUTABLE or str(condition.get("message") or "").startswith(_NOT_UPDATED)
    return said or any("f:immutable" in fields for _, _, fields in writers(live.secret))


def is_deployed_and_ready(manifest: Manifest, view: ClusterView) -> bool:
    """Whether the live ExternalSecret is the compiled one, and the operator reports it as ready."""
    found = view.external_secrets(manifest.namespace).get(manifest.name, {})
    return found.get("spec") == manifest.object.get("spec") and ready_of(found).get("status") == "True"


def _external_secret_problems(manifest: Manifest, live: Live) -> Iterator[ClusterProblem]:
    found, title = live.external_secret, quote(manifest.title)
    if found is None:
        message = f"there is no ExternalSecret {title} in the cluster"
        yield ClusterProblem(ClusterState.ABSENT, message, evidence="the ExternalSecrets are not in the cluster")
        return
    if child(found, "metadata").get("deletionTimestamp"):
        message, common = f"the ExternalSecret {title} is being deleted", "the ExternalSecrets are being deleted"
        if not is_orphan(manifest):
            message, common = f"{message}, and its Secret goes with it", f"{common}, and their Secrets go with them"
        yield ClusterProblem(ClusterState.DELETED, message, evidence=common)
    yield from foreign_external_secret(manifest, found)
    if found.get("spec") != manifest.object.get("spec"):
        message = f"the ExternalSecret {title} is not what was compiled: {describe_difference(manifest.object, found)}"
        mend, common = _DEPLOY, "the ExternalSecrets are not what was compiled"
        if (patch := patch_of_spec(manifest, found)) is not None:
            mend = patch.line if patch.is_needed else f"{_DEPLOY}; then this changes what is left: `{patch.line}`"
            common += ": another has set fields that a deployment leaves" if patch.is_needed else ""
        yield ClusterProblem(ClusterState.OTHER_SPEC, message, mend, evidence=common)
    said = list(_condition_problems(manifest, live, found))
    if not is_synced(found):
        message = f"the operator has not synchronised {title} as it is now"
        common = "the operator has not synchronised the ExternalSecrets as they are now"
        # If only deleting the Secret helps, waiting for the operator is no remedy.
        at = len(said) if any(each.state in _STUCK for each in said) else 0
        said.insert(at, ClusterProblem(ClusterState.NOT_SYNCED, message, evidence=common))
    yield from said


def _condition_problems(manifest: Manifest, live: Live, found: LiveObject) -> Iterator[ClusterProblem]:
    title, secret = quote(manifest.title), quote(manifest.target_title)
    condition, why = ready_of(found), ready_reason(found)
    if is_immutable(live):
        message = f"the Secret {secret} is immutable: the operator cannot update it: {why}"
        yield ClusterProblem(
            ClusterState.IMMUTABLE,
            message,
            _DELETE,
            evidence="the Secrets are immutable: the operator cannot update them",
        )
    elif live.is_other_type:
        yield _type_problem(manifest)
    elif why == _OTHER_OWNER:
        message = f"the ExternalSecret {title} is not ready: {why}: another owner has its Secret"
        common = f"the ExternalSecrets are not ready: {why}: other owners have their Secrets"
        yield ClusterProblem(ClusterState.NOT_READY, message, AGREE, evidence=common)
    elif why is not None:
        message, common = (
            f"{who} not ready: {why}" for who in (f"the ExternalSecret {title} is", "the ExternalSecrets are")
        )
        yield ClusterProblem(ClusterState.NOT_READY, message, evidence=common)
    elif _RETAINED in str(condition.get("message") or ""):
        message = f"the Secret {secret} is an earlier one that was kept"
        yield ClusterProblem(ClusterState.RETAINED, message, evidence="the Secrets are earlier ones that were kept")
    elif condition.get("reason") != _SYNCED:
        message, common = (
            f"{who} ready by {condition.get('reason')}"
            for who in (f"the ExternalSecret {title} is", "the ExternalSecrets are")
        )
        yield ClusterProblem(ClusterState.NOT_READY, message, evidence=common)


def _type_problem(manifest: Manifest) -> ClusterProblem:
    """The problem that the Secret has another type than the compiled one, and the effect of deleting it."""
    wanted = str(child(manifest.object, "spec", "target", "template").get("type"))
    moment = "at its next refresh" if is_orphan(manifest) else "at once"
    waiting = "cannot pull their images until then" if wanted in PULL_TYPES else "wait for it"
    effect = (
        f"no type can be changed. A deleted Secret is created again with that type {moment}: running pods keep what "
        f"they have read, and pods that start before that {waiting}"
    )
    mend = "deploy the newest values, then delete the Secret"
    if manifest.environment:
        status = command_line("status", manifest.environment, "--only", manifest.secret, *asking_cluster())
        mend = f"once the type is deployed, this prints the line that deletes it: {status}"
    message, common = (
        f"{who} not of the type {quote(wanted)}, and {effect}"
        for who in (f"the Secret {quote(manifest.target_title)} is", "the Secrets are")
    )
    return ClusterProblem(ClusterState.OTHER_TYPE, message, mend, evidence=common)


def _secret_problems(manifest: Manifest, live: Live) -> Iterator[ClusterProblem]:
    secret, has_synced, title = live.secret, is_synced(live.external_secret or {}), quote(manifest.target_title)
    target = child(manifest.object, "spec", "target")
    policy, skips, mend = target.get("deletionPolicy") or RETAIN, "", _DEPLOY
    if policy != RETAIN:
        mend, skips = _FILL, f"; with deletionPolicy {policy} the operator leaves out what its store does not have"
    if secret is None:
        yield ClusterProblem(
            ClusterState.NO_TARGET,
            f"there is no Secret {title}{skips}",
            mend,
            evidence="the Secrets are not in the cluster",
        )
        return
    if child(secret, "metadata").get("deletionTimestamp"):
        common = "the Secrets are being deleted"
        yield ClusterProblem(ClusterState.DELETED, f"the Secret {title} is being deleted", evidence=common)
    owners, is_owned = controllers_of(secret), not is_orphan(manifest)
    if not owners and not has_synced and is_owned:
        message = f"nothing owns the Secret {title}: the operator takes it over when it synchronises"
        common = "nothing owns the Secrets: the operator takes them over when it synchronises"
        yield ClusterProblem(ClusterState.NOT_SYNCED, message, evidence=common)
    else:
        yield from foreign_secret(manifest, secret)
    present = keys_of(secret)
    wanted = wanted_keys(manifest.object) if manifest.listed is None else manifest.listed
    if missing := [key for key in wanted if key not in present]:
        message = f"the Secret {title} lacks {list_names(missing)}{skips}"
        yield ClusterProblem(ClusterState.MISSING_KEY, message, mend, evidence="the Secrets lack keys")
    for manager, keys, time, is_newer in foreign_writers(live) if (owners or not is_owned) and has_synced else ():
        if is_newer:
            who = f"{quote(manager)} has written {list_names(keys)} of the Secret {title}"
            common = f"{quote(manager)} has written keys of the Secrets since the operator did"
            message = f"{who} since the operator did{f', at {time}' if time else ''}"
            # The operator watches only Secrets that it owns.
            message += "" if is_owned else "; the operator restores an orphan at its next refresh only"
            yield ClusterProblem(ClusterState.EDITED, message, evidence=common)


def foreign_external_secret(manifest: Manifest, found: LiveObject) -> Iterator[ClusterProblem]:
    """The problem that a live ExternalSecret is not managed by this chart."""
    if not is_own(found, manifest):
        applier, when = _applier_of(found)
        is_foreign = f"not managed by this chart{applier}"
        message = f"the ExternalSecret {quote(manifest.title)} is {is_foreign}{when}; deploying would overwrite it"
        common = f"the ExternalSecrets are {is_foreign}; deploying would overwrite them"
        yield ClusterProblem(ClusterState.FOREIGN, message, AGREE, evidence=common)


def _applier_of(found: LiveObject) -> tuple[str, str]:
    """Who applies an object, by its annotations, else its newest writer, and when, in words; empty if not known."""
    if application := application_of(found):
        return f" but by the Application {quote(application)}", ""
    if release := release_of(found):
        return f" but by the Helm release {quote('/'.join(release))}", ""
    time, manager = max(spec_writers(found), default=("", ""))
    return (f" but by {quote(manager)}", f", which wrote it at {time}") if manager else ("", "")


def foreign_secret(manifest: Manifest, secret: LiveObject) -> Iterator[ClusterProblem]:
    """The problem that a live Secret does not belong to its ExternalSecret."""
    owners, title = controllers_of(secret), quote(manifest.target_title)
    if not owners and is_orphan(manifest) and is_written_for(manifest.name, secret):
        return
    if not owners:
        message = f"the Secret {title} is not managed by an ExternalSecret; deploying would overwrite it"
        common = "the Secrets are not managed by an ExternalSecret; deploying would overwrite them"
        yield ClusterProblem(ClusterState.FOREIGN, message, AGREE, evidence=common)
    elif owners != [("ExternalSecret", manifest.name)]:
        kind, name = owners[0]
        message, common = f"the Secret {title} belongs to the {kind} {quote(str(name))}", "the Secrets belong to others"
        yield ClusterProblem(ClusterState.FOREIGN, message, AGREE, evidence=common)


def is_written_for(name: str, secret: LiveObject) -> bool:
    """Whether the operator wrote data of the Secret for the ExternalSecret `name`."""
    # If others took over every key, the operator's entry is still there.
    managers = {manager for _, manager, fields in writers(secret) if "f:data" in fields}
    return not managers.isdisjoint({f"{_OPERATORS_PREFIX}{name}", _OPERATOR})


def _refresh_problems(manifest: Manifest, live: Live, evidence: Evidence) -> Iterator[ClusterProblem]:
    """The problem that the operator has not synchronised since this run asked it to."""
    if live.external_secret is not None and evidence.asked == success_mark(live.external_secret):
        message = f"the operator has not synchronised {quote(manifest.title)} since this wait began"
        common = "the operator has not synchronised the ExternalSecrets since this wait began"
        yield ClusterProblem(ClusterState.NOT_REFRESHED, message, evidence=common)


def _time_problems(
    manifest: Manifest, live: Live, states: frozenset[ClusterState], evidence: Evidence
) -> Iterator[ClusterProblem]:
    """Problems by the operator's times; `states` are those of the problems found in the objects."""
    found, now, view, fails = live.external_secret, evidence.now, evidence.view, bool(states & FAILING)
    if found is None or ClusterState.DELETED in states:
        return
    # The times do not matter if the operator has synchronised at the request of this run, which came after the
    # stores were read, or if its hash of the Secret's data is the hash of these values.
    noted = child(live.secret or {}, "metadata", "annotations").get(DATA_HASH)
    is_held = noted is not None and noted == evidence.data_hash
    has_answered = evidence.asked is not None and evidence.asked != success_mark(found)
    if not states & _NOT_READ and not is_held and not has_answered:
        yield from older_value(
            found, evidence.written, manifest.target_title, now, in_same_second=evidence.in_same_second
        )
    warning = view.warning(found) if fails and view is not None else None
    # It is unknown when a failing one was last tried, if its warnings were or may not be read.
    is_unknown = fails and (view is None or view.has_refused(EVENTS, manifest.namespace))
    if is_unknown or waits_for_a_change(live, manifest.name):
        return
    failed = moment_of(warning["moment"]) if warning is not None else None
    yield from operator_inactivity(found, manifest.title, now, failed, evidence.newest_sign)
