"""Files of a run, each wrong in one way that a seed decides: cut, garbled, of wrong types, too deep, too large."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

HUGE = 10**400
DEEP = 100_000
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 3, 2.5, 10**9, 10**19, HUGE, 1e308, float("nan"), float("inf"), "", "x", "__class__", "a" * 1500,
    [], [1], [[]], {}, {"x": 1}, [None, None], "\x00\x1b[31m", "<script>alert(1)</script>",
)  # fmt: skip
LINES = (
    b"null", b"[]", b"{}", b"3", b'"x"', b'{"iteration": null}', b'{"iteration": "3"}', b'{"iteration": true}',
    b'{"iteration": [3]}', b'{"iteration": 1e400}', b'{"iteration": NaN}', b'{"iteration": -5}', b'{"iteration": 2.5}',
    b'{"iteration": 3, "d_loss": [1]}', b'{"iteration": 3, "modes": {}}', b'{"iteration": 3, "verdict": 7}',
    b'{"iteration": 3, "seconds": null}', b'{"iteration": 3, "seconds": "x", "iterations_per_second": []}',
    b'{"iteration": 3, "energy_distance": "near", "balance": null}', b'{"iteration": 3, "message": 7, "kind": []}',
    b'{"iteration": 3, "d_loss": ' + b"9" * 5000 + b"}", b'{"iteration": ' + b"9" * 400 + b"}",
    b"[" * DEEP, b'{"a":' * DEEP, b'{"iteration": 3, "reason": "' + b"a" * 10_000_000 + b'"}', b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b'{"iteration": 3, "d_loss": 0.1', b'{"iteration": 3, "d_loss": Infinity, "g_loss": -Infinity}',
)  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a tree."""
    if path:
        yield path
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(inner, (*path, key))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    if value is put:
        del tree[path[-1]]
    else:
        tree[path[-1]] = value


def wronged(rng: random.Random, tree: Any, extra: tuple[Any, ...] = ()) -> str:
    """Puts one wrong value somewhere, or takes one away, any key of the first level as likely; says what."""
    key = rng.choice([*tree] if isinstance(tree, dict) else [*range(len(tree))])
    inner = [(key, *path) for path in places(tree[key])]
    path = rng.choice([(key,), *([rng.choice(inner)] * 2 if inner else [])])
    value = rng.choice((*WRONG, put, *extra))
    put(tree, path, value)
    return f"{'.'.join(map(str, path))} = {'nothing' if value is put else repr(value)[:60]}"


def cut(rng: random.Random, file: Path) -> str:
    content = file.read_bytes()
    keep = rng.randrange(len(content) + 1)
    file.write_bytes(content[:keep])
    return f"cut to {keep} of {len(content)} bytes"


