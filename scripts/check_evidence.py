"""Check an evidence bundle with Python alone: no database, no package, this one file.

    python check_evidence.py BUNDLE.json --key KEY.pub

KEY is the public key as `manage.py audit keygen` wrote it (PEM), or its 64 hexadecimal digits; it has to come
from somebody you trust, and not from the bundle. Exits 0 where all holds, 1 with the first thing that does
not.

Sources: RFC 8785 (the canonical bytes), RFC 8032 (Ed25519).
"""

import argparse
import base64
import hashlib
import json
import re
import sys

FORMAT = "driftlock evidence 1"
SAID = "number made_at ids rows settled seen digest row_hashes guard former key".split()
HASH_BYTES = 8
LISTS = {"history": "anomaly", "comments": "comment"}  # of entries, and what they are about


class Wrong(Exception):
    """A check that failed, with its message."""


# --- canonical JSON, RFC 8785 -----------------------------------------------------------------------------


def canonical(value):
    """The canonical text of a JSON value."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    pairs = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be"))
    return "{" + ",".join(text(name) + ":" + canonical(inner) for name, inner in pairs) + "}"


def text(value):
    """A string as ECMAScript writes it: the fewest escapes, and nothing but UTF-8."""
    return json.dumps(value, ensure_ascii=False)


def number(value):
    """A number as ECMAScript writes it (ECMA-262, Number::toString): the shortest digits that are it."""
    value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise Wrong("the bundle holds a number that JSON does not have")
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    digits, exponent = f"{value!r}".lower(), 0
    if "e" in digits:
        digits, _, power = digits.partition("e")
        exponent = int(power)
    whole, _, fraction = digits.partition(".")
    exponent += len(whole)
    digits = (whole + fraction).lstrip("0")
    exponent -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= exponent <= 21:
        return sign + digits + "0" * (exponent - count)
    if 0 < exponent <= 21:
        return sign + digits[:exponent] + "." + digits[exponent:]
    if -6 < exponent <= 0:
        return sign + "0." + "0" * -exponent + digits
    power = f"e{exponent - 1:+d}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + power


# --- Ed25519, RFC 8032, section 5.1 -----------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(one, other):
    """The sum of two points in extended coordinates."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar, point):
    """A point added to itself that many times."""
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def point_of(data):
    """The point that 32 bytes stand for; None for none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def is_signed(key, signature, message):
    """Return True if 64 bytes are the signature of a key of 32 bytes over a message."""
    if len(key) != 32 or len(signature) != 64:
        return False
    owner, commitment = point_of(key), point_of(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if owner is None or commitment is None or scalar >= Q:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    base = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    left = times(scalar, base)
    right = add(commitment, times(int.from_bytes(digest, "little") % Q, owner))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- the bundle -------------------------------------------------------------------------------------------


def check(document, key):
    """Return the checks that passed, a sentence each. Raises Wrong at the first that fails."""
    said = document.get("bundle") if isinstance(document, dict) else None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise Wrong("this is not an evidence bundle of a known format")
    if not is_signed(key, bytes.fromhex(document["signature"]), canonical(said).encode()):
        raise Wrong("the bundle's signature is not that of the key over what it says")
    yield f"the bundle was signed by the key, for {said['made_by']} at {said['made_at']}"
    check_chain(said["seals"], key)
    yield f"{len(said['seals'])} seals follow each other, each signed"
    sealed = 0
    for name, about in LISTS.items():
        rows = said.get(name, [])
        found = sum(check_entry(row, said, about) for row in rows)
        sealed += found
        if rows or name == "history":
            yield f"{found} of {len(rows)} entries of its {name} are as they were sealed"
    if sealed < sum(len(said.get(name, [])) for name in LISTS):
        yield f"not sealed when the bundle was made: {said['not_sealed_yet']}"


def check_chain(seals, key):
    """Check that every seal is signed and contains the head of the one before."""
    former = None
    for seal in seals:
        name = f"seal {seal['number']}"
        statement = json.dumps({n: seal[n] for n in SAID}, sort_keys=True, separators=(",", ":")).encode()
        if hashlib.sha256(statement).hexdigest() != seal["head"]:
            raise Wrong(f"{name} was edited: its head is not the hash of what it says")
        if not is_signed(key, bytes.fromhex(seal["signature"]), statement):
            raise Wrong(f"{name} is not signed by the key")
        if former is not None and seal["former"] != former:
            raise Wrong(f"{name} does not follow the one before it")
        if (
            "hashes" in seal
            and hashlib.sha256(bytes.fromhex(seal["hashes"])).hexdigest() != seal["row_hashes"]
        ):
            raise Wrong(f"{name}: the hashes of its entries are not those that it sealed")
        former = seal["head"]


def check_entry(row, said, about):
    """Return True if a seal covers the entry. Raises Wrong if it is another or changed."""
    columns = row.split("\t")
    entry = int(columns[0])
    if columns[5:7] != [about, said["anomaly"]["id"]]:
        raise Wrong(f"entry {entry} is not about this anomaly")
    for seal in said["seals"]:
        place = place_in(seal["ids"], entry)
        if place is not None:
            kept = bytes.fromhex(seal["hashes"])[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            if hashlib.sha256(row.encode()).digest()[:HASH_BYTES] != kept:
                raise Wrong(f"entry {entry} is not as seal {seal['number']} has it")
            return True
    if entry not in said["not_sealed_yet"]:
        raise Wrong(f"no seal covers entry {entry}")
    return False


def place_in(ids, entry):
    """Return the number of entries of a seal (ids ``1-4,7-7``) before this one; None if it is not covered."""
    before = 0
    for part in ids.split(","):
        low, high = map(int, part.split("-"))
        if low <= entry <= high:
            return before + entry - low
        before += high - low + 1
    return None


def key_of(given):
    """The 32 bytes of a public key: a PEM file's, or those that 64 hexadecimal digits say."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return bytes.fromhex(given)
    with open(given) as file:
        body = "".join(line for line in file.read().splitlines() if "-----" not in line)
    return base64.b64decode(body)[-32:]


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Check an evidence bundle of Driftlock.")
    parser.add_argument("bundle", help="the file")
    parser.add_argument("--key", required=True, help="the public key: a PEM file, or 64 hexadecimal digits")
    given = parser.parse_args()
    try:
        with open(given.bundle, encoding="utf-8") as file:
            document = json.load(file)
        for sentence in check(document, key_of(given.key)):
            print(sentence)
    except Wrong as problem:
        sys.exit(f"WRONG: {problem}")
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as problem:
        sys.exit(f"WRONG: the file or the key can't be read ({type(problem).__name__}: {problem})")
    print("all of it holds")


if __name__ == "__main__":
    main()
