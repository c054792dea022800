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

from compiler.rules.api import INPUT, WARNING, Finding, Findings, Node, rule


@rule("unused-waiver", WARNING, INPUT)
def check(waived: str, reason: Node) -> Findings:
    """That no finding needs the waiver of the rule `waived`, whose `reason` is that node."""
    yield Finding(f'this waiver is unused: "{waived}" has no finding here', reason.key_span, help="remove it")
