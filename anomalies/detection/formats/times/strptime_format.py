"""Timestamps of a format that the user names, in the directives of strptime."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

_TWO = r"\d{1,2}"
_WORD = r"[^\W\d_]{1,20}"
# Where a stamp is; strptime then decides whether it is one.
_DIRECTIVES = {
    **dict.fromkeys("aAbBp", _WORD),
    **dict.fromkeys("dHImMSyUWV", _TWO),
    **dict.fromkeys("wu", r"\d"),
    **dict.fromkeys("YG", r"\d{4}"),
    "f": r"(?P<fraction>\d{1,9})",
    "j": r"\d{1,3}",
    "z": r"(?:[+-]\d\d:?\d\d(?::?\d\d(?:\.\d{1,6})?)?|Z)",
    "Z": r"(?P<zone>[A-Za-z]{1,6})?",
    "%": "%",
}
_SHORT_FOR = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}
_PIECE = re.compile(r"%(.?)|(\s+)|([^%\s]+)", re.DOTALL)
_SAMPLE = datetime(2024, 2, 28, 13, 4, 5, 678900, UTC)
_HOW = 'write one like "%d/%m/%Y %H:%M:%S"'


class TimeFormat:
    """A format of strptime. ValueError names a bad directive, one said twice, or that there is no date."""

    def __init__(self, text: str) -> None:
        text = re.sub("%([cxX%])", lambda match: _SHORT_FOR.get(match[1], match[0]), text)
        directives = re.findall("%(.?)", text, re.DOTALL)
        _check(text, directives)
        self._pattern = re.compile("".join(_located(piece) for piece in _PIECE.finditer(text)))
        self._format = text.replace("%Z", "")
        self._has_year = bool({"Y", "y", "G"} & set(directives))

    def read(self, text: str, zone: tzinfo, latest: datetime | None, whole: bool) -> datetime | None:
        """Return the first moment in the text in UTC; None for none. ValueError for an impossible one.

        `zone` holds where the stamp has no offset; without a year it is the last one that is not after
        `latest`. `whole` asks the stamp to be all of the text.
        """
        match = self._pattern.fullmatch(text) if whole else self._pattern.search(text)
        if match is None:
            return None
        stamp, name = _without_zone(match)
        zone = UTC if name in ("UTC", "GMT", "Z") else zone
        if self._has_year:
            return _aware(datetime.strptime(stamp, self._format), zone).astimezone(UTC)
        return in_latest_year(
            latest, lambda year: _aware(datetime.strptime(f"{year} {stamp}", "%Y " + self._format), zone)
        )


def in_latest_year(latest: datetime | None, of_year: Callable[[int], datetime]) -> datetime:
    """Return the moment in the last year that does not place it after `latest`; ValueError for none."""
    if latest is None:
        raise ValueError("no year is known")
    # Eight years, because 29 February is missing for that long around 1900 and 2100.
    for year in range(latest.year, latest.year - 9, -1):
        try:
            moment = of_year(year).astimezone(UTC)
        except ValueError:
            continue
        if moment <= latest:
            return moment
    raise ValueError("no year fits")


def _check(text: str, directives: list[str]) -> None:
    for one in directives:
        if one not in _DIRECTIVES:
            raise ValueError(f"time format {text!r}: %{one} is no directive of strptime; {_HOW}")
        if one != "%" and directives.count(one) > 1:
            raise ValueError(f"time format {text!r}: %{one} is there twice; {_HOW}")
    named = set(directives)
    in_month = "d" in named and bool(named & set("mbB"))
    in_week = bool(named & set("aAwu")) and (
        (bool(named & set("UW")) and bool(named & set("Yy"))) or named >= {"G", "V"}
    )
    if not (in_month or "j" in named or in_week):
        raise ValueError(f"time format {text!r}: names no date (day and month); {_HOW}")
    try:
        datetime.strptime(_SAMPLE.strftime(text), text)
    except (ValueError, re.error) as error:
        raise ValueError(f"time format {text!r}: {error}; {_HOW}") from error


def _located(piece: re.Match[str]) -> str:
    directive, space, literal = piece.groups()
    if directive is not None:
        return _DIRECTIVES[directive]
    return r"\s+" if space else re.escape(literal)


def _without_zone(match: re.Match[str]) -> tuple[str, str]:
    """The stamp without its zone's name, which strptime would refuse, and with six digits of a second."""
    text, start, groups = match[0], match.start(), match.re.groupindex
    cuts = (
        [(match.end("zone") - start, match.start("zone") - start)]
        if "zone" in groups and match["zone"]
        else []
    )
    if "fraction" in groups:
        cuts.append(
            (match.end("fraction") - start, min(match.end("fraction"), match.start("fraction") + 6) - start)
        )
    for end, begin in sorted(cuts, reverse=True):
        text = text[:begin] + text[end:]
    return text, (match["zone"] or "").upper() if "zone" in groups else ""


def _aware(moment: datetime, zone: tzinfo) -> datetime:
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
