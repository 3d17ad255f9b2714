"""Files that would run code, leave their folder, fill the memory, or speak to a browser or a terminal."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import attacks
import numpy as np
import torch

RAN = "ran"  # what every payload would leave in the folder
SCRIPT = "<script>ran()</script><img src=x onerror=ran()>"
STEERING = "\x1b]0;ran\x07\x1b[2J"
TRAIN = ["train", "folder/r1", "--scale", "small", "--data"]


class Call:
    """A pickle that calls a function when it is read."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.function, self.given = function, given

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.given


CALLS: tuple[Callable[[str], Call], ...] = (
    lambda path: Call(os.system, f"touch {path}"),
    lambda path: Call(os.mkdir, path),
    lambda path: Call(eval, f"open({path!r}, 'w')"),
    lambda path: Call(exec, f"open({path!r}, 'w')"),
    lambda path: Call(open, path, "w"),
    lambda path: Call(getattr(torch, "load"), path),  # noqa: B009
)


def checkpoint(folder: Path, call: int, key: str = "state", form: str = "zip") -> None:
    """A run's newest checkpoint with a payload at a key."""
    file = folder / attacks.RUN / "checkpoints" / f"{attacks.LENGTH:09d}.pt"
    content = torch.load(file, weights_only=True)
    content[key] = CALLS[call](str(folder / RAN))
    if form == "plain":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")


def array(folder: Path, name: str, key: str | None = None) -> None:
    """An array of objects in a .npy or .npz, or a lone pickle with that name."""
    content = np.array([[CALLS[0](str(folder / RAN))]], dtype=object)
    file = folder / name
    if key is None and file.suffix == ".npz":
        file.write_bytes(pickle.dumps(content))
    elif key is None:
        np.save(file, content, allow_pickle=True)
    else:
        images = np.zeros((40, 8, 8), np.uint8)
        np.savez(file, **{"images": images, key: content})


def written(folder: Path, name: str, *path: str | int, value: Any) -> None:
    """A JSON file of the run with another value at a key, or a line more."""
    file = folder / attacks.RUN / name
    if name.endswith(".jsonl"):
        with file.open("a") as stream:
            stream.write(json.dumps({"iteration": 4, "d_loss": 1.0, path[0]: value}) + "\n")
        return
    tree = json.loads(file.read_text())
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(tree))


def changed(name: str, *path: str | int, value: Any) -> Callable[[Path], None]:
    """What writes that."""
    return lambda folder: written(folder, name, *path, value=value)


def png(width: int = 8, height: int = 8) -> bytes:
    """A grey picture that says it is this large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((min(width, 64) + 1) * min(height, 64)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def archive(folder: Path, entries: Sequence[tuple[str, bytes]], link: str = "") -> None:
    """A zip of pictures and of these entries, the last a link where one is named."""
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(20):
            file.writestr(f"{number}.png", png())
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            if link:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(info, link.encode() if link else content, zipfile.ZIP_DEFLATED)


def pictures(folder: Path, name: str, content: bytes = b"", link: str = "") -> None:
    """A folder of pictures and one more."""
    place = folder / "images"
    place.mkdir()
    for number in range(20):
        (place / f"{number}.png").write_bytes(png())
    if link:
        (place / name).symlink_to(link)
    else:
        (place / name).write_bytes(content)


def bomb() -> bytes:
    """A gigabyte of zeros, in a megabyte."""
    stream = io.BytesIO()
    press = zlib.compressobj(9)
    for _ in range(1000):
        stream.write(press.compress(bytes(10**6)))
    return stream.getvalue() + press.flush()


def link_out(folder: Path, name: str) -> None:
    """A folder of the run that leads to somebody else's."""
    outside = folder / "outside"
    outside.mkdir()
    (outside / "000000009.pt").write_text("mine")
    (outside / "000000009.png").write_text("mine")
    place = folder / attacks.RUN / name
    place.rename(place.with_name(f"{name}-before"))
    place.symlink_to(outside)


class Malice(NamedTuple):
    """A malicious file, and the commands that meet it: those of a run where none are named."""

    name: str
    make: Callable[[Path], None]
    words: Sequence[Sequence[str]] = ()


def _on(data: str) -> Sequence[Sequence[str]]:
    small = ["--iterations", "2", "evaluate.n=100", "device=cpu", "threads=1", "compile=off"]
    return ([*TRAIN, data, "--out", "new", *small], ["evaluate", data, "--against", "digits"])


