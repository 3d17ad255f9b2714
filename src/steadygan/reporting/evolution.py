"""How a run's samples developed, as a film: its pages, a GIF small enough for the report, and files."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError, one_line
from ..files import beside
from ..runs.folder import RunFolder
from ..runs.history import RunHistory, history, real_points
from ..viz.clouds import Snapshot, logit_scale, pick_panels, snapshot, view
from ..viz.raster import MOST, Pixels, film, headed, raster

FRAMES = 24  # of a film
WIDE, NARROW = 640, 360  # pixels of a grid of images, in a file and on a page
ROUNDS = (
    (24, 1),
    (16, 1),
    (10, 1),
    (10, 2),
)  # frames, and how much smaller, that are tried until a GIF is small enough
PACE, LAST = 3, 6  # pages of an MP4 a second, and how often its last one is shown
PATIENCE = 120  # seconds that ffmpeg may take
EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"  # players want even sides


def evolution_pages(run: RunHistory, most: int = FRAMES, wide: int = WIDE, real: bool = False) -> list[Pixels]:
    """At most this many pages of equal size, denser at the start and ending with the last samples; [] without any.

    Points share axes and the logits' colours. real: see `real_points`.
    """
    folder = RunFolder(run.path)
    files = folder.shots(".npz")
    shots = [shot for path in picked(files, most) if (shot := snapshot(path, least=1)) is not None]
    if shots:
        columns = shots[-1].points.shape[1]
        return _of_points(run, [shot for shot in shots if shot.points.shape[1] == columns], real)
    grids = picked(folder.shots(".png"), most)
    found = [(int(path.stem), page) for path in grids if (page := _grid(path, wide)) is not None]
    return [headed(page, f"iteration {iteration:,}") for iteration, page in found if page.shape == found[-1][1].shape]


def evolution_gif(run: RunHistory, budget: int, real: bool = False) -> bytes | None:
    """The film as a GIF of at most `budget` bytes, with fewer and smaller pages if needed; None if impossible."""
    pages = evolution_pages(run, wide=NARROW, real=real)
    if len(pages) < 2:
        return None
    for most, times in ROUNDS:
        shown = [pages[i] for i in pick_panels(range(len(pages)), most)]
        content = film([page if times == 1 else smaller(page, times) for page in shown], colours=32)
        if len(content) <= budget:
            return content
    return None


def smaller(page: Pixels, times: int) -> Pixels:
    """A page with this many times fewer pixels along each side."""
    from PIL import Image

    return np.asarray(Image.fromarray(page).reduce(times))


def draw_film(folder: RunFolder, stem: Path, real: bool = False) -> tuple[list[Path], str]:
    """Writes the run's samples, denser at the start, to `stem`.gif and .mp4; returns paths and why one is missing.

    Points share axes and the colours of D's logits. real: see `real_points`. Raises InputError for a run without
    samples.
    """
    pages = evolution_pages(history(folder.path), real=real)
    if not pages:
        raise InputError(f"expected samples in {folder.samples}, found none that can be drawn: train the run")
    path = stem.with_suffix(".gif")
    with beside(path) as part:
        part.write_bytes(film(pages))
    program = shutil.which("ffmpeg")
    if program is None:
        return [path], "no MP4: ffmpeg is not installed"
    try:
        return [path, _mp4(program, pages, stem.with_suffix(".mp4"))], ""
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        return [path], f"no MP4: ffmpeg failed: {lines[-1] if lines else one_line(error)}"


def _mp4(program: str, pages: Sequence[Pixels], path: Path) -> Path:
    """The pages through ffmpeg's own encoder for MP4, in colours that every player knows."""
    height, width = pages[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(PACE), "-i", "-"]
    encoded = ["-vf", EVEN, "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
    content = b"".join(page.tobytes() for page in [*pages, *[pages[-1]] * (LAST - 1)])
    with beside(path) as part:
        command = [program, "-y", "-loglevel", "error", *raw, *encoded, str(part)]
        subprocess.run(command, input=content, check=True, capture_output=True, timeout=PATIENCE)
    return path


def picked(files: Sequence[Path], most: int) -> list[Path]:
    """This many files including the last, evenly spaced in log scale."""
    return [files[i] for i in pick_panels([int(path.stem) for path in files], most)]


def _of_points(run: RunHistory, shots: Sequence[Snapshot], asked: bool) -> list[Pixels]:
    columns = shots[0].points.shape[1]
    real = real_points(run.path, run.settings, MOST, asked)
    real = None if real is None or real.shape[1] != columns else real
    if columns == 1:
        everything = real if real is not None else np.concatenate([shot.points for shot in shots])
        low, high = view(np.hstack([everything, everything]), ())[:2]
        return [raster(shot, real, box=(low, high, 0.0, 1.0)) for shot in shots]
    flat = [shot._replace(points=shot.points[:, :2]) for shot in shots]
    box = view(real[:, :2] if real is not None else np.concatenate([shot.points for shot in flat]), flat)
    scale = logit_scale([shot.surface for shot in flat if shot.surface is not None])
    return [raster(shot, real, scale, box) for shot in flat]


def _grid(path: Path, wide: int) -> Pixels | None:
    """A grid of images at most so wide; None for a file that is no picture."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except Exception:  # a damaged file raises whatever its bytes lead to
        return None
    if picture.width > wide:
        picture = picture.resize((wide, max(1, round(picture.height * wide / picture.width))), Image.Resampling.LANCZOS)
    return np.asarray(picture)
