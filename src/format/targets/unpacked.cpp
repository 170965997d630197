// SPDX-License-Identifier: Apache-2.0
// Values of the rows that an asked range of bytes touches.
#include "format/targets/unpacked.h"

#include <algorithm>
#include <cstring>

#include "format/targets/packed_module.h"

namespace jang::format {
namespace {

constexpr std::int64_t kFloatBytes = 4;

class UnpackedTensor final : public MadeTensor {
 public:
  explicit UnpackedTensor(PackedModule module) : module_(std::move(module)) {}

  [[nodiscard]] Status read(const Checkpoint& c, std::uint64_t begin, std::span<std::byte> out) const override {
    if (out.empty()) return {};
    const std::int64_t row_bytes = module_.columns() * kFloatBytes, first = static_cast<std::int64_t>(begin) / row_bytes;
    const std::int64_t end = static_cast<std::int64_t>(begin + out.size()), n = (end + row_bytes - 1) / row_bytes - first;
    PlaneRows rows;
    JANG_TRY(module_.read(c, first, n, &rows));
    std::vector<float> values(static_cast<std::size_t>(n * module_.columns()));
    for (std::int64_t i = 0; i < n; ++i) module_.unpack(rows, i, values.data() + i * module_.columns());
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + (static_cast<std::int64_t>(begin) - first * row_bytes),
                out.size());
    return {};
  }
  [[nodiscard]] std::uint64_t file_bytes() const override { return module_.file_bytes(); }
  [[nodiscard]] const PackedModule* packed() const override { return &module_; }

 private:
  PackedModule module_;
};

}  // namespace

Checkpoint unpacked(Bundle bundle) {
  const std::vector<StoredTensor>& stored = bundle.checkpoint.tensors();
  std::vector<StoredTensor> tensors;
  for (const BundleModule& m : bundle.modules) {
    const StoredTensor& codes = stored[static_cast<std::size_t>(m.planes.front())];
    StoredTensor made;
    made.info = {m.path + ".weight", DType::f32, m.shape, codes.info.standing};
    made.file = codes.file;
    made.made = std::make_shared<UnpackedTensor>(PackedModule(bundle.checkpoint, m));
    tensors.push_back(std::move(made));
  }
  for (const int i : bundle.plain) tensors.push_back(stored[static_cast<std::size_t>(i)]);
  json::Value config = logical_config(bundle);
  return std::move(bundle.checkpoint).with(std::move(config), std::move(tensors));
}

}  // namespace jang::format
