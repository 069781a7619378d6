"""`make faults N=…`: so many faults and flipped bits; ends with what became of them, 1 if any went wrong.

Goes on with what the record has not: one that was interrupted may be called again. Others, of other seeds,
may run beside it; the tables are of all that the record has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults import campaign, flipped_bits
from tests.faults.record import Outcome, Record
from tests.faults.trial import reference


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", type=int)
    parser.add_argument("--bits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--record", type=Path, default=Path("faults.jsonl"))
    args = parser.parse_args()
    record = Record(args.record)
    faults, bits = (
        record.left(sort, args.seed, n) for sort, n in (("fault", args.faults), ("bit", args.bits))
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # some faults are another user's
        whole = reference(folder / "reference", folder / "data")
        record.add(campaign.campaign(whole, folder / "faults", faults, args.seed), args.faults)
        flips = flipped_bits.campaign(whole, folder / "bits", bits, args.bits, args.seed, heal=True)
        record.add(flips, args.bits)
    record = Record(args.record)  # with what others have added
    return _shown(record.outcomes("fault"), record.outcomes("bit"))


def _shown(faults: list[Outcome], bits: list[Outcome]) -> int:
    healed = Counter(fault.what for fault in faults if not fault.wrong)
    print("\n| fault | healed |\n|---|--:|")
    print("".join(f"| {what} | {count} |\n" for what, count in sorted(healed.items())))
    print("| file | noticed and healed | harmless |\n|---|--:|--:|")
    of_bits = Counter((bit.kind, bit.what) for bit in bits if not bit.wrong)
    for kind in sorted({bit.kind for bit in bits}):
        print(f"| `{kind}` | {of_bits[kind, 'noticed']} | {of_bits[kind, 'harmless']} |")
    for title, found in (("faults", faults), ("bits", bits)):
        seconds = sum(outcome.seconds for outcome in found) / max(1, len(found))
        wrong = [outcome.wrong for outcome in found if outcome.wrong]
        print(*wrong, sep="\n", file=sys.stderr)
        seeds, commits = ({getattr(each, name) for each in found} for name in ("seed", "commit"))
        print(
            f"{len(found)} {title}, {len(wrong)} wrong, {seconds:.1f} s each; seeds {seeds}, code {commits}"
        )
    return 1 if any(outcome.wrong for outcome in (*faults, *bits)) else 0


if __name__ == "__main__":
    sys.exit(main())
