"""Text normalisation: a text as a voice must say it, before it goes to a speech model.

Markup goes first, in every language: of Markdown, HTML, SSML and styled letters only the words are said. `normalise`
writes numbers, dates, hours, money, units, abbreviations and addresses out as words; `sentences` cuts a script into
pieces that the model takes at once and keeps the original of each, for subtitles. Nothing here needs torch: the draft
voices use it too, through `reader`.

Where a language has two right ways, these are the ones kept to:

pt-BR: quatorze (not catorze), dezesseis; no comma within a number ("mil duzentos e trinta e quatro"); hours as
"quatorze horas e trinta minutos"; the unit stays singular below two ("zero grau", "um vírgula cinco milhão"); up to
three decimals read as a number ("três vírgula quatorze"); telephone digits one by one with "seis", the area code as a
number; Roman numerals ordinal up to ten after "século" and after a ruler's name, cardinal elsewhere ("capítulo
quatro"). `pt` is read as Brazilian too, since both packs are asked for by people who write for Brazil.

en: "one hundred and five", no comma within a number; years in pairs ("nineteen ninety-eight"); 12/31 is month and day
unless the language says en-GB, en-AU, en-NZ, en-IE, en-ZA or en-IN; decimals digit by digit; acronyms as letters with
spaces ("F B I").
"""

from .normalise import normalise
from .split import Sentence, sentences
from .written import Word

__all__ = ["Sentence", "Word", "normalise", "sentences"]
