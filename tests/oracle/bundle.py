# SPDX-License-Identifier: Apache-2.0
"""Reads a low-bit bundle (or a source checkpoint) with nothing but numpy, and puts its dequantized weights into a transformers model.

Independent of the program under test and of MLX on purpose: the safetensors reader, the unpacking of the code stream and the mapping back
to Hugging Face names are written here a second time.

Bundle layout: P.weight U32 [.., out, in*bits/32], P.scales and P.biases [.., out, in/group]; code i of a row sits at bit i*bits of the
row's little-endian bit stream; value = code * scale + bias. Bits and group of a module come from config.json `quantization` (entry of the
module's path, else the default), as mlx-lm reads them.
"""

import json
import re
import struct
from pathlib import Path

import numpy as np

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "U32": "<u4", "I32": "<i4"}
NUMPY.update({"U8": "u1", "I8": "i1", "BOOL": "u1"})


class Tensor:
    """One tensor of a file: dtype name, shape, and its bytes as the raw storage type (uint16 for bf16)."""

    def __init__(self, dtype, shape, raw):
        self.dtype, self.shape, self.raw = dtype, tuple(shape), raw

    def bytes(self):
        return self.raw.tobytes()

    def f32(self):
        """Values as float32. Exact for every stored float type but F64."""
        if self.dtype == "BF16":
            return (self.raw.astype(np.uint32) << 16).view(np.float32)
        return self.raw.astype(np.float32)


def read_file(path):
    """name -> Tensor, and the __metadata__ object, of one safetensors file."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    length = struct.unpack("<Q", data[:8].tobytes())[0]
    header = json.loads(data[8 : 8 + length].tobytes())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + o for o in entry["data_offsets"])
        raw = np.frombuffer(data[begin:end], dtype=NUMPY[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = Tensor(entry["dtype"], entry["shape"], raw)
    return tensors, metadata


def read_tensors(directory):
    """name -> Tensor over every model*.safetensors of a directory. A name in two files is an error."""
    tensors = {}
    for path in sorted(Path(directory).glob("model*.safetensors")):
        for name, tensor in read_file(path)[0].items():
            if name in tensors:
                raise ValueError(f"{name} is in two files of {directory}")
            tensors[name] = tensor
    return tensors


def write_file(path, tensors, metadata=None):
    """Writes (name -> Tensor) as one safetensors file, in the order given."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.raw.nbytes]}
        offset += tensor.raw.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor.raw).tobytes())


def unpack(words, bits):
    """uint32 [rows, n] -> codes uint8 [rows, n*32/bits]: eight codes are `bits` bytes, read LSB first."""
    rows = words.shape[0]
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(rows, -1, bits)
    stream = np.zeros(octets.shape[:2], np.uint64)
    for i in range(bits):
        stream |= octets[:, :, i].astype(np.uint64) << np.uint64(8 * i)
    codes = np.empty(stream.shape + (8,), np.uint8)
    for i in range(8):
        codes[:, :, i] = (stream >> np.uint64(i * bits)) & np.uint64((1 << bits) - 1)
    return codes.reshape(rows, -1)


