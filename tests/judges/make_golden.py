#!/usr/bin/env python3
"""Makes tests/golden/model/: one small .tflite a case of an operator, and what tflite-micro answers.

    python3 -m venv judge && judge/bin/pip install -r tests/judges/requirements.txt
    judge/bin/python tests/judges/make_golden.py tests/golden/model
    judge/bin/python tests/judges/make_golden.py --public MODELS tests/golden/public

The second form answers for public models, which stay where they are: MODELS is the folder with
ad01_int8.tflite and the others named below. It writes only NAME.golden, with random inputs.

NAME.tflite   the model, written here with the schema's own object API
NAME.golden   u32 rows (little endian), then for each row the bytes of all inputs and of all outputs

A fixed seed makes the same files again. Names that begin with near_ hold float32 operators with an
exponential, where only the last bits may differ; all others must be equal bit for bit.
"""
import argparse
import pathlib
import struct
import subprocess
import sys

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

F32 = np.float32
TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}
ACT = schema.ActivationFunctionType


class Graph:
    """A subgraph under construction; tensors are named by their index."""

    def __init__(self):
        self.buffers = [schema.BufferT()]
        self.tensors, self.operators, self.codes, self.metadata = [], [], [], []

    def tensor(self, dtype, shape, scale=None, zero_point=0, data=None, axis=0):
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.type = TYPES[np.dtype(dtype)]
        tensor.name = f"t{len(self.tensors)}"
        tensor.hasRank = True
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [float(F32(s)) for s in np.atleast_1d(scale)]
            tensor.quantization.zeroPoint = [int(zero_point)] * len(tensor.quantization.scale)
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data, dtype=dtype).tobytes(), dtype=np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def call(self, name, inputs, outputs, options=None, version=1):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            kind = type(options).__name__[:-1]
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self.codes.append(code)
        self.operators.append(operator)

    def note(self, name, data):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, dtype=np.uint8)
        self.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(self.buffers) - 1
        self.metadata.append(entry)

    def write(self, path, inputs, outputs):
        subgraph = schema.SubGraphT()
        subgraph.tensors, subgraph.operators = self.tensors, self.operators
        subgraph.inputs, subgraph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version = 3
        model.subgraphs, model.operatorCodes, model.buffers = [subgraph], self.codes, self.buffers
        model.metadata = self.metadata or None
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        path.write_bytes(bytes(builder.Output()))


def fused(kind, activation=ACT.NONE):
    options = getattr(schema, kind + "OptionsT")()
    options.fusedActivationFunction = activation
    return options


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def case_of(name, function):
    CASES[name] = function


def values(rng, dtype, shape, spread=3.0):
    if np.dtype(dtype) == np.float32:
        return rng.normal(0, spread, shape).astype(F32)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def unary(name, dtype, shape, in_scale, out_scale, in_zero=0, out_zero=0, out_dtype=None,
          options=None, spread=3.0, sweep=False, version=1, out_shape=None):
    """One operator with one input. sweep feeds every value of an integer type."""

    def build(rng):
        graph = Graph()
        x = graph.tensor(dtype, shape, in_scale, in_zero)
        y = graph.tensor(out_dtype or dtype, out_shape or shape, out_scale, out_zero)
        graph.call(name, [x], [y], options() if options else None, version)
        if sweep:
            info = np.iinfo(dtype)
            every = np.arange(info.min, info.max + 1).astype(dtype)
            rows = [[part.reshape(shape)] for part in every.reshape(-1, int(np.prod(shape)))]
        else:
            rows = [[values(rng, dtype, shape, spread)] for _ in range(4)]
        return graph, [x], [y], rows

    return build


def binary(name, dtype, a_shape, b_shape, scales=None, zeros=(0, 0, 0), activation=ACT.NONE,
           constant=False, version=1, options=True):
    def build(rng):
        graph = Graph()
        scale = scales or (None, None, None)
        out = np.broadcast_shapes(a_shape, b_shape)
        kind = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div"}.get(name)
        a = graph.tensor(dtype, a_shape, scale[0], zeros[0])
        data = values(rng, dtype, b_shape) if constant else None
        b = graph.tensor(dtype, b_shape, scale[1], zeros[1], data)
        y = graph.tensor(dtype, out, scale[2], zeros[2])
        if kind:
            chosen = fused(kind, activation)
        elif name == "SQUARED_DIFFERENCE":
            chosen = schema.SquaredDifferenceOptionsT()
        else:
            chosen = schema.MaximumMinimumOptionsT()
        graph.call(name, [a, b], [y], chosen if options else None, version)
        inputs = [a] if constant else [a, b]
        rows = []
        for _ in range(4):
            row = [values(rng, dtype, a_shape)]
            if not constant:
                row.append(values(rng, dtype, b_shape))
            rows.append(row)
        return graph, inputs, [y], rows

    return build


