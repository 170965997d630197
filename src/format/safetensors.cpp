// SPDX-License-Identifier: Apache-2.0
// Header reader and writer of safetensors (layout in safetensors.h). The format's safety rests on leaving nothing free: bounded header,
// keys that occur once, plain integers, checked products, ranges that touch and cover the file exactly. Every rule is enforced here;
// the reference implementation (huggingface/safetensors, validate()) enforces a subset. The header is read through simdjson's tape, in
// time O(n log n) for any input.
#include "format/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/corrupt.h"
#include "base/lfs_pointer.h"
#include "base/utf8.h"
#include "json/json.h"

namespace jang::format {
namespace {

namespace dom = simdjson::dom;

constexpr std::uint64_t kHeaderAlignment = 64;  // one cache line, and more than any element type needs
constexpr std::size_t kMaxDepth = 4;            // root, tensor, array, and one to spare
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 48;
constexpr std::string_view kMetadataKey = "__metadata__";

// In the format, but without a row in kDTypes: refused as unsupported, not as corrupt.
constexpr std::string_view kForeignDTypes[] = {"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"};

// What the file is when it is no safetensors file, from its first bytes; empty when nothing is recognised.
std::string recognise(std::string_view start) {
  struct Signature {
    std::string_view bytes, meaning;
  };
  static constexpr Signature kSignatures[] = {
      {"<!DOCTYPE", "It is an HTML page, probably an error saved by a download: download the model again"},
      {"<html", "It is an HTML page, probably an error saved by a download: download the model again"},
      {"PK\x03\x04", "It is a zip archive, as PyTorch writes pickles: convert it to safetensors first"},
      {"GGUF", "It is a GGUF file: convert from the original safetensors checkpoint instead"},
  };
  if (is_lfs_pointer(start)) return fmt::format("It is {}", kLfsPointerHelp);
  for (const Signature& s : kSignatures)
    if (start.starts_with(s.bytes)) return std::string(s.meaning);
  return {};
}

bool is_printable(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;        // C0, DEL, C1
  if (c == 0x2028 || c == 0x2029 || c == 0xfeff) return false;  // separators, byte order mark
  if ((c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) return false;  // text direction
  return c < 0xfff0 || c >= 0x10000;  // specials, noncharacters
}

// A minus sign outside strings. The tape cannot tell "-0" from "0"; no number of a header is negative.
bool has_minus_sign(std::string_view json) {
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (in_string && json[i] == '\\')
      ++i;
    else if (json[i] == '"')
      in_string = !in_string;
    else if (json[i] == '-' && !in_string)
      return true;
  }
  return false;
}

struct Offsets {
  std::uint64_t begin = 0, end = 0;  // from the start of the payload
};

// One parse of one header. Messages start with `what`; the tensor is added where there is one.
class HeaderParser {
 public:
  HeaderParser(std::string_view what, const SafetensorsLimits& limits) : what_(what), limits_(limits) {}

  Status parse(std::string_view header, std::uint64_t file_bytes, SafetensorsHeader& out) {
    const auto start = checked_add(kLengthBytes, static_cast<std::uint64_t>(header.size()));
    JANG_CHECK(start.has_value());
    if (*start > file_bytes)
      return corrupt(fmt::format("{}: the header has {} bytes, the file only {}; it is truncated, download it again", what_, header.size(),
                                 file_bytes));
    if (header.size() > limits_.max_header_bytes)
      return corrupt(fmt::format("{}: the header has {} bytes; at most {} are accepted", what_, header.size(), limits_.max_header_bytes));
    JANG_TRY(check_frame(header));
    dom::parser parser;
    auto error = parser.allocate(std::max<std::size_t>(header.size(), 64), kMaxDepth + 1);
    dom::element root;
    if (error == simdjson::SUCCESS) error = parser.parse(header.data(), header.size(), true).get(root);
    if (error != simdjson::SUCCESS) return syntax_failure(error, header);
    if (header.find("-0") != std::string_view::npos && has_minus_sign(header))
      return corrupt(fmt::format("{}: the header holds a number with a minus sign", what_));
    dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return corrupt(fmt::format("{}: the header is not a JSON object", what_));
    JANG_TRY(read_entries(object, out));
    return lay_out(*start, file_bytes - *start, out);
  }

