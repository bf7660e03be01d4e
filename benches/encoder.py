#!/usr/bin/env -S python3 -B
"""How fast turns become vectors: our encoder beside onnxruntime with the same weights, the same tokens and as many threads.

    benches/encoder.py --binary target/release/dealstage [--turns 300] [--rounds 5] [--threads 2] [--json encoder.json]

The turns are drawn from fixtures/calls. Theirs is a graph of onnxruntime's own fused operations (attention, bias and GELU, sum and
layer norm), made from the program's files: `model.gguf` and, in the place of its last layers, `models/turn/encoder.safetensors`.
In fp32 and with dynamic int8. Texts of a call go through it in batches of like length, of the size that is quickest.

Ours is `dealstage bench`. All take turns, so that a drift of the machine hits all. Broken are: a call of 300 turns in more than 2 s, a
live turn over 25 ms (95 %), vectors that are not those of fp32.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

import service as dealstage
from service import Broken

PACKAGES = ("gguf==0.19.0", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "safetensors==0.8.0", "tokenizers==0.23.3")
LAYERS, WIDTH, HEADS, EPSILON, MOST_TOKENS = 12, 384, 12, 1e-12, 128
BATCHES = (1, 4, 8, 16, 32)
# Aims: ms for a call of 300 turns, ms for 95 % of live turns, cosine of vectors.
CALL, LIVE, COSINE = 2000, 25, 0.99999


def run():
    options = arguments()
    dealstage.packages(*PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        texts = drawn(options.turns)
        call = folder / "call.json"
        call.write_text(json.dumps({"turns": [{"text": text} for text in texts]}), encoding="utf-8")
        tokens = cut(texts)
        theirs = {name: Theirs(path, options.threads, tokens) for name, path in graphs(folder).items()}
        rounds = {name: [] for name in ("ours", *theirs)}
        for _ in range(options.rounds):
            rounds["ours"].append(ours(options, call, folder / "vectors"))
            for name, one in theirs.items():
                rounds[name].append(one.measure())
        report = {"turns": len(tokens), "tokens": sum(map(len, tokens)), "threads": options.threads}
        report |= {name: middle(figures) for name, figures in rounds.items()}
        vectors = read_vectors(folder / "vectors")
        for name, one in theirs.items():
            report[name] |= {"batch": one.batch, "least_cosine": least_cosine(vectors, one.vectors())}
        tell(report, rounds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    judge(report, options)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    options = parser.parse_args()
    random.seed(options.seed)
    return options


def drawn(count):
    """Texts of turns, of all calls and both languages alike."""
    texts = []
    for path in sorted((dealstage.ROOT / "fixtures/calls").glob("*.json")):
        texts += [turn["text"] for turn in json.loads(path.read_text(encoding="utf-8"))["turns"]]
    return random.sample(texts, count)


def weights_folder():
    home = os.environ.get("DEALSTAGE_MODELS")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    return (pathlib.Path(home) if home else cache / "dealstage/models") / "multilingual-e5-small"


def cut(texts):
    """As `understand::turn_model::encoder` does it."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
    tokens = [tokenizer.encode(f"query: {text}").ids for text in texts]
    return [ids if len(ids) <= MOST_TOKENS else [*ids[: MOST_TOKENS - 1], ids[-1]] for ids in tokens]


def ours(options, call, vectors):
    command = [options.binary, "bench", call, "--json", "--threads", str(options.threads), "--vectors", vectors]
    figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["turn_model"]
    return {
        "call": figures["encode_call_ms"],
        "half": figures["encode_live_p50_ms"],
        "most": figures["encode_live_p95_ms"],
        "call with labels": figures["call_ms"],
        "half with labels": figures["live_p50_ms"],
        "most with labels": figures["live_p95_ms"],
    }


class Theirs:
    def __init__(self, path, threads, tokens):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.tokens = tokens
        self.single = [feed([ids]) for ids in tokens]
        by_length = sorted(tokens, key=len)
        batches = {size: [feed(by_length[at : at + size]) for at in range(0, len(tokens), size)] for size in BATCHES}
        self.all(batches[BATCHES[0]])
        self.batch = min(BATCHES, key=lambda size: self.all(batches[size]))
        self.together = batches[self.batch]

    def all(self, feeds):
        start = time.perf_counter()
        for one in feeds:
            self.session.run(None, one)
        return 1000 * (time.perf_counter() - start)

    def measure(self):
        call = statistics.median(self.all(self.together) for _ in range(5))
        each = sorted(self.all([one]) for _ in range(5) for one in self.single)
        return {"call": call, "half": at(each, 0.5), "most": at(each, 0.95)}

    def vectors(self):
        import numpy

        return numpy.concatenate([self.session.run(None, one)[0] for one in self.single])


