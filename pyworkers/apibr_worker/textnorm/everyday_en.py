"""What Americans write in messages, recipes, results and addresses, put into plain form before other steps."""

from __future__ import annotations

import re

from . import words_en as words
from .shared import Step, replacing
from .trace import Change

_CHAT = {
    "u": "you", "r": "are", "ur": "your", "thx": "thanks", "tnx": "thanks", "ty": "thank you", "pls": "please",
    "plz": "please", "omg": "oh my God", "brb": "be right back", "btw": "by the way", "idk": "I don't know",
    "imo": "in my opinion", "imho": "in my humble opinion", "tbh": "to be honest", "np": "no problem",
    "ppl": "people", "msg": "message", "tmrw": "tomorrow", "b4": "before", "gr8": "great",
    "asap": "as soon as possible",
    "fyi": "for your information", "bday": "birthday", "rn": "right now", "omw": "on my way", "jk": "just kidding",
}  # fmt: skip
_CHATTED = re.compile(rf"(?<![\w.,@/'-])({'|'.join(sorted(_CHAT, key=len, reverse=True))})(?![\w@/'-]|\.\w)")

_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "D C", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii",
    "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
}  # fmt: skip
# "Springfield, IL 62704"; without a postcode only before a comma, a stop or the end: "OK" and "IN" are words.
_STATE = re.compile(rf"(?<=[a-z], )({'|'.join(_STATES)})(?: (\d{{5}})(?:-(\d{{4}}))?(?!\w|-)|(?=[,.;:!?]|$))")
_ZIP = re.compile(r"(\b(?:ZIP|[Zz]ip)(?: [Cc]ode)?:?) (\d{5})(?!\w|-)")
_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West", "NW": "Northwest", "NE": "Northeast",
          "SW": "Southwest", "SE": "Southeast"}  # fmt: skip
_SIDE_BEFORE = re.compile(r"(?<=\d )(NW|NE|SW|SE|[NSEW])\.? (?=[A-Z0-9][a-z0-9])")
_ROADS = {"Ave": "Avenue", "St": "Street", "Blvd": "Boulevard", "Rd": "Road", "Dr": "Drive", "Ln": "Lane",
          "Ct": "Court", "Pl": "Place", "Hwy": "Highway", "Pkwy": "Parkway"}  # fmt: skip
_HOUSE = re.compile(
    rf"(?<![\w.,$])([1-9]\d)00 (?=(?:[NSEW][EW]?\.? )?[A-Z][a-z]+ (?:[A-Z][a-z]+ )?"
    rf"(?:{'|'.join(_ROADS)}|Street|Avenue)\b)"
)
_ROAD = re.compile(rf"(?<=[a-z0-9] )({'|'.join(_ROADS)})\.?(?: (NW|NE|SW|SE|[NSEW])(?!\w)\.?|(?=,))")
_JUNIOR = re.compile(rf"(?<!\w)Jr\.? (?=(?:{'|'.join(_ROADS)}|Day|High|School|Park)(?!\w))")

_WEEK = {"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday",
         "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"}  # fmt: skip
_DAYS = "|".join(sorted(_WEEK, key=len, reverse=True))
_WEEKDAYS = re.compile(rf"(?<!\w)({_DAYS})\.?(?: ?[-–] ?| to )({_DAYS})(?!\w)\.?(?! *$)")

