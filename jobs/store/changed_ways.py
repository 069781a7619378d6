"""What a person may choose where results of a store are of other code, or other data, than today's."""

from __future__ import annotations

KEEP, RETRAIN, VERIFY = "keep", "retrain", "verify"
WAYS = {"code": (KEEP, RETRAIN, VERIFY), "data": (KEEP, RETRAIN)}
WORDS = {
    KEEP: "uses both, and every table, figure and report says so",
    RETRAIN: "trains these runs again and puts the old packs aside",
    VERIFY: "trains some of them again, and takes both as equal if every number is",
}