class Bundle:
    """A directory of MLX-affine weights. Modules not quantized are plain tensors; a source checkpoint has only those."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.config = json.loads((self.directory / "config.json").read_text())
        self.quantization = self.config.get("quantization") or {}
        self.tensors = read_tensors(directory)
        self.modules = sorted(n[: -len(".scales")] for n in self.tensors if n.endswith(".scales"))

    def params(self, module):
        """(bits, group_size) of a quantized module, checked against its shapes."""
        entry = self.quantization.get(module)
        entry = entry if isinstance(entry, dict) else self.quantization
        bits, group = entry["bits"], entry["group_size"]
        n = self.tensors[module + ".weight"].shape[-1] * 32 // bits
        if self.tensors[module + ".scales"].shape[-1] * group != n:
            raise ValueError(f"{module}: {bits} bits, group {group} contradict the shapes")
        return bits, group

    def weight_count(self):
        """Weights of the model: every element but those of scales and biases of quantized modules."""
        plain = sum(t.raw.size for name, t in self.tensors.items() if name.rsplit(".", 1)[0] not in self._module_set())
        coded = sum(self.tensors[m + ".weight"].raw.size * 32 // self.params(m)[0] for m in self.modules)
        linear_biases = sum(self.tensors[m + ".bias"].raw.size for m in self.modules if m + ".bias" in self.tensors)
        return plain + coded + linear_biases

    def row_chunks(self, module, max_values=1 << 24):
        """Yields (row_begin, values float32 [rows, in]) of a quantized module seen as [rows, in]: code * scale + bias in float32."""
        bits, group = self.params(module)
        words = self.tensors[module + ".weight"].raw
        words = words.reshape(-1, words.shape[-1])
        scales = self.tensors[module + ".scales"].f32().reshape(len(words), -1, 1)
        biases = self.tensors[module + ".biases"].f32().reshape(len(words), -1, 1)
        step = max(1, max_values // (words.shape[-1] * 32 // bits))
        for row in range(0, len(words), step):
            part = slice(row, row + step)
            codes = unpack(words[part], bits)
            values = codes.reshape(len(codes), -1, group).astype(np.float32) * scales[part] + biases[part]
            yield row, values.reshape(len(codes), -1)

    def dense(self, name):
        """Float32 values of tensor `name` (ending in .weight or not), dequantized when its module is quantized."""
        module = name[: -len(".weight")] if name.endswith(".weight") else name
        if module not in self._module_set():
            return self.tensors[name].f32()
        shape = self.tensors[module + ".weight"].shape[:-1]
        values = np.concatenate([v for _, v in self.row_chunks(module)])
        return values.reshape(shape + values.shape[-1:])

    def has(self, name):
        return name in self.tensors

    def _module_set(self):
        if not hasattr(self, "_modules_cached"):
            self._modules_cached = set(self.modules)
        return self._modules_cached


# ---- source checkpoint -> weight of a bundle module -----------------------------------------------------------------------------------


def _source_names(name):
    """Names the source may use for the bundle's tensor `name`, most likely first."""
    names = [name]
    if name.startswith("language_model.model."):
        rest = name[len("language_model.model.") :]
        names += ["model.language_model." + rest, "model." + rest]
    elif name.startswith("language_model."):
        names += [name[len("language_model.") :]]
    if name.endswith("embed_tokens.weight"):
        names += ["lm_head.weight"]  # a tied matrix in its other spelling
    return names


def source_weight(source, module):
    """Source tensors of a quantized bundle module, in order along its rows: list of (name, Tensor, row slice of the 2-D view).

    Stacked experts are the per-expert matrices one after another; fused expert gate_up is cut in two.
    """
    for name in _source_names(module + ".weight"):
        if name in source:
            return [(name, source[name], slice(None))]
    if ".switch_mlp." in module:
        prefix, projection = module.split(".switch_mlp.")
        for base in _source_names(prefix):
            if f"{base}.experts.0.{projection}.weight" in source:
                names, e = [], 0
                while f"{base}.experts.{e}.{projection}.weight" in source:
                    names.append(f"{base}.experts.{e}.{projection}.weight")
                    e += 1
                return [(n, source[n], slice(None)) for n in names]
            if f"{base}.experts.down_proj" in source:
                return _fused_experts(source, f"{base}.experts", projection)
    raise KeyError(f"no source tensor for {module}")


def _fused_experts(source, base, projection):
    if projection == "down_proj":
        tensor = source[f"{base}.down_proj"]
        name, rows = f"{base}.down_proj", slice(None)
    else:
        tensor, name = source[f"{base}.gate_up_proj"], f"{base}.gate_up_proj"
        half = tensor.shape[1] // 2
        rows = slice(0, half) if projection == "gate_proj" else slice(half, 2 * half)
    return [(name, Tensor(tensor.dtype, one.shape, one), rows) for one in tensor.raw]


# ---- bundle -> transformers model -----------------------------------------------------------------------------------------------------

# model types whose norm weights are stored around zero by transformers and around one by the MLX class
ZERO_CENTRED = ("qwen3_5", "qwen3_next")
VISION_PARTS = ("visual", "vision_tower", "vision_model", "multi_modal_projector", "mm_projector", "embed_vision", "audio_tower",
                "embed_audio")  # the text does not read them
HEAD_COPY = "language_model.lm_head.weight"  # of a tied embedding, which one loader wants
SHIFTED_NORMS = (".input_layernorm.weight", ".post_attention_layernorm.weight", "model.norm.weight", ".q_norm.weight", ".k_norm.weight")


EXAONE = (("model.layers.", "transformer.h."), ("model.embed_tokens.", "transformer.wte."), ("model.norm.", "transformer.ln_f."),
          ("self_attn.o_proj", "self_attn.out_proj"), ("self_attn", "attn.attention"), ("gate_proj", "c_fc_0"), ("up_proj", "c_fc_1"),
          ("down_proj", "c_proj"), ("input_layernorm", "ln_1"), ("post_attention_layernorm", "ln_2"))


