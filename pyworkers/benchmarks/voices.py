"""The built-in natural voices: their measures for voices.yaml and their spoken previews.

    .venv-draft/bin/python -m benchmarks.voices [NAME ...]

Needs .weights (make setup). Writes engines/kokoro/previews/NAME.ogg (Opus, 32 kbit/s, mono), prints each voice's
measures as they stand in voices.yaml, and what the listener understood of the preview.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

from apibr_worker import textnorm
from apibr_worker.audio.measure import RATE, measure_voice
from apibr_worker.engines.kokoro.engine import Engine
from apibr_worker.listening import Listener
from apibr_worker.runtime import child
from apibr_worker.runtime.api import InputFile, LoadRequest
from apibr_worker.runtime.ffmpeg import ffmpeg
from apibr_worker.speech.natural.model import SAMPLE_RATE, Model
from apibr_worker.speech.natural.phonemes import Phonemes
from apibr_worker.speech.natural.speaker import NaturalSpeaker
from apibr_worker.speech.pipeline import resampled
from tests.harness import ROOT, context

KOKORO = ROOT / "pyworkers/apibr_worker/engines/kokoro"
WEIGHTS = ROOT / ".weights"
TEXTS = {
    "pt-BR": "Olá, eu sou {}. Escreva o seu texto, que eu leio para você com calma.",
    "en": "Hello, I am {}. Write your text, and I will read it to you in my own voice.",
    "en-GB": "Good morning, I am {}. Write your text, and I will read it to you with pleasure.",
    "es": "Hola, soy {}. Escribe tu texto y yo lo leo para ti con mucho gusto.",
    "fr": "Bonjour, je suis {}. Écrivez votre texte, et je vous le lirai avec plaisir.",
    "it": "Ciao, sono {}. Scrivi il tuo testo e io lo leggo per te con piacere.",
    "hi": "नमस्ते, मेरा नाम {} है। आप अपना लेख लिखिए, मैं उसे पढ़कर सुनाऊँगी।",
}
NAMES = {"Alpha": "अल्फ़ा", "Omega": "ओमेगा", "Dora (español)": "Dora", "Alex (español)": "Alex"}
SEED = 1


def preview_text(voice: dict[str, Any]) -> str:
    """What a voice says of itself."""
    text = TEXTS[voice["language"]].format(NAMES.get(voice["name"], voice["name"]))
    return text.replace("सुनाऊँगी", "सुनाऊँगा") if voice["sex"] == "male" else text


def measures(model: Model, voice: dict[str, Any], folder: Path) -> dict[str, float]:
    """The voice as the model says it, before any gain."""
    run = context(folder, "audio.speech", {"seed": SEED})
    name, language = voice["conditionals"]["voice"], voice["language"]
    with Phonemes(run) as phonemes:
        speaker = NaturalSpeaker(model, phonemes, run, voice=name, language=language, loudness_lufs=0.0)
        sentence = textnorm.sentences(preview_text(voice), 280, language)
        said = [speaker.say(one, np.random.default_rng(SEED)).samples for one in sentence]
    found = measure_voice(resampled(np.concatenate(said), SAMPLE_RATE, RATE))
    assert found, f"{name} says nothing"
    return found.to_json()


def main() -> None:
    """Measures and speaks the voices named, or all."""
    voices = yaml.safe_load((KOKORO / "voices.yaml").read_text(encoding="utf-8"))
    files = {"onnx": str(WEIGHTS / "kokoro/variants/int8/onnx/kokoro-v1.0.int8.onnx")}
    files["voices"] = str(WEIGHTS / "kokoro/variants/int8/voices")
    engine, listener = Engine(), Listener(WEIGHTS / "whisper-base/variants/int8/model")
    engine.load(LoadRequest("kokoro", "kokoro", "int8", files, {}))
    model = engine._model
    assert model
    (KOKORO / "previews").mkdir(exist_ok=True)
    for voice in voices:
        name = voice["conditionals"]["voice"]
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            found = measures(model, voice, folder)
            file = folder / "voice.json"
            file.write_text(json.dumps({**voice["conditionals"], **found}))
            inputs = [InputFile("voice", file, "application/json", {"language": voice["language"]})]
            run = context(folder, "audio.speech", {"text": preview_text(voice), "seed": SEED}, inputs)
            engine.run(run)
            samples, rate = soundfile.read(folder / "speech.wav", dtype="float32")
            target = KOKORO / voice["preview"]
            encode = ["-c:a", "libopus", "-b:a", "32k", "-ac", "1", "-application", "voip", "-map_metadata", "-1"]
            argv = [ffmpeg(), "-nostdin", "-y", "-v", "error", "-i", str(folder / "speech.wav"), *encode]
            child.run([*argv, "-fflags", "+bitexact", str(target)])
            heard = listener.hear(np.asarray(samples, np.float32), rate, language=voice["language"])
        kept = {key: value for key, value in found.items() if key != "version"}
        print(f"{name}: {json.dumps(kept)} {target.stat().st_size} bytes, {samples.size / rate:.1f} s: {heard.text}")


if __name__ == "__main__":
    main()
