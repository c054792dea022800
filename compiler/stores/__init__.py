"""The stores that hold secrets: one interface, one adapter per provider, opened by `compiler.stores.open_store`."""