def _bundle_name(bundle, key):
    """Name in the bundle of a transformers parameter that maps one to one."""
    names = [key, "language_model." + key, key.replace(".mlp.", ".block_sparse_moe."), key.replace(".router.", ".router.layer."),
             key.replace(".gate.moe_statics.", ".moe_statics.")]
    if key.startswith("model.") and bundle.config["model_type"] == "nemotron_h":
        names = [key.replace("model.", "backbone.", 1)]
    if key.startswith("gpt_neox."):  # the MLX class calls its layers h
        names = [key.replace("gpt_neox.layers.", "model.h.").replace("gpt_neox.", "model.")]
    if bundle.config["model_type"] == "exaone":
        for ours, theirs in EXAONE:
            key = key.replace(ours, theirs)
        names.append(key)
    if bundle.config["model_type"] == "lfm2_moe":
        names += [key.replace(f".feed_forward.{w}.", f".feed_forward.{m}.") for w, m in (("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj"))]
    if bundle.config["model_type"] == "bailing_moe":
        names.append(key.replace(".mlp.gate.", ".mlp.gate.gate_proj."))
    if key in ("embed_out.weight", "lm_head.weight"):
        names.append("model.embed_out.weight")
    if key.startswith("model.language_model."):
        names.append("language_model.model." + key[len("model.language_model.") :])
    return next((n for n in names if bundle.has(n)), None)


def hf_value(bundle, key, shape, used):
    """Float32 value of the transformers parameter `key`; adds the bundle tensors it came from to `used`."""

    def take(name):
        used.add(name)
        return bundle.dense(name)

    if match := re.fullmatch(r"model\.(.*\.mixer)\.experts\.(up|down)_proj", key):  # two maps an expert
        return take(f"backbone.{match[1]}.switch_mlp.fc{1 if match[2] == 'up' else 2}.weight")
    if match := re.fullmatch(r"(.*?)(?:\.mlp|\.block_sparse_moe|\.feed_forward)?\.experts\.(.*)", key):
        prefix, rest = match.groups()
        found = [n for n in (prefix, "language_model." + prefix, prefix.replace("model.language_model.", "language_model.model."))]
        bases = [n + part for n in found for part in (".mlp.switch_mlp.", ".block_sparse_moe.switch_mlp.", ".mlp.experts.",
                                                      ".feed_forward.switch_mlp.", ".feed_forward.experts.", ".experts.switch_glu.")]
        base = next(b for b in bases if bundle.has(b + "down_proj.weight"))
        if bundle.config["model_type"] == "gpt_oss":  # transposed, gate and up in turns
            leaf, maps = ("bias" if rest.endswith("_bias") else "weight"), (("gate_proj", "up_proj") if rest.startswith("gate_up") else ("down_proj",))
            rows = np.stack([take(f"{base}{m}.{leaf}") for m in maps], axis=2)  # [E, out, maps(, in)]
            rows = rows.reshape(rows.shape[0], -1, *rows.shape[3:])
            return rows if leaf == "bias" else rows.swapaxes(1, 2)
        if bundle.config["model_type"] == "llama4":  # transposed
            rows = [take(f"{base}{m}.weight") for m in (("gate_proj", "up_proj") if rest.startswith("gate_up") else ("down_proj",))]
            return np.concatenate(rows, axis=1).swapaxes(1, 2)
        if rest == "gate_up_proj":
            return np.concatenate([take(base + "gate_proj.weight"), take(base + "up_proj.weight")], axis=-2)
        if rest == "down_proj":
            return take(base + "down_proj.weight")
        expert, projection, _ = rest.split(".")
        return take(f"{base}{projection}.weight")[int(expert)]
    if match := re.fullmatch(r"(.*)\.shared_mlp\.(input|output)_linear\.weight", key):
        if not bundle.has(key):  # alone, the MLX class has it in three maps
            return np.concatenate([take(f"{match[1]}.mlp.{m}.weight") for m in (("gate_proj", "up_proj") if match[2] == "input" else ("down_proj",))])
    name = _bundle_name(bundle, key)
    if name is None:
        raise KeyError(f"the bundle has nothing for {key}")
    value = take(name)
    if key.endswith(("conv1d.weight", "conv.conv.weight")):
        value = value.transpose(0, 2, 1)
    if bundle.config["model_type"].startswith(ZERO_CENTRED) and value.ndim == 1 and key.endswith(SHIFTED_NORMS):
        value = value - np.float32(1)
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{key}: {value.shape} in the bundle, {tuple(shape)} in transformers")
    return value


