// SPDX-License-Identifier: Apache-2.0
// Planes by their arrangement.
#include "format/targets/packed_module.h"

namespace jang::format {

PackedModule::PackedModule(const Checkpoint& checkpoint, const BundleModule& module)
    : format_(module.format), rows_(jang::rows(module.shape)), columns_(jang::columns(module.shape)), arranged_(module.arranged) {
  for (const int plane : module.planes) planes_.push_back(checkpoint.tensors()[static_cast<std::size_t>(plane)]);
  params_ = planes_[1].info.dtype;
}

std::uint64_t PackedModule::file_bytes() const {
  std::uint64_t bytes = 0;
  for (const StoredTensor& t : planes_) bytes += static_cast<std::uint64_t>(t.info.bytes());
  return bytes;
}

Status PackedModule::read(const Checkpoint& checkpoint, std::size_t p, std::int64_t begin, std::int64_t n,
                          std::vector<std::byte>* out) const {
  out->resize(static_cast<std::size_t>(n * format_->planes()[p].row_bytes(columns_, params_)));
  return targets::get_rows(arranged_[p], rows_, begin, n, *out,
                           [&](std::uint64_t offset, std::span<std::byte> bytes) { return checkpoint.read(planes_[p], offset, bytes); });
}

Status PackedModule::read(const Checkpoint& checkpoint, std::int64_t begin, std::int64_t n, PlaneRows* out) const {
  for (std::size_t p = 0; p < format_->planes().size(); ++p) JANG_TRY(read(checkpoint, p, begin, n, &out->planes[p]));
  return {};
}

void PackedModule::unpack(const PlaneRows& rows, std::int64_t i, float* out) const {
  std::array<const std::byte*, codec::kMaxPlanes> at{};
  const std::span<const codec::Plane> planes = format_->planes();
  for (std::size_t p = 0; p < planes.size(); ++p) at[p] = rows.planes[p].data() + i * planes[p].row_bytes(columns_, params_);
  codec::unpack_row(*format_, std::span(at).first(planes.size()), params_, columns_, out);
}

}  // namespace jang::format