LINES = (("events.jsonl", "message"), ("metrics.jsonl", "verdict"), ("metrics.jsonl", "reason"))
STEERED = (*LINES[:2], ("settings.json", "recipe"))
POINTS = (["train", "points/r1", "--data", "bad.npy", "--out", "new"], ["evaluate", "bad.npy", "--against", "ring8"])


def malicious() -> list[Malice]:
    """All 40."""
    run = partial
    found = [Malice(f"a call in a checkpoint's state, {i}", run(checkpoint, call=i)) for i in range(len(CALLS))]
    found += [
        Malice(f"a call in a checkpoint's {key}", run(checkpoint, call=0, key=key)) for key in ("plan", "networks")
    ]
    found += [Malice(f"a {form} checkpoint", run(checkpoint, call=1, form=form)) for form in ("plain", "legacy")]
    found += [
        Malice("objects in points", run(array, name="bad.npy"), POINTS),
        Malice("objects in images", run(array, name="bad.npy"), _on("bad.npy")),
        Malice("objects in an archive", run(array, name="bad.npz", key="images"), _on("bad.npz")),
        Malice("objects as labels", run(array, name="bad.npz", key="labels"), _on("bad.npz")),
        Malice("a pickle as an archive", run(array, name="bad.npz"), _on("bad.npz")),
        Malice("objects in kept samples", run(array, name=f"{attacks.RUN}/samples/000000002.npz", key="points")),
    ]
    found += [
        Malice("a zip that climbs", run(archive, entries=[("../ran.png", png())]), _on("images.zip")),
        Malice("a zip with an absolute path", run(archive, entries=[("/tmp/ran.png", png())]), _on("images.zip")),
        Malice("a zip with a link", run(archive, entries=[("a.png", b"")], link="/etc/passwd"), _on("images.zip")),
        Malice("a zip that swells", run(archive, entries=[("a.png", bytes(300_000_000))]), _on("images.zip")),
        Malice("a picture that swells", run(pictures, name="a.png", content=png(60_000, 60_000)), _on("images")),
        Malice("a picture with a bomb", run(pictures, name="a.png", content=png()[:33] + bomb()), _on("images")),
        Malice("a link to a device", run(pictures, name="a.png", link="/dev/zero"), _on("images")),
        Malice("a link in a circle", run(pictures, name="a", link="."), _on("images")),
    ]
    found += [
        Malice("settings that name a plugin", changed("settings.json", "plugin", value=["os"])),
        Malice("a generator of a module", changed("settings.json", "generator", "name", value="os:system")),
        Malice("a loss that is code", changed("settings.json", "loss", "name", value="__import__('os').abort()")),
        Malice("features of a module", changed("settings.json", "evaluate", "features", value="antigravity:fly")),
        Malice("data at a device", changed("settings.json", "data", "path", value="/dev/zero")),
        Malice("a recipe that is a path", changed("settings.json", "recipe", value="../../../ran")),
        Malice("a script as a recipe", changed("settings.json", "recipe", value=SCRIPT)),
        Malice("a script as data", changed("settings.json", "data", "path", value=SCRIPT)),
    ]
    found += [Malice(f"a script in {name}, {key}", changed(name, key, value=SCRIPT)) for name, key in LINES]
    found += [
        Malice(f"a terminal's words in {name}, {key}", changed(name, key, value=STEERING)) for name, key in STEERED
    ]
    found += [Malice(f"{name} elsewhere", run(link_out, name=name)) for name in ("checkpoints", "samples")]
    return found


def harm(folder: Path, out: str) -> str:
    """What a malicious file brought about: "" where that is nothing."""
    if [*folder.rglob(f"{RAN}*")] or [*folder.parent.glob(f"{RAN}*")] or Path("/tmp/ran.png").exists():
        return "its code ran, or it left its folder"
    if any(STEERING[:4] in text or "\x1b[2J" in text for text in (out,)):
        return "the terminal was steered"
    for page in folder.rglob("*.html"):
        if "<script>ran()" in page.read_text() or "<img src=x" in page.read_text():
            return "a script is in the page"
    outside = folder / "outside"
    if outside.exists() and {path.name for path in outside.iterdir()} < {"000000009.pt", "000000009.png"}:
        return "files outside are gone"
    return ""
