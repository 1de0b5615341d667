"""Measure what a server does, in the form that Prometheus reads.

What the engine counts is read from it when somebody asks. Times are histograms, from which p50, p95 and p99 follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fullstack_llm.engine.engine import Counts, Engine

# Bounds in seconds, two or three to a factor of ten: a step of a small model takes milliseconds, a full queue minutes.
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
EXPLAINED = {
    "steps": "Steps of the engine",
    "tokens": "Tokens that went through the model",
    "hits": "Tokens whose keys and values the prefix cache had",
    "chosen": "Tokens that were generated",
    "drafted": "Tokens that were guessed",
    "accepted": "Guesses that were right",
    "preempted": "Sequences that lost their blocks",
    "copied": "Blocks that were copied",
}


class Metrics(Collector):
    """Hold the measures of one server, in a registry of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.registry = engine, CollectorRegistry()
        self.answers = Counter("engine_http_requests", "Answers", ["path", "status"], registry=self.registry)
        self.queue = self._times("engine_queue_seconds", "From a request's arrival to its first step")
        self.first = self._times("engine_first_token_seconds", "From a request's arrival to a sequence's first token")
        self.between = self._times("engine_between_tokens_seconds", "Between two tokens of a sequence")
        self.whole = self._times("engine_request_seconds", "From a request's arrival to the end of its answer")
        self.registry.register(self)

    def _times(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=BOUNDS, registry=self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield what the engine holds now, and what it has counted."""
        scheduler, manager = self.engine.scheduler, self.engine.manager
        now = {
            "running": ("Sequences that run", len(scheduler.running)),
            "waiting": ("Sequences that wait", sum(each.width for each in list(scheduler.waiting))),
            "blocks": ("Blocks of the cache", manager.blocks),
            "blocks_free": ("Blocks that can be handed out, idle ones of the prefix cache among them", manager.room),
            "blocks_idle": ("Blocks that nobody holds and the prefix cache may find", len(manager.idle)),
        }
        for name, (text, value) in now.items():
            yield GaugeMetricFamily(f"engine_{name}", text, value)
        for name in (field.name for field in fields(Counts)):
            yield CounterMetricFamily(f"engine_{name}", EXPLAINED[name], getattr(self.engine.counts, name))