def dense(graph, rng, x, x_scale, depth, units, out_scale, out_zero, activation=ACT.NONE,
          channels=False, bias=True, batches=1, wild=False):
    weights = rng.integers(-127, 128, (units, depth))
    scale = rng.uniform(1e-3, 2e-2, units) if channels else [0.0073]
    w = graph.tensor(np.int8, (units, depth), scale, 0, weights)
    inputs = [x, w, -1]
    if bias:
        limit = 1 << (30 if wild else 12)
        product = [float(F32(x_scale)) * float(F32(s)) for s in scale]
        inputs[2] = graph.tensor(
            np.int32, (units,), product, 0, rng.integers(-limit, limit, units)
        )
    y = graph.tensor(np.int8, (batches, units), out_scale, out_zero)
    graph.call("FULLY_CONNECTED", inputs, [y], fused("FullyConnected", activation), 5)
    return y


def fully_connected(**arguments):
    depth, units = arguments.pop("depth", 37), arguments.pop("units", 11)
    batches = arguments.get("batches", 1)

    def build(rng):
        graph = Graph()
        x = graph.tensor(np.int8, (batches, depth), 0.031, -7)
        y = dense(graph, rng, x, 0.031, depth, units, 0.17, 9, **arguments)
        rows = [[values(rng, np.int8, (batches, depth))] for _ in range(4)]
        return graph, [x], [y], rows

    return build


def fully_connected_float(activation):
    def build(rng):
        graph = Graph()
        x = graph.tensor(F32, (2, 13))
        w = graph.tensor(F32, (5, 13), data=values(rng, F32, (5, 13)))
        b = graph.tensor(F32, (5,), data=values(rng, F32, (5,)))
        y = graph.tensor(F32, (2, 5))
        graph.call("FULLY_CONNECTED", [x, w, b], [y], fused("FullyConnected", activation))
        return graph, [x], [y], [[values(rng, F32, (2, 13))] for _ in range(4)]

    return build


def mean(dtype, shape, axes, keep, scales=None, zeros=(0, 0)):
    def build(rng):
        graph = Graph()
        scale = scales or (None, None)
        x = graph.tensor(dtype, shape, scale[0], zeros[0])
        axis = graph.tensor(np.int32, (len(axes),), data=axes)
        kept = [1 if i in [a % len(shape) for a in axes] else n for i, n in enumerate(shape)]
        if not keep:
            kept = [n for i, n in enumerate(shape) if i not in [a % len(shape) for a in axes]]
        y = graph.tensor(dtype, kept, scale[1], zeros[1])
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        graph.call("MEAN", [x, axis], [y], options, 2)
        return graph, [x], [y], [[values(rng, dtype, shape)] for _ in range(4)]

    return build


def softmax_options():
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options


@case
def classifier(rng):
    """The whole path of a classifier: normalise, quantize, dense int8, int16 logistic, dequantize."""
    graph = Graph()
    n, hidden = 24, 16
    x = graph.tensor(F32, (1, n))
    m = graph.tensor(F32, (1, n), data=rng.normal(5, 2, n))
    s = graph.tensor(F32, (1, n), data=np.append(rng.uniform(0.1, 2, n - 1), 0.0))
    d = graph.tensor(F32, (1, n))
    z = graph.tensor(F32, (1, n))
    q = graph.tensor(np.int8, (1, n), 0.047, 3)
    graph.call("SUB", [x, m], [d], fused("Sub"))
    graph.call("MUL", [d, s], [z], fused("Mul"))
    graph.call("QUANTIZE", [z], [q], schema.QuantizeOptionsT())
    h = dense(graph, rng, q, 0.047, n, hidden, 0.05, -128, ACT.RELU, channels=True)
    logit = dense(graph, rng, h, 0.05, hidden, 1, 0.06, 4, channels=True)
    wide = graph.tensor(np.int16, (1, 1), 0.06 / 256, 0)
    sigmoid = graph.tensor(np.int16, (1, 1), 1 / 32768, 0)
    y = graph.tensor(F32, (1, 1))
    graph.call("QUANTIZE", [logit], [wide], schema.QuantizeOptionsT(), 2)
    graph.call("LOGISTIC", [wide], [sigmoid], None, 3)
    graph.call("DEQUANTIZE", [sigmoid], [y], schema.DequantizeOptionsT(), 3)
    graph.note("millwright.features", b"current_rms\ntemperature\n")
    return graph, [x], [y], [[rng.normal(5, 4, (1, n)).astype(F32)] for _ in range(32)]


