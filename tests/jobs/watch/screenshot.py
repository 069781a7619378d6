"""The picture of the interface in docs/watching.md, from a synthetic sweep: `make screenshot`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.jobs.watch.app import text, until, watching
from tests.jobs.watch.synthetic import SyntheticSource, picture

SIZE = (140, 36)


async def draw(path: Path) -> None:
    async with watching(SyntheticSource(picture(10_000)), SIZE) as (app, pilot):
        await pilot.press(*"jjjjjj", "right")
        await until(pilot, lambda: "Quit" in text(app))
        path.write_text(
            app.export_screenshot(title="regularize watch broad.yaml", simplify=True), encoding="utf-8"
        )


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
