// SPDX-License-Identifier: Apache-2.0
// What the models share.
#include "text/tokenizer/models/model.h"

#include <fmt/format.h>

namespace jang::text {

std::vector<std::int32_t> Model::byte_pieces() const {
  std::vector<std::int32_t> ids;
  for (int b = 0; b < 256; ++b) ids.push_back(vocabulary_.find(fmt::format("<0x{:02X}>", b)).value_or(-1));
  return ids;
}

}  // namespace jang::text