@case
def autoencoder(rng):
    """The whole path of an autoencoder: e / (e + c) of the mean squared reconstruction error."""
    graph = Graph()
    n = 8
    x = graph.tensor(F32, (1, n))
    m = graph.tensor(F32, (n,), data=rng.normal(0, 1, n))
    s = graph.tensor(F32, (n,), data=rng.uniform(0.5, 2, n))
    c = graph.tensor(F32, (1,), data=[0.7])
    d, z, r, e2 = [graph.tensor(F32, (1, n)) for _ in range(4)]
    q = graph.tensor(np.int8, (1, n), 0.04, -1)
    axis = graph.tensor(np.int32, (1,), data=[1])
    e, total, y = [graph.tensor(F32, (1, 1)) for _ in range(3)]
    reducer = schema.ReducerOptionsT()
    reducer.keepDims = True
    graph.call("SUB", [x, m], [d], fused("Sub"))
    graph.call("MUL", [d, s], [z], fused("Mul"))
    graph.call("QUANTIZE", [z], [q], schema.QuantizeOptionsT())
    h = dense(graph, rng, q, 0.04, n, 5, 0.05, -128, ACT.RELU, channels=True)
    o = dense(graph, rng, h, 0.05, 5, n, 0.06, 4, channels=True)
    graph.call("DEQUANTIZE", [o], [r], schema.DequantizeOptionsT(), 2)
    graph.call("SQUARED_DIFFERENCE", [z, r], [e2], schema.SquaredDifferenceOptionsT())
    graph.call("MEAN", [e2, axis], [e], reducer)
    graph.call("ADD", [e, c], [total], fused("Add"))
    graph.call("DIV", [e, total], [y], fused("Div"))
    return graph, [x], [y], [[rng.normal(0, 2, (1, n)).astype(F32)] for _ in range(32)]


