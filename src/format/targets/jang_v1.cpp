// SPDX-License-Identifier: Apache-2.0
// See the header for the layout.
#include "format/targets/jang_v1.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/float16.h"
#include "codec/affine.h"

namespace jang::format {
namespace {

constexpr std::string_view kCodes = ".qweight";
constexpr std::int64_t kBlockOfV1 = 64, kMaxBlocks = std::int64_t{1} << 40;
constexpr std::string_view kSizes[] = {"hidden_size", "intermediate_size",   "moe_intermediate_size", "shared_expert_intermediate_size",
                                       "vocab_size",  "num_attention_heads", "num_key_value_heads",   "n_embd"};

// Values (code - zero) * scale of a module with zeros in fp16, which no format of the codec has; row by row as they are read.
class ZeroedRows final : public MadeTensor {
 public:
  ZeroedRows(StoredTensor codes, StoredTensor scales, StoredTensor zeros, int bits, std::int64_t block, std::int64_t in)
      : codes_(std::move(codes)), scales_(std::move(scales)), zeros_(std::move(zeros)), bits_(bits), block_(block), in_(in) {}

  Status read(const Checkpoint& checkpoint, std::uint64_t begin, std::span<std::byte> out) const override {
    const std::uint64_t row_bytes = static_cast<std::uint64_t>(in_) * 4;
    std::vector<float> row(static_cast<std::size_t>(in_));
    while (!out.empty()) {
      JANG_TRY(read_row(checkpoint, begin / row_bytes, row));
      const std::uint64_t skip = begin % row_bytes, n = std::min<std::uint64_t>(row_bytes - skip, out.size());
      std::memcpy(out.data(), reinterpret_cast<const std::byte*>(row.data()) + skip, n);
      out = out.subspan(n);
      begin += n;
    }
    return {};
  }
  [[nodiscard]] std::uint64_t file_bytes() const override {
    return static_cast<std::uint64_t>(codes_.info.bytes() + scales_.info.bytes() + zeros_.info.bytes());
  }

 private:
  Status read_row(const Checkpoint& checkpoint, std::uint64_t r, std::span<float> out) const {
    const auto n_words = static_cast<std::size_t>(codec::words_per_row(in_, bits_)), n_blocks = static_cast<std::size_t>(in_ / block_);
    std::vector<std::uint32_t> words(n_words);
    std::vector<std::uint16_t> scales(n_blocks), zeros(n_blocks);
    std::vector<std::uint8_t> codes(out.size());
    JANG_TRY(checkpoint.read(codes_, r * n_words * 4, std::as_writable_bytes(std::span(words))));
    JANG_TRY(checkpoint.read(scales_, r * n_blocks * 2, std::as_writable_bytes(std::span(scales))));
    JANG_TRY(checkpoint.read(zeros_, r * n_blocks * 2, std::as_writable_bytes(std::span(zeros))));
    codec::unpack(words.data(), bits_, codes);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t b = i / static_cast<std::size_t>(block_);
      out[i] = (static_cast<float>(codes[i]) - fp16_to_float(zeros[b])) * fp16_to_float(scales[b]);
    }
    return {};
  }

  StoredTensor codes_, scales_, zeros_;
  int bits_;
  std::int64_t block_, in_;
};

class Upgrade {
 public:
  explicit Upgrade(Checkpoint checkpoint) : c_(std::move(checkpoint)) {}
  Result<Checkpoint> run() &&;

 private:
  struct Module {
    std::string base;
    int codes = -1, scales = -1;
    std::int64_t n_blocks = 0, bits = 0;
    Shape shape{};
  };

  [[nodiscard]] const StoredTensor& stored(int index) const { return c_.tensors()[static_cast<std::size_t>(index)]; }
  [[nodiscard]] Status fail(StatusCode code, const Module& m, const std::string& why) const {
    return {code, fmt::format("{}: module {} of JANG v1: {}", c_.path(), m.base, why)};
  }
  // Index of <base><suffix>, which is then gone; -1 where there is none.
  int take(const Module& m, std::string_view suffix) {
    const int index = c_.find(m.base + std::string(suffix));
    if (index >= 0) gone_.insert(index);
    return index;
  }
  Status find_block();
  Status find_bits(Module* m);
  Status find_shape(Module* m);
  Status check_bit_map(int map, const Module& m);
  [[nodiscard]] std::vector<Shape> possible_shapes(const Module& m) const;
  Status add_planes(const Module& m);
  Status add(Module m);

