// SPDX-License-Identifier: Apache-2.0
// Group by group: both candidates are unpacked by the codec's own definition and scored against the values, so that "exact" means equal.
#include "quantize/carry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "codec/affine.h"
#include "format/targets/packed_module.h"
#include "kernels/params.h"
#include "kernels/values.h"

namespace jang::quantize {
namespace {

using codec::Kind;
using codec::WeightFormat;
using format::PackedModule;

const PackedModule* packed_source(const format::Checkpoint& checkpoint, const arch::Piece& piece) {
  const format::StoredTensor& t = checkpoint.tensors()[static_cast<std::size_t>(piece.source)];
  return t.made == nullptr ? nullptr : t.made->packed();
}

// What a group of the source says of its codes.
struct GroupSource {
  float scale = 0;
  int zero = 0;         // nearest to -bias/scale, within the codes
  float free_zero = 0;  // -bias/scale
  float bias = 0;
};

int nearest_code(float x, int most) {
  const float zero = std::round(x);
  return zero >= 0 && zero <= static_cast<float>(most) ? static_cast<int>(zero) : zero > 0 ? most : 0;
}

GroupSource group_of(const PackedModule& m, const format::PlaneRows& rows, std::int64_t row, std::int64_t g) {
  const std::int64_t at = row * (m.columns() / m.format().group_size) + g;
  GroupSource out;
  out.scale = kernels::load_value(m.params(), rows.planes[1].data(), at);
  const int most = codec::max_code(m.format().bits);
  switch (m.format().kind) {
    case Kind::affine: {
      out.bias = kernels::load_value(m.params(), rows.planes[2].data(), at);
      out.free_zero = out.scale != 0 ? -out.bias / out.scale : 0;
      out.zero = nearest_code(out.free_zero, most);
      return out;
    }
    case Kind::float_zero: {
      out.free_zero = kernels::load_value(m.params(), rows.planes[2].data(), at);
      out.bias = -out.free_zero * out.scale;
      out.zero = nearest_code(out.free_zero, most);
      return out;
    }
    case Kind::integer_zero: out.zero = std::to_integer<int>(rows.planes[2][static_cast<std::size_t>(at)]); break;
    case Kind::symmetric: out.zero = codec::symmetric_zero(m.format().bits); break;
  }
  out.free_zero = static_cast<float>(out.zero);
  out.bias = -out.free_zero * out.scale;
  return out;
}

class Carrier {
 public:
  Carrier(const WeightFormat& format, DType params, std::int64_t in)
      : f_(format), params_(params), in_(in), codes_(static_cast<std::size_t>(in)) {
    for (std::size_t p = 0; p < f_.planes().size(); ++p)
      row_.planes[p].resize(static_cast<std::size_t>(f_.planes()[p].row_bytes(in, params)));
  }

  // One row of the source in the new format, in row().
  void carry(const PackedModule& m, const format::PlaneRows& rows, std::int64_t row) {
    const std::int64_t words = codec::words_per_row(in_, m.format().bits);
    std::vector<std::uint32_t> stream(static_cast<std::size_t>(words));
    std::memcpy(stream.data(), rows.planes[0].data() + row * words * 4, stream.size() * 4);
    codec::unpack(stream.data(), m.format().bits, codes_);
    for (std::int64_t g = 0; g < in_ / f_.group_size; ++g)
      carry_group(g, group_of(m, rows, row, g * f_.group_size / m.format().group_size), codec::max_code(m.format().bits));
    std::vector<std::uint32_t> packed(static_cast<std::size_t>(codec::words_per_row(in_, f_.bits)));
    codec::pack(codes_, f_.bits, packed.data());
    std::memcpy(row_.planes[0].data(), packed.data(), packed.size() * 4);
  }
  [[nodiscard]] const format::PlaneRows& row() const { return row_; }

 private:
  void carry_group(std::int64_t g, GroupSource s, int most) {
    const auto codes = std::span(codes_).subspan(static_cast<std::size_t>(g * f_.group_size), static_cast<std::size_t>(f_.group_size));
    if (f_.kind == Kind::integer_zero && s.scale < 0) {
      for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(most - code);
      s.zero = most - s.zero;
      s.scale = -s.scale;
    }
    if (f_.kind == Kind::symmetric) {
      const int half = codec::symmetric_zero(f_.bits);
      for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(std::clamp(code - s.zero + half, 0, codec::max_code(f_.bits)));
    }
    kernels::store_param(params_, s.scale, row_.planes[1].data(), g);
    if (f_.kind == Kind::affine) kernels::store_param(params_, s.bias, row_.planes[2].data(), g);
    if (f_.kind == Kind::float_zero) kernels::store_param(params_, s.free_zero, row_.planes[2].data(), g);
    if (f_.kind == Kind::integer_zero) row_.planes[2][static_cast<std::size_t>(g)] = static_cast<std::byte>(s.zero);
  }

  const WeightFormat& f_;
  DType params_;
  std::int64_t in_;
  std::vector<std::uint8_t> codes_;
  format::PlaneRows row_;
};

// Bytes of one group of a row in a plane.
std::size_t group_bytes(const codec::Plane& plane, const WeightFormat& f, DType params) {
  return static_cast<std::size_t>(plane.row_bytes(f.group_size, params));
}

class Merger {
 public:
  Merger(const WeightFormat& format, DType params, std::int64_t in, const PlaneSpans& planes)
      : f_(format), params_(params), in_(in), planes_(planes), unpacked_(static_cast<std::size_t>(in)) {}

