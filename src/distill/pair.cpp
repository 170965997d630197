// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/pair.h"

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

namespace jang::distill {

Status check_pair(engine::Engine& bundle, engine::Engine& source) {
  const model::Decoder &packed = bundle.decoder(), &dense = source.decoder();
  const auto of_one_shape = [&](const std::string& path) {
    return std::ranges::equal(packed.matrices(path), dense.matrices(path),
                              [](const auto& x, const auto& y) { return x.n_rows == y.n_rows && x.n_cols == y.n_cols; });
  };
  if (packed.config().vocab == dense.config().vocab && packed.modules() == dense.modules() &&
      std::ranges::all_of(packed.modules(), of_one_shape))
    return {};
  return {StatusCode::invalid_argument,
          fmt::format("{} is not the source of {}: the models have other matrices", source.directory(), bundle.directory())};
}

std::uint64_t fingerprint_of(engine::Engine& bundle, engine::Engine& source) {
  std::uint64_t hash = 0;
  const auto add = [&](const std::byte* at, std::int64_t n) { hash = XXH3_64bits_withSeed(at, static_cast<std::size_t>(n), hash); };
  for (const model::Decoder* decoder : {&source.decoder(), &bundle.decoder()}) {
    for (const std::string& path : decoder->modules()) {
      for (const kernels::MatrixView& m : decoder->matrices(path)) {
        add(m.data, m.n_rows * m.row_bytes());
        if (!m.format.packed()) continue;
        add(m.scales, m.n_rows * m.param_row_bytes());
        add(m.biases, m.n_rows * m.param_row_bytes());
      }
    }
  }
  return hash;
}

}  // namespace jang::distill
