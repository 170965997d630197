// SPDX-License-Identifier: Apache-2.0
// The safetensors container: header reader (every rule of the reference implementation and more) and header writer.
//
//   bytes 0..7    n, little-endian u64: length of the header
//   bytes 8..8+n  UTF-8 JSON object: name -> {"dtype", "shape", "data_offsets": [begin, end)}, optional "__metadata__" string -> string
//   then          payloads; offsets count from 8+n, cover the rest of the file without hole, overlap or trailing byte
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "jang/status.h"
#include "tensor/shape.h"

namespace jang::format {

inline constexpr std::uint64_t kLengthBytes = 8;  // what n takes

struct SafetensorsEntry {
  TensorInfo info;
  std::uint64_t offset_bytes = 0;  // from the start of the file
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;        // sorted by offset; where empty tensors share one, they come first, by name
  std::map<std::string, std::string> metadata;  // "__metadata__"; of a repeated key the last value, as all known readers take it
  std::vector<std::string> repeated;            // keys that occur again there
};

struct SafetensorsLimits {
  std::uint64_t max_header_bytes = 100'000'000;
  std::uint64_t max_tensors = 1'000'000;
  std::size_t max_name_bytes = 512;
  int max_rank = 8;
};

// Header of an opened file. Errors: corrupt, naming file, tensor, offset, expected and found.
[[nodiscard]] Result<SafetensorsHeader> read_safetensors_header(const InputFile& file, const SafetensorsLimits& limits = {});

// The same from memory: `header` is the JSON text (without the 8 length bytes), `file_bytes` the length of the whole file. For fuzzing
// and for readers that already hold the bytes.
[[nodiscard]] Result<SafetensorsHeader> parse_safetensors_header(std::string_view header, std::uint64_t file_bytes, std::string_view what,
                                                                 const SafetensorsLimits& limits = {});

// A tensor's name: 1 to max_bytes bytes of UTF-8 without control, line-separating or text-direction characters. Corrupt otherwise.
// Names are map keys and text on terminals, never paths.
[[nodiscard]] Status check_tensor_name(std::string_view name, std::size_t max_bytes = SafetensorsLimits{}.max_name_bytes);

// Bytes 0..8+n for tensors laid out one after another in the order given, with {"format": "mlx"} and further metadata as asked. The header
// is padded with spaces so that 8+n is a multiple of 64: with every payload a multiple of 64 bytes long, or ordered by alignment, no
// payload is misaligned. Deterministic. Preconditions: names are unique, and so are metadata keys; a "format" there replaces "mlx".
[[nodiscard]] std::string make_safetensors_header(const std::vector<TensorInfo>& tensors,
                                                  const std::vector<std::pair<std::string, std::string>>& metadata);

}  // namespace jang::format
