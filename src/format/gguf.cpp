// SPDX-License-Identifier: Apache-2.0
// Reading goes through one cursor that knows where it is and refuses to pass the end; nothing is allocated by a number of the file before
// the bytes that it announces are known to be there.
#include "format/gguf.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/corrupt.h"
#include "format/safetensors.h"
#include "json/json.h"

namespace jang::format {
namespace {

constexpr std::uint64_t kMaxAlignment = 1u << 20;
constexpr int kMaxGgufRank = 4;

struct KindRow {
  std::string_view name;
  std::uint64_t bytes;  // at least, of one value
};
constexpr KindRow kKindRows[] = {{"u8", 1},      {"i8", 1},     {"u16", 2},    {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
                                 {"boolean", 1}, {"string", 8}, {"array", 12}, {"u64", 8}, {"i64", 8}, {"f64", 8}};

const KindRow& row_of(GgufKind kind) { return kKindRows[static_cast<std::size_t>(kind)]; }

class HeaderReader {
 public:
  HeaderReader(std::string_view bytes, std::uint64_t file_bytes, std::string_view what, const GgufLimits& limits)
      : bytes_(bytes), file_bytes_(file_bytes), what_(what), limits_(limits) {}

  Result<GgufHeader> read() {
    std::uint64_t n_tensors = 0, n_pairs = 0;
    JANG_TRY(read_counts(n_tensors, n_pairs));
    for (std::uint64_t i = 0; i < n_pairs; ++i) JANG_TRY(read_pair());
    JANG_TRY(read_settings());
    for (std::uint64_t i = 0; i < n_tensors; ++i) JANG_TRY(read_tensor());
    JANG_TRY(place_tensors());
    return std::move(header_);
  }

 private:
  Status bad(std::string message) const { return corrupt(fmt::format("{}: {}, at byte {}", what_, message, at_)); }

  template <class T>
  Status number(T& value, std::string_view of) {
    if (bytes_.size() - at_ < sizeof(T)) return bad(fmt::format("the header ends inside {}", of));
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) bits |= std::uint64_t{static_cast<unsigned char>(bytes_[at_ + i])} << (8 * i);
    value = static_cast<T>(bits);
    at_ += sizeof(T);
    return {};
  }

  Status text(std::string& value, std::size_t max_bytes, std::string_view of) {
    std::uint64_t n = 0;
    JANG_TRY(number(n, of));
    if (n > max_bytes) return bad(fmt::format("{} is {} bytes long, more than {}", of, n, max_bytes));
    if (n > bytes_.size() - at_) return bad(fmt::format("the header ends inside {} of {} bytes", of, n));
    value.assign(bytes_.substr(at_, static_cast<std::size_t>(n)));
    at_ += static_cast<std::size_t>(n);
    return {};
  }

  Status read_counts(std::uint64_t& n_tensors, std::uint64_t& n_pairs) {
    if (!bytes_.starts_with("GGUF")) return bad("no GGUF file: it does not begin with \"GGUF\"");
    at_ = 4;
    JANG_TRY(number(header_.version, "the version"));
    const std::uint32_t swapped = __builtin_bswap32(header_.version);
    if (header_.version == 1 || swapped == 2 || swapped == 3)
      return {StatusCode::unsupported, fmt::format("{}: {}", what_,
                                                   header_.version == 1 ? "GGUF version 1; llama.cpp's gguf-py converts it"
                                                                        : "big-endian GGUF; gguf-py's convert_endian converts it")};
    if (header_.version != 2 && header_.version != 3) return bad(fmt::format("version {} instead of 2 or 3", header_.version));
    JANG_TRY(number(n_tensors, "the number of tensors"));
    JANG_TRY(number(n_pairs, "the number of metadata pairs"));
    if (n_tensors > limits_.max_tensors) return bad(fmt::format("{} tensors, more than {}", n_tensors, limits_.max_tensors));
    if (n_pairs > limits_.max_pairs) return bad(fmt::format("{} metadata pairs, more than {}", n_pairs, limits_.max_pairs));
    return {};
  }

  Status read_kind(GgufKind& kind, std::string_view of) {
    std::uint32_t id = 0;
    JANG_TRY(number(id, of));
    if (id >= std::size(kKindRows)) return bad(fmt::format("{} has value type {}, of 0 to {}", of, id, std::size(kKindRows) - 1));
    kind = static_cast<GgufKind>(id);
    return {};
  }

  template <class T>
  Status integer(std::int64_t& value, std::string_view of) {
    T raw{};
    JANG_TRY(number(raw, of));
    value = static_cast<std::int64_t>(raw);
    return {};
  }

  Status scalar(GgufKind kind, std::int64_t& whole, double& real, std::string& string, std::string_view of) {
    switch (kind) {
      case GgufKind::u8: return integer<std::uint8_t>(whole, of);
      case GgufKind::i8: return integer<std::int8_t>(whole, of);
      case GgufKind::u16: return integer<std::uint16_t>(whole, of);
      case GgufKind::i16: return integer<std::int16_t>(whole, of);
      case GgufKind::u32: return integer<std::uint32_t>(whole, of);
      case GgufKind::i32: return integer<std::int32_t>(whole, of);
      case GgufKind::u64:
      case GgufKind::i64: return integer<std::int64_t>(whole, of);
      case GgufKind::boolean: {
        JANG_TRY(integer<std::uint8_t>(whole, of));
        return whole > 1 ? bad(fmt::format("{} is {}, no boolean", of, whole)) : Status();
      }
      case GgufKind::f32: {
        std::uint32_t bits = 0;
        JANG_TRY(number(bits, of));
        real = static_cast<double>(std::bit_cast<float>(bits));
        return {};
      }
      case GgufKind::f64: {
        std::uint64_t bits = 0;
        JANG_TRY(number(bits, of));
        real = std::bit_cast<double>(bits);
        return {};
      }
      case GgufKind::string: return text(string, bytes_.size(), of);
      case GgufKind::array: break;
    }
    return {StatusCode::unsupported, fmt::format("{}: {} is an array of arrays", what_, of)};
  }

  Status read_array(GgufValue& value, std::string_view of) {
    JANG_TRY(read_kind(value.element, of));
    std::uint64_t n = 0;
    JANG_TRY(number(n, of));
    if (n > (bytes_.size() - at_) / row_of(value.element).bytes)
      return bad(fmt::format("the header ends inside {}, an array of {} {} values", of, n, kind_name(value.element)));
    const bool real = value.element == GgufKind::f32 || value.element == GgufKind::f64, string = value.element == GgufKind::string;
    for (std::uint64_t i = 0; i < n; ++i) {
      std::int64_t whole = 0;
      double x = 0;
      std::string s;
      JANG_TRY(scalar(value.element, whole, x, s, of));
      if (string)
        value.texts.push_back(std::move(s));
      else if (real)
        value.numbers.push_back(x);
      else
        value.integers.push_back(whole);
    }
    return {};
  }

  Status read_pair() {
    std::string key;
    JANG_TRY(text(key, limits_.max_key_bytes, "a metadata key"));
    if (const Status s = check_tensor_name(key, limits_.max_key_bytes); !s.ok()) return bad("a metadata key is not printable text");
    const std::string of = "metadata `" + key + "`";
    GgufValue value;
    JANG_TRY(read_kind(value.kind, of));
    JANG_TRY(value.kind == GgufKind::array ? read_array(value, of) : scalar(value.kind, value.integer, value.number, value.text, of));
    return header_.metadata.emplace(std::move(key), std::move(value)).second ? Status() : bad(of + " occurs twice");
  }

  static bool is_count(GgufKind kind) {
    return kind == GgufKind::u8 || kind == GgufKind::u16 || kind == GgufKind::u32 || kind == GgufKind::i32 || kind == GgufKind::u64;
  }

  Status read_settings() {
    if (const auto found = header_.metadata.find("general.alignment"); found != header_.metadata.end()) {
      const std::int64_t n = found->second.integer;
      if (!is_count(found->second.kind) || n < 1 || n > static_cast<std::int64_t>(kMaxAlignment) ||
          !std::has_single_bit(static_cast<std::uint64_t>(n)))
        return bad(fmt::format("general.alignment is {} ({}), no power of two up to {}", n, kind_name(found->second.kind), kMaxAlignment));
      header_.alignment = static_cast<std::uint64_t>(n);
    }
    const auto split = header_.metadata.find("split.count");
    if (split != header_.metadata.end() && split->second.integer > 1)
      return {StatusCode::unsupported,
              fmt::format("{}: one of {} files of a split GGUF; `llama-gguf-split --merge` joins them", what_, split->second.integer)};
    return {};
  }

  Status read_tensor() {
    GgufTensor t;
    JANG_TRY(text(t.name, limits_.max_name_bytes, "a tensor's name"));
    if (const Status s = check_tensor_name(t.name, limits_.max_name_bytes); !s.ok()) return bad("a tensor's name is not printable text");
    if (!names_.insert(t.name).second) return bad(fmt::format("tensor '{}' occurs twice", t.name));
    std::uint32_t rank = 0, type = 0;
    JANG_TRY(number(rank, t.name));
    if (rank < 1 || rank > kMaxGgufRank) return bad(fmt::format("tensor '{}' has rank {}, of 1 to {}", t.name, rank, kMaxGgufRank));
    for (std::uint32_t i = 0; i < rank; ++i) {
      std::uint64_t n = 0;
      JANG_TRY(number(n, t.name));
      if (n < 1 || n > static_cast<std::uint64_t>(INT64_MAX)) return bad(fmt::format("tensor '{}' has a dimension of {}", t.name, n));
      t.shape.insert(t.shape.begin(), static_cast<std::int64_t>(n));
    }
    JANG_TRY(number(type, t.name));
    t.type = codec::find_gguf_type(type);
    if (t.type == nullptr)
      return {StatusCode::unsupported,
              fmt::format("{}: tensor '{}' has element type {}, which this program does not know", what_, t.name, type)};
    JANG_TRY(number(t.offset_bytes, t.name));
    const auto n = checked_elements(t.shape);
    if (!n) return bad(fmt::format("tensor '{}' of shape {} has too many values", t.name, to_string(t.shape)));
    if (t.shape.back() % t.type->block_values != 0)
      return bad(fmt::format("tensor '{}' has rows of {} values, no multiple of the {} of a {} block", t.name, t.shape.back(),
                             t.type->block_values, t.type->name));
    const auto bytes =
        checked_mul<std::uint64_t>(static_cast<std::uint64_t>(*n / t.type->block_values), static_cast<std::uint64_t>(t.type->block_bytes));
    if (!bytes) return bad(fmt::format("tensor '{}' of shape {} has too many bytes", t.name, to_string(t.shape)));
    t.bytes = *bytes;
    header_.tensors.push_back(std::move(t));
    return {};
  }

  // From offsets behind the header to offsets in the file. Payloads may have gaps, as other readers allow, but must not overlap.
  Status place_tensors() {
    header_.data_begin = round_up<std::uint64_t>(at_, header_.alignment);
    std::vector<const GgufTensor*> order;
    for (GgufTensor& t : header_.tensors) {
      if (t.offset_bytes % header_.alignment != 0)
        return bad(fmt::format("tensor '{}' begins at {}, no multiple of the alignment {}", t.name, t.offset_bytes, header_.alignment));
      const auto begin = checked_add(t.offset_bytes, header_.data_begin);
      const auto end = begin ? checked_add(*begin, t.bytes) : std::nullopt;
      if (!end || *end > file_bytes_)
        return bad(fmt::format("tensor '{}' has {} bytes at {} behind the header of {}, but the file has {}", t.name, t.bytes,
                               t.offset_bytes, header_.data_begin, file_bytes_));
      t.offset_bytes = *begin;
      order.push_back(&t);
    }
    std::sort(order.begin(), order.end(), [](const GgufTensor* a, const GgufTensor* b) { return a->offset_bytes < b->offset_bytes; });
    for (std::size_t i = 1; i < order.size(); ++i)
      if (order[i - 1]->offset_bytes + order[i - 1]->bytes > order[i]->offset_bytes)
        return bad(fmt::format("tensors '{}' and '{}' overlap", order[i - 1]->name, order[i]->name));
    return {};
  }

  std::string_view bytes_;
  std::uint64_t file_bytes_;
  std::string_view what_;
  const GgufLimits& limits_;
  std::size_t at_ = 0;
  GgufHeader header_;
  std::set<std::string> names_;
};

}  // namespace

std::string_view kind_name(GgufKind kind) { return row_of(kind).name; }

std::size_t GgufValue::size() const { return integers.size() + numbers.size() + texts.size(); }

std::uint64_t GgufHeader::tensor_bytes() const {
  std::uint64_t n = 0;  // cannot overflow: payloads do not overlap in a file of known size
  for (const GgufTensor& t : tensors) n += t.bytes;
  return n;
}

std::uint64_t GgufHeader::elements() const {
  std::uint64_t n = 0;
  for (const GgufTensor& t : tensors) n += static_cast<std::uint64_t>(jang::elements(t.shape));
  return n;
}

const GgufTensor* GgufHeader::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const GgufTensor& t) { return t.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

std::optional<std::string> GgufHeader::text(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end() || found->second.kind != GgufKind::string) return std::nullopt;
  return found->second.text;
}

Result<GgufHeader> parse_gguf_header(std::string_view bytes, std::uint64_t file_bytes, std::string_view what, const GgufLimits& limits) {
  return HeaderReader(bytes, file_bytes, what, limits).read();
}

Result<GgufHeader> read_gguf_header(const InputFile& file, const GgufLimits& limits) {
  const std::string what = json::quote(file.path(), 256);
  // The length of the header is known only when it was read. Most are below the first size; those with a large vocabulary below the next.
  const std::uint64_t all = std::min(file.size(), limits.max_header_bytes);
  for (std::uint64_t n = std::min<std::uint64_t>(all, 1u << 20);; n = std::min(all, n * 8)) {
    std::string bytes(static_cast<std::size_t>(n), '\0');
    JANG_TRY(file.read_at(0, std::as_writable_bytes(std::span(bytes.data(), bytes.size()))));
    Result<GgufHeader> header = parse_gguf_header(bytes, file.size(), what, limits);
    if (header.ok() || n == all || header.status().code() == StatusCode::unsupported) return header;
  }
}

}  // namespace jang::format