_MINUTES = re.compile(r"(?<=\d) ?mins?(\.)?(?=( ?$| [A-Z])?)(?!\w)")
_OVEN = re.compile(r"(?<![\w.,])(\d{2,3})([CF])(?!\w|[-+#])")
_SQUARE = re.compile(r"(?<=\d) ?sq\. ?(ft|mi|in|yd)(?!\w)\.?(?=( ?$| [A-Z])?)")
_INCHES = re.compile(r"(?<![\w.,'])(\d{1,3}(?:\.\d{1,2})?)[\"″](?= ([A-Za-z])?|[,.;:)]|$)")
_PRESSURE = re.compile(r"(?<![\w.,/])(9\d|1\d\d|2[0-4]\d)/([4-9]\d|1[0-3]\d)(?![\w/]|[.,]\d)")
_OUT_OF = re.compile(r"(?<![\w.,/])(\d)/10 (?=[a-z]+s(?!\w))")
_MILLIONS = re.compile(r"(?<![\w.,$€£])(\d+(?:\.\d+)?)M (?=[a-z])")
_THOUSANDS = re.compile(r"(?<![\w.,$€£])(\d{2,3}|\d+\.\d+)K (?=[a-z]+s(?!\w))")
_AMOUNTS = re.compile(r"(?<=\d[MBKkTmbn])[-–—](?=[$€£])")
_SHORT_YEAR = re.compile(r"(?<![\w])['’](\d\d)(?![\w.,:]\w|\w)")
_DIGITS = re.compile(
    r"(\b(?:(?i:ending(?: in)?|code|PIN|passcode|password|last four|extension)(?: is)?:?|(?i:text) \w+ to)) "
    r"(\d{4,8})(?![\w.,/-]\d|\w)"
)
_PLATE = re.compile(r"((?i:\b(?:license )?plate):?) ([A-Z]{2,3})[- ]?(\d{3,4})(?!\w)")
_PLANE = re.compile(r"(\b(?:Boeing|Airbus|Embraer) [A-Z]?\d{2,3})-(\d{3})(?!\w)")
_ROUTE = re.compile(r"(?<!\w)(?:Rte?)\.? (?=\d)")
_CODE = re.compile(r"((?i:\b(?:dial(?:ed)?|call(?:ed)?))) (\d{3}) (or|and) (\d{3})(?!\w|[.,:/-]\d|-)")


def _digits(match: re.Match[str]) -> str:
    return f"{match[1]} {words.digits(match[2])}"


def _state(match: re.Match[str]) -> str:
    said = _STATES[match[1]]
    if match[2]:
        said += f" {words.digits(match[2])}"
    return said + (f", {words.digits(match[3])}" if match[3] else "")


def _inches(match: re.Match[str]) -> str:
    if match.string.count('"', max(0, match.start() - 300), match.start()) % 2:
        return match.group()  # the end of a quotation
    return f"{match[1]} {'inch' if match[2] or match[1] == '1' else 'inches'}"


def _short_year(match: re.Match[str]) -> str:
    return f"oh {words.cardinal(int(match[1]))}" if match[1][0] == "0" else words.cardinal(int(match[1]))


def _stop(match: re.Match[str], group: int) -> str:
    """The full stop of the sentence, where an abbreviation's own stands for it."""
    return "." if match.group().endswith(".") and match[group] is not None else ""


_CHANGES: list[tuple[re.Pattern[str], Change]] = [
    (_CHATTED, lambda match: _CHAT[match[1]]),
    (_JUNIOR, "Junior "),
    (_STATE, _state),
    (_ZIP, _digits),
    (_HOUSE, lambda match: f"{words.cardinal(int(match[1]))} hundred "),
    (_SIDE_BEFORE, lambda match: f"{_SIDES[match[1]]} "),
    (_ROAD, lambda match: _ROADS[match[1]] + (f" {_SIDES[match[2]]}" if match[2] else "")),
    (_WEEKDAYS, lambda match: f"{_WEEK[match[1]]} to {_WEEK[match[2]]}"),
    (_MINUTES, lambda match: " minutes" + _stop(match, 2)),
    (re.compile(r"(?<![\d.,])1 minutes"), "1 minute"),
    (_OVEN, r"\1 °\2"),
    (_SQUARE, lambda match: f" sq {match[1]}" + _stop(match, 2)),
    (_INCHES, _inches),
    (_PRESSURE, lambda match: f"{match[1]} over {match[2]}"),
    (_OUT_OF, r"\1 out of 10 "),
    (_MILLIONS, r"\1 million "),
    (_THOUSANDS, r"\1 thousand "),
    (_AMOUNTS, " to "),
    (_SHORT_YEAR, _short_year),
    (_CODE, lambda match: f"{match[1]} {words.digits(match[2])} {match[3]} {words.digits(match[4])}"),
    (_DIGITS, _digits),
    (_PLATE, lambda match: f"{match[1]} {words.letters(match[2])}, {words.digits(match[3])}"),
    (_PLANE, r"\1 \2"),
    (_ROUTE, "Route "),
]
STEPS: list[Step] = [replacing(pattern, said) for pattern, said in _CHANGES]
