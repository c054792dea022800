"""The shipped providers by name, for tests that are about one of them."""

from compiler.stores.registry import PROVIDERS

VAULT, KEY_VAULT = PROVIDERS["vault"], PROVIDERS["azurekv"]