 private:
  // '{' first, '}' last but for spaces: nothing another format could hide in.
  Status check_frame(std::string_view header) const {
    const std::size_t last = header.find_last_not_of(' ');
    if (header.empty() || header.front() != '{')
      return corrupt(fmt::format("{}: the header must begin with '{{' at byte 8, found {}; it is not a safetensors file", what_,
                                 header.empty() ? "nothing" : json::quote(header.substr(0, 1))));
    if (header[last] != '}')
      return corrupt(fmt::format("{}: the header must end with '}}' and spaces, found {} at byte {}", what_,
                                 json::quote(header.substr(last, 1)), kLengthBytes + last));
    return {};
  }

  Status syntax_failure(simdjson::error_code error, std::string_view header) const {
    if (error == simdjson::MEMALLOC)
      return {StatusCode::out_of_memory, fmt::format("{}: no memory to parse a header of {} bytes", what_, header.size())};
    if (error == simdjson::DEPTH_ERROR) return corrupt(fmt::format("{}: the header is nested deeper than a tensor's entry is", what_));
    return corrupt(
        fmt::format("{}: the header is not valid JSON{}: {}", what_, json::locate_syntax_error(header), simdjson::error_message(error)));
  }

  Status read_entries(const dom::object& object, SafetensorsHeader& out) {
    std::vector<std::string_view> keys;
    const std::size_t n_likely = std::min(object.size(), static_cast<std::size_t>(limits_.max_tensors));
    keys.reserve(n_likely + 1);
    out.tensors.reserve(n_likely);
    offsets_.reserve(n_likely);
    for (const dom::key_value_pair& member : object) {
      keys.push_back(member.key);
      if (member.key == kMetadataKey) {
        JANG_TRY(read_metadata(member.value, out));
        continue;
      }
      if (out.tensors.size() == limits_.max_tensors)
        return corrupt(fmt::format("{}: more than {} tensors are not accepted", what_, limits_.max_tensors));
      if (Status s = check_tensor_name(member.key, limits_.max_name_bytes); !s.ok()) return s.with_context(what_);
      JANG_TRY(read_tensor(member.key, member.value, out));
    }
    if (const auto i = json::find_duplicate(keys))
      return corrupt(fmt::format("{}: {} occurs twice in the header", what_, json::quote(keys[*i])));
    return {};
  }

  Status read_metadata(const dom::element& value, SafetensorsHeader& out) const {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return corrupt(fmt::format("{}: __metadata__ is not an object", what_));
    for (const dom::key_value_pair& member : object) {
      std::string_view text;
      if (member.value.get(text) != simdjson::SUCCESS)
        return corrupt(fmt::format("{}: __metadata__ value of {} is not a string", what_, json::quote(member.key)));
      if (!out.metadata.insert_or_assign(std::string(member.key), text).second) out.repeated.emplace_back(member.key);
    }
    return {};
  }

  Status read_tensor(std::string_view tensor, const dom::element& value, SafetensorsHeader& out) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return fault(tensor, "its entry is not an object");
    SafetensorsEntry entry;
    Offsets offsets;
    bool has_dtype = false, has_shape = false, has_offsets = false;
    for (const dom::key_value_pair& member : object) {
      bool* seen = member.key == "dtype"          ? &has_dtype
                   : member.key == "shape"        ? &has_shape
                   : member.key == "data_offsets" ? &has_offsets
                                                  : nullptr;
      if (seen == nullptr) return fault(tensor, fmt::format("unknown key {}", json::quote(member.key)));
      if (*seen) return fault(tensor, fmt::format("key {} occurs twice", json::quote(member.key)));
      *seen = true;
      if (seen == &has_dtype) JANG_TRY(read_dtype(tensor, member.value, entry.info.dtype));
      if (seen == &has_shape) JANG_TRY(read_shape(tensor, member.value, entry.info.shape));
      if (seen == &has_offsets) JANG_TRY(read_offsets(tensor, member.value, offsets));
    }
    if (!has_dtype || !has_shape || !has_offsets)
      return fault(tensor, fmt::format("key {} is missing", !has_dtype ? "dtype" : !has_shape ? "shape" : "data_offsets"));
    JANG_TRY(check_bytes(tensor, entry.info, offsets));
    entry.info.name = std::string(tensor);
    out.tensors.push_back(std::move(entry));
    offsets_.push_back(offsets);
    return {};
  }

  Status read_dtype(std::string_view tensor, const dom::element& value, DType& out) const {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return fault(tensor, "dtype is not a string");
    if (const auto dtype = dtype_from_name(text)) {
      out = *dtype;
      return {};
    }
    if (std::find(std::begin(kForeignDTypes), std::end(kForeignDTypes), text) != std::end(kForeignDTypes))
      return {StatusCode::unsupported, fmt::format("{}: tensor {}: dtype {} is not supported; use a bf16, fp16 or fp32 checkpoint", what_,
                                                   json::quote(tensor), text)};
    return fault(tensor, fmt::format("unknown dtype {}", json::quote(text)));
  }

