from hashlib import sha512
from threading import Thread

import pytest

from anomalies.detection import byte_entropy, compressed_size, ncd, novelty
from anomalies.detection.compression import compression_ratio, measure

KNOWN = b"".join(
    b"session %s for user %s\n" % (verb, who) for verb in (b"opened", b"closed") for who in (b"root", b"mail")
)
BASELINE = KNOWN * 25
FOREIGN = b"kernel panic: unable to mount root filesystem on unknown block device\n"


def test_novelty_is_the_windows_cost_after_the_baseline_over_its_cost_alone():
    both, alone = compressed_size(BASELINE + FOREIGN), compressed_size(FOREIGN)
    assert novelty(BASELINE, FOREIGN) == (both - compressed_size(BASELINE)) / alone


def test_ncd_is_the_distance_of_cilibrasi_and_vitanyi():
    smaller, larger = sorted((compressed_size(BASELINE), compressed_size(FOREIGN)))
    assert ncd(BASELINE, FOREIGN) == (compressed_size(BASELINE + FOREIGN) - smaller) / larger


def test_a_window_the_baseline_knows_has_almost_no_novelty():
    assert novelty(BASELINE, KNOWN) < 0.1


def test_a_window_the_baseline_does_not_know_is_mostly_new():
    assert novelty(BASELINE, FOREIGN) > 0.5


def test_a_window_that_nothing_compresses_is_all_new():
    assert novelty(BASELINE, sha512(b"nothing like it").digest()) > 0.9


def test_ncd_of_a_text_and_itself_is_near_0():
    assert ncd(FOREIGN * 20, FOREIGN * 20) < 0.15


@pytest.mark.parametrize(
    "pair", [(b"", b""), (b"", b"x"), (b"x", b""), (bytes(range(256)), bytes(range(255, -1, -1)))]
)
def test_ncd_stays_between_0_and_1(pair):
    assert 0 <= ncd(*pair) <= 1


@pytest.mark.parametrize(
    ("data", "bits"), [(b"", 0), (b"aaaa", 0), (b"ab", 1), (b"aabc", 1.5), (bytes(range(256)), 8)]
)
def test_byte_entropy_counts_bits_per_byte(data, bits):
    assert byte_entropy(data) == pytest.approx(bits)


def test_a_compression_ratio_is_compressed_over_raw_size():
    assert compression_ratio(BASELINE) == compressed_size(BASELINE) / len(BASELINE)


def test_the_compression_ratio_of_nothing_is_0():
    assert compression_ratio(b"") == 0


def test_the_figures_of_a_window_are_those_of_the_functions():
    figures = measure(BASELINE, FOREIGN)
    assert (figures.ncd, figures.novelty) == (ncd(BASELINE, FOREIGN), novelty(BASELINE, FOREIGN))
    assert figures.combined_ratio == compression_ratio(BASELINE + FOREIGN)
    assert figures.window_entropy == byte_entropy(FOREIGN)


def test_threads_may_compress_at_the_same_time():
    sizes = []
    threads = [
        Thread(target=lambda: sizes.extend(compressed_size(BASELINE) for _ in range(200))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [compressed_size(BASELINE)] * 800
