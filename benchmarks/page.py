"""The speed table as a page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

XLA, XLA_PLAIN = 370, (2000, 2300)  # us per iteration and seed, one thread
LENGTH = 40_000  # iterations of grid25's recipes
HEADINGS = {
    "mlp": "`mlp`, fake-as-real with r1, evaluation and logging at their defaults",
    "dcgan": "`dcgan` 32 x 32, fake-as-real (N0 = 32, f = 8) with r1",
    "resnet32": "`resnet32` in full width, fake-as-real (N0 = 32, f = 8) with r1",
    "conventional32": "`conventional32` in full width, fake-as-real (N0 = 32, f = 8) with r1",
}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row per way of training."""
    lines = [
        "| | iterations x seeds / s | us per iteration x seed | times the plain loop (range) | GFLOP/s | of ceiling |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        low, high = row["range"]
        ratio = f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})" if row["way"] != "plain loop" else "1"
        lines.append(
            f"| {row['way']} | {row['per_second']:,.{0 if row['per_second'] > 100 else 2}f} | "
            f"{row['microseconds']:,.0f} | {ratio} | {row['gflops']:.0f} | {100 * row['share']:.0f} % |"
        )
    return "\n".join(lines)


def costs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Memory and compile times."""
    lines = ["| | peak memory, MiB | compiled from scratch, s | from the cache, s |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        cold = f"{row['cold']:.0f}" if row["compiled"] else ""
        warm = f"{row['warm']:.1f}" if row["compiled"] else ""
        lines.append(f"| {row['way']} | {row['peak_mib']:,.0f} | {cold} | {warm} |")
    return "\n".join(lines)


def growth(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """How the time of a step grows."""
    parts = []
    for axis, rows in found.items():
        values = " | ".join(str(row["value"]) for row in rows)
        times = " | ".join(f"{row['microseconds']:,.0f}" for row in rows)
        rule = " | ".join("---:" for _ in rows)
        parts.append(f"| {axis} | {values} |\n| --- | {rule} |\n| us per iteration and seed | {times} |")
    return "\n\n".join(parts)


def mark(found: Mapping[str, Any]) -> str:
    """What the table does not show: the figures at the end, and how far a loop made by hand would get."""
    best = max(found["mlp"], key=lambda row: float(row["per_second"]))
    low, high = (plain / XLA for plain in XLA_PLAIN)
    text = (
        f"The fastest is {best['way']} with {best['microseconds']:,.0f} us. The mark to approach is a training loop "
        f"written by hand in XLA: {XLA:,} us on another machine, where the plain loop took {XLA_PLAIN[0]:,} to "
        f"{XLA_PLAIN[1]:,} us, that is {low:.1f} to {high:.1f} times the plain loop, against {best['ratio']:.1f} here."
    )
    if "figures" in found:
        share = found["figures"] / (1e-6 * best["microseconds"] * LENGTH)
        text += (
            f" Each run's figures, drawn once at its end, are not in the table: {found['figures']:.1f} s, which is "
            f"{100 * share:.0f} % of what {LENGTH:,} iterations take by the fastest way."
        )
    return text


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    about = found["machine"]
    gpu = "no GPU" if about["gpu"] is None else about["gpu"]
    parts = [
        "# Speed",
        "Made by `python benchmarks/step.py --whole --page docs/results/speed.md`; do not edit.",
        f"{about['cpu']}, {about['cores']} cores ({about['simd']}), {gpu}; torch {about['torch']}, Python "
        f"{about['python']}; {about['threads']} thread(s) on every side; medians of {found['pairs']} pairs, the two "
        "sides of a pair one after the other in one process.",
        "The plain loop is a careful user's: fused Adam, no host synchronisation, losses read every 100 iterations, no "
        "evaluation, no logs, no checkpoints. Ours does the same maths (weights of `mlp`, eager, stacked and compiled, "
        f"agree within {found['largest_difference']:.0e} after 20 iterations in float64, given the same draws). For "
        "`mlp` it is everything the command does after its start: an evaluation of 10,000 samples every 1,000 "
        "iterations, gradient probes and TensorBoard every 200, checkpoints every 2,000. Stacks of more than 10 seeds "
        "are trained in stacks of 8. The ceiling is the time that a step's matrix products take by themselves, batched "
        "over the members (`mlp`), or at the rate of a large matrix product (images).",
    ]
    for name, heading in HEADINGS.items():
        if name in found:
            work = found[name][0]["mflop"]
            parts += [
                f"## {heading}",
                f"{work:,.0f} million floating-point operations per iteration.",
                table(found[name]),
            ]
            if name == "mlp":
                parts.append(mark(found))
            if f"{name}_gpu" in found:
                parts += ["On the GPU, against the plain loop there:", table(found[f"{name}_gpu"])]
            if f"{name}_costs" in found:
                parts.append(costs(found[f"{name}_costs"]))
    if "growth" in found:
        parts += ["## Growth", "The compiled step of `mlp` alone, K = 8 where it is not K that grows:"]
        parts.append(growth(found["growth"]))
    return "\n\n".join(parts) + "\n"
