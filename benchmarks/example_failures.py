"""What goes wrong in each example, what the monitor says of it, and which remedy helps: the tables of docs/examples.

    python benchmarks/example_failures.py [NAME ...] [--seeds 3] [--records FILE] [--write]

Each example is run as it is, with one setting made bad on purpose, and with that and one remedy more. A setting is a
passage of the example that is replaced by another, so the page can show what was changed. Finished runs are kept in a
file of records, and are not run again; --write makes the tables from it. Half an hour on one core for all.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import re
import statistics
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch

ROOT = Path(__file__).parent.parent
SEED = "torch.manual_seed(0)"
KEPT = ("iteration", "verdict", "causes", "reason", "quality", "paired_distance", "detail", "adv_share", "logit_gap")
NUMBER = r"(-?\d+(?:\.\d+)?|nan)"


class Change(NamedTuple):
    """Passages of an example, each replaced by another; `name` as the table says it."""

    name: str
    edits: tuple[tuple[str, str], ...] = ()

    def apply(self, text: str) -> str:
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"expected one {old!r} in the example, got {text.count(old)}: mend the change")
            text = text.replace(old, new)
        return text


class Case(NamedTuple):
    """An example, the setting that breaks it, and what may mend it.

    figures: what the example prints at its end, a pattern with one number for each heading.
    """

    example: str
    headings: tuple[str, ...]
    figures: str
    broken: Change
    remedies: tuple[Change, ...]

    def ways(self) -> Iterator[tuple[str, str]]:
        """(name, text) of the example as it is, broken, and broken with each remedy."""
        text = (ROOT / "examples" / f"{self.example}.py").read_text(encoding="utf-8")
        yield "as it is", text
        broken = self.broken.apply(text)
        yield self.broken.name, broken
        for remedy in self.remedies:
            yield f"and {remedy.name}", remedy.apply(broken)


def same(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return ((old, new),)


def spectral(line: str, layers: str) -> tuple[tuple[str, str], ...]:
    """torch's spectral norm for D's layers of a kind, after the line that makes D."""
    norm = "nn.utils.parametrizations.spectral_norm(layer)"
    loop = f"for layer in D.modules():\n    if isinstance(layer, {layers}):\n        {norm}\n"
    return same(line, f"{line}{loop}")


CASES = (
    Case(
        "dcgan_sigmoid",
        (),
        "",
        Change(
            "D's rate times 50, no r1",
            (
                ("torch.optim.Adam(D.parameters(), lr=2e-3", "torch.optim.Adam(D.parameters(), lr=1e-1"),
                ("sg.penalties.r1(0.1)", "sg.penalties.r1(0.0)"),
            ),
        ),
        (
            Change("r1(1)", same("sg.penalties.r1(0.0)", "sg.penalties.r1(1.0)")),
            Change(
                "fake-as-real",
                same(
                    "    d_loss = sg.d_loss(loss_of, judge, x, y.detach(), [r1])",
                    "    far = sg.methods.FakeAsReal(8)\n"
                    "    sides = far.apply(judge, x, y.detach(), candidates=lambda n: G(torch.randn(n, Z, 1, 1)))\n"
                    "    d_loss = sg.d_loss(loss_of, judge, *sides, [r1])",
                ),
            ),
        ),
    ),
    Case(
        "wgan_gp",
        ("modes of 8", "high-quality, %"),
        "modes: # of 8, high-quality samples: # %",
        Change(
            "no penalty, rates times 3",
            (("[sg.penalties.one_gp(0.1)]", "[]"), ('group["lr"] = 1e-3', 'group["lr"] = 3e-3')),
        ),
        (
            Change("one_gp(0.1), as it was", same("Wasserstein(), []", "Wasserstein(), [sg.penalties.one_gp(0.1)]")),
            Change("spectral norm", spectral("G, D = mlp(Z, 2), mlp(2, 1)\n", "nn.Linear")),
        ),
    ),
    Case(
        "patch_translation",
        ("edges (real 0.479)", "error (blurred 0.329)"),
        "sharpened #, .*sharpened #",
        Change(
            "rates times 25, no r1",
            (
                ("torch.optim.Adam(G.parameters(), lr=2e-3", "torch.optim.Adam(G.parameters(), lr=5e-2"),
                ("torch.optim.Adam(D.parameters(), lr=2e-3", "torch.optim.Adam(D.parameters(), lr=5e-2"),
                ('[sg.penalties.r1(0.1, by="difference")]', "[]"),
            ),
        ),
        (
            Change("r1(1)", same("else []\n", 'else [sg.penalties.r1(1.0, by="difference")]\n')),
            Change("G's rate as it was", same("G.parameters(), lr=5e-2", "G.parameters(), lr=2e-3")),
        ),
    ),
    Case(
        "tokenizer",
        ("detail", "error"),
        "with D: detail #, error #,",
        Change(
            "D from the start, a fixed weight of 10, no r1",
            (
                ("default=600, help", "default=0, help"),
                ("(slope(adv) + 1e-4)).clamp(max=1e4).detach()", "(slope(adv) + 1e-4)).clamp(10.0, 10.0).detach()"),
                ("sg.penalties.r1(0.1,", "sg.penalties.r1(0.0,"),
            ),
        ),
        (
            Change("the adaptive weight", same(".clamp(10.0, 10.0)", ".clamp(max=1e4)")),
            Change("r1(1)", same("sg.penalties.r1(0.0,", "sg.penalties.r1(1.0,")),
        ),
    ),
    Case(
        "vocoder",
        ("energy at the pitch",),
        "energy at the pitch: #,",
        Change(
            "rates times 20",
            (
                ("torch.optim.AdamW(G.parameters(), lr=1e-3", "torch.optim.AdamW(G.parameters(), lr=2e-2"),
                ("torch.optim.AdamW(D.parameters(), lr=1e-3", "torch.optim.AdamW(D.parameters(), lr=2e-2"),
            ),
        ),
        (
            Change(
                "r1(0.1)",
                same(
                    "sg.d_loss(loss_of, judge, x_d, y_d)", "sg.d_loss(loss_of, judge, x_d, y_d, [sg.penalties.r1(0.1)])"
                ),
            ),
            Change("G's rate as it was", same("G.parameters(), lr=2e-2", "G.parameters(), lr=1e-3")),
        ),
    ),
    Case(
        "tabular_packs",
        ("category 0, % (real 20)", "its mean (real -1)"),
        r"category 0: # % \(real 20 %\), mean #",
        Change("no penalty", same("[sg.penalties.one_gp(10)]", "[]")),
        (
            Change("r1(1)", same("sg.losses.Wasserstein(), []", "sg.losses.Wasserstein(), [sg.penalties.r1(1.0)]")),
            Change("spectral norm", spectral("G, D = Generator(), Discriminator()\n", "nn.Linear")),
        ),
    ),
    Case(
        "one_step_student",
        ("modes of 8", "high-quality, %", "distance to the teacher"),
        "student, 1 step: modes # of 8, high-quality # %, energy distance to the teacher #",
        Change(
            "rates times 10, no fake-as-real, no r1",
            (
                ("D.parameters(), lr=2e-3", "D.parameters(), lr=2e-2"),
                ('["lr"] = 1e-3 *', '["lr"] = 1e-2 *'),
                ("FakeAsReal(16), [sg.penalties.r1(0.01)]", "FakeAsReal(0), []"),
            ),
        ),
        (
            Change("r1(0.1)", same("FakeAsReal(0), []", "FakeAsReal(0), [sg.penalties.r1(0.1)]")),
            Change("fake-as-real", same("FakeAsReal(0), []", "FakeAsReal(16), []")),
        ),
    ),
    Case(
        "super_resolution",
        ("detail", "error"),
        "with D detail # error #",
        Change(
            "the adversarial weight times 50, no r1",
            (
                ("0.1 * sg.g_loss", "5.0 * sg.g_loss"),
                ('[sg.penalties.r1(0.1, by="difference")]', "[]"),
            ),
        ),
        (
            Change(
                "r1(1)", same("sg.losses.Hinge(), []", 'sg.losses.Hinge(), [sg.penalties.r1(1.0, by="difference")]')
            ),
            Change("the weight as it was", same("5.0 * sg.g_loss", "0.1 * sg.g_loss")),
        ),
    ),
)


def run(case: Case, text: str, seed: int) -> dict[str, Any]:
    """One run: the figures that it prints, and what the monitor said at each look."""
    text = Change("seed", same(SEED, f"torch.manual_seed({seed})")).apply(text)
    printed, names = io.StringIO(), {"__name__": "__main__"}
    arguments, sys.argv = sys.argv, [case.example]
    try:
        with redirect_stdout(printed), warnings.catch_warnings(action="ignore"):
            exec(compile(text, f"{case.example}.py", "exec"), names)
    finally:
        sys.argv = arguments
    monitor: Any = names["monitor"]
    looks = [{key: look[key] for key in KEPT if key in look} for look in monitor.records]
    found = re.search(case.figures.replace("#", NUMBER), printed.getvalue())
    if found is None:
        raise ValueError(f"expected {case.figures!r} in what {case.example} prints, got {printed.getvalue()[-300:]!r}")
    return {"figures": [*map(float, found.groups()), looks[-1].get("quality", math.nan)], "looks": looks}


def spread(values: Sequence[float]) -> str:
    """The mean, and the ends."""
    ends = [f"{value:.3g}" for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else f"{statistics.fmean(values):.3g} ({ends[0]} to {ends[1]})"


def said(runs: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The states at the end, and when something was first wrong: the iteration, and its causes."""
    ends = [own["looks"][-1]["verdict"] for own in runs]
    states = ", ".join(f"{ends.count(state)} {state}" for state in dict.fromkeys(ends))
    firsts = [look for own in runs for look in [look for look in own["looks"] if wrong(look)][:1]]
    if not firsts:
        return states, "nothing"
    causes = [cause for look in firsts for cause in (look.get("causes") or look["verdict"]).split()]
    most = [f"`{cause}`" for cause in sorted({*causes}, key=causes.count, reverse=True)[:3]]
    at = sorted(look["iteration"] for look in firsts)
    when = f"{at[0]:,}" if at[0] == at[-1] else f"{at[0]:,} to {at[-1]:,}"
    return states, f"{', '.join(most)} in {len(firsts)} of {len(runs)}, at {when}"


