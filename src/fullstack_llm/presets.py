"""One dial for scale: the same notebook runs on two CPU cores or fills a GPU."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

T = TypeVar("T")
Name = Literal["cpu", "gpu"]
VARIABLE = "FULLSTACK_LLM_PRESET"


@dataclass(frozen=True)
class Preset:
    """Hold the scale at which a notebook runs.

    >>> Preset("gpu").device
    'cuda'
    """

    name: Name

    @property
    def device(self) -> str:
        """Return the torch device that goes with the preset."""
        return "cuda" if self.name == "gpu" else "cpu"


@cache
def preset() -> Preset:
    """Return the active preset: `FULLSTACK_LLM_PRESET` if it is set, else `gpu` if torch finds one, else `cpu`.

    Raises ValueError for another name, and RuntimeError if `gpu` is asked for on a machine without a GPU.
    """
    name = os.environ.get(VARIABLE, "").strip().lower()
    if name == "cpu":
        return Preset("cpu")
    if name not in ("", "gpu"):
        raise ValueError(f"{VARIABLE}={name!r} is not a preset; use 'cpu' or 'gpu', or leave it unset to find out.")
    import torch  # after the environment: the CPU lane of a notebook that needs no torch does not pay for it

    if torch.cuda.is_available():
        return Preset("gpu")
    if name == "gpu":
        raise RuntimeError(f"{VARIABLE}=gpu, but torch finds no GPU here; unset it, or run where there is one.")
    return Preset("cpu")


def pick(*, cpu: T, gpu: T) -> T:
    """Return the value for the active preset: `steps = pick(cpu=200, gpu=20_000)`."""
    return gpu if preset().name == "gpu" else cpu