def list_cases():
    q = schema.QuantizeOptionsT
    dq = schema.DequantizeOptionsT
    i8, u8, i16 = np.int8, np.uint8, np.int16
    half = 1 / 32768
    case_of("dense_tensor", fully_connected())
    case_of("dense_channel", fully_connected(channels=True, activation=ACT.RELU))
    case_of("dense_relu6", fully_connected(activation=ACT.RELU6, channels=True, depth=64))
    case_of("dense_relu1", fully_connected(activation=ACT.RELU_N1_TO_1, bias=False))
    case_of("dense_batch", fully_connected(batches=3, channels=True, units=4, depth=200))
    case_of("dense_one_unit", fully_connected(units=1, depth=3, channels=True))
    for name, activation in (("none", ACT.NONE), ("relu", ACT.RELU), ("relu6", ACT.RELU6)):
        case_of(f"dense_float_{name}", fully_connected_float(activation))
    case_of("quantize_f32_i8", unary("QUANTIZE", F32, (1, 64), None, 0.037, 0, 5, i8, q))
    case_of("quantize_f32_i16", unary("QUANTIZE", F32, (1, 64), None, 0.0003, 0, 0, i16, q))
    case_of("quantize_i8_i8", unary("QUANTIZE", i8, (16, 16), 0.03, 0.047, -4, 9, i8, q, sweep=True))
    case_of("quantize_i8_up", unary("QUANTIZE", i8, (16, 16), 0.09, 0.03, 7, -9, i8, q, sweep=True))
    case_of("quantize_i8_i16", unary("QUANTIZE", i8, (16, 16), 0.06, 0.0005, 3, 0, i16, q,
                                     sweep=True))
    case_of("quantize_i16_i8", unary("QUANTIZE", i16, (16, 64), 0.0007, 0.11, 0, 3, i8, q))
    case_of("quantize_i16_i16", unary("QUANTIZE", i16, (16, 64), 0.0007, 0.0011, 0, 0, i16, q))
    case_of("quantize_i8_u8", unary("QUANTIZE", i8, (16, 16), 0.03, 0.03, -4, 124, u8, q,
                                    sweep=True))
    case_of("quantize_u8_i8", unary("QUANTIZE", u8, (16, 16), 0.03, 0.04, 100, -5, i8, q,
                                    sweep=True))
    case_of("dequantize_i8", unary("DEQUANTIZE", i8, (16, 16), 0.037, None, -3, 0, F32, dq,
                                   sweep=True))
    case_of("dequantize_u8", unary("DEQUANTIZE", u8, (16, 16), 0.037, None, 7, 0, F32, dq,
                                   sweep=True))
    case_of("dequantize_i16", unary("DEQUANTIZE", i16, (16, 64), half, None, 0, 0, F32, dq))
    case_of("logistic_i8", unary("LOGISTIC", i8, (16, 16), 0.05, 1 / 256, 11, -128, sweep=True))
    case_of("logistic_i8_wide", unary("LOGISTIC", i8, (16, 16), 0.3, 1 / 256, 0, -128, sweep=True))
    case_of("logistic_i16", unary("LOGISTIC", i16, (16, 128), 0.06 / 256, half))
    case_of("logistic_i16_power", unary("LOGISTIC", i16, (16, 128), 1 / 4096, half))
    case_of("logistic_i16_fine", unary("LOGISTIC", i16, (16, 128), 1.1e-5, half))
    case_of("tanh_i8", unary("TANH", i8, (16, 16), 0.04, 1 / 128, -9, 0, sweep=True))
    case_of("tanh_i16", unary("TANH", i16, (16, 128), 0.0003, half))
    case_of("tanh_i16_power", unary("TANH", i16, (16, 128), 1 / 2048, half))
    case_of("near_logistic_f32", unary("LOGISTIC", F32, (1, 64), None, None, spread=8.0))
    case_of("near_tanh_f32", unary("TANH", F32, (1, 64), None, None, spread=2.0))
    case_of("near_softmax_f32", unary("SOFTMAX", F32, (4, 10), None, None,
                                      options=softmax_options))
    case_of("softmax_i8", unary("SOFTMAX", i8, (4, 10), 0.08, 1 / 256, 3, -128,
                                options=softmax_options))
    case_of("softmax_i8_fine", unary("SOFTMAX", i8, (2, 300), 0.004, 1 / 256, 3, -128,
                                     options=softmax_options))
    case_of("softmax_i8_coarse", unary("SOFTMAX", i8, (4, 10), 1.7, 1 / 256, 3, -128,
                                       options=softmax_options))
    case_of("relu_f32", unary("RELU", F32, (4, 8), None, None))
    case_of("relu6_f32", unary("RELU6", F32, (4, 8), None, None, spread=6.0))
    case_of("relu_i8", unary("RELU", i8, (16, 16), 0.05, 0.03, 11, -128, sweep=True))
    case_of("relu6_i8", unary("RELU6", i8, (16, 16), 0.05, 0.05, -20, -20, sweep=True))
    case_of("reshape_f32", unary("RESHAPE", F32, (2, 6), None, None, out_shape=(3, 4),
                                 options=schema.ReshapeOptionsT))
    for name in ("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM"):
        low = name.lower()
        case_of(f"{low}_f32", binary(name, F32, (2, 9), (2, 9)))
        case_of(f"{low}_f32_row", binary(name, F32, (3, 9), (9,), constant=True))
        case_of(f"{low}_f32_scalar", binary(name, F32, (2, 3, 4), (1,)))
        case_of(f"{low}_f32_cross", binary(name, F32, (2, 1, 4, 1), (1, 3, 1, 5)))
        if name == "DIV":
            continue
        same = name in ("MAXIMUM", "MINIMUM")
        scales = (0.05, 0.05, 0.05) if same else (0.05, 0.021, 0.11)
        zeros = (4, 4, 4) if same else (4, -11, 20)
        if name in ("MUL", "SQUARED_DIFFERENCE"):
            scales = (0.05, 0.021, 0.16)
        case_of(f"{low}_i8", binary(name, i8, (4, 40), (4, 40), scales, zeros, version=2))
        case_of(f"{low}_i8_row", binary(name, i8, (4, 40), (40,), scales, zeros, version=2))
        case_of(f"{low}_i8_cross", binary(name, i8, (2, 1, 4, 1), (1, 3, 1, 5), scales, zeros,
                                          version=2))
    for name in ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"):
        scales = {"MUL": (4e-4, 2e-4, 1e-3), "SQUARED_DIFFERENCE": (4e-4, 2e-4, 9e-3)}
        case_of(f"{name.lower()}_i16", binary(name, i16, (4, 40), (4, 40),
                                              scales.get(name, (4e-4, 2e-4, 6e-4))))
    for name in ("ADD", "SUB", "MUL"):
        case_of(f"{name.lower()}_i8_relu", binary(name, i8, (4, 20), (4, 20), (0.05, 0.03, 0.06),
                                                  (3, 4, -100), ACT.RELU, version=2))
        case_of(f"{name.lower()}_f32_relu6", binary(name, F32, (4, 8), (4, 8), activation=ACT.RELU6))
    case_of("mean_f32_last", mean(F32, (2, 17), [1], True))
    case_of("mean_f32_image", mean(F32, (2, 3, 4, 5), [1, 2], True))
    case_of("mean_f32_mixed", mean(F32, (2, 3, 4, 5), [0, -1], False))
    case_of("mean_i8_last", mean(i8, (3, 17), [1], True, (0.05, 0.02), (3, -7)))
    case_of("mean_i8_image", mean(i8, (2, 3, 4, 5), [1, 2], False, (0.05, 0.05), (-30, 9)))