def wrong(look: dict[str, Any]) -> bool:
    return bool(look.get("causes")) or look["verdict"] not in ("learning", "good")


def table(case: Case, records: dict[str, dict[str, Any]], seeds: int) -> str:
    """One row for each way, with a quotation of the monitor on the broken runs."""
    found = {name: [records[key(case, text, seed)] for seed in range(seeds)] for name, text in case.ways()}
    paired = all("paired_distance" in own["looks"][-1] for runs in found.values() for own in runs)
    headings = ["", *case.headings, "quality", *["paired distance"] * paired, "state at the end", "reported first"]
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    quoted = ""
    for name, runs in found.items():
        cells = [spread(values) for values in zip(*(own["figures"] for own in runs), strict=True)]
        if paired:
            cells.append(spread([own["looks"][-1]["paired_distance"] for own in runs]))
        lines.append(f"| {name} | {' | '.join(cells)} | {' | '.join(said(runs))} |")
        if name == case.broken.name:
            told = [look for own in runs for look in own["looks"] if look.get("reason") and wrong(look)]
            quoted = f"{told[0]['iteration']:6,} {told[0]['verdict']}: {told[0]['reason']}" if told else ""
    edits = [line for old, new in case.broken.edits for line in (*marked("-", old), *marked("+", new))]
    diff = "\n".join(["```diff", *edits, "```"])
    tail = f"\n\n```text\n{quoted}\n```" if quoted else ""
    return f"{diff}\n\n" + "\n".join(lines) + tail