def transformers_config(directory):
    """transformers config of a bundle or source directory, quantization objects dropped."""
    from transformers import CONFIG_MAPPING, AutoConfig

    # transformers writes numbers that JSON lacks as objects, and reads them so from files only
    number = lambda o: float(o["__float__"]) if set(o) == {"__float__"} else o
    config = json.loads((Path(directory) / "config.json").read_text(), object_hook=number)
    for key in ("quantization", "quantization_config"):
        config.pop(key, None)
    model_type = config.pop("model_type")
    # MLX names a text model by its multimodal type where it has one class for both; transformers has a type of its own for it
    if "text_config" not in config and "text_config" in CONFIG_MAPPING[model_type].sub_configs:
        model_type += "_text"
    return AutoConfig.for_model(model_type, **config)


def model_class(config):
    """What makes a model with logits of a config: the class that it names where no automatic one knows it."""
    import transformers
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText

    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return AutoModelForCausalLM
    return AutoModelForImageTextToText if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING else getattr(transformers, config.architectures[0])


def from_config(config, **options):
    kind = model_class(config)
    return kind.from_config(config, **options) if hasattr(kind, "from_config") else kind._from_config(config, **options)


def load_transformers(directory, config_from=None):
    """Float32 transformers model that carries the dequantized weights of a bundle. Every tensor of both sides must find its partner, except
    that the vision parts of a multimodal class may be absent from a bundle of the text model: they stay random, text does not read them.
    config_from: directory whose config.json describes the model (the source's, say); default the bundle's own."""
    import torch

    bundle = Bundle(directory)
    config = transformers_config(config_from or directory)
    with torch.device("meta"):  # a config read wrongly can mean a model of any size: count before allocating
        expected = sum(p.numel() for p in from_config(config).parameters())
    stored = bundle.weight_count()
    if not stored / 2 < expected < stored * 2 + 1e7:
        raise ValueError(f"transformers would build {expected} parameters for a bundle of {stored}")
    model = from_config(config, dtype=torch.float32).eval()
    used = set()
    targets = dict(model.named_parameters())
    for key, value in model.named_buffers():
        if key in model.state_dict():
            targets[key] = value
    with torch.no_grad():
        for key, target in targets.items():
            if any(part in VISION_PARTS for part in key.split(".")) and _bundle_name(bundle, key) is None:
                continue
            target.copy_(torch.from_numpy(np.array(hf_value(bundle, key, target.shape, used))))
    companions = {m + s for m in bundle.modules for s in (".scales", ".biases")}
    beside = {n for n in bundle.tensors if any(part in VISION_PARTS for part in n.split("."))}
    if bundle.has(HEAD_COPY) and HEAD_COPY not in used:
        if not np.array_equal(bundle.dense(HEAD_COPY), bundle.dense("language_model.model.embed_tokens.weight")):
            raise ValueError("the copy of the tied embedding differs from it")
        used.add(HEAD_COPY)
    left = sorted(set(bundle.tensors) - used - companions - beside)
    if left:
        raise ValueError(f"bundle tensors that transformers has no place for: {left[:5]}")
    return model


def stacked_experts(values):
    """transformers 5 keeps the experts of a layer as two stacked tensors: gate and up one behind the other, and down."""
    out = {k: v for k, v in values.items() if ".experts." not in k}
    layers = sorted({k.split(".experts.")[0] for k in values if ".experts." in k})
    for layer in layers:
        n = 1 + max(int(k.split(".experts.")[1].split(".")[0]) for k in values if k.startswith(layer + ".experts."))
        weight = lambda e, name: values[f"{layer}.experts.{e}.{name}.weight"]
        out[f"{layer}.experts.gate_up_proj"] = np.stack([np.concatenate([weight(e, "gate_proj"), weight(e, "up_proj")]) for e in range(n)])
        out[f"{layer}.experts.down_proj"] = np.stack([weight(e, "down_proj") for e in range(n)])
    return out


def reference_logits(source, values, ids):
    """Logits of transformers in float32 over values by Hugging Face's names, one entry an expert; `source` has the config."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager",
                                                 experts_implementation="eager").eval()
    if any(k.endswith(".experts.gate_up_proj") for k in model.state_dict()):
        values = stacked_experts(values)
    state = {k: torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32)) for k, v in values.items()}
    missing = model.load_state_dict(state, strict=False)
    if missing.unexpected_keys or any("lm_head" not in k for k in missing.missing_keys):
        raise ValueError(f"names without a place {missing.unexpected_keys[:3]}, places without a name {missing.missing_keys[:3]}")
    with torch.inference_mode():
        return model(torch.tensor([list(map(int, ids))]), use_cache=False).logits[0].float().numpy()
