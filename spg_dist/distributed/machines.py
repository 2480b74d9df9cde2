"""What the nodes of the cluster compute with, for the record of what work cost."""

from __future__ import annotations

from spg_dist.distributed.session import ray
from spg_dist.processor import processor

from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # isort: skip - after session has set Ray's environment

ANSWER_SECONDS = 30.0
NO_ANSWER = "a processor that did not say its name"
ACCELERATOR = "accelerator_type:"


def processors_of_nodes() -> tuple[str, ...]:
    """The processors of all nodes that do work, each once; a node that is slow to answer is not waited for long."""
    here = ray.get_runtime_context().get_node_id()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    asked = [
        ray.remote(_processor)
        .options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
        .remote()
        for node in nodes
        if node != here
    ]
    answered, silent = ray.wait(asked, num_returns=len(asked), timeout=ANSWER_SECONDS) if asked else ([], [])
    for late in silent:
        ray.cancel(late, force=True)
    names = [processor()] * (here in nodes) + [_name(answer) for answer in answered] + [NO_ANSWER] * bool(silent)
    return tuple(dict.fromkeys(names))


def _processor() -> str:
    """Ray takes plain functions only."""
    return processor()


def _name(answer: ray.ObjectRef[str]) -> str:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError:  # the node died, or its environment lacks something: the work itself will say so
        return NO_ANSWER


def accelerators_of_nodes() -> tuple[str, ...]:
    """Their types, as Ray knows them: "H100"."""
    found = {
        name for node in ray.nodes() if node["Alive"] for name in node["Resources"] if name.startswith(ACCELERATOR)
    }
    return tuple(sorted(name.removeprefix(ACCELERATOR) for name in found)) or ("GPU",)