def marked(sign: str, text: str) -> list[str]:
    return [f"{sign} {line}" for line in text.strip("\n").splitlines()]


def key(case: Case, text: str, seed: int) -> str:
    """The name of a run in the records: it is run again when the example or the change is another."""
    return f"{case.example} {hashlib.sha256(text.encode()).hexdigest()[:16]} {seed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="examples; by default all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--records", type=Path, default=Path("example_failures.json"))
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    options = parser.parse_args()
    torch.set_num_threads(1)
    records: dict[str, Any] = json.loads(options.records.read_text()) if options.records.exists() else {}
    for case in CASES:
        if options.names and case.example not in options.names:
            continue
        for name, text in case.ways():
            for seed in range(options.seeds):
                if (own := key(case, text, seed)) not in records:
                    records[own] = run(case, text, seed)
                    options.records.write_text(json.dumps(records), encoding="utf-8")
                    print(case.example, name, seed, records[own]["figures"], *said([records[own]]), flush=True)
        text = table(case, records, options.seeds)
        print(text)
        if options.write:
            page = ROOT / "docs" / "examples" / f"{case.example}.md"
            before = page.read_text(encoding="utf-8")
            start, end = before.index("<!-- figures -->"), before.index("<!-- end -->")
            page.write_text(f"{before[:start]}<!-- figures -->\n{text}\n{before[end:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