  Checkpoint c_;
  std::int64_t block_ = kBlockOfV1;
  std::set<int> gone_;
  std::vector<StoredTensor> made_;
  json::Value quantization_ = json::Value::object();
};

Status Upgrade::find_block() {
  std::error_code ec;
  for (const char* name : {"jang_config.json", "jjqf_config.json", "jang_cfg.json", "mxq_config.json"}) {
    const std::string path = c_.path() + "/" + name;
    if (!std::filesystem::exists(path, ec)) continue;
    JANG_ASSIGN(const json::Value config, json::parse_file(path));
    const json::Value* q = config.is_object() ? json::find(config, "quantization") : nullptr;
    if (q == nullptr || !q->is_object()) return {};
    const auto block = json::get_int(*q, "block_size", kBlockOfV1, 1, 1 << 20);
    if (!block.ok()) return block.status().with_context(path);
    block_ = *block;
    if (!codec::is_group(static_cast<int>(block_)))
      return {StatusCode::unsupported, fmt::format("{}: blocks of {} weights; read are 32, 64 and 128", path, block_)};
    return {};
  }
  return {};
}

// Old files have a width for every block; writers gave all of a tensor the same.
Status Upgrade::check_bit_map(int map, const Module& m) {
  const StoredTensor& t = stored(map);
  if (t.info.dtype != DType::u8 || t.info.shape != Shape{m.n_blocks})
    return fail(StatusCode::corrupt, m, "bit_map is not one byte a block");
  std::vector<std::uint8_t> part(std::min<std::size_t>(1u << 20, static_cast<std::size_t>(m.n_blocks)));
  for (std::int64_t at = 0; at < m.n_blocks; at += static_cast<std::int64_t>(part.size())) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(part.size()), m.n_blocks - at));
    JANG_TRY(c_.read(t, static_cast<std::uint64_t>(at), std::as_writable_bytes(std::span(part).first(n))));
    if (std::ranges::any_of(std::span(part).first(n), [&](std::uint8_t b) { return b != m.bits; }))
      return fail(StatusCode::unsupported, m, fmt::format("its blocks have different bits; its codes take {} a weight", m.bits));
  }
  return {};
}

Status Upgrade::find_bits(Module* m) {
  const TensorInfo &codes = stored(m->codes).info, &scales = stored(m->scales).info;
  if (scales.dtype != DType::f16 || scales.shape.size() != 1) return fail(StatusCode::corrupt, *m, "scales are not a row of F16");
  m->n_blocks = scales.shape[0];
  if (codes.shape.size() != 1 || m->n_blocks <= 0 || m->n_blocks > kMaxBlocks)
    return fail(StatusCode::corrupt, *m,
                "qweight " + to_string(codes.shape) + " and scales " + to_string(scales.shape) + " hold no blocks");
  for (const codec::WidthRow& w : codec::kWidths)
    if (codes.bytes() * 8 == m->n_blocks * block_ * w.bits) m->bits = w.bits;
  if (m->bits == 0)
    return fail(StatusCode::corrupt, *m,
                fmt::format("{} bytes of codes for {} blocks of {} weights fit no width", codes.bytes(), m->n_blocks, block_));
  if (const int map = take(*m, ".bit_map"); map >= 0) JANG_TRY(check_bit_map(map, *m));
  (void)take(*m, ".block_offsets");
  const int declared = take(*m, ".bits");
  if (declared < 0) return {};
  std::uint8_t bits = 0;
  if (stored(declared).info.dtype != DType::u8 || stored(declared).info.bytes() != 1)
    return fail(StatusCode::corrupt, *m, "bits is not one byte");
  JANG_TRY(c_.read(stored(declared), 0, std::as_writable_bytes(std::span(&bits, 1))));
  if (bits != m->bits)
    return fail(StatusCode::corrupt, *m,
                fmt::format("it says {} bits, and {} bytes of codes for {} blocks of {} are {}", bits, codes.bytes(), m->n_blocks, block_,
                            m->bits));
  return {};
}

// [out, in] of sizes that the config knows.
std::vector<Shape> Upgrade::possible_shapes(const Module& m) const {
  std::set<std::int64_t> sizes;
  const json::Value& config = c_.config();
  const auto number = [&](std::string_view key) -> std::int64_t {
    const Result<std::int64_t> found = json::get_int(config, key, 0, 0, std::int64_t{1} << 32);
    return found.ok() ? *found : 0;
  };
  for (const std::string_view key : kSizes) sizes.insert(number(key));
  std::int64_t head = number("head_dim");
  if (head == 0 && number("num_attention_heads") > 0) head = number("hidden_size") / number("num_attention_heads");
  for (const char* heads : {"num_attention_heads", "num_key_value_heads"})
    sizes.insert(std::min(number(heads), kMaxBlocks / (head + 1)) * head);
  const std::int64_t total = m.n_blocks * block_;
  std::vector<Shape> shapes;
  for (const std::int64_t in : sizes)
    if (in > 0 && in % block_ == 0 && total % in == 0 && sizes.contains(total / in)) shapes.push_back({total / in, in});
  return shapes;
}

