// SPDX-License-Identifier: Apache-2.0
// The bundled mixture with its first layer and four of its experts only: it computes and is converted as the whole one does, in a fraction
// of the time. Its values as they are, or as fp16.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/float16.h"
#include "bundled_model.h"
#include "json/json.h"

namespace jang::test {

inline constexpr int kSmallExperts = 4;

// Whether a tensor of the whole mixture is in the small one.
inline bool is_of_small_mixture(std::string_view tensor) {
  constexpr std::string_view kLayers = "model.layers.", kFirst = "model.layers.0.", kExperts = ".mlp.experts.";
  if (tensor.starts_with(kLayers) && !tensor.starts_with(kFirst)) return false;
  const std::size_t at = tensor.find(kExperts);
  return at == std::string_view::npos || std::stoi(std::string(tensor.substr(at + kExperts.size()))) < kSmallExperts;
}

inline void write_small_mixture(const std::filesystem::path& directory, bool as_fp16 = false) {
  namespace fs = std::filesystem;
  const auto read = [](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const auto parsed = [](const std::string& text) { return json::parse(text, "text").value(); };
  fs::create_directory(directory);
  for (const char* same : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"})
    fs::create_symlink(fs::path(kBundledModel) / same, directory / same);
  json::Value config = parsed(read(kBundledModel + "/config.json"));
  config["num_hidden_layers"] = 1;
  config["num_experts"] = kSmallExperts;
  std::ofstream(directory / "config.json") << config.dump();
  json::Value header = json::Value::object();
  std::string values;
  for (const char* shard : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    const std::string bytes = read(fs::path(kBundledModel) / shard);
    std::uint64_t n_header = 0;
    std::memcpy(&n_header, bytes.data(), 8);
    const json::Value tensors = parsed(bytes.substr(8, n_header));
    for (const auto& [tensor, entry] : tensors.items()) {
      if (tensor == "__metadata__" || !is_of_small_mixture(tensor)) continue;
      json::Value shape = entry["shape"];
      const std::size_t begin = entry["data_offsets"][0].get<std::size_t>();
      std::size_t n_bytes = entry["data_offsets"][1].get<std::size_t>() - begin;
      if (tensor.ends_with(".mlp.gate.weight")) {  // a row for every expert
        n_bytes = n_bytes / shape[0].get<std::size_t>() * kSmallExperts;
        shape[0] = kSmallExperts;
      }
      header[tensor] = {{"dtype", as_fp16 ? "F16" : "BF16"}, {"shape", shape}, {"data_offsets", {values.size(), values.size() + n_bytes}}};
      values += bytes.substr(8 + n_header + begin, n_bytes);
    }
  }
  for (std::size_t at = 0; as_fp16 && at < values.size(); at += 2) {
    std::uint16_t half = 0;
    std::memcpy(&half, values.data() + at, 2);
    half = float_to_fp16(bf16_to_float(half));
    std::memcpy(values.data() + at, &half, 2);
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::ofstream(directory / "model.safetensors", std::ios::binary)
      << std::string(reinterpret_cast<const char*>(&length), 8) << text << values;
}

}  // namespace jang::test
