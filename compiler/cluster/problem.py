"""Names the live states of a secret, and the problems that keep it from being in effect."""

from dataclasses import dataclass
from enum import StrEnum


class ClusterState(StrEnum):
    """The live state of a secret in a word: what keeps it from being in effect."""

    NOT_ASKED = "not-asked"
    IN_EFFECT = "in-effect"
    WRONG_CLUSTER = "wrong-cluster"  # nothing of the environment is there, and it may be another one's
    ABSENT = "absent"  # there is no such ExternalSecret
    DELETED = "being-deleted"  # it, or the Secret, is being deleted
    FOREIGN = "foreign"  # it, or the Secret, is not this chart's
    OTHER_SPEC = "other-spec"  # the cluster has not been given the compiled one
    NOT_COMPILED = "values-not-compiled"  # nor can it be: the committed values file is not what compiles
    OTHER_NAMESPACE = "other-namespace"  # it is in another namespace
    OTHER_OWNER = "other-owner"  # another Application applies its own
    NOT_SYNCED = "not-synced"  # the operator has not synchronised this generation
    NOT_READY = "not-ready"
    FORBIDDEN = "operator-forbidden"  # the store lets the operator in, and refuses it this secret
    IMMUTABLE = "immutable"  # the Secret is, so that the operator cannot update it
    OTHER_TYPE = "other-type"  # the Secret has another type than the compiled one, which nobody can change
    RETAINED = "retained"  # the Secret is an earlier one, kept because the store's has gone
    NO_TARGET = "no-target"  # there is no Secret
    MISSING_KEY = "missing-key"
    EDITED = "edited"  # somebody else has written keys of the Secret since the operator did
    STORE_MISSING = "store-missing"  # its store object is
    STORE_LOG_IN = "store-log-in-failed"  # the operator's credential for the store is refused, or not to be had
    STORE_NOT_READY = "store-not-ready"  # its store object is not ready, not checked yet, or being deleted
    STORE_VERSION = "store-version"  # its store object says another KV version
    STORE_ELSEWHERE = "other-store"  # its store object leads to another store
    STORE_CLOSED = "store-closed"  # its store object does not allow the namespace
    OLDER_VALUE = "older-value"  # the value was written after the operator last read it
    NOT_REFRESHED = "not-refreshed"  # the operator was asked to synchronise, and has not yet
    SILENT = "operator-silent"  # nothing shows that the operator runs
    OPERATOR_DOWN = "operator-down"  # no pod of the operator that serves the store is ready
    WEBHOOK_DOWN = "webhook-down"  # no pod of its webhook is, so that what mends the secret is refused
    WEBHOOK_REFUSED = "webhook-refused"  # the webhook kept the API server from a write of this run
    PODS = "pods-not-ready"
    RESTART = "restart-needed"


# Of the store object, or what the operator does by it.
OF_STORE = frozenset(
    {
        ClusterState.STORE_MISSING,
        ClusterState.STORE_LOG_IN,
        ClusterState.STORE_NOT_READY,
        ClusterState.STORE_VERSION,
        ClusterState.STORE_ELSEWHERE,
        ClusterState.STORE_CLOSED,
    }
)
# The operator says the cause of these.
FAILING = frozenset({ClusterState.NOT_READY, ClusterState.FORBIDDEN, ClusterState.IMMUTABLE, ClusterState.RETAINED})
# What is live is not what was compiled.
UNDEPLOYED = frozenset(
    {
        *(ClusterState.OTHER_SPEC, ClusterState.NOT_COMPILED),
        *(ClusterState.OTHER_NAMESPACE, ClusterState.OTHER_OWNER),
    }
)
# The Secret has the value, and pods are still to be started or are starting.
OF_PODS = frozenset({ClusterState.PODS, ClusterState.RESTART})


# What a person does first where a write of the operator is denied.
ALLOW_WRITE = "have the owner of the admission webhook allow what the operator writes"
# What a person does first where two may apply an object in turn: each deploys, and the other one undoes it.
ONE_OWNER = "let only one apply them: two undo each other's changes"


@dataclass(frozen=True, slots=True)
class ClusterProblem:
    """What keeps a secret from being in effect; of what the operator or a store says, `message` has no value."""

    state: ClusterState
    message: str
    # The line, or the words, that mend it, where that follows from the cluster alone.
    mend: str = ""
    # Whether it is only not proven that a live store is the written one.
    is_unproven: bool = False
    # What many secrets have in common that have it for the same cause, without their names; the message if empty.
    evidence: str = ""
