"""Defines how an adapter works with its store, the same for every provider; the defaults suit a command."""

import random
from collections.abc import Callable, Mapping
from dataclasses import field

from compiler.model.record import dataclass
from compiler.stores.interface import Cluster
from compiler.stores.sending.clock import Clock, SystemClock
from compiler.stores.sending.limiter import Quota, RequestClass
from compiler.stores.sending.retry import RetryPolicy, unheard


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """`workers` threads share the adapter; `quotas` None means the provider's own limits; timeouts are in seconds.

    `on_contact` is called once with who the server says it is, before a log-in. `on_wait` is called with a sentence
    about what an operation waits for that has taken `silent` seconds, and not again before another reason.
    """

    workers: int = 16
    quotas: Mapping[RequestClass, Quota] | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=SystemClock)
    chance: Callable[[], float] = random.random
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    on_contact: Callable[[Cluster | None], None] = unheard
    on_wait: Callable[[str], None] = unheard
    silent: float = 5.0
