"""What a values file may hold: maps, lists, strings and booleans, since Helm reads numbers and nulls in its own way."""

from __future__ import annotations

from typing import TypeAlias

ValuesData: TypeAlias = "dict[str, ValuesData] | list[ValuesData] | str | bool"

# The key of all that the chart prints.
EXTERNAL_SECRETS = "externalSecrets"
