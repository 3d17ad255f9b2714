"""What a run leaves: networks, settings, records; in memory or read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import InputError
from . import checkpoint
from .draws import Latent, normal_latent
from .folder import RunFolder, read_json, read_records
from .plan import choose_device
from .sampling import generate, latents
from .state import TrainState, load_network


class Run:
    """A trained GAN: `G` is the average when there is one, `G_live` the network as trained, `D` its opponent(s).

    `settings` and `metrics` (one record per tick) are plain data; `events` are the lines a user should hear of.
    """

    def __init__(
        self,
        *,
        path: Path | None,
        G: nn.Module,
        G_live: nn.Module,
        D: nn.Module | Mapping[str, nn.Module],
        latent: Latent,
        settings: dict[str, Any],
        metrics: list[dict[str, Any]],
        equilibrium: tuple[float | None, float | None] = (None, None),
        units: tuple[Tensor, Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.path, self.G, self.G_live, self.D = path, G, G_live, D
        self.settings, self.metrics, self.equilibrium = settings, metrics, equilibrium
        self.device = device or torch.device("cpu")
        self.iteration = 0
        self.wall_time = 0.0  # seconds of training
        self.iterations_per_second = 0.0
        self.events: list[str] = []
        self.protocol = ""
        self._latent, self._units = latent, units

    def sample(self, n: int, seed: int = 0, weights: Literal["ema", "live"] = "ema") -> Tensor:
        """n samples (n, *shape) in the data's units; the first 8 of `sample(64, s)` are `sample(8, s)`.

        weights: "ema" for the average (the live network where there is none), "live" for the network as trained.
        Raises InputError for n below 1 or other weights.
        """
        if n < 1:
            raise InputError(f"expected at least 1 sample, not {n}: raise n")
        if weights not in ("ema", "live"):
            raise InputError(f"weights must be 'ema' or 'live', not {weights!r}")
        z = latents(self._latent, n, seed, self.device)
        x = generate(self.G if weights == "ema" else self.G_live, z, n)
        if self._units is not None:
            offset, scale = self._units
            x = x * scale.to(x) + offset.to(x)
        return x


def load(path: str | Path, G: nn.Module | None = None, D: Any = None, device: str = "auto") -> Run:
    """Reads a run back from its folder, at its newest checkpoint.

    The networks of a recipe's run are built from its settings; those of your own modules are given as `G` and `D` (a
    module, or a mapping of them), as they were before training. Raises InputError when the folder holds no run.
    """
    folder = RunFolder(Path(path))
    if not folder.settings.exists():
        raise InputError(f"{path} holds no run (no settings.json): give the folder that train printed")
    newest = checkpoint.latest(folder.checkpoints)
    if newest is None:
        raise InputError(f"{path} holds no checkpoint yet: start it with --resume")
    content = checkpoint.read(newest)
    state: TrainState = content["state"]
    settings = read_json(folder.settings)
    where = choose_device(device)
    if G is None or D is None:
        if "recipe" not in settings:
            raise InputError(f"{path} was trained with modules of your own: call load(path, G=..., D=...) with them")
        from ..recipes.build import networks

        built_g, built_d = networks(content["networks"])
        G, D = G or built_g, D or built_d
    D = deepcopy(D)
    opponents: dict[str, nn.Module] = dict(D) if isinstance(D, Mapping) else {"D": D}
    live, average = deepcopy(G), deepcopy(G)
    for network in (live, average, *opponents.values()):
        network.to(dtype=getattr(torch, content["plan"]["dtype"]))
    load_network(live, state.networks["G"], "G")
    if state.ema:
        load_network(average, state.ema, "the average of G")
    for name, network in opponents.items():
        load_network(network, state.networks.get(name, {}), name)
    for network in (live, average, *opponents.values()):
        network.to(where).eval().requires_grad_(False)
    dim = content.get("latent_dim")
    run = Run(
        path=Path(path),
        G=average if state.ema else live,
        G_live=live,
        D=opponents if isinstance(D, Mapping) else D,
        latent=normal_latent(int(dim), next(live.parameters()).dtype) if dim else _no_latent,
        settings=settings,
        metrics=read_records(folder.metrics),
        equilibrium=tuple(content["equilibrium"]),
        units=None if not content.get("units") else (content["units"]["offset"], content["units"]["scale"]),
        device=where,
    )
    timing = read_records(folder.timing)
    run.iteration = int(state.iteration)
    run.wall_time = float(timing[-1]["seconds"]) if timing else 0.0
    run.iterations_per_second = float(timing[-1]["iterations_per_second"]) if timing else 0.0
    run.protocol = str(content.get("protocol", ""))
    return run


def _no_latent(n: int, generator: torch.Generator) -> Tensor:
    raise InputError("this run drew its latents with a function of its own: call run.G(z) with your latents")
