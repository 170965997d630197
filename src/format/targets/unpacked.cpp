// SPDX-License-Identifier: Apache-2.0
// Rows of a module: their codes and scales lie together, zero points in blocks of 32 rows.
#include "format/targets/unpacked.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "codec/column_codes.h"

namespace jang::format {
namespace {

constexpr std::int64_t kFloatBytes = 4;

struct PackedModule {
  const codec::WeightFormat* format = nullptr;
  std::int64_t out = 0, in = 0;
  std::vector<StoredTensor> planes;
};

class UnpackedModules final : public MadeTensors {
 public:
  explicit UnpackedModules(std::vector<PackedModule> modules) : modules_(std::move(modules)) {}

  [[nodiscard]] Status read(const Checkpoint& c, int index, std::uint64_t begin, std::span<std::byte> out) const override {
    const PackedModule& m = modules_[static_cast<std::size_t>(index)];
    const std::int64_t row_bytes = m.in * kFloatBytes, first = static_cast<std::int64_t>(begin) / row_bytes;
    const std::int64_t end = static_cast<std::int64_t>(begin + out.size());
    std::vector<float> values;
    JANG_TRY(rows(c, m, first, std::max(first, (end + row_bytes - 1) / row_bytes), &values));
    if (!out.empty())
      std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + (static_cast<std::int64_t>(begin) - first * row_bytes),
                  out.size());
    return {};
  }

 private:
  static Result<std::vector<std::byte>> plane_rows(const Checkpoint& c, const StoredTensor& t, std::int64_t row_bytes, std::int64_t begin,
                                                   std::int64_t end) {
    std::vector<std::byte> bytes(static_cast<std::size_t>((end - begin) * row_bytes));
    JANG_TRY(c.read(t, static_cast<std::uint64_t>(begin * row_bytes), bytes));
    return bytes;
  }
  // Zero points of rows [begin, end), one byte each.
  static Result<std::vector<std::uint8_t>> zeros(const Checkpoint& c, const PackedModule& m, std::int64_t begin, std::int64_t end) {
    const std::int64_t n_groups = m.in / m.format->group_size, block = codec::kColumnBlock;
    const std::int64_t from = begin / block * block, to = std::min(m.out, (end + block - 1) / block * block);
    const int bits = m.format->bits;
    JANG_ASSIGN(const std::vector<std::byte> words,
                plane_rows(c, m.planes[2], n_groups * 4, codec::column_words(from, bits), codec::column_words(to, bits)));
    std::vector<std::uint8_t> codes(static_cast<std::size_t>((to - from) * n_groups));
    codec::unpack_columns(words, to - from, bits, codes);
    codes.erase(codes.begin(), codes.begin() + (begin - from) * n_groups);
    return codes;
  }
  static Status rows(const Checkpoint& c, const PackedModule& m, std::int64_t begin, std::int64_t end, std::vector<float>* values) {
    const codec::WeightFormat& f = *m.format;
    const DType params = m.planes[1].info.dtype;
    const std::int64_t code_bytes = f.planes()[0].row_bytes(m.in, params), scale_bytes = f.planes()[1].row_bytes(m.in, params);
    JANG_ASSIGN(const std::vector<std::byte> codes, plane_rows(c, m.planes[0], code_bytes, begin, end));
    JANG_ASSIGN(const std::vector<std::byte> scales, plane_rows(c, m.planes[1], scale_bytes, begin, end));
    std::vector<std::uint8_t> zero_points;
    if (f.kind == codec::Kind::integer_zero) {
      JANG_ASSIGN(zero_points, zeros(c, m, begin, end));
    }
    values->resize(static_cast<std::size_t>((end - begin) * m.in));
    const std::byte* const zero_bytes = reinterpret_cast<const std::byte*>(zero_points.data());
    for (std::int64_t r = 0; r < end - begin; ++r) {
      const std::byte* planes[codec::kMaxPlanes] = {codes.data() + r * code_bytes, scales.data() + r * scale_bytes, nullptr};
      if (zero_bytes != nullptr) planes[2] = zero_bytes + r * (m.in / f.group_size);
      codec::unpack_row(f, std::span(planes).first(f.planes().size()), params, m.in, values->data() + r * m.in);
    }
    return {};
  }

  std::vector<PackedModule> modules_;
};

}  // namespace

Checkpoint unpacked(Bundle bundle) {
  const std::vector<StoredTensor>& stored = bundle.checkpoint.tensors();
  std::vector<PackedModule> modules;
  std::vector<StoredTensor> tensors;
  for (const BundleModule& m : bundle.modules) {
    JANG_CHECK(m.format->kind != codec::Kind::affine && m.shape.size() == 2);
    PackedModule packed{m.format, m.shape[0], m.shape[1], {}};
    for (const int plane : m.planes) packed.planes.push_back(stored[static_cast<std::size_t>(plane)]);
    const StoredTensor& codes = packed.planes.front();
    tensors.push_back({{m.path + ".weight", DType::f32, m.shape, codes.info.standing}, codes.file, 0, static_cast<int>(modules.size())});
    modules.push_back(std::move(packed));
  }
  for (const int i : bundle.plain) tensors.push_back(stored[static_cast<std::size_t>(i)]);
  std::ranges::sort(tensors, {}, [](const StoredTensor& t) -> const std::string& { return t.info.name; });
  json::Value config = logical_config(bundle);
  return std::move(bundle.checkpoint).with(std::move(config), std::move(tensors), std::make_shared<UnpackedModules>(std::move(modules)));
}

}  // namespace jang::format
