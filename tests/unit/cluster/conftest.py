"""What the operator is judged with: two agents in the API double."""

from tests.unit.operations.status_world import world

__all__ = ["world"]
