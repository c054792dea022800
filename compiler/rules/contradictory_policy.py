"""A Secret that the operator does not own is to be deleted by it.

With `deletionPolicy: Delete` the operator deletes the Secret when no remote secret of it is left, which it may do only
for one that it owns. Its webhook lets `creationPolicy: Orphan` pass, and the controller fails on it later, when the
Secret should go.

    github:
      creationPolicy: Orphan
      deletionPolicy: Delete

Leave one of the two out:

    github:
      deletionPolicy: Delete
"""

from compiler.model.environment import DELETE, ORPHAN
from compiler.rules.api import CATALOGUE, ERROR, Catalogue, Finding, Findings, Related, quote, rule


@rule("contradictory-policy", ERROR, CATALOGUE)
def check(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.deletion_policy == DELETE and entry.creation_policy == ORPHAN:
            yield Finding(
                f"the operator does not own the Secret of {quote(entry.id)}, and so may not delete it",
                entry.node.nearest("deletionPolicy"),
                help="leave out `creationPolicy`, so that it owns the Secret, or `deletionPolicy`, so that it keeps it",
                related=(Related("the other policy", entry.node.nearest("creationPolicy").span),),
                scope=("secrets", entry.id),
            )
