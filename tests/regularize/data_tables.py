"""The tables of docs/data.md, from the registry and from what is said of small sets made here.

`python -m tests.regularize.data_tables` writes them into the page.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from regularize.data import prepared
from regularize.data.official import OFFICIAL
from regularize.errors import UserError
from tests.regularize.test_data_decode import deep_png

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
RANDOM = np.random.default_rng(0)
Make = Callable[[Path], object]


def picture(path: Path, mode: str = "L", side: int = 6, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(len(str(path.name)) + side).integers(
        0, 256, (side, side, channels), np.uint8
    )
    values[0, 0] = RANDOM.integers(0, 256, channels)
    Image.fromarray(values[..., 0] if channels == 1 else values, mode=None).convert(mode).save(
        path, **options
    )


def folder(root: Path, add: Make, *, train: int = 3) -> None:
    """The image folder `own` of the classes `cat` and `dog`, after something was done to it."""
    for part, count in (("train", train), ("test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                values = RANDOM.integers(0, 256, (6, 6), dtype=np.uint8)
                path = root / "own" / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
    add(root / "own")


def arrays(root: Path, **changed: object) -> None:
    whole = {
        "train_images": RANDOM.integers(0, 256, (12, 6, 6), dtype=np.uint8),
        "train_labels": np.arange(12)[:, None] % 2,
        "test_images": RANDOM.integers(0, 256, (4, 6, 6), dtype=np.uint8),
        "test_labels": np.arange(4)[:, None] % 2,
    } | changed
    np.savez(root / "own.npz", **{name: value for name, value in whole.items() if value is not None})


def parquet(root: Path, **columns: pa.Array) -> None:
    (root / "own").mkdir()
    for part in ("train", "test"):
        pq.write_table(pa.table(columns), root / "own" / f"{part}-00000-of-00001.parquet")


def zoe(part: Path, form: str) -> None:
    picture(part / unicodedata.normalize(form, "Zoë") / "1.png")


def zeros_and_ones(root: Path) -> None:
    masks = RANDOM.integers(0, 2, (12, 6, 6), dtype=np.uint8)
    arrays(root, train_images=masks, test_images=1 - masks[:4])


FIRST = Path("train", "cat", "0.png")
PATHS_ONLY = pa.array(
    [{"bytes": None, "path": "1.png"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
)

SAID: dict[str, Make] = {
    "a photo that was taken with the camera on its side": lambda r: folder(
        r, lambda f: (f / FIRST).with_suffix(".png").write_bytes(_grey_turned())
    ),
    "an opacity that hides nothing": lambda r: folder(
        r, lambda f: Image.open(f / FIRST).convert("LA").save(f / FIRST)
    ),
    "pixels of 0 and 1": zeros_and_ones,
    "`Thumbs.db`, `desktop.ini` and the like": lambda r: folder(
        r, lambda f: (f / "train" / "Thumbs.db").touch()
    ),
    "folders and tables beside `train/` and `test/`": lambda r: folder(
        r, lambda f: [(f / "more").mkdir(), (f / "labels.csv").touch()]
    ),
    "other arrays in an `.npz`": lambda r: arrays(r, extra_images=np.zeros(3)),
    "a class in two spellings of Unicode": lambda r: folder(
        r, lambda f: [zoe(f / "train", "NFC"), zoe(f / "test", "NFD")]
    ),
    "test images that also stand in training": lambda r: folder(
        r, lambda f: shutil.copy(f / FIRST, f / "test" / "dog" / "9.png")
    ),
    "copies in the training part": lambda r: folder(
        r, lambda f: shutil.copy(f / FIRST, f / "train" / "cat" / "9.png")
    ),
    "classes of very unequal size": lambda r: folder(
        r, lambda f: [(f / "train" / "cat" / f"{number}.png").unlink() for number in (1, 2, 3, 4)], train=5
    ),
}
REFUSED: dict[str, Make] = {
    "images of other sizes": lambda r: folder(r, lambda f: picture(f / "test" / "dog" / "1.png", side=8)),
    "grey and coloured images": lambda r: folder(r, lambda f: picture(f / "test" / "dog" / "1.png", "RGB")),
    "images that are not square": lambda r: folder(r, lambda f: Image.new("L", (6, 5)).save(f / FIRST)),
    "16 bits a channel": lambda r: folder(r, lambda f: (f / FIRST).write_bytes(deep_png(2))),
    "transparent images": lambda r: folder(r, lambda f: Image.new("LA", (6, 6), (9, 0)).save(f / FIRST)),
    "colours of print": lambda r: folder(
        r,
        lambda f: [
            (f / FIRST).unlink(),
            Image.new("CMYK", (6, 6)).save((f / FIRST).with_suffix(".jpg")),
        ],
    ),
    "several pictures in one file": lambda r: folder(
        r, lambda f: picture(f / FIRST, save_all=True, append_images=[Image.new("L", (6, 6))])
    ),
    "files that a cloud folder has put away": lambda r: folder(
        r, lambda f: (f / FIRST).rename((f / FIRST).with_name(".0.png.icloud"))
    ),
    "what Git LFS has not brought": lambda r: folder(
        r, lambda f: (f / FIRST).write_text("version https://git-lfs.github.com/spec/v1")
    ),
    "damaged images": lambda r: folder(r, lambda f: (f / FIRST).write_bytes((f / FIRST).read_bytes()[:-30])),
    "other kinds of files": lambda r: folder(r, lambda f: (f / "train" / "cat" / "notes.txt").touch()),
    "a table of labels": lambda r: folder(r, lambda f: (f / "train" / "labels.csv").touch()),
    "a class that one part lacks": lambda r: folder(r, lambda f: shutil.rmtree(f / "test" / "dog")),
    "one class in two spellings": lambda r: folder(
        r, lambda f: [zoe(f / "train", "NFC"), zoe(f / "train", "NFD")]
    ),
    "several labels an image": lambda r: arrays(r, train_labels=np.zeros((12, 14), np.uint8)),
    "labels with gaps": lambda r: arrays(r, train_labels=np.arange(12) % 2 * 2),
    "numbers from 0 to 1": lambda r: arrays(r, train_images=RANDOM.random((12, 6, 6))),
    "a scale other than 0 to 255": lambda r: arrays(
        r, train_images=np.arange(432, dtype=np.uint8).reshape(12, 6, 6) % 17
    ),
    "volumes": lambda r: arrays(r, train_images=np.zeros((12, 6, 6, 6), np.uint8)),
    "channels first": lambda r: arrays(r, train_images=np.zeros((12, 3, 6, 6), np.uint8)),
    "Parquet files with paths in place of images": lambda r: parquet(
        r, image=PATHS_ONLY, label=pa.array([0])
    ),
}


def _grey_turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (6, 6), dtype=np.uint8)).save(content, "PNG", exif=exif)
    return content.getvalue()


def official() -> Iterator[str]:
    yield "| name | training + test | classes | pixels | files in the data root | checked by |"
    yield "|---|---:|---:|---|---|---|"
    for name, known in OFFICIAL.items():
        facts = known.facts
        counts = f"{facts.train:,} + {facts.test:,} | {facts.classes}"
        size = (
            f"{facts.side}×{facts.side}×{facts.channels}" if facts.side > 1 else f"{facts.channels} numbers"
        )
        yield f"| `{name}` | {counts} | {size} | {known.files} | {known.checked} |"


def said() -> Iterator[str]:
    yield "| what there is | what is said |"
    yield "|---|---|"
    for what, make in SAID.items():
        yield f"| {what} | {_outcome(make, refused=False)} |"


def refused() -> Iterator[str]:
    yield "| what is refused | in these words |"
    yield "|---|---|"
    for what, make in REFUSED.items():
        yield f"| {what} | {_outcome(make, refused=True)} |"


def _outcome(make: Make, *, refused: bool) -> str:
    with TemporaryDirectory() as place:
        make(Path(place))
        outcome, error = "", None
        try:
            outcome = "; ".join(prepared("own", place).notes)
        except UserError as caught:
            outcome, error = str(caught), caught
    if (error is not None) != refused:
        raise AssertionError(f"{outcome!r} is not what the table is about") from error
    return outcome.replace(f"{place}/", "").replace("|", "\\|")


TABLES = {"official": official, "said": said, "refused": refused}


def rewritten(text: str) -> str:
    """The page with its tables made anew; each stands between `<!-- NAME -->` and `<!-- end -->`."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name}\b.*?-->\n).*?(<!-- end -->)", re.DOTALL)
        assert pattern.search(text), name
        lines = "\n".join(table())
        text = pattern.sub(lambda found, lines=lines: f"{found[1]}\n{lines}\n\n{found[2]}", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
    sys.exit(0)
