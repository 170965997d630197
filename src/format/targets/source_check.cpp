// SPDX-License-Identifier: Apache-2.0
// What we refuse before looking at a single name: sources that are already quantized (their "weights" are packed codes, and quantizing
// twice loses twice), element types nobody reads here, and shapes no file can hold. Tensors decide: a config that claims a method while
// every tensor is a plain float was left behind by software that unpacked the model.
#include "format/targets/source_check.h"

#include <fmt/format.h>

#include <optional>

#include "arch/extras.h"
#include "arch/path.h"
#include "tensor/shape.h"

namespace jang::targets {
namespace {

constexpr std::size_t kMaxRank = 8;

// A way to pack weights, and what helps.
enum class Packing : std::uint8_t { unknown, mlx, gptq_or_awq, bitsandbytes, compressed_tensors, fp8, mxfp4 };

std::string_view advice(Packing packing) {
  switch (packing) {
    case Packing::mlx: return "convert the checkpoint it was made from, or unpack it with mlx_lm.convert --dequantize";
    case Packing::bitsandbytes:
      return "convert the checkpoint it was made from, or unpack it in transformers: model.dequantize(), then save_pretrained";
    case Packing::compressed_tensors:
      return "convert the checkpoint it was made from, or unpack it in transformers: from_pretrained with "
             "CompressedTensorsConfig(dequantize=True), then save_pretrained";
    case Packing::fp8:
      return "convert a bf16 copy of it: there may be one on the Hub, or transformers writes one: from_pretrained with "
             "FineGrainedFP8Config(dequantize=True), then save_pretrained";
    case Packing::mxfp4:
      return "convert a bf16 copy of it: there may be one on the Hub, or transformers writes one: from_pretrained with "
             "Mxfp4Config(dequantize=True), then save_pretrained";
    case Packing::gptq_or_awq:
    case Packing::unknown: break;
  }
  return "convert the bf16, fp16 or fp32 checkpoint it was made from instead";
}

// Parameters that only packed formats have.
struct PackedName {
  std::string_view leaf, method;
  Packing packing;
};
constexpr PackedName kPackedNames[] = {
    {"qweight", "GPTQ or AWQ", Packing::gptq_or_awq},
    {"qzeros", "GPTQ or AWQ", Packing::gptq_or_awq},
    {"weight_packed", "compressed-tensors", Packing::compressed_tensors},
    {"weight_scale_inv", "block fp8", Packing::fp8},
    {"weight_scale", "fp8 or compressed-tensors", Packing::compressed_tensors},
    {"absmax", "bitsandbytes", Packing::bitsandbytes},
    {"quant_map", "bitsandbytes", Packing::bitsandbytes},
    {"SCB", "bitsandbytes", Packing::bitsandbytes},
    {"gate_up_proj_blocks", "MXFP4", Packing::mxfp4},
    {"down_proj_blocks", "MXFP4", Packing::mxfp4},
};

// What config.json says about packing.
struct Claim {
  std::string text;  // "quantization_config: gptq"
  std::string method;
  Packing packing = Packing::unknown;
};

std::string short_text(const json::Value& value) {
  std::string text = value.is_string() ? value.get<std::string>() : json::dump(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

Packing packing_of_method(std::string_view method) {
  if (method == "gptq" || method == "awq") return Packing::gptq_or_awq;
  if (method == "bitsandbytes") return Packing::bitsandbytes;
  if (method == "compressed-tensors") return Packing::compressed_tensors;
  if (method == "fp8") return Packing::fp8;
  if (method == "mxfp4") return Packing::mxfp4;
  return Packing::unknown;
}

std::optional<Claim> find_claim(const json::Value& config, std::string_view where) {
  if (const json::Value* q = json::find(config, "quantization_config")) {
    const json::Value* method = json::find(*q, "quant_method");
    if (method == nullptr) return Claim{fmt::format("{}quantization_config: MLX", where), "MLX", Packing::mlx};
    const std::string name = short_text(*method);
    return Claim{fmt::format("{}quantization_config: {}", where, name), name, packing_of_method(name)};
  }
  if (const json::Value* q = json::find(config, "quantization")) {
    const json::Value* bits = json::find(*q, "bits");
    return Claim{fmt::format("{}quantization: MLX{}", where, bits ? ", " + short_text(*bits) + " bits" : ""), "MLX", Packing::mlx};
  }
  return std::nullopt;
}

Status quantized(const std::optional<Claim>& claim, const std::string& evidence, Packing packing) {
  if (claim && claim->packing != Packing::unknown) packing = claim->packing;
  return {StatusCode::unsupported, fmt::format("the source is already quantized ({}{}{}); {}", claim ? claim->text : "",
                                               claim && !evidence.empty() ? "; " : "", evidence, advice(packing))};
}

Status check_shape(const TensorInfo& t) {
  if (t.shape.size() > kMaxRank)
    return {StatusCode::corrupt, fmt::format("tensor '{}' has {} dimensions, at most {} are supported", t.name, t.shape.size(), kMaxRank)};
  const auto n = checked_elements(t.shape);
  if (!n || !checked_mul<std::int64_t>(*n, size_bytes(t.dtype)))
    return {StatusCode::corrupt, fmt::format("tensor '{}': shape {} is impossible", t.name, jang::to_string(t.shape))};
  return {};
}

Status check_packing(const TensorInfo& t, const std::optional<Claim>& claim) {
  for (const PackedName& p : kPackedNames)
    if (arch::ends_with_path(t.name, p.leaf)) return quantized(claim, fmt::format("tensor '{}': {}", t.name, p.method), p.packing);
  if (t.dtype == DType::f8_e4m3 || t.dtype == DType::f8_e5m2)
    return {StatusCode::unsupported, fmt::format("tensor '{}' is {}: no scales of it are known; {}", t.name, name(t.dtype),
                                                 advice(claim ? claim->packing : Packing::fp8))};
  // Codes are matrices of integers; under other names than "weight" only where the config says that there are some.
  const bool is_matrix = t.shape.size() >= 2 && !info(t.dtype).is_float;
  if (is_matrix && (arch::ends_with_path(t.name, "weight") || (claim && t.dtype != DType::boolean)))
    return quantized(claim, fmt::format("tensor '{}' holds {}", t.name, name(t.dtype)), Packing::unknown);
  return {};
}

}  // namespace

Status check_source(const json::Value& config, std::span<const TensorInfo> sources, std::vector<std::string>* warnings) {
  std::optional<Claim> claim = find_claim(config, "");
  if (const json::Value* text = json::find(config, "text_config"); text && !claim) claim = find_claim(*text, "text_config.");
  for (const TensorInfo& t : sources) {
    if (t.standing == Standing::stray) continue;
    JANG_TRY(check_shape(t));
    if (arch::buffer_reason(t).empty()) JANG_TRY(check_packing(t, claim));
  }
  if (!claim) return {};
  // Its layers quantize plain weights while they run: the weights alone are another model.
  if (claim->method == "bitnet") return quantized(claim, "", Packing::unknown);
  warnings->push_back(
      fmt::format("config.json says the model is quantized ({}), but all its tensors are plain floats: the key was left "
                  "behind and is ignored",
                  claim->text));
  return {};
}

}  // namespace jang::targets