Status Upgrade::find_shape(Module* m) {
  const int index = take(*m, ".shape");
  if (index < 0) {
    const std::vector<Shape> shapes = possible_shapes(*m);
    if (shapes.size() == 1) m->shape = shapes.front();
    if (shapes.size() == 1) return {};
    std::vector<std::string> list;
    for (const Shape& s : shapes) list.push_back(to_string(s));
    return fail(StatusCode::unsupported, *m,
                fmt::format("the file does not say its shape; {} weights can be {}", m->n_blocks * block_,
                            list.empty() ? "none of the sizes of config.json" : fmt::format("{}", fmt::join(list, " or "))));
  }
  const StoredTensor& t = stored(index);
  if (t.info.dtype != DType::i64 || t.info.shape.size() != 1 || t.info.shape[0] < 2 || t.info.shape[0] > 3)
    return fail(StatusCode::corrupt, *m, "shape is not two or three I64");
  m->shape.resize(static_cast<std::size_t>(t.info.shape[0]));
  JANG_TRY(c_.read(t, 0, std::as_writable_bytes(std::span(m->shape))));
  std::int64_t total = 1;
  for (const std::int64_t d : m->shape) {
    const auto product = d > 0 ? checked_mul<std::int64_t>(total, d) : std::nullopt;
    if (!product) return fail(StatusCode::corrupt, *m, "its shape " + to_string(m->shape) + " is no shape");
    total = *product;
  }
  if (m->shape.back() % block_ != 0)
    return fail(StatusCode::unsupported, *m, fmt::format("its rows of {} weights end inside a block of {}", m->shape.back(), block_));
  if (total / block_ != m->n_blocks)
    return fail(
        StatusCode::corrupt, *m,
        fmt::format("its shape {} has {} blocks of {}, its scales are {}", to_string(m->shape), total / block_, block_, m->n_blocks));
  return {};
}

// Codes and parameters as MLX names them; with zeros the values themselves.
Status Upgrade::add_planes(const Module& m) {
  const int biases = take(m, ".biases"), zeros = take(m, ".zeros");
  if ((biases < 0) == (zeros < 0)) return fail(StatusCode::corrupt, m, "it has neither biases nor zeros, or both");
  const int second = biases >= 0 ? biases : zeros;
  if (stored(second).info.dtype != DType::f16 || stored(second).info.shape != Shape{m.n_blocks})
    return fail(StatusCode::corrupt, m, fmt::format("{} do not belong to its scales", biases >= 0 ? "biases" : "zeros"));
  const auto add = [&](const std::string& suffix, const StoredTensor& from, DType dtype, std::int64_t columns) -> StoredTensor& {
    StoredTensor& t = made_.emplace_back(from);
    t.info.name = m.base + suffix;
    t.info.dtype = dtype;
    t.info.shape = m.shape;
    t.info.shape.back() = columns;
    return t;
  };
  const std::int64_t in = m.shape.back();
  if (zeros >= 0) {
    add(".weight", stored(m.codes), DType::f32, in).made =
        std::make_shared<ZeroedRows>(stored(m.codes), stored(m.scales), stored(zeros), static_cast<int>(m.bits), block_, in);
    return {};
  }
  add(".weight", stored(m.codes), DType::u32, in / 32 * m.bits);
  add(".scales", stored(m.scales), DType::f16, in / block_);
  add(".biases", stored(biases), DType::f16, in / block_);
  quantization_[m.base] = {{"group_size", block_}, {"bits", m.bits}, {"mode", "affine"}};
  return {};
}

Status Upgrade::add(Module m) {
  m.scales = take(m, ".scales");
  if (m.scales < 0) return fail(StatusCode::corrupt, m, "qweight without scales");
  gone_.insert(m.codes);
  JANG_TRY(find_bits(&m));
  JANG_TRY(find_shape(&m));
  if (c_.find(m.base + ".weight") >= 0) return fail(StatusCode::corrupt, m, "it is there unpacked as well");
  return add_planes(m);
}

Result<Checkpoint> Upgrade::run() && {
  std::vector<Module> modules;
  for (std::size_t i = 0; i < c_.tensors().size(); ++i) {
    const TensorInfo& t = c_.tensors()[i].info;
    if (t.dtype == DType::u8 && t.shape.size() == 1 && t.name.ends_with(kCodes) && t.name.size() > kCodes.size())
      modules.push_back({.base = t.name.substr(0, t.name.size() - kCodes.size()), .codes = static_cast<int>(i)});
  }
  if (modules.empty()) return std::move(c_);
  JANG_TRY(find_block());
  for (Module& m : modules) JANG_TRY(add(std::move(m)));
  std::vector<StoredTensor> tensors;
  for (std::size_t i = 0; i < c_.tensors().size(); ++i)
    if (!gone_.contains(static_cast<int>(i))) tensors.push_back(c_.tensors()[i]);
  tensors.insert(tensors.end(), made_.begin(), made_.end());
  json::Value config = c_.config();
  if (!config.is_object()) return Status(StatusCode::corrupt, c_.path() + "/config.json is not an object");
  if (!quantization_.empty()) {
    json::Value& map = config["quantization"] = {{"group_size", block_}, {"bits", quantization_.front()["bits"]}};
    map.update(quantization_);
  }
  return std::move(c_).with(std::move(config), std::move(tensors), "the files are of JANG v1; `jang export` makes a bundle that MLX opens");
}

}  // namespace

Result<Checkpoint> from_jang_v1(Checkpoint checkpoint) { return Upgrade(std::move(checkpoint)).run(); }

}  // namespace jang::format
