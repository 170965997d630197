// SPDX-License-Identifier: Apache-2.0
// A finished low-bit bundle (JANG v2 / MLX affine) as data: which modules are quantized how, and every check that can be made without the
// source.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/checkpoint.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::format {

struct BundleModule {
  std::string path;  // "model.layers.0.self_attn.q_proj"
  int bits = 0, group_size = 0;
  Shape shape;                                // logical [.., out, in]
  int weight = -1, scales = -1, biases = -1;  // indices into checkpoint.tensors()
};

struct Bundle {
  Checkpoint checkpoint;
  json::Value jang_config;            // null when the directory has none (plain MLX)
  bool is_quantized = false;          // config.json has a `quantization` object
  std::vector<BundleModule> modules;  // quantized ones, by path
  std::vector<int> plain;             // unquantized tensors, indices into checkpoint.tensors()
};

// Opens a bundle or a source checkpoint, which has the last word on what its index promises and no file has (Checkpoint::settle). For a
// bundle, bits and group of every module come from config.json's `quantization` (path override, else its default) and must agree with the
// shapes: packed columns * 32 / bits == groups * group_size. Conflict is corrupt, listing every consistent (bits, group) pair; never
// guessed.
[[nodiscard]] Result<Bundle> open_bundle(const std::string& path, const OpenOptions& options = {});

enum class Severity : std::uint8_t { error, warning };
[[nodiscard]] std::string_view severity_name(Severity severity);  // "error", "warning"; appears in JSON

struct Finding {
  Severity severity = Severity::error;
  std::string where;  // tensor, file or key
  std::string message;
};

struct ValidateOptions {
  bool deep = false;  // read every scale and bias: finite, no NaN; otherwise headers and configs only
};

// Everything wrong with a directory; empty = valid. Checks: files against index (both ways, total_size), companions and shapes, config
// `quantization` against jang_config manifest against tensors, and with deep the values. Files about text are engine::check_text's.
// A directory that cannot be opened at all is an error Status; faults inside are findings.
[[nodiscard]] Result<std::vector<Finding>> validate(const std::string& path, const ValidateOptions& options);

}  // namespace jang::format
