"""From setups to a loop that can run: executors, draws, probes, logs; from checkpoints when resuming."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch

from ..diagnostics.remedy import Remedy
from ..engine.draws import Draws
from ..engine.executor import Eager
from ..errors import InputError
from ..files import write_json
from ..runs import checkpoint
from ..runs.folder import RunFolder
from ..runs.interventions import interventions
from ..runs.log import Log
from ..runs.records import read_records
from ..runs.run import Run
from .checks import check_shapes
from .evaluators import evaluator_of
from .journal import Journal, restore
from .loop import Loop
from .obstacles import obstacle
from .plan import Plan
from .probes import Probes
from .rollback import Guard, fresh_draws, healed, taken
from .selection import settled
from .setup import Setup, equilibrium_of, notes_of


@dataclass(frozen=True)
class Order:
    """One run that is to be trained: what, where, and who is told."""

    setup: Setup
    folder: RunFolder | None
    on_tick: Callable[[int, dict[str, float]], None]


class Enlisted(NamedTuple):
    """One run that is ready, and the checkpoint that it goes on from."""

    journal: Journal
    run: Run
    saved: dict[str, Any] | None
    note: str = ""  # what a user should be told of it


def start(
    orders: Sequence[Order],
    plan: Plan,
    horizon: int,
    resume: bool,
    until: int | None = None,
    alone: str | None = None,
    steps: dict[Hashable, Callable[..., Any]] | None = None,
) -> tuple[Loop, list[Run]]:
    """Builds everything, checks it against the folders, and goes back to the newest checkpoint when resuming.

    Several orders become the members of a stack; they must have a checkpoint of one iteration in common, or none. The
    plan says what is wished for; what came of it is stored with the runs. Runs that are done and measured at `until`
    are only opened: nothing is written. alone: why a run is trained alone, though others were to come with it.
    steps: compiled steps that stacks of equal runs share.
    """
    settings = [order.setup.saved_settings(horizon) for order in orders]
    assert all(order.setup.trainable for order in orders)  # known now, before everything is frozen
    for order, own in zip(orders, settings, strict=True):
        if order.folder is not None:
            order.folder.check(own, resume)
    at = common([order.folder for order in orders]) if resume else None
    enlisted = [enlist(order, plan, own, at) for order, own in zip(orders, settings, strict=True)]
    journals = [each.journal for each in enlisted]
    first, setup = journals[0], orders[0].setup
    loop = Loop(first.executor, journals, first.draws.block, setup.schedule, horizon, setup.rhythm, first.iteration)
    loop.looks = setup.monitor is not None
    saved = enlisted[0].saved
    if until is not None and all(done(each, order, until) for each, order in zip(enlisted, orders, strict=True)):
        loop.opened = True
        return loop, [each.run for each in enlisted]
    stored = None if saved is None else str(saved["plan"].get("compile"))
    plan, told, logged = settled(plan, loop, stored, lambda: obstacle([setup], alone=True), steps)
    if alone is not None:
        told = [f"one seed after the other: {alone}", *told]
    missing = [each.note for each in enlisted[:1] if each.note]
    told = [*notes_of(setup.opponents, journals[0].executor.critics), *missing, *told]
    for order, each in zip(orders, enlisted, strict=True):
        write_down(each, order, plan, told, logged)
    return loop, [each.run for each in enlisted]


def common(folders: Sequence[RunFolder | None]) -> int | None:
    """The newest iteration of which every folder has a checkpoint; None when none has any.

    Raises InputError when there are some, but not of one iteration.
    """
    kept = [set() if f is None else {int(path.stem) for path in checkpoint.listed(f.checkpoints)} for f in folders]
    if not any(kept):
        return None
    shared = set.intersection(*kept)
    if not shared:
        told = ", ".join(f"{f.path} {max(own, default=0)}" for f, own in zip(folders, kept, strict=True) if f)
        raise InputError(f"expected checkpoints of one iteration to go on from together, got {told}: resume each alone")
    return max(shared)


def enlist(order: Order, plan: Plan, settings: dict[str, Any], at: int | None) -> Enlisted:
    """Builds everything of a run, and puts it where its checkpoint of iteration `at` is."""
    setup, folder = order.setup, order.folder
    done = [] if at is None or folder is None else interventions(folder)
    if folder is not None and done:
        remedy = Remedy() if setup.monitor is None else setup.monitor.remedy
        setup = healed(setup, remedy, taken(folder, done, remedy))
    saved = None if at is None or folder is None else checkpoint.read(folder.checkpoints / checkpoint.name(at))
    for network in setup.networks:
        network.to(setup.device, setup.dtype)
        if plan.layout == "channels_last":
            network.to(memory_format=torch.channels_last)
    generator = torch.Generator(setup.device).manual_seed(setup.seed)
    draws = Draws(setup.needs, setup.source.stream(setup.seed), setup.latent, generator, setup.prior)
    optimizers = setup.optimizer, setup.optimizer
    executor = Eager(setup.G, setup.opponents, setup.sides, optimizers, setup.rates, setup.ema, setup.precision)
    check_shapes(setup, executor)
    evaluate, note = evaluator_of(setup)
    run = new_run(setup, executor, folder, settings)
    run.protocol = str(getattr(evaluate, "protocol", ""))
    run.protocols = dict(getattr(evaluate, "protocols", {}))
    run.reference = dict(getattr(evaluate, "reference", {}))
    journal = Journal(
        executor=executor,
        draws=draws,
        probes=Probes(
            executor,
            setup.source,
            setup.latent,
            setup.seed,
            setup.device,
            evaluate,
            setup.prior,
            setup.monitor is not None,
        ),
        plan=plan,
        rhythm=setup.rhythm,
        log=Log(folder, []),
        folder=folder,
        settings=settings,
        equilibrium=run.equilibrium,
        extras=extras(setup, run),
        on_tick=order.on_tick,
    )
    if setup.monitor is not None:
        journal.judge = setup.monitor.judge(run.equilibrium[0])
        journal.guard = Guard(setup.monitor.policy, setup.monitor.times, setup.monitor.remedy, done)
    if saved is not None:
        assert folder is not None
        if done:
            random = fresh_draws(saved["state"].random, setup.seed, done, int(saved["state"].iteration))
            saved["state"] = saved["state"]._replace(random=random)
        go_back(journal, folder, saved)
    return Enlisted(journal, run, saved, note)


def go_back(journal: Journal, folder: RunFolder, saved: dict[str, Any]) -> None:
    """Puts the checkpoint's state back; raises InputError when it was made with other data."""
    if saved.get("data") != journal.extras["data"]:
        raise InputError(
            f"{folder.path} was made with other training data than what is given now: resume with the same data, or "
            "choose another --out"
        )
    restore(saved["state"], journal.executor, journal.draws)
    journal.iteration, journal.sums = int(saved["state"].iteration), dict(saved["state"].sums)


