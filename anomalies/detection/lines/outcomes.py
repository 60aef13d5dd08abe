"""The outcome that a word names: success, failure, or none.

A template whose place has always named one outcome, and now names the other, is worth a person's time though
only one word of the line is new: a backup that fails, a login that succeeds after thousands that failed.
"""

import re
from functools import lru_cache

_SUCCESS = (
    "accept(?:ed|s)?|success(?:ful(?:ly)?)?|succeed(?:ed|s)?|ok|okay|pass(?:ed)?|valid(?:ated)?|granted|allow(?:ed|s)?"
    "|authori[sz]ed|complete(?:d|s)?|finished|done|healthy|ready|up|online|alive|available|connected|established|opened"
    "|started|received|delivered|sent|recovered|restored|committed|enabled|active"
)
_FAILURE = (
    "fail(?:ed|ure|ures|s|ing)?|err(?:or|ors)?|denied|den(?:y|ies)|refus(?:ed|es|al)|reject(?:ed|s)?|abort(?:ed|s)?"
    "|invalid|incomplete|unhealthy|unreachable|unavailable|unauthori[sz]ed|forbidden|timeout|timed|time-?out|down|offline"
    "|dead|lost|crash(?:ed)?|kill(?:ed)?|disconnected|drop(?:ped|s)?|bounced|deferred|corrupt(?:ed)?|broken|degraded"
    "|expired|revoked|exceeded|cancell?ed|stalled|disabled|inactive"
)
_WORDS = re.compile(rf"(?<![A-Za-z])(?:({_SUCCESS})|({_FAILURE}))(?![A-Za-z])", re.IGNORECASE | re.ASCII)
_LONGEST = 80  # characters: longer words are data


@lru_cache(maxsize=16_384)
def outcome_of(word: str) -> int:
    """Return 1 for a word of success, -1 for one of failure, 0 for any other; `result=failed;` is one too."""
    found = _WORDS.search(word[:_LONGEST])
    if found is None:
        return 0
    return 1 if found[1] else -1
