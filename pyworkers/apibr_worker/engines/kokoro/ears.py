"""Sentences that are listened to while they are made: a misheard one is said again, and the best take is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from apibr_worker.listening import Listener
from apibr_worker.listening.takes import MOST_ERRORS, Judge, Judged, best_take, misheard
from apibr_worker.runtime.api import Context, Warning
from apibr_worker.speech.pipeline import Ears
from apibr_worker.speech.script import Line, Part
from apibr_worker.speech.segments import Segment


class Listening(Ears):
    """Judges sentences by what a listener makes of them. warnings: those of which even the best take was misheard."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.warnings: list[Warning] = []

    def best(self, line: Line, part: Part, make: Callable[[int], Segment]) -> Segment:
        """The first take that is understood, else the best."""
        segment, judged = best_take(make, partial(self._heard, line, part), self._judge.most_errors)
        self._tell(part, judged)
        return segment

    def kept(self, line: Line, part: Part, segment: Segment) -> None:
        """A sentence of an earlier attempt, whose warnings are not known any more."""
        self._tell(part, self._heard(line, part, segment))

    def _heard(self, line: Line, part: Part, segment: Segment) -> Judged | None:
        sentence = part.sentence
        samples = segment.samples[: max(1, round(segment.said.end * segment.sample_rate))]
        return self._judge.judge((sentence.text, sentence.source), samples, segment.sample_rate, line.language)

    def _tell(self, part: Part, judged: Judged | None) -> None:
        if judged and self._judge.misheard(judged):
            self.warnings.append(misheard(part.sentence.source, judged))


def listening(listener: Listener | None, context: Context) -> Listening | None:
    """Who listens in a run; None where nobody is asked to, or no listener is installed."""
    if listener is None or not context.params.get("listen", False):
        return None
    return Listening(Judge(listener, context.check_cancel, float(context.params.get("most_errors", MOST_ERRORS))))