  // Plain digits only: a fraction, an exponent or a sign makes the tape hold another type or value.
  static std::optional<std::uint64_t> plain_integer(const dom::element& value) {
    std::int64_t v = 0;
    if (!value.is<std::int64_t>() || value.get(v) != simdjson::SUCCESS || v < 0) return std::nullopt;
    return static_cast<std::uint64_t>(v);
  }

  Status read_shape(std::string_view tensor, const dom::element& value, Shape& out) const {
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return fault(tensor, "shape is not an array");
    for (const dom::element item : array) {
      if (out.size() == static_cast<std::size_t>(limits_.max_rank))
        return fault(tensor, fmt::format("more than {} dimensions", limits_.max_rank));
      const auto n = plain_integer(item);
      if (!n || *n > kMaxDimension)
        return fault(tensor, fmt::format("dimension {} is not an integer from 0 to {}", out.size(), kMaxDimension));
      out.push_back(static_cast<std::int64_t>(*n));
    }
    return {};
  }

  Status read_offsets(std::string_view tensor, const dom::element& value, Offsets& out) const {
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return fault(tensor, "data_offsets is not an array");
    std::array<std::uint64_t, 2> v{};
    std::size_t n = 0;
    for (const dom::element item : array) {
      const auto i = plain_integer(item);
      if (n == v.size() || !i) return fault(tensor, "data_offsets is not a pair of plain integers");
      v[n++] = *i;
    }
    if (n != v.size()) return fault(tensor, "data_offsets is not a pair of plain integers");
    if (v[1] < v[0]) return fault(tensor, fmt::format("data_offsets end at {}, before they begin at {}", v[1], v[0]));
    out = {v[0], v[1]};
    return {};
  }

  Status check_bytes(std::string_view tensor, const TensorInfo& info, const Offsets& offsets) const {
    const auto n = checked_elements(info.shape);
    const auto bytes = n ? checked_mul(*n, static_cast<std::int64_t>(size_bytes(info.dtype))) : std::nullopt;
    if (!bytes) return fault(tensor, fmt::format("the size of shape {} does not fit 63 bits", to_string(info.shape)));
    if (static_cast<std::uint64_t>(*bytes) != offsets.end - offsets.begin)
      return fault(tensor, fmt::format("{} {} needs {} bytes, data_offsets [{}, {}] hold {}", name(info.dtype), to_string(info.shape),
                                       *bytes, offsets.begin, offsets.end, offsets.end - offsets.begin));
    return {};
  }

  // Sorts by offset and requires that the ranges touch each other and cover `payload_bytes` exactly.
  Status lay_out(std::uint64_t payload_start, std::uint64_t payload_bytes, SafetensorsHeader& out) {
    std::vector<std::size_t> order(out.tensors.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const Offsets &x = offsets_[a], &y = offsets_[b];
      if (x.begin != y.begin) return x.begin < y.begin;
      return x.end != y.end ? x.end < y.end : out.tensors[a].info.name < out.tensors[b].info.name;
    });
    std::vector<SafetensorsEntry> sorted;
    sorted.reserve(order.size());
    std::uint64_t expected = 0;
    for (const std::size_t i : order) {
      const Offsets& o = offsets_[i];
      SafetensorsEntry& entry = out.tensors[i];
      if (o.begin != expected)
        return fault(entry.info.name, fmt::format("data_offsets begin at {}, expected {}: the tensors {}", o.begin, expected,
                                                  o.begin < expected ? "overlap" : "leave a hole"));
      if (o.end > payload_bytes)
        return fault(entry.info.name,
                     fmt::format("its data ends at byte {} of a file of {} bytes: the file is truncated, download it again",
                                 payload_start + o.end, payload_start + payload_bytes));
      entry.offset_bytes = payload_start + o.begin;
      expected = o.end;
      sorted.push_back(std::move(entry));
    }
    if (expected != payload_bytes)
      return corrupt(fmt::format("{}: {} bytes follow the data of the last tensor, which ends at byte {} of {}", what_,
                                 payload_bytes - expected, payload_start + expected, payload_start + payload_bytes));
    out.tensors = std::move(sorted);
    return {};
  }

  Status fault(std::string_view tensor, std::string_view message) const {
    return corrupt(fmt::format("{}: tensor {}: {}", what_, json::quote(tensor), message));
  }

