"""AUC and best F1 of scores against labels, and the naive detectors that ours is compared with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

import zstandard

_compress = zstandard.ZstdCompressor(level=3).compress
_KEYWORDS = re.compile(r"error|fail|fatal|panic|critical|severe|exception|abort|denied|refused|corrupt", re.I)


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that an anomalous one has the higher score, ties counted half (Mann-Whitney)."""
    ranked = sorted(zip(scores, labels, strict=True))
    total, index = 0.0, 0
    while index < len(ranked):
        end = index
        while end < len(ranked) and ranked[end][0] == ranked[index][0]:
            end += 1
        total += sum(label for _, label in ranked[index:end]) * (index + end + 1) / 2
        index = end
    hits = sum(labels)
    return (total - hits * (hits + 1) / 2) / (hits * (len(labels) - hits))


def best_f1(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The best F1 of any one threshold."""
    ranked = sorted(zip(scores, labels, strict=True), reverse=True)
    best, hits, wanted = 0.0, 0, sum(labels)
    for count, (score, label) in enumerate(ranked, 1):
        hits += label
        if count == len(ranked) or ranked[count][0] != score:
            best = max(best, 2 * hits / (count + wanted))
    return best


def ncd(baseline: bytes, window: bytes) -> float:
    alone = len(_compress(baseline)), len(_compress(window))
    return (len(_compress(baseline + window)) - min(alone)) / max(alone)


def permutation_p(lines: Sequence[bytes], window: int, random: Random, permutations: int = 100) -> float:
    """The naive way: NCD by zstd-3, its p by shuffles of baseline and window."""
    score = ncd(b"\n".join(lines[:-window]), b"\n".join(lines[-window:]))
    reached = 0
    for _ in range(permutations):
        mixed = random.sample(list(lines), len(lines))
        reached += ncd(b"\n".join(mixed[:-window]), b"\n".join(mixed[-window:])) >= score
    return (1 + reached) / (permutations + 1)


def by_keyword(lines: Sequence[str]) -> list[float]:
    return [float(len(_KEYWORDS.findall(line))) for line in lines]


def by_new_template(lines: Sequence[str], learnt: Sequence[bool]) -> list[float]:
    """1 for a normalised line that was never learnt before."""
    known: set[str] = set()
    scores = []
    for line, learn in zip(lines, learnt, strict=True):
        scores.append(float(line not in known))
        if learn:
            known.add(line)
    return scores