def flipped(rng: random.Random, file: Path) -> str:
    content = bytearray(file.read_bytes())
    for _ in range(rng.choice((1, 3, 30))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    return "bits flipped"


def replaced(rng: random.Random, file: Path) -> str:
    kinds: dict[str, bytes] = {
        "empty": b"", "binary": rng.randbytes(3000), "zeros": bytes(3000), "a list": b"[1, 2]", "null": b"null",
        "a mark": b"\xef\xbb\xbf" + file.read_bytes(), "UTF-16": "{}".encode("utf-16"), "a number": b"9" * 5000,
        "a pickle": pickle.dumps({"state": [1]}), "deep": b"[" * DEEP + b"]" * DEEP, "text": b"hello\n" * 50,
        "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    }  # fmt: skip
    name = rng.choice([*kinds])
    file.write_bytes(kinds[name])
    return name


def json_file(rng: random.Random, file: Path) -> str:
    tree = json.loads(file.read_text())
    told = wronged(rng, tree)
    file.write_text(json.dumps(tree))
    return told


def lines(rng: random.Random, file: Path) -> str:
    whole = file.read_bytes().splitlines()
    if rng.random() < 0.4 and whole:  # one value of a record that is otherwise right
        at = rng.randrange(len(whole))
        record = json.loads(whole[at])
        told = wronged(rng, record)
        whole[at] = json.dumps(record).encode()
    else:
        line = rng.choice(LINES)
        at = rng.choice((0, len(whole), rng.randrange(len(whole) + 1)))
        whole.insert(at, line)
        told = f"line {at}: {line[:60]!r}"
    file.write_bytes(b"\n".join(whole) + b"\n")
    return told


def checkpoint(rng: random.Random, file: Path) -> str:
    content = torch.load(file, weights_only=True)
    tensors = (
        torch.zeros(3), torch.zeros(()), torch.zeros(1000, 1000), torch.full((2,), float("nan")),
        torch.zeros(2, dtype=torch.complex64), torch.zeros(2, 2).to_sparse(), torch.tensor([1], dtype=torch.int64),
        torch.zeros(0), torch.zeros(1).expand(10**9), torch.zeros(2, device="meta"),
    )  # fmt: skip
    told = wronged(rng, content, tensors)
    torch.save(content, file)
    return told


def networks(rng: random.Random, file: Path) -> str:
    """What the networks are built from, of the right kinds and wrong."""
    content = torch.load(file, weights_only=True)
    own = content["networks"][rng.choice(("generator", "discriminator"))]
    key = rng.choice((*own, "classes", "spectral", "code"))
    own[key] = rng.choice((10**9, 0, -3, 1.5, "x", [10**6], [2, 2, 2], None, "selu", "dcgan", "mlp", True, HUGE))
    torch.save(content, file)
    return f"networks: {key} = {str(own[key])[:60]}"


def pickled(rng: random.Random, file: Path) -> str:
    content = torch.load(file, weights_only=True)
    kind = rng.choice(("legacy", "plain", "a tensor", "a list", "no state", "weights alone"))
    made = {"a tensor": torch.zeros(3), "a list": [1], "no state": {"format": 1}, "weights alone": content["state"]}
    if kind == "plain":
        file.write_bytes(pickle.dumps({"format": 1, "state": {}}))
    else:
        torch.save(made.get(kind, content), file, _use_new_zipfile_serialization=kind != "legacy")
    return kind


def arrays(rng: random.Random, file: Path) -> str:
    with np.load(file) as found:
        own = dict(found)
    key = rng.choice([*own])
    wrong: tuple[Any, ...] = (
        np.zeros(0), np.zeros((0, 2)), np.zeros((3, 7)), np.array(3.0), np.array(["x"]), np.full((4, 2), np.nan),
        np.zeros((2, 2, 2, 2)), np.full((5, 2), 1e38, np.float32), np.array([[1j, 2]]), None,
    )  # fmt: skip
    value = rng.choice(wrong)
    own.pop(key) if value is None else own.update({key: value})
    np.savez(file, **own)
    return f"{key}: {None if value is None else value.shape}"


def points(rng: random.Random, file: Path) -> str:
    made: tuple[Any, ...] = (
        np.zeros((0, 2)), np.zeros((60, 3)), np.zeros(60), np.array(1.0), np.full((60, 2), np.nan),
        np.full((60, 2), 7.0),
        np.array([["a", "b"]]), np.zeros((60, 2), complex), np.full((60, 2), 1e300), np.zeros((60, 2), "M8[s]"),
        np.zeros(60, [("x", "f4"), ("y", "f4")]), np.zeros((1, 2)), np.zeros((60, 0)), np.zeros((60, 2), bool),
    )  # fmt: skip
    value = rng.choice(made)
    np.save(file, value)
    return f"{value.dtype} {value.shape}"


def pipe(_: random.Random, file: Path) -> str:
    file.unlink()
    os.mkfifo(file)
    return "a pipe"


def directory(_: random.Random, file: Path) -> str:
    file.unlink()
    file.mkdir()
    return "a folder"


BYTES = (cut, flipped, replaced)
Way = Callable[[random.Random, Path], str]
SHARES: dict[str, tuple[int, tuple[Way, ...]]] = {  # file of a run -> how many of 500, and how
    "checkpoints/000000004.pt": (150, (checkpoint, networks, checkpoint, pickled, checkpoint, *BYTES)),
    "settings.json": (70, (json_file, json_file, json_file, *BYTES)),
    "plan.json": (25, (json_file, *BYTES)),
    "metrics.jsonl": (80, (lines, lines, lines, *BYTES)),
    "timing.jsonl": (45, (lines, lines, *BYTES)),
    "events.jsonl": (30, (lines, lines, *BYTES)),
    "interventions.json": (40, (json_file, json_file, *BYTES)),
    "samples/000000002.npz": (15, (arrays, arrays, *BYTES)),
    "real.npz": (10, (arrays, *BYTES)),
    "log.txt": (5, BYTES),
    "../../../points.npy": (30, (points, points, *BYTES)),
}


class Corruption(NamedTuple):
    """One file of a run, and how it is spoilt; the same every time."""

    name: str
    number: int
    way: Way

    def __str__(self) -> str:
        return f"{self.name} {self.number} {self.way.__name__}"

    def __call__(self, run: Path) -> str:
        """Spoils the file of the run in this folder; says how."""
        return self.way(random.Random(f"{self.name} {self.number}"), run / self.name)


def corruptions() -> list[Corruption]:
    """All 500: as many of each file as `SHARES` says, the last two of them a pipe and a folder in its place."""
    found = []
    for name, (count, ways) in SHARES.items():
        own = [ways[number % len(ways)] for number in range(count - 2)]
        found += [Corruption(name, number, way) for number, way in enumerate([*own, pipe, directory])]
    return found
