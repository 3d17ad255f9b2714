"""Command lines that are wrong, each in one way."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import attacks

VALUES = ("many", "1e400", "nan", "\uff11", "z" * 1500, "[1", "0x10", "1,2,3,4,5")  # which no number or name is
BROKEN = {  # options of a command that take a value, and values that none of them takes
    "train ring8/far": ("--iterations", "--seed", "--seeds"),
    "compare ring8/far": ("--seeds", "--iterations"),
    f"sample {attacks.RUN}": ("-n", "--seed", "--truncation", "--interpolate", "--label", "--weights"),
    f"evaluate {attacks.RUN} --against own": ("-n", "--seed", "--real", "--weights", "--split", "--metrics"),
    f"report {attacks.RUN} --follow": ("--port",),
}
PLACES = (
    "nowhere",
    "a" * 300,
    "b" * 5000,
    "points.npy/below",
    "pipe",
    "/dev/zero",
    "/dev/null",
    "empty",
    "\U0001f4a5",
    "..",
    "",
)
ON_RUNS = ("sample", "export", "report", "diagnose", "evaluate --against own", "train --init-from")
WRONG = """
trian | --nothing | train --nothing | train ring8/far ring8/r1 | train ring8/fra | train =3 | train = | train
x.y.z=3 | train batch_size.a=3 | train recipe=x | train scale=2 | train penalty=, | train penalty=r1,r1 | train
penalty=r1,,r2 | train method=far | train loss= | train loss=hinge,hinge | train opponents=, | train penalty.r1=many
| train ema=2 | train ema.decay=1 | train optimizer.betas=1 | train optimizer.betas=1,2 | train
optimizer.betas=0.5,0.9,0.9 | train monitor.policy=hope | train monitor.remedy.lr_d=2 | train --scale huge | train
points/far | train folder/far | train folder/far --data nowhere | train points/far --data points.txt | train
ring8/far --data points.npy | train mnist/far data.size=3 | train --plugin no_such |
train --plugin a.py | train --plugin ../up | train seed=1 --seed 2 | train conditional=true | compare | compare x=3
| compare seed=3 ring8/far | compare nothing/* | compare ring8/far ring8/fra | sample | export | report | diagnose |
evaluate | evaluate points.npy | evaluate points.npy --against ring9 | evaluate points.npy --against nowhere.npy |
recipes --paper nobody2020 | recipes more | doctor now | train precision=bf16 dtype=float64 | train device=cuda:99 |
train device=tpu | sweep | sweep ring8/far lr_d=log(0,1,3) | sweep ring8/far lr_d=lin(1,1,2) | sweep ring8/far
lr_d=1,x | sweep lr_d=1,2 | sweep ring8/far lr_d=1,2 --jobs 0 | sweep ring8/far lr_d=1,2 --on nowhere | compare
ring8/far --jobs 0 | report --port 80 runs | report runs --out . | train evaluate.features=x
"""


def lines() -> list[list[str]]:
    """All 400, none of which may begin anything."""
    found = [" ".join(words.split()).split() for words in WRONG.split("|")]
    for command, options in BROKEN.items():
        found += [[*command.split(), option, value] for option in options for value in VALUES[:5]]
    for command in ON_RUNS:
        found += [[*command.split(), place] for place in PLACES]
    settings = (["train", "ring8/far", f"{key}={value}"] for value in VALUES for key in KEYS.split())
    return [*found, *islice(settings, 400 - len(found))]


KEYS = """
generator.width generator.depth generator.activation discriminator.width discriminator.embedding penalty.r1.weight
penalty.r1.interval method.fake_as_real.count method.fake_as_real.factor ema.decay optimizer.eps optimizer.name
schedule.start evaluate.n evaluate.every monitor.times data.scale data.n method.packing.degree data.seed loss
generator data
"""


def prepared(folder: Path) -> None:
    """What the words above speak of."""
    os.mkfifo(folder / "pipe")
    (folder / "empty").mkdir()
