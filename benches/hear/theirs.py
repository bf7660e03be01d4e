"""faster-whisper in a process and an environment of its own: a request a line in, an answer a line out.

{"path", "channel" (null: the mono mixdown), "lang", "setting"} → {"seconds", "cpu", "text", "segments": [[start, end, text]]}. Seconds are
those of the transcription alone: the model is loaded and the sound is decoded before, and the language is told.
"""

import json
import os
import sys
import time

import numpy
from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

SETTINGS = {
    "beam 5": {"beam_size": 5},
    "beam 1": {"beam_size": 1},
    "batched 8, beam 1": {"beam_size": 1, "batch_size": 8},
    "beam 5, VAD": {"beam_size": 5, "vad_filter": True},
}


def run():
    # Whatever a library prints goes elsewhere than the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=int(sys.argv[2]), num_workers=1)
    batched = BatchedInferencePipeline(model)
    for line in sys.stdin:
        request = json.loads(line)
        if request["channel"] is None:
            sound = decode_audio(request["path"])
        else:
            sound = numpy.ascontiguousarray(decode_audio(request["path"], split_stereo=True)[request["channel"]])
        setting = SETTINGS[request["setting"]]
        transcribe = batched.transcribe if "batch_size" in setting else model.transcribe
        start, cpu = time.perf_counter(), time.process_time()
        segments = [[each.start, each.end, each.text] for each in transcribe(sound, language=request["lang"], **setting)[0]]
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        text = " ".join(each[2].strip() for each in segments)
        answer = {"seconds": seconds, "cpu": cpu, "text": text, "segments": segments}
        print(json.dumps(answer, ensure_ascii=False), file=answers, flush=True)


if __name__ == "__main__":
    run()
