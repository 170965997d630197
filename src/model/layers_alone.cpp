// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "model/layers_alone.h"

#include <fmt/format.h>

namespace jang::model {

Status check_layers_alone(const arch::DecoderConfig& config) {
  if (config.layers_stand_alone()) return {};
  return {StatusCode::unsupported,
          fmt::format("the layers of this {} model cannot run one at a time: some read keys of another layer, or per-layer embeddings of "
                      "the tokens",
                      config.family)};
}

}  // namespace jang::model