  std::string_view what_;
  const SafetensorsLimits& limits_;
  std::vector<Offsets> offsets_;  // parallel to SafetensorsHeader::tensors until lay_out
};

// Length of the header of `file`, checked against the file and the limits.
Result<std::uint64_t> read_header_length(const InputFile& file, const SafetensorsLimits& limits) {
  std::array<char, 64> start{};
  const std::size_t n_start = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), start.size()));
  JANG_TRY(file.read_at(0, std::as_writable_bytes(std::span(start).first(n_start))));
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) n |= std::uint64_t{static_cast<unsigned char>(start[i])} << (8 * i);
  const bool fits = n_start > kLengthBytes && n <= limits.max_header_bytes && n <= file.size() - kLengthBytes;
  if (fits && start[kLengthBytes] == '{') return n;
  const std::string hint = recognise({start.data(), n_start});
  if (!hint.empty()) return corrupt(fmt::format("{}: not a safetensors file. {}", file.path(), hint));
  if (n_start <= kLengthBytes)
    return corrupt(
        fmt::format("{}: {} bytes are too few for a safetensors file; it is truncated, download it again", file.path(), file.size()));
  if (n > limits.max_header_bytes)
    return corrupt(fmt::format("{}: its first 8 bytes announce a header of {} bytes; at most {} are accepted. It is not a safetensors file",
                               file.path(), n, limits.max_header_bytes));
  if (!fits)
    return corrupt(fmt::format("{}: its first 8 bytes announce a header of {} bytes, only {} follow; it is truncated, download it again",
                               file.path(), n, file.size() - kLengthBytes));
  return n;
}

}  // namespace

Result<SafetensorsHeader> read_safetensors_header(const InputFile& file, const SafetensorsLimits& limits) {
  JANG_ASSIGN(const std::uint64_t n, read_header_length(file, limits));
  try {
    std::string header(static_cast<std::size_t>(n), '\0');
    JANG_TRY(file.read_at(kLengthBytes, std::as_writable_bytes(std::span(header))));
    return parse_safetensors_header(header, file.size(), file.path(), limits);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("{}: no memory for its header of {} bytes", file.path(), n));
  }
}

Result<SafetensorsHeader> parse_safetensors_header(std::string_view header, std::uint64_t file_bytes, std::string_view what,
                                                   const SafetensorsLimits& limits) {
  try {
    SafetensorsHeader out;
    JANG_TRY(HeaderParser(what, limits).parse(header, file_bytes, out));
    return out;
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::out_of_memory, fmt::format("{}: no memory for the tensors of a header of {} bytes", what, header.size()));
  }
}

Status check_tensor_name(std::string_view name, std::size_t max_bytes) {
  if (name.empty()) return corrupt("a tensor has an empty name");
  if (name.size() > max_bytes)
    return corrupt(fmt::format("tensor name {} has {} bytes; at most {} are accepted", json::quote(name, 64), name.size(), max_bytes));
  if (!simdjson::validate_utf8(name)) return corrupt(fmt::format("tensor name {} is not UTF-8", json::quote(name)));
  for (std::size_t i = 0; i < name.size();)
    if (!is_printable(utf8::next(name, i)))
      return corrupt(fmt::format("tensor name {} holds a character that cannot be printed", json::quote(name)));
  return {};
}

std::string make_safetensors_header(const std::vector<TensorInfo>& tensors,
                                    const std::vector<std::pair<std::string, std::string>>& metadata) {
  const auto text = [](const std::string& s) { return json::dump(json::Value(s)); };
  json::Value about = {{"format", "mlx"}};
  for (const auto& [key, value] : metadata) about[key] = value;
  std::string header = fmt::format("{{\"{}\":{}", kMetadataKey, json::dump(about));
  std::uint64_t offset = 0;
  for (const TensorInfo& t : tensors) {
    JANG_CHECK(t.name != kMetadataKey);
    const auto n = checked_elements(t.shape);
    const auto bytes = n ? checked_mul(*n, static_cast<std::int64_t>(size_bytes(t.dtype))) : std::nullopt;
    JANG_CHECK(bytes.has_value());
    const auto end = checked_add(offset, static_cast<std::uint64_t>(*bytes));
    JANG_CHECK(end.has_value());
    header += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", text(t.name), name(t.dtype),
                          fmt::join(t.shape, ","), offset, *end);
    offset = *end;
  }
  header += '}';
  header.resize(round_up(header.size() + kLengthBytes, kHeaderAlignment) - kLengthBytes, ' ');
  std::string out(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i) out[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return out + header;
}

}  // namespace jang::format
