// SPDX-License-Identifier: Apache-2.0
// What we refuse before looking at a single name: sources that are already quantised (their "weights" are packed codes, and quantising
// twice loses twice), element types nobody reads here, and shapes no file can hold.
#include <fmt/format.h>

#include "arch/family.h"
#include "arch/path.h"
#include "tensor/shape.h"

namespace jang::arch {
namespace {

constexpr std::string_view kAdvice = "convert the original bf16, fp16 or fp32 checkpoint instead";
constexpr std::size_t kMaxRank = 8;

// Parameters that only packed formats have: GPTQ and AutoAWQ, fp8, compressed-tensors, bitsandbytes.
struct PackedName {
  std::string_view leaf, method;
};
constexpr PackedName kPackedNames[] = {
    {"qweight", "GPTQ or AWQ"},
    {"qzeros", "GPTQ or AWQ"},
    {"weight_packed", "compressed-tensors"},
    {"weight_scale_inv", "block fp8"},
    {"weight_scale", "fp8 or compressed-tensors"},
    {"absmax", "bitsandbytes"},
    {"quant_map", "bitsandbytes"},
    {"gate_up_proj_blocks", "MXFP4"},
    {"down_proj_blocks", "MXFP4"},
};

std::string short_text(const json::Value& value) {
  std::string text = value.is_string() ? value.get<std::string>() : json::dump(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

Status quantised(std::string_view how) {
  return {StatusCode::unsupported, fmt::format("the source is already quantised ({}); {}", how, kAdvice)};
}

Status check_config(const json::Value& config, std::string_view where) {
  if (const json::Value* q = json::find(config, "quantization_config")) {
    const json::Value* method = json::find(*q, "quant_method");
    return quantised(fmt::format("{}quantization_config: {}", where, method ? short_text(*method) : "MLX"));
  }
  if (const json::Value* q = json::find(config, "quantization")) {
    const json::Value* bits = json::find(*q, "bits");
    return quantised(fmt::format("{}quantization: MLX{}", where, bits ? ", " + short_text(*bits) + " bits" : ""));
  }
  return {};
}

Status check_tensor(const TensorInfo& t) {
  if (t.shape.size() > kMaxRank)
    return {StatusCode::corrupt, fmt::format("tensor '{}' has {} dimensions, at most {} are supported", t.name, t.shape.size(), kMaxRank)};
  const auto n = checked_elements(t.shape);
  if (!n || !checked_mul<std::int64_t>(*n, size_bytes(t.dtype)))
    return {StatusCode::corrupt, fmt::format("tensor '{}': shape {} is impossible", t.name, jang::to_string(t.shape))};
  for (const PackedName& p : kPackedNames)
    if (ends_with_path(t.name, p.leaf)) return quantised(fmt::format("tensor '{}': {}", t.name, p.method));
  if (t.dtype == DType::f8_e4m3 || t.dtype == DType::f8_e5m2)
    return {StatusCode::unsupported,
            fmt::format("tensor '{}' is {}: fp8 sources are not supported yet; {}", t.name, name(t.dtype), kAdvice)};
  if (t.shape.size() >= 2 && !info(t.dtype).is_float && ends_with_path(t.name, "weight"))
    return quantised(fmt::format("tensor '{}' holds {}", t.name, name(t.dtype)));
  return {};
}

}  // namespace

Status check_source(const json::Value& config, std::span<const TensorInfo> sources) {
  JANG_TRY(check_config(config, ""));
  if (const json::Value* text = json::find(config, "text_config")) JANG_TRY(check_config(*text, "text_config."));
  for (const TensorInfo& t : sources) JANG_TRY(check_tensor(t));
  return {};
}

}  // namespace jang::arch
