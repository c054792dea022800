"""Holds the input of one run: the catalogue, the chosen environments, and whether these are all of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.catalogue import Catalogue
    from compiler.model.environment import Environment


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """The environments of a run, in the order of names; `names` are all that have a file.

    `values_files` are the `values-<env>.yaml` in the chart's folder, by environment name, as paths shown to people.
    """

    catalogue: Catalogue
    environments: tuple[Environment, ...]
    names: tuple[str, ...]
    values_files: Mapping[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether this run compiles every environment there is."""
        return len(self.environments) == len(self.names)
