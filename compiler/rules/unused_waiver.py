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

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Rule, Scope

RULE = Rule("unused-waiver", Severity.WARNING, Scope.INPUT, page=__doc__)
