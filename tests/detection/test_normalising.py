import pytest

from anomalies.detection import compressed_size, normalise


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: no", "<time> combo sshd(pam_unix)[0]: no"),
        ("[Sun Dec 04 04:47:44 2005] [notice] ok", "[<time>] [notice] ok"),
        ("2026-11-23 04:22:01.123 UTC [17] LOG:  ready", "<time> [0] LOG: ready"),
        ("at 2026-11-23T04:22:01+02:00 it ended", "at <time> it ended"),
        ("[10/Oct/2000:13:55:36 -0700] GET", "[<time>] GET"),
        ("x 2005-06-03-15.42.50.363779 y", "x <time> y"),
        ("took 12.5 ms of 4000", "took 0.0 ms of 0"),
        ("R02-M1-N0-C:J12-U11", "R0-M0-N0-C:J0-U0"),
        ("blk_-6952295868487656571", "blk_-0"),
        ("id 123e4567-e89b-12d3-a456-426614174000 gone", "id <uuid> gone"),
        ("from 218.188.2.4:50010", "from <ip>:0"),
        ("from fe80::1:2ff:fe00:1", "from <ip>"),
        ("clock 04:47:44", "clock 0:0:0"),
        ("at 0x7ffee4c0a1b0", "at <hex>"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8"[:20], "commit <hex>"),
        ("a\tb   c ", "a b c"),
        ("\x1b[31mred 7\x1b[0m", "red 0"),
        (r"\x1b[31mred 7\x1b[0m", "red 0"),
        ("no digits at all", "no digits at all"),
        ("Décade2 ²", "Décade0 ²"),
        (" \t ", ""),
        ("", ""),
    ],
)
def test_what_varies_is_masked_and_what_speaks_stays(line, normal):
    assert normalise(line) == normal


def test_long_runs_of_one_length_class_look_the_same():
    assert normalise("key " + "a1" * 100) == normalise("key " + "b2" * 110)


def test_long_runs_of_different_length_classes_differ():
    assert normalise("key " + "a1" * 100) != normalise("key " + "a1" * 300)


def test_a_payload_of_200_digits_pays_for_its_length_where_none_was_before():
    usual = normalise("session opened for user").encode() * 50
    payload = normalise("session opened for user " + "a1" * 100).encode()
    assert compressed_size(usual + payload) - compressed_size(usual) > 100


def test_a_payload_that_comes_in_every_line_costs_next_to_nothing():
    usual = normalise("session opened for user " + "a1" * 100).encode() * 50
    payload = normalise("session opened for user " + "c3" * 101).encode()
    assert compressed_size(usual + payload) - compressed_size(usual) < 10