def judge(path, count_in, rows):
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=4 << 20)
    out = struct.pack("<I", len(rows))
    for row in rows:
        for i in range(count_in):
            interpreter.set_input(row[i], i)
            out += row[i].tobytes()
        interpreter.invoke()
        out += interpreter.get_output(0).tobytes()
    return out


PUBLIC = {  # inputs' types and shapes, rows
    "ad01_int8": ([(np.int8, (1, 640))], 4),
    "ad01_fp32": ([(F32, (1, 640))], 2),
    "cwru_mlp_int8": ([(np.int8, (1, 128))], 16),
    "hello_world_int8": ([(np.int8, (1, 1))], 256),
    "hello_world_float": ([(F32, (1, 1))], 64),
    "simple_add_model": ([(np.int8, (1, 128, 128, 1))] * 2, 1),
}


def make_public(name, models, folder):
    rng = np.random.default_rng(list(name.encode()))
    inputs, count = PUBLIC[name]
    rows = [[values(rng, dtype, shape) for dtype, shape in inputs] for _ in range(count)]
    path = models / f"{name}.tflite"
    (folder / f"{name}.golden").write_bytes(judge(path, len(inputs), rows))


def make(name, folder):
    rng = np.random.default_rng(list(name.encode()))
    graph, inputs, outputs, rows = CASES[name](rng)
    path = folder / f"{name}.tflite"
    graph.write(path, inputs, outputs)
    (folder / f"{name}.golden").write_bytes(judge(path, len(inputs), rows))


def one_process(arguments):
    """Runs this program for one model: the judge aborts on what it does not accept."""
    run = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True)
    if run.returncode != 0:
        print(f"{arguments}: refused\n{run.stderr.decode()[-600:]}", file=sys.stderr)
    return run.returncode == 0


def main():
    list_cases()
    parser = argparse.ArgumentParser(description="Makes the engine's golden vectors.")
    parser.add_argument("--public", type=pathlib.Path, metavar="MODELS")
    parser.add_argument("--only", metavar="NAME")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)

    if arguments.only and arguments.public:
        make_public(arguments.only, arguments.public, arguments.folder)
        return 0
    if arguments.only:
        make(arguments.only, arguments.folder)
        return 0
    names = sorted(PUBLIC if arguments.public else CASES)
    public = ["--public", arguments.public] if arguments.public else []
    done = [one_process([*public, "--only", name, arguments.folder]) for name in names]
    print(f"{sum(done)} of {len(done)} made")
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