def at(ordered, share):
    return ordered[round(share * (len(ordered) - 1))]


def feed(batch):
    """Filled up to the longest; a text's tokens weigh alike in its mean, what fills up weighs nothing."""
    import numpy

    longest = max(map(len, batch))
    ids = numpy.ones((len(batch), longest), numpy.int64)
    shares = numpy.zeros((len(batch), 1, longest), numpy.float32)
    for row, one in enumerate(batch):
        ids[row, : len(one)] = one
        shares[row, 0, : len(one)] = 1 / len(one)
    lengths = numpy.array([len(one) for one in batch], numpy.int32)
    return {"ids": ids, "positions": numpy.arange(longest), "lengths": lengths, "shares": shares}


def middle(figures):
    return {name: statistics.median(one[name] for one in figures) for name in figures[0]}


def read_vectors(path):
    import numpy

    return numpy.fromfile(path, "<f4").reshape(-1, WIDTH)


def least_cosine(vectors, others):
    return float((vectors * others).sum(axis=1).min())


def weights():
    """Everything by name, dense; matrices are inputs × outputs."""
    import gguf
    import numpy
    import safetensors.numpy

    stored = gguf.GGUFReader(weights_folder() / "model.gguf").tensors
    stored = {one.name: one for one in stored}

    def dense(*names):
        parts = [gguf.dequantize(stored[name].data, stored[name].tensor_type).astype(numpy.float32) for name in names]
        return numpy.concatenate(parts)

    def linear(name, *parts):
        return {
            f"{name}.weight": dense(*[f"{part}.weight" for part in parts]).T,
            f"{name}.bias": dense(*[f"{part}.bias" for part in parts]),
        }

    def norm(name, part):
        return {f"{name}.weight": dense(f"{part}.weight"), f"{name}.bias": dense(f"{part}.bias")}

    embeddings = "embeddings"
    kind = dense(f"{embeddings}.token_type_embeddings.weight").reshape(-1, WIDTH)[0]
    found = {"words": dense(f"{embeddings}.word_embeddings.weight"), "places": dense(f"{embeddings}.position_embeddings.weight") + kind}
    found |= norm("norm", f"{embeddings}.LayerNorm")
    top = safetensors.numpy.load_file(dealstage.ROOT / "models/turn/encoder.safetensors")
    tuned = len({name.split(".")[1] for name in top})
    for layer in range(LAYERS - tuned):
        old, new = f"encoder.layer.{layer}", f"layer.{layer}"
        found |= linear(f"{new}.qkv", *[f"{old}.attention.self.{part}" for part in ("query", "key", "value")])
        found |= linear(f"{new}.attention_out", f"{old}.attention.output.dense")
        found |= norm(f"{new}.attention_norm", f"{old}.attention.output.LayerNorm")
        found |= linear(f"{new}.up", f"{old}.intermediate.dense")
        found |= linear(f"{new}.down", f"{old}.output.dense")
        found |= norm(f"{new}.out_norm", f"{old}.output.LayerNorm")
    for name, tensor in top.items():
        _, layer, part = name.split(".", 2)
        found[f"layer.{LAYERS - tuned + int(layer)}.{part}"] = tensor.astype(numpy.float32)
    return found


