"""English abbreviations, units and signs, with the words for them."""

from __future__ import annotations

from .money import Coin

TITLES = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "dr": "Doctor", "drs": "Doctors", "prof": "Professor",
    "gen": "General",
    "col": "Colonel", "lt": "Lieutenant", "sgt": "Sergeant", "capt": "Captain", "cpl": "Corporal", "maj": "Major",
    "rev": "Reverend", "hon": "Honorable", "gov": "Governor", "sen": "Senator", "rep": "Representative",
    "pres": "President",
    "st": "Saint", "mt": "Mount", "ft": "Fort", "messrs": "Messieurs", "supt": "Superintendent", "adm": "Admiral",
    "fr": "Father",
}  # fmt: skip
BEFORE_NAME = frozenset(TITLES) - {"mr", "mrs", "ms", "dr", "drs", "prof"}

BEFORE_NUMBER = {
    "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "pg": "page", "vol": "volume", "vols": "volumes",
    "ch": "chapter", "chap": "chapter", "fig": "figure", "figs": "figures", "sec": "section", "apt": "apartment",
    "art": "article",
    "ed": "edition", "ext": "extension", "tel": "telephone", "eq": "equation", "ver": "version", "ep": "episode",
    "pt": "part",
    "c": "circa", "ca": "circa", "est": "established", "rm": "room", "rt": "route", "rte": "route", "ste": "suite",
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
    "aug": "August",
    "sep": "September", "sept": "September", "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip

ANYWHERE = {
    "etc": "et cetera", "vs": "versus", "e.g": "for example", "eg": "for example", "i.e": "that is",
    "approx": "approximately",
    "inc": "Incorporated", "ltd": "Limited", "co": "Company", "corp": "Corporation", "bros": "Brothers",
    "jr": "Junior",
    "sr": "Senior", "dept": "department", "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "hwy": "Highway",
    "pkwy": "Parkway",
    "ph.d": "P H D", "b.c": "B C", "a.d": "A D", "a.k.a": "also known as", "p.s": "P S", "et al": "and others",
    "cf": "compare",
    "misc": "miscellaneous", "max": "maximum", "min": "minimum", "govt": "government", "intl": "international",
    "univ": "university",
    "u.s": "U S", "u.k": "U K", "a.m": "A M", "p.m": "P M", "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday",
    "wed": "Wednesday", "thu": "Thursday", "thurs": "Thursday", "fri": "Friday",
}  # fmt: skip
ENDS_SENTENCE = frozenset("etc inc ltd co corp jr sr ave blvd rd ph.d b.c a.d a.m p.m".split())

SLASHED = {"and/or": "and or", "w/o": "without", "w/": "with", "b/c": "because", "n/a": "not applicable",
    "c/o": "care of",
           "he/she": "he or she", "his/her": "his or her", "s/he": "she or he"}  # fmt: skip

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9,
    "october": 10, "november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8,
    "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip

UNITS = {
    "km": ("kilometer", "kilometers"), "m": ("meter", "meters"), "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"), "µm": ("micrometer", "micrometers"), "nm": ("nanometer", "nanometers"),
    "kg/m²": ("kilogram per square meter", "kilograms per square meter"),
    "kg": ("kilogram", "kilograms"), "Kg": ("kilogram", "kilograms"), "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "µg": ("microgram", "micrograms"), "t": ("ton", "tons"), "l": ("liter", "liters"), "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"), "mL": ("milliliter", "milliliters"),
    "km²": ("square kilometer", "square kilometers"), "m²": ("square meter", "square meters"),
    "cm²": ("square centimeter", "square centimeters"), "mm²": ("square millimeter", "square millimeters"),
    "m³": ("cubic meter", "cubic meters"), "cm³": ("cubic centimeter", "cubic centimeters"),
    "ha": ("hectare", "hectares"),
    "ft²": ("square foot", "square feet"), "sq ft": ("square foot", "square feet"),
    "sq mi": ("square mile", "square miles"),
    "km/h": ("kilometer per hour", "kilometers per hour"), "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"), "mpg": ("mile per gallon", "miles per gallon"),
    "m/s": ("meter per second", "meters per second"),
    "m/s²": ("meter per second squared", "meters per second squared"),
    "km/s": ("kilometer per second", "kilometers per second"), "ft/s": ("foot per second", "feet per second"),
    "g/cm³": ("gram per cubic centimeter", "grams per cubic centimeter"),
    "mg/dL": ("milligram per deciliter", "milligrams per deciliter"),
    "mg/kg": ("milligram per kilogram", "milligrams per kilogram"),
    "°C": ("degree Celsius", "degrees Celsius"), "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "min": ("minute", "minutes"), "mins": ("minute", "minutes"), "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "s": ("second", "seconds"), "ms": ("millisecond", "milliseconds"), "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "h": ("hour", "hours"), "yr": ("year", "years"), "yrs": ("year", "years"),
    "Hz": ("hertz", "hertz"), "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "KB": ("kilobyte", "kilobytes"), "kB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "PB": ("petabyte", "petabytes"), "MiB": ("mebibyte", "mebibytes"),
    "GiB": ("gibibyte", "gibibytes"),
    "kbps": ("kilobit per second", "kilobits per second"), "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"), "MB/s": ("megabyte per second", "megabytes per second"),
    "GB/s": ("gigabyte per second", "gigabytes per second"), "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"), "GW": ("gigawatt", "gigawatts"), "kWh": ("kilowatt hour", "kilowatt hours"),
    "V": ("volt", "volts"), "mV": ("millivolt", "millivolts"), "kV": ("kilovolt", "kilovolts"),
    "mA": ("milliampere", "milliamperes"),
    "mAh": ("milliampere hour", "milliampere hours"), "Ω": ("ohm", "ohms"), "kΩ": ("kilo-ohm", "kilo-ohms"),
    "kJ": ("kilojoule", "kilojoules"), "Pa": ("pascal", "pascals"), "kPa": ("kilopascal", "kilopascals"),
    "hPa": ("hectopascal", "hectopascals"),
    "psi": ("pound per square inch", "pounds per square inch"), "cal": ("calorie", "calories"),
    "kcal": ("kilocalorie", "kilocalories"),
    "dB": ("decibel", "decibels"), "px": ("pixel", "pixels"), "fps": ("frame per second", "frames per second"),
    "rpm": ("revolution per minute", "revolutions per minute"), "bpm": ("beat per minute", "beats per minute"),
    "hp": ("horsepower", "horsepower"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "fl oz": ("fluid ounce", "fluid ounces"), "gal": ("gallon", "gallons"), "ft": ("foot", "feet"),
    "yd": ("yard", "yards"),
    "yds": ("yard", "yards"), "mi": ("mile", "miles"), "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "in": ("inch", "inches"), "pp": ("percentage point", "percentage points"),
}  # fmt: skip

