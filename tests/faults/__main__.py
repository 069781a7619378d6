"""`make faults N=…`: so many faults and flipped bits; ends with what became of them, 1 if any went wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults import campaign, flipped_bits
from tests.faults.trial import reference


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", type=int)
    parser.add_argument("--bits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = reference(folder / "reference", folder / "data")
        done, wrong = campaign.campaign(whole, folder / "faults", args.faults, args.seed, _say)
        bits, wrong_bits = flipped_bits.campaign(whole, folder / "bits", args.bits, args.seed, heal=True)
    print("| fault | healed |\n|---|--:|")
    print("".join(f"| {what} | {count} |\n" for what, count in sorted(done.items())))
    print("| file | noticed and healed | harmless |\n|---|--:|--:|")
    for kind in sorted({kind for kind, _ in bits}):
        print(f"| `{kind}` | {bits[kind, 'noticed']} | {bits[kind, 'harmless']} |")
    print(*wrong, *wrong_bits, sep="\n", file=sys.stderr)
    total = Counter(outcome for _, outcome in bits.elements())
    print(
        f"\n{sum(done.values())} of {args.faults} faults healed; bits: {dict(total)}, {len(wrong_bits)} wrong"
    )
    return 1 if wrong or wrong_bits else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