def graphs(folder):
    """The files of the two graphs."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes, constants = [], []
    found = weights()

    def constant(name):
        constants.append(numpy_helper.from_array(numpy.ascontiguousarray(found.pop(name)), name))
        return name

    def node(operation, inputs, output, domain="", **settings):
        nodes.append(helper.make_node(operation, inputs, [output], domain=domain, **settings))
        return output

    def fused(operation, inputs, output, **settings):
        return node(operation, inputs, output, "com.microsoft", **settings)

    def sum_and_norm(one, other, bias, name, output):
        constants = [constant(f"{name}.weight"), constant(f"{name}.bias"), constant(bias)]
        return fused("SkipLayerNormalization", [one, other, *constants], output, epsilon=EPSILON)

    words = node("Gather", [constant("words"), "ids"], "of words")
    places = node("Gather", [constant("places"), "positions"], "of places")
    x = node("Add", [words, places], "sum")
    x = node("LayerNormalization", [x, constant("norm.weight"), constant("norm.bias")], "begin", axis=-1, epsilon=EPSILON)
    for layer in range(LAYERS):
        own = f"layer.{layer}"
        qkv = [constant(f"{own}.qkv.weight"), constant(f"{own}.qkv.bias")]
        attended = fused("Attention", [x, *qkv, "lengths"], f"{own} attended", num_heads=HEADS)
        out = node("MatMul", [attended, constant(f"{own}.attention_out.weight")], f"{own} out")
        x = sum_and_norm(x, out, f"{own}.attention_out.bias", f"{own}.attention_norm", f"{own} half")
        up = node("MatMul", [x, constant(f"{own}.up.weight")], f"{own} up")
        up = fused("BiasGelu", [up, constant(f"{own}.up.bias")], f"{own} gelu")
        down = node("MatMul", [up, constant(f"{own}.down.weight")], f"{own} down")
        x = sum_and_norm(x, down, f"{own}.down.bias", f"{own}.out_norm", f"{own} whole")
    mean = node("MatMul", ["shares", x], "mean")
    constants.append(numpy_helper.from_array(numpy.array([1]), "one"))
    node("LpNormalization", [node("Squeeze", [mean, "one"], "row")], "vector", axis=1, p=2)

    def value(name, kind, *shape):
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = [
        value("ids", TensorProto.INT64, "texts", "tokens"),
        value("positions", TensorProto.INT64, "tokens"),
        value("lengths", TensorProto.INT32, "texts"),
        value("shares", TensorProto.FLOAT, "texts", 1, "tokens"),
    ]
    graph = helper.make_graph(nodes, "encoder", inputs, [value("vector", TensorProto.FLOAT, "texts", WIDTH)], constants)
    operations = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    files = {"fp32": folder / "fp32.onnx", "int8": folder / "int8.onnx"}
    onnx.save(helper.make_model(graph, opset_imports=operations, ir_version=10), files["fp32"])
    kinds = {"DefaultTensorType": TensorProto.FLOAT}
    settings = {"op_types_to_quantize": ["MatMul", "Attention"], "weight_type": QuantType.QInt8, "extra_options": kinds}
    quantize_dynamic(files["fp32"], files["int8"], per_channel=True, **settings)
    return files


def tell(report, rounds):
    print(f"{report['turns']} turns, {report['tokens']} tokens, {report['threads']} threads; medians of {len(rounds['ours'])} rounds")
    columns = {"call": "the call", "half": "one turn", "most": "95 %"}
    print(f"{'':<22}" + "".join(f"{title:>14}" for title in columns.values()))
    rows = {name: report[name] for name in rounds}
    rows["ours, with labels"] = {name: report["ours"][f"{name} with labels"] for name in columns}
    for name, figures in rows.items():
        print(f"{name:<22}" + "".join(f"{figures[column]:>11.1f} ms" for column in columns))
    for name in list(rounds)[1:]:
        ratios = [statistics.median(one["call"] / other["call"] for one, other in zip(rounds["ours"], rounds[name], strict=True))]
        ratios += [statistics.median(one["half"] / other["half"] for one, other in zip(rounds["ours"], rounds[name], strict=True))]
        print(
            f"ours / {name}: {ratios[0]:.2f} for the call (theirs in batches of {report[name]['batch']}), {ratios[1]:.2f} for a turn;"
            f" least cosine {report[name]['least_cosine']:.6f}"
        )


def judge(report, options):
    call, live = report["ours"]["call with labels"], report["ours"]["most with labels"]
    if call > CALL * options.turns / 300:
        raise Broken(f"{call:.0f} ms for {options.turns} turns")
    if live > LIVE:
        raise Broken(f"95 % of live turns within {live:.1f} ms, not {LIVE}")
    if report["fp32"]["least_cosine"] < COSINE:
        raise Broken(f"a vector is another one than in fp32: cosine {report['fp32']['least_cosine']:.6f}")


if __name__ == "__main__":
    dealstage.main(run)