  // Squared error of every group of a row; infinite where it is no number.
  void score(std::span<const std::byte* const> at, const float* values, std::vector<double>* errors) {
    codec::unpack_row(f_, at, params_, in_, unpacked_.data());
    errors->assign(static_cast<std::size_t>(in_ / f_.group_size), 0.0);
    for (std::int64_t i = 0; i < in_; ++i) {
      const double d = static_cast<double>(unpacked_[static_cast<std::size_t>(i)]) - static_cast<double>(values[i]);
      (*errors)[static_cast<std::size_t>(i / f_.group_size)] += std::isfinite(d) ? d * d : INFINITY;
    }
  }
  [[nodiscard]] std::array<const std::byte*, codec::kMaxPlanes> row_at(std::int64_t r) const {
    std::array<const std::byte*, codec::kMaxPlanes> at{};
    for (std::size_t p = 0; p < f_.planes().size(); ++p) at[p] = planes_[p].data() + r * f_.planes()[p].row_bytes(in_, params_);
    return at;
  }
  void put_group(std::int64_t r, std::int64_t g, const format::PlaneRows& from) {
    for (std::size_t p = 0; p < f_.planes().size(); ++p) {
      const std::size_t n = group_bytes(f_.planes()[p], f_, params_),
                        row = static_cast<std::size_t>(f_.planes()[p].row_bytes(in_, params_));
      std::memcpy(planes_[p].data() + static_cast<std::size_t>(r) * row + static_cast<std::size_t>(g) * n,
                  from.planes[p].data() + static_cast<std::size_t>(g) * n, n);
    }
  }

 private:
  const WeightFormat& f_;
  DType params_;
  std::int64_t in_;
  const PlaneSpans& planes_;
  std::vector<float> unpacked_;
};

// The packed rows behind rows [begin, begin + n) of a tensor, piece by piece.
Status each_row(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, std::int64_t begin, std::int64_t n,
                const std::function<void(std::int64_t, const PackedModule&, const format::PlaneRows&, std::int64_t)>& visit) {
  std::int64_t at = 0;  // first row of the piece in the tensor
  for (const arch::Piece& piece : tensor.pieces) {
    const std::int64_t first = std::max(begin, at), end = std::min(begin + n, at + piece.n_rows);
    if (first < end) {
      const PackedModule& m = *packed_source(checkpoint, piece);
      format::PlaneRows rows;
      JANG_TRY(m.read(checkpoint, piece.row_begin + first - at, end - first, &rows));
      for (std::int64_t r = first; r < end; ++r) visit(r - begin, m, rows, r - first);
    }
    at += piece.n_rows;
  }
  return {};
}

}  // namespace

bool can_carry(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, const WeightFormat& format) {
  if (tensor.add != 0 || tensor.pieces.empty()) return false;
  return std::ranges::all_of(tensor.pieces, [&](const arch::Piece& piece) {
    const PackedModule* m = packed_source(checkpoint, piece);
    return m != nullptr && m->columns() == columns(tensor.shape) && m->format().bits <= format.bits &&
           m->format().group_size % format.group_size == 0;
  });
}

Result<kernels::EncodeError> carry_rows(const format::Checkpoint& checkpoint, const arch::OutTensor& tensor, const WeightFormat& format,
                                        DType params, std::int64_t row_begin, std::span<const float> values, const PlaneSpans& planes,
                                        const std::function<void()>& encode) {
  const std::int64_t in = columns(tensor.shape), n = static_cast<std::int64_t>(values.size()) / in, n_groups = in / format.group_size;
  Carrier carrier(format, params, in);
  Merger merger(format, params, in, planes);
  std::vector<format::PlaneRows> carried(static_cast<std::size_t>(n));
  std::vector<std::vector<double>> errors(static_cast<std::size_t>(n));
  bool exact = true;
  JANG_TRY(
      each_row(checkpoint, tensor, row_begin, n, [&](std::int64_t r, const PackedModule& m, const format::PlaneRows& rows, std::int64_t i) {
        carrier.carry(m, rows, i);
        format::PlaneRows& kept = carried[static_cast<std::size_t>(r)] = carrier.row();
        const std::array<const std::byte*, codec::kMaxPlanes> at = {kept.planes[0].data(), kept.planes[1].data(), kept.planes[2].data()};
        std::vector<double>& e = errors[static_cast<std::size_t>(r)];
        merger.score(std::span(at).first(format.planes().size()), values.data() + r * in, &e);
        exact = exact && std::ranges::all_of(e, [](double x) { return x == 0; });
      }));
  if (!exact) encode();
  kernels::EncodeError sum;
  std::vector<double> encoded(static_cast<std::size_t>(n_groups), INFINITY);
  for (std::int64_t r = 0; r < n; ++r) {
    if (!exact) {
      const std::array<const std::byte*, codec::kMaxPlanes> at = merger.row_at(r);
      merger.score(std::span(at).first(format.planes().size()), values.data() + r * in, &encoded);
    }
    for (std::int64_t g = 0; g < n_groups; ++g) {
      const double kept = errors[static_cast<std::size_t>(r)][static_cast<std::size_t>(g)], made = encoded[static_cast<std::size_t>(g)];
      if (kept <= made) merger.put_group(r, g, carried[static_cast<std::size_t>(r)]);
      sum.squared_error += std::min(kept, made);
    }
  }
  for (const float v : values) sum.squared_norm += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

}  // namespace jang::quantize