def done(each: Enlisted, order: Order, until: int) -> bool:
    """Whether a run was trained and measured up to `until` before; then it is read as it stands."""
    journal, run, saved, _ = each
    if saved is None or order.folder is None or journal.iteration < until:
        return False
    records = read_records(order.folder.metrics)
    last = records[-1] if records else {"iteration": -1}
    if last["iteration"] != journal.iteration:
        return False
    if journal.iteration % journal.rhythm.evaluate and not last.get("final"):
        return False
    journal.log = Log(order.folder, records)
    timing = read_records(order.folder.timing)
    journal.seconds = float(timing[-1]["seconds"]) if timing else 0.0
    run.metrics, run.events = journal.log.records, journal.log.events
    return True


def write_down(each: Enlisted, order: Order, plan: Plan, told: Sequence[str], logged: Sequence[str]) -> None:
    """Settings and plan, only now that the run is known to start, and its logs cut back to where it stands."""
    journal, run, saved, _ = each
    journal.plan = plan
    folder = order.folder
    if folder is not None:
        if saved is None:
            folder.clear()
        else:
            folder.cut_back(journal.iteration)
            journal.log = Log(folder, read_records(folder.metrics))
            journal.reconsider(journal.log.records)
            timing = read_records(folder.timing)
            journal.seconds = float(timing[-1]["seconds"]) if timing else 0.0
        write_json(folder.settings, journal.settings)
        write_json(folder.plan, asdict(plan))
        journal.log.say(f"{'resumed at' if saved else 'started at'} iteration {journal.iteration}: {plan.told()}")
        for note in (*order.setup.source.notes, *told, *logged):
            journal.log.say(note)
    differing = [] if saved is None else plan.differences(saved["plan"])
    if differing:
        journal.log.event(f"not bit-identical: {'; '.join(differing)}")
    run.notes = [*told]
    run.metrics, run.events = journal.log.records, journal.log.events


def new_run(setup: Setup, executor: Eager, folder: RunFolder | None, settings: dict[str, Any]) -> Run:
    """The run as the user sees it, on the networks that are being trained."""
    source, opponents = setup.source, setup.opponents
    several = len(opponents) > 1
    return Run(
        path=None if folder is None else folder.path,
        G=setup.G if executor.average is None else executor.average.network,
        G_live=setup.G,
        D={name: o.critic for name, o in opponents.items()} if several else next(iter(opponents.values())).critic,
        latent=setup.latent,
        settings=settings,
        metrics=[],
        equilibrium=equilibrium_of(opponents),
        units=None if source.offset is None or source.scale is None else (source.offset, source.scale),
        device=setup.device,
        prior=setup.prior,
        data=about(setup),
        latent_dim=setup.latent_dim,
        network_settings=setup.network_settings,
    )


def about(setup: Setup) -> dict[str, Any]:
    """What is worth knowing of the training data without having it, as plain types."""
    source = setup.source
    return {
        "name": source.name,
        "shape": list(source.shape),
        "size": source.size,
        "image": source.image,
        "class_names": list(source.class_names),
        "class_counts": None if setup.prior is None else setup.prior.bincount(minlength=source.classes or 0).tolist(),
        "licence": source.licence,
        "digest": source.fingerprint(),
    }


def extras(setup: Setup, run: Run) -> dict[str, Any]:
    """What a checkpoint holds beside the state, so that `load` needs nothing else."""
    offset, scale = setup.source.offset, setup.source.scale
    units = {} if offset is None or scale is None else {"offset": offset.cpu(), "scale": scale.cpu()}
    return {
        "latent_dim": setup.latent_dim,
        "equilibrium": list(run.equilibrium),
        "protocol": run.protocol,
        "protocols": {name: protocol.plain() for name, protocol in run.protocols.items()},
        "reference": run.reference,
        "networks": setup.network_settings,
        "units": units,
        "data": run.data["digest"],
        "about": run.data,
    }
