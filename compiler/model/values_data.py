"""Defines the types that a values file may hold; no numbers and nulls, which Helm reads in its own way."""

from __future__ import annotations

from typing import TypeAlias

ValuesData: TypeAlias = "dict[str, ValuesData] | list[ValuesData] | str | bool"

# The key of all that the chart prints.
EXTERNAL_SECRETS = "externalSecrets"
# The keys of the stores that it prints.
STORES = ("clusterSecretStores", "secretStores")
# The key of the label that all of it carries.
PART_OF_VALUE = "partOf"
# The key by which the chart prints nothing without an error.
ALLOW_EMPTY = "allowEmpty"
