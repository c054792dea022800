"""A waiver has no finding to waive.

The finding it was written for is gone, or lies elsewhere. If it stays, it silently covers the next finding of its
rule, which nobody has reviewed. In a file that several environments share, a waiver counts as used when one of the
environments of the run needs it.

    secrets:
      github:
        waive: {shared-place: staging and prod share one GitHub App}     # and they no longer do

Take the waiver out, or move it to the secret, store or environment that needs it:

    secrets:
      github: {}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Node

RULE = Rule("unused-waiver", Severity.WARNING, Scope.INPUT, page=__doc__)


def diagnostic(rule: str, reason: Node) -> Diagnostic:
    """The finding that the waiver of `rule` whose `reason` is that node is needed by none."""
    message = f'this waiver is unused: "{rule}" has no finding here'
    return RULE.diagnostic(Finding(message, reason.key_span, help="remove it"))
