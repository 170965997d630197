// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "base/lfs_pointer.h"

#include <fmt/format.h>

namespace jang {

bool is_lfs_pointer(std::string_view text) { return text.starts_with("version https://git-lfs"); }

Status check_no_lfs_pointer(std::string_view text, std::string_view what) {
  if (!is_lfs_pointer(text)) return {};
  return {StatusCode::corrupt, fmt::format("{} is {}", what, kLfsPointerHelp)};
}

}  // namespace jang