PER = {
    "kg": "kilogram", "g": "gram", "l": "liter", "m": "meter", "m²": "square meter", "h": "hour", "hr": "hour",
    "min": "minute",
    "s": "second", "km": "kilometer", "mi": "mile", "gal": "gallon", "lb": "pound", "oz": "ounce",
    "kwh": "kilowatt hour", "gb": "gigabyte",
    "mo": "month", "yr": "year", "wk": "week", "sq": "square", "ft²": "square foot", "ea": "each",
}  # fmt: skip

COINS = {
    "USD": Coin("dollar", "dollars", "cent", "cents"),
    "BRL": Coin("real", "reais", "centavo", "centavos"),
    "EUR": Coin("euro", "euros", "cent", "cents"),
    "GBP": Coin("pound", "pounds", "penny", "pence"),
    "JPY": Coin("yen", "yen"),
    "BTC": Coin("bitcoin", "bitcoins"),
    "CAD": Coin("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": Coin("Australian dollar", "Australian dollars", "cent", "cents"),
    "NZD": Coin("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "INR": Coin("rupee", "rupees"),
    "RUB": Coin("ruble", "rubles"),
    "CNY": Coin("yuan", "yuan"),
    "AED": Coin("UAE dirham", "UAE dirhams"),
    "ARS": Coin("Argentine peso", "Argentine pesos"),
    "CHF": Coin("Swiss franc", "Swiss francs"),
    "CLP": Coin("Chilean peso", "Chilean pesos"),
    "COP": Coin("Colombian peso", "Colombian pesos"),
    "CZK": Coin("Czech koruna", "Czech korunas"),
    "DKK": Coin("Danish krone", "Danish kroner"),
    "HKD": Coin("Hong Kong dollar", "Hong Kong dollars"),
    "HUF": Coin("Hungarian forint", "Hungarian forints"),
    "ILS": Coin("Israeli shekel", "Israeli shekels"),
    "KRW": Coin("South Korean won", "South Korean won"),
    "MXN": Coin("Mexican peso", "Mexican pesos"),
    "NOK": Coin("Norwegian krone", "Norwegian kroner"),
    "PLN": Coin("Polish zloty", "Polish zlotys"),
    "PYG": Coin("Paraguayan guarani", "Paraguayan guaranis"),
    "SAR": Coin("Saudi riyal", "Saudi riyals"),
    "SEK": Coin("Swedish krona", "Swedish kronor"),
    "SGD": Coin("Singapore dollar", "Singapore dollars"),
    "THB": Coin("Thai baht", "Thai baht"),
    "TRY": Coin("Turkish lira", "Turkish lira"),
    "TWD": Coin("New Taiwan dollar", "New Taiwan dollars"),
    "UAH": Coin("Ukrainian hryvnia", "Ukrainian hryvnias"),
    "UYU": Coin("Uruguayan peso", "Uruguayan pesos"),
    "ZAR": Coin("South African rand", "South African rand"),
}
MAGNITUDES = {
    "k": ("thousand", "thousand"), "thousand": ("thousand", "thousand"), "m": ("million", "million"),
    "mm": ("million", "million"),
    "mn": ("million", "million"), "million": ("million", "million"), "b": ("billion", "billion"),
    "bn": ("billion", "billion"),
    "billion": ("billion", "billion"), "t": ("trillion", "trillion"), "tn": ("trillion", "trillion"),
    "trillion": ("trillion", "trillion"),
}  # fmt: skip

ACRONYMS = {"OK": "okay", "JPEG": "jay peg", "SQL": "sequel", "WYSIWYG": "wizzy wig", "ASAP": "as soon as possible"}
SPELLED = frozenset(
    """EST EDT SME
    AI US USA UK EU UN ID UI UX IP IT API CIA URL UFO EPA DIY LA NYC UAE IPO ROI LED SOS IRS IQ AC OS ER CEO CFO
    COO CTO
    EV RV FDA FAA NSA TSA USB ATM FAQ HIV DNA PA AD BA MA CE TA RAF IEEE IOS UAV IRA ESL AOL ISP VIP IOU
    APR""".split()
)
KEPT = frozenset("NASA NATO AIDS UNESCO UNICEF OPEC RAM ROM PIN GIF JPEG LASER SCUBA SWAT NAFTA FIFA".split())

ROMAN_CARDINAL = """chapter chapters part volume vol book act scene phase stage type section title class group
    appendix article
item figure table module lesson unit level grade episode season series round war wars bowl mark model apollo rocky
    saturn""".split()
RULERS = """louis henry george edward charles james william john paul pius benedict leo gregory innocent clement
    urban boniface
julius elizabeth mary catherine victoria anne isabella philip ferdinand frederick francis richard alexander nicholas
    ivan
napoleon leopold peter carl gustav christian ramesses ptolemy constantine darius xerxes stephen robert david haakon
    otto
margaret""".split()
TITLES_OF_RULERS = "king queen pope emperor empress tsar czar prince kaiser".split()
# A number after one of these, written without a comma, is a year.
BEFORE_YEAR = """in since of by from until till during between before after year around circa late early mid spring
    summer
autumn fall winter class copyright established founded through to and""".split()

BOOKS = """genesis exodus leviticus numbers deuteronomy joshua judges ruth samuel kings chronicles ezra nehemiah
    esther job psalm psalms
proverbs ecclesiastes isaiah jeremiah lamentations ezekiel daniel hosea joel amos obadiah jonah micah nahum habakkuk
    zephaniah haggai
zechariah malachi matthew mark luke john acts romans corinthians galatians ephesians philippians colossians
    thessalonians timothy
titus philemon hebrews james peter jude revelation""".split()
